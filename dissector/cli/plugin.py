# SPDX-License-Identifier: GPL-2.0-or-later
"""``dissector generate module:Layer``: Scapy layers to one Wireshark plugin.

The layers are those that the targets name, with all that they lead to.  Where their packets begin is told by the
options (``--udp 3784``, ``--udp 2123=GTPHeader``), and without any by what Scapy itself binds them to.  What neither
tells is left to Wireshark's *Decode As*.

Everything that can be wrong is found before a file is touched: one message, and exit code 2.
"""

from __future__ import annotations

import difflib
import re
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from scapy.packet import Packet

from dissector.backends import packets as backend
from dissector.cli.layers import layers_of
from dissector.cli.target import load
from dissector.declare import Protocol
from dissector.errors import DissectorError, Refused
from dissector.frontend.layers import class_source
from dissector.frontend.packets import suite as suite_of
from dissector.frontend.packets.bindings import Side, bound_entries
from dissector.frontend.packets.circles import check_circles
from dissector.frontend.packets.framing import HINT, framing_from, framing_of
from dissector.frontend.packets.overrides import LayerOverride, beside, overriding, read, with_overrides
from dissector.frontend.values import class_name
from dissector.ir.packets import Entry

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from dissector.ir.packets import Framing, Layer, Suite

TABLES = {"udp": ("udp.port", 65535), "tcp": ("tcp.port", 65535), "ethertype": ("ethertype", 65535)}
TABLES |= {"ip_proto": ("ip.proto", 255)}
HEURISTICS = ("udp", "tcp")
NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")


def filename(suite: Suite) -> str:
    """What the file of a plugin is called."""
    return f"{suite.prefix}.lua"


def text_of(suite: Suite) -> str:
    """The plugin."""
    return backend.generate(suite)


def made(options: argparse.Namespace) -> Suite:
    """The suite that the command line asks for, checked."""
    roots = layers_named(options.target)
    overrides = _overrides(options, roots)
    prefix, name = _named(options)
    with overriding(overrides):
        suite = suite_of(_whole(options.target) or roots, prefix=prefix, name=name)
        _check_roots(suite, roots)
        suite = with_overrides(suite, overrides)
    check_circles(suite.layers)
    framings = Framings(suite, options.framing or (), overrides)
    entries = _entries(options, suite, roots)
    suite = replace(suite, entries=framings.applied(entries, asked=bool(options.tcp)))
    _tell(suite, verbose=options.verbose > 0)
    return suite


# ------------------------------------------------------------------------------------------------------- targets


def layers_named(targets: Iterable[str]) -> list[Any]:
    """The layers that ``module``, ``module:A`` and ``module:A,B`` name."""
    found: list[Any] = []
    for target in targets:
        module, colon, names = target.partition(":")
        words = [f"{module}:{n.strip()}" for n in names.split(",")] if colon else [target]
        for word in words:
            found += _layers(word, load(word))
    return list(dict.fromkeys(found))


def _whole(targets: Sequence[str]) -> ModuleType | None:
    """The module, when all is asked for that one module has."""
    found = load(targets[0]) if len(targets) == 1 and "," not in targets[0] else None
    return found if isinstance(found, ModuleType) else None


def _layers(target: str, found: Any) -> list[Any]:
    if isinstance(found, ModuleType):
        own = [v for v in vars(found).values() if isinstance(v, type) and issubclass(v, Packet)]
        bound = [v for v in dict.fromkeys(own) if v.__module__ == found.__name__ and "dispatch_hook" in vars(v)]
        layers = list(dict.fromkeys((*layers_of(found), *bound)))
        if not layers:
            hint = "a layer is a subclass of scapy.packet.Packet with fields"
            raise DissectorError(target, "no Scapy layers in this module", hint)
        return layers
    if isinstance(found, Protocol):
        raise DissectorError(target, "a protocol of streams is generated alone", "leave the other targets out")
    if not (isinstance(found, type) and issubclass(found, Packet)):
        what = f"a {type(found).__name__} is no Scapy layer" if not isinstance(found, type) else "is no Scapy layer"
        raise DissectorError(target, what, "a layer is a subclass of scapy.packet.Packet")
    if not (getattr(found, "fields_desc", None) or any("dispatch_hook" in vars(c) for c in found.__mro__[:-1])):
        raise DissectorError(str(class_source(found)), f"{found.__name__} has no fields", "declare fields_desc")
    return [found]


def _check_roots(suite: Suite, roots: Sequence[Any]) -> None:
    """Refuse when none of the layers that were named can be generated, or the only one."""
    refused = {o.name: o for o in suite.opaques}
    mine = [refused[class_name(cls)] for cls in roots if class_name(cls) in refused]
    if mine and len(mine) == len(roots):
        more = f" (and {len(mine) - 1} more layers)" if len(mine) > 1 else ""
        raise Refused(mine[0].where, mine[0].what + more, mine[0].hint)


def _named(options: argparse.Namespace) -> tuple[str | None, str | None]:
    name = options.name
    if name is not None and not NAME.fullmatch(name.lower()):
        raise DissectorError("--name", f"{name!r} is no name for a plugin", "letters, digits and _, a letter first")
    prefix = options.prefix
    if prefix is not None and not NAME.fullmatch(prefix):
        hint = "small letters, digits and _, a letter first; Wireshark has no two protocols of one name"
        raise DissectorError("--prefix", f"{prefix!r} cannot begin display-filter names", hint)
    return prefix, name


def _overrides(options: argparse.Namespace, roots: Sequence[Any]) -> tuple[LayerOverride, ...]:
    paths = [Path(p) for p in options.override or ()]
    if options.overrides:
        paths += beside(Path(options.overrides), dict.fromkeys(cls.__module__ for cls in roots))
    return tuple(o for path in dict.fromkeys(paths) for o in read(path))


# ------------------------------------------------------------------------------------------------------- entries


def _entries(options: argparse.Namespace, suite: Suite, roots: Sequence[Any]) -> tuple[Entry, ...]:
    """Where packets begin."""
    found: list[Entry] = []
    for option, (table, most) in TABLES.items():
        for word in getattr(options, option) or ():
            where = f"--{option.replace('_', '-')} {word}"
            number, *layers = _split(where, word, suite, roots)
            value = _number(where, number, most)
            sides: tuple[Side, ...] = ("",) if len(layers) == 1 else ("to", "from")
            found += [Entry(x, table, value, side=side) for x, side in zip(layers, sides, strict=True)]
    for word in options.heuristic or ():
        kind, layer, *_ = _split(f"--heuristic {word}", word, suite, roots)
        if kind not in HEURISTICS:
            near = difflib.get_close_matches(kind, HEURISTICS, 1)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(HEURISTICS)}"
            raise DissectorError(f"--heuristic {word}", f"there are no heuristics for {kind!r}", hint)
        found.append(Entry(layer, kind, None))
    _check_contradictions(found)
    return tuple(dict.fromkeys(found)) or _bound(suite, roots)


def _bound(suite: Suite, roots: Sequence[Any]) -> tuple[Entry, ...]:
    """Where Scapy has it; a layer that is refused begins nowhere, and that is told."""
    refused = {o.name: o for o in suite.opaques}
    out = []
    for entry in bound_entries(roots):
        opaque = refused.get(entry.layer)
        if opaque is None:
            out.append(entry)
        else:
            print(f"{entry.table} {entry.value}: nothing begins there: {opaque.what} ({opaque.where})", file=sys.stderr)
    return tuple(out)


def _split(where: str, word: str, suite: Suite, roots: Sequence[Any]) -> list[str]:
    """``3784=BFD`` as the number and the whole names of the layer, or of those for each direction."""
    number, equals, names = word.partition("=")
    if equals:
        words = names.split(",")
        if len(words) > 2:
            raise DissectorError(where, f"{len(words)} layers at one number", "at most two: =TO,FROM")
        return [number.strip(), *(_layer(where, name.strip(), suite).name for name in words)]
    own = [cls for cls in roots if class_name(cls) in {x.name for x in suite.layers}]
    if len(own) != 1:
        names = ", ".join(cls.__name__ for cls in own[:4]) + (", …" if len(own) > 4 else "")
        raise DissectorError(where, f"which of {len(own)} layers begins there?", f"write {number}=LAYER ({names})")
    return [number.strip(), class_name(own[0])]


def _layer(where: str, name: str, suite: Suite) -> Layer:
    """The layer of the plugin that is called *name*."""
    found = [x for x in suite.layers if name in (x.name, x.name.rpartition(".")[2])]
    if len(found) == 1:
        return found[0]
    if found:
        hint = ", ".join(x.name for x in found)
        raise DissectorError(where, f"several layers are called {name!r}", f"say which: {hint}")
    refused = next((o for o in suite.opaques if name in (o.name, o.name.rpartition(".")[2])), None)
    if refused is not None:
        raise Refused(refused.where, refused.what, refused.hint)
    names = [x.name.rpartition(".")[2] for x in suite.layers]
    near = difflib.get_close_matches(name, names, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names[:8])}"
    raise DissectorError(where, f"there is no layer {name!r} in this plugin", hint)


def _number(where: str, text: str, most: int) -> int:
    try:
        value = int(text, 0)
    except ValueError:
        value = -1
    if not 0 <= value <= most:
        raise DissectorError(where, f"{text!r} is no number from 0 to {most}", "for instance 3784 or 0x0ec8")
    return value


def _check_contradictions(entries: Iterable[Entry]) -> None:
    """Refuse two layers at one place."""
    taken: dict[tuple[str, int, str], str] = {}
    for entry in entries:
        for side in (entry.side,) if entry.side else ("to", "from"):
            other = taken.setdefault((entry.table, entry.value or 0, side), entry.layer)
            if other != entry.layer and entry.value is not None:
                names = [n.rpartition(".")[2] for n in (other, entry.layer)]
                hint = f"one layer for each direction: {entry.value}={','.join(names)} (to it, from it)"
                raise DissectorError(f"{entry.table} {entry.value}", f"is given to {' and '.join(names)}", hint)


# ------------------------------------------------------------------------------------------------------- framing


class Framings:
    """How messages of a layer follow each other in a TCP stream: as told, as an override file says, or as it does."""

    def __init__(self, suite: Suite, words: Iterable[str], overrides: Iterable[LayerOverride]) -> None:
        self.layers = {layer.name: layer for layer in suite.layers}
        self.told: dict[str, Framing | None] = {}
        self.everybody: str | None = None
        for each in overrides:
            if each.framing:
                layer = _layer(each.where, each.name, suite)
                self.told[layer.name] = framing_from(each.framing, layer, f"{each.where}: framing")
        for word in words:
            found = re.fullmatch(r"(.*[^=<>!])=([A-Za-z_][\w.]*)", word)
            if found:
                layer = _layer(f"--framing {word}", found[2], suite)
                self.told[layer.name] = framing_from(found[1], layer, f"--framing {word}")
            else:
                self.everybody = word

    def applied(self, entries: Iterable[Entry], *, asked: bool) -> tuple[Entry, ...]:
        """*entries*, those of TCP with a framing; where nothing tells it, refused when TCP was *asked* for."""
        return tuple(self._framed(e, asked=asked) if e.table in ("tcp.port", "tcp") else e for e in entries)

    def _framed(self, entry: Entry, *, asked: bool) -> Entry:
        layer = self.layers[entry.layer]
        if entry.layer in self.told:
            return replace(entry, framing=self.told[entry.layer])
        if self.everybody is not None:
            return replace(entry, framing=framing_from(self.everybody, layer, f"--framing {self.everybody}"))
        try:
            return replace(entry, framing=framing_of(layer, self.layers))
        except Refused as error:
            if asked:
                raise
            note = f"{entry.table} {entry.value}: {error.what}; each segment is taken for a message, as Scapy does"
            print(f"{note}\nhint: {HINT}", file=sys.stderr)
            return entry


# --------------------------------------------------------------------------------------------------------- notes


def _tell(suite: Suite, *, verbose: bool) -> None:
    """Say on stderr what is left out, and with *verbose* what that is and where packets begin."""
    if not suite.entries:
        hint = "--udp, --tcp, --ethertype, --ip-proto and --heuristic say where packets begin"
        print(
            f"{suite.prefix}: packets begin nowhere by themselves: choose it with Decode As\nhint: {hint}",
            file=sys.stderr,
        )
    if suite.opaques:
        number = len(suite.opaques)
        print(f"{suite.prefix}: {number} layer{'s are' if number > 1 else ' is'} shown as octets", file=sys.stderr)
    if not verbose:
        return
    for opaque in suite.opaques:
        print(f"  {opaque.where}: {opaque.what}", file=sys.stderr)
    for entry in suite.entries:
        value = "by heuristic" if entry.value is None else entry.value
        print(f"  {entry.table} {value}: {entry.layer.rpartition('.')[2]} {entry.side}".rstrip(), file=sys.stderr)
    for layer in suite.layers:
        for note in layer.unchecked:
            print(f"  not checked: {note}", file=sys.stderr)
