# SPDX-License-Identifier: GPL-2.0-or-later
"""A new migration command stays a change of three files and a dozen lines, as CONTRIBUTING.md says.

A copy of the package gets one that no QEMU has, with one field; nothing else is touched.  Then the decoder, the plugin,
Scapy, the command line and the documentation of the copy have to know it.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dissector.decode import PduSeen
from dissector.protocols.qemu_migration.constants import Command
from dissector.reading import Reading
from dissector.regression.wire import cut, fixed, write_capture
from dissector.tshark import Tshark
from tests.coverage import protocol

PACKAGE = Path(__file__).resolve().parent.parent / "dissector"
LAYERS = Path("protocols", "qemu_migration")
NUMBER = max(Command) + 1
VALUE = 0xDECADE
FILTER = "qmig.mig_cmd_example.value"
MOST_FILES, MOST_LINES = 3, 12

LAYER = '''

class MigCmdExample(_Command):
    """``08 command(2) 0004 value(4)``: an example; migration/savevm.c:loadvm_process_command()."""

    label = "MIG_CMD_EXAMPLE"
    fields_desc = [*frame(Command.MIG_CMD_EXAMPLE), XIntField("value", 0)]
'''
CHANGE = (
    ("constants.py", r"    MIG_CMD_SWITCHOVER_START = .*\n", f"    MIG_CMD_EXAMPLE = {NUMBER}\n"),
    ("constants.py", r"    Command\.MIG_CMD_SWITCHOVER_START: .*\n", "    Command.MIG_CMD_EXAMPLE: 4,\n"),
    ("command.py", r'    "MigCmdEnableColo",\n', '    "MigCmdExample",\n'),
    ("command.py", r"\Z", LAYER),
    ("stream_command.py", r"    MigCmdEnableColo,\n", "    MigCmdExample,\n"),
    ("stream_command.py", r"        fixed\(MigCmdEnableColo\),\n", "        fixed(MigCmdExample),\n"),
)
"""File, what the new lines stand behind, and the new lines."""

CRAFT = f"""
import json
from dissector.protocols import qemu_migration as qm

crafted = bytes(qm.MigCmdExample(value={VALUE}))
main = qm.MainChannel()
main.header()
main.configuration(b"pc-q35-10.0")
main.add(qm.MigCmdExample(value={VALUE}))
main.start_ram({{b"pc.ram": 0x10000}})
main.end_ram()
main.eof(b"{{}}")
seen = qm.MigCmdExample(crafted)
print(json.dumps([qm.__file__, crafted.hex(), seen.cmd, seen.length, seen.value, bytes(main).hex()]))
"""


class Copy:
    """The package with one command more."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(PACKAGE, folder / "dissector", ignore=shutil.ignore_patterns("__pycache__", "lua_out"))
        for name, behind, lines in CHANGE:
            path = folder / "dissector" / LAYERS / name
            text = path.read_text(encoding="utf-8")
            places = [m.end() for m in re.finditer(behind, text)]
            assert len(places) == 1, f"{name}: {behind} is there {len(places)} times"
            path.write_text(text[: places[0]] + lines + text[places[0] :], encoding="utf-8")
        self.capture = folder / "example.pcap"

    def run(self, *argv: str) -> str:
        """Run the copy's Python."""
        env = {**os.environ, "PYTHONPATH": str(self.folder), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, *argv]
        ran = subprocess.run(command, cwd=self.folder, env=env, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
        return ran.stdout

    def changed(self) -> dict[str, int]:
        """File -> how many of its lines were added or taken away."""
        out = {}
        for path in sorted(p for p in (self.folder / "dissector").rglob("*") if p.is_file()):
            ours, theirs = path.read_text(encoding="utf-8"), original(path, self.folder)
            if ours != theirs:
                lines = difflib.ndiff(theirs.splitlines(), ours.splitlines())
                out[path.name] = sum(line[:2] in ("+ ", "- ") for line in lines)
        return out


def original(path: Path, folder: Path) -> str:
    """What a file of the copy was before."""
    return (PACKAGE / path.relative_to(folder / "dissector")).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    """Give the copy with its plugin, its documentation and a capture of a stream that has the command."""
    made = Copy(tmp_path_factory.mktemp("new_command"))
    made.run("-m", "dissector", "generate")
    stream = bytes.fromhex(json.loads(made.run("-c", CRAFT))[-1])
    write_capture(made.capture, list(cut(stream, fixed(37))))
    return made


def test_the_change_is_small(copy: Copy) -> None:
    """Constants, layer and rule, and nothing anywhere else."""
    changed = copy.changed()

    assert len(changed) <= MOST_FILES, changed
    assert sum(changed.values()) <= MOST_LINES, changed


def test_it_was_unknown_before() -> None:
    """The number is one that the package itself has no name for."""
    assert NUMBER not in {v for p in protocol().pdus for f in p.fields if f.abbrev == "command" for v, _ in f.values}


def test_scapy_crafts_and_dissects_it(copy: Copy) -> None:
    """The layer is there under its name, with the length of the table."""
    file, crafted, *fields, _ = json.loads(copy.run("-c", CRAFT))

    assert Path(file).is_relative_to(copy.folder)
    assert crafted == f"08{NUMBER:04x}0004{VALUE:08x}"
    assert fields == [NUMBER, 4, VALUE]


def test_the_decoder_and_the_command_line_show_it(copy: Copy) -> None:
    """``dissector decode`` prints the PDU with its field, and what follows is still read."""
    printed: list[dict[str, Any]] = [
        json.loads(line) for line in copy.run("-m", "dissector", "decode", "--json", copy.capture.name).splitlines()
    ]
    pdus = [x for x in printed if x["event"] == "pdu"]
    found = [x for x in pdus if x["pdu"] == "MigCmdExample"]

    assert [("MIG_CMD_EXAMPLE", VALUE, [])] == [(x["label"], x["fields"][FILTER], x["findings"]) for x in found]
    assert "VmDescription" == pdus[-1]["pdu"]


def test_the_package_itself_does_not_know_it(copy: Copy) -> None:
    """Without the change the same capture has an unknown command in that place."""
    seen = [e for e in Reading(protocol(), copy.capture).events() if isinstance(e, PduSeen)]

    assert [["command_unknown"]] == [[f.name for f in e.findings] for e in seen if e.name == "MigCommand"]


@pytest.mark.needs_tshark
def test_the_plugin_shows_it(copy: Copy, tshark: Tshark) -> None:
    """The new display filter finds the frame, and the command has its name."""
    plugin = copy.folder / "lua_out" / "qemu_migration.lua"
    fields = (FILTER, "qmig.command", "qmig.pdu")
    rows = list(tshark.rows(copy.capture, plugin, fields=fields, display_filter=f"{FILTER} == {VALUE}"))

    assert 1 == len(rows)
    value, command, pdus = rows[0]
    assert ([VALUE], [NUMBER]) == ([int(v, 0) for v in value], [int(v, 0) for v in command])
    assert "MigCmdExample" in pdus
    assert tshark.lua_errors(copy.capture, plugin) == []
    assert "MIG_CMD_EXAMPLE" in tshark.run(copy.capture, plugin, display_filter=FILTER, args=["-V"])


def test_the_documentation_has_it(copy: Copy) -> None:
    """It has a chapter, a row of fields and its number."""
    page = (copy.folder / "docs" / "protocol.md").read_text(encoding="utf-8")

    assert "### MigCmdExample\n\n**MIG_CMD_EXAMPLE**" in page
    assert f"| `value` | 4 | `{FILTER}` |" in page
    assert f"{NUMBER} MIG_CMD_EXAMPLE" in page
