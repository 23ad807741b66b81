# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: CPR state as a table
# scapy.contrib.status = skip
"""CPR state: two lists; :mod:`.cpr` has the layout.

::

    start -> fds ... -> behind_fds -> devices ... -> over
"""

from __future__ import annotations

from ...declare import F, Rule, State, both, peek, peek_bytes, text
from .constants import (
    CPR_FD_CARRIER,
    CPR_NAME_MAX,
    CPR_VFIO_DEVICES,
    QEMU_CPR_FILE_VERSION,
    SectionType,
)
from .cpr import CprFd, CprFdNumber, CprHeader, CprListEnd, CprVfioDevice, CprVfioDevices
from .findings import error, note, warn

BAD_MAGIC = error("cpr_magic", "Not a migration stream (bad magic %x)", peek(0, 4))
BAD_VERSION = error(
    "cpr_version",
    "Unsupported migration stream version %d",
    F.version,
    when=F.version != QEMU_CPR_FILE_VERSION,
)
LONG_NAME = error("cpr_name", f"a name of %u octets, where {CPR_NAME_MAX} are more than any name has", peek(1, 4))
ODD_MORE = warn("cpr_more", "an element begins with %d", F.more, when=F.more > 1)
ODD_FD = error("cpr_fd", "no file descriptor where one has to be")
UNKNOWN_SUBSECTION = error(
    "cpr_subsection", "VM subsection '%s' in 'CprState' does not exist", peek_bytes(2, peek(1, 1))
)
SUBSECTION_TOO_NEW = error(
    "cpr_subsection_version",
    "%s: incoming version_id %d is too new for local version_id 1",
    F.idstr,
    F.version_id,
    when=F.version_id % 256 > 1,
)
TRAILING = note("cpr_trailing", "octets behind the end of the CPR state")

IS_LONG = peek(1, 4) > CPR_NAME_MAX
BEHIND_ID = peek(1, 4) + 9
PREFIX = b"CprState"
SUBSECTION = int(SectionType.QEMU_VM_SUBSECTION)

START = State(
    "start",
    Rule(CprHeader, match=("magic",), goto="fds", findings=(BAD_VERSION,), info="CPR state"),
    Rule(fault=BAD_MAGIC),
    doc="The first octets of a connection.",
)

FDS = State(
    "fds",
    Rule(CprListEnd, match=("more",), goto="behind_fds"),
    Rule(when=IS_LONG, fault=LONG_NAME),
    Rule(
        CprFd,
        when=peek(BEHIND_ID, 1) == CPR_FD_CARRIER,
        findings=(ODD_MORE,),
        info=text("fd %s", F.name),
    ),
    Rule(
        CprFdNumber,
        when=peek(BEHIND_ID, 1) == 0,
        findings=(ODD_MORE,),
        info=text("fd %s %d", F.name, F.fd),
    ),
    Rule(fault=ODD_FD),
    doc="File descriptors, up to the end of their list.",
)

BEHIND_FDS = State(
    "behind_fds",
    Rule(
        CprVfioDevices,
        when=both(
            peek(0, 1) == SUBSECTION,
            peek(1, 1) == len(CPR_VFIO_DEVICES),
            peek_bytes(2, len(CPR_VFIO_DEVICES)) == CPR_VFIO_DEVICES,
        ),
        goto="devices",
        findings=(SUBSECTION_TOO_NEW,),
        info="vfio devices",
    ),
    Rule(
        when=both(peek(0, 1) == SUBSECTION, peek(1, 1) >= len(PREFIX), peek_bytes(2, len(PREFIX)) == PREFIX),
        fault=UNKNOWN_SUBSECTION,
    ),
    Rule(fault=TRAILING),
    doc="Behind the file descriptors: the end, up to 10.0, or the devices.",
)

DEVICES = State(
    "devices",
    Rule(CprListEnd, match=("more",), goto="over"),
    Rule(when=IS_LONG, fault=LONG_NAME),
    Rule(CprVfioDevice, findings=(ODD_MORE,), info=text("vfio device %s", F.name)),
    doc="Devices, up to the end of their list.",
)

OVER = State("over", Rule(fault=TRAILING), doc="Nothing follows.")

STATES = (START, FDS, BEHIND_FDS, DEVICES, OVER)
