# SPDX-License-Identifier: GPL-2.0-or-later
"""What a TARGET on the command line means: ``module``, ``module:NAME``, or nothing for QEMU's migration protocol.

A target is somebody's code and is imported, so anything may happen; whatever does becomes one message.  The current
folder counts as a place for modules, but as the last one: a file there never takes the place of an installed module.
"""

from __future__ import annotations

import difflib
import importlib
import logging
import pkgutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dissector.declare import Protocol
from dissector.errors import DissectorError

if TYPE_CHECKING:
    import argparse

DEFAULT = "dissector.protocols.qemu_migration:PROTOCOL"


def add_target(parser: argparse.ArgumentParser, text: str) -> None:
    """Declare the argument TARGET."""
    parser.add_argument("target", nargs="?", default=DEFAULT, metavar="TARGET", help=text)


def load(target: str) -> Any:
    """Import what *target* names: a module, or something in it."""
    name, _, attribute = target.partition(":")
    module = import_module(target, name)
    if not attribute:
        return module
    if not hasattr(module, attribute):
        near = difflib.get_close_matches(attribute, dir(module), 1)
        hint = f"did you mean {near[0]!r}?" if near else ""
        raise DissectorError(target, f"module {name!r} has no {attribute!r}", hint)
    return getattr(module, attribute)


def load_protocol(target: str = DEFAULT) -> Protocol:
    """Import a declared protocol, and refuse everything else."""
    found = load(target)
    if isinstance(found, Protocol):
        return found
    if isinstance(found, type):
        raise DissectorError(
            target,
            "a class is no protocol",
            "name a dissector.declare.Protocol as module:NAME, or a Scapy layer",
        )
    raise DissectorError(
        target, f"a {type(found).__name__} is no protocol", "name a dissector.declare.Protocol as module:NAME"
    )


def import_module(target: str, name: str) -> Any:
    """Import the module *name*."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    # Some of Scapy's layers warn, while they are imported, of what this machine lacks to send them.
    logging.getLogger("scapy").setLevel(logging.ERROR)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise DissectorError(target, f"no module {name!r}", _near_module(name)) from error
        raise DissectorError(target, f"importing {name!r} failed: {error}") from error
    except Exception as error:
        # The module's own code has run, and may have failed in any way.
        raise DissectorError(target, f"importing {name!r} failed: {type(error).__name__}: {error}") from error


def _near_module(name: str) -> str:
    """What the module is called, if only its last part is wrong."""
    parent, _, last = name.rpartition(".")
    try:
        package = importlib.import_module(parent)
    except Exception:  # noqa: BLE001 - there is no better hint then
        return "module:NAME, as Python imports it"
    known = [info.name for info in pkgutil.iter_modules(getattr(package, "__path__", ()))]
    near = difflib.get_close_matches(last, known, 1)
    return f"did you mean {parent}.{near[0]}?" if near else "module:NAME, as Python imports it"
