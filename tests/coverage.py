# SPDX-License-Identifier: GPL-2.0-or-later
"""Which message is proved by what: ``python -m tests.coverage`` writes docs/coverage.md.

The recorded migrations are decoded for the number of PDUs of each kind, which needs no events and takes a second or
two; the vectors are run for the PDUs and the findings that they show.  Nothing is kept from one run to the next.
"""

from __future__ import annotations

import functools
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dissector.backends.base import write
from dissector.backends.markdown.words import code, inline, link, plain, table
from dissector.decode import PduSeen
from dissector.frontend.streams import translate_protocol
from dissector.ir.model import Protocol
from dissector.ir.pdus import Finding
from dissector.protocols.qemu_migration import PROTOCOL
from dissector.reading import Reading
from tests.qemu_migration.test_streams import decoded, said
from tests.qemu_migration.vectors import directions, vectors
from tests.support.recordings import PLAIN, name_of, sidecar

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "coverage.md"
PREFIX = re.compile(r"^qemu-[\d.]+-")


@functools.cache
def protocol() -> Protocol:
    """The model."""
    return translate_protocol(PROTOCOL)


OPAQUE = frozenset(p.name for p in protocol().pdus if p.scan is not None)
"""Bodies without a length: what a device has written, which only the two QEMUs can read."""

Release = tuple[int, ...]
Text = tuple[str, str]
"""A finding's name and the format of its text."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded migration and what is in it."""

    name: str
    about: str
    release: Release
    octets: int
    opaque: int
    pdus: Counter[str]

    @property
    def short(self) -> str:
        """The name without the release."""
        return PREFIX.sub("", self.name)


@functools.cache
def recorded() -> tuple[Recorded, ...]:
    """All recorded migrations, by release and name."""
    found = [_recorded(path) for path in PLAIN]
    return tuple(sorted(found, key=lambda x: (x.release, x.name)))


def _recorded(path: Path) -> Recorded:
    name = name_of(path)
    told = sidecar(path)
    reading = Reading(protocol(), path, events=OPAQUE)
    opaque = sum(e.length for e in reading.events() if isinstance(e, PduSeen) and e.name in OPAQUE)
    pdus: Counter[str] = Counter()
    for conversation in reading.session.conversations:
        pdus.update(conversation.pdus)
    octets = sum(sum(wire.octets) for wire in reading.wires.values())
    release = tuple(int(n) for n in re.findall(r"\d+", told["qemu"])[:2])
    return Recorded(name, told["about"], release, octets, opaque, +pdus)


@functools.cache
def by_hand() -> tuple[Counter[str], dict[Text, list[str]]]:
    """How many vectors each PDU is in, and the whole directions that show each finding."""
    pdus = Counter(v.layer for v in vectors())
    proofs: dict[Text, list[str]] = {(f.name, f.message.format): [] for f in findings()}
    for direction in directions():
        events, _ = decoded(direction, len(direction.octets))
        pdus.update({e.name for e in events if isinstance(e, PduSeen)})
        for text, shown in proofs.items():
            if any(_is_text(text, x) for x in said(events)):
                shown.append(f"{direction.stream}: {direction.about}")
    return pdus, proofs


def _is_text(text: Text, found: str) -> bool:
    """Whether ``name: text`` is this finding with values in it."""
    name, fmt = text
    pattern = re.sub(r"%[-0-9]*[duxXs]", ".*", re.escape(fmt).replace(r"\-", "-").replace("%%", "%"))
    return re.fullmatch(f"{re.escape(name)}: {pattern}", found, re.DOTALL) is not None


@functools.cache
def findings() -> tuple[Finding, ...]:
    """Every finding of the protocol, one for each text that it has."""
    unique: dict[Text, Finding] = {}
    for s in protocol().streams:
        for _, rule in s.rules():
            for f in (*rule.findings, *((rule.fault,) if rule.fault else ())):
                unique.setdefault((f.name, f.message.format), f)
    return tuple(unique.values())


def unproved() -> list[str]:
    """Findings that no vector shows, as ``name: text``."""
    proofs = by_hand()[1]
    return sorted(f"{name}: {fmt}" for (name, fmt), shown in proofs.items() if not shown)


def unseen() -> list[str]:
    """PDUs that are neither in a recorded migration nor in a vector."""
    seen = {name for x in recorded() for name in x.pdus} | set(by_hand()[0])
    return [p.name for p in protocol().pdus if p.name not in seen]


# ------------------------------------------------------------------------------------------------------------ the page


def page() -> str:
    """The whole page."""
    return "\n\n".join(_page()) + "\n"


def _page() -> Iterator[str]:
    yield (
        "<!-- SPDX-License-Identifier: GPL-2.0-or-later -->\n"
        "<!-- Generated by `./dev docs` from pcaps/ and tests/vectors/. Do not edit. -->"
    )
    yield "# Coverage"
    yield (
        "What each message and each finding of [the protocol](protocol.md) is proved by: a recorded migration of a "
        "release, or a vector, octets that were written down by hand from QEMU's sources."
    )
    yield "\n".join(f"* {link(x)}" for x in ("Messages", "Findings", "Recorded migrations"))
    yield "## Messages"
    yield (
        "A cell names a recording by that release that has the message, and says how many others do; the last column "
        "counts vectors."
    )
    yield _messages()
    yield "## Findings"
    yield _summary()
    yield _findings()
    yield "## Recorded migrations"
    yield (
        "*Device state* is the share of the octets that is passed over as a body without a length; everything else is "
        "dissected, or the payload of a PDU whose length is known."
    )
    yield _captures()


def _messages() -> str:
    releases = sorted({x.release for x in recorded()})
    in_vectors = by_hand()[0]
    rows = []
    for p in protocol().pdus:
        cells = [_cell([x.short for x in recorded() if x.release == r and p.name in x.pdus]) for r in releases]
        count = in_vectors[p.name]
        only = " (vector only)" if count and all(cell == "-" for cell in cells) else ""
        rows.append([f"[{p.name}](protocol.md#{p.name.lower()})", *cells, f"{count}{only}" if count else "-"])
    return table(("Message", *(".".join(map(str, r)) for r in releases), "Vectors"), rows)


def _cell(names: list[str]) -> str:
    if not names:
        return "-"
    return names[0] + (f" +{len(names) - 1}" if len(names) > 1 else "")


def _summary() -> str:
    missing = len(unproved())
    return f"{len(findings())} texts; {missing or 'none'} of them without a vector."


def _findings() -> str:
    proofs = by_hand()[1]
    rows = []
    for f in findings():
        shown = proofs[f.name, f.message.format]
        rows.append(
            [code(f.name), f.severity, plain(f.message.format), plain(_cell(shown)) if shown else "**missing**"]
        )
    return table(("Finding", "Severity", "Text", "Vector"), rows)


def _captures() -> str:
    rows: Iterable[list[str]] = (
        [
            code(x.name),
            inline(x.about),
            f"{x.octets:,}",
            f"{x.pdus.total():,}",
            f"{100 * x.opaque / x.octets:.1f} %",
        ]
        for x in recorded()
    )
    return table(("Recording", "What happened", "Octets", "PDUs", "Device state"), rows)


def main() -> int:
    """Write the page."""
    changed = write(PAGE, page())
    print(f"{PAGE.relative_to(ROOT)}: {'written' if changed else 'unchanged'}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
