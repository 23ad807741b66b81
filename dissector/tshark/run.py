# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs tshark over a capture with a Lua plugin, and believes nothing that it was not shown.

tshark's exit code says nothing about plugins.  A script that is missing, that has a syntax error, that fails while
it is loaded or in the middle of a frame: all of them end with code 0 and a plausible listing of plain TCP.  So:

* Before the first run with a plugin, tshark is asked for a display filter made of the plugin's protocol names
  (``Proto("qmig", …)``).  It can compile that filter only if the script ran to its end.  The answer is remembered by
  the plugin's checksum.
* What tshark writes to standard error is searched for Lua's messages.
* In ``-T json``, ``-V`` and PDML a Lua error shows up as an item of its own, and every line is looked at.  In
  ``-T fields`` it would not, so a hidden last column asks for ``_ws.lua.error``.  A plain listing or ``-z`` shows
  nothing at all: ``lua_errors`` is for those.

Output is handed on line by line while tshark runs, so a capture of any size needs no more memory than one line.
"""

from __future__ import annotations

import hashlib
import html
import io
import re
import subprocess
import tempfile
import threading
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

from dissector.errors import TsharkError
from dissector.tshark.sandbox import Sandbox, existing

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from _typeshed import StrPath

TIMEOUT = 300.0

PREFS: Mapping[str, object] = {
    # Off by default, and then a segment that arrives late is never handed to the dissector above TCP: the stream has
    # a hole that the wire did not have.
    "tcp.reassemble_out_of_order": True,
    "tcp.desegment_tcp_streams": True,
}

LUA_ON_STDERR = re.compile(r"\bLua:|\blua:|Error during loading|Lua Error|\.lua:\d+:|\.lua\" doesn't exist")
LUA_ITEM = re.compile(r'\s*(?:(?P<pdml><.*?\bshow(?:name)?=)?"|\[Expert Info \([^)]*\): )?(?P<text>Lua Error: .*)')
LUA_PROTO = re.compile(r"""\bProto(?:\.new)?\s*\(\s*["']([\w.-]+)["']""")
LUA_COMMENT = re.compile(r"--(?:\[\[.*?\]\]|[^\n]*)", re.DOTALL)
LUA_ERROR_FIELD = "_ws.lua.error"
UNKNOWN_FILTER = re.compile(r"^tshark: [^\n]*(?:neither a field|not a valid).*", re.DOTALL | re.MULTILINE)

NOISE = ("Running as user", "The NPF driver isn't running")
EMPTY_CAPTURE = bytes.fromhex("d4c3b2a1 0200 0400 00000000 00000000 ffff0000 01000000")

_proven: set[tuple[str, str, tuple[str, ...]]] = set()


class Options(TypedDict, total=False):
    """What every kind of run takes; each has a use that is told at ``Tshark.lines``."""

    args: Sequence[str]
    prefs: Mapping[str, object]
    decode_as: Sequence[str]
    two_pass: bool
    fields: Sequence[str] | None
    display_filter: str | None
    read_filter: str | None
    registers: str | None
    check: bool
    timeout: float


@dataclass(frozen=True, slots=True)
class Tshark:
    """One installed tshark: where it is, its version, and the version of its Lua if it has one."""

    path: str
    version: tuple[int, ...]
    lua: str | None

    def lines(
        self, capture: StrPath, plugin: StrPath | None = None, **options: Unpack[Options]
    ) -> Generator[str, None, None]:
        """Run over ``capture`` with ``plugin`` and give the output line by line.

        ``args`` are passed on as they are; ``prefs`` become ``-o`` (and override ours), ``decode_as`` ``-d``,
        ``two_pass`` ``-2``, ``display_filter`` ``-Y``, ``read_filter`` ``-R`` (which implies two passes), ``fields``
        ``-T fields`` with tabs between columns and U+001F between several values of one.  ``registers`` names a
        protocol that the plugin must have registered, where its text does not say so.  With ``check`` false an
        exit code is no error, for captures that end in the middle of a frame.
        """
        with ExitStack() as stack:
            box = stack.enter_context(Sandbox())
            command = [self.path, *arguments(options)]
            if plugin is not None:
                script = box.readable(Path(plugin))
                prove(self, box, script, options.get("registers"))
                command += ["-X", f"lua_script:{script}"]
            if two_passes(options):
                name, stdin = str(box.readable(Path(capture))), None
            else:
                name, stdin = box.opened(Path(capture))
            if stdin is not None:
                stack.enter_context(stdin)
            found = stream(box, [*command, "-r", name], options, stdin=stdin)
            if options.get("fields") is not None:
                found = self._without_errors(found, capture, plugin, options)
            with closing(found):
                yield from found

    def run(self, capture: StrPath, plugin: StrPath | None = None, **options: Unpack[Options]) -> str:
        """Run like ``lines`` and give the whole output."""
        return "".join(f"{line}\n" for line in self.lines(capture, plugin, **options))

    def rows(
        self, capture: StrPath, plugin: StrPath | None = None, **options: Unpack[Options]
    ) -> Generator[tuple[tuple[str, ...], ...], None, None]:
        """Give, for each frame, the values of each of ``fields``."""
        for line in self.lines(capture, plugin, **options):
            yield tuple(tuple(cell.split("\x1f")) if cell else () for cell in line.split("\t"))

    def lua_errors(self, capture: StrPath, plugin: StrPath, **options: Unpack[Options]) -> list[str]:
        """Give the Lua errors of every frame, for the kinds of output that show none."""
        wanted: Options = {**options, "args": (), "fields": None, "display_filter": LUA_ERROR_FIELD}
        wanted["args"] = ("-T", "fields", "-e", "frame.number", "-e", "_ws.expert.message")
        # What Lua calls the plugin is its name in a sandbox that is gone by now.
        name = re.compile(rf"\S*{re.escape(Path(plugin).name)}(?=:\d)")
        rows = (line.split("\t", 1) for line in self.lines(capture, plugin, **wanted) if line)
        return [f"frame {number}: {name.sub(lambda _: str(plugin), text)}" for number, text in rows]

    def _without_errors(
        self, lines: Generator[str, None, None], capture: StrPath, plugin: StrPath | None, options: Options
    ) -> Generator[str, None, None]:
        """Take the hidden last column off again, and stop where it says that Lua failed."""
        with closing(lines):
            for line in lines:
                row, _, failed = line.rpartition("\t")
                if failed and plugin is not None:
                    errors = self.lua_errors(capture, plugin, **options)
                    raise lua_error(str(plugin), errors[0] if errors else failed)
                yield row


def arguments(options: Options) -> list[str]:
    """Put ``options`` into tshark's words."""
    result = ["-n"]
    for name, value in {**PREFS, **options.get("prefs", {})}.items():
        result += ["-o", f"{name}:{str(value).upper() if isinstance(value, bool) else value}"]
    for rule in options.get("decode_as", ()):
        result += ["-d", rule]
    for flag, text in (("-R", options.get("read_filter")), ("-Y", options.get("display_filter"))):
        if text is not None:
            result += [flag, text]
    if two_passes(options):
        result.append("-2")
    result += options.get("args", ())
    fields = options.get("fields")
    if fields is not None:
        result += ["-T", "fields", "-E", "separator=/t", "-E", "occurrence=a", "-E", "aggregator=\x1f"]
        for field in [*fields, LUA_ERROR_FIELD]:
            result += ["-e", field]
    return result


def two_passes(options: Options) -> bool:
    """Tell whether the capture is read twice, which standard input cannot be."""
    return options.get("two_pass", False) or options.get("read_filter") is not None or "-2" in options.get("args", ())


def stream(box: Sandbox, command: Sequence[str], options: Options, **popen: Any) -> Generator[str, None, None]:
    """Run ``command``, give its lines, then judge how it ended."""
    timeout = options.get("timeout", TIMEOUT)
    late = threading.Event()
    popen["stdin"] = popen.get("stdin") or subprocess.DEVNULL
    with tempfile.TemporaryFile() as stderr:
        process = box.start(command, stdout=subprocess.PIPE, stderr=stderr, **popen)
        assert process.stdout is not None

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(timeout, give_up)
        timer.start()
        try:
            # Only "\n" ends a line: a lone carriage return may be part of a value.
            with io.TextIOWrapper(process.stdout, "utf-8", "backslashreplace", newline="\n") as output:
                for line in output:
                    if "Lua Error: " in line and (text := lua_item(line)):
                        raise lua_error(command[0], box.said(text))
                    yield line.rstrip("\r\n")
            process.wait()
        finally:
            timer.cancel()
            process.kill()
            process.wait()
        if late.is_set():
            raise TsharkError(command[0], f"did not finish within {timeout:g} seconds")
        stderr.seek(0)
        judge(command[0], process.returncode, box.said(stderr.read().decode(errors="replace")), options)


def lua_item(line: str) -> str:
    """Give the text of an item of the tree that reports a Lua error, in any of the formats that print trees."""
    found = LUA_ITEM.match(line)
    if not found:
        return ""
    text = found["text"].rstrip()
    if found["pdml"]:
        return html.unescape(text.partition('"')[0])
    return re.sub(r'"\s*:\s*[{"].*$|"?,$|]$', "", text).replace('\\"', '"')


def judge(where: str, code: int, stderr: str, options: Options) -> None:
    """Raise what exit code and standard error give reason for."""
    said = "\n".join(line for line in stderr.splitlines() if line.strip() and not line.startswith(NOISE))
    if LUA_ON_STDERR.search(said):
        # Without the plugin its protocol is unknown to a filter, too; that complaint would only bury the cause.
        raise lua_error(where, UNKNOWN_FILTER.sub("", said).strip().removeprefix("tshark: "))
    if code and options.get("check", True):
        raise TsharkError(where, f"ended with code {code}: {said or 'nothing on standard error'}")


def lua_error(where: str, text: str) -> TsharkError:
    """Say that a plugin failed, in Lua's own words."""
    return TsharkError(where, f"the lua plugin failed: {text}", "the number after the name is the line in the plugin")


def prove(tshark: Tshark, box: Sandbox, plugin: Path, registers: str | None = None) -> None:
    """Make sure that ``plugin``, as the sandbox names it, registers its protocols; a second time costs nothing."""
    content = existing(plugin).read_bytes()
    text = LUA_COMMENT.sub("", content.decode("utf-8", "replace"))
    names = tuple(dict.fromkeys([*LUA_PROTO.findall(text), *([registers] if registers else [])]))
    key = (tshark.path, hashlib.sha256(content).hexdigest(), names)
    if key in _proven:
        return
    empty = box.folder / "empty.pcap"
    empty.write_bytes(EMPTY_CAPTURE)
    empty.chmod(0o644)
    command = [tshark.path, "-X", f"lua_script:{plugin}", "-r", str(empty)]
    if names:
        command += ["-Y", " or ".join(names)]
    try:
        for _ in stream(box, command, {}):
            pass
    except TsharkError as error:
        what = error.what if "lua plugin" in error.what else f"the plugin was not loaded: {error.what}"
        raise TsharkError(box.said(str(plugin)), what, error.hint) from error
    _proven.add(key)
