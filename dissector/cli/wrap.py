# SPDX-License-Identifier: GPL-2.0-or-later
"""``dissector wrap``: a migration that was written to a file, as a capture that Wireshark opens.

The capture appears under its name when it is complete, and not at all otherwise.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from dissector.capture import Known, read_stored
from dissector.capture.wrapped import PORT, write_wrapped
from dissector.cli import version
from dissector.cli.capture import add_place, place
from dissector.cli.progress import progress_bar
from dissector.cli.target import load_protocol
from dissector.decode import Session
from dissector.errors import DissectorError
from dissector.frontend.streams import translate_protocol

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable

BUFFER = 1 << 20


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the subcommand takes."""
    parser.add_argument(
        "stored",
        metavar="FILE",
        help="a migration that was written to a file, also compressed with gzip or zstd; - is stdin",
    )
    add_place(parser)
    parser.add_argument("-o", "--output", required=True, metavar="FILE", help="the capture (pcapng) to write")


def run(options: argparse.Namespace) -> int:
    """Write the capture."""
    protocol = translate_protocol(load_protocol())
    known = Known(protocol.title, Session(protocol).begins)
    where = place(options)
    path = Path(options.output)
    if path.exists() and options.stored != "-" and path.samefile(options.stored):
        raise DissectorError(options.output, "the stream and the capture are the same file", "-o names another one")
    name = "standard input" if options.stored == "-" else Path(options.stored).name
    comment = (
        f"This is no recording: a stream of {protocol.title} that was stored in a file ({name}), put into one TCP "
        f"connection to port {PORT}. Addresses, times and segments mean nothing."
    )

    def write(out: BinaryIO) -> int:
        octets = read_stored(options.stored, known, place=where, progress=progress)
        return write_wrapped(out, octets, comment, f"dissector wrap {version()}")

    with progress_bar(prints=False) as progress:
        packets = written(path, write)
    if options.verbose:
        print(f"{path}: written, {packets} packets, port {PORT}", file=sys.stderr)
    return 0


def written(path: Path, write: Callable[[BinaryIO], int]) -> int:
    """Let *write* fill a file that takes the name *path* when it is complete."""
    try:
        fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(fd, "wb", buffering=BUFFER) as out:
                result = write(out)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DissectorError(str(path), f"cannot be written: {error.strerror or error}") from error
    return result
