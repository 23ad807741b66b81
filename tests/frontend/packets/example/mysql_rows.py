# SPDX-License-Identifier: GPL-2.0-or-later
"""The example of docs/scapy-layers.md: what a distribution of somebody else has, to dissect a field class."""

from __future__ import annotations

from dissector.frontend.packets import register, register_template
from dissector.frontend.packets.subject import Subject
from dissector.ir.packets import Leaf

TEXT = """\
if pos >= stop then cut(pos, 1, stop) end
local first = byte(S, pos + 1)
local n = first == 252 and 3 or first == 253 and 4 or 1
if pos + n > stop then cut(pos, n, stop) end
local size = n == 1 and (first < 251 and first or 0) or le(pos + 1, n - 1)
if pos + n + size > stop then cut(pos, n + size, stop) end
local range = T(pos, n + size)
local item = size > 0 and t:add(field, range, S:sub(pos + n + 1, pos + n + size)) or nil
return took(pos + n + size), S:sub(pos + n + 1, pos + n + size), item
"""


def row(subject: Subject) -> Leaf:
    """MySQL's text behind its length, which takes one, three or four octets."""
    return subject.leaf(kind="string", template="mysql_text")


def register_rows() -> None:
    """The entry point."""
    register_template("mysql_text", TEXT)
    register("scapy.contrib.mysql.MySQLLenEncStrField", row)
