-- SPDX-License-Identifier: GPL-2.0-or-later
-- The floor for anything in Lua: it is called for each segment and returns at once.
local noop = Proto("noop", "Does nothing")
function noop.dissector(tvb, pinfo, tree) end
DissectorTable.get("tcp.port"):add(4444, noop)
