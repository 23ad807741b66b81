# SPDX-License-Identifier: GPL-2.0-or-later
"""Where packets begin: ports, preferences, messages in a TCP stream, heuristics, Decode As."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dissector.backends.packets import generate
from dissector.ir.expr import Bin, Cmp, Const, Expr, Peek
from dissector.ir.expr import Case as Table
from dissector.ir.packets import Entry, Framing, Payload, Verify
from dissector.ir.pdus import Message
from dissector.regression.wire import Segment, cut, explicit, fixed, random_sizes, write_capture
from tests.support.packets import PREFIX, F, layer, leaf, suite

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dissector.ir.packets import Suite
    from dissector.tshark import Tshark

pytestmark = pytest.mark.needs_tshark

SIZE: Expr = Bin("+", Peek(Const(1), 2), Const(3))
LINE = layer(
    "Line",
    leaf("kind", 1, names=((None, ((1, "Ask"), (2, "Tell"))),)),
    leaf("n", 2),
    leaf("text", F("n"), kind="string"),
    info=((None, Message("%s of %d octets", (F("kind"), F("n")))), (Cmp("==", F("n"), Const(0)), Message(" (empty)"))),
)
FIRST_OF_ALL: dict[str, Any] = {"prefs": {"tcp.try_heuristic_first": True}}  # 3.4 knows another protocol by the port
STREAM = suite([LINE], [Entry("Line", "tcp.port", 4444, Framing(3, SIZE))])


def line(text: bytes, kind: int = 1) -> bytes:
    return bytes([kind]) + len(text).to_bytes(2, "big") + text


def texts(
    tshark: Tshark, folder: Path, given: Suite, segments: Iterable[Segment], *fields: str, **options: Any
) -> list[tuple[tuple[str, ...], ...]]:
    """The fields of each frame of a TCP connection to port 4444 that has any."""
    plugin, capture = folder / "t.lua", folder / "t.pcap"
    plugin.write_text(generate(given), encoding="utf-8")
    write_capture(capture, segments)
    names = [f"{PREFIX}.{name}" if not name.startswith("_") else name for name in fields]
    rows = tshark.rows(capture, plugin, fields=names, registers=PREFIX, **options)
    return [row for row in rows if row[0]]


MESSAGES = [b"", b"one", b"two" * 100, b"x" * 3000, b"last"]


@pytest.mark.parametrize(
    "cutter", [fixed(100000), fixed(1), fixed(2), fixed(1448), random_sizes(3, 1, 9), explicit(2, 5, 1)]
)
def test_messages_are_found_however_they_are_cut(tshark: Tshark, tmp_path: Path, cutter: Any) -> None:
    """Every message is shown once, and nothing is amiss, over any segmentation."""
    octets = b"".join(line(m) for m in MESSAGES)
    rows = texts(tshark, tmp_path, STREAM, cut(octets, cutter), "line.n", "expert.malformed")
    assert [n for row in rows for n in row[0]] == [str(len(m)) for m in MESSAGES]
    assert [row[1] for row in rows if row[1]] == []


def test_columns_say_every_message_of_a_frame(tshark: Tshark, tmp_path: Path) -> None:
    """The Info column has the text of each message in the frame."""
    octets = line(b"abc") + line(b"", 2)
    rows = texts(tshark, tmp_path, STREAM, cut(octets, fixed(1000)), "line.n", "_ws.col.Info")
    assert [row[1] for row in rows] == [("Ask of 3 octets, Tell of 0 octets (empty)",)]


def test_a_stream_that_ends_in_a_message_says_so(tshark: Tshark, tmp_path: Path) -> None:
    """With reassembly off, a message whose rest is elsewhere is shown as far as it is."""
    octets = line(b"abc") + line(b"defgh")[:-2]
    wanted: dict[str, Any] = {"prefs": {"tcp.desegment_tcp_streams": False}}
    rows = texts(tshark, tmp_path, STREAM, cut(octets, fixed(1000)), "line.n", "expert.malformed", **wanted)
    assert [(row[0], len(row[1])) for row in rows] == [(("3", "5"), 1)]


def test_a_length_that_cannot_be_is_read_as_far_as_it_goes(tshark: Tshark, tmp_path: Path) -> None:
    """A size smaller than the header takes what is there as one message."""
    given = suite([LINE], [Entry("Line", "tcp.port", 4444, Framing(3, Peek(Const(1), 2)))])
    rows = texts(tshark, tmp_path, given, cut(line(b"a"), fixed(1000)), "line.n")
    assert [row[0] for row in rows] == [("1",)]


def test_ports_are_preferences(tshark: Tshark, tmp_path: Path) -> None:
    """Another port takes the place of the one in the layer."""
    octets = line(b"abc")
    elsewhere: dict[str, Any] = {"prefs": {f"{PREFIX}.tcp_port": "5555-5556"}}
    assert texts(tshark, tmp_path, STREAM, cut(octets, fixed(100)), "line.n", **elsewhere) == []
    given = suite([LINE], [Entry("Line", "tcp.port", 5555, Framing(3, SIZE))])
    here: dict[str, Any] = {"prefs": {f"{PREFIX}.tcp_port": "4000-4444,7"}}
    assert len(texts(tshark, tmp_path, given, cut(octets, fixed(100)), "line.n", **here)) == 1


def test_decode_as(tshark: Tshark, tmp_path: Path) -> None:
    """The protocol can be chosen for a port that is not its own."""
    given = suite([LINE], [Entry("Line", "tcp.port", 5555, Framing(3, SIZE))])
    rows = texts(
        tshark, tmp_path, given, cut(line(b"abc"), fixed(100)), "line.n", decode_as=[f"tcp.port==4444,{PREFIX}"]
    )
    assert [row[0] for row in rows] == [("3",)]


@pytest.mark.parametrize(
    ("octets", "taken"), [(line(b"abc"), True), (line(b"abc")[:-1], False), (line(b"abc") + b"z", False)]
)
def test_a_heuristic_takes_only_what_fits(tshark: Tshark, tmp_path: Path, octets: bytes, taken: bool) -> None:
    """A packet is taken when all of it can be read and nothing is amiss."""
    given = suite([LINE], [Entry("Line", "tcp", None)])
    assert bool(texts(tshark, tmp_path, given, cut(octets, fixed(1000)), "line.n", **FIRST_OF_ALL)) is taken


def test_a_heuristic_looks_at_checks(tshark: Tshark, tmp_path: Path) -> None:
    """A length that is not what it should be makes the packet somebody else's."""
    checked = layer(
        "Own", leaf("n", 1), leaf("rest", kind="bytes"), verify=(Verify("n", Bin("-", F("#head"), Const(1))),)
    )
    given = suite([checked], [Entry("Own", "tcp", None)])
    assert len(texts(tshark, tmp_path, given, cut(b"\2ab", fixed(1000)), "own.n", **FIRST_OF_ALL)) == 1
    assert len(texts(tshark, tmp_path, given, cut(b"\3ab", fixed(1000)), "own.n", **FIRST_OF_ALL)) == 0


def test_each_layer_with_an_entry_is_found(tshark: Tshark, tmp_path: Path) -> None:
    """Several layers may have ports of their own."""
    given = suite(
        [layer("A", leaf("a", 1)), layer("B", leaf("b", 1))], [Entry("A", "tcp.port", 1), Entry("B", "tcp.port", 4444)]
    )
    assert texts(tshark, tmp_path, given, cut(b"\7", fixed(9)), "b.b", "a.a") == [(("7",), ())]


def test_a_table_chooses_the_payload(tshark: Tshark, tmp_path: Path) -> None:
    """A long table of payloads is looked up, whatever the key."""
    kinds = tuple((n, f"K{n}") for n in range(300))
    given = suite(
        [
            layer("Top", leaf("k", 2), payload=Payload(Table(F("k"), kinds, Const(None)))),
            *(layer(f"K{n}", leaf("v", 1)) for n in range(300)),
        ],
        [Entry("Top", "tcp.port", 4444)],
    )
    assert texts(tshark, tmp_path, given, cut(b"\1\x2b\7", fixed(9)), "k299.v") == [(("7",),)]


def test_a_port_may_have_a_layer_for_each_direction(tshark: Tshark, tmp_path: Path) -> None:
    """What is sent to a port is one layer, what is sent from it another; a side without a layer is nobody's."""
    layers = [layer("Ask", leaf("a", 1)), layer("Tell", leaf("b", 1))]
    given = suite(layers, [Entry("Ask", "tcp.port", 4444, side="to"), Entry("Tell", "tcp.port", 4444, side="from")])
    segments = [Segment(b"\1"), Segment(b"\2", direction=1)]
    names = ("expert.malformed", "ask.a", "tell.b")
    plugin, capture = tmp_path / "t.lua", tmp_path / "t.pcap"
    for entries, expected in ((given.entries, [("1", ""), ("", "2")]), (given.entries[1:], [("", "2")])):
        plugin.write_text(generate(suite(layers, entries)), encoding="utf-8")
        write_capture(capture, segments)
        fields = [f"{PREFIX}.{name}" for name in names]
        rows = list(tshark.rows(capture, plugin, fields=fields, registers=PREFIX))
        assert [("".join(r[1]), "".join(r[2])) for r in rows if r[1] or r[2]] == expected
