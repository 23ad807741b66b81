# SPDX-License-Identifier: GPL-2.0-or-later
"""All classes of one module: translated, generated, and proved in one run of tshark."""

from __future__ import annotations

import dataclasses
import importlib
import tempfile
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scapy.packet import Packet

from dissector.backends.packets import generate
from dissector.errors import DissectorError
from dissector.frontend.packets import suite as translated
from dissector.frontend.values import class_name
from dissector.ir.packets import Entry, Suite
from dissector.proof.build import hosts
from dissector.proof.capture import HEADERS, write
from dissector.proof.compare import Comparison
from dissector.proof.expect import Names
from dissector.proof.record import Reading, readings
from dissector.proof.samples import WANTED, samples
from dissector.tshark.find import find_tshark
from dissector.tshark.tree import frame_texts, parse_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_PORT = 20000
ENOUGH_ERRORS = 30
SPARE = 14
"""Packets more than wanted, since some are set aside."""
NEGATIVE = "a length of -"
EXAMPLES = 3


@dataclass(slots=True)
class Verdict:
    """What became of a class.

    ``status``: ``refused``; ``proven``; ``few``, nothing differs in the ``samples`` that there are, but they are too
    few; ``differs``, silently wrong; ``loud``, something differs where the plugin itself says that something is amiss;
    ``lua``, an error in the plugin.
    """

    name: str
    status: str
    where: str = ""
    reason: str = ""
    hint: str = ""
    samples: int = 0
    built: int = 0
    set_aside: int = 0
    differing: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Case:
    """One datagram, and what Scapy reads in it; ``classes`` are those that it counts for."""

    cls: Any
    octets: bytes
    reading: Reading
    port: int
    is_cut: bool
    inside: frozenset[Any]


def classes_of(module: Any) -> list[Any]:
    """Give the classes of packets that a module defines."""
    own = dict.fromkeys(v for v in vars(module).values() if isinstance(v, type) and issubclass(v, Packet))
    return [cls for cls in own if cls.__module__ == module.__name__]


def prove(module_name: str, *, wanted: int = WANTED, seed: int = 1, keep: Path | None = None) -> list[Verdict]:
    """Prove all classes of a module; *keep* is a folder for the plugin and the capture."""
    module = importlib.import_module(module_name)
    classes = classes_of(module)
    if not classes:
        return []
    suite = translated(module)
    refused = {o.name: o for o in suite.opaques}
    verdicts = {}
    for cls in classes:
        known = refused.get(class_name(cls))
        if known:
            verdicts[cls] = Verdict(cls.__name__, "refused", known.where, known.what, known.hint)
        else:
            verdicts[cls] = Verdict(cls.__name__, "few")
    generated = [cls for cls in classes if verdicts[cls].status != "refused"]
    if generated:
        with tempfile.TemporaryDirectory() as folder:
            Prover(suite, verdicts, keep or Path(folder)).run(generated, classes, wanted, seed)
    return list(verdicts.values())


class Prover:
    """Makes the cases of a suite, has tshark read them, and compares."""

    def __init__(self, suite: Suite, verdicts: dict[Any, Verdict], folder: Path) -> None:
        self.suite, self.verdicts, self.folder = suite, verdicts, folder
        self.kinds: dict[Any, Counter[str]] = {}
        self.cases: list[Case] = []

    def run(self, generated: list[Any], classes: list[Any], wanted: int, seed: int) -> None:
        """Do it."""
        ports = {cls: FIRST_PORT + number for number, cls in enumerate(generated)}
        entries = tuple(Entry(class_name(cls), "udp.port", port) for cls, port in ports.items())
        self.suite = dataclasses.replace(self.suite, entries=entries)
        around = hosts(classes)
        for cls in generated:
            self.gather(cls, [h for h in around.get(cls, ()) if h in ports], ports, wanted, seed)
        self.show()
        for cls in generated:
            self.judge(cls, wanted)

    def gather(self, cls: Any, around: list[Any], ports: dict[Any, int], wanted: int, seed: int) -> None:
        """Make the cases of a class."""
        found = samples(cls, around, seed=seed, wanted=wanted + SPARE)
        verdict, port = self.verdicts[cls], ports[found.entry]
        verdict.samples, verdict.built = len(found.whole), found.built
        verdict.reason = "".join(text for text, _ in found.failures.most_common(1)) if found.failures else ""
        for is_cut, group in ((False, found.whole), (True, found.cut)):
            for octets, reading in group.items():
                inside = frozenset(r.layer for r in readings(reading))
                self.cases.append(Case(cls, octets, reading, port, is_cut, inside))

    def show(self) -> None:
        """Have tshark read all cases; after an error of Lua the cases of that class are left out."""
        try:
            plugin = self.folder / f"{self.suite.prefix}.lua"
            plugin.write_text(generate(self.suite), encoding="utf-8")
        except Exception as error:  # noqa: BLE001 - one suite that cannot be printed is no end of the sweep
            self.fail(f"no plugin: {type(error).__name__}: {error}")
            return
        waiting, said = list(self.cases), None
        for _ in range(ENOUGH_ERRORS):
            if not waiting:
                return
            done, said = self.compared(plugin, waiting)
            if said is None:
                return
            if done < 0:
                break
            bad = waiting[done].cls if done < len(waiting) else None
            if bad is not None:
                self.note(bad, "lua", f"{said}; octets {waiting[done].octets.hex()}")
            waiting = [case for case in waiting[done + 1 :] if case.cls is not bad]
        self.fail(said or "too many errors")

    def fail(self, text: str) -> None:
        """Note an error that concerns all classes."""
        for cls in {case.cls for case in self.cases}:
            self.note(cls, "lua", text)

    def compared(self, plugin: Path, cases: list[Case]) -> tuple[int, str | None]:
        """Compare as far as tshark comes: (how many cases were read, its complaint); -1 when not even one."""
        capture = self.folder / f"{self.suite.prefix}.pcap"
        write(capture, ((case.octets, case.port) for case in cases))
        names, seen = Names(self.suite), 0
        try:
            for number, frame in self.frames(capture, plugin):
                for missing in cases[seen : number - 1]:
                    self.note(missing.cls, "not shown", f"octets {missing.octets.hex()}")
                self.compare(names, cases[number - 1], frame)
                seen = number
        except DissectorError as error:
            return seen if seen or "plugin failed" in error.what else -1, str(error)
        for missing in cases[seen:]:
            self.note(missing.cls, "not shown", f"octets {missing.octets.hex()}")
        return len(cases), None

    def frames(self, capture: Path, plugin: Path) -> Iterator[tuple[int, Any]]:
        """Give the number and the tree of each frame."""
        prefix = self.suite.prefix
        texts = frame_texts(find_tshark(), capture, plugin, prefix, positions=True, registers=prefix)
        with closing(texts):
            for text in texts:
                frame = parse_frame(text, prefix, str(capture))
                yield frame.number, frame

    def compare(self, names: Names, case: Case, frame: Any) -> None:
        """Compare one frame.

        A length below zero is an accident of Python's slices for Scapy, which then reads something; a plugin that gives
        up there, and says so, is not wrong, but neither has it proved anything.
        """
        comparison = Comparison(names, case.octets, HEADERS, frame.layers)
        found = comparison.first_difference(case.reading)
        internal = [text for text in comparison.experts if "internal error" in text]
        if internal:
            self.note(case.cls, "lua", f"{internal[0]}; octets {case.octets.hex()}")
        elif found and found.loud and any(NEGATIVE in text for text in comparison.experts):
            self.verdicts[case.cls].set_aside += 1
        elif found:
            kind = f"{found.kind}{' (loud)' if found.loud else ''}{' (cut)' if case.is_cut else ''}"
            self.note(case.cls, kind, f"{found}; octets {case.octets.hex()}")

    def note(self, cls: Any, kind: str, text: str) -> None:
        """Note a difference."""
        verdict = self.verdicts[cls]
        verdict.differing += 1
        verdict.kinds[kind] = verdict.kinds.get(kind, 0) + 1
        if len(verdict.examples) < EXAMPLES:
            verdict.examples.append(text)

    def judge(self, cls: Any, wanted: int) -> None:
        """Conclude."""
        verdict = self.verdicts[cls]
        if "lua" in verdict.kinds:
            verdict.status = "lua"
        elif any("(loud)" not in kind for kind in verdict.kinds):
            verdict.status = "differs"
        elif verdict.kinds:
            verdict.status = "loud"
        elif verdict.samples - verdict.set_aside >= wanted:
            verdict.status = "proven"
        else:
            enough = verdict.samples - verdict.set_aside
            why = f", mostly for {verdict.reason}" if verdict.reason else ""
            verdict.reason = f"Scapy builds and reads only {enough} packets{why}"
            return
        verdict.reason = verdict.examples[0] if verdict.examples else ""
