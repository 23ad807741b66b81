-- Basics: reading integers, printing numbers, the pieces of Lua used everywhere.
--
-- Portable from Lua 5.1 to 5.4.  Numbers are doubles before 5.3; 64-bit values are put together as such and are exact
-- up to 2^53, which is why nothing here ever splits one again: fields with 64 significant bits are shown from the tvb.

local byte, sub, find, format = string.byte, string.sub, string.find, string.format
local concat, floor, pcall = table.concat, math.floor, pcall
local raw, captured, reported = Tvb.raw, Tvb.len, Tvb.reported_len

local function u16(s, q)
  local a, b = byte(s, q, q + 1)
  return a * 256 + b
end

local function u24(s, q)
  local a, b, c = byte(s, q, q + 2)
  return (a * 256 + b) * 256 + c
end

local function u32(s, q)
  local a, b, c, d = byte(s, q, q + 3)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

local function u64(s, q)
  return u32(s, q) * 4294967296.0 + u32(s, q + 4)
end

-- Numbers in texts: "%d" refuses floats beyond 2^63 in 5.4 and prints rubbish before, so it is used on small ones only,
-- where it is the cheaper one.
local function dec(v)
  return format(v < 9007199254740992 and "%d" or "%.0f", v)
end

local function hex(v, width, high)
  high = high or floor(v / 4294967296)
  local s = high == 0 and format("%x", v) or format("%x%08x", high, v % 4294967296)
  return #s < width and ("0"):rep(width - #s) .. s or s
end

-- Octets of the stream in a text: printable, and no longer than a reader wants.
local function text(s)
  s = sub(s, 1, 256)
  if find(s, "[^ -~]") then s = s:gsub("[^ -~]", function(c) return format("\\x%02x", byte(c)) end) end
  return s
end

local function printable(s)
  return #s > 0 and not find(s, "[^ -~]")
end

local function until_nul(s)
  local at = find(s, "\0", 1, true)
  return at and sub(s, 1, at - 1) or s
end

-- A number as Wireshark's 64-bit fields want it.
local function wide(v)
  return UInt64.new(v % 4294967296, floor(v / 4294967296))
end
