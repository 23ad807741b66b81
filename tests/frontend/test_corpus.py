# SPDX-License-Identifier: GPL-2.0-or-later
"""All callables of Scapy's own layers: how many are understood, and none wrongly.

The numbers are kept in tests/golden/callables.toml for the version of Scapy that it names, once for each set of modules
that could not be imported there; ``pytest --update-golden`` writes them.  Whatever the version, none may be wrong and
most must be understood.
"""

from __future__ import annotations

import multiprocessing
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import scapy
from scapy.fields import ByteField, ConditionalField, FieldLenField, MultipleTypeField, PacketListField, StrLenField
from scapy.packet import Packet

from dissector.errors import Refused
from dissector.frontend.corpus import callables_of, load, reason, sites, sweep

GOLDEN = Path(__file__).parent.parent / "golden" / "callables.toml"
SAMPLES = 24


@dataclass(frozen=True, slots=True)
class Result:
    """What a sweep found, in a form that a process can hand over."""

    missing: tuple[str, ...]
    numbers: dict[str, int]
    refused: dict[str, int]
    wrong: list[str]


def everything() -> Result:
    """Import all of Scapy's layers, translate and check."""
    missing = load()
    tally = sweep(sites(), n=SAMPLES)
    numbers = {
        "sites": tally.sites,
        "translated": tally.translated,
        "refused": tally.refused.total(),
        "agreed": tally.agreed,
        "unchecked": len(tally.unchecked),
        "silently_wrong": len(tally.wrong),
    }
    return Result(missing, numbers, dict(tally.refused.most_common()), tally.wrong)


@pytest.fixture(scope="module")
def result() -> Result:
    """Give the result of a sweep in a process of its own: importing all layers changes how Scapy dissects."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(everything)


class TestScapy:
    def test_none_is_wrong(self, result: Result) -> None:
        """No translation disagrees with its original."""
        assert [] == result.wrong

    def test_most_are_understood(self, result: Result) -> None:
        """At least 95 of 100 callables are translated and agree."""
        assert 0.95 <= result.numbers["agreed"] / result.numbers["sites"]

    def test_numbers(self, result: Result, pytestconfig: pytest.Config) -> None:
        """The numbers are those of the golden, to the last one."""
        kept = tomllib.loads(GOLDEN.read_text(encoding="utf-8")) if GOLDEN.exists() else {}
        if pytestconfig.getoption("--update-golden"):
            GOLDEN.parent.mkdir(exist_ok=True)
            GOLDEN.write_text(written(kept, result), encoding="utf-8")
            return
        here = [run for run in kept["run"] if kept["scapy"] == scapy.VERSION and run["missing"] == list(result.missing)]
        if not here:
            pytest.skip(f"no golden for Scapy {scapy.VERSION} without {', '.join(result.missing) or 'nothing'}")

        assert here[0]["numbers"] == result.numbers
        assert here[0]["refused"] == result.refused


def written(kept: dict[str, Any], result: Result) -> str:
    """The golden with this result in the place of an older one of its kind."""
    old = kept.get("run", []) if kept.get("scapy") == scapy.VERSION else []
    new = {"missing": list(result.missing), "numbers": result.numbers, "refused": result.refused}
    runs = sorted([new, *(run for run in old if run["missing"] != new["missing"])], key=lambda run: run["missing"])
    lines = [
        "# SPDX-License-Identifier: GPL-2.0-or-later",
        "# Callables on the fields of scapy.layers and scapy.contrib; written by pytest --update-golden.",
        f'scapy = "{scapy.VERSION}"',
    ]
    for run in runs:
        lines += ["", "[[run]]", "missing = [", *(f'    "{name}",' for name in run["missing"]), "]", "[run.numbers]"]
        lines += [f"{name} = {count}" for name, count in run["numbers"].items()]
        lines += ["[run.refused]", *(f'"{why}" = {count}' for why, count in run["refused"].items())]
    return "\n".join(lines) + "\n"


class Options(Packet):
    """A layer with a callable in every place."""

    fields_desc = [
        FieldLenField("len", None, length_of="data", adjust=lambda _, x: x + 1),
        ConditionalField(StrLenField("data", b"", length_from=lambda pkt: pkt.len), lambda pkt: pkt.len),
        MultipleTypeField(
            [
                (ByteField("a", 0), lambda pkt: pkt.len == 1),
                (StrLenField("a", b"", length_from=lambda _: 1), (lambda pkt: pkt.len == 2, lambda *_: True)),
            ],
            StrLenField("a", b"", length_from=lambda _: 2),
        ),
        PacketListField("list", [], length_from=lambda pkt: pkt.len, next_cls_cb=lambda *_: None),
    ]


class Twin(Packet):
    """A layer of the same fields."""

    fields_desc = Options.fields_desc


class TestSites:
    def test_every_place(self) -> None:
        """Callables are found on fields, in conditions, in what is chosen from and in what is wrapped."""
        found = [f"{s.field}.{s.role}" for fld in Options.fields_desc for s in callables_of(Options, fld)]

        assert [
            "len.adjust",
            "data.cond",
            "data.length_from",
            "a.multi_cond",
            "a.multi_cond",
            "a.length_from",
            "a.length_from",
            "list.length_from",
            "list.next_cls_cb",
        ] == found

    def test_other_choices(self) -> None:
        """A field that chooses in a way of its own is not asked for its conditions."""

        class Choice(MultipleTypeField):
            def getfield(self, *octets: bytes) -> tuple[bytes, Any]:
                return octets[-1], None

        fld = Choice([(ByteField("a", 0), lambda pkt: pkt.len)], ByteField("a", 0))

        assert [] == list(callables_of(Options, fld))

    def test_only_those_packages(self) -> None:
        """Layers of others are not counted."""
        assert [] == [s for s in sites() if not s.layer.__module__.startswith(("scapy.layers", "scapy.contrib"))]

    def test_shared_lists_count_once(self) -> None:
        """A field list that layers share is one."""
        mine = list(sites(packages=[__name__]))

        assert {Options} == {s.layer for s in mine}
        assert Options.fields_desc[0] is Twin.fields_desc[0]

    def test_sweep(self) -> None:
        """A sweep says what became of each."""
        tally = sweep(sites(packages=[__name__]))

        assert (9, 9, 9, []) == (tally.sites, tally.translated, tally.agreed, tally.wrong)


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ("reads scapy's configuration (conf)", "reads scapy's configuration"),
        ("asks whether there is an attribute 'len'", "asks whether there is an attribute …"),
        ("A.b is changed at run time (x.py:3)", "… is changed at run time"),
        ("'B' is changed at run time (x.py:3)", "… is changed at run time"),
    ],
)
def test_reason(what: str, why: str) -> None:
    """Reasons are counted without the names in them."""
    assert why == reason(Refused("here", what))
