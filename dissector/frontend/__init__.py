# SPDX-License-Identifier: GPL-2.0-or-later
"""From Scapy to the intermediate representation; the only code that looks inside Scapy.

``source`` a function's syntax tree; ``changes`` what a module changes at run time; ``values`` what an expression stands
for; ``scope``, ``comparisons``, ``expressions``, ``functions``, ``calls``, ``statements`` the parts of Python that are
understood, each a class derived from the one before; ``callables`` the translation of one callable; ``samples`` and
``oracle`` its check against the original; ``corpus`` every callable of Scapy's own layers.  ``fields``, ``layers`` and
``streams`` put it together.
"""
