# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: user networking as a table
# scapy.contrib.status = skip
"""The body of ``slirp``, version 4.

::

slirp -> (socket) -> buffer -> buffer -> tcpcb -> slirp
slirp -> (state)  -> bootp clients -> footer
"""

from __future__ import annotations

from ...declare import F, Rule, S, State, either, not_
from .device_constants import NB_BOOTP_CLIENTS, SS_FAMILIES
from .findings import error
from .slirp import SlirpBootpClient, SlirpBuffer, SlirpSocket, SlirpState, SlirpTcpcb

BAD_FHOST = error(
    "slirp_family", "invalid ss_family type %x", F.fhost_family, when=not_(F.fhost_family.isin(*SS_FAMILIES))
)
BAD_LHOST = error(
    "slirp_family", "invalid ss_family type %x", F.lhost_family, when=not_(F.lhost_family.isin(*SS_FAMILIES))
)
BAD_OFFSETS = error(
    "slirp_sbuf",
    "invalid sbuf offsets r/w=%u/%u len=%u",
    F.roff,
    F.woff,
    F.sb_datalen,
    when=either(F.woff >= F.sb_datalen, F.roff >= F.sb_datalen),
)

SLIRP = State(
    "slirp",
    Rule(SlirpState, match=("follows",), goto="slirp_bootp", do=((S.slirp_left, NB_BOOTP_CLIENTS),)),
    Rule(SlirpSocket, goto="slirp_buffers", do=((S.slirp_left, 2),), findings=(BAD_FHOST, BAD_LHOST)),
    doc="The state of libslirp: sockets, then the rest.",
)

SLIRP_BUFFERS = State(
    "slirp_buffers",
    Rule(SlirpBuffer, when=S.slirp_left > 0, do=((S.slirp_left, S.slirp_left - 1),), findings=(BAD_OFFSETS,)),
    Rule(SlirpTcpcb, goto="slirp"),
    doc="The buffers of a socket, and its TCP control block.",
)

SLIRP_BOOTP = State(
    "slirp_bootp",
    Rule(SlirpBootpClient, when=S.slirp_left > 0, do=((S.slirp_left, S.slirp_left - 1),)),
    Rule(goto="footer"),
    doc="Leases.",
)

STATES = (SLIRP, SLIRP_BUFFERS, SLIRP_BOOTP)
