# SPDX-License-Identifier: GPL-2.0-or-later
"""What an output target is, and the list of those that there are.

A target is a class with the suffix of the file it makes, and ``generate(protocol) -> str``.  One line in
``BACKENDS`` makes it known; one outside the tree is named ``module:Class``.
"""

from __future__ import annotations

import importlib
import os
import tempfile
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from ..errors import DissectorError
from ..ir.model import Protocol

KEPT = ("lua", "markdown")
"""What a checkout keeps, and so is generated when nobody says what."""

BACKENDS = {
    "lua": "dissector.backends.lua.emit:LuaBackend",
    "markdown": "dissector.backends.markdown.emit:MarkdownBackend",
    "ir": "dissector.backends.ir.text:IrBackend",
}


class Backend(ABC):
    """One output target."""

    suffix: str = ""
    folder: ClassVar[str] = "lua_out"
    """Where a checkout keeps the file."""

    def filename(self, protocol: Protocol) -> str:
        """What the file is called."""
        return protocol.name + self.suffix

    @abstractmethod
    def generate(self, protocol: Protocol) -> str:
        """The whole text of the generated file; the same for the same protocol, octet by octet."""


def create(name: str) -> Backend:
    """The target called *name*, or the class named ``module:Class``."""
    target = BACKENDS.get(name, name)
    module, colon, cls = target.partition(":")
    if not colon:
        raise DissectorError(f"backend {name!r}", "not known", f"known: {', '.join(BACKENDS)}, or module:Class")
    try:
        found = getattr(importlib.import_module(module), cls)
    except ImportError as exc:
        raise DissectorError(f"backend {name!r}", f"module {module!r} cannot be imported: {exc}") from exc
    except AttributeError:
        raise DissectorError(f"backend {name!r}", f"module {module!r} has no class {cls!r}") from None
    if not (isinstance(found, type) and issubclass(found, Backend)):
        raise DissectorError(
            f"backend {name!r}", f"{cls!r} is not a Backend", "subclass dissector.backends.base.Backend"
        )
    return found()


def write(path: Path, text: str) -> bool:
    """Write *text* if the file does not hold it already; never half.  True when the file was changed."""
    try:
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(fd, "w", encoding="utf-8", newline="\n") as out:
                out.write(text)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as exc:
        raise DissectorError(str(path), f"cannot be written: {exc.strerror or exc}") from exc
    return True
