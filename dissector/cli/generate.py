# SPDX-License-Identifier: GPL-2.0-or-later
"""``dissector generate``: a declared protocol to the text of a backend, by default a Wireshark plugin and its docs.

Scapy layers, which :mod:`dissector.cli.plugin` is about, are one plugin.

A file that holds the text already is not touched.  ``--check`` writes nothing and says whether the file is up to date,
for a CI that keeps generated files in the repository.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dissector.backends.base import BACKENDS, KEPT, Backend, create, write
from dissector.cli import layer_options
from dissector.cli.target import DEFAULT, load_protocol
from dissector.errors import DissectorError
from dissector.frontend.streams import translate_protocol
from dissector.ir.verify import verify

if TYPE_CHECKING:
    import argparse

    from dissector.ir.model import Protocol

FOLDER = Path("lua_out")


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the subcommand takes."""
    parser.add_argument(
        "target",
        nargs="*",
        metavar="TARGET",
        help="module, module:LAYER or module:LAYER,LAYER of Scapy layers, or module:NAME of a declared protocol "
        "(default: QEMU's migration protocol)",
    )
    known = ", ".join(BACKENDS)
    parser.add_argument(
        "--backend",
        metavar="NAME",
        help=f"{known}, or module:Class (default: {' and '.join(KEPT)}; with -o {KEPT[0]})",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="PLACE",
        help=f"a file, a folder, or - for stdout (default: {FOLDER}/NAME.lua, docs/protocol.md)",
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the file is not up to date")
    layer_options.arguments(parser)


def run(options: argparse.Namespace) -> int:
    """Generate, and write, print or compare."""
    if layer_options.is_for_layers(options.target):
        return of_layers(options)
    strange = layer_options.given(options)
    if strange:
        what = f"{strange[0]} is for Scapy layers, and this is a protocol of streams"
        raise DissectorError("dissector generate", what, "name a layer: dissector generate scapy.contrib.bfd:BFD")
    names = [options.backend] if options.backend else KEPT[:1] if options.output else KEPT
    backends = [create(name) for name in names]
    protocol = translated(options.target[0] if options.target else DEFAULT)
    return max([one(options, backend, protocol) for backend in backends])


def one(options: argparse.Namespace, backend: Backend, protocol: Protocol) -> int:
    """Generate with one backend, and write, print or compare."""
    path = place(options.output, backend.filename(protocol), backend.folder)
    return put(options, path, backend.generate(protocol))


def of_layers(options: argparse.Namespace) -> int:
    """Generate the plugin of Scapy layers, and write, print or compare."""
    if options.backend not in (None, KEPT[0]):
        raise DissectorError(f"backend {options.backend!r}", "is for protocols of streams", f"leave it out: {KEPT[0]}")
    from dissector.cli import plugin  # noqa: PLC0415 - with all of Scapy's network layers

    suite = plugin.made(options)
    return put(options, place(options.output, plugin.filename(suite), str(FOLDER)), plugin.text_of(suite))


def put(options: argparse.Namespace, path: Path, text: str) -> int:
    """Write, print or compare."""
    if options.output == "-":
        return print_text(text, check=options.check)
    if options.check:
        return compare(path, text)
    changed = write(path, text)
    if options.verbose:
        print(f"{path}: {'written' if changed else 'unchanged'}, {len(text.splitlines())} lines", file=sys.stderr)
    return 0


def translated(target: str) -> Protocol:
    """Give the model of the protocol *target*, which has no problem that can be found by looking."""
    protocol = translate_protocol(load_protocol(target))
    problems = verify(protocol)
    if problems:
        more = f" (and {len(problems) - 1} more problems)" if len(problems) > 1 else ""
        raise DissectorError(problems[0].where, problems[0].what + more, "dissector check lists all problems")
    return protocol


def place(output: str | None, name: str, folder: str) -> Path:
    """Give the file to write: what exists as a folder, or ends like one, is a folder."""
    if output is None:
        return Path(folder, name)
    path = Path(output)
    return path / name if path.is_dir() or output.endswith("/") else path


def print_text(text: str, *, check: bool) -> int:
    """Print the generated text."""
    if check:
        raise DissectorError("dissector generate", "--check needs a file to compare with", "leave out -o -")
    sys.stdout.write(text)
    return 0


def compare(path: Path, text: str) -> int:
    """Say whether the file holds the text."""
    try:
        current = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        current = None
    except (OSError, UnicodeDecodeError) as error:
        raise DissectorError(str(path), f"cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if current == text:
        return 0
    what = "does not exist" if current is None else "is stale"
    print(f"{path}: {what}\nhint: dissector generate writes it", file=sys.stderr)
    return 1
