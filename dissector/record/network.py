# SPDX-License-Identifier: GPL-2.0-or-later
"""Two hosts on a network that delays, loses and reorders, and the tap on it.

Each QEMU is in a network namespace of its own.  What joins the two is no kernel's link but this file: each namespace
has a TAP device, whose frames are read and, later or not at all, written to the other.  So impairment needs no
``netem`` (which many kernels are built without), the capture is made where the frames pass and cannot miss any, and
what is recorded is the kernel's own TCP: its segments, retransmissions, acknowledgments and checksums.

A frame is decided upon when it is read, by a generator with a fixed seed; what TCP makes of it is different every time.

Needs root: for namespaces and TAP devices.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import random
import shutil
import struct
import subprocess
import time
from typing import TYPE_CHECKING, Self

from dissector.record.qemu import Lacks

if TYPE_CHECKING:
    from dissector.capture.writing import Spool
    from dissector.record.scenario import Network
    from dissector.record.scratch import Scratch

ADDRESSES = {"source": "192.0.2.1", "destination": "192.0.2.2"}
MACS = {"source": "02:00:00:00:00:01", "destination": "02:00:00:00:00:02"}
PORT = 4545
_TUNSETIFF, _IFF_TAP, _IFF_NO_PI = 0x400454CA, 2, 0x1000
_IPV4 = b"\x08\x00"
_FIN, _RST = 1, 4
LONGEST = 65536
HELD_BACK = 0.004
"""Seconds that a frame is late by when it is to be overtaken."""
QUIET = 0.5
"""Seconds without a frame after which a connection that is closed is over: retransmissions come later than FINs."""


class Namespaces:
    """Two network namespaces with a TAP device each, whose ends we have."""

    def __init__(self, scratch: Scratch) -> None:
        if os.geteuid() != 0:
            raise Lacks("needs root for network namespaces")
        self._scratch = scratch
        self.names = {end: f"{scratch.folder.name}-{end}" for end in ADDRESSES}
        self.taps: dict[str, int] = {}

    def __enter__(self) -> Self:
        for number, (end, name) in enumerate(self.names.items()):
            self._scratch.remove("netns", name)
            _ip("netns", "add", name)
            device = f"ls{self._scratch.folder.name[-8:]}{number}"
            self.taps[end] = _tap(device)
            _ip("link", "set", device, "netns", name, "address", MACS[end])
            _ip("-n", name, "addr", "add", f"{ADDRESSES[end]}/30", "dev", device)
            _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", name, "link", "set", device, "up")
        return self

    def __exit__(self, *_: object) -> None:
        for tap in self.taps.values():
            os.close(tap)
        for name in self.names.values():
            with contextlib.suppress(Lacks):
                _ip("netns", "del", name)

    def place(self, end: str) -> str:
        """Give the file of one of them."""
        return f"/run/netns/{self.names[end]}"


def _ip(*arguments: str) -> None:
    program = shutil.which("ip")
    if program is None:
        raise Lacks("needs the program ip (Debian, Ubuntu: sudo apt-get install iproute2)")
    try:
        subprocess.run([program, *arguments], capture_output=True, check=True, text=True)
    except subprocess.CalledProcessError as error:
        raise Lacks(f"cannot make network namespaces: ip {' '.join(arguments)}: {error.stderr.strip()}") from error


def _tap(device: str) -> int:
    """Make a TAP device."""
    try:
        tap = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH22x", device.encode(), _IFF_TAP | _IFF_NO_PI))
    except OSError as error:
        raise Lacks(f"needs a kernel with TAP devices: {error.strerror}") from error
    return tap


class Link:
    """Carries frames from one namespace to the other, and records them."""

    about = "frames between two hosts, with delay, loss and reordering"
    interface = "link"
    port_in_capture = PORT
    uri = f"tcp:{ADDRESSES['destination']}:{PORT}"

    def __init__(self, namespaces: Namespaces, network: Network, spool: Spool) -> None:
        self._taps, self._network, self._spool = namespaces.taps, network, spool
        self._random = random.Random(network.seed)  # noqa: S311  # what is lost must be repeatable, not unguessable
        self._closed: dict[frozenset[bytes], set[bytes]] = {}
        self._last = 0.0

    async def start(self) -> None:
        """Carry from now on."""
        loop = asyncio.get_running_loop()
        for end, other in (("source", "destination"), ("destination", "source")):
            loop.add_reader(self._taps[end], self._take, end, other)

    async def stop(self) -> None:
        """Carry no more."""
        for tap in self._taps.values():
            asyncio.get_running_loop().remove_reader(tap)

    def over(self, connections: int) -> bool:
        """Say whether there were so many connections and all of them are over."""
        whole = len(self._closed) == connections and all(len(ends) == 2 for ends in self._closed.values())
        return whole and time.monotonic() > self._last + QUIET

    def _take(self, end: str, other: str) -> None:
        """Take what an end sends, and decide what becomes of it."""
        try:
            frame = os.read(self._taps[end], LONGEST)
        except OSError:
            return
        self._last = time.monotonic()
        if self._network.at == end:
            self._write_down(frame)
        network, chance = self._network, self._random
        if chance.random() < network.loss / 100:
            return
        late = HELD_BACK if chance.random() < network.reorder / 100 else 0.0
        for _ in range(2 if chance.random() < network.duplicate / 100 else 1):
            asyncio.get_running_loop().call_later(network.delay / 1000 + late, self._hand_on, other, frame)

    def _hand_on(self, other: str, frame: bytes) -> None:
        if self._network.at == other:
            self._write_down(frame)
        try:
            os.write(self._taps[other], frame)
        except OSError:
            return  # its queue is full, or it is gone: what TCP is made for

    def _write_down(self, frame: bytes) -> None:
        """Record a frame of TCP, and note which connections are over."""
        if frame[12:14] != _IPV4 or frame[23] != 6:
            return
        self._spool.packet(frame, time.time_ns())
        tcp = 14 + (frame[14] & 15) * 4
        sender, receiver = frame[26:30] + frame[tcp : tcp + 2], frame[30:34] + frame[tcp + 2 : tcp + 4]
        closed = self._closed.setdefault(frozenset((sender, receiver)), set())
        if frame[tcp + 13] & _FIN:
            closed.add(sender)
        if frame[tcp + 13] & _RST:
            closed |= {sender, receiver}
