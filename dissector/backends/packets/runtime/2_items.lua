-- Items: each function shows one field at pos and returns where it ends, its value, and its item.

-- A tree that shows nothing, for a packet that is only tried.
local NOTHING = {}
for _, name in ipairs({ "add", "add_le", "add_packet_field", "set_text", "append_text", "set_len", "set_generated",
                        "add_proto_expert_info" }) do
  NOTHING[name] = function() return NOTHING end
end

local function add(t, field, pos, n, stop)
  if pos + n > stop then cut(pos, n, stop) end
  return took(pos + n), t:add(field, T(pos, n))
end

local function add_le(t, field, pos, n, stop)
  if pos + n > stop then cut(pos, n, stop) end
  return took(pos + n), t:add_le(field, T(pos, n))
end

-- A number: read is one of be, le, sbe, sle, fbe and fle.
local function number(t, field, pos, n, stop, read)
  if pos + n > stop then cut(pos, n, stop) end
  local range = T(pos, n)
  local little = read == le or read == sle or read == fle
  return took(pos + n), read(pos, n), little and t:add_le(field, range) or t:add(field, range), range
end

-- An address: octets of a fixed number, whose value is what they are.
local function address(t, field, pos, n, stop)
  if pos + n > stop then cut(pos, n, stop) end
  return took(pos + n), sub(S, pos + 1, pos + n), t:add(field, T(pos, n))
end

local function address_le(t, field, pos, n, stop)
  if pos + n > stop then cut(pos, n, stop) end
  return took(pos + n), sub(S, pos + 1, pos + n), t:add_le(field, T(pos, n))
end

-- An address that is written back to front.
local function backwards(t, field, pos, n, stop, kind)
  if pos + n > stop then cut(pos, n, stop) end
  local value = sub(S, pos + 1, pos + n):reverse()
  local digits = value:gsub(".", function(c) return format("%02x", byte(c)) end)
  if kind == "uuid" then
    digits = digits:gsub("^(........)(....)(....)(....)", "%1-%2-%3-%4-")
    return took(pos + n), value, t:add(field, T(pos, n), digits)
  end
  digits = digits:gsub("..", "%0:"):sub(1, -2)
  return took(pos + n), value, t:add(field, T(pos, n), Address.ether and Address.ether(digits) or digits)
end

-- A floating-point number, of four octets too in all its digits.
local function real(t, field, pos, n, stop, read)
  if pos + n > stop then cut(pos, n, stop) end
  local v = read(pos, n)
  return took(pos + n), v, t:add(field, T(pos, n), v)
end

-- A number of as many octets as an expression says.
local function sized(t, field, pos, n, stop, read)
  if n < 1 or n > 8 then fail(pos, format("a number of %g octets", n)) end
  return number(t, field, pos, n, stop, read)
end

-- What a raw number means: with so many digits behind the point, as Scapy rounds it.
local function scale(raw, factor, offset, digits)
  local v = raw * factor + offset
  return tonumber(format("%." .. digits .. "f", v)) or v
end

local function scaled(t, field, pos, n, stop, read, factor, offset, digits)
  if pos + n > stop then cut(pos, n, stop) end
  local v = scale(read(pos, n), factor, offset, digits)
  return took(pos + n), v, t:add(field, T(pos, n), v)
end

-- A point in time: so many parts of a second since an epoch.
local function moment(t, field, pos, n, stop, read, factor, offset)
  if pos + n > stop then cut(pos, n, stop) end
  local v = read(pos, n) * factor + offset
  local whole = floor(v)
  return took(pos + n), v, t:add(field, T(pos, n), NSTime.new(whole % 4294967296, floor((v - whole) * 1e9 + 0.5)))
end

-- A bit field at its place: the lowest of its bits is shift bits from the end of the n octets at pos.
local function placed(t, field, pos, n, shift, width, stop, swapped, masked, factor, offset, digits)
  if pos + n > stop then cut(pos, n, stop) end
  local s, range = sub(S, pos + 1, took(pos + n)), T(pos, n)
  if swapped then s = s:reverse() end
  local first = 8 * n - shift - width
  local v = bits(s, first, width)
  if factor then
    v = scale(v, factor, offset, digits)
    return pos, v, t:add(field, range, v), range
  elseif masked then
    return pos, v, swapped and t:add_le(field, range) or t:add(field, range), range
  end
  return pos, v, t:add(field, range, shown(s, first, width, v)), range
end

-- A bit field whose place depends on what is in front of it: bn bits behind the first of the octet at pos.
local function bit_field(t, field, pos, bn, width, stop, masked)
  local n = floor((bn + width + 7) / 8)
  if width < 0 or width > 1024 or width ~= floor(width) then fail(pos, format("a bit field of %g bits", width)) end
  if pos + n > stop then cut(pos, n, stop) end
  local last, s, range = bn + width, sub(S, pos + 1, pos + n), T(pos, n)
  local v, item = 0, NOTHING
  if width > 64 then
    v, item = s, t:add(field, range)
  elseif width > 0 then
    v = bits(s, bn, width)
    item = masked and t:add(field, range) or t:add(field, range, shown(s, bn, width, v))
  end
  return took(pos + floor(last / 8)), last % 8, v, item, range
end

-- Octets, of which nothing is shown when there are none; without n, all that is left.
local function octets(t, field, pos, n, stop)
  local last = n and within(t, pos, n, stop) or stop
  local item = last > pos and t:add(field, T(pos, last - pos)) or NOTHING
  return took(last), sub(S, pos + 1, last), item
end

local function text(t, field, pos, n, stop, encoding)
  local last = n and within(t, pos, n, stop) or stop
  local item = last > pos and t:add_packet_field(field, T(pos, last - pos), encoding) or NOTHING
  return took(last), sub(S, pos + 1, last), item
end

-- Octets whose value is in reverse order.
local function turned(t, field, pos, n, stop)
  local last, value, item = octets(t, field, pos, n, stop)
  return last, value:reverse(), item
end

-- A number in seven bits of each octet, the lowest first; the other bit (0 or 7) says that there is one more.
local function extended(t, field, pos, stop, bit, most)
  local v, at, parts = 0, pos, { 0, 0, 0 }
  repeat
    if at >= stop then cut(pos, at - pos + 1, stop) end
    local octet, i = byte(S, at + 1), at - pos
    local more = bit == 0 and octet % 2 or floor(octet / 128)
    local seven = bit == 0 and floor(octet / 2) or octet % 128
    if i < 10 then parts[floor(i / 4) + 1] = parts[floor(i / 4) + 1] + seven * 128 ^ (i % 4) end
    v, at = v + seven * 128 ^ i, at + 1
    if more == 1 and at - pos == most then fail(pos, format("a number of more than %d octets", most)) end
  until more == 0 or i > 127
  local low, middle, high = parts[1], parts[2], parts[3]
  local exact = UInt64.new(low + middle % 16 * 268435456, (floor(middle / 16) + high * 16777216) % 4294967296)
  return took(at), v, t:add(field, T(pos, at - pos), exact)
end

-- Where a value ends that is ended by some octets; in text of 16 bits a character is two octets.
local function ending(pos, stop, mark, step)
  local at = pos
  repeat
    at = find(S, mark, at + 1, true)
    if not at or at - 1 + #mark > stop then return nil end
  until (at - 1 - pos) % step == 0
  return at - 1
end

-- Octets or text up to a mark, of which so many octets belong to the value.  The item of text has the mark in it.
local function marked(t, field, pos, stop, mark, strict, encoding, step, beyond)
  local last = ending(pos, stop, mark, step)
  if not last and strict then fail(pos, "cut short, its end is not there") end
  local after = last and last + #mark or stop
  last = last and last + beyond or stop
  local value, item = sub(S, pos + 1, last), NOTHING
  if encoding == nil then
    if last > pos then item = t:add(field, T(pos, last - pos)) end
  elseif step == 2 then
    if after > pos then item = t:add_packet_field(field, T(pos, after - pos), encoding) end
  elseif after > pos then
    item = t:add(field, T(pos, after - pos), until_nul(value))
  end
  return took(after), value, item
end

-- The flags of a field: by masks over its octets, each in an octet of its own, or of its value.
local function flags(item, list, range)
  for i = 1, #list do item:add(list[i], range) end
end

local function flags_le(item, list, range)
  for i = 1, #list do item:add_le(list[i], range) end
end

local function flags_apart(item, list, range)
  for i = 1, #list do item:add(list[i][1], range:range(list[i][2], 1)) end
end

local function flags_of(item, list, range, value)
  for i = 1, #list do item:add(list[i], range, value) end
end

-- The name of a value, where it depends on other fields which table is meant.
local function named(item, value, list)
  local name = list[value]
  if name then item:append_text(" (" .. name .. ")") end
end
