# SPDX-License-Identifier: GPL-2.0-or-later
"""Where packets begin, as Lua: registration in Wireshark's tables, ports as preferences, messages in a stream.

Wireshark registers protocols, not functions, so every further layer with an entry gets a protocol of its own; it shows
its packets as those of the first.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...ir.packets import Entry, Framing, Suite
from ..lua.fields import identifier
from ..lua.printer import string
from .printer import PacketPrinter, slot

WORDS = {"udp.port": "UDP ports", "tcp.port": "TCP ports", "ethertype": "Ethertypes", "ip.proto": "IP protocols"}
DECODE_AS = ("udp.port", "tcp.port")
NO_DECODE_AS = ("gre.proto",)
"""Tables of which Wireshark says on stderr that they have none."""
LARGEST = {"ip.proto": 255}


def entry_lines(suite: Suite, names: Mapping[str, str], tables: dict[str, str]) -> list[str]:
    """The registration of every entry."""
    layers = list(dict.fromkeys(e.layer for e in suite.entries)) or [x.name for x in suite.layers[:1]]
    out: list[str] = []
    for number, layer in enumerate(layers):
        own = string(f"{suite.prefix}_{number + 1}")
        title = string(f"{suite.title}: {names[layer]} ({suite.prefix}_{number + 1})")
        out.append(f"entry({string(names[layer])}, {'proto' if number == 0 else f'Proto({own}, {title})'})")
    out += _sides(suite.entries, names)
    framings = {e.layer: e.framing for e in suite.entries if e.framing is not None}
    for layer, framing in framings.items():
        out += _framing(names[layer], framing, PacketPrinter({}, tables, names))
    out += _listening(suite.entries, names, layers)
    for entry in suite.entries:
        if entry.value is None:
            out.append(f"look_for({string(entry.table)}, {string(names[entry.layer])})")
    used = list(dict.fromkeys((*(e.table for e in suite.entries if e.value is not None), *DECODE_AS)))
    used = [table for table in used if table not in NO_DECODE_AS]
    out += [f"offer({string(table)}, {string(names[layers[0]])})" for table in used if layers]
    return out


def _framing(name: str, framing: Framing, printer: PacketPrinter) -> list[str]:
    return [
        f"{slot('framing', name)} = {{ header = {framing.header}, size = function(pos, stop)",
        f"  return {printer.value(framing.size)}",
        "end }",
    ]


def _sides(entries: tuple[Entry, ...], names: Mapping[str, str]) -> list[str]:
    """Of each protocol that listens at a port: the layer of what is sent to it, and of what is sent from it."""
    out: list[str] = []
    for here in _shared(entries).values():
        if any(e.side for e in here):
            to = next((f"to = {string(names[e.layer])}" for e in here if e.side in ("", "to")), "")
            back = next((f'["from"] = {string(names[e.layer])}' for e in here if e.side in ("", "from")), "")
            both = ", ".join(x for x in (to, back) if x)
            out.append(f"{slot('sides', names[here[0].layer])} = {{ {both} }}")
    return list(dict.fromkeys(out))


def _shared(entries: tuple[Entry, ...]) -> dict[tuple[str, int], list[Entry]]:
    """The entries of each port; the first is the one whose protocol listens."""
    found: dict[tuple[str, int], list[Entry]] = {}
    for entry in entries:
        if entry.value is not None:
            found.setdefault((entry.table, entry.value), []).append(entry)
    return found


def _listening(entries: tuple[Entry, ...], names: Mapping[str, str], layers: list[str]) -> list[str]:
    """One line, and one preference, for each table and layer."""
    ports: dict[tuple[str, str], list[int]] = {}
    for (table, value), here in _shared(entries).items():
        ports.setdefault((table, here[0].layer), []).append(value)
    out: list[str] = []
    taken: set[str] = set()
    for (table, layer), values in ports.items():
        own = "" if layer == layers[0] else f"_{identifier(names[layer]).lower()}"
        preference = name = identifier(table) + own
        while preference in taken:  # names of preferences have no capitals
            preference = f"{name}_{len(taken)}"
        taken.add(preference)
        default = string(",".join(str(v) for v in sorted(set(values))))
        words = WORDS.get(table, table)
        help_text = string(f"{words} of {names[layer]}")
        label = string(words + (f" of {names[layer]}" if own else ""))
        out.append(
            f"proto.prefs.{preference} = Pref.range({label}, {default}, {help_text}, {LARGEST.get(table, 65535)})"
        )
        out.append(f"listen({string(table)}, {string(names[layer])}, {default}, {string(preference)})")
    return out
