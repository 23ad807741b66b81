# SPDX-License-Identifier: GPL-2.0-or-later
"""Display-filter names: letters, digits, ``_``, unique in their place, and the same in every run."""

from __future__ import annotations

import re
from collections.abc import Iterable


def snake(name: str) -> str:
    """``BGPPathAttr`` -> ``bgp_path_attr``."""
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return word(name)


def word(name: str) -> str:
    """*name* as a part of a display-filter name."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_") or "x"


def label(name: str) -> str:
    """*name* as it is shown: ``msg_type`` is ``Msg type``, and what has capitals of its own keeps them."""
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:] if text else name


def unique(name: str, taken: Iterable[str]) -> str:
    """*name*, with a number behind it when it is taken."""
    known = set(taken)
    number, out = 2, name
    while out in known:
        out, number = f"{name}_{number}", number + 1
    return out
