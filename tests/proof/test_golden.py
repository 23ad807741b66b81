# SPDX-License-Identifier: GPL-2.0-or-later
from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from dissector.proof.golden import Known, dump, gains, known, load, losses
from dissector.proof.module import prove
from dissector.proof.page import page
from dissector.proof.sweep import Module

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "sweep.toml"
SAMPLE = ["bfd", "aoe", "lacp", "rsvp", "mqttsn", "cdp", "wireguard", "automotive.someip", "ikev2", "stun"]
SOME = {"a": Known(3, {"Few": "Scapy builds and reads only 2 packets"}, {"No": "a.py:1: because"}), "b.c": Known(2)}


@pytest.fixture(scope="module")
def golden() -> dict[str, Known]:
    return load(GOLDEN)[0]


def verdict(name: str, status: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "status": status, "where": "a.py:1", "reason": "", **more}


class TestTheNumbers:
    def test_targets(self, golden: dict[str, Known]) -> None:
        """Four classes of five generated, 19 of 20 of those proven, none silently wrong, each refusal with a place."""
        classes = sum(m.classes for m in golden.values())
        generated = sum(m.generated for m in golden.values())

        assert generated >= 0.8 * classes
        assert sum(m.proven for m in golden.values()) >= 0.95 * generated
        assert [] == [name for m in golden.values() for name in m.wrong]
        assert [] == [w for m in golden.values() for w in m.refused.values() if ".py:" not in w.partition(": ")[0]]

    def test_the_page_is_about_them(self, golden: dict[str, Known]) -> None:
        """docs/scapy.md says what the golden file says."""
        text = (ROOT / "docs" / "scapy.md").read_text(encoding="utf-8")

        assert page(golden, load(GOLDEN)[1]) == text

    @pytest.mark.parametrize("name", SAMPLE)
    def test_a_sample_is_proven_again(self, name: str, golden: dict[str, Known]) -> None:
        """Nothing of what the golden file says of some modules is lost."""
        if load(GOLDEN)[1] != version("scapy"):
            pytest.skip("the golden file is about another Scapy")
        found = Module(f"scapy.contrib.{name}", [vars_of(v) for v in prove(f"scapy.contrib.{name}")])

        assert [] == list(losses(known([found]), golden, part=True))


def vars_of(found: Any) -> dict[str, Any]:
    return {name: getattr(found, name) for name in found.__slots__}


class TestFile:
    def test_what_is_written_is_read(self, tmp_path: Path) -> None:
        """All of it, with the version of Scapy."""
        path = tmp_path / "golden.toml"
        path.write_text(dump(SOME, "1.2"), encoding="utf-8")

        assert (SOME, "1.2") == load(path)

    def test_numbers(self) -> None:
        """What is neither refused nor not proven is proven."""
        assert (2, 1) == (SOME["a"].generated, SOME["a"].proven)

    def test_verdicts_become_words(self) -> None:
        """Refusals have their place, differences their kind and no octets."""
        found = known(
            [
                Module(
                    "scapy.contrib.x",
                    [
                        verdict("A", "proven"),
                        verdict("B", "refused", reason="B.f: why"),
                        verdict("C", "differs", reason="value: 1 is shown as 2; octets 00"),
                    ],
                )
            ]
        )

        assert {"x": Known(3, {"C": "silently wrong: value: 1 is shown as 2"}, {"B": "a.py:1: B.f: why"})} == found


class TestLosses:
    @pytest.mark.parametrize(
        ("now", "said"),
        [
            (Known(3, {"Few": ""}, {"No": ""}), []),
            (Known(3, {}, {}), []),
            (Known(3, {"Few": "", "Other": "why"}, {"No": ""}), ["a.Other: was proven, and is not: why"]),
            (Known(3, {}, {"No": "", "Few": "p: why"}), ["a.Few: was generated, and is refused: p: why"]),
            (Known(3, {"Few": "silently wrong: x"}, {"No": ""}), ["a.Few: silently wrong: x"]),
            (Known(0, failed="gone"), ["a: gone"]),
        ],
    )
    def test_what_is_lost(self, now: Known, said: list[str]) -> None:
        """Proven, generated and importable stays so, and nothing is ever silently wrong."""
        assert said == list(losses({"a": now}, SOME, part=True))

    def test_a_module_that_is_gone(self) -> None:
        """The whole sweep sees what is not there any more, a part of it does not."""
        assert ["b.c: is not there any more"] == list(losses({"a": SOME["a"]}, SOME))

    def test_gains(self) -> None:
        """Each class that is generated or proven now counts."""
        assert (0, 1, 2) == (
            gains(SOME, SOME),
            gains({"a": Known(3, {}, {"No": ""})}, SOME),
            gains({"a": Known(3, {"Few": ""}, {})}, SOME),
        )
