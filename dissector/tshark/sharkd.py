# SPDX-License-Identifier: GPL-2.0-or-later
"""Asks sharkd for the tree of any frame in any order, as a person does who clicks through Wireshark's list.

sharkd is Wireshark without a window: it loads a capture once, keeps all that dissectors remember, and dissects a frame
again each time it is asked for.  That second visit is where a stateful dissector goes wrong (it sees frames out of
order, and reassembled buffers come trimmed), and tshark cannot show it: it visits each frame once.

It speaks one line of JSON for each question and each answer on standard input and output.  Up to 3.4 a question was
``{"req": method, …}``, and the answer came bare and with an empty line after it, or was that empty line alone if there
was nothing to say; since then both are JSON-RPC 2.0.  There is no ``-X``, so the plugin is put into the personal plugin
folder of the sandbox's home.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self

from dissector.errors import TsharkError
from dissector.tshark.find import find_program, find_tshark
from dissector.tshark.run import LUA_ON_STDERR, PREFS, TIMEOUT, lua_error, prove
from dissector.tshark.sandbox import Sandbox
from dissector.tshark.tree import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from _typeshed import StrPath

    from dissector.tshark.run import Tshark

JSON_RPC_SINCE = (3, 5)


@dataclass(slots=True)
class Item:
    """One line of the packet details: its text, the filter that selects it, and the octets that it covers.

    ``name`` and ``value`` are the two sides of the filter.  Both are empty for an item without a value, since sharkd
    then offers a filter on the octets and does not tell the field.
    """

    label: str
    filter: str = ""
    name: str = ""
    value: str = ""
    pos: Span | None = None
    source: int = 0
    children: list[Item] = field(default_factory=list)

    def walk(self) -> Iterator[Item]:
        """Give this item and everything below it, from top to bottom."""
        yield self
        for child in self.children:
            yield from child.walk()

    def all(self, name: str) -> list[Item]:
        """Give every item of the field ``name`` at or below this one."""
        return [item for item in self.walk() if item.name == name]


class Sharkd:
    """sharkd with one capture loaded; a context manager."""

    def __init__(
        self,
        capture: StrPath,
        plugin: StrPath | None = None,
        *,
        tshark: Tshark | None = None,
        prefs: Mapping[str, object] | None = None,
        registers: str | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        """Start it and load ``capture``; the arguments are those of ``Tshark.lines``."""
        tshark = tshark or find_tshark()
        self.path = sharkd_beside(tshark)
        self.timeout = timeout
        self._json_rpc = tshark.version >= JSON_RPC_SINCE
        self._number = 0
        self._box = Sandbox()
        self._process: subprocess.Popen[bytes] | None = None
        self._stderr: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        try:
            if plugin is not None:
                prove(tshark, self._box, self._box.readable(Path(plugin)), registers)
                self._box.put_plugin(Path(plugin))
            self._process = self._box.start(
                [self.path, "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._stderr
            )
            for name, value in {**PREFS, **(prefs or {})}.items():
                text = str(value).upper() if isinstance(value, bool) else str(value)
                self.ask("setconf", name=name, value=text)
            self.ask("load", file=str(self._box.readable(Path(capture))))
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it and remove what it used."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
        self._stderr.close()
        self._box.close()

    def frame(self, number: int) -> list[Item]:
        """Give the tree of one frame, dissected anew."""
        answer = self.ask("frame", frame=number, proto=True if self._json_rpc else "yes")
        items = [parse_item(item) for item in answer.get("tree", [])]
        for item in (below for top in items for below in top.walk()):
            if item.label.startswith("Lua Error: "):
                raise lua_error(f"{self.path}: frame {number}", self._box.said(item.label))
        return items

    def count(self) -> int:
        """Give the number of frames."""
        return int(self.ask("status")["frames"])

    def ask(self, method: str, **params: object) -> dict[str, Any]:
        """Put one question and give the answer; sharkd's refusals are errors."""
        answer = self._read(self.answer(method, **params))
        refusal = answer.get("error") or (answer.get("err") if not self._json_rpc else None)
        if refusal:
            text = refusal.get("message", refusal) if isinstance(refusal, dict) else f"error {refusal}"
            raise TsharkError(f"{self.path}: {method}", str(text))
        result = answer.get("result", {}) if self._json_rpc else answer
        return result if isinstance(result, dict) else {"result": result}

    def answer(self, method: str, **params: object) -> bytes:
        """Put one question and give the line that sharkd answers with, unread; nothing if it died."""
        self._number += 1
        question: dict[str, object] = {"req": method, **params}
        if self._json_rpc:
            question = {"jsonrpc": "2.0", "id": self._number, "method": method, "params": params}
        return self._exchange(json.dumps(question))

    def _exchange(self, line: str) -> bytes:
        """Write one line and read one."""
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        timer = threading.Timer(self.timeout, process.kill)
        timer.start()
        try:
            process.stdin.write(line.encode() + b"\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            if not self._json_rpc and answer not in {b"\n", b""}:
                process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        finally:
            timer.cancel()
        return answer

    def _read(self, answer: bytes) -> dict[str, Any]:
        """What an answer says, or how sharkd died."""
        if answer == b"\n":
            return {"err": "without a reason"}
        try:
            result = json.loads(answer)
        except ValueError as error:
            raise self._died() from error
        return result if isinstance(result, dict) else {"result": result}

    def _died(self) -> TsharkError:
        """Say what sharkd said last."""
        self._stderr.seek(0)
        said = self._box.said(self._stderr.read().decode(errors="replace").strip())
        if LUA_ON_STDERR.search(said):
            return lua_error(self.path, said)
        return TsharkError(self.path, f"gave no answer: {said or 'nothing on standard error'}")


def sharkd_beside(tshark: Tshark) -> str:
    """Give the sharkd that was installed with ``tshark``, since another version's answers prove nothing of it."""
    beside = Path(tshark.path).with_name("sharkd")
    return find_program("sharkd", str(beside) if beside.exists() else None)


def parse_item(raw: dict[str, Any]) -> Item:
    """Read one node of sharkd's tree."""
    text = str(raw.get("f", ""))
    name, _, value = text.partition(" == ")
    if name.startswith("frame[") or name == "text":
        name, value = "", ""
    octets = raw.get("h")
    return Item(
        label=str(raw.get("l", "")),
        filter=text,
        name=name,
        value=value.strip('"'),
        pos=Span(int(octets[0]), int(octets[1])) if octets else None,
        source=int(raw.get("ds", 0)),
        children=[parse_item(child) for child in raw.get("n", [])],
    )
