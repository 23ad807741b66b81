# SPDX-License-Identifier: GPL-2.0-or-later
"""Wrong layers and streams, each in a file of its own whose first comment is the exact message it is refused with.

``--update-golden`` rewrites the comments; read the difference like code.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

from dissector.backends.base import create
from dissector.declare import Protocol
from dissector.errors import Refused
from dissector.frontend.layers import translate_layer
from dissector.frontend.streams import translate_protocol
from dissector.ir.verify import verify

FOLDER = Path(__file__).parent / "refused"
FILES = sorted(FOLDER.glob("*.py"))
LICENCE = "# SPDX-License-Identifier: GPL-2.0-or-later"


def load(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(f"refused_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where inspect looks for the file of a class
    spec.loader.exec_module(module)
    return module


def refusal(path: Path) -> str:
    """What the generator says of a file's TARGET, or nothing."""
    target = load(path).TARGET
    try:
        if not isinstance(target, Protocol):
            translate_layer(target)
            return ""
        model = translate_protocol(target)
        problems = verify(model)
        if problems:
            return "\n".join(map(str, problems))
        create("lua").generate(model)
    except Refused as refused:
        return str(refused)
    return ""


def expected(path: Path) -> str:
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").removeprefix(" "))
    return "\n".join(lines)


def rewrite(path: Path, message: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    rest = next(i for i, line in enumerate(lines) if i and not line.startswith("#"))
    comment = [f"# {line}" for line in message.splitlines()]
    path.write_text("\n".join([LICENCE, *comment, *lines[rest:]]) + "\n", encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_refused_with_its_message(path: Path, pytestconfig: pytest.Config) -> None:
    """A wrong declaration is refused, and the message says where, what, and what would be right."""
    if pytestconfig.getoption("--update-golden"):
        # The comment's length moves the lines that a message names, so a new file takes two runs to settle.
        rewrite(path, refusal(path))
        return

    message = refusal(path)

    assert message
    assert expected(path) == message


def test_there_are_enough() -> None:
    """At least a dozen kinds of mistakes are kept here."""
    assert len(FILES) >= 12
