-- Shapes: what a header of fixed size must look like, as one regular expression over its octets.
--
-- A run of small PDUs is read by one call of PCRE, which Wireshark brings from 4.0 on, and which takes a fifteenth of
-- what the same comparisons take in Lua.  Where it is not there, or something cannot be said in a pattern, the shape is
-- false, and the loop that compares in Lua does the work.

local when_equal, when_below, when_rest, shape, run_of_shape

do
  local MOST_SHAPES = 64                 -- compiled for each rule; what a stream asks for beyond that is read in Lua
  local NEVER = "(?!)"

  local function octet(v)
    return format("\\x%02x", v)
  end

  -- Conditions on the big-endian integer of n octets at an offset, as look-aheads; false if there is no pattern.

  function when_equal(offset, n, value)
    local s = ""
    for _ = 1, n do
      s = octet(value % 256) .. s
      value = floor(value / 256)
    end
    return format("(?=.{%d}%s)", offset, value == 0 and s or NEVER)
  end

  function when_below(offset, n, limit)
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
  function when_rest(offset, n, divisor, rest)
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

  local regex_find
  local function compiled(size, conditions)
    for i = 1, #conditions do
      if not conditions[i] then return false end
    end
    local pattern = format("(?s)\\G(?:%s.{%d})*+", concat(conditions), size)
    local ok, expression = pcall(rex_pcre2.new, pattern)
    if not ok then return false end
    pcall(expression.jit_compile, expression)
    regex_find = expression.find
    return expression
  end

  -- A function that gives the expression for the present values of the registers that the conditions look at: it finds
  -- as many headers of that size as there are.
  function shape(size, conditions)
    local known, n, last_x, last_y, last = {}, 0, nil, nil, false
    return function(x, y)
      if x == last_x and y == last_y then return last end
      last_x, last_y = x, y
      local key = dec(x or 0) .. " " .. dec(y or 0)
      if known[key] == nil and n < MOST_SHAPES and rex_pcre2 then
        n, known[key] = n + 1, compiled(size, conditions(x, y))
      end
      last = known[key] or false
      return last
    end
  end

  -- Headers of such a shape, each with a payload behind it, so that there is one every *size* octets, from offset o on
  -- and up to *stop*.  Where the last eight were there, the next eight are asked for at once: one call instead of
  -- eight, and what is looked at in vain when the run ends is forgotten.  Returns the offset behind the run, and how
  -- many there were.
  local steady = 0                     -- headers in a row, here and in the segments before
  function run_of_shape(is, tvb, o, stop, header, size)
    local k, before = 0, steady
    while steady >= 8 and o + 7 * size <= stop do
      local _, last = regex_find(is, raw(tvb, o, header) .. raw(tvb, o + size, header) .. raw(tvb, o + 2 * size, header)
        .. raw(tvb, o + 3 * size, header) .. raw(tvb, o + 4 * size, header) .. raw(tvb, o + 5 * size, header)
        .. raw(tvb, o + 6 * size, header) .. raw(tvb, o + 7 * size, header))
      local found = last / header
      k, o = k + found, o + found * size
      if found < 8 then
        steady = 0
        return o, k
      end
    end
    while o <= stop do
      local _, last = regex_find(is, raw(tvb, o, header))
      if last < header then
        steady = 0
        return o, k
      end
      k, o = k + 1, o + size
    end
    steady = before + k
    return o, k
  end
end
