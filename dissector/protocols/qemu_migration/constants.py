# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: constants
# scapy.contrib.status = skip
"""Numbers and limits of QEMU's migration protocol, under QEMU's own names.

Each stands here and nowhere else: layers, stream tables, the builder and the generated dissectors all take it from
this file.  The file given with each is relative to QEMU's source tree.  Where releases disagree, both values are
here and the text says which release has which.
"""

from __future__ import annotations

from enum import IntEnum, IntFlag

QEMU_VM_FILE_MAGIC = 0x5145564D
"""``QEVM``; migration/savevm.h."""

QEMU_VM_FILE_VERSION_COMPAT = 2
"""The version that is refused as obsolete; migration/savevm.h."""

QEMU_VM_FILE_VERSION = 3
"""The only version in use since 0.10; migration/savevm.h."""


class SectionType(IntEnum):
    """The first octet of everything on the main channel; migration/savevm.h."""

    QEMU_VM_EOF = 0x00
    QEMU_VM_SECTION_START = 0x01
    QEMU_VM_SECTION_PART = 0x02
    QEMU_VM_SECTION_END = 0x03
    QEMU_VM_SECTION_FULL = 0x04
    QEMU_VM_SUBSECTION = 0x05
    QEMU_VM_VMDESCRIPTION = 0x06
    QEMU_VM_CONFIGURATION = 0x07
    QEMU_VM_COMMAND = 0x08
    QEMU_VM_SECTION_FOOTER = 0x7E


CONFIGURATION_NAME_MAX = 256
"""No machine type has a longer name.  QEMU sets no limit; this one tells a configuration from something else."""


class Command(IntEnum):
    """``enum qemu_vm_cmd`` of migration/savevm.c, as of 3.1.

    ENABLE_COLO came with 3.1 *before* POSTCOPY_RESUME, so 3.0 has 8 = POSTCOPY_RESUME and 9 = RECV_BITMAP.  From
    11.0 on 8 is MIG_CMD_DEPRECATED_0 and refused.  SWITCHOVER_START came with 10.0.
    """

    MIG_CMD_OPEN_RETURN_PATH = 1
    MIG_CMD_PING = 2
    MIG_CMD_POSTCOPY_ADVISE = 3
    MIG_CMD_POSTCOPY_LISTEN = 4
    MIG_CMD_POSTCOPY_RUN = 5
    MIG_CMD_POSTCOPY_RAM_DISCARD = 6
    MIG_CMD_PACKAGED = 7
    MIG_CMD_ENABLE_COLO = 8
    MIG_CMD_POSTCOPY_RESUME = 9
    MIG_CMD_RECV_BITMAP = 10
    MIG_CMD_SWITCHOVER_START = 11


COMMAND_3_0_POSTCOPY_RESUME = 8
"""MIG_CMD_POSTCOPY_RESUME as release 3.0 numbers it."""

COMMAND_3_0_RECV_BITMAP = 9
"""MIG_CMD_RECV_BITMAP as release 3.0 numbers it."""

COMMAND_LENGTHS: dict[Command, int] = {
    Command.MIG_CMD_OPEN_RETURN_PATH: 0,
    Command.MIG_CMD_PING: 4,
    Command.MIG_CMD_POSTCOPY_LISTEN: 0,
    Command.MIG_CMD_POSTCOPY_RUN: 0,
    Command.MIG_CMD_PACKAGED: 4,
    Command.MIG_CMD_ENABLE_COLO: 0,
    Command.MIG_CMD_POSTCOPY_RESUME: 0,
    Command.MIG_CMD_SWITCHOVER_START: 0,
}
"""Payload octets of the commands whose length is fixed; ``mig_cmd_args`` of migration/savevm.c."""

ADVISE_LENGTHS = (0, 16)
"""POSTCOPY_ADVISE: nothing when only dirty bitmaps are postcopied (2.12), else two 64-bit words;
``loadvm_postcopy_handle_advise()`` of migration/savevm.c."""

RAM_DISCARD_HEAD = 3
"""Octets of POSTCOPY_RAM_DISCARD around the block's name: version, length of the name, NUL."""

RAM_DISCARD_RANGE = 16
"""Octets of one range; ``loadvm_postcopy_ram_handle_discard()`` of migration/savevm.c."""

RAM_DISCARD_MIN = RAM_DISCARD_HEAD + 1 + RAM_DISCARD_RANGE
"""A name of one octet and one range: anything shorter is refused."""

POSTCOPY_RAM_DISCARD_VERSION = 0
"""``postcopy_ram_discard_version`` of migration/savevm.c."""

MAX_DISCARDS_PER_COMMAND = 12
"""A sender puts no more ranges into one command; migration/postcopy-ram.c."""

MAX_VM_CMD_PACKAGED_SIZE = 1 << 24
"""Inclusive, for sender and receiver, from 2.5 to 2.11; UINT32_MAX since 2.12.  migration/savevm.c, in
2.5 include/sysemu/sysemu.h."""

QEMU_VM_PING_PACKAGED_LOADED = 0x42
"""The PING that is the last in a package (10.2); its PONG tells that the devices are loaded.  migration/savevm.h."""


class PostcopyState(IntEnum):
    """``PostcopyState`` of migration/postcopy-ram.h: what the commands have led the destination to."""

    POSTCOPY_INCOMING_NONE = 0
    POSTCOPY_INCOMING_ADVISE = 1
    POSTCOPY_INCOMING_DISCARD = 2
    POSTCOPY_INCOMING_LISTENING = 3
    POSTCOPY_INCOMING_RUNNING = 4


class Message(IntEnum):
    """``enum mig_rp_message_type`` of migration/migration.h; 5 and 6 came with 3.0, 7 with 8.1."""

    MIG_RP_MSG_SHUT = 1
    MIG_RP_MSG_PONG = 2
    MIG_RP_MSG_REQ_PAGES_ID = 3
    MIG_RP_MSG_REQ_PAGES = 4
    MIG_RP_MSG_RECV_BITMAP = 5
    MIG_RP_MSG_RESUME_ACK = 6
    MIG_RP_MSG_SWITCHOVER_ACK = 7


MESSAGE_LENGTHS: dict[Message, int] = {
    Message.MIG_RP_MSG_SHUT: 4,
    Message.MIG_RP_MSG_PONG: 4,
    Message.MIG_RP_MSG_REQ_PAGES: 12,
    Message.MIG_RP_MSG_RESUME_ACK: 4,
    Message.MIG_RP_MSG_SWITCHOVER_ACK: 0,
}
"""Payload octets of the messages whose length is fixed; ``rp_cmd_args`` of migration/migration.c."""

REQ_PAGES_ID_HEAD = 13
"""Octets of REQ_PAGES_ID in front of the block's name."""

RP_BUFFER = 512
"""A variable payload must fit into the source's buffer; ``source_return_path_thread()`` of migration/migration.c."""

MIGRATION_RESUME_ACK_VALUE = 1
"""The only value of RESUME_ACK; migration/migration.h."""

RAMBLOCK_RECV_BITMAP_ENDING = 0x0123456789ABCDEF
"""Stands behind the bitmap of RECV_BITMAP; migration/ram.c."""


class ColoMessageType(IntEnum):
    """``COLOMessage`` of qapi/migration.json: the words behind a migration with COLO."""

    COLO_MESSAGE_CHECKPOINT_READY = 0
    COLO_MESSAGE_CHECKPOINT_REQUEST = 1
    COLO_MESSAGE_CHECKPOINT_REPLY = 2
    COLO_MESSAGE_VMSTATE_SEND = 3
    COLO_MESSAGE_VMSTATE_SIZE = 4
    COLO_MESSAGE_VMSTATE_RECEIVED = 5
    COLO_MESSAGE_VMSTATE_LOADED = 6


class RamFlag(IntFlag):
    """The low bits of a RAM record's head: ``RAM_SAVE_FLAG_`` and these names in migration/ram.c (newer: ram.h).

    FULL is obsolete.  HOOK is RDMA's (1.6).  COMPRESS_PAGE lived from 2.4 to 9.0, MULTIFD_FLUSH came with 8.1.
    """

    FULL = 0x01
    ZERO = 0x02
    MEM_SIZE = 0x04
    PAGE = 0x08
    EOS = 0x10
    CONTINUE = 0x20
    XBZRLE = 0x40
    HOOK = 0x80
    COMPRESS_PAGE = 0x100
    MULTIFD_FLUSH = 0x200


RAM_SECTION = b"ram"
"""The idstr of the RAM section; ``ram_mig_init()`` of migration/ram.c."""

RAM_VERSION = 4
"""Its version since 0.13; 3 and older are refused."""

ENCODING_FLAG_XBZRLE = 0x1
"""The only encoding of an XBZRLE record; migration/ram.c."""

TARGET_PAGE_BITS = range(10, 17)
"""Target page sizes that exist: 1 KiB (Arm) to 64 KiB (hexagon); ``TARGET_PAGE_BITS`` of target/*/cpu-param.h."""

TARGET_PAGE_SIZES = tuple(1 << bits for bits in TARGET_PAGE_BITS)

MACHINES_OF_4_KIB = (b"pc-", b"pseries-", b"s390-ccw-virtio-")
"""How names of machine types begin whose target page is :data:`DEFAULT_PAGE_SIZE`; hw/i386, hw/ppc, hw/s390x."""

DEFAULT_PAGE_SIZE = 4096
"""What to assume until the stream tells: the target page of x86, ppc64, s390x, riscv."""

BLOCK_PAGE_SIZES = tuple(1 << bits for bits in range(10, 31))
"""Page sizes that a RAM block can have (1 KiB to 1 GiB), for ``page_size`` in the block list."""

# fmt: off
CAPABILITIES = (
    "xbzrle", "rdma-pin-all", "auto-converge", "zero-blocks", "events", "postcopy-ram", "x-colo",
    "release-ram", "return-path", "pause-before-switchover", "multifd", "dirty-bitmaps",
    "postcopy-blocktime", "late-block-activate", "x-ignore-shared", "validate-uuid",
    "background-snapshot", "zero-copy-send", "postcopy-preempt", "switchover-ack", "dirty-limit",
    "mapped-ram", "compress", "block",
)
# fmt: on
"""Every ``MigrationCapability`` of qapi/migration.json, the removed ones last."""

CAPABILITY_IGNORE_SHARED = b"x-ignore-shared"
CAPABILITY_MAPPED_RAM = b"mapped-ram"

MAPPED_RAM_HDR_VERSION = 1
"""The only version; migration/ram.c."""

MAPPED_RAM_FILE_OFFSET_ALIGNMENT = 1 << 20
"""The pages of a block begin at a multiple of it, in the file; migration/ram.h."""

MAPPED_RAM_WORD = 64
"""Bits in a word of the bitmap: an unsigned long of a 64-bit host, which is all that QEMU supports by now."""

QEMU_CPR_FILE_MAGIC = 0x51435052
"""``QCPR``; migration/cpr.h."""

QEMU_CPR_FILE_VERSION = 1

CPR_FD_CARRIER = 0x20
"""The octet that a file descriptor travels with; migration/qemu-file.c:qemu_file_put_fd()."""

CPR_VFIO_DEVICES = b"CprState/vfio devices"
"""The only subsection; migration/cpr.c, hw/vfio/cpr-iommufd.c."""

CPR_NAME_MAX = 4096
"""No block and no device has a longer name.  QEMU sets no limit."""

MULTIFD_MAGIC = 0x11223344
"""Begins the initial packet and every other; migration/multifd.c."""

MULTIFD_VERSION = 1

MULTIFD_PACKET_SIZE = 512 * 1024
"""Octets of pages in one packet; migration/multifd.h."""


class MultifdFlag(IntFlag):
    """The flags word of a multifd packet; migration/multifd.h."""

    SYNC = 0x01
    ZLIB = 0x02
    ZSTD = 0x04
    QPL = 0x08
    UADK = 0x10
    QATZIP = 0x20
    DEVICE_STATE = 0x40


def names(enum: type[IntEnum]) -> dict[int, str]:
    """Value -> name, as Scapy's enumeration fields want it."""
    return {int(member): member.name for member in enum}


def flag_names(enum: type[IntFlag]) -> dict[int, str]:
    """Bit -> name, as :class:`dissector.protocols.fields.LowPart` and Scapy's flag fields want it."""
    return {int(member): str(member.name) for member in enum}


def short(member: IntEnum) -> str:
    """The name that QEMU's messages use: without the prefix of the enumeration."""
    return member.name.removeprefix("MIG_CMD_").removeprefix("MIG_RP_MSG_")
