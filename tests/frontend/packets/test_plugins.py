# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows and templates of others: a distribution that registers one field class, from the entry point to the wire."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from scapy.contrib.mysql import MySQLColumnDefinition41

from dissector.backends.packets import generate
from dissector.errors import DissectorError
from dissector.frontend.packets import registry, suite
from dissector.frontend.packets.layers import translated_packet
from dissector.frontend.packets.plugins import load_plugins
from dissector.ir.packets import Entry
from dissector.proof.capture import write

if TYPE_CHECKING:
    from dissector.tshark import Tshark

EXAMPLE = Path(__file__).parent / "example" / "mysql_rows.py"
PORT = 33060


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder that Python looks into, in which a distribution has the example and its entry point."""
    folder = tmp_path / "site"
    info = folder / "mysql_rows-1.0.dist-info"
    info.mkdir(parents=True)
    shutil.copy(EXAMPLE, folder)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mysql-rows\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[dissector.frontend]\nmysql = mysql_rows:register_rows\n")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setattr(registry, "_ROWS", dict(registry._ROWS))
    monkeypatch.setattr(registry, "TEMPLATES", registry.TEMPLATES)
    kept = dict(registry.TEMPLATES)
    load_plugins.cache_clear()
    translated_packet.cache_clear()
    yield folder
    registry.TEMPLATES.clear()
    registry.TEMPLATES.update(kept)
    load_plugins.cache_clear()
    translated_packet.cache_clear()


def test_without_it_the_field_class_is_refused() -> None:
    """The refusal names the class and says what to do."""
    (refused,) = suite(MySQLColumnDefinition41).opaques
    assert "MySQLLenEncStrField" in refused.what
    assert "register a row" in refused.hint


@pytest.mark.usefixtures("installed")
def test_a_distribution_registers_a_field_class() -> None:
    """With it the layer is translated, and the plugin has the template."""
    made = suite(MySQLColumnDefinition41)
    assert () == made.opaques
    assert "mysql_text" in dict(made.templates)
    assert 'template.mysql_text(t, f["catalog"]' in generate(made) or "template.mysql_text(" in generate(made)


@pytest.mark.needs_tshark
@pytest.mark.usefixtures("installed")
def test_on_the_wire(tshark: Tshark, tmp_path: Path) -> None:
    """Texts of all lengths are what Scapy reads, and one that is cut short says so."""
    made = suite(MySQLColumnDefinition41)
    made = replace(made, entries=(Entry(made.layers[0].name, "udp.port", PORT),))
    packets = [MySQLColumnDefinition41(schema=b"a" * n, table=b"t", column_type=3) for n in (0, 5, 250, 251, 700)]
    plugin, capture = tmp_path / "p.lua", tmp_path / "p.pcap"
    plugin.write_text(generate(made), encoding="utf-8")
    write(capture, [(bytes(p), PORT) for p in packets] + [(bytes(packets[3])[:100], PORT)])
    names = [f"{made.prefix}.{n}" for n in ("schema", "table", "column_type", "expert.malformed")]
    rows = list(tshark.rows(capture, plugin, fields=names, registers=made.prefix))
    wanted = [((p.schema.decode(),) if p.schema else (), ("t",), ("3",)) for p in packets]
    assert wanted == [row[:3] for row in rows[:-1]]
    assert [()] * 5 == [row[3] for row in rows[:-1]]
    assert rows[-1][3]


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("register_rows = 5\n", "is no function"),
        ("def register_rows():\n    1 / 0\n", "failed: ZeroDivisionError: division by zero"),
        ("import nowhere_at_all\n", "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_one_that_fails_is_named(installed: Path, monkeypatch: pytest.MonkeyPatch, source: str, what: str) -> None:
    """The message says which entry point of which distribution."""
    monkeypatch.delitem(__import__("sys").modules, "mysql_rows", raising=False)
    (installed / "mysql_rows.py").write_text(source)
    with pytest.raises(DissectorError, match="mysql-rows") as refused:
        suite(MySQLColumnDefinition41)
    assert what in refused.value.what


def test_the_guide_has_the_example() -> None:
    """What docs/scapy-layers.md shows is what is tested."""
    guide = (Path(__file__).parents[3] / "docs" / "scapy-layers.md").read_text(encoding="utf-8")
    code = EXAMPLE.read_text(encoding="utf-8").partition("from __future__ import annotations\n\n")[2]
    assert code in guide
