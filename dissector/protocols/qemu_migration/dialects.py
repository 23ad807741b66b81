# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: numbers before postcopy was merged
# scapy.contrib.status = skip
"""The dialects that the postcopy series spoke before it was merged (2014 and 2015), as tables of numbers.

No release of QEMU speaks any of them.  They had the commands of today under other section types and numbers; two
series beside v5 differ from it in numbers (v4) or in one command (v6, v7).  What v8 changed was merged as 2.5.

=====================  =======  ======  ===========
..                     v4       v5      v6 and v7
=====================  =======  ======  ===========
section type           6        7       7
OPEN_RETURN_PATH       1        1       1
PING (v4: REQACK)      2        2       2
PACKAGED               3        3       3
POSTCOPY_ADVISE        20       20      20
POSTCOPY_LISTEN        22       21      21
POSTCOPY_RUN           23       22      22
POSTCOPY_END           24       23
POSTCOPY_RAM_DISCARD   21       24      23
=====================  =======  ======  ===========

Read from the tags ``wp3-postcopy-v4`` to ``-v8`` of the authors' tree: include/sysemu/sysemu.h (enum qemu_vm_cmd),
include/migration/migration.h, savevm.c.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from ...declare import E, S, choose

NO_NUMBER = 1 << 16
"""No command has it: numbers have 16 bits."""


class SeriesCommand(IntEnum):
    """``enum qemu_vm_cmd`` of postcopy v5; include/sysemu/sysemu.h."""

    MIG_CMD_OPEN_RETURN_PATH = 1
    MIG_CMD_PING = 2
    MIG_CMD_PACKAGED = 3
    MIG_CMD_POSTCOPY_ADVISE = 20
    MIG_CMD_POSTCOPY_LISTEN = 21
    MIG_CMD_POSTCOPY_RUN = 22
    MIG_CMD_POSTCOPY_END = 23
    MIG_CMD_POSTCOPY_RAM_DISCARD = 24


SERIES_LENGTHS: dict[SeriesCommand, int] = {
    SeriesCommand.MIG_CMD_OPEN_RETURN_PATH: 0,
    SeriesCommand.MIG_CMD_PING: 4,
    SeriesCommand.MIG_CMD_PACKAGED: 4,
    SeriesCommand.MIG_CMD_POSTCOPY_ADVISE: 16,
    SeriesCommand.MIG_CMD_POSTCOPY_LISTEN: 0,
    SeriesCommand.MIG_CMD_POSTCOPY_RUN: 0,
    SeriesCommand.MIG_CMD_POSTCOPY_END: 1,
}
"""Payload octets of the commands whose length is fixed; savevm.c:loadvm_process_command()."""

MASK_HEAD = 3
"""Octets of RAM_DISCARD around the block's name up to v5: version, offset of the first bit, length of the name."""

MASK_SIZE = 12
"""Octets of a start and its mask; savevm.c:qemu_savevm_send_postcopy_ram_discard()."""

MASKS_MIN = MASK_HEAD + 1 + MASK_SIZE
"""A name of one octet and one mask: anything shorter is refused."""

REQ_PAGES_HEAD = 16
"""Octets of REQ_PAGES without a name; migration/migration.c:migrate_send_rp_req_pages()."""

REQ_PAGES_MAX = REQ_PAGES_HEAD + 256
"""The longest that the source accepts; migration/migration.c:source_return_path_thread()."""

NAMED_REQUEST = 1
"""The bit of the length that announces a name in REQ_PAGES."""

AUTOMATIC, RELEASE, V5, V6, V4 = range(5)
"""Values of the parameter and of the register ``dialect``."""


@dataclass(frozen=True)
class Dialect:
    """How one series numbered its commands."""

    value: int
    title: str
    section_type: int
    numbers: dict[SeriesCommand, int]

    @property
    def frames(self) -> tuple[int, ...]:
        """Number and length of each command of fixed length, as the 32 bits behind the type octet."""
        return tuple(self.numbers[c] << 16 | n for c, n in SERIES_LENGTHS.items() if c in self.numbers)


_V5_NUMBERS: dict[SeriesCommand, int] = {command: int(command) for command in SeriesCommand}
_V6_NUMBERS = {**_V5_NUMBERS, SeriesCommand.MIG_CMD_POSTCOPY_RAM_DISCARD: 23}
del _V6_NUMBERS[SeriesCommand.MIG_CMD_POSTCOPY_END]

DIALECTS = (
    Dialect(V5, "v5, the postcopy series before it was merged", 7, _V5_NUMBERS),
    Dialect(V6, "v6, or v7, of that series", 7, _V6_NUMBERS),
    Dialect(
        V4,
        "v4, of that series",
        6,
        _V5_NUMBERS
        | {
            SeriesCommand.MIG_CMD_POSTCOPY_RAM_DISCARD: 21,
            SeriesCommand.MIG_CMD_POSTCOPY_LISTEN: 22,
            SeriesCommand.MIG_CMD_POSTCOPY_RUN: 23,
            SeriesCommand.MIG_CMD_POSTCOPY_END: 24,
        },
    ),
)

TITLE = choose(S.dialect, {d.value: d.title.encode() for d in DIALECTS}, b"release")
"""The name of the dialect that is being read."""

SECTION_TYPE = choose(S.dialect, {d.value: d.section_type for d in DIALECTS}, 0)
"""The section type of commands in it."""


def number(command: SeriesCommand) -> E:
    """The number of *command* in the dialect that is being read."""
    return choose(S.dialect, {d.value: d.numbers.get(command, NO_NUMBER) for d in DIALECTS}, NO_NUMBER)


SECTION_TYPES = tuple(sorted({d.section_type for d in DIALECTS}))
ALL_FRAMES = tuple(sorted({frame for d in DIALECTS for frame in d.frames}))
