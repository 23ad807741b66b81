# SPDX-License-Identifier: GPL-2.0-or-later
"""The recording proxy: both ends notice nothing of it, and what they say is in the capture."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from dissector.capture import Event, Opened, conversations, read_packets
from dissector.capture.writing import Spool, interface, section
from dissector.record.proxy import Proxy, free_port, in_use
from dissector.record.qemu import until
from tests.support.captures import closed, octets, said

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
LONG = said(300_000)


def recorded(tmp_path: Path, server: Handler, client: Handler, count: int = 1, host: str = "127.0.0.1") -> list[Event]:
    """Let a client talk to a server through the proxy so many times, and read the capture."""

    async def talk() -> None:
        listening = await asyncio.start_server(server, host, 0)
        proxy = Proxy(host, listening.sockets[0].getsockname()[1], spool)
        await proxy.start()
        port = int(proxy.uri.rpartition(":")[2])
        for _ in range(count):
            await client(*await asyncio.open_connection(host, port))
        await until(lambda: proxy.over(count), "the connections should be over")
        await proxy.stop()
        listening.close()

    path = tmp_path / "a.pcapng.gz"
    with Spool((tmp_path / "spool").open("w+b")) as spool:
        asyncio.run(asyncio.wait_for(talk(), 30))
        spool.write(path, [section("test", []), interface("proxy", "")])
    return list(conversations(read_packets(path, strict=True)))


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say what was heard, but only when there is no more to hear."""
    writer.write(await reader.read(-1))
    writer.close()


async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Say much, close one's own half, and hear it all again."""
    writer.write(LONG)
    writer.write_eof()
    assert await reader.read(-1) == LONG
    writer.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_every_octet_both_ways(tmp_path: Path, host: str) -> None:
    """Also behind a half-closed connection, and with addresses that are nobody's."""
    found = recorded(tmp_path, echo, speak, host=host)
    opened = next(event.connection for event in found if isinstance(event, Opened))

    assert (LONG, LONG) == (octets(found, 0), octets(found, 1))
    assert [(0, "fin"), (1, "fin")] == [(side, how) for side, how, _ in closed(found)]
    assert {"127.0.0.1": ("192.0.2.1", "192.0.2.2"), "::1": ("2001:db8::1", "2001:db8::2")}[host] == (
        opened.client.address,
        opened.server.address,
    )


def test_connections_are_told_apart(tmp_path: Path) -> None:
    """Each has a client's port of its own."""
    found = recorded(tmp_path, echo, speak, count=3)

    assert [40000, 40001, 40002] == [event.connection.client.port for event in found if isinstance(event, Opened)]
    assert [LONG] * 3 == [octets(found, 0, connection) for connection in range(3)]


def test_a_server_that_breaks_the_connection(tmp_path: Path) -> None:
    """The client is told, and the capture ends with a reset."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        writer.transport.abort()

    async def insist(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(LONG)
            await reader.read(-1)
        except ConnectionError:
            pass
        writer.close()

    found = recorded(tmp_path, refuse, insist)

    assert octets(found, 0) == LONG[: len(octets(found, 0))]
    assert {"rst"} == {how for _, how, _ in closed(found)}


def test_a_free_port_is_free() -> None:
    """Until somebody listens there."""

    async def listen() -> tuple[bool, bool]:
        port = free_port("127.0.0.1")
        before = in_use("127.0.0.1", port)
        server = await asyncio.start_server(echo, "127.0.0.1", port)
        after = in_use("127.0.0.1", port)
        server.close()
        return before, after

    assert asyncio.run(listen()) == (False, True)
