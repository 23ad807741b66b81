# SPDX-License-Identifier: GPL-2.0-or-later
"""Requests and their responses, lengths and checksums: what Scapy knows of a packet beside its fields."""

from __future__ import annotations

import binascii
from typing import TYPE_CHECKING, Any

import pytest
from scapy.utils import checksum

from dissector.backends.packets import generate
from dissector.ir.expr import Bin, Cmp, Const, Ref
from dissector.ir.expr import Case as Table
from dissector.ir.packets import Answers, Entry, Payload, Verify
from dissector.regression.wire import Segment, write_capture
from tests.support.packets import FIRST, PREFIX, Case, F, layer, leaf, run_cases, suite

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dissector.tshark import Tshark

pytestmark = pytest.mark.needs_tshark
OTHER = Ref(("other", "k"))
HEAD = layer(
    "Head",
    leaf("id", 1),
    leaf("k", 1),
    payload=Payload(Table(F("k"), ((1, "Ask"), (2, "Tell"), (3, "Both")), Const(None))),
    answers=(Answers("Head", pairs=((F("id"), F("id")),), below="payloads"),),
)
LAYERS = [
    HEAD,
    layer("Ask", leaf("q", 1)),
    layer(
        "Tell",
        leaf("r", 1),
        answers=(Answers("Ask", when=Cmp("<", F("r"), Const(9)), asks=Cmp("!=", F("q"), Const(0))),),
    ),
    layer("Both", leaf("b", 1), answers=(Answers("Both", both=Cmp(">", F("b"), Ref(("other", "b")))),)),
]
MS = 1_000_000
LATE = 1_900_000_000_000_000_000


def links(
    tshark: Tshark, folder: Path, talk: Sequence[tuple[int, bytes]], **options: Any
) -> list[tuple[str, str, str]]:
    """(request_in, response_in, response_time in ms) of each message; frames are counted from the first of them."""
    plugin, capture = folder / "t.lua", folder / "t.pcap"
    plugin.write_text(generate(suite(LAYERS, [Entry("Head", "tcp.port", 4444)])), encoding="utf-8")
    places, segments = [0, 0], []
    for number, (side, octets) in enumerate(talk):
        segments.append(Segment(octets, places[side], side, 0, LATE + number * MS))
        places[side] += len(octets)
    write_capture(capture, segments, ack_every=0)
    fields = [f"{PREFIX}.{name}" for name in ("head.id", "request_in", "response_in", "response_time")]
    rows = [
        row
        for row in tshark.rows(capture, plugin, fields=["frame.number", *fields], registers=PREFIX, **options)
        if row[1]
    ]
    first = int(rows[0][0][0])
    out = []
    for row in rows:
        request, response = (str(int(x[0]) - first + 1) if x else "" for x in row[2:4])
        out.append((request, response, f"{1000 * float(row[4][0]):.0f}" if row[4] else ""))
    return out


def test_a_response_names_its_request(tshark: Tshark, tmp_path: Path) -> None:
    """The response has the frame of the request and the time between them; in a second pass, the request that of it."""
    talk = [(0, b"\1\1\5"), (0, b"\2\1\5"), (1, b"\2\2\1"), (1, b"\1\2\1")]
    assert links(tshark, tmp_path, talk) == [("", "", ""), ("", "", ""), ("2", "", "1"), ("1", "", "3")]
    twice = links(tshark, tmp_path, talk, read_filter="frame")
    assert twice == [("", "4", ""), ("", "3", ""), ("2", "", "1"), ("1", "", "3")]


def test_what_is_no_answer_is_not_linked(tshark: Tshark, tmp_path: Path) -> None:
    """Another number, the same side, a condition that fails on either end, and a payload that answers nothing."""
    talk = [(0, b"\1\1\5"), (1, b"\2\2\1"), (0, b"\1\2\1"), (1, b"\1\2\x09"), (0, b"\3\1\0"), (1, b"\3\2\1")]
    assert links(tshark, tmp_path, talk) == [("", "", "")] * 6


def test_a_rule_may_look_at_both(tshark: Tshark, tmp_path: Path) -> None:
    """A condition on values of both ends, and a late second answer."""
    talk = [(0, b"\1\3\5"), (1, b"\1\3\4"), (1, b"\1\3\6"), (1, b"\1\3\7")]
    assert [x[0] for x in links(tshark, tmp_path, talk)] == ["", "", "1", "1"]


def test_a_new_request_with_an_old_number_is_meant(tshark: Tshark, tmp_path: Path) -> None:
    """Numbers come round again: the newest request that has no answer yet is answered."""
    talk = [(0, b"\1\1\5"), (1, b"\1\2\1"), (0, b"\1\1\5"), (1, b"\1\2\1")]
    assert [x[0] for x in links(tshark, tmp_path, talk)] == ["", "1", "", "3"]


SPAN = (Const(0), Bin("+", F("#head"), F("#pay")))
TEXT = b"123456789"
INTERNET = checksum(b"\0\0" + TEXT)

CHECKED = (leaf("sum", 2, hex=True), leaf("text", kind="bytes"))
CHECKS = {
    "sumgood": Case(
        CHECKED, INTERNET.to_bytes(2, "big") + TEXT, more={"verify": (Verify("sum", method="internet", spans=(SPAN,)),)}
    ),
    "sumbad": Case(CHECKED, b"\0\1" + TEXT, more={"verify": (Verify("sum", method="internet", spans=(SPAN,)),)}),
    "crc": Case(
        (leaf("text", 9, kind="bytes"), leaf("sum", 4, little=True)),
        TEXT + binascii.crc32(TEXT).to_bytes(4, "little"),
        more={"verify": (Verify("sum", method="crc32", spans=((Const(0), Const(9)),)),)},
    ),
    "length": Case(
        (leaf("n", 1), leaf("text", kind="bytes")),
        b"\5abc",
        more={"verify": (Verify("n", Bin("-", F("#head"), Const(1))),)},
    ),
    "unasked": Case(
        (leaf("n", 1), leaf("text", kind="bytes")),
        b"\5abc",
        more={"verify": (Verify("n", F("#head"), when=Cmp("==", F("n"), Const(6))),)},
    ),
}


def test_checks_have_a_status_and_say_what_should_be(tshark: Tshark, tmp_path: Path) -> None:
    """Each checked value has a status, and an expert item where it is wrong; one whose condition fails has neither."""
    seen = run_cases(tshark, tmp_path, CHECKS)
    status = {name: [x[1] for x in each.shown if x[0].endswith(".status")] for name, each in seen.items()}
    assert status == {"sumgood": ["1"], "sumbad": ["0"], "crc": ["1"], "length": ["0"], "unasked": []}
    experts = {name: each.experts for name, each in seen.items() if each.experts}
    should = f"Bad checksum, should be 0x{INTERNET:x}"
    assert experts == {"sumbad": (should,), "length": ("Bad value, should be 3",)}


def test_a_check_of_a_packet_that_was_cut_is_not_verified(tshark: Tshark, tmp_path: Path) -> None:
    """What the capture does not have is no error of the packet's."""
    assert FIRST  # the ports of the cases
    plugin, capture = tmp_path / "t.lua", tmp_path / "t.pcap"
    items = (leaf("n", 1), leaf("text", F("n"), kind="bytes"))
    own = layer("Own", *items, verify=(Verify("n", Bin("-", F("#head"), Const(1))),))
    plugin.write_text(generate(suite([own], [Entry("Own", "tcp.port", 4444)])), encoding="utf-8")
    write_capture(capture, [Segment(b"\x64" + bytes(100))], snaplen=80)
    fields = [f"{PREFIX}.{name}" for name in ("own.n.status", "expert.limited", "expert.malformed", "expert.length")]
    rows = [row for row in tshark.rows(capture, plugin, fields=fields, registers=PREFIX) if row[0]]
    assert [(row[0], len(row[1]), row[2:]) for row in rows] == [(("2",), 1, ((), ()))]
