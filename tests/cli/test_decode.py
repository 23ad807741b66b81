# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

import io
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from dissector.protocols.qemu_migration import ConfigurationUuid, MigCmdOpenReturnPath, MigCmdPing, RpPong
from dissector.regression.wire import cut, drop, fixed, write_capture
from tests.cli.conftest import TIMER, beginning, complete

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.cli.conftest import Ran

PLACE = ["event", "migration", "connection", "channel", "direction", "offset", "frame", "time"]


def objects(ran: Ran) -> list[dict[str, Any]]:
    """Read what was printed as one JSON object a line."""
    return [json.loads(line) for line in ran.out.splitlines()]


class TestText:
    def test_a_line_for_each_pdu(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """Connection, direction, offset, length, name, fields: from the file header to EOF."""
        ran = cli("decode", capture(bytes(complete())))
        lines = ran.out.splitlines()

        assert (0, "") == (ran.code, ran.err)
        assert lines[0].startswith("# connection 0: main channel of migration 1, ")
        assert "  0 >          0        8 QEMU_VM_FILE_MAGIC magic=0x5145564d version=3" == lines[1]
        assert any("RAM_SAVE_FLAG_ZERO" in line and "(ram.block=pc.ram)" in line for line in lines)
        assert lines[-2].endswith("1 QEMU_VM_EOF section.type=0")
        assert lines[-1].endswith("QEMU_VM_VMDESCRIPTION section.type=6 vmdescription.length=34")

    def test_what_is_inside_a_package_is_indented(self, cli: Callable[..., Ran], pcaps: Path) -> None:
        """The commands of a package stand two columns further right than the package."""
        ran = cli("decode", pcaps / "qemu-10.0-postreq.pcap.gz", "--pdu", "MIG_CMD_P*")
        packaged, run = (
            line for line in ran.out.splitlines() if "MIG_CMD_PACKAGED" in line or "MIG_CMD_POSTCOPY_RUN" in line
        )

        assert packaged.index("MIG_CMD_") + 2 == run.index("MIG_CMD_")

    def test_the_return_path_points_back(self, cli: Callable[..., Ran], pcaps: Path) -> None:
        """The answer to a PING is a line with ``<``."""
        ran = cli("decode", pcaps / "qemu-10.0-swack.pcap.gz", "--pdu", "MIG_RP_MSG_*")

        assert ran.out.splitlines()
        assert all(line.startswith("  0 < ") for line in ran.out.splitlines())

    def test_findings_stand_below_their_pdu(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """An error is a line of its own, and makes the exit code 1."""
        main = beginning()
        main.add(MigCmdPing(value=1))
        ran = cli("decode", capture(bytes(main)), "--pdu", "MigCmdPing")

        assert 1 == ran.code
        assert "! error: CMD_PING (0x1) received with no return path" in ran.out.splitlines()[1]


class TestChoice:
    @pytest.mark.parametrize("name", ["RAM_SAVE_FLAG_PAGE", "RamPage", "RAM_SAVE_FLAG_PAG?"])
    def test_by_name(self, cli: Callable[..., Ran], capture: Callable[..., Path], name: str) -> None:
        """QEMU's name, the layer's name and a pattern choose the same PDUs."""
        assert 2 == len(cli("decode", capture(bytes(complete())), "--pdu", name).out.splitlines())

    def test_by_channel(self, cli: Callable[..., Ran], pcaps: Path) -> None:
        """Only the connections of one channel are shown."""
        found = objects(cli("decode", pcaps / "qemu-10.0-preemptreq.pcap.gz", "--json", "--channel", "preempt"))

        assert {"preempt"} == {item["channel"] for item in found}
        assert {"connection", "pdu"} == {item["event"] for item in found}

    def test_limit(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """``--limit`` counts PDUs, not lines."""
        found = objects(cli("decode", capture(bytes(complete())), "--json", "--limit", "2"))

        assert ["connection", "pdu", "pdu"] == [item["event"] for item in found]

    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            (["--pdu", "MIG_CMD_PONG"], "--pdu MIG_CMD_PONG: no such PDU\nhint: did you mean MIG_CMD_P"),
            (["--pdu", "*.lua"], "--pdu *.lua: no such PDU\n"),
            (["--channel", "return"], "--channel return: no such channel\nhint: known: main, "),
            (["--decode-as", "1=x"], "--decode-as 1=x: no such channel\nhint: known: main, "),
        ],
    )
    def test_a_name_that_nothing_has(
        self, cli: Callable[..., Ran], capture: Callable[..., Path], argv: list[str], message: str
    ) -> None:
        """A mistyped name is refused, and not taken for a capture without such PDUs."""
        ran = cli("decode", capture(bytes(complete())), *argv)

        assert (2, "") == (ran.code, ran.out)
        assert ran.err.startswith(message)

    def test_an_error_that_is_not_shown_counts(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """A choice changes what is printed, not what is found."""
        main = beginning()
        main.add(MigCmdPing(value=1))

        assert 1 == cli("decode", capture(bytes(main)), "--pdu", "FileHeader").code


class TestJson:
    def test_the_promised_keys(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """What docs/json.md lists for a connection and for a PDU is there, in that order, and nothing else."""
        connection, header, *_ = objects(cli("decode", capture(bytes(complete())), "--json"))

        ends = ["client", "server", "destination"]
        assert ["event", "migration", "connection", "channel", *ends, "frame", "time"] == list(connection)
        assert [*PLACE, "length", "depth", "pdu", "label", "fields", "notes", "findings"] == list(header)
        assert {"qmig.magic": 0x5145564D, "qmig.version": 3} == header["fields"]
        assert ("FileHeader", "QEMU_VM_FILE_MAGIC", 0, 8) == tuple(
            header[key] for key in ("pdu", "label", "offset", "length")
        )

    def test_text_is_a_string_and_octets_are_hexadecimal(
        self, cli: Callable[..., Ran], capture: Callable[..., Path]
    ) -> None:
        """Block names are text, also in notes; a UUID is written as one."""
        main = complete()
        main.pdus.insert(2, ConfigurationUuid(uuid="12345678-9abc-def0-1234-56789abcdef0"))
        found = {item.get("pdu"): item for item in objects(cli("decode", capture(bytes(main)), "--json"))}

        assert "pc.ram" == found["RamBlock"]["fields"]["qmig.ram.block"]
        assert "pc.ram" == found["RamZero"]["notes"]["qmig.ram.block"]
        assert "12345678-9abc-def0-1234-56789abcdef0" == found["ConfigurationUuid"]["fields"]["qmig.configuration.uuid"]

    def test_pages_are_not_in_it(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """A payload is counted in the length, and not printed."""
        found = [item for item in objects(cli("decode", capture(bytes(complete())), "--json")) if item.get("pdu")]
        page = next(item for item in found if item["pdu"] == "RamPage")

        assert 8 + 7 + 4096 == page["length"]
        assert "qmig.ram.data" not in page["fields"]

    def test_both_directions(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """What the destination says is the reverse direction."""
        main = beginning()
        main.pdus[2:2] = [MigCmdOpenReturnPath(), MigCmdPing(value=7)]
        found = objects(cli("decode", capture(bytes(main), bytes(RpPong(value=7))), "--json"))

        assert [("reverse", 0, {"qmig.rp.type": 2, "qmig.rp.length": 4, "qmig.rp.value": 7})] == [
            (item["direction"], item["offset"], item["fields"]) for item in found if item.get("pdu") == "RpPong"
        ]

    def test_octets_that_cannot_be_read(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """Events up to the fault; the fault with channel, offset, state and octets; then where it goes on."""
        main = beginning()
        before = len(bytes(main))
        good = beginning()
        good.part_ram(*((b"pc.ram", 0x1000 * number, 0) for number in range(4, 40)))
        broken = bytes(main) + b"\x66" * 40 + bytes(good)[before:]
        ran = cli("decode", capture(broken), "--json")
        rare = {item["event"]: item for item in objects(ran) if item["event"] != "pdu"}

        assert 1 == ran.code
        assert ["connection", "malformed", "lost", "resynced"] == list(rare)
        assert [*PLACE, "state", "octets", "findings"] == list(rare["malformed"])
        assert ("main", before, "section") == tuple(rare["malformed"][key] for key in ("channel", "offset", "state"))
        assert "66" * 32 == rare["malformed"]["octets"]["hex"]
        assert [*PLACE, "state", "skipped", "findings"] == list(rare["resynced"])

    def test_missing_octets(self, cli: Callable[..., Ran], tmp_path: Path) -> None:
        """A lost segment inside a page is an event with the number of octets, and nothing else is lost."""
        path = tmp_path / "gap.pcap"
        write_capture(path, drop([1])(list(cut(bytes(complete()), fixed(1000)))))
        ran = cli("decode", path, "--json")
        gaps = [item for item in objects(ran) if item["event"] == "gap"]

        assert [(1000, 1000)] == [(gap["offset"], gap["length"]) for gap in gaps]
        assert [*PLACE, "length", "findings"] == list(gaps[0])
        assert ["Eof", "VmDescription"] == [item["pdu"] for item in objects(ran)[-2:]]


class TestInput:
    def test_standard_input(
        self, cli: Callable[..., Ran], capture: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """``-`` reads the same capture from standard input."""
        path = capture(bytes(complete()))
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))

        assert cli("decode", path).out == cli("decode", "-").out

    def test_parameters_reach_the_decoder(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """With footers switched off the first footer is no PDU any more."""
        path = capture(bytes(complete()))

        assert "QEMU_VM_SECTION_FOOTER" in cli("decode", path, "--footers", "automatic").out
        assert "MALFORMED" in cli("decode", path, "--footers", "off").out

    def test_decode_as(self, cli: Callable[..., Ran], tmp_path: Path) -> None:
        """A stream without its beginning is none, unless it is named; then it is read from the first footer on."""
        path = tmp_path / "middle.pcap"
        write_capture(path, list(cut(bytes(complete())[300:], fixed(1448))), handshake=False)
        refused = cli("decode", path)
        port = refused.err.partition("(ports ")[2].partition(")")[0]

        assert 2 == refused.code
        assert "--decode-as PORT=main" in refused.err
        assert "QEMU_VM_EOF" in cli("decode", path, "--decode-as", f"{port}=main").out

    def test_verbose_tells_what_was_passed_over(self, cli: Callable[..., Ran], tmp_path: Path) -> None:
        """With ``-v`` standard error counts what was no part of the migration."""
        path = tmp_path / "two.pcap"
        other = list(cut(b"GET / HTTP/1.0\r\n\r\n", fixed(1448), connection=1))
        write_capture(path, [*cut(bytes(complete()), fixed(1448)), *other])
        ran = cli("decode", "-v", path)

        assert f"{path}: passed over: 1 other TCP connections\n" == ran.err


class TestDescription:
    def test_it_agrees(self, cli: Callable[..., Ran], pcaps: Path) -> None:
        """In a recorded precopy all devices end where their footers were found."""
        assert "device_size" not in cli("decode", pcaps / "qemu-11.1-pre.pcap.gz").out

    @pytest.mark.parametrize("cutter", [7, 1448, 65160])
    def test_it_does_not(self, cli: Callable[..., Ran], capture: Callable[..., Path], cutter: int) -> None:
        """A description with another size is reported once, at the device, however the octets were cut."""
        fields = f'[{{"name": "data", "type": "buffer", "size": {len(TIMER) + 1}}}]'
        text = f'{{"page_size": 4096, "devices": [{{"name": "timer", "instance_id": 0, "fields": {fields}}}]}}'
        ran = cli("decode", capture(bytes(complete(text.encode())), cutter=cutter), "--json")
        found = [item for item in objects(ran) if any(f["finding"] == "device_size" for f in item.get("findings", []))]

        assert 0 == ran.code
        assert ["timer 0 has 24 octets up to its footer, but the description says 25"] == [
            item["findings"][0]["text"] for item in found
        ]

    def test_it_is_no_json(self, cli: Callable[..., Ran], capture: Callable[..., Path]) -> None:
        """A description that cannot be read is a warning, not the end."""
        ran = cli("decode", capture(bytes(complete(b"{"))))

        assert 0 == ran.code
        assert "(vmdescription_json)" in ran.out
