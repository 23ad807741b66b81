# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: streams and channels
# scapy.contrib.status = skip
"""QEMU's live migration on the wire: streams, their channels, and where a lost reader may go on.

A migration is one TCP connection, the *main channel*, with the *return path* as its other direction.  There may be
more: one or more *multifd* channels for pages, a *postcopy-preempt* channel for pages that the destination waits for,
and after a network failure a *recovery* connection that goes on where the main channel broke off.  All of them connect
to the same port, and QEMU tells them apart by what they begin with.
"""

from __future__ import annotations

from ...declare import Channel, Resync, S, Stream, Until, iif, text
from . import (
    stream_block,
    stream_command,
    stream_cpr,
    stream_dirty_bitmap,
    stream_htab,
    stream_mapped_ram,
    stream_multifd,
    stream_premerge,
    stream_premerge_rp,
    stream_ram,
    stream_return_path,
    stream_s390,
    stream_section,
    stream_slirp,
    stream_start,
    stream_vfio,
)
from .constants import RAM_SECTION
from .findings import UNEXPECTED
from .lookahead import (
    CONTINUED,
    CPR_AHEAD,
    FOOTER_AHEAD,
    FOOTER_TYPES,
    HEADER_AHEAD,
    MESSAGE_AHEAD,
    MULTIFD_AHEAD,
    MULTIFD_APART,
    MULTIFD_FIRST,
    PAGE_WINDOW,
    PAGES_AHEAD,
    PREEMPT_AHEAD,
    RECOVERY_AHEAD,
    WINDOW,
)
from .registers import ANY_LENGTH, ANY_SECTION, MAIN, MULTIFD, PREEMPT, RETURN

OVERVIEW = __doc__ or ""

NO_BITMAP = ((S.node_alias, b""), (S.bitmap_alias, b""))
"""What is known of dirty bitmaps then."""

OUTSIDE = ((S.whole, 0), (S.package, 0), (S.unfinished, 0), (S.section, ANY_SECTION), *NO_BITMAP)
"""What is known where the position was found again: something was missed; outside of a package, one hopes; and a
footer will tell the section."""

ANY_BLOCK = ((S.block, b""), (S.block_length, ANY_LENGTH))
"""What is known where it was found again among pages: not in which block."""

PAGES_UNTIL = Until(PAGES_AHEAD, (7, CONTINUED), PAGE_WINDOW)

RESYNC = (
    Resync("footer", Until(FOOTER_AHEAD, (0, FOOTER_TYPES), WINDOW), (*OUTSIDE, *ANY_BLOCK, (S.section_name, b""))),
    Resync("ram", PAGES_UNTIL, (*OUTSIDE, *ANY_BLOCK, (S.section_name, RAM_SECTION))),
)

TALLY = text("RAM %s: ", iif(S.block == b"", b"?", S.block))

DEVICES = (
    *stream_dirty_bitmap.STATES,
    *stream_block.STATES,
    *stream_s390.STATES,
    *stream_htab.STATES,
    *stream_vfio.STATES,
    *stream_slirp.STATES,
)

MAIN_STREAM = Stream(
    name="main",
    start="start",
    registers=MAIN,
    states=(
        *stream_start.STATES,
        *stream_section.STATES,
        *stream_command.STATES,
        *stream_ram.STATES,
        *stream_premerge.STATES,
        *stream_mapped_ram.STATES,
        *DEVICES,
    ),
    unknown=UNEXPECTED,
    resync=RESYNC,
    tally=TALLY,
)

RETURN_PATH_STREAM = Stream(
    name="return_path",
    start="message",
    registers=RETURN,
    states=(*stream_return_path.STATES, *stream_premerge_rp.STATES),
    unknown=UNEXPECTED,
    resync=(Resync("message", Until(MESSAGE_AHEAD, (0, (0,)), WINDOW), ((S.whole, 0), (S.block, b""))),),
)

MAIN_CHANNEL = Channel(
    "main",
    "main channel",
    MAIN_STREAM,
    RETURN_PATH_STREAM,
    first=HEADER_AHEAD,
    doc="Everything but the pages that other channels carry; the other direction is the return path.",
)

RECOVERY_CHANNEL = Channel(
    "recovery",
    "recovery",
    MAIN_STREAM,
    RETURN_PATH_STREAM,
    first=RECOVERY_AHEAD,
    joins=True,
    doc="The main channel again after it broke in postcopy: no header, RECV_BITMAP for each block, POSTCOPY_RESUME.",
)

MULTIFD_STREAM = Stream(
    name="multifd",
    start="init",
    registers=MULTIFD,
    states=stream_multifd.STATES,
    unknown=UNEXPECTED,
    resync=(Resync("packet", Until(MULTIFD_AHEAD, (0, MULTIFD_FIRST), WINDOW), ((S.begun, 1),)),),
)

PREEMPT_STREAM = Stream(
    name="preempt",
    start="ram",
    registers=PREEMPT,
    states=(stream_ram.POSTCOPY_RECORDS,),
    unknown=UNEXPECTED,
    resync=(Resync("ram", PAGES_UNTIL, ANY_BLOCK),),
    tally=TALLY,
)

MULTIFD_CHANNEL = Channel(
    "multifd",
    "multifd",
    MULTIFD_STREAM,
    first=MULTIFD_AHEAD,
    apart=MULTIFD_APART,
    doc="Pages in packets; as many channels as the parameter multifd-channels says.  Nothing comes back.",
)

PREEMPT_CHANNEL = Channel(
    "preempt",
    "postcopy-preempt",
    PREEMPT_STREAM,
    first=PREEMPT_AHEAD,
    joins=True,
    doc="Pages that the destination has asked for, without sections around them.  Nothing comes back.",
)

CPR_STREAM = Stream(
    name="cpr",
    start="start",
    registers=(),
    states=stream_cpr.STATES,
    unknown=UNEXPECTED,
)

CPR_CHANNEL = Channel(
    "cpr",
    "CPR state",
    CPR_STREAM,
    first=CPR_AHEAD,
    doc="File descriptors for a QEMU on the same host; a UNIX socket, so that a capture needs a proxy.",
)

CHANNELS = (MAIN_CHANNEL, RECOVERY_CHANNEL, MULTIFD_CHANNEL, PREEMPT_CHANNEL, CPR_CHANNEL)
