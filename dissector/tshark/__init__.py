# SPDX-License-Identifier: GPL-2.0-or-later
"""Wireshark's own programs, run so that their answers can be relied upon: tshark, sharkd, and pyshark on top."""

from dissector.tshark.find import find_program, find_tshark
from dissector.tshark.front import pyshark_capture
from dissector.tshark.run import Options, Tshark
from dissector.tshark.sandbox import Sandbox
from dissector.tshark.sharkd import Item, Sharkd
from dissector.tshark.tree import Frame, Node, Span, frames

__all__ = [
    "Frame",
    "Item",
    "Node",
    "Options",
    "Sandbox",
    "Sharkd",
    "Span",
    "Tshark",
    "find_program",
    "find_tshark",
    "frames",
    "pyshark_capture",
]
