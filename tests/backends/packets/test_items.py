# SPDX-License-Identifier: GPL-2.0-or-later
"""Plain values in Wireshark: each over exactly its octets, and with its exact value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dissector.ir.expr import Bin, Cmp, Const, Size
from dissector.ir.packets import Either, Scaling
from dissector.ir.pdus import Flag
from tests.support.packets import Case, F, Seen, bits, leaf, run_cases

if TYPE_CHECKING:
    from dissector.tshark import Tshark

ONE_TWO = ((1, "one"), (2, "two"))
FLAGS = (Flag(1, "low", "Low"), Flag(0x80, "high", "High"))
A = leaf("a", 1)
IS_ONE = Cmp("==", F("a"), Const(1))

CASES = {
    "uints": Case(
        (leaf("a", 1), leaf("b", 2), leaf("c", 3), leaf("d", 4), leaf("e", 5), leaf("g", 6), leaf("h", 8)),
        bytes(range(1, 30)),
        (
            ("a", "1", 0, 1),
            ("b", str(0x0203), 1, 2),
            ("c", str(0x040506), 3, 3),
            ("d", str(0x0708090A), 6, 4),
            ("e", str(0x0B0C0D0E0F), 10, 5),
            ("g", str(0x101112131415), 15, 6),
            ("h", str(0x161718191A1B1C1D), 21, 8),
        ),
    ),
    "little": Case(
        (leaf("b", 2, little=True), leaf("c", 3, little=True), leaf("h", 8, little=True)),
        bytes(range(1, 14)),
        (("b", str(0x0201), 0, 2), ("c", str(0x050403), 2, 3), ("h", str(0x0D0C0B0A09080706), 5, 8)),
    ),
    "ints": Case(
        (leaf("a", 1, kind="int"), leaf("b", 2, kind="int", little=True), leaf("h", 8, kind="int")),
        b"\xff\xfe\xff" + bytes([255] * 7 + [253]),
        (("a", "-1", 0, 1), ("b", "-2", 1, 2), ("h", "-3", 3, 8)),
    ),
    "floats": Case(
        (leaf("a", 4, kind="float"), leaf("b", 8, kind="float", little=True)),
        bytes.fromhex("3fc00000" + "000000000000f0bf"),
        (("a", "1.5", 0, 4), ("b", "-1", 4, 8)),
    ),
    "addresses": Case(
        (
            leaf("a", 4, kind="ipv4"),
            leaf("b", 16, kind="ipv6"),
            leaf("c", 6, kind="ether"),
            leaf("d", 6, kind="ether", little=True),
            leaf("e", 16, kind="uuid"),
            leaf("g", 16, kind="uuid", little=True),
        ),
        bytes([10, 0, 0, 1]) + b"\xfe\x80" + bytes(13) + b"\1" + bytes(range(6)) * 2 + bytes(range(16)) * 2,
        (
            ("a", "10.0.0.1", 0, 4),
            ("b", "fe80::1", 4, 16),
            ("c", "00:01:02:03:04:05", 20, 6),
            ("d", "05:04:03:02:01:00", 26, 6),
            ("e", "00010203-0405-0607-0809-0a0b0c0d0e0f", 32, 16),
            ("g", "03020100-0504-0706-0809-0a0b0c0d0e0f", 48, 16),
        ),
    ),
    "scaled": Case(
        (leaf("a", 2, scaling=Scaling(0.1, -40.0, "km", 10), unit="km"), leaf("b", 1, unit="s")),
        b"\x01\xf4\x07",
        (("a", "10", 0, 2), ("b", "7", 2, 1)),
    ),
    "masked": Case(
        (
            bits("a", 4, (1, 4, 0)),
            bits("b", 12, (2, 0, 0)),
            bits("c", 1, (1, 7, 0), kind="bool"),
            bits("d", 7, (1, 0, 0)),
        ),
        b"\x12\x34\x81",
        (("a", "1", 0, 1), ("b", str(0x234), 0, 2), ("c", "1", 2, 1), ("d", "1", 2, 1)),
    ),
    "widebits": Case(
        (bits("a", 4, (1, 4, 0)), bits("b", 48, (7, 4, 0)), bits("c", 4, (1, 0, 6)), bits("d", 64, (8, 0, 0))),
        bytes.fromhex("1fedcba9876542" + "8000000000000001"),
        (("a", "1", 0, 1), ("b", str(0xFEDCBA987654), 0, 7), ("c", "2", 6, 1), ("d", str(2**63 + 1), 7, 8)),
    ),
    "swapped": Case(
        (bits("a", 4, (1, 4, 1), swapped=2), bits("b", 12, (2, 0, 0), swapped=2)),
        b"\x34\x12",
        (("a", "1", 1, 1), ("b", str(0x234), 0, 2)),
    ),
    "loosebits": Case(
        (
            bits("a", 1, (1, 7, 0)),
            bits("b", 3, None, present=F("a")),
            bits("c", 4, None, present=F("a")),
            bits("d", 7, None, present=Cmp("==", F("a"), Const(0))),
            leaf("e", 1),
        ),
        b"\xb5\x09",
        (("a", "1", 0, 1), ("b", "3", 0, 1), ("c", "5", 0, 1), ("e", "9", 1, 1)),
    ),
    "eitherbits": Case(
        (
            bits("a", 4, (1, 4, 0)),
            Either("b", "b", "B", options=((F("a"), bits("b", 12, (2, 0, 0))),), default=bits("b", 4, (1, 0, 0))),
            leaf("c", 1),
        ),
        b"\x12\x34\x05",
        (("a", "1", 0, 1), ("b", str(0x234), 0, 2), ("c", "5", 2, 1)),
    ),
    "flags": Case(
        (leaf("a", 1, flags=FLAGS), leaf("b", 2, flags=FLAGS, little=True), leaf("c", 8, flags=FLAGS)),
        b"\x81\x80\x00" + bytes(7) + b"\x01",
        (
            ("a", "129", 0, 1),
            ("a.low", "1", 0, 1),
            ("a.high", "1", 0, 1),
            ("b", "128", 1, 2),
            ("b.low", "0", 1, 2),
            ("b.high", "1", 1, 2),
            ("c", "1", 3, 8),
            ("c.low", "1", 10, 1),
            ("c.high", "0", 10, 1),
        ),
    ),
    "bitflags": Case(
        (bits("a", 4, (1, 4, 0)), bits("b", 4, (1, 0, 0), flags=(Flag(8, "x", "X"), Flag(1, "y", "Y")))),
        b"\x18",
        (("a", "1", 0, 1), ("b", "8", 0, 1), ("b.x", "1", 0, 1), ("b.y", "0", 0, 1)),
    ),
    "strings": Case(
        (
            leaf("a", 3, kind="string"),
            leaf("b", kind="string", until=b"\0"),
            leaf("c", kind="string", until=b"\r\n"),
            leaf("d", kind="bytes", until=b"\xff\xff", beyond=1),
            leaf("e", kind="string", until=b"\0\0", utf16=True, little=True),
            leaf("g", kind="bytes"),
        ),
        b"abc" + b"de\0" + b"g\r\n" + b"\1\2\xff\xff" + b"h\0i\0\0\0" + b"\7\x08",
        (
            ("a", "abc", 0, 3),
            ("b", "de", 3, 3),
            ("c", "g", 6, 3),
            ("d", "01:02:ff", 9, 3),
            ("e", "hi", 13, 6),
            ("g", "07:08", 19, 2),
        ),
    ),
    "unended": Case((leaf("a", kind="string", until=b"\0", terminated=False),), b"abc", (("a", "abc", 0, 3),)),
    "sized": Case(
        (leaf("n", 1), leaf("a", F("n"), kind="bytes"), leaf("b", Bin("-", F("n"), Const(1))), leaf("c", Size(F("a")))),
        b"\x02\x01\x02\x09\x01\x00",
        (("n", "2", 0, 1), ("a", "01:02", 1, 2), ("b", "9", 3, 1), ("c", "256", 4, 2)),
    ),
    "empty": Case(
        (leaf("n", 1), leaf("a", F("n"), kind="bytes"), leaf("b", 1)), b"\0\1", (("n", "0", 0, 1), ("b", "1", 1, 1))
    ),
    "present": Case(
        (A, leaf("b", 1, present=IS_ONE), leaf("c", 1, present=Cmp("!=", F("b"), Const(3)))),
        b"\x02\x05",
        (("a", "2", 0, 1), ("c", "5", 1, 1)),
    ),
    "either": Case(
        (
            A,
            Either("b", "b", "B", options=((IS_ONE, leaf("b", 1)),), default=leaf("b", 4, kind="ipv4")),
        ),
        b"\x02\x7f\0\0\1",
        (("a", "2", 0, 1), ("b.ipv4", "127.0.0.1", 1, 4)),
    ),
    "extended": Case(
        (
            leaf("a", template="extended", arguments=(("bit", 7),)),
            leaf("b", template="extended", arguments=(("bit", 0),)),
        ),
        b"\xac\x02" + b"\xff" * 8 + b"\xfe",
        (("a", "300", 0, 2), ("b", str(2**63 - 1), 2, 9)),
    ),
    "aligned": Case(
        (leaf("a", 1, align=Const(4)), leaf("b", 1)), b"\x01\0\0\0\x02", (("a", "1", 0, 1), ("b", "2", 4, 1))
    ),
    "mayend": Case((leaf("a", 1, may_end=True), leaf("b", 1)), b"\x01", (("a", "1", 0, 1),)),
    "time": Case((leaf("a", 4, kind="time"),), b"\0\0\0\1", (("a", "Jan  1, 1970 00:00:01.000000000 UTC", 0, 4),)),
}


@pytest.fixture(scope="module")
def seen(tshark: Tshark, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Seen]:
    return run_cases(tshark, tmp_path_factory.mktemp("items"), CASES)


@pytest.mark.needs_tshark
@pytest.mark.parametrize("name", CASES)
def test_a_value_covers_its_octets_and_is_exact(seen: dict[str, Seen], name: str) -> None:
    """Each field is shown once, with its value, over exactly the octets that it has."""
    found = seen[name].shown
    if name == "time":  # its text differs between versions
        found = tuple((n, CASES[name].shown[0][1] if "1970" in v else v, a, b) for n, v, a, b in found)
    assert found == CASES[name].shown
    assert seen[name].experts == CASES[name].experts
