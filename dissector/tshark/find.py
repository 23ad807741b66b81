# SPDX-License-Identifier: GPL-2.0-or-later
"""Finds tshark, and asks it what it can do.

Whoever names a tshark gets that one or an error, never another: the argument first, then ``DISSECTOR_TSHARK``.  Only
when nobody named one is it looked for, on the PATH and where the installers of Windows and macOS put it without
telling the PATH.  A tshark without Lua or older than 3.4 is refused at once, since everything that would follow is a
listing of plain TCP without an error.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
from pathlib import Path

from dissector.errors import TsharkError
from dissector.tshark.run import TIMEOUT, Tshark
from dissector.tshark.sandbox import Sandbox

VARIABLE = "DISSECTOR_TSHARK"
OLDEST = (3, 4)
USUAL_PLACES = (
    "/usr/bin",
    "/usr/local/bin",
    "/opt/homebrew/bin",
    "/Applications/Wireshark.app/Contents/MacOS",
    r"C:\Program Files\Wireshark",
)
HINT = (
    "install it (Debian, Ubuntu: sudo apt-get install tshark; Fedora: sudo dnf install wireshark-cli; "
    f"macOS: brew install wireshark), or name one in {VARIABLE}"
)


def find_tshark(explicit: str | None = None) -> Tshark:
    """Give the tshark that was asked for, or the first that is found."""
    return known_tshark(find_program("tshark", explicit or os.environ.get(VARIABLE)))


def find_program(name: str, explicit: str | None = None) -> str:
    """Give the path of one of Wireshark's programs."""
    wanted = explicit or name
    places = [] if explicit else list(USUAL_PLACES)
    for path in (None, *places):
        found = shutil.which(wanted, path=path)
        if found:
            return str(Path(found).absolute())
    raise TsharkError(wanted, "not found" if explicit else "not installed", HINT)


@functools.cache
def known_tshark(path: str) -> Tshark:
    """Run the tshark at ``path`` once, and give what it says of itself if that will do."""
    with Sandbox() as box:
        process = box.start([path, "--version"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            output, _ = process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired as error:
            process.kill()
            process.communicate()
            raise TsharkError(path, "does not answer when asked for its version", HINT) from error
    version, lua = parse_version(path, output.decode(errors="replace"))
    if version < OLDEST:
        raise TsharkError(path, f"version {dotted(version)} is too old, {dotted(OLDEST)} is needed", HINT)
    if lua is None:
        raise TsharkError(path, "was built without lua, so it cannot run a plugin", HINT)
    return Tshark(path, version, lua)


def parse_version(path: str, text: str) -> tuple[tuple[int, ...], str | None]:
    """Read version and Lua version from what ``--version`` prints: up to 4.4 a sentence, from 4.6 a table."""
    text = " ".join(text.split())
    version = re.search(r"TShark \(Wireshark\) (\d+(?:\.\d+)*)", text)
    if not version:
        raise TsharkError(path, f"does not look like tshark: it says {text[:80]!r}", HINT)
    lua = re.search(r"(?:\bwith |\+)Lua (\d[\w.]*\w)", text)
    return tuple(int(part) for part in version[1].split(".")), lua[1] if lua else None


def dotted(version: tuple[int, ...]) -> str:
    """Write a version as people do."""
    return ".".join(str(part) for part in version)
