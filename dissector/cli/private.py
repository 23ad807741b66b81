# SPDX-License-Identifier: GPL-2.0-or-later
"""Files for nobody but us, in the user's cache: written whole or not at all, and believed only if they are ours.

What is kept here is code, and whoever could write it would run as the user.  So the folder is made for its owner only,
and neither folder nor file counts if it belongs to somebody else or others may write to it; on Windows the user's
profile sees to that.  With sudo, a folder below somebody else's home is never begun: its owner could not use it.

Nothing here is an error: a cache that cannot be read or written is none.  ``DISSECTOR_CACHE`` names another folder;
empty, it says that there is to be none.
"""

from __future__ import annotations

import contextlib
import os
import stat
import sys
import zlib
from pathlib import Path

VARIABLE = "DISSECTOR_CACHE"
NAME = "layershark"
CHECK = 4
"""Octets of the check sum in front."""


def cache_folder() -> Path | None:
    """Give the folder for files that can be made again, if there is to be one; it need not exist."""
    told = os.environ.get(VARIABLE)
    if told is not None:
        return Path(told) if told else None
    try:
        return _usual() / NAME
    except RuntimeError:  # nobody knows where the user is at home
        return None


def _usual() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    told = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return told if told.is_absolute() else Path.home() / ".cache"


def read_private(path: Path) -> bytes | None:
    """Give what :func:`write_private` wrote, if it is whole and ours."""
    try:
        if not _is_ours(path.parent.stat()):
            return None
        # No link is followed, and nobody waits for the other end of a pipe.
        flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(path, os.O_RDONLY | flags), "rb") as file:
            found = os.fstat(file.fileno())
            if not (stat.S_ISREG(found.st_mode) and _is_ours(found)):
                return None
            data = file.read()
    except (OSError, ValueError):
        return None
    return data[CHECK:] if data[:CHECK] == _check(data[CHECK:]) else None


def write_private(path: Path, data: bytes) -> bool:
    """Put *data* in the place of what is there, in one step; True if that was possible."""
    import tempfile  # noqa: PLC0415 - nobody who only reads needs it

    temporary = ""
    try:
        if _is_of_another_home(path.parent):
            return False
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_ours(path.parent.stat()):
            return False
        number, temporary = tempfile.mkstemp(dir=path.parent)  # for its owner only
        with os.fdopen(number, "wb") as file:
            file.write(_check(data) + data)
        Path(temporary).replace(path)
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            Path(temporary).unlink()
        return False
    return True


def _is_ours(found: os.stat_result) -> bool:
    """Whether it belongs to us, and nobody else may write to it."""
    if sys.platform == "win32":
        return True
    return found.st_uid == os.geteuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _is_of_another_home(folder: Path) -> bool:
    """Whether we are root, and the folder would be begun in one that is not root's."""
    if sys.platform == "win32" or os.geteuid() != 0:
        return False
    return next(p for p in (folder, *folder.absolute().parents) if p.exists()).stat().st_uid != 0


def _check(data: bytes) -> bytes:
    return zlib.crc32(data).to_bytes(CHECK, "big")
