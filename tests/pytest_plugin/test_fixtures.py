# SPDX-License-Identifier: GPL-2.0-or-later
"""What the fixtures give."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dissector.protocols.qemu_migration import MainChannel, MigCmdPing
from dissector.regression.craft import Batch
from dissector.regression.pdus import Pdus
from tests.support.recordings import recorded


def migration_of(page: int) -> MainChannel:
    main = MainChannel()
    main.header()
    main.configuration(b"pc-q35-10.0")
    main.start_ram({b"pc.ram": 0x400000})
    main.part_ram((b"pc.ram", page * 4096, 0))
    return main


class TestDissect:
    def test_like_a_list(self, dissect: Callable[..., Pdus]) -> None:
        """It has a length, is looped over as often as one likes, and gives PDUs by their place from either end."""
        pdus = dissect(recorded("qemu-7.2-cancel"))
        every = list(pdus)

        assert len(every) == len(pdus)
        assert ("FileHeader", 0) == (pdus[0].name, pdus[0].offset)
        assert every[3:9:2] == pdus[3:9:2]
        assert (every[-1], every[-7]) == (pdus[-1], pdus[-7])
        for outside in (len(every), -len(every) - 1):
            with pytest.raises(IndexError):
                pdus[outside]

    def test_by_name(self, dissect: Callable[..., Pdus]) -> None:
        """Only the PDUs that were asked for, with their fields."""
        pdus = dissect(recorded("qemu-7.2-cancel"))

        assert pdus.counts["RamPage"] == len(list(pdus.named("RamPage")))
        assert all(pdu.fields["addr"] % 4096 == 0 for pdu in pdus.named("RamPage"))
        with pytest.raises(KeyError, match="RamPages"):
            pdus.named("RamPages")

    def test_findings(self, dissect: Callable[..., Pdus], tmp_path: Path) -> None:
        """What is wrong in a capture is said."""
        from dissector.regression.wire import cut, fixed, write_capture  # noqa: PLC0415

        path = tmp_path / "wrong.pcap"
        write_capture(path, cut(bytes(migration_of(1)) + b"\xee", fixed(1448)))

        assert list(dissect(path).findings)
        assert dissect(path).structure["trouble"]


class TestMigration:
    def test_is_the_summary(self, migration: Callable[..., dict[str, Any]]) -> None:
        """The object of dissector summary --json."""
        assert "completed" == migration(recorded("qemu-7.2-precopy"))["status"]

    def test_one_of_several(self, migration: Callable[..., dict[str, Any]]) -> None:
        """Where there are two, a test has to say which."""
        with pytest.raises(pytest.fail.Exception, match="2 migrations"):
            migration(recorded("qemu-7.2-twice"))

        assert migration(recorded("qemu-7.2-twice"), number=1) != migration(recorded("qemu-7.2-twice"), number=2)


class TestCraft:
    def test_hundreds_in_one_run(self, craft: Batch) -> None:
        """Each case has its own tree, and tshark ran once."""
        cases = [craft(migration_of(page)) for page in range(300)]

        zeros = [[pdu for pdu in case.pdus if pdu.show == "RamZero"] for case in cases]
        shown = [[node.as_int() for pdu in each for node in pdu.all("qmig.ram.addr")] for each in zeros]

        assert [[page * 4096] for page in range(300)] == shown
        assert 1 == craft.runs

    def test_both_sides(self, craft: Batch) -> None:
        """Client and server are told apart, and so are the connections of a case."""
        case = craft([migration_of(1), MigCmdPing(value=7)], also=[(migration_of(2), b"")])

        assert "MigCmdPing" == case.said(0, side=0)[-1].show
        assert [] == case.said(0, side=1)
        assert len(case.said(0)) - 1 == len(case.said(1))
        assert len(case.pdus) == len(case.said(0)) + len(case.said(1))

    def test_what_comes_later_is_another_run(self, craft: Batch) -> None:
        """A case that is made after somebody looked is shown by a second run, and the first stays as it was."""
        first = craft(migration_of(1))
        before = [node.show for node in first.pdus]
        second = craft(b"\x51\x45\x56\x4d\0\0\0\3\xee")

        assert "FileHeader" == second.pdus[0].show
        assert second.experts
        assert before == [node.show for node in first.pdus]
        assert 2 == craft.runs

    def test_all_executors(self, craft: Batch, assert_same: Callable[[Path], int]) -> None:
        """The capture that was made can be given to any other fixture."""
        cases = [craft(migration_of(page)) for page in range(3)]

        assert assert_same(cases[0].capture) == sum(len(case.pdus) for case in cases)


class TestAssertSame:
    def test_counts(self, assert_same: Callable[[Path], int], dissect: Callable[..., Pdus]) -> None:
        """It gives the number of PDUs that agree."""
        capture = recorded("qemu-7.2-cancel")

        assert len(dissect(capture)) == assert_same(capture)


@pytest.mark.needs_tshark
def test_wireshark(wireshark: Callable[..., Any]) -> None:
    """pyshark's own objects, with the plugin's fields, from as many captures as a test likes."""
    for name in ("qemu-7.2-cancel", "qemu-7.2-failure"):
        packets = list(itertools.islice(wireshark(recorded(name), display_filter="qmig.magic"), 1))

        assert "main" == packets[0].qmig.get_field("channel")
