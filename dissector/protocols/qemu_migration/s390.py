# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: storage keys and attributes
# scapy.contrib.status = loads
"""The bodies of ``s390-skeys`` and ``s390-storage_attributes``: an octet for each page of an s390x guest.

Every record begins with a 64-bit word, an address in the guest and below its page size one flag.  Records with data
have a number of pages and as many octets.

Sources: hw/s390x/s390-skeys.c:s390_storage_keys_load(), hw/s390x/s390-stattrib.c:cmma_load() (10.0).
"""

from __future__ import annotations

from enum import IntFlag
from typing import ClassVar

from scapy.fields import FieldLenField

from ...declare import F, S
from ..fields import HighPart, LowPart, PayloadField
from ..pdu import Pdu
from .constants import flag_names
from .device_constants import SkeysFlag, StattrFlag

__all__ = ["SkeysEos", "SkeysError", "SkeysKeys", "StattrDone", "StattrEos", "StattrError", "StattrValues"]


def word(flag: IntFlag) -> list[object]:
    """What every record begins with."""
    return [HighPart("addr", 0, S.page_size), LowPart("flags", int(flag), S.page_size, flag_names(type(flag)))]


def counted(name: str) -> list[object]:
    """A number of pages, and an octet for each."""
    return [FieldLenField("count", None, fmt="!Q", length_of=name), PayloadField(name, b"", length_from=F.count)]


LABELS = {"addr": "Address in guest", "count": "Number of pages"}


class _Skeys(Pdu):
    """What the records have in common."""

    group = "skeys"
    labels: ClassVar[dict[str, str]] = LABELS


class SkeysKeys(_Skeys):
    """``word(8) count(8) keys(count)``: the storage keys of *count* pages from the address on.

    hw/s390x/s390-skeys.c:s390_storage_keys_load() (10.0), since 2.5.
    """

    label = "S390_SKEYS_SAVE_FLAG_SKEYS"
    fields_desc = [*word(SkeysFlag.SKEYS), *counted("keys")]


class SkeysEos(_Skeys):
    """``word(8)``: the body ends; all there is when the guest uses no keys.

    hw/s390x/s390-skeys.c:s390_storage_keys_save() (10.0).
    """

    label = "S390_SKEYS_SAVE_FLAG_EOS"
    fields_desc = word(SkeysFlag.EOS)


class SkeysError(_Skeys):
    """``word(8)``: in place of EOS: the source could not read the keys; "Storage key data is incomplete".

    hw/s390x/s390-skeys.c:s390_storage_keys_load() (10.0).
    """

    label = "S390_SKEYS_SAVE_FLAG_ERROR"
    fields_desc = word(SkeysFlag.ERROR)


class _Stattr(Pdu):
    """What the records have in common."""

    group = "stattrib"
    labels: ClassVar[dict[str, str]] = LABELS


class StattrValues(_Stattr):
    """``word(8) count(8) values(count)``: the storage attributes of *count* pages from the address on.

    hw/s390x/s390-stattrib.c:cmma_load() (10.0), since 2.11.
    """

    label = "STATTR_FLAG_MORE"
    fields_desc = [*word(StattrFlag.MORE), *counted("values")]


class StattrDone(_Stattr):
    """``word(8)``: all values were sent; in front of END's EOS.  hw/s390x/s390-stattrib.c:cmma_save() (10.0)."""

    label = "STATTR_FLAG_DONE"
    fields_desc = word(StattrFlag.DONE)


class StattrEos(_Stattr):
    """``word(8)``: the body ends.  hw/s390x/s390-stattrib.c:cmma_save() (10.0)."""

    label = "STATTR_FLAG_EOS"
    fields_desc = word(StattrFlag.EOS)


class StattrError(_Stattr):
    """``word(8)``: "Storage attributes data is incomplete".  hw/s390x/s390-stattrib.c:cmma_load() (10.0)."""

    label = "STATTR_FLAG_ERROR"
    fields_desc = word(StattrFlag.ERROR)
