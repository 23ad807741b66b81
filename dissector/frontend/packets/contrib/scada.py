# SPDX-License-Identifier: GPL-2.0-or-later
"""IEC 60870-5-104: little-endian integers of three octets."""

from __future__ import annotations

from ..numbers import sized
from ..registry import register

register("scapy.contrib.scada.iec104.iec104_fields.LEThreeBytesField", sized(3, little=True))
