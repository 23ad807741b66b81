# SPDX-License-Identifier: GPL-2.0-or-later
"""The methods of Scapy's contributed layers: how many are understood, and that rules say what answers() says."""

from __future__ import annotations

import multiprocessing
import random
import tomllib
from pathlib import Path
from typing import Any

import pytest
import scapy
from scapy.packet import Packet

from dissector.frontend.packets import tally
from dissector.frontend.packets.answers import answers_of
from dissector.frontend.packets.methods import own_method
from dissector.ir.evaluate import evaluate
from dissector.ir.expr import Ref
from tests.support.methods import holds, quiet, random_packet, values

GOLDEN = Path(__file__).parents[2] / "golden" / "methods.toml"
SAMPLES = 12


def numbers() -> dict[str, dict[str, int]]:
    return {
        name: {"found": t.found, "translated": t.translated, "partly": t.partly} for name, t in tally.count().items()
    }


def differences() -> tuple[int, list[str]]:
    """How often rules and answers() were compared, and where they differed."""
    tally.count()
    rng, compared, wrong = random.Random(1), 0, []
    layers = [c for c in dict.fromkeys(tally._below(Packet)) if c.__module__.startswith("scapy.contrib.")]
    for cls in layers:
        if "answers" not in vars(cls):
            continue
        found = answers_of(cls, [c for c in layers if c.__module__ == cls.__module__])
        if found.refused or any(r.below for r in found.rules) or own_method(cls, "hashret"):
            continue
        for name in sorted({r.request for r in found.rules})[:4]:
            request = next(c for c in layers if f"{c.__module__}.{c.__qualname__}" == name)
            rules = [r for r in found.rules if r.request == name]
            for _ in range(SAMPLES):
                said = compare(cls, request, rules, rng)
                compared += said is not None
                if said:
                    wrong.append(said)
    return compared, wrong


def compare(cls: Any, request: Any, rules: list[Any], rng: random.Random) -> str | None:
    """What differs for a random pair of packets, empty if nothing, None if there is no pair."""
    asked, answer = random_packet(request, rng), random_packet(cls, rng)
    if asked is None or answer is None:
        return None
    theirs = values(asked)
    with quiet():
        try:
            for mine, other in (p for r in rules for p in r.pairs if rng.random() < 0.9):
                if isinstance(mine, Ref):
                    answer.setfieldval(mine.path[-1], evaluate(other, {"F": theirs}))
            answer = cls(bytes(answer))
            want = bool(answer.answers(asked))
        except Exception:  # noqa: BLE001  layers may fail as they like
            return None
        got = any(holds(r, values(answer), theirs) for r in rules)
    return "" if want == got else f"{cls.__name__} answers {request.__name__}: {want}, but {got}: {answer!r} {asked!r}"


@pytest.fixture(scope="module")
def found() -> tuple[dict[str, dict[str, int]], tuple[int, list[str]]]:
    """Give the numbers and the differences from a process of its own: importing all layers changes how Scapy reads."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(numbers), pool.apply(differences)


def test_no_fewer_methods_than_before(found: tuple[dict[str, dict[str, int]], Any]) -> None:
    """Each number of the golden file is a lower bound."""
    golden = tomllib.loads(GOLDEN.read_text(encoding="utf-8"))
    if golden.pop("scapy") != scapy.VERSION:
        pytest.skip("the numbers are of another version of Scapy")
    less = {
        f"{name}.{key}": (found[0][name][key], least)
        for name, table in golden.items()
        for key, least in table.items()
        if key != "partly" and found[0][name][key] < least
    }
    assert {} == less


def test_rules_say_what_answers_says(found: tuple[Any, tuple[int, list[str]]]) -> None:
    """On random pairs, of which most agree in what must be equal, rules and answers() are of one mind."""
    compared, wrong = found[1]
    assert [] == wrong
    assert compared > 300
