# SPDX-License-Identifier: GPL-2.0-or-later
"""Packets as Wireshark plugins: the Lua of a :class:`dissector.ir.packets.Suite`, and the runtime that it stands on."""

from .emit import generate

__all__ = ["generate"]
