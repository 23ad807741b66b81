-- Shapes: what a header of fixed size must look like, as one regular expression over its octets.
--
-- A run of small PDUs is read by one call of PCRE, which Wireshark brings from 4.0 on, and which takes a fifteenth of
-- what the same comparisons take in Lua.  Where it is not there, or something cannot be said in a pattern, the shape is
-- false, and the loop that compares in Lua does the work.

local MOST_SHAPES = 64                 -- compiled for each rule; what a stream asks for beyond that is read in Lua
local NEVER = "(?!)"

local function octet(v)
  return format("\\x%02x", v)
end

-- Conditions on the big-endian integer of n octets at an offset, as look-aheads; false if there is no pattern.

local function when_equal(offset, n, value)
  local s = ""
  for _ = 1, n do
    s = octet(value % 256) .. s
    value = floor(value / 256)
  end
  return format("(?=.{%d}%s)", offset, value == 0 and s or NEVER)
end

local function when_below(offset, n, limit)
  local s = NEVER                      -- from the last octet to the first: less here, or the same and less behind
  for behind = 0, n - 1 do
    local v = limit % 256
    limit = floor(limit / 256)
    s = octet(v) .. s
    if v > 0 then s = format("(?:[\\x00-%s].{%d}|%s)", octet(v - 1), behind, s) end
  end
  if limit > 0 then return "" end
  return format("(?=.{%d}%s)", offset, limit == 0 and s or NEVER)
end

-- The rest of a division by a power of two.
local function when_rest(offset, n, divisor, rest)
  local m = divisor
  while m > 1 do m = m / 2 end
  if m ~= 1 then return false end
  local s = rest < divisor and "" or NEVER
  for _ = 1, n do
    local most = divisor < 256 and divisor or 256
    local list = {}
    for v = rest % most, 255, most do list[#list + 1] = octet(v) end
    s = (most == 1 and "." or "[" .. concat(list) .. "]") .. s
    divisor, rest = divisor / most, floor(rest / most)
  end
  return rest == 0 and format("(?=.{%d}%s)", offset, s) or false
end

local function compiled(size, many, conditions)
  for i = 1, #conditions do
    if not conditions[i] then return false end
  end
  local pattern = format("(?s)\\G(?:%s.{%d})%s", concat(conditions), size, many and "*+" or "")
  local ok, expression = pcall(rex_pcre2.new, pattern)
  if not ok then return false end
  pcall(expression.jit_compile, expression)
  return expression
end

-- A function that gives the expression for the present values of the registers that the conditions look at: of one
-- header of that size, or of as many as there are.
local function shape(size, many, conditions)
  local known, n, last_x, last_y, last = {}, 0, nil, nil, false
  return function(x, y)
    if x == last_x and y == last_y then return last end
    last_x, last_y = x, y
    local key = dec(x or 0) .. " " .. dec(y or 0)
    if known[key] == nil and n < MOST_SHAPES and rex_pcre2 then
      n, known[key] = n + 1, compiled(size, many, conditions(x, y))
    end
    last = known[key] or false
    return last
  end
end
