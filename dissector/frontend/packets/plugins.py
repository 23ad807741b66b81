# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows and templates of others: the entry points ``dissector.frontend`` of installed distributions.

Somebody with a field class of their own has no need of this repository.  Their distribution says::

    [project.entry-points."dissector.frontend"]
    mybus = "mybus.dissector:register"

and ``register()``, which takes nothing, calls :func:`dissector.frontend.packets.register` and
:func:`~dissector.frontend.packets.register_template`.  All of them are called once, before the first suite is made.
docs/scapy-layers.md has an example that works.
"""

from __future__ import annotations

import functools
import importlib.metadata

from ...errors import DissectorError

GROUP = "dissector.frontend"


@functools.cache
def load_plugins() -> tuple[str, ...]:
    """Call every entry point of the group; their names.  DissectorError names one that fails."""
    found = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda e: (e.name, e.value))
    for point in dict.fromkeys(found):
        where = f"entry point {point.name} = {point.value!r}" + (f" of {point.dist.name}" if point.dist else "")
        try:
            register = point.load()
        except Exception as error:  # somebody's code, which fails as it likes
            raise DissectorError(where, f"cannot be loaded: {type(error).__name__}: {error}") from error
        if not callable(register):
            raise DissectorError(where, "is no function", "name a function without arguments that registers rows")
        try:
            register()
        except DissectorError:
            raise
        except Exception as error:  # the same
            raise DissectorError(where, f"failed: {type(error).__name__}: {error}") from error
    return tuple(dict.fromkeys(p.name for p in found))
