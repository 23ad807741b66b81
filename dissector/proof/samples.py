# SPDX-License-Identifier: GPL-2.0-or-later
"""Octets for a class: packets built in several ways, octets changed at random, and octets cut short.

A sample counts when Scapy reads it without an exception.  The same class and seed give the same samples; what takes
Scapy too long is left out.
"""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scapy.packet import Raw, fuzz
from scapy.volatile import RandBin, RandNum, RandString

from dissector.proof.build import Builder
from dissector.proof.record import Reading, read, readings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from scapy.packet import Packet

WANTED = 50
CUT = 6
LONGEST = 4000
PATIENCE = 1.0
TRIES = 6


class TooLongError(BaseException):
    """Scapy is at it for too long; no ``Exception``, since Scapy takes those for packets that are none."""


@dataclass(slots=True)
class Samples:
    """Octets for ``entry``, and what Scapy reads in them; ``cut`` are those that it need not be able to read."""

    entry: type[Packet]
    whole: dict[bytes, Reading] = field(default_factory=dict)
    cut: dict[bytes, Reading] = field(default_factory=dict)
    built: int = 0
    """How many of them Scapy built itself."""
    failures: Counter[str] = field(default_factory=Counter)
    """What Scapy said of what it could not build or read."""


def samples(
    cls: type[Packet],
    hosts: Sequence[type[Packet]] = (),
    seed: int = 1,
    wanted: int = WANTED,
    budget: float = 8.0,
) -> Samples:
    """Give *wanted* samples of *cls*, or as many as come together in *budget* seconds.

    A class that cannot be read without the one around it is looked for inside each of *hosts*.
    """
    state = random.getstate()
    random.seed(f"{seed}:{cls.__module__}.{cls.__name__}")
    rng = random.Random(random.random())
    try:
        best = Gatherer(cls, cls, rng, wanted, budget).run()
        for host in hosts:
            if len(best.whole) >= wanted:
                break
            other = Gatherer(cls, host, rng, wanted, budget).run()
            best = other if len(other.whole) > len(best.whole) else best
        return best
    finally:
        random.setstate(state)


class Gatherer:
    """Builds first, then changes what was built, then takes any octets."""

    def __init__(self, cls: type[Packet], entry: type[Packet], rng: random.Random, wanted: int, budget: float) -> None:
        self.cls, self.entry, self.rng, self.wanted = cls, entry, rng, wanted
        self.until = time.monotonic() + budget
        self.result = Samples(entry)

    def run(self) -> Samples:
        """Gather in all ways."""
        rng, wanted, result = self.rng, self.wanted, self.result
        builder = Builder(rng, None if self.entry is self.cls else self.cls)
        self.gather(lambda: bytes(self.entry()), 1)
        self.gather(lambda: bytes(builder.packet(self.entry)), wanted * 2 // 3)
        self.gather(lambda: bytes(tamed(fuzz(self.entry()))), wanted * 5 // 6)
        result.built = len(result.whole)
        self.gather(lambda: changed(list(result.whole), rng), wanted)
        self.gather(lambda: rng.randbytes(rng.choice((1, 2, 4, 8, 16, 24, 40, 64))), wanted)
        known = list(result.whole)
        if known:
            self.gather(lambda: shorter(rng.choice(known), rng), CUT, cut=True)
        return result

    def gather(self, make: Callable[[], bytes], goal: int, *, cut: bool = False) -> None:
        """Add samples until there are *goal*; those that are *cut* Scapy need not read."""
        into = self.result.cut if cut else self.result.whole
        for _ in range(TRIES * goal):
            if len(into) >= goal or time.monotonic() > self.until:
                return
            try:
                with patience():
                    octets = make()
                    if not octets or len(octets) > LONGEST or octets in self.result.whole or octets in self.result.cut:
                        continue
                    reading = read(self.entry, octets)
            except TooLongError:
                self.result.failures[f"takes longer than {PATIENCE:g} s"] += 1
            except Exception as error:  # noqa: BLE001 - a layer fails as it likes
                self.result.failures[f"{type(error).__name__}: {error}"] += 1
            else:
                if cut or self.is_wanted(reading):
                    into[octets] = reading
                else:
                    self.result.failures[reading.broken or "something else is read"] += 1

    def is_wanted(self, reading: Reading) -> bool:
        """Tell whether Scapy read all of it, and the class is in it, be it as the one that chose another."""
        found = [r.layer for r in readings(reading)]
        return not reading.broken and (self.cls in found or (self.entry is self.cls and found != [Raw]))


def tamed(packet: Packet) -> Packet:
    """Make the random octets of a packet from ``fuzz`` fewer; it has them up to 64 KiB."""
    layer: Any = packet
    while layer:
        for value in layer.default_fields.values():
            if isinstance(value, RandString | RandBin) and not isinstance(value.size, int):
                value.size = RandNum(0, 60)
        layer = layer.payload
    return packet


def changed(known: list[bytes], rng: random.Random) -> bytes:
    """Change a few octets of a sample, or its length."""
    octets = bytearray(rng.choice(known)) if known else bytearray(rng.randbytes(16))
    for _ in range(rng.choice((1, 1, 2, 4))):
        place = rng.randrange(len(octets)) if octets else 0
        way = rng.randrange(6)
        if way == 0 or not octets:
            octets += rng.randbytes(rng.randrange(1, 9))
        elif way == 1:
            octets[place] ^= 1 << rng.randrange(8)
        elif way in {2, 3}:
            octets[place] = rng.choice((0, 1, 2, 3, 4, 8, 16, 0x7F, 0x80, 0xFF))
        elif way == 4:
            octets[place] = rng.randrange(256)
        else:
            octets[place:place] = rng.randbytes(rng.randrange(1, 5))
    return bytes(octets)


def shorter(octets: bytes, rng: random.Random) -> bytes:
    """Cut a sample."""
    return octets[: rng.randrange(1, len(octets))] if len(octets) > 1 else b""


@contextlib.contextmanager
def patience(seconds: float = PATIENCE) -> Iterator[None]:
    """End what takes longer.  Only the main thread can be told so."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    def late(*_: Any) -> None:
        raise TooLongError

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
