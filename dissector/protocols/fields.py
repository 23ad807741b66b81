# SPDX-License-Identifier: GPL-2.0-or-later
"""Scapy fields that stream protocols need and Scapy does not have.

None of them knows a protocol.  :mod:`dissector.frontend.fields` has a row for each.

* :class:`HighPart` and :class:`LowPart` share the octets of one big-endian integer.  The border between them is an
  expression, since it may be negotiated: QEMU packs a page's offset and its flags into 64 bits, and the border is
  the target's page size.
* :class:`PayloadField` is a run of octets that no reader waits for: the streaming executors skip it by count.
"""

from __future__ import annotations

from typing import Any

from scapy.fields import FlagsField, StrLenField, XLongField

from ..declare import Packed

__all__ = ["HighPart", "LowPart", "PayloadField"]


class HighPart(XLongField):
    """The part of a 64-bit integer at and above *modulus*, as a multiple of it.  Consumes nothing; a LowPart follows.

    ``modulus`` is an expression object or a callable of the packet; its value is a power of two of at most 2**32.
    """

    __slots__ = ["modulus"]

    def __init__(self, name: str, default: int | None, modulus: Any) -> None:
        self.modulus = modulus
        super().__init__(name, default)

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, int]:
        """Peek at eight octets and leave them for the low part."""
        value = int.from_bytes(s[:8], "big")
        return s, value - value % int(self.modulus(pkt))

    def addfield(self, pkt: Any, s: bytes, val: int | None) -> bytes:
        """Write eight octets that the low part completes."""
        return s + int(self.i2m(pkt, val)).to_bytes(8, "big")


class LowPart(FlagsField):
    """The part of a 64-bit integer below *modulus*, as flags.  Completes the eight octets of the HighPart before it."""

    __slots__ = ["modulus"]

    def __init__(self, name: str, default: Any, modulus: Any, names: dict[int, str]) -> None:
        self.modulus = modulus
        top = max(names).bit_length()
        bits = [names.get(1 << i, f"bit{i}") for i in range(top)]
        super().__init__(name, default, 32, bits)

    def getfield(self, pkt: Any, s: bytes) -> tuple[bytes, Any]:
        """Consume the eight octets."""
        value = int.from_bytes(s[:8], "big")
        return s[8:], self.m2i(pkt, value % int(self.modulus(pkt)))

    def addfield(self, pkt: Any, s: bytes, val: Any) -> bytes:
        """Put the flags into the last of the eight octets; bits that do not fit there are a crafter's wish: kept."""
        high = int.from_bytes(s[-8:], "big")
        return s[:-8] + ((high | int(self.i2m(pkt, val))) & (1 << 64) - 1).to_bytes(8, "big")


class PayloadField(StrLenField):
    """Octets skipped by count.  Only the last field of a layer can be one.

    ``packed`` says what comes out of it where it is compressed, for readers that can show that as well; for Scapy the
    octets are those of the wire.
    """

    __slots__ = ["packed"]

    def __init__(self, name: str, default: bytes, length_from: Any = None, packed: Packed | None = None) -> None:
        self.packed = packed
        super().__init__(name, default, length_from=length_from)
