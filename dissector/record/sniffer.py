# SPDX-License-Identifier: GPL-2.0-or-later
"""The tap that sees what the kernel sees: tcpdump or dumpcap on loopback.

Times and segments are real.  It needs root or the capability CAP_NET_RAW, and it can lose packets, which is why a
recording with a hole is refused.

A migration is over sooner than its capture: QEMU reports "completed" before it closes its sockets, and a packet is
written later than the kernel has seen it.  So the growing file is read until both ends of every connection are in it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import time
from typing import TYPE_CHECKING

from dissector.capture import Closed, Gap, Opened, conversations, read_packets
from dissector.errors import CaptureError
from dissector.record.qemu import Failed
from dissector.record.scenario import RecordError
from dissector.record.scratch import dies_with_us

if TYPE_CHECKING:
    from pathlib import Path

    from dissector.capture.writing import Spool

HOW = ("fin", "rst", "end", "gap")
"""How a connection may end, the best first; the last two are no ends but what a capture lacks."""

GET = "Debian, Ubuntu: sudo apt-get install tcpdump"
PRIVILEGES = "run as root, or: sudo setcap cap_net_raw+eip {}; --tap proxy needs no privileges"
STARTED = re.compile(rb"listening on|File: ")
LOST = re.compile(rb"\b(\d+) packets? dropped by kernel|dropped on interface '[^']*': \d+/(\d+)")
STEP = 0.2


class Sniffer:
    """Records what goes to and from *port* on loopback; *path* is for what the program writes."""

    about = "packets as the kernel saw them on loopback"
    interface = "lo"

    def __init__(self, host: str, port: int, spool: Spool, path: Path) -> None:
        self.uri = f"tcp:[{host}]:{port}" if ":" in host else f"tcp:{host}:{port}"
        self.port_in_capture = port
        self._spool, self._path = spool, path
        self._process: asyncio.subprocess.Process | None = None
        self._looked, self._packets, self._over = 0.0, -1, False

    async def start(self) -> None:
        """Start to record, and wait until it does."""
        command = self._command()
        self._process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            start_new_session=True,
            preexec_fn=dies_with_us(),
        )
        assert self._process.stderr is not None
        said = b""
        while not STARTED.search(line := await self._process.stderr.readline()):
            if not line:
                words = said.decode(errors="replace").strip() or "nothing printed"
                raise RecordError(command[0], f"does not record: {words}", PRIVILEGES.format(command[0]))
            said += line

    def _command(self) -> list[str]:
        """Give the command line of what there is.

        Without immediate mode the kernel hands on its packets in blocks, and the last block only when it is full or a
        second old.  In it each packet has a slot of 128 KiB: the buffer is for two thousand of them.
        """
        where = str(self._path)
        if program := shutil.which("tcpdump"):
            user = ["-Z", "root"] if os.geteuid() == 0 else []
            options = ["-i", "lo", "-s", "0", "-B", "262144", "--immediate-mode", "-U", *user]
            return [program, *options, "--time-stamp-precision=nano", "-w", where, f"tcp port {self.port_in_capture}"]
        if program := shutil.which("dumpcap"):
            return [program, "-q", "-i", "lo", "-B", "256", "-f", f"tcp port {self.port_in_capture}", "-w", where]
        raise RecordError("tcpdump", "neither it nor dumpcap is installed", f"{GET}; --tap proxy needs neither")

    def over(self, connections: int) -> bool:
        """Say whether so many connections are in the file, from beginning to end, and nothing more comes."""
        if time.monotonic() > self._looked + STEP:
            self._looked = time.monotonic()
            with contextlib.suppress(CaptureError):
                before, self._packets = self._packets, sum(1 for _ in read_packets(self._path))
                ends = connection_ends(self._path)
                whole = len(ends) == connections and set(ends) <= {"fin", "rst"}
                # The last acknowledgments come behind the FINs.
                self._over = whole and before == self._packets
        return self._over

    async def stop(self) -> None:
        """Stop, and take what was recorded."""
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGINT)
        _, said = await self._process.communicate()
        if self._path.is_file():
            with contextlib.suppress(CaptureError):
                self._spool.copy(read_packets(self._path))
        lost = LOST.search(said)
        if lost is not None and int(lost[1] or lost[2]):
            raise Failed(f"packets were lost: {said.decode(errors='replace').strip()}")


def connection_ends(path: Path, *, strict: bool = False) -> list[str]:
    """Give how each connection in a capture ends, as one of HOW."""
    found: dict[int, str] = {}
    for event in conversations(read_packets(path, strict=strict)):
        index = event.connection.index
        match event:
            case Opened():
                found[index] = HOW[0]
            case Gap():
                found[index] = "gap"
            case Closed():
                found[index] = max(found[index], event.how, key=HOW.index)
    return list(found.values())
