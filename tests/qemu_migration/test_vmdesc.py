# SPDX-License-Identifier: GPL-2.0-or-later
"""Sizes of devices from the JSON behind EOF."""

from __future__ import annotations

import pytest

from dissector.errors import CaptureError
from dissector.protocols.vmdesc import device_sizes, page_size


def described(*fields: str, subsections: str = "") -> bytes:
    """A description of one device."""
    more = f', "subsections": [{subsections}]' if subsections else ""
    device = f'{{"name": "dev", "instance_id": 1, "fields": [{", ".join(fields)}]{more}}}'
    return f'{{"page_size": 4096, "devices": [{device}]}}'.encode()


def test_page_size() -> None:
    """The target page size, or None."""
    assert page_size(described()) == 4096
    assert page_size(b"{}") is None


def test_sums_fields() -> None:
    """An array is its first element's size, so many times."""
    assert device_sizes(described('{"name": "a", "size": 4}', '{"name": "b", "array_len": 16, "size": 2}')) == {
        ("dev", 1): 36
    }


def test_a_name_may_repeat() -> None:
    """An array of pointers is cut where an element is missing, each piece under the same name."""
    assert device_sizes(described('{"name": "a", "size": 4}', '{"name": "a", "size": 1}')) == {("dev", 1): 5}


def test_subsections() -> None:
    """A subsection has its own head, and its own subsections."""
    inner = '{"vmsd_name": "dev/a/b", "version": 1, "fields": [{"name": "y", "size": 1}]}'
    outer = f'{{"vmsd_name": "dev/a", "version": 1, "fields": [{{"name": "x", "size": 2}}], "subsections": [{inner}]}}'

    assert device_sizes(described(subsections=outer)) == {("dev", 1): (6 + 5 + 2) + (6 + 7 + 1)}


def test_subsections_of_a_structure_are_in_its_size() -> None:
    """Only those of the device itself come on top."""
    struct = '{"vmsd_name": "s", "version": 1, "fields": [], "subsections": [{"vmsd_name": "s/t", "fields": []}]}'

    assert device_sizes(described(f'{{"name": "s", "type": "struct", "struct": {struct}, "size": 20}}')) == {
        ("dev", 1): 20
    }


def test_lists_repeat_their_keys() -> None:
    """Each element's description is in the field's own object; the last size is the field's."""
    field = (
        '{"name": "q", "type": "qtailq", "vmsd_name": "e", "fields": [{"name": "v", "size": 8}], '
        '"vmsd_name": "e", "fields": [{"name": "v", "size": 8}], "size": 19}'
    )

    assert device_sizes(described(field)) == {("dev", 1): 19}


@pytest.mark.parametrize("octets", [b"", b"{", b"[]", b"\xff"])
def test_not_a_description(octets: bytes) -> None:
    """Octets that are no JSON object are an error with a place."""
    with pytest.raises(CaptureError, match="QEMU_VM_VMDESCRIPTION: not "):
        device_sizes(octets)


def test_pointers_to_nothing_tell_no_size() -> None:
    """An array of pointers that begins with none is described like empty structures, whatever is in it."""
    field = '{"name": "css", "array_len": 256, "type": "struct", "struct": {}, "size": 1}'

    assert device_sizes(described(field)) == {}
