# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: CPR state
# scapy.contrib.status = loads
"""CPR state: what a QEMU hands over to its successor on the same host before the migration proper (10.0).

With the mode cpr-transfer it goes over a UNIX socket of its own, with cpr-exec (10.2) it lies in a memfd that survives
the execve.  It is the description of a list of file descriptors, so that memory and devices stay where they are, and
the main channel that follows has no page::

    magic(4) version(4)  { 01 namelen(4) name id(4) fd } ...  00
    [05 str8("CprState/vfio devices") version(4)  { 01 namelen(4) name devid(4) ioas_id(4) hwpt_id(4) } ...  00]

Names count and carry a NUL at their end.  A descriptor itself cannot be in a stream of octets: on the socket one octet
stands for it, the one that SCM_RIGHTS needs as its carrier; in the memfd it is the number.  The destination says that
it is ready by closing the connection; it never answers.

Sources: migration/cpr.c:cpr_state_save(), cpr_state_load(), migration/vmstate-types.c:put_fd(),
hw/vfio/cpr-iommufd.c (11.1).
"""

from __future__ import annotations

from typing import Any

from scapy.fields import ByteField, FieldLenField, IntField, StrLenField, XByteField, XIntField

from ...declare import F, iif
from ..pdu import Pdu
from .constants import (
    CPR_FD_CARRIER,
    CPR_NAME_MAX,
    CPR_VFIO_DEVICES,
    QEMU_CPR_FILE_MAGIC,
    QEMU_CPR_FILE_VERSION,
    SectionType,
)
from .section import section_type

__all__ = ["CprFd", "CprFdNumber", "CprHeader", "CprListEnd", "CprVfioDevice", "CprVfioDevices"]


class _Cpr(Pdu):
    """What all of them have in common: the display-filter group, and the names of fields."""

    group = "cpr"
    labels = {
        "more": "An element follows",
        "namelen": "Length of name with NUL",
        "fd": "File descriptor",
        "idstr": "Subsection",
        "idstr_length": "Length of name",
        "version_id": "Subsection version",
        "devid": "Device id",
        "ioas_id": "I/O address space",
        "hwpt_id": "Hardware page table",
    }


class CprHeader(_Cpr):
    """``magic(4) version(4)``: "QCPR" and 1.

    Errors: "Not a migration stream (bad magic %x)", "Unsupported migration stream version %d".
    migration/cpr.c:cpr_state_load() (10.0).
    """

    label = "QEMU_CPR_FILE_MAGIC"
    fields_desc = [XIntField("magic", QEMU_CPR_FILE_MAGIC), IntField("version", QEMU_CPR_FILE_VERSION)]


def element() -> list[Any]:
    """What an element of either list begins with; a length that no name has is taken for that of none."""
    return [
        ByteField("more", 1),
        FieldLenField("namelen", None, fmt="!I", length_of="name"),
        StrLenField("name", b"\0", length_from=iif(F.namelen > CPR_NAME_MAX, 0, F.namelen)),
    ]


class CprFd(_Cpr):
    """``01 namelen(4) name id(4) 20``: a file descriptor, which came with this octet and is not in it.

    The name is that of a RAM block or a device; the id tells several of one name apart.
    migration/cpr.c:vmstate_cpr_fd, migration/qemu-file.c:qemu_file_put_fd() (10.0).
    """

    label = "CPR fd"
    fields_desc = [*element(), IntField("id", 0), XByteField("carrier", CPR_FD_CARRIER)]


class CprFdNumber(_Cpr):
    """``01 namelen(4) name id(4) fd(4)``: a file descriptor that stays open over execve, as its number.

    migration/vmstate-types.c:put_fd() (11.1), since 10.2.
    """

    label = "CPR fd number"
    fields_desc = [*element(), IntField("id", 0), IntField("fd", 0)]


class CprListEnd(_Cpr):
    """``00``: the list has no more elements.  migration/vmstate-types.c:put_qlist() (10.0)."""

    label = "CPR list end"
    fields_desc = [ByteField("more", 0)]


class CprVfioDevices(_Cpr):
    """``05 str8("CprState/vfio devices") version(4)``, then a list of :class:`CprVfioDevice`.

    Sent by every QEMU that was built with VFIO, with an empty list too.  migration/cpr.c (11.1), since 10.1.
    """

    label = "CprState/vfio devices"
    fields_desc = [
        section_type(SectionType.QEMU_VM_SUBSECTION),
        FieldLenField("idstr_length", None, fmt="B", length_of="idstr"),
        StrLenField("idstr", CPR_VFIO_DEVICES, length_from=F.idstr_length),
        IntField("version_id", 1),
    ]


class CprVfioDevice(_Cpr):
    """``01 namelen(4) name devid(4) ioas_id(4) hwpt_id(4)``: a device of vfio with iommufd, and the ids it has there.

    hw/vfio/cpr-iommufd.c:vmstate_cpr_vfio_device; the descriptors are in migration/cpr.c's list (11.1), since 10.1.
    """

    label = "CPR vfio device"
    fields_desc = [*element(), IntField("devid", 0), IntField("ioas_id", 0), IntField("hwpt_id", 0)]
