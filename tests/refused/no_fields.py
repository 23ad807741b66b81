# SPDX-License-Identifier: GPL-2.0-or-later
# tests/refused/no_fields.py:9: Empty has no fields
# hint: declare fields_desc
from __future__ import annotations

from dissector.protocols.pdu import Pdu


class Empty(Pdu):
    """Nothing to read."""


TARGET = Empty
