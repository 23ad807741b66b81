# SPDX-License-Identifier: GPL-2.0-or-later
"""Every layer against octets that were written down by hand: dissected, built, and built again."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest

from dissector.declare import registers
from dissector.frontend.layers import translate_layer
from dissector.protocols import qemu_migration as qm
from tests.qemu_migration.vectors import Vector, vectors

ALL = vectors()


def plain(found: Any) -> Any:
    """A field's value without Scapy's or Python's dress."""
    if isinstance(found, UUID | str):
        return str(found).encode()
    return found if isinstance(found, bytes) else int(found)


def layer(vector: Vector) -> Any:
    return getattr(qm, vector.layer)


def arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Scapy takes identifiers and addresses as text."""
    return {
        name: v.decode() if name.endswith(("uuid", "addr")) and isinstance(v, bytes) else v for name, v in given.items()
    }


def test_every_layer_has_a_vector() -> None:
    """A message that no capture contains is tested like any other."""
    pdus = {
        rule.pdu
        for c in qm.PROTOCOL.channels
        for s in (c.forward, c.reverse)
        if s
        for st in s.states
        for rule in st.rules
    }

    assert {cls.__name__ for cls in pdus if cls} <= {v.layer for v in ALL}


@pytest.mark.parametrize("vector", ALL, ids=str)
class TestVector:
    def test_dissects(self, vector: Vector) -> None:
        """The layer takes exactly the octets and finds every field."""
        with registers(vector.registers):
            pdu = layer(vector)(vector.octets + b"\xff\xfe")

        assert {name: plain(v) for name, v in pdu.fields.items()} == vector.fields | {
            name: octets + b"\xff\xfe" for name, octets in vector.fields.items() if layer(vector).scan
        }
        if not layer(vector).scan:
            assert bytes(pdu.payload) == b"\xff\xfe"

    def test_builds(self, vector: Vector) -> None:
        """Lengths and counts that were left out are computed."""
        with registers(vector.registers):
            assert bytes(layer(vector)(**arguments(vector.given))) == vector.octets

    def test_builds_what_was_given(self, vector: Vector) -> None:
        """Every field that was given is kept, whatever would have been computed."""
        with registers(vector.registers):
            assert bytes(layer(vector)(**arguments(vector.fields))) == vector.octets

    def test_names_every_field(self, vector: Vector) -> None:
        """The generator sees the fields that Scapy sees, and every layer has its words for the documentation."""
        pdu = translate_layer(layer(vector))
        present = {f.name for f in pdu.fields if f.present is None}

        assert pdu.scan or present <= set(vector.fields)
        assert pdu.label != pdu.name
        assert re.search(r"\w\.[ch]\b", pdu.doc), "where in QEMU was it read?"
