# SPDX-License-Identifier: GPL-2.0-or-later
"""Scapy's packets against what was made of their methods: values of a packet, rules of answers, checks."""

from __future__ import annotations

import contextlib
import io
import logging
import random
import warnings
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from scapy.fields import FlagValue
from scapy.packet import NoPayload, Packet, Padding, fuzz
from scapy.utils import checksum

from dissector.frontend.packets.layout import places
from dissector.frontend.values import class_name
from dissector.ir.evaluate import evaluate
from dissector.ir.expr import Expr
from dissector.ir.packets import Answers, Verify

Values = Mapping[str, Any]


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Nothing that layers say about strange packets."""
    logging.getLogger("scapy").setLevel(logging.CRITICAL)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def random_packet(cls: Any, rng: random.Random) -> Any:
    """A packet of *cls* as Scapy reads it, or None when it cannot build or read one."""
    random.seed(rng.random())
    try:
        with quiet():
            octets = bytes(fuzz(cls()) if rng.random() < 0.7 else cls())
            packet = cls(octets)
            return packet if type(packet) is cls and bytes(packet) == octets else None
    except Exception:  # noqa: BLE001  layers may fail as they like
        return None


def values(packet: Any) -> dict[str, Any]:
    """What an executor knows of a layer that was read."""
    out = {f.name: _plain(getattr(packet, f.name)) for f in packet.fields_desc if hasattr(f, "name")}
    below = packet.payload
    last = packet.lastlayer()
    padding = len(last) if isinstance(last, Padding) else 0
    pay = len(below) - padding if not isinstance(below, NoPayload) else 0
    there = pay and not isinstance(below, Padding)
    out["#pay"], out["#head"] = pay, len(packet) - pay - padding
    out["#below"] = class_name(type(below)) if there else None
    return out


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, FlagValue) else value


def holds(rule: Answers, mine: Values, theirs: Values) -> bool:
    """Whether a rule that looks at no payload holds."""
    if any(evaluate(a, {"F": mine}) != evaluate(b, {"F": theirs}) for a, b in rule.pairs):
        return False
    looks: tuple[tuple[Expr | None, dict[str, Values]], ...] = (
        (rule.when, {"F": mine}),
        (rule.asks, {"F": theirs}),
        (rule.both, {"F": mine, "other": theirs}),
    )
    return all(e is None or bool(evaluate(e, scopes)) for e, scopes in looks)


def computed_value(check: Verify, packet: Packet) -> Any:
    """What a check wants, None when it does not look."""
    known = {"F": values(packet)}
    if check.when is not None and not evaluate(check.when, known):
        return None
    if check.want is not None:
        return evaluate(check.want, known)
    place = next(p for p in places(type(packet))[0] if p.name == check.item)
    octets = bytes(packet)
    start = place.first // 8 + (known["F"]["#head"] if place.first < 0 else 0)
    blank = octets[:start] + bytes(place.bits // 8) + octets[start + place.bits // 8 :]
    data = b"".join(blank[evaluate(a, known) : evaluate(b, known)] for a, b in check.spans)
    return {"internet": checksum, "crc32": zlib.crc32}[check.method](data)
