# SPDX-License-Identifier: GPL-2.0-or-later
"""Whole numbers in as many octets as their value needs, each protocol in its own way: rows with templates.

A template is Lua that reads one item: ``pos`` is where it begins and ``stop`` where the layer's octets end (both
from 0), ``S`` is all octets as a string, ``T(pos, n)`` a range of the buffer, ``be`` and ``le`` read a number, ``cut``
says that octets are missing, and ``took`` that the item ends there.
"""

from __future__ import annotations

from ....ir.packets import Item
from ..registry import Row, register, register_template
from ..subject import Subject

MQTTSN = """\
if pos >= stop then cut(pos, 1, stop) end
local first = byte(S, pos + 1)
local n = first == 1 and 3 or 1
if pos + n > stop then cut(pos, n, stop) end
local v = n == 1 and first or be(pos + 1, 2)
return took(pos + n), v, t:add(field, T(pos, n), UInt64.new(v))
"""

SDNV = """\
local v, at = 0, pos
repeat
  if at >= stop or v > 33554431 then cut(pos, at - pos + 1, stop) end
  local octet = byte(S, at + 1)
  v, at = v * 128 + octet % 128, at + 1
until octet < 128
return took(at), v, t:add(field, T(pos, at - pos), UInt64.new(v))
"""

MYSQL = """\
if pos >= stop then cut(pos, 1, stop) end
local first = byte(S, pos + 1)
local n = first == 252 and 3 or first == 253 and 4 or first == 254 and 9 or 1
if pos + n > stop then cut(pos, n, stop) end
local low = n == 1 and (first < 251 and first or 0) or le(pos + 1, n == 9 and 4 or n - 1)
local high = n == 9 and le(pos + 5, 4) or 0
return took(pos + n), low + high * 4294967296, t:add(field, T(pos, n), UInt64.new(low, high))
"""


def templated(name: str) -> Row:
    """A number that a template reads."""

    def row(subject: Subject) -> Item:
        return subject.leaf(kind="uint", size=None, template=name)

    return row


register_template("mqttsn_length", MQTTSN)
register_template("sdnv", SDNV)
register_template("mysql_length", MYSQL)
register("scapy.contrib.mqttsn.VariableFieldLenField", templated("mqttsn_length"))
register("scapy.contrib.sdnv.SDNV2", templated("sdnv"))
register("scapy.contrib.mysql.MySQLLenEncIntField", templated("mysql_length"))
