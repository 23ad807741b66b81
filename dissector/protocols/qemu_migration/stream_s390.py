# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: storage keys and attributes as tables
# scapy.contrib.status = skip
"""The bodies of ``s390-skeys`` and ``s390-storage_attributes``: records until EOS."""

from __future__ import annotations

from ...declare import F, Rule, S, State, both, peek, text
from .device_constants import BEYOND, SkeysFlag, StattrFlag
from .findings import error
from .s390 import SkeysEos, SkeysError, SkeysKeys, StattrDone, StattrEos, StattrError, StattrValues

FLAGS = peek(4, 4) % S.page_size
"""The flags of the record ahead."""

KEYS_INCOMPLETE = error("skeys_incomplete", "Storage key data is incomplete")
UNKNOWN_KEYS = error("skeys_flags", "Unexpected storage key flag data: 0x%x", FLAGS)
VALUES_INCOMPLETE = error("stattrib_incomplete", "Storage attributes data is incomplete")
UNKNOWN_VALUES = error("stattrib_flags", "Unexpected storage attribute flag data: 0x%x", FLAGS)

RANGE = text("0x%x: %d pages", F.addr, F.count)

FAR_TOO_MANY = peek(8, 4) >= BEYOND >> 32
"""The record ahead has data for more pages than any machine has."""

TOO_MANY_KEYS = error("skeys_count", "S390_SET_KEYS error -22")
TOO_MANY_VALUES = error("stattrib_count", "cmma_load could not allocate memory")

SKEYS = State(
    "skeys",
    Rule(when=both(FLAGS == int(SkeysFlag.SKEYS), FAR_TOO_MANY), fault=TOO_MANY_KEYS),
    Rule(SkeysKeys, match=("flags",), info=RANGE),
    Rule(SkeysEos, match=("flags",), goto="footer"),
    Rule(SkeysError, match=("flags",), goto="footer", findings=(KEYS_INCOMPLETE,)),
    Rule(fault=UNKNOWN_KEYS),
    doc="The storage keys of an s390x guest.",
)

STATTRIB = State(
    "stattrib",
    Rule(when=both(FLAGS == int(StattrFlag.MORE), FAR_TOO_MANY), fault=TOO_MANY_VALUES),
    Rule(StattrValues, match=("flags",), info=RANGE),
    Rule(StattrEos, match=("flags",), goto="footer"),
    Rule(StattrDone, match=("flags",)),
    Rule(StattrError, match=("flags",), goto="footer", findings=(VALUES_INCOMPLETE,)),
    Rule(fault=UNKNOWN_VALUES),
    doc="The storage attributes of an s390x guest.",
)

STATES = (SKEYS, STATTRIB)
