# SPDX-License-Identifier: GPL-2.0-or-later
"""What the last command that read a capture had to make, for the next one: most of a start is always the same.

``summary`` and ``decode`` need QEMU's protocol as the frontend translates it, and the decoder's functions.  Both are
made from Scapy layers that hardly ever change, and take far longer to make than to read; so they are kept in a file
of the user's cache (:mod:`dissector.cli.private`), from which neither Scapy, the frontend nor a printer is needed.
``generate`` and ``check`` never look at it: they are what tells that a source translates.

It is right because it is keyed by all that it is made from, :func:`made_from`: if anything is not as it was, all is
made again.  One file is one installation; a stream, or a choice of PDUs to report, that is not in it yet is added when
the program ends.

The file is a pickle of frozen dataclasses of the IR and the decoder and of nothing else, each part that is equal to
another stored once.  A Scapy class is in it by its name, as :class:`~dissector.ir.pdus.Named`.
"""

from __future__ import annotations

import atexit
import dataclasses
import functools
import importlib.util
import io
import os
import pickle
import sys
import zlib
from pathlib import Path
from typing import Any

from dissector.cli.private import cache_folder, read_private, write_private
from dissector.decode.compile import Printed, adopt, printed_of
from dissector.ir.model import Protocol
from dissector.ir.pdus import Named

PACKAGE = Path(__file__).resolve().parent.parent
FOLDERS = ("", "cli", "declare", "decode", "frontend", "ir", "protocols", "protocols/qemu_migration")
"""Where the sources are, in the package, that decide what is kept; files of deeper folders do not."""

PICKLED = ("dissector.ir.", "dissector.decode.")

Report = bool | frozenset[str]


@functools.cache
def protocol() -> Protocol:
    """Give QEMU's protocol, as it was kept or translated; what had to be made is kept when the program ends."""
    made = made_from()
    folder = cache_folder()
    if folder is None or not made:
        return translated()
    path = folder / f"{zlib.crc32(made[0].encode()):08x}.kept"
    found = load(path, made)
    atexit.register(keep, path, made, found or translated(), known=codes(found) if found else {})
    return found or translated()


@functools.cache
def translated() -> Protocol:
    """Give QEMU's protocol as the frontend translates it."""
    from dissector.cli.target import load_protocol  # noqa: PLC0415 - these two are with Scapy
    from dissector.frontend.streams import translate_protocol  # noqa: PLC0415

    return translate_protocol(load_protocol())


# ------------------------------------------------------------------------------------------------------ the key


def made_from() -> list[str]:
    """Tell which installation this is, and then all that what is kept depends on; nothing where that is not known.

    A file is known by its size and times.  The time of a change of status is among them because it cannot be set: who
    unpacks an archive or copies a file with its date puts another one in its place without changing the others.
    """
    try:
        scapy = importlib.util.find_spec("scapy")
        if scapy is None or not scapy.submodule_search_locations:
            return []
        folders = [*(PACKAGE / name for name in FOLDERS), Path(scapy.submodule_search_locations[0])]
        return [f"{PACKAGE} {sys.version} {sys.flags.optimize}", *(line for f in folders for line in _files(f))]
    except (OSError, ValueError):  # no folder; or somebody has put a Scapy of no origin into sys.modules
        return []


def _files(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        stats = sorted((e.name, e.stat()) for e in entries if e.is_file())
    return [str(folder), *(f"{name} {s.st_size} {s.st_mtime_ns} {s.st_ctime_ns}" for name, s in stats)]


# ------------------------------------------------------------------------------------------------ reading, writing


def load(path: Path, made: list[str]) -> Protocol | None:
    """Give the protocol that was kept and adopt its functions, if it was made from *made*."""
    data = read_private(path)
    key = _key(made)
    if data is None or not data.startswith(key):
        return None
    try:
        found, kept = _Unpickler(io.BytesIO(data[len(key) :])).load()
        streams = {s.name: s for s in found.streams}
        for (name, report), printed in kept.items():
            adopt(streams[name], report, printed)
    except Exception:  # noqa: BLE001 - there is no list of the errors that a pickle can raise
        return None
    return found if isinstance(found, Protocol) else None


def keep(path: Path, made: list[str], of: Protocol, known: dict[tuple[str, Report], Printed]) -> None:
    """Keep a protocol with what its streams have been compiled to so far, unless all of that is kept already."""
    kept = codes(of)
    if kept.keys() <= known.keys():
        return
    file = io.BytesIO()
    _Pickler(file, pickle.HIGHEST_PROTOCOL).dump(shared((of, {k: p.compiled() for k, p in kept.items()}), {}))
    write_private(path, _key(made) + file.getvalue())


def codes(of: Protocol) -> dict[tuple[str, Report], Printed]:
    """Give what the streams of a protocol have been compiled to, by name and by what is reported."""
    return {(s.name, report): printed for s in of.streams for report, printed in printed_of(s).items()}


def _key(made: list[str]) -> bytes:
    return "\n".join([*made, "", ""]).encode("utf-8", "surrogateescape")


def shared(x: Any, seen: dict[Any, Any]) -> Any:
    """Give *x* with one object for all parts that are equal, of which three in four are only there once."""
    if isinstance(x, dict):
        return {shared(k, seen): shared(v, seen) for k, v in x.items()}
    if isinstance(x, tuple):
        x = tuple([shared(each, seen) for each in x])
        return seen.setdefault((tuple, *map(id, x)), x)
    if dataclasses.is_dataclass(x) and not isinstance(x, type):
        values = [shared(each, seen) for each in _values(x)]
        key = (type(x), *map(id, values))
        return seen[key] if key in seen else seen.setdefault(key, type(x)(*values))
    return seen.setdefault((type(x), x), x)


def _values(x: Any) -> list[Any]:
    return [getattr(x, name) for name in x.__dataclass_fields__]


class _Pickler(pickle.Pickler):
    """Dataclasses by their constructors, classes of others by name."""

    def reducer_override(self, x: Any) -> Any:
        if dataclasses.is_dataclass(x) and not isinstance(x, type):
            return type(x), tuple(_values(x))
        return NotImplemented

    def persistent_id(self, x: Any) -> Any:
        is_foreign = isinstance(x, type) and not x.__module__.startswith(PICKLED)
        return (x.__module__, x.__qualname__) if is_foreign else None


class _Unpickler(pickle.Unpickler):
    """Makes the dataclasses of the IR and the decoder, and calls nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        found = super().find_class(module, name) if module.startswith(PICKLED) else None
        if not (isinstance(found, type) and dataclasses.is_dataclass(found)):
            raise pickle.UnpicklingError(f"{module}.{name} is not kept")
        return found

    def persistent_load(self, pid: Any) -> Named:
        return Named(*pid)
