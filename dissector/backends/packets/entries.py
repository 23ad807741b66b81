# SPDX-License-Identifier: GPL-2.0-or-later
"""Where packets begin, as Lua: registration in Wireshark's tables.

Wireshark registers protocols, not functions, so every further layer with an entry gets a protocol of its own; it shows
its packets as those of the first.
"""

from __future__ import annotations

from collections.abc import Mapping

from ...ir.packets import Suite
from ..lua.printer import string


def entry_lines(suite: Suite, names: Mapping[str, str]) -> list[str]:
    """The registration of every entry."""
    layers = list(dict.fromkeys(e.layer for e in suite.entries)) or [x.name for x in suite.layers[:1]]
    out: list[str] = []
    for number, layer in enumerate(layers):
        name = string(names[layer])
        own = string(f"{suite.prefix}_{number + 1}")
        made = "proto" if number == 0 else f"Proto({own}, {string(f'{suite.title}: {names[layer]}')})"
        out.append(f"entry({name}, {made})")
    for entry in suite.entries:
        if entry.value is not None:
            out.append(f"listen({string(entry.table)}, {entry.value}, {string(names[entry.layer])})")
    return out
