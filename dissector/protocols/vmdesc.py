# SPDX-License-Identifier: GPL-2.0-or-later
"""The JSON behind EOF as sizes: how many octets each device wrote.

QEMU describes every FULL section that it sent: ``{"page_size": ..., "devices": [{"name", "instance_id", "fields":
[...], "subsections": [...]}, ...]}``, since 8.2 with the configuration in front.  It is the only place that tells
where a device's state ends, and it comes last; so it serves to check the footers that were found, and to read later
streams of the same machine.  START, PART and END sections are not in it.

What a device wrote is the sum over its fields, ``size`` times ``array_len``, and over its subsections, each with
``05 str8(name) version(4)`` in front.  A structure's subsections are in its field's size already.

Two things make this less simple than it looks.  Lists (``qtailq``, ``gtree``) put the description of each element
into the *same* object, so that keys repeat: objects are kept as pairs here, never as dictionaries, and the last
``size``, which QEMU writes when it closes the field, is the field's.  And ``array_len`` says that elements are alike,
not that they are equally long: for lists of strings the product is only the first one's multiple.  An array of
pointers that begins with none (``s390_css``) is described as structures without fields, whatever else is in it: of a
device that has one no size is told.

No layer is needed for that, and this file stands beside the package of the layers so that nobody imports them for it.

Source: migration/vmstate.c:vmsd_desc_field_start(), vmsd_desc_field_end(), migration/savevm.c:vmstate_save() (10.0).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ..errors import CaptureError

__all__ = ["SUBSECTION_OVERHEAD", "device_sizes", "page_size"]

SUBSECTION_OVERHEAD = 6
"""Type, length of the name and version; the name itself comes on top."""


class _Pairs(list[tuple[str, Any]]):
    """A JSON object with all its keys, in order."""

    def all(self, key: str) -> Iterator[Any]:
        return (value for name, value in self if name == key)

    def first(self, key: str, default: Any) -> Any:
        return next(self.all(key), default)

    def last(self, key: str, default: Any) -> Any:
        value = default
        for value in self.all(key):  # noqa: B007  the last one is wanted
            pass
        return value


def _parse(description: bytes) -> _Pairs:
    try:
        parsed = json.loads(description, object_pairs_hook=_Pairs)
    except ValueError as exc:
        raise CaptureError("QEMU_VM_VMDESCRIPTION", f"not JSON: {exc}") from exc
    if not isinstance(parsed, _Pairs):
        raise CaptureError("QEMU_VM_VMDESCRIPTION", "not a JSON object")
    return parsed


def page_size(description: bytes) -> int | None:
    """The target page size, if it is there."""
    size = _parse(description).first("page_size", None)
    return size if isinstance(size, int) else None


def device_sizes(description: bytes) -> dict[tuple[str, int], int]:
    """(name, instance) -> octets of the section's body, in the order of the stream; without those it does not tell."""
    devices = [d for d in _parse(description).first("devices", []) if not any(map(_of_pointers, d.all("fields")))]
    return {(str(d.first("name", "")), int(d.first("instance_id", 0))): _described(d) for d in devices}


def _of_pointers(fields: list[_Pairs]) -> bool:
    """Whether an array among *fields* begins with a pointer to nothing."""
    return any(f.first("array_len", 1) > 1 and f.first("struct", None) == [] for f in fields)


def _described(described: _Pairs) -> int:
    """Fields and subsections of a device or subsection."""
    fields = sum(
        int(field.last("size", 0)) * int(field.first("array_len", 1))
        for fields in described.all("fields")
        for field in fields
    )
    subsections = sum(
        SUBSECTION_OVERHEAD + len(str(subsection.first("vmsd_name", "")).encode()) + _described(subsection)
        for subsections in described.all("subsections")
        for subsection in subsections
    )
    return fields + subsections
