# SPDX-License-Identifier: GPL-2.0-or-later
"""The check of a translation against the function it came from.

Both are asked about the same sampled packets and must give the same answer.  This runs whenever a layer is translated,
so it is quick and survives any layer: what the original does with a stand-in for a packet is its own affair, and a
sample on which it raises is a sample without an answer.  Nothing here can prove a translation right; of the errors that
were planted into translations of Scapy's own layers, 24 samples find 97 in a hundred.  What it finds is a bug of ours.
"""

from __future__ import annotations

import contextlib
import logging
import random
import types
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from scapy.fields import FlagValue
from scapy.packet import Packet

from dissector.declare import E
from dissector.frontend.callables import Translation
from dissector.frontend.samples import Sample, Source, View
from dissector.frontend.values import class_name
from dissector.ir.evaluate import evaluate

CONDITIONS = frozenset({"cond", "multi_cond"})


@dataclass(frozen=True, slots=True)
class Mismatch:
    """One packet on which the original and the translation differ."""

    given: str
    original: str
    translated: str

    def __str__(self) -> str:
        given = self.given or "any packet"
        return f"with {given} the callable gives {self.original}, its translation {self.translated}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """On how many samples the original had an answer, and the first on which the translation had another."""

    compared: int
    mismatch: Mismatch | None = None


def check(
    fn: object,
    translation: Translation,
    role: str,
    layer: type | None,
    *,
    n: int = 24,
    seed: int = 1,
    none_rate: float = 0.3,
) -> Verdict:
    """Compare *fn* with its translation on *n* samples; in every third a value may be None, at *none_rate*."""
    if not callable(fn) or isinstance(fn, E):
        return Verdict(0)  # an expression object is its own translation
    compared = 0
    source = Source(translation.expr, _constants(fn), random.Random(seed))  # noqa: S311  samples, not secrets
    with _silence():
        for i in range(n):
            source.none_rate = none_rate if i % 3 == 2 else 0.0
            args = _arguments(translation, role, layer, source)
            try:
                want = fn(*args)
            except Exception:  # noqa: BLE001, S112  a layer may raise anything; then there is no answer
                continue
            compared += 1
            got = _evaluated(translation, [View(a) if type(a) is Sample else a for a in args])
            if not agree(want, got, role, translation.classes):
                return Verdict(compared, Mismatch(_given(translation.args, args), _shown(want), _shown(got)))
    return Verdict(compared)


def agree(want: object, got: object, role: str, classes: Mapping[str, type]) -> bool:
    """True when *got*, the translation's answer, means what *want*, the original's, means to Scapy."""
    if isinstance(got, Exception):
        return False
    if role in CONDITIONS:
        return bool(want) == bool(got)
    if isinstance(want, type):
        return class_name(want) == got
    if isinstance(want, Packet):
        chosen = classes.get(got) if isinstance(got, str) else None
        return chosen is not None and (isinstance(want, chosen) or hasattr(chosen, "dispatch_hook"))
    return _plain(want) == _plain(got) and isinstance(got, str) == isinstance(want, str)


def _evaluated(translation: Translation, args: list[object]) -> object:
    try:
        return evaluate(translation.expr, dict(zip(translation.args, args, strict=True)))
    except Exception as exc:  # noqa: BLE001  whatever it is, it is the answer, and a wrong one
        return exc


def _arguments(translation: Translation, role: str, layer: type | None, source: Source) -> list[object]:
    """What Scapy would pass: the packet, a list of packets, the last of them, octets, or a number."""
    out: list[object] = []
    for i, name in enumerate(translation.args):
        if name == "F":
            out.append(Sample(layer, source, translation.absent))
        elif role == "cls" or (role == "next_cls_cb" and i == 3):
            out.append(source.octets(name))
        elif role == "next_cls_cb" and i == 1:
            out.append([source.value((name, f"[{k}]")) for k in range(source.length((name,)))])
        else:
            out.append(source.value((name,)))
    return out


def _plain(value: object) -> object:
    return int(value) if isinstance(value, int | FlagValue) else value


def _shown(value: object) -> str:
    if isinstance(value, Exception):
        return f"{type(value).__name__}: {value}"
    return class_name(value) if isinstance(value, type) else repr(_plain(value))


def _given(names: tuple[str, ...], args: list[object]) -> str:
    """The values that were asked for, for the message."""
    parts = [f"{path} = {_shown(value)}" for arg in args if type(arg) is Sample for path, value in arg.asked()]
    parts += [f"{name} = {_shown(arg)}" for name, arg in zip(names, args, strict=True) if type(arg) is not Sample]
    return ", ".join(parts)


def _constants(fn: object) -> list[object]:
    """The constants in a function's code, which its translation might have lost."""
    code = getattr(fn, "__code__", None)
    out: list[object] = []
    for const in code.co_consts if isinstance(code, types.CodeType) else ():
        out += const if isinstance(const, tuple | frozenset) else [const]
    return [x for x in out if x != getattr(fn, "__doc__", None)]


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """No warnings from layers that wonder about the packet."""
    log = logging.getLogger("scapy")
    level = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
