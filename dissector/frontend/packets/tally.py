# SPDX-License-Identifier: GPL-2.0-or-later
"""How many of the methods of Scapy's contributed layers are understood: ``python -m dissector.frontend.packets.tally``.

A method counts once for each class that defines it.  It is *translated* when nothing of it was refused; of
``answers()``, also when only ``hashret()`` was; of ``post_build()``, also *partly*, when at least one field of several
can be checked.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from scapy.packet import Packet

from ...errors import Refused
from ...ir.expr import FALSE
from .. import corpus
from .answers import answers_of
from .built import computed
from .framing import reassembled
from .summary import info_of

METHODS = ("answers", "post_build", "mysummary", "tcp_reassemble")


@dataclass(slots=True)
class Tally:
    """What became of one method."""

    found: int = 0
    translated: int = 0
    partly: int = 0
    refused: list[str] = field(default_factory=list)


def count() -> dict[str, Tally]:
    """The tally of each method over scapy.contrib, which is imported for it."""
    logging.getLogger("scapy").setLevel(logging.CRITICAL)
    corpus.load()
    out = {name: Tally() for name in METHODS}
    layers = [cls for cls in dict.fromkeys(_below(Packet)) if cls.__module__.startswith("scapy.contrib.")]
    for cls in layers:
        for name in METHODS:
            if name in vars(cls) and (cls.fields_desc or name != "post_build"):
                _note(out[name], cls, _JUDGES[name](cls))
    return out


def _below(cls: Any) -> Iterator[Any]:
    for sub in cls.__subclasses__():
        yield sub
        yield from _below(sub)


def _note(tally: Tally, cls: Any, judged: tuple[bool, tuple[Refused, ...]]) -> None:
    some, refused = judged
    tally.found += 1
    tally.translated += some and not refused
    tally.partly += some and bool(refused)
    tally.refused += [f"{cls.__module__}.{cls.__name__}: {r.where}: {r.what}" for r in refused]


def _answers(cls: Any) -> tuple[bool, tuple[Refused, ...]]:
    """Against all layers of the module, and of its neighbours."""
    home = cls.__module__.rpartition(".")[0] if cls.__module__.count(".") > 2 else cls.__module__
    modules = [m for name, m in sys.modules.items() if name == home or name.startswith(f"{home}.")]
    found = [v for m in modules for v in vars(m).values() if isinstance(v, type) and issubclass(v, Packet)]
    result = answers_of(cls, found)
    if any(rule.when != FALSE for rule in result.rules):
        return True, ()  # what hashret() adds is not counted
    return not result.refused, result.refused


def _post_build(cls: Any) -> tuple[bool, tuple[Refused, ...]]:
    found = computed(cls)
    return bool(found.verify) or not found.refused, found.refused


def _mysummary(cls: Any) -> tuple[bool, tuple[Refused, ...]]:
    try:
        info_of(cls)
    except Refused as error:
        return False, (error,)
    return True, ()


def _tcp_reassemble(cls: Any) -> tuple[bool, tuple[Refused, ...]]:
    try:
        reassembled(cls)
    except Refused as error:
        return False, (error,)
    return True, ()


_JUDGES = {"answers": _answers, "post_build": _post_build, "mysummary": _mysummary, "tcp_reassemble": _tcp_reassemble}


def main() -> int:
    """Print the numbers, and with -v every refusal."""
    for name, tally in count().items():
        partly = f", {tally.partly} partly" if tally.partly else ""
        print(f"{name}: {tally.translated} of {tally.found} translated{partly}")
        if "-v" in sys.argv[1:]:
            print(*(f"  {line}" for line in tally.refused), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
