# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: VFIO devices
# scapy.contrib.status = loads
"""The body of a VFIO device's section (5.2): records that begin with a 64-bit tag.

::

    START      DEV_SETUP_STATE END_OF_STATE
    PART, END  { DEV_DATA_STATE size(8) data } (END_OF_STATE | DEV_INIT_DATA_SENT)
    FULL       DEV_CONFIG_STATE config END_OF_STATE

The section is called as the device with ``/vfio`` behind it.  FULL has the id that START had.  The configuration has
no length: it ends where END_OF_STATE and the section's footer stand.

With multifd (10.0) the data travel in DEVICE_STATE packets (:mod:`.multifd`), each with a ``VFIODeviceStatePacket``;
the last one has the configuration, with its two tags, and the section END has nothing but END_OF_STATE.

Sources: hw/vfio/migration.c:vfio_load_state(), hw/vfio/migration-multifd.c:vfio_multifd_load_state_buffer() (10.0).
"""

from __future__ import annotations

from typing import Any, ClassVar

from scapy.fields import FieldLenField, FlagsField, IntField, StrField, XLongField

from ...declare import F, S, Until
from ..fields import PayloadField
from ..pdu import Pdu
from .device_constants import (
    VFIO_DEVICE_STATE_PACKET_VER_CURRENT,
    VFIO_MIG_FLAG_HIGH,
    VfioDeviceStateFlag,
    VfioMigFlag,
    flag_list,
)
from .lookahead import VFIO_CONFIG_END, VFIO_CONFIG_WINDOW

__all__ = [
    "VfioConfigData",
    "VfioConfigLoadReady",
    "VfioConfigState",
    "VfioDataState",
    "VfioDeviceConfig",
    "VfioEndOfState",
    "VfioInitDataSent",
    "VfioSetupState",
    "VfioStateData",
    "VfioStatePacket",
]


def tag(value: VfioMigFlag) -> XLongField:
    """What every record begins with."""
    return XLongField("tag", VFIO_MIG_FLAG_HIGH << 32 | int(value))


class _Vfio(Pdu):
    """What all of this file has in common: the display-filter names."""

    group = "vfio"
    labels: ClassVar[dict[str, str]] = {"idx": "Index"}


class VfioEndOfState(_Vfio):
    """``ffffffffef100001``: the body ends.  hw/vfio/migration.c:vfio_load_state() (10.0)."""

    label = "VFIO_MIG_FLAG_END_OF_STATE"
    fields_desc = [tag(VfioMigFlag.END_OF_STATE)]


class VfioConfigState(_Vfio):
    """``ffffffffef100002``: the device's configuration follows, then END_OF_STATE.

    hw/vfio/migration.c:vfio_load_device_config_state() (10.0).
    """

    label = "VFIO_MIG_FLAG_DEV_CONFIG_STATE"
    fields_desc = [tag(VfioMigFlag.DEV_CONFIG_STATE)]


class VfioDeviceConfig(_Vfio):
    """The configuration of a VFIO device, up to END_OF_STATE and the footer behind it: PCI configuration space, MSI-X.

    hw/vfio/pci.c:vmstate_vfio_pci_config (10.0).
    """

    label = "VFIO device configuration"
    fields_desc = [StrField("config", b"")]
    scan = Until(accept=VFIO_CONFIG_END, anchor=(0, (0xFF,)), window=VFIO_CONFIG_WINDOW)


class VfioSetupState(_Vfio):
    """``ffffffffef100003``: in START, and END_OF_STATE behind it: "SETUP STATE: EOS not found 0x%x" without.

    hw/vfio/migration.c:vfio_save_setup() (10.0).
    """

    label = "VFIO_MIG_FLAG_DEV_SETUP_STATE"
    fields_desc = [tag(VfioMigFlag.DEV_SETUP_STATE)]


class VfioDataState(_Vfio):
    """``ffffffffef100004 size(8) data(size)``: a piece of the device's state; 7.2 may send one of no octets.

    hw/vfio/migration.c:vfio_load_buffer() (10.0).
    """

    label = "VFIO_MIG_FLAG_DEV_DATA_STATE"
    fields_desc = [
        tag(VfioMigFlag.DEV_DATA_STATE),
        FieldLenField("size", None, fmt="!Q", length_of="data"),
        PayloadField("data", b"", length_from=F.size),
    ]


class VfioInitDataSent(_Vfio):
    """``ffffffffef100005``: the body ends, and with it what the device calls its initial data (8.1).

    The destination answers with SWITCHOVER_ACK when the last device has said so.
    hw/vfio/migration.c:vfio_save_iterate() (10.0).
    """

    label = "VFIO_MIG_FLAG_DEV_INIT_DATA_SENT"
    fields_desc = [tag(VfioMigFlag.DEV_INIT_DATA_SENT)]


class VfioConfigLoadReady(_Vfio):
    """``ffffffffef100006``: the body ends; the configuration that multifd brought may be loaded (10.1, Arm).

    hw/vfio/migration-multifd.c:vfio_load_state_config_load_ready() (10.1).
    """

    label = "VFIO_MIG_FLAG_DEV_CONFIG_LOAD_READY"
    fields_desc = [tag(VfioMigFlag.DEV_CONFIG_LOAD_READY)]


def head(flags: int) -> list[Any]:
    """What stands in front of the data in a DEVICE_STATE packet."""
    return [
        IntField("version", VFIO_DEVICE_STATE_PACKET_VER_CURRENT),
        IntField("idx", 0),
        FlagsField("flags", flags, 32, flag_list(VfioDeviceStateFlag, 32)),
    ]


class VfioStatePacket(_Vfio):
    """``version(4) idx(4) flags(4)``: the head of a ``VFIODeviceStatePacket``, the data of a DEVICE_STATE packet.

    The packets of a device are numbered from 0; that with CONFIG_STATE is the last one.  Errors: "packet has unknown
    version %u", "packet index is invalid".
    hw/vfio/migration-multifd.c:vfio_multifd_load_state_buffer() (10.0).
    """

    label = "VFIODeviceStatePacket"
    fields_desc = head(0)


class VfioConfigData(_Vfio):
    """``config``: the device's configuration in a DEVICE_STATE packet, between its two tags.

    hw/vfio/pci.c:vmstate_vfio_pci_config (10.0).
    """

    label = "VFIO device configuration"
    abbrevs: ClassVar[dict[str, str]] = {"data": "vfio.config_data"}
    fields_desc = [PayloadField("data", b"", length_from=S.state_left)]


class VfioStateData(_Vfio):
    """What a DEVICE_STATE packet has behind the head: a piece of the device's state.

    hw/vfio/migration-multifd.c:vfio_load_state_buffer_write() (10.0).
    """

    label = "VFIO device state"
    abbrevs: ClassVar[dict[str, str]] = {"data": "vfio.state"}
    fields_desc = [PayloadField("data", b"", length_from=S.state_left)]
