# SPDX-License-Identifier: GPL-2.0-or-later
"""Pages and zero pages in any order are counted as they are read one by one, whatever stands among them."""

from __future__ import annotations

import random
from collections.abc import Collection, Iterator

import pytest

from dissector.cli.summary import counted
from dissector.decode import Event, Machine, PduSeen
from dissector.decode.compile import compile_stream
from dissector.protocols.qemu_migration import RamMultifdFlush, RamPage, RamZero
from dissector.protocols.qemu_migration.builder import MainChannel
from dissector.regression.model import protocol

PROTOCOL = protocol()
SEEN = counted(PROTOCOL)
MAIN = PROTOCOL.channels[0].forward
USED = compile_stream(MAIN).parameters
PARAMETERS = {p.name: p.default for p in PROTOCOL.parameters if p.name in USED}
LENGTH = 1 << 30


def guest(chance: random.Random) -> bytes:
    """A guest that is half idle, in two blocks; now and then something else, or an address that no block has."""
    pages = [bytes(RamPage(addr=n << 12, data=chance.randbytes(4096))) for n in range(4)]
    zeros = [bytes(RamZero(addr=n << 12)) for n in range(9)]
    others = [
        *(bytes(RamPage(addr=0, block=name, data=b"\x01" * 4096)) for name in (b"pc.ram", b"vga")),
        bytes(RamZero(addr=4096, block=b"vga")),
        bytes(RamZero(addr=4096, fill=7)),
        bytes(RamZero(addr=4096)) * 600,
        bytes(RamMultifdFlush()),
    ]
    main = MainChannel()
    main.header()
    main.start_ram({b"pc.ram": LENGTH, b"vga": 3 << 12})
    head = bytes(main)
    main.part_ram()
    out = bytes(main)[: len(head) + 5] + others[0]
    for _ in range(chance.randrange(2, 7)):
        out += chance.choice(others)
        row = chance.choices([*pages, *zeros], [1] * 4 + [chance.choice((0.1, 1, 9))] * 9, k=chance.randrange(60))
        out += b"".join(row)
    return out + chance.choice([b"", bytes(RamZero(addr=LENGTH)), b"\xff" * 40, bytes.fromhex("0000000000000010")])


def cut(octets: bytes, chance: random.Random) -> Iterator[bytes]:
    """The octets in pieces of one of these sizes."""
    sizes = chance.choice([(1448,), (1 << 20,), (32768,), (7, 4096, 9000), (9, 4104)])
    at = 0
    while at < len(octets):
        size = chance.choice(sizes)
        yield octets[at : at + size]
        at += size


def read(pieces: list[bytes], events: bool | Collection[str]) -> tuple[Machine, list[Event]]:
    """All events of a stream that ends there."""
    machine = Machine(MAIN, PARAMETERS, events=events)
    return machine, [*(e for piece in pieces for e in machine.feed(piece)), *machine.close()]


@pytest.mark.parametrize("seed", range(60))
def test_as_one_by_one(seed: int) -> None:
    """The same counts, events and position, however the octets are cut and wherever they end."""
    chance = random.Random(seed)
    octets = guest(chance)
    octets = octets[: len(octets) - chance.choice([0, 0, 1, 8, 9, 30, 4000, 5000])]
    loud, every = read([octets], events=True)
    quiet, told = read(list(cut(octets, chance)), SEEN)

    assert [e for e in every if not isinstance(e, PduSeen) or e.findings or e.name in SEEN] == told
    assert (loud.tally, loud.pos, loud.state) == (quiet.tally, quiet.pos, quiet.state)
    assert loud.counts["ram.normal"] + loud.counts["ram.duplicate"] > 0
