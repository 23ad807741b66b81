# SPDX-License-Identifier: GPL-2.0-or-later
"""The second witness: a layer's generated dissector beside Wireshark's own one for the same protocol.

That Scapy and the plugin generated from it agree proves the generator, and nothing of the layer: both are wrong where
the layer is.  Wireshark's dissector of the same protocol was written by others from the same standard.  So the same
octets are read by both, every field of the one is held against its counterpart in the other, and what differs needs a
reason and a culprit.

A profile (``tests/native/*.toml``, see :mod:`.profile`) says which field is which, gives packets, and lists every
difference that is known.  What differs and is not listed is an error; what is listed and does not differ is one, too.
"""
