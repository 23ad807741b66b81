# SPDX-License-Identifier: GPL-2.0-or-later
# scapy.contrib.description = QEMU Live Migration: section bodies that delimit themselves
# scapy.contrib.status = skip
"""Which section bodies are read to their fields, and which state reads them.

START and FULL name the device and the version of its format.  What the reader makes of both, the *layout*, is
remembered for the id, since PART, END and a later FULL of the same id have no name, or none that would tell more.
Layout 0 is a device that only its own code can read: :class:`.section.DeviceState`.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...declare import E, F, Rule, S, both, either, iif, peek, peek_bytes
from .device_constants import (
    BLOCK_SECTION,
    DIRTY_BITMAP_SECTION,
    HTAB_SECTION,
    SKEYS_SECTION,
    SLIRP_SECTION,
    SLIRP_VERSION,
    STATTRIB_SECTION,
    VFIO_SECTION,
    VFIO_SUFFIX,
)
from .findings import error


@dataclass(frozen=True)
class Body:
    """A device: which sections are its, the versions that have this layout, the state that reads it."""

    mine: E
    state: str
    oldest: int
    newest: int


IDSTR_AT = 6
"""Octets of START and FULL in front of the name."""

IS_VFIO = either(
    F.idstr == VFIO_SECTION,
    both(
        F.idstr_length > len(VFIO_SUFFIX),
        peek_bytes(peek(IDSTR_AT - 1, 1) + (IDSTR_AT - len(VFIO_SUFFIX)), len(VFIO_SUFFIX)) == VFIO_SUFFIX,
    ),
)

DEVICES = (
    Body(F.idstr == DIRTY_BITMAP_SECTION, "dirty_bitmap", 1, 1),
    Body(F.idstr == BLOCK_SECTION, "block", 0, 1),
    Body(F.idstr == SKEYS_SECTION, "skeys", 0, 1),
    Body(F.idstr == STATTRIB_SECTION, "stattrib", 0, 0),
    Body(F.idstr == HTAB_SECTION, "htab", 1, 1),
    Body(IS_VFIO, "vfio", 0, 1),
)
"""Devices whose format QEMU has never changed."""

BODIES = (*DEVICES, Body(F.idstr == SLIRP_SECTION, "slirp", SLIRP_VERSION, SLIRP_VERSION))


def _layout() -> E:
    """The layout of the section at hand."""
    out: E | int = 0
    for number, body in reversed(tuple(enumerate(BODIES, 1))):
        fits = both(body.mine, F.version_id >= body.oldest, F.version_id <= body.newest)
        out = iif(fits, number, out)
    assert isinstance(out, E)
    return out


LAYOUT = _layout()


def _newest() -> E:
    """The newest version of the device at hand; for one that is not known, more than any has."""
    out: E | int = 1 << 32
    for body in reversed(DEVICES):
        out = iif(body.mine, body.newest, out)
    assert isinstance(out, E)
    return out


TOO_NEW = error(
    "section_version",
    "savevm: unsupported version %d for '%s' v%d",
    F.version_id,
    F.idstr,
    _newest(),
    when=F.version_id > _newest(),
)
TOO_OLD = error(
    "section_version_old",
    "error while loading state for instance 0x%x of device '%s': version %d",
    F.instance_id,
    F.idstr,
    F.version_id,
    when=both(F.idstr.isin(DIRTY_BITMAP_SECTION, HTAB_SECTION), F.version_id == 0),
)

BODY_RULES = tuple(Rule(when=S.layout == number, goto=body.state) for number, body in enumerate(BODIES, 1))
"""What the state between a section's head and its body does with these."""
