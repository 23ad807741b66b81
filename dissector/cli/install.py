# SPDX-License-Identifier: GPL-2.0-or-later
"""``dissector install``: the plugin into Wireshark's folder for personal plugins.

The plugin is generated for it, so that what is installed is always what this version of the package generates, whether
or not there is a checkout with a ``lua_out`` around.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from dissector import doctor
from dissector.backends.base import create, write
from dissector.cli.generate import translated
from dissector.cli.target import add_target

if TYPE_CHECKING:
    import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the subcommand takes."""
    add_target(parser, "module:NAME of a declared protocol (default: QEMU's migration protocol)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="another folder than Wireshark's own")


def run(options: argparse.Namespace) -> int:
    """Generate the plugin and put it in its place."""
    backend = create("lua")
    protocol = translated(options.target)
    with tempfile.TemporaryDirectory() as folder:
        plugin = Path(folder, protocol.name + backend.suffix)
        write(plugin, backend.generate(protocol))
        print(doctor.install(plugin, options.folder))
    return 0
