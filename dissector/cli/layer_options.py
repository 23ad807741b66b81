# SPDX-License-Identifier: GPL-2.0-or-later
"""The options of ``dissector generate`` that are for Scapy layers, and whether layers were asked for.

They stand apart from :mod:`dissector.cli.plugin`, which makes the plugin, because a protocol of streams needs none of
what that imports: all of Scapy's network layers, which read the machine's routes, take as long as the protocol itself.
"""

from __future__ import annotations

from types import ModuleType
from typing import TYPE_CHECKING

from scapy.packet import Packet

from dissector.cli.target import load

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

OPTIONS = ("udp", "tcp", "ethertype", "ip_proto", "heuristic", "framing", "override", "overrides", "name", "prefix")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what is for layers only."""
    group = parser.add_argument_group(
        "for Scapy layers",
        "Each may be repeated. =LAYER is needed where the target is more than one layer; =LAYER,LAYER is one for what "
        "is sent to the port and one for what is sent from it. Without any of the first five, packets begin where "
        "Scapy's own bindings say.",
    )
    port = "PORT[=LAYER[,LAYER]]"
    group.add_argument("--udp", action="append", metavar=port, help="packets to and from this UDP port")
    group.add_argument("--tcp", action="append", metavar=port, help="messages of a TCP stream")
    group.add_argument("--ethertype", action="append", metavar="N[=LAYER]", help="frames of this type (0x88cc)")
    group.add_argument("--ip-proto", action="append", metavar="N[=LAYER]", help="packets of this IP protocol")
    group.add_argument(
        "--heuristic",
        action="append",
        metavar="udp|tcp[=LAYER]",
        help="packets that can be read with nothing amiss",
    )
    group.add_argument(
        "--framing",
        action="append",
        metavar="HEADER:SIZE[=LAYER]",
        help='the size of a message in a TCP stream, for instance "4:F.length+4", or "segment"',
    )
    group.add_argument("--override", action="append", metavar="FILE", help="Lua for fields (docs/scapy-layers.md)")
    group.add_argument("--overrides", metavar="FOLDER", help="take MODULE.override.toml from there")
    group.add_argument("--name", help="name of the plugin (default: that of the module)")
    group.add_argument("--prefix", help="first part of display-filter names (default: scapy_NAME)")


def given(options: argparse.Namespace) -> list[str]:
    """The options for layers that were given."""
    return [f"--{name.replace('_', '-')}" for name in OPTIONS if getattr(options, name)]


def is_for_layers(targets: Sequence[str]) -> bool:
    """True when the targets are layers; a declared protocol stands alone."""
    if not targets:
        return False
    if len(targets) > 1 or "," in targets[0]:
        return True
    found = load(targets[0])
    return isinstance(found, ModuleType) or (isinstance(found, type) and issubclass(found, Packet))
