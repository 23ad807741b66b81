# SPDX-License-Identifier: GPL-2.0-or-later
"""The base class of the layers of a stream protocol: one class is one PDU.

What the generator wants to know of a layer beside its fields are class attributes, all optional:

========== ==============================================================================================
``label``  the name a reader knows the PDU by (``MIG_CMD_PACKAGED``); default: the class's name
``group``  the display-filter group of its fields (``ram`` gives ``qmig.ram.addr``); default: the class's
           name in lower case
``abbrevs`` field name -> display-filter name without the prefix, where the group rule does not fit
``labels`` field name -> what to show for it; default: the field's name with blanks
``scan``   an :class:`dissector.declare.Until` for a body without a length
========== ==============================================================================================

A PDU takes exactly its octets: whatever follows belongs to the next one.  PDUs are put together with ``/`` (as the
list of a command follows its head, or the inner stream its package), and lengths left out are computed from what
follows, by :meth:`Pdu.post_build` of the layer that has them.
"""

from __future__ import annotations

from typing import Any, ClassVar

from scapy.packet import Packet, Raw

from ..declare import Until

__all__ = ["Pdu"]


class Pdu(Packet):
    """One PDU of a stream; see the head of this file."""

    label: ClassVar[str] = ""
    group: ClassVar[str] = ""
    abbrevs: ClassVar[dict[str, str]] = {}
    labels: ClassVar[dict[str, str]] = {}
    scan: ClassVar[Until | None] = None

    def extract_padding(self, s: bytes) -> tuple[bytes, bytes]:
        """Leave what follows to whoever reads the stream."""
        return b"", s

    def followers(self, cls: type[Packet]) -> list[Any]:
        """The layers of class *cls* that were put directly behind this one: what its counts and lengths speak of."""
        found, layer = [], self.payload
        while isinstance(layer, cls):
            found.append(layer)
            layer = layer.payload
        return found

    def default_payload_class(self, payload: bytes) -> Any:  # noqa: ARG002  Scapy names it
        """Nothing is guessed: the stream's rules decide what follows."""
        return Raw
