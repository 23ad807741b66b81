-- Octets: the packet at hand, the numbers in it, and what is said when they do not suffice.
--
-- Portable from Lua 5.2 to 5.4.  Numbers are doubles before 5.3: a value of more than 53 bits is shown by Wireshark from
-- the octets, or as a UInt64 that is put together from its halves; expressions see the nearest double.

local byte, sub, find, format = string.byte, string.sub, string.find, string.format
local concat, floor = table.concat, math.floor

local S, T = "", nil                  -- the octets of the packet, as a string and as a Tvb
local pinfo, root                     -- of the packet; the tree that it is in
local here                            -- the item of the innermost layer
local depth, amiss = 0, 0
local reached = 0                     -- where the last field ended
local cut_by_snaplen = false

-- What ends the layer that is being read.  Whoever asked for the layer catches it: see guarded().
local function fail(at, text)
  error({ at = at, text = text }, 0)
end

local function took(pos)
  reached = pos
  return pos
end

local function malformed(item, text)
  amiss = amiss + 1
  if cut_by_snaplen then
    item:add_proto_expert_info(experts.limited, "Packet size limited during capture: " .. text)
  else
    item:add_proto_expert_info(experts.malformed, "Malformed: " .. text)
  end
end

local function cut(pos, n, stop)
  fail(pos, format("cut short, %.0f of %.0f octets are there", stop - pos, n))
end

-- Where n octets from pos on end.  A length that says more than there is means what is there, one below zero means all
-- but so many, as in Scapy; both are marked.
local function within(t, pos, n, stop)
  if n == nil or n ~= floor(n) then fail(pos, "a length that is no number of octets") end
  if n < 0 then
    malformed(t, format("a length of %.0f octets", n))
    return stop + n > pos and stop + n or pos
  end
  if pos + n <= stop then return pos + n end
  malformed(t, format("cut short, %.0f of %.0f octets are there", stop - pos, n))
  return stop
end

-- The same, where no length at all means all there is.
local function upto(t, pos, n, stop)
  if n == nil then return stop end
  return within(t, pos, n, stop)
end

-- Behind padding that makes what began at pos a multiple of so many octets; what is not there is not missed.
local function aligned(start, pos, multiple, stop)
  local last = pos + (start - pos) % multiple
  return last < stop and last or stop
end

-- Unsigned integers of n octets.
local function be(pos, n)
  if n == 1 then return (byte(S, pos + 1)) end
  local v = n > 6 and 0.0 or 0
  for i = pos + 1, pos + n do v = v * 256 + byte(S, i) end
  return v
end

local function le(pos, n)
  local v = n > 6 and 0.0 or 0
  for i = pos + n, pos + 1, -1 do v = v * 256 + byte(S, i) end
  return v
end

local function sbe(pos, n)
  local v = be(pos, n)
  return v < 2 ^ (8 * n - 1) and v or v - 2 ^ (8 * n)
end

local function sle(pos, n)
  local v = le(pos, n)
  return v < 2 ^ (8 * n - 1) and v or v - 2 ^ (8 * n)
end

local function fbe(pos, n) return T(pos, n):float() end
local function fle(pos, n) return T(pos, n):le_float() end

-- What the octets that a dispatch or a choice looks at hold.
local function octet(pos, at, stop)
  local i = at < 0 and stop + at or pos + at
  if i < pos or i >= stop then fail(pos, "cut short, its kind is not there") end
  return (byte(S, i + 1))
end

local function peek(pos, n, stop)
  if pos + n > stop then fail(pos, "cut short, its kind is not there") end
  return be(pos, n)
end

local function slice(pos, at, n, stop)
  local first = pos + at
  local last = first + n < stop and first + n or stop
  return sub(S, first + 1, last)
end

-- Bits: so many from bit first (0 is the highest) of some octets on.
local function piece(s, first, width)
  local at, skip = floor(first / 8), first % 8
  local n, v = floor((skip + width + 7) / 8), 0
  for i = at + 1, at + n do v = v * 256 + byte(s, i) end
  return floor(v / 2 ^ (8 * n - skip - width)) % 2 ^ width
end

local function bits(s, first, width)
  if width <= 32 then return piece(s, first, width) end
  return piece(s, first, width - 32) * 4294967296.0 + piece(s, first + width - 32, 32)
end

-- The same for an item, exactly.
local function shown(s, first, width, v)
  if width <= 32 then return v end
  return UInt64.new(piece(s, first + width - 32, 32), piece(s, first, width - 32))
end

-- Values of fields that may be absent, as Scapy has them: None in a comparison is unequal, in arithmetic it is an error.
local function need(v)
  if v == nil then fail(nil, "a value that it depends on is absent") end
  return v
end

-- The name of a layer around, None when there is none.
local function name_of(around)
  return around and around.name
end

local function truthy(v)
  return v ~= nil and v ~= false and v ~= 0 and v ~= "" and not (type(v) == "table" and v.n == 0)
end

local function count(v)
  return type(v) == "string" and #v or need(v).n or fail(nil, "a value without a length")
end

local function nonzero(v)
  if need(v) == 0 then fail(nil, "a division by zero") end
  return v
end

-- Bits of numbers up to 2^64; the library knows 32, and its results are signed.
local function bitwise(operator)
  return function(a, b)
    local low = operator(a % 4294967296, b % 4294967296) % 4294967296
    local high = operator(floor(a / 4294967296) % 4294967296, floor(b / 4294967296) % 4294967296) % 4294967296
    return high == 0 and low or high * 4294967296.0 + low
  end
end

local band, bor, bxor = bitwise(bit.band), bitwise(bit.bor), bitwise(bit.bxor)

local function either(condition, yes, no)
  if condition then return yes() end
  return no()
end

-- The element of a list, or the octet of some octets; below zero it counts from the end.
local function element(v, i)
  if type(v) == "string" then
    v = byte(v, i < 0 and #v + i + 1 or i + 1)
  else
    v = need(v)[i < 0 and v.n + i + 1 or i + 1]
  end
  return need(v)
end

local function until_nul(s)
  local at = find(s, "\0", 1, true)
  return at and sub(s, 1, at - 1) or s
end

local function printable(s)
  return #s > 0 and not find(s, "[^ -~]")
end

local function dec(v)
  return format("%.0f", v)
end

local function wide(v)
  return UInt64.new(v % 4294967296, floor(v / 4294967296))
end
