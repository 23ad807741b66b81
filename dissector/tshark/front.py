# SPDX-License-Identifier: GPL-2.0-or-later
"""pyshark, for those who know it, on top of the same sandboxed tshark.

pyshark starts tshark itself and throws its standard error away.  So it is given, in the place of tshark, a wrapper that
changes to nobody's user and home, keeps what is written to standard error, and then becomes tshark; when the capture
is closed, what was kept is looked at.  The wrapper is two files, because the path of the Python may have blanks in
it, which a ``#!`` line cannot say, and because Python itself, which may lie in a folder of root's, is started before
root is dropped.

pyshark 0.6 needs an event loop of its own for each capture (from Python 3.14 there is none by default), and its JSON
mode, which alone keeps the nesting.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dissector.errors import TsharkError
from dissector.tshark.find import find_tshark
from dissector.tshark.run import PREFS, judge, lua_error, prove
from dissector.tshark.sandbox import NOBODY, Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from _typeshed import StrPath

    from dissector.tshark.run import Tshark

WRAPPER = """\
import os, sys
os.dup2(os.open({stderr!r}, os.O_WRONLY | os.O_APPEND), 2)
os.chdir({home!r})
if {drops_root!r}:
    os.setgroups([])
    os.setgid({nobody!r})
    os.setuid({nobody!r})
os.execve({tshark!r}, [{tshark!r}, *sys.argv[1:]], {env!r})
"""


@contextlib.contextmanager
def pyshark_capture(
    capture: StrPath,
    plugin: StrPath | None = None,
    *,
    tshark: Tshark | None = None,
    prefs: Mapping[str, object] | None = None,
    decode_as: Mapping[str, str] | None = None,
    args: Sequence[str] = (),
    registers: str | None = None,
    **options: Any,
) -> Iterator[Any]:
    """Give a ``pyshark.FileCapture`` in JSON mode; further ``options`` are pyshark's (``display_filter``, …).

    Leaving the block closes the capture and its event loop, and raises if Lua failed in any frame.
    That is found out with a second, much cheaper run of tshark, since pyshark shows an error as a layer like any other.
    """
    tshark = tshark or find_tshark()
    settings = {name: tshark_value(value) for name, value in {**PREFS, **(prefs or {})}.items()}
    with Sandbox() as box:
        options |= {"override_prefs": settings, "decode_as": dict(decode_as or {}), "custom_parameters": ["-n", *args]}
        if plugin is not None:
            script = box.readable(Path(plugin))
            prove(tshark, box, script, registers)
            options["custom_parameters"] += ["-X", f"lua_script:{script}"]
        stderr = box.folder / "stderr"
        stderr.touch()
        options["tshark_path"] = str(write_wrapper(box, tshark, stderr))
        with opened(str(box.readable(Path(capture))), options) as found:
            yield found
        judge(tshark.path, 0, box.said(stderr.read_text(errors="replace")), {})
    rules = [f"{where},{what}" for where, what in (decode_as or {}).items()]
    if plugin is not None and (errors := tshark.lua_errors(capture, plugin, prefs=prefs or {}, decode_as=rules)):
        raise lua_error(str(plugin), errors[0])


@contextlib.contextmanager
def opened(capture: str, options: dict[str, Any]) -> Iterator[Any]:
    """Give the capture with an event loop of its own, and end both, the loop last."""
    pyshark = import_pyshark()
    loop = asyncio.new_event_loop()
    try:
        found = pyshark.FileCapture(capture, use_json=True, eventloop=loop, **options)
        try:
            yield found
        finally:
            close(found)
    finally:
        loop.close()


def close(capture: Any) -> None:
    """Close ``capture``, and take it for no crash that a tshark which is not needed any more was killed.

    pyshark asks for the exit code while asyncio's thread waits for it, so that one of them finds no child.
    """
    with contextlib.suppress(import_pyshark().capture.capture.TSharkCrashException):
        capture.close()
    # What is left here would be closed again, with the same complaint, when the object is collected.
    capture._running_processes.clear()  # noqa: SLF001 - 0.6 is the last release, and offers no other way


def has_pyshark() -> bool:
    """Tell whether it is there, without the time that importing it takes."""
    return importlib.util.find_spec("pyshark") is not None


def import_pyshark() -> Any:
    """Give the module, or say how to get it."""
    try:
        import pyshark  # noqa: PLC0415 - optional, and slow to import
    except ImportError as error:
        raise TsharkError("pyshark", "not installed", "pip install 'layershark[test]'") from error
    return pyshark


def tshark_value(value: object) -> str:
    """Write the value of a preference as tshark reads it."""
    return str(value).upper() if isinstance(value, bool) else str(value)


def write_wrapper(box: Sandbox, tshark: Tshark, stderr: Path) -> Path:
    """Write the program that pyshark takes for tshark."""
    if sys.platform == "win32":
        # No root to drop and no "#!" lines; the wrapper would gain nothing.
        return Path(tshark.path)
    program = box.folder / "tshark.py"
    program.write_text(
        WRAPPER.format(
            stderr=str(stderr),
            home=str(box.home),
            drops_root=box.drops_root,
            nobody=NOBODY,
            tshark=tshark.path,
            env=box.env,
        )
    )
    wrapper = box.folder / "tshark"
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -I {shlex.quote(str(program))} "$@"\n')
    program.chmod(0o600)
    wrapper.chmod(0o700)
    return wrapper
