# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: hash page table
# scapy.contrib.status = loads
"""The body of ``spapr/htab``, the hash page table of a pseries guest.

::

    START      shift(4)
    PART, END  0(4), groups { index(4) n_valid(2) n_invalid(2) entries(n_valid * 16) }, 0(8)

A first word that is not 0 is a shift, wherever it stands, and ends the body: the table has ``1 << shift`` octets.

Source: hw/ppc/spapr.c:htab_save_setup(), htab_load() (10.0).
"""

from __future__ import annotations

from typing import ClassVar

from scapy.fields import IntField, LongField, ShortField

from ...declare import F
from ..fields import PayloadField
from ..pdu import Pdu
from .device_constants import HASH_PTE_SIZE_64

__all__ = ["HtabEnd", "HtabGroup", "HtabIteration", "HtabShift"]


class _Htab(Pdu):
    """What all of this file has in common: the display-filter names."""

    group = "htab"
    labels: ClassVar[dict[str, str]] = {
        "index": "First entry",
        "n_valid": "Valid entries",
        "n_invalid": "Invalid entries",
        "section_hdr": "Section header",
    }


class HtabShift(_Htab):
    """``shift(4)``: the size of the table is ``1 << shift``; 0xffffffff: there is none, the guest uses radix.

    hw/ppc/spapr.c:htab_save_setup() (10.0), since 1.7.
    """

    label = "Hash page table"
    fields_desc = [IntField("shift", 18)]


class HtabIteration(_Htab):
    """``0(4)``: groups of entries follow.  hw/ppc/spapr.c:htab_save_iterate() (10.0)."""

    label = "Hash page table entries"
    fields_desc = [IntField("section_hdr", 0)]


class HtabGroup(_Htab):
    """``index(4) n_valid(2) n_invalid(2) entries(n_valid * 16)``: entries from *index* on.

    Those behind the valid ones are cleared.  Outside of the table: "htab_load() bad index %d (%hd+%hd entries) in htab
    stream (htab_shift=%d)".  An *n_valid* left out is that of the entries.  hw/ppc/spapr.c:htab_save_chunk() (10.0).
    """

    label = "Hash page table group"
    fields_desc = [
        IntField("index", 0),
        ShortField("n_valid", None),
        ShortField("n_invalid", 0),
        PayloadField("entries", b"", length_from=F.n_valid * HASH_PTE_SIZE_64),
    ]

    def post_build(self, pkt: bytes, pay: bytes) -> bytes:
        """Count the entries."""
        if self.n_valid is None:
            pkt = pkt[:4] + (len(self.entries) // HASH_PTE_SIZE_64).to_bytes(2, "big") + pkt[6:]
        return pkt + pay


class HtabEnd(_Htab):
    """``0(8)``: the body ends.  hw/ppc/spapr.c:htab_save_end_marker() (10.0)."""

    label = "Hash page table end"
    fields_desc = [LongField("end", 0)]
