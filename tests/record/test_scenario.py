# SPDX-License-Identifier: GPL-2.0-or-later
"""Scenarios as data: what is said wrongly is named, with what was meant."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from dissector.record.scenario import Network, RecordError, Scenario, built_in, chosen, parse, read

DOCS = (Path(__file__).parents[2] / "docs" / "recording.md").read_text(encoding="utf-8")


def refused(text: str) -> str:
    """Give the message for a table that is not accepted."""
    with pytest.raises(RecordError) as error:
        parse(text, "own.toml")
    return str(error.value)


def test_a_row_needs_nothing_but_what_it_is_about() -> None:
    """All other columns have defaults."""
    assert {"x": Scenario("nothing")} == parse('[x]\nabout = "nothing"', "own.toml")


def test_a_network_is_a_table_of_its_own() -> None:
    """Its columns are checked like those around it."""
    table = parse('[x]\nabout = "far"\nnetwork = { delay = 2, loss = 0.5 }', "own.toml")

    assert Network(delay=2, loss=0.5) == table["x"].network


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[x]\nabout = "a"\npostcpy = 1', 'own.toml: x: no such column: "postcpy"\nhint: the nearest is postcopy'),
        ('[x]\nabout = "a"\nnetwork = { los = 1 }', 'x: network: no such column: "los"\nhint: the nearest is loss'),
        ('[x]\nabout = "a"\ntls = "anon"', 'own.toml: x: tls is "anon"\nhint: one of psk, x509'),
        ('[x]\nabout = "a"\nconnections = "3"', "x: connections is '3'\nhint: it takes a whole number"),
        ('[x]\nabout = "a"\nconnections = true', "x: connections is True\nhint: it takes a whole number"),
        ('[x]\nabout = "a"\nbefore = ["stop"]', "x: before is not a list of pairs"),
        ('[x]\nmachine = "pc"', 'own.toml: x: has no column "about"'),
        ('about = "a"', "own.toml: about: is not in a scenario"),
        ("[x", "own.toml: is no TOML"),
    ],
)
def test_what_is_said_wrongly_is_named(text: str, message: str) -> None:
    """File, scenario, column, and the nearest right one."""
    assert message in refused(text)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """It is named, with the reason."""
    with pytest.raises(RecordError, match=r"own\.toml: cannot be read: no such file"):
        read(tmp_path / "own.toml")


def test_an_unknown_scenario_has_a_nearest_one() -> None:
    """A slip of the pen is put right in the message."""
    with pytest.raises(RecordError, match='no such scenario: "postcopi"\nhint: the nearest is postcopy'):
        chosen(built_in(), ["precopy", "postcopi"])


@pytest.mark.parametrize(("name", "scenario"), built_in().items(), ids=list(built_in()))
class TestBuiltIn:
    def test_is_one_sentence(self, name: str, scenario: Scenario) -> None:
        """It stands in one line of --list, and in the sidecar."""
        assert re.fullmatch(r"[a-zA-Z][^\n]{9,119}", scenario.about)
        assert re.fullmatch(r"[a-z0-9-]+", name)

    def test_ends_as_connections_do(self, name: str, scenario: Scenario) -> None:
        """What is no end of a connection would never be found in a capture."""
        assert name
        assert {"fin", "rst"} >= set(scenario.ends)


@pytest.mark.parametrize("of", [Scenario, Network])
def test_every_column_is_documented(of: type) -> None:
    """A column without a row in docs/recording.md is known to nobody."""
    rows = set(re.findall(r"^\| `([a-z-]+)` \|", DOCS, re.MULTILINE))

    assert {column.name for column in dataclasses.fields(of)} - rows == set()
