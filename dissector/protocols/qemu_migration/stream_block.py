# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: block devices as a table
# scapy.contrib.status = skip
"""The body of a ``block`` section: records until EOS, which may also stand in a record with a block."""

from __future__ import annotations

from typing import Any

from ...declare import F, Note, Rule, S, State, both, peek, text
from .block import BlkDeviceBlock, BlkEos, BlkProgress, BlkZeroBlock
from .device_constants import BDRV_SECTOR_SIZE, BlkMigFlag
from .findings import error

DEVICE_BLOCK, EOS = int(BlkMigFlag.DEVICE_BLOCK), int(BlkMigFlag.EOS)
PROGRESS, ZERO_BLOCK = int(BlkMigFlag.PROGRESS), int(BlkMigFlag.ZERO_BLOCK)

FLAGS = peek(6, 2) % BDRV_SECTOR_SIZE
"""The flags of the record ahead."""

IS_BLOCK = FLAGS & DEVICE_BLOCK != 0
UNKNOWN_DEVICE = error("block_device", "Error unknown block device ")
UNKNOWN_FLAGS = error("block_flags", "Unknown block migration flags: 0x%x", FLAGS)

NEXT: dict[str, Any] = {"goto": "block_next", "do": ((S.eos, F.flags & EOS),)}
BLOCK_INFO = text("block %s 0x%x", F.device, F.addr)

BLOCK = State(
    "block",
    Rule(when=both(IS_BLOCK, peek(8, 1) == 0), fault=UNKNOWN_DEVICE),
    Rule(BlkZeroBlock, when=both(IS_BLOCK, FLAGS & ZERO_BLOCK != 0), info=BLOCK_INFO, **NEXT),
    Rule(BlkDeviceBlock, when=IS_BLOCK, info=BLOCK_INFO, **NEXT),
    Rule(
        BlkProgress,
        when=FLAGS & PROGRESS != 0,
        notes=(Note("block.progress", "Completed %", F.addr // BDRV_SECTOR_SIZE),),
        **NEXT,
    ),
    Rule(BlkEos, when=FLAGS & EOS != 0, **NEXT),
    Rule(fault=UNKNOWN_FLAGS),
    doc="A block section: records.",
)

BLOCK_NEXT = State(
    "block_next",
    Rule(when=S.eos != 0, goto="footer"),
    Rule(goto="block"),
    doc="A record is complete.",
)

STATES = (BLOCK, BLOCK_NEXT)
