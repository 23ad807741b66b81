# SPDX-License-Identifier: GPL-2.0-or-later
"""Every callable that Scapy's own layers hang on their fields, and how many of them are understood.

Scapy comes with some 5,400 layers.  No test that we could write knows as many ways to say a length, so they are the
measure of :mod:`dissector.frontend.callables`: how many callables are translated, how many are refused and why, and how
many translations disagree with their original.  The last number must be zero.

A *site* is a callable in one role on one field of one layer.  A field list that several layers share is counted once.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeGuard

import scapy.contrib
import scapy.layers
from scapy.fields import MultipleTypeField
from scapy.packet import Packet

from dissector.declare import E
from dissector.errors import Refused
from dissector.frontend.callables import ROLES, translate
from dissector.frontend.oracle import check

PACKAGES = (scapy.layers, scapy.contrib)


@dataclass(frozen=True, slots=True)
class Site:
    """One callable: the layer and field that it hangs on, and the role in which Scapy calls it."""

    layer: type
    field: str
    role: str
    fn: object

    def __str__(self) -> str:
        return f"{self.layer.__module__}.{self.layer.__name__}.{self.field}.{self.role}"


@dataclass(slots=True)
class Tally:
    """What became of the sites."""

    sites: int = 0
    agreed: int = 0
    unchecked: list[str] = field(default_factory=list)
    """Translated, but the original had no answer on any sample."""
    wrong: list[str] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    """How often each reason was given, without the names in it."""

    @property
    def translated(self) -> int:
        return self.sites - self.refused.total()


def load() -> tuple[str, ...]:
    """Import all of Scapy's layers; the names of the modules that could not be, for want of an optional package."""
    missing = []
    logging.getLogger("scapy").setLevel(logging.CRITICAL)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for package in PACKAGES:
            for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
                try:
                    importlib.import_module(info.name)
                except Exception:  # noqa: BLE001  a module may fail as it likes; it is named and left out
                    missing.append(info.name)
    return tuple(sorted(missing))


def sites(base: type = Packet, packages: Iterable[str] = ("scapy.layers", "scapy.contrib")) -> Iterator[Site]:
    """The callables on the fields of all subclasses of *base* that were imported from *packages*."""
    prefixes = tuple(p + "." for p in packages)
    done: set[tuple[int, str]] = set()
    for layer in dict.fromkeys(_subclasses(base)):
        if not (layer.__module__ + ".").startswith(prefixes):
            continue
        for fld in layer.__dict__.get("fields_desc") or ():
            for site in callables_of(layer, fld):
                if (id(site.fn), site.role) not in done:
                    done.add((id(site.fn), site.role))
                    yield site


def callables_of(layer: type, fld: object) -> Iterator[Site]:
    """The callables of one field, of the fields that it chooses from, and of the field that it wraps."""
    name = str(getattr(fld, "name", ""))
    seen: set[int] = set()
    for role in ROLES:
        fn = _own(fld, role)
        if callable(fn) and not isinstance(fn, type) and id(fn) not in seen:
            seen.add(id(fn))
            yield Site(layer, name, role, fn)
    for option, condition in fld.flds if _chooses(fld) else ():
        yield Site(layer, name, "multi_cond", condition[0] if isinstance(condition, tuple) else condition)
        yield from callables_of(layer, option)
    inner = _own(fld, "fld") or _own(fld, "dflt")
    if inner is not None:
        yield from callables_of(layer, inner)


def sweep(chosen: Iterable[Site], n: int = 24, seed: int = 1) -> Tally:
    """Translate and check all of *chosen*, on *n* samples each."""
    tally = Tally()
    for site in chosen:
        tally.sites += 1
        try:
            translation = translate(site.fn, site.layer, site.role)
        except Refused as exc:
            tally.refused[reason(exc)] += 1
            continue
        if isinstance(site.fn, E):
            tally.agreed += 1
            continue
        verdict = check(site.fn, translation, site.role, site.layer, n=n, seed=seed)
        if verdict.mismatch is not None:
            tally.wrong.append(f"{site} ({translation.source}): {verdict.mismatch}")
        elif verdict.compared:
            tally.agreed += 1
        else:
            tally.unchecked.append(str(site))
    return tally


def reason(refused: Refused) -> str:
    """Why something was refused, without the names that differ from site to site."""
    return re.sub(r"^\S+(?= is changed)|'[^']*'", "…", re.sub(r" \(.*?\)", "", refused.what))


def _subclasses(cls: type) -> Iterator[type]:
    subclasses: list[type] = cls.__subclasses__()
    for sub in subclasses:
        yield sub
        yield from _subclasses(sub)


def _chooses(fld: object) -> TypeGuard[MultipleTypeField]:
    """True for a field that asks its conditions in Scapy's way; which one a subclass asks is its own affair."""
    return isinstance(fld, MultipleTypeField) and type(fld).getfield is MultipleTypeField.getfield


def _own(fld: object, name: str) -> object:
    """An attribute of a field itself; a wrapper answers for what it wraps, which would be counted twice."""
    try:
        value: object = object.__getattribute__(fld, name)
    except AttributeError:
        return None
    return value
