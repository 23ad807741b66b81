# SPDX-License-Identifier: GPL-2.0-or-later
"""The house's floors: imports only go down, and rooms keep a size to feel at home in."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "dissector"
FLOORS = {
    "errors": 0,
    "ir": 1,
    "declare": 2,
    "protocols": 3,
    "frontend": 4,
    "backends": 5,
    "decode": 5,
    "capture": 6,
    "tshark": 6,
    "record": 7,
    "doctor": 7,
    "reading": 7,
    "summary": 7,
    "proof": 7,
    "regression": 8,
    "cli": 8,
    "__main__": 9,
    "__init__": 9,
    "pytest_plugin": 9,
}
ONLY = {
    "ir": {"ir", "errors"},
    "backends": {"ir", "errors", "backends"},
    "decode": {"ir", "errors", "decode"},
    "capture": {"errors", "capture"},
    "tshark": {"errors", "tshark"},
    "record": {"errors", "capture", "record"},
}
"""Floors that look at less than all below them: no Scapy for the executors, no protocol for the capture reader."""

SCAPY = {"protocols", "frontend", "proof", "cli"}
MAX_LINES = 400


def modules() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """(absolute module, line) of every import, those inside functions included."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((a.name, node.lineno) for a in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = list(package[: len(package) - node.level + 1]) if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield stem, node.lineno
            if stem == "dissector":
                yield from ((f"dissector.{a.name}", node.lineno) for a in node.names)


@pytest.mark.parametrize("path", modules(), ids=lambda p: p.relative_to(PACKAGE).as_posix())
class TestEveryModule:
    def test_imports_only_go_down(self, path: Path) -> None:
        """A module imports its own room and those below, and an executor nothing but the IR."""
        here = room(path)
        for name, line in imports(path):
            parts = name.split(".")
            if parts[0] != "dissector" or len(parts) < 2 or parts[1] == here:
                continue
            where = f"{path.relative_to(ROOT)}:{line}"
            assert FLOORS[parts[1]] < FLOORS[here], f"{where}: {here} may not import {parts[1]}"
            assert here not in ONLY or parts[1] in ONLY[here], f"{where}: {here} may not import {parts[1]}"

    def test_scapy_stays_upstairs(self, path: Path) -> None:
        """Only the layers and the frontend look at Scapy."""
        used = [n for n, _ in imports(path) if n.split(".")[0] == "scapy"]

        assert not used or room(path) in SCAPY

    def test_rooms_are_of_a_size(self, path: Path) -> None:
        """A file that outgrows this wants a wall."""
        assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_generated_code_needs_no_qemu_knowledge() -> None:
    """Neither the generator nor the hand-written Lua says a word of any protocol."""
    words = ("qemu", "qmig", "QEVM", "pc.ram", "MIG_CMD", "live migration")
    for folder in ("ir", "backends", "decode", "capture"):
        for path in sorted((PACKAGE / folder).rglob("*")):
            if path.suffix in (".py", ".lua"):
                text = path.read_text(encoding="utf-8").lower()
                found = [w for w in words if w.lower() in text]
                assert not found, f"{path.relative_to(ROOT)} mentions {found}"
