# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: limits of a sender
# scapy.contrib.status = skip
"""Whether what is built must be what QEMU would send.

A sender that follows the protocol refuses some things: a package of more than 16 MiB, a PART without its START.  A
tester wants exactly those.  Inside ``with unchecked():`` nothing is refused; everywhere else it is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

__all__ = ["limits", "unchecked"]

_checked: ContextVar[bool] = ContextVar("_checked", default=True)


def limits() -> bool:
    """Whether limits hold."""
    return _checked.get()


@contextlib.contextmanager
def unchecked() -> Iterator[None]:
    """Within this context everything is built as it was asked for."""
    token = _checked.set(False)
    try:
        yield
    finally:
        _checked.reset(token)
