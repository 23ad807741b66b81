# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: hash page table as a table
# scapy.contrib.status = skip
"""The body of ``spapr/htab``: a shift, or groups of entries."""

from __future__ import annotations

from ...declare import F, Rule, S, State, both, not_, peek, text
from .device_constants import HASH_PTE_SIZE_64, HTAB_NONE, HTAB_SHIFTS
from .findings import error
from .htab import HtabEnd, HtabGroup, HtabIteration, HtabShift

BAD_SHIFT = error(
    "htab_shift",
    "a hash page table of 1 << %u octets: no machine has one",
    F.shift,
    when=not_(F.shift.isin(HTAB_NONE, *HTAB_SHIFTS)),
)
BAD_INDEX = error(
    "htab_index",
    "htab_load() bad index %d (%d+%d entries) in htab stream (htab_shift=%d)",
    F.index,
    F.n_valid,
    F.n_invalid,
    S.htab_shift,
    when=both(
        S.htab_shift.isin(*HTAB_SHIFTS),
        F.index + F.n_valid + F.n_invalid > (1 << S.htab_shift) // HASH_PTE_SIZE_64,
    ),
)

HTAB = State(
    "htab",
    Rule(HtabIteration, match=("section_hdr",), goto="htab_groups"),
    Rule(
        HtabShift,
        goto="footer",
        do=((S.htab_shift, F.shift),),
        findings=(BAD_SHIFT,),
        info=text("htab_shift %d", F.shift),
    ),
    doc="The hash page table of a pseries guest.",
)

HTAB_GROUPS = State(
    "htab_groups",
    Rule(HtabEnd, when=both(peek(0, 4) == 0, peek(4, 4) == 0), goto="footer"),
    Rule(HtabGroup, findings=(BAD_INDEX,), info=text("%d: %d+%d entries", F.index, F.n_valid, F.n_invalid)),
    doc="Entries of the hash page table, in groups.",
)

STATES = (HTAB, HTAB_GROUPS)
