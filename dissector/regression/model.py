# SPDX-License-Identifier: GPL-2.0-or-later
"""The protocol under test and its plugin, both made anew from the layers, once a process."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from dissector.backends.base import create
from dissector.frontend.streams import translate_protocol
from dissector.protocols.qemu_migration import PROTOCOL

if TYPE_CHECKING:
    from pathlib import Path

    from dissector.ir.model import Protocol


@functools.cache
def protocol() -> Protocol:
    """Give the model of QEMU's migration protocol."""
    return translate_protocol(PROTOCOL)


@functools.cache
def plugin_text() -> str:
    """Give the Wireshark plugin as the generator makes it now."""
    return create("lua").generate(protocol())


def write_plugin(folder: Path) -> Path:
    """Write the plugin into ``folder``, and give its place."""
    path = folder / f"{protocol().name}.lua"
    path.write_text(plugin_text(), encoding="utf-8")
    return path


@functools.cache
def field_types() -> dict[str, str]:
    """Give display-filter name -> type, of everything but payloads: what is on the wire and what is noted beside it."""
    out: dict[str, str] = {f.abbrev: f.type for p in protocol().pdus for f in p.fields if not f.lazy}
    for stream in protocol().streams:
        for _, rule in stream.rules():
            out.update({n.abbrev: n.type for n in rule.notes if n.abbrev not in out})
    return out
