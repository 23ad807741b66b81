# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: user networking
# scapy.contrib.status = loads
"""The body of ``slirp``, version 4: what libslirp has written of itself.

::

    { 2a socket }  00  ip_id(2)  bootp_client(8) * 16

There is a socket for each connection of the guest that a ``guestfwd`` hands to a character device; other connections
do not migrate.  A socket is its addresses and state, two buffers with their octets, and the TCP control block.

Source: libslirp src/state.c:slirp_state_save() (4.7); net/slirp.c of QEMU.
"""

from __future__ import annotations

from typing import ClassVar

from scapy.fields import (
    ByteField,
    ConditionalField,
    FieldLenField,
    IntField,
    IPField,
    MACField,
    ShortField,
    XByteField,
    XShortField,
)

from ...declare import F
from ..fields import PayloadField
from ..pdu import Pdu
from .device_constants import SLIRP_SOCKET_FOLLOWS, SS_FAMILY_MIG_IPV4

__all__ = ["SlirpBootpClient", "SlirpBuffer", "SlirpSocket", "SlirpState", "SlirpTcpcb"]


class _Slirp(Pdu):
    """What all of this file has in common: the display-filter names."""

    group = "slirp"


def address(prefix: str, has: object) -> list[object]:
    """One end of a connection: an address family, for IPv4 an address and a port."""
    return [
        ShortField(f"{prefix}_family", SS_FAMILY_MIG_IPV4),
        ConditionalField(IPField(f"{prefix}_addr", "10.0.2.0"), has),
        ConditionalField(ShortField(f"{prefix}_port", 0), has),
    ]


class SlirpSocket(_Slirp):
    """``2a so_urgc(4) fhost lhost so_iptos(1) so_emu(1) so_type(1) so_state(4)``; two buffers and a TCP block follow.

    A host is ``family(2)`` and, for IPv4, ``addr(4) port(2)``; families that libslirp does not know end the load:
    "invalid ss_family type %x".  libslirp src/state.c:vmstate_slirp_socket (4.7).
    """

    label = "slirp-socket"
    fields_desc = [
        ByteField("follows", SLIRP_SOCKET_FOLLOWS),
        IntField("so_urgc", 0),
        *address("fhost", F.fhost_family == SS_FAMILY_MIG_IPV4),
        *address("lhost", F.lhost_family == SS_FAMILY_MIG_IPV4),
        XByteField("so_iptos", 0),
        ByteField("so_emu", 0),
        ByteField("so_type", 0),
        IntField("so_state", 0),
    ]


class SlirpBuffer(_Slirp):
    """``sb_cc(4) sb_datalen(4) woff(4) roff(4) sb_data(sb_datalen)``: a socket's buffer; first that for receiving.

    An offset that is not inside ends the load: "invalid sbuf offsets r/w=%u/%u len=%u".
    libslirp src/state.c:vmstate_slirp_sbuf (4.7).
    """

    label = "slirp-sbuf"
    fields_desc = [
        IntField("sb_cc", 0),
        FieldLenField("sb_datalen", None, fmt="!I", length_of="sb_data"),
        IntField("woff", 0),
        IntField("roff", 0),
        PayloadField("sb_data", b"", length_from=F.sb_datalen),
    ]


SIGNED_SHORTS = ("t_rxtshift", "t_rxtcur", "t_dupacks", "t_maxseg")
SEQUENCES = (
    *("snd_una", "snd_nxt", "snd_up", "snd_wl1", "snd_wl2", "iss", "snd_wnd"),
    *("rcv_wnd", "rcv_nxt", "rcv_up", "irs", "rcv_adv", "snd_max", "snd_cwnd", "snd_ssthresh"),
)
SCALES = ("snd_scale", "rcv_scale", "request_r_scale", "requested_s_scale")


class SlirpTcpcb(_Slirp):
    """The TCP control block of a socket, 119 octets.  libslirp src/state.c:vmstate_slirp_tcp (4.7)."""

    label = "slirp-tcp"
    labels: ClassVar[dict[str, str]] = {"iss": "Iss", "irs": "Irs"}
    fields_desc = [
        ShortField("t_state", 0),
        *(ShortField(f"t_timer{i}", 0) for i in range(4)),
        *(ShortField(name, 0) for name in SIGNED_SHORTS),
        ByteField("t_force", 0),
        XShortField("t_flags", 0),
        *(IntField(name, 0) for name in SEQUENCES),
        *(ShortField(name, 0) for name in ("t_idle", "t_rtt")),
        IntField("t_rtseq", 0),
        *(ShortField(name, 0) for name in ("t_srtt", "t_rttvar", "t_rttmin")),
        IntField("max_sndwnd", 0),
        *(ByteField(name, 0) for name in ("t_oobflags", "t_iobc")),
        ShortField("t_softerror", 0),
        *(ByteField(name, 0) for name in SCALES),
        *(IntField(name, 0) for name in ("ts_recent", "ts_recent_age", "last_ack_sent")),
    ]


class SlirpState(_Slirp):
    """``00 ip_id(2)``: no more sockets; sixteen DHCP leases follow.  libslirp src/state.c:vmstate_slirp (4.7)."""

    label = "slirp"
    fields_desc = [ByteField("follows", 0), XShortField("ip_id", 0)]


class SlirpBootpClient(_Slirp):
    """``allocated(2) macaddr(6)``: a lease.  libslirp src/state.c:vmstate_slirp_bootp_client (4.7)."""

    label = "slirp_bootpclient"
    fields_desc = [ShortField("allocated", 0), MACField("macaddr", "00:00:00:00:00:00")]
