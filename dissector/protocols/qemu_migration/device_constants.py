# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: constants of devices
# scapy.contrib.status = skip
"""Numbers of the devices whose section bodies delimit themselves, under QEMU's own names; see :mod:`.constants`.

The file given with each is relative to QEMU's source tree, or to libslirp's where it says so.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

from .constants import flag_names

BEYOND = 1 << 52
"""No body has so many octets.  QEMU has no such limit, and fails later, for lack of memory."""

# -------------------------------------------------------------------------------------------------------- dirty-bitmap

DIRTY_BITMAP_SECTION = b"dirty-bitmap"
"""The idstr; ``dirty_bitmap_mig_init()`` of migration/block-dirty-bitmap.c, since 2.12."""


class DirtyBitmapFlag(IntFlag):
    """``DIRTY_BITMAP_MIG_FLAG_`` and these names in migration/block-dirty-bitmap.c, the last without ``FLAG_``."""

    EOS = 0x01
    ZEROES = 0x02
    BITMAP_NAME = 0x04
    DEVICE_NAME = 0x08
    START = 0x10
    COMPLETE = 0x20
    BITS = 0x40
    EXTRA_FLAGS = 0x80


class DirtyBitmapStartFlag(IntFlag):
    """``DIRTY_BITMAP_MIG_START_FLAG_`` and these names; AUTOLOAD is obsolete, and the other bits are refused."""

    ENABLED = 0x01
    PERSISTENT = 0x02
    AUTOLOAD = 0x04


DIRTY_BITMAP_START_FLAG_RESERVED_MASK = 0xF8

DIRTY_BITMAP_CHUNK_SIZE = 1 << 10
"""``CHUNK_SIZE``: a sender puts no more octets of a bitmap into one chunk."""

DIRTY_BITMAP_BUFFER_MAX = 10 * DIRTY_BITMAP_CHUNK_SIZE
"""A receiver takes no chunk that is longer; ``dirty_bitmap_load_bits()``."""

BDRV_SECTOR_SIZE = 512
"""include/block/block-common.h."""

HBITMAP_WORD = 8
"""Octets of the word that a serialised bitmap consists of (``unsigned long``); util/hbitmap.c."""

HBITMAP_ALIGNMENT = 4 * HBITMAP_WORD
"""What a sender rounds the size of a chunk up to; ``send_bitmap_bits()``."""

BITMAP_GRANULARITIES = tuple(1 << bits for bits in range(9, 32))
"""A granularity is a power of two and at least a sector; ``bdrv_create_dirty_bitmap()`` of block/dirty-bitmap.c."""

# --------------------------------------------------------------------------------------------------------------- block

BLOCK_SECTION = b"block"
"""The idstr; ``blk_mig_init()`` of migration/block.c, until 9.0."""


class BlkMigFlag(IntFlag):
    """``BLK_MIG_FLAG_`` and these names: the bits below a sector of migration/block.c; ZERO_BLOCK since 1.6."""

    DEVICE_BLOCK = 0x01
    EOS = 0x02
    PROGRESS = 0x04
    ZERO_BLOCK = 0x08


BLK_MIG_BLOCK_SIZE = 1 << 20
"""Octets behind the head of a block that is not zero, also of a device's last one; migration/block.c."""

# ---------------------------------------------------------------------------------------------------------------- s390

SKEYS_SECTION = b"s390-skeys"
"""``TYPE_S390_SKEYS``; include/hw/s390x/storage-keys.h."""

STATTRIB_SECTION = b"s390-storage_attributes"
"""``TYPE_S390_STATTRIB``; include/hw/s390x/storage-attributes.h."""


class SkeysFlag(IntFlag):
    """``S390_SKEYS_SAVE_FLAG_`` and these names; hw/s390x/s390-skeys.c."""

    EOS = 0x01
    SKEYS = 0x02
    ERROR = 0x04


class StattrFlag(IntFlag):
    """``STATTR_FLAG_`` and these names; hw/s390x/s390-stattrib.c."""

    EOS = 0x01
    MORE = 0x02
    ERROR = 0x04
    DONE = 0x08


# --------------------------------------------------------------------------------------------------------------- spapr

HTAB_SECTION = b"spapr/htab"
"""The idstr of the hash page table of a pseries machine; hw/ppc/spapr.c."""

HTAB_NONE = 0xFFFFFFFF
"""In place of the shift: there is no hash page table (the guest uses radix); ``htab_save_setup()``."""

HASH_PTE_SIZE_64 = 16
"""Octets of an entry; target/ppc/mmu-hash64.h."""

HTAB_SHIFTS = tuple(range(18, 47))
"""Shifts that the architecture has; ``spapr_reallocate_hpt()`` refuses others."""

# ---------------------------------------------------------------------------------------------------------------- VFIO

VFIO_SUFFIX = b"/vfio"
"""What the idstr of a VFIO device ends with, behind the device's path; ``vfio_migration_init()`` of
hw/vfio/migration.c."""

VFIO_SECTION = b"vfio"
"""Its idstr when the device has no path."""

VFIO_MIG_FLAG_HIGH = 0xFFFFFFFF
"""The upper half of every ``VFIO_MIG_FLAG_...``."""


class VfioMigFlag(IntEnum):
    """The lower half of ``VFIO_MIG_FLAG_`` and these names; hw/vfio/migration.c.

    DEV_INIT_DATA_SENT since 8.1, DEV_CONFIG_LOAD_READY since 10.1, the others since 5.2.
    """

    END_OF_STATE = 0xEF100001
    DEV_CONFIG_STATE = 0xEF100002
    DEV_SETUP_STATE = 0xEF100003
    DEV_DATA_STATE = 0xEF100004
    DEV_INIT_DATA_SENT = 0xEF100005
    DEV_CONFIG_LOAD_READY = 0xEF100006


VFIO_DEVICE_STATE_PACKET_VER_CURRENT = 0
"""hw/vfio/migration-multifd.c."""

VFIO_DEVICE_STATE_PACKET_HEAD = 12
"""Octets in front of the data of a ``VFIODeviceStatePacket``."""


class VfioDeviceStateFlag(IntFlag):
    """``VFIO_DEVICE_STATE_`` and this name; hw/vfio/migration-multifd.c."""

    CONFIG_STATE = 0x01


# --------------------------------------------------------------------------------------------------------------- slirp

SLIRP_SECTION = b"slirp"
"""The idstr; net/slirp.c."""

SLIRP_VERSION = 4
"""``slirp_state_version()`` of libslirp's src/state.c up to 4.x; other versions have other fields."""

SLIRP_SOCKET_FOLLOWS = 42
"""What QEMU writes in front of a socket; any other octet but 0 means the same.  libslirp src/state.c."""

SS_FAMILY_MIG_IPV4 = 2
"""The only address family with an address behind it; libslirp src/state.c."""

SS_FAMILIES = (SS_FAMILY_MIG_IPV4, 10, 23, 28)
"""The families that are taken: IPv4, and IPv6 as Linux, Windows and FreeBSD number it."""

NB_BOOTP_CLIENTS = 16
"""libslirp src/bootp.h."""


def flag_list(enum: type[IntFlag], bits: int) -> list[str]:
    """The names of the flags from bit 0 on, as Scapy's FlagsField wants them; "" for bits without one."""
    named = flag_names(enum)
    return [named.get(1 << bit, "") for bit in range(bits)]
