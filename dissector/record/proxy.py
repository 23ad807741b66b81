# SPDX-License-Identifier: GPL-2.0-or-later
"""The tap that needs no privileges: a proxy between the two QEMUs that writes down what passes.

The source connects to the proxy, the proxy to the destination, one connection for one connection and in the same order
(a QEMU before 8.0 knows its channels by nothing else).  What is read from one end is written down with the time of the
reading, then handed on; that it was taken is the acknowledgment.  A half-closed connection stays half-closed, a reset
becomes a reset.  Octets and times are those of the recording, segments are the proxy's, and addresses are from the
range for documentation: the capture tells nothing of the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from typing import TYPE_CHECKING

from dissector.capture.packet import Endpoint
from dissector.capture.talk import Talk

if TYPE_CHECKING:
    from dissector.capture.writing import Spool

PORT = 4545
FIRST_CLIENT_PORT = 40000
ENDS = {4: ("192.0.2.1", "192.0.2.2"), 6: ("2001:db8::1", "2001:db8::2")}
MOST = 65536


class Proxy:
    """Listens for the source, and connects to the destination at *host* and *port*."""

    about = "recording proxy: times of reading, segments of its own, addresses for documentation"
    interface = "proxy"
    port_in_capture = PORT

    def __init__(self, host: str, port: int, spool: Spool) -> None:
        self._host, self._port, self._spool = host, port, spool
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._one_after_the_other = asyncio.Lock()
        self.connections = self.open = 0

    @property
    def uri(self) -> str:
        """Where the source is to migrate to."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"tcp:[{self._host}]:{port}" if ":" in self._host else f"tcp:{self._host}:{port}"

    def over(self, connections: int) -> bool:
        """Say whether there were so many connections and all of them are over."""
        return self.connections == connections and self.open == 0

    async def start(self) -> None:
        """Listen at any free port."""
        self._server = await asyncio.start_server(self._take, self._host, 0, limit=MOST)

    async def stop(self) -> None:
        """End all connections."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        self.connections += 1
        task = asyncio.get_running_loop().create_task(self._carry(self.connections - 1, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection from its beginning to its end."""
        client, server = ENDS[6 if ":" in self._host else 4]
        talk = Talk(self._spool.packet, Endpoint(client, FIRST_CLIENT_PORT + number), Endpoint(server, PORT), number)
        with contextlib.closing(writer):
            try:
                async with self._one_after_the_other:
                    beyond = await asyncio.open_connection(self._host, self._port, limit=MOST)
            except OSError:
                self.open -= 1
                self.connections -= 1  # nobody was there: a connection that the source tries again
                writer.transport.abort()
                return
            talk.opened(time.time_ns())
            with contextlib.closing(beyond[1]):
                await asyncio.gather(
                    self._one_way(talk, 0, reader, beyond[1]), self._one_way(talk, 1, beyond[0], writer)
                )
        self.open -= 1

    async def _one_way(
        self, talk: Talk, direction: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Carry one direction until its speaker has no more to say."""
        _without_delay(writer)
        speaker = direction
        try:
            while octets := await reader.read(MOST):
                talk.data(direction, octets, time.time_ns())
                writer.write(octets)
                speaker = 1 - direction
                await writer.drain()
                speaker = direction
                talk.taken(direction, time.time_ns())
            talk.finished(direction, time.time_ns())
            if writer.can_write_eof():
                writer.write_eof()
        except OSError:
            # Whichever end broke the connection: for the other one, too, this is the end.
            talk.reset(speaker, time.time_ns())
            writer.transport.abort()


def _without_delay(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def free_port(host: str) -> int:
    """Give a port at which nobody listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def in_use(host: str, port: int) -> bool:
    """Say whether somebody listens at a port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False
