# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole streams are built as QEMU would send them, and what it would not send is refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dissector.declare import registers
from dissector.decode import PduSeen
from dissector.errors import CraftError
from dissector.protocols import qemu_migration as qm
from dissector.protocols.qemu_migration import MainChannel, ReturnPath, unchecked
from tests.qemu_migration.test_streams import decoded
from tests.qemu_migration.vectors import Direction

ROM = b"/rom@etc/acpi/tables"
BLOCKS = {b"pc.ram": 0x10000, ROM: 0x1000}
DESCRIPTION = b'{"page_size": 4096, "devices": []}'


def main_channel() -> MainChannel:
    """A stream with everything that a precopy migration has."""
    main = MainChannel()
    main.header()
    main.configuration(b"pc-q35-10.0")
    main.start_ram(BLOCKS)
    main.part_ram((b"pc.ram", 0, 0), (b"pc.ram", 0x1000, bytes(4096)), (ROM, 0, 0), (b"pc.ram", 0x2000, 0))
    main.start(b"dirty-bitmap", [qm.DirtyBitmapStart(node_alias=b"disk", bitmap_alias=b"b0"), qm.DirtyBitmapEos()])
    main.part(b"dirty-bitmap", [qm.DirtyBitmapBits(sectors=0x800, data=bytes(32)), qm.DirtyBitmapEos()])
    main.end_ram()
    main.end(b"dirty-bitmap", [qm.DirtyBitmapComplete(), qm.DirtyBitmapEos()])
    main.full(b"timer", bytes(24), version_id=2)
    main.eof(DESCRIPTION)
    return main


def read(octets: bytes, stream: str = "main") -> tuple[list[str], list[str]]:
    """(names of the PDUs, findings) of a direction."""
    events, _ = decoded(Direction(stream, octets, [], [], {}, {}, {}, ""), len(octets))
    seen = [e for e in events if isinstance(e, PduSeen)]
    return [e.name for e in seen], [f.name for e in seen for f in e.findings]


class TestMainChannel:
    def test_is_read_as_it_was_built(self) -> None:
        """The decoder finds the layers that were put in, and nothing to complain of."""
        main = main_channel()

        assert read(bytes(main)) == ([type(pdu).__name__ for pdu in main.pdus], [])

    def test_names_a_block_only_when_it_changes(self) -> None:
        """CONTINUE stands for the block of the last page."""
        records = [pdu for pdu in main_channel().pdus if isinstance(pdu, qm.RamZero | qm.RamPage)]

        assert [int(r.flags) for r in records] == [0x02, 0x28, 0x02, 0x02]

    def test_configuration(self) -> None:
        """All subsections, in QEMU's order."""
        main = MainChannel(page_size=65536)
        main.header()
        main.configuration(b"virt-10.0", [b"x-ignore-shared"], page_bits=16, uuid=bytes(16))
        main.start_ram({b"mem0": 0x20000}, addresses={b"mem0": 0x40000000})
        main.part_ram((b"mem0", 0x10000, bytes(65536)))

        assert read(bytes(main)) == ([type(pdu).__name__ for pdu in main.pdus], [])

    def test_without_footers(self) -> None:
        """A machine type up to 2.3."""
        main = MainChannel(footers=False)
        main.header()
        main.start_ram(BLOCKS)
        main.end_ram((b"pc.ram", 0, 0))
        main.full(b"timer", bytes(24))
        main.eof(DESCRIPTION)
        names = [type(pdu).__name__ for pdu in main.pdus]

        assert read(bytes(main)) == ([n.replace("DeviceState", "BareDeviceState") for n in names], [])

    def test_postcopy(self) -> None:
        """A package is measured and read as a region."""
        main = MainChannel()
        main.header()
        main.configuration(b"pc-q35-10.0")
        main.add(qm.MigCmdOpenReturnPath(), qm.MigCmdPing(value=1), qm.MigCmdPostcopyAdvise())
        main.start_ram(BLOCKS)
        main.add(qm.MigCmdPostcopyRamDiscard(block=b"pc.ram") / qm.RamDiscardRange(start=0x1000, length=0x2000))
        package = main.package()
        package.add(qm.MigCmdPostcopyListen())
        package.full(b"timer", bytes(24))
        package.add(qm.MigCmdPing(value=3), qm.MigCmdPostcopyRun())
        main.send(package)
        main.end_ram((b"pc.ram", 0x1000, 0))
        main.eof()
        names = [type(layer).__name__ for pdu in main.pdus for layer in layers(pdu)]

        assert read(bytes(main)) == (names, [])


def layers(pdu: Any) -> Iterator[Any]:
    """A layer and those that were put behind it."""
    while pdu:
        yield pdu
        pdu = pdu.payload


class TestLengths:
    def test_package(self) -> None:
        """The length of a package is that of everything behind its head."""
        package = qm.MigCmdPackaged() / qm.MigCmdPostcopyListen() / qm.MigCmdPostcopyRun()

        assert bytes(package) == bytes.fromhex("08000700040000000a 0800040000 0800050000")

    def test_discard(self) -> None:
        """The length of RAM_DISCARD covers its ranges and nothing behind them."""
        discard = (
            qm.MigCmdPostcopyRamDiscard(block=b"b") / qm.RamDiscardRange() / qm.RamDiscardRange() / qm.MigCmdPing()
        )

        assert bytes(discard)[3:5] == (3 + 1 + 32).to_bytes(2, "big")

    def test_block_list(self) -> None:
        """The total is the sum of the blocks."""
        blocks = (
            qm.RamMemSize() / qm.RamBlock(block=b"a", used_length=0x3000) / qm.RamBlock(block=b"b", used_length=0x1000)
        )

        assert bytes(blocks)[:8] == bytes.fromhex("0000000000004004")

    def test_capabilities(self) -> None:
        """The count is that of the capabilities behind."""
        listed = qm.ConfigurationCapabilities() / qm.ConfigurationCapability(capability=b"x-ignore-shared")

        assert b"\0\0\0\1\x0fx-ignore-shared" in bytes(listed)

    def test_xbzrle(self) -> None:
        """The length of an XBZRLE record is that of its runs."""
        page = qm.RamXbzrle(addr=0x1000) / qm.XbzrleRun.of(300, b"a" * 200) / qm.XbzrleRun.of(1, b"b")

        assert bytes(page)[9:11] == (4 + 200 + 2 + 1).to_bytes(2, "big")

    def test_multifd(self) -> None:
        """A packet's counts are those of its offsets."""
        packet = qm.MultifdPacket() / qm.MultifdOffset() / qm.MultifdOffset() / qm.MultifdZeroOffset()

        assert bytes(packet)[12:24] == bytes.fromhex("00000080 00000002 00002000")
        assert bytes(packet)[32:36] == bytes.fromhex("00000001")

    def test_colo(self) -> None:
        """The size of COLO's VM state is that of everything behind."""
        assert bytes(qm.ColoVmstateSize() / qm.Eof()) == bytes.fromhex("00000004 0000000000000001 00")

    def test_page_size(self) -> None:
        """Offset and flags share a word; where the border lies is the stream's affair."""
        with registers({"page_size": 65536}):
            assert bytes(qm.RamEos(addr=0x10000)) == bytes.fromhex("0000000000010010")


class TestRefusals:
    def test_large_package(self) -> None:
        """What QEMU 2.5 to 2.11 refuse is refused, unless asked for."""
        package = qm.MigCmdPackaged(packaged_length=(1 << 24) + 1)

        with pytest.raises(CraftError, match="Unreasonably large packaged state: 16777217"):
            bytes(package)
        with unchecked():
            assert bytes(package)[5:] == bytes.fromhex("01000001")

    def test_largest_package(self) -> None:
        """16 MiB are allowed."""
        assert bytes(qm.MigCmdPackaged(packaged_length=1 << 24))[5:] == bytes.fromhex("01000000")

    def test_large_package_of_a_stream(self) -> None:
        """Nothing is appended when a package is refused."""
        main = MainChannel()
        package = main.package()
        package.full(b"huge", bytes(1 << 24))

        with pytest.raises(CraftError, match="Unreasonably large"):
            main.send(package)

        assert main.pdus == []

    def test_part_without_start(self) -> None:
        """An id that no START has named."""
        main = MainChannel()
        with pytest.raises(CraftError, match="PART foo: there was no START"):
            main.part(b"foo", b"")
        with unchecked():
            main.part(b"foo", b"")

        assert bytes(main) == bytes.fromhex("02 00000001 7e 00000001")

    @pytest.mark.parametrize(
        "command",
        [qm.MigCmdPostcopyAdvise(), qm.MigCmdPackaged(), qm.MigCmdRecvBitmap(), qm.MigCmdPostcopyRamDiscard()],
    )
    def test_commands_in_a_package(self, command: qm.MigCmdPing) -> None:
        """Those whose payload would be read from behind the package."""
        package = MainChannel().package()
        with pytest.raises(CraftError, match="inside a package"):
            package.add(command)
        with unchecked():
            package.add(command)

    @pytest.mark.parametrize(
        "page",
        [(b"foo", 0, 0), (b"pc.ram", 0x10000, 0), (b"pc.ram", 1, 0), (b"pc.ram", 0, 1), (b"pc.ram", 0, b"short")],
        ids=["unknown block", "behind the end", "not a page", "not zero", "too short"],
    )
    def test_pages(self, page: qm.builder.Page) -> None:
        """Pages that no source sends."""
        main = main_channel()
        with pytest.raises(CraftError):
            main.part_ram(page)

    def test_names(self) -> None:
        """An idstr has 1 to 255 octets, a header comes first, a capability has a name that QEMU knows."""
        main = MainChannel()
        with pytest.raises(CraftError, match="idstr"):
            main.full(b"", b"")
        with pytest.raises(CraftError, match="capability"):
            main.configuration(b"pc", [b"foo"])
        with pytest.raises(CraftError, match="in front of it"):
            main.header()
        with pytest.raises(CraftError, match="target page"):
            MainChannel(page_size=5000)
        with pytest.raises(CraftError, match="multiple of a page"):
            main.start_ram({b"pc.ram": 100})


class TestReturnPath:
    def test_is_read_as_it_was_built(self) -> None:
        """A request names its block only when that changes; a bitmap has a bit for each page."""
        back = ReturnPath()
        back.add(qm.RpPong(value=1))
        back.request(b"pc.ram", 0x1000)
        back.request(b"pc.ram", 0x2000)
        back.bitmap(b"pc.ram", [0, 2, 70], 100)
        back.add(qm.RpShut())

        assert read(bytes(back), "return_path") == ([type(pdu).__name__ for pdu in back.pdus], [])
        assert bytes(back.pdus[3])[-16:] == bytes.fromhex("05 00*7 40 00*7".replace("00*7", "00" * 7))

    def test_refuses(self) -> None:
        """Half a page, and a page that the block does not have."""
        back = ReturnPath()
        with pytest.raises(CraftError, match="whole pages"):
            back.request(b"pc.ram", 0x800)
        with pytest.raises(CraftError, match="page 64 of 64"):
            back.bitmap(b"pc.ram", [64], 64)
