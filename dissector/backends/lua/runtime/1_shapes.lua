-- Shapes: what a header of fixed size must look like, as one regular expression over its octets.
--
-- A run of small PDUs is read by one call of PCRE, which Wireshark brings from 4.0 on, and which takes a fifteenth of
-- what the same comparisons take in Lua.  Where it is not there, or something cannot be said in a pattern, the shape is
-- false, and the loop that compares in Lua does the work.

local when_equal, when_below, when_rest, pattern_of, shape, run_of_shape

do
  local MOST_SHAPES = 64                 -- compiled for each rule; what a stream asks for beyond that is read in Lua
  local NEVER = "(?!)"

  local texts = setmetatable({}, { __mode = "k" })     -- of sets: single ranges, which most are, and what was asked for
  local spread_sets = {}                 -- those with the same distance from one to the next, which come again

  local function octet(v)
    return format("\\x%02x", v)
  end

  local function span(first, last)
    return first == last and octet(first) or octet(first) .. "-" .. octet(last)
  end

  local function set_of(first, last)
    local set = {}
    for v = first, last do set[v] = true end
    if first <= last then texts[set] = span(first, last) end
    return set
  end

  -- All octets that leave this rest.
  local function octets_with(rest, divisor)
    local k = divisor * 256 + rest
    local set = spread_sets[k] or {}
    if not spread_sets[k] then
      for v = rest, 255, divisor do set[v] = true end
      spread_sets[k] = set
    end
    return set
  end

  local ANY = set_of(0, 255)

  -- Conditions on the big-endian integer of n octets at an offset: a set of octets for each of them, or a look-ahead
  -- where they depend on each other; false if there is no pattern.

  function when_equal(offset, n, value)
    local sets = { at = offset, n = n }
    for i = n, 1, -1 do
      sets[i] = set_of(value % 256, value % 256)
      value = floor(value / 256)
    end
    return value == 0 and sets or NEVER
  end

  function when_below(offset, n, limit)
    if limit <= 0 then return NEVER end
    local ahead, zeros = NEVER, 0        -- from the last octet to the first: less here, or the same and less behind
    for behind = 0, n - 1 do
      local v = limit % 256
      limit = floor(limit / 256)
      if limit == 0 and v > 0 and zeros == behind then
        local sets = { at = offset, n = n }
        for i = 1, n do sets[i] = i < n - behind and set_of(0, 0) or i > n - behind and ANY or set_of(0, v - 1) end
        return sets
      end
      if v == 0 and zeros == behind then zeros = zeros + 1 end
      ahead = octet(v) .. ahead
      if v > 0 then ahead = format("(?:[\\x00-%s].{%d}|%s)", octet(v - 1), behind, ahead) end
    end
    return limit > 0 and { at = offset, n = 0 } or format("(?=.{%d}%s)", offset, ahead)
  end

  -- The rest of a division by a power of two.
  function when_rest(offset, n, divisor, rest)
    local m = divisor
    while m > 1 do m = m / 2 end
    if m ~= 1 then return false end
    if rest >= divisor then return NEVER end
    local sets = { at = offset, n = n }
    for i = n, 1, -1 do
      local most = divisor < 256 and divisor or 256
      sets[i] = most > 1 and octets_with(rest % most, most) or ANY
      divisor, rest = divisor / most, floor(rest / most)
    end
    return rest == 0 and sets or false
  end

  local function both(a, b)
    local set = {}
    for v in pairs(a) do set[v] = b[v] end
    return set
  end

  local function class(set)
    if texts[set] then return "[" .. texts[set] .. "]" end
    local ranges, v = {}, 0
    while v < 256 do
      local first = v
      while set[v] do v = v + 1 end
      if v > first then ranges[#ranges + 1] = span(first, v - 1) end
      v = v + 1
    end
    if #ranges == 0 then return NEVER end
    texts[set] = concat(ranges)
    return "[" .. texts[set] .. "]"
  end

  -- The pattern of a header of that size; false if one of the conditions has none.
  function pattern_of(size, conditions)
    local ahead, sets, out = "", {}, {}
    for i = 1, #conditions do
      local c = conditions[i]
      if not c then return false end
      if type(c) == "string" then
        ahead = ahead .. c
      else
        for k = 1, c.n do
          local before = sets[c.at + k]
          if c[k] ~= ANY then sets[c.at + k] = before and both(c[k], before) or c[k] end
        end
      end
    end
    for i = 1, size do out[i] = sets[i] and class(sets[i]) or "." end
    return ahead .. concat(out)
  end

  local regex_find
  local function compiled(size, conditions)
    local pattern = pattern_of(size, conditions)
    if not pattern then return false end
    local ok, expression = pcall(rex_pcre2.new, format("(?s)\\G(?:%s)*+", pattern))
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

  local steady = 0                     -- headers in a row, here and in the segments before

  -- Those that are left of a steady run in this segment: fewer than eight.
  local function rest_of_run(is, tvb, o, stop, header, size, k)
    local heads, n = "", 0
    for at = o, stop, size do heads, n = heads .. raw(tvb, at, header), n + 1 end
    local _, last = regex_find(is, heads)
    local found = last / header
    if found < n then steady = 0 end
    return o + found * size, k + found
  end

  -- Headers of such a shape, each with a payload behind it, so that there is one every *size* octets, from offset o on
  -- and up to *stop*.  Where the last eight were there, the next eight are asked for at once, or those that are left in
  -- the segment: one call instead of eight, and what is looked at in vain when the run ends is forgotten.  Returns the
  -- offset behind the run, and how many there were.
  function run_of_shape(is, tvb, o, stop, header, size)
    local k, raw = 0, raw
    local last_of_eight = steady >= 8 and stop - 7 * size or -1
    while o <= last_of_eight do
      local b = o + size
      local c = b + size
      local d = c + size
      local e = d + size
      local f = e + size
      local g = f + size
      local h = g + size
      local _, last = regex_find(is, raw(tvb, o, header) .. raw(tvb, b, header) .. raw(tvb, c, header)
        .. raw(tvb, d, header) .. raw(tvb, e, header) .. raw(tvb, f, header) .. raw(tvb, g, header)
        .. raw(tvb, h, header))
      if last < 8 * header then
        steady = 0
        return o + last / header * size, k + last / header
      end
      k, o = k + 8, h + size
      if o > stop then return o, k end   -- as steady as before
    end
    if steady >= 8 and o + size <= stop then return rest_of_run(is, tvb, o, stop, header, size, k) end
    while o <= stop do
      local _, last = regex_find(is, raw(tvb, o, header))
      if last < header then
        steady = 0
        return o, k
      end
      k, o = k + 1, o + size
    end
    steady = steady + k
    return o, k
  end
end
