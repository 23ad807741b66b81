-- Checks: lengths and checksums against what they should be, once a layer and its payload have been read.

-- Remembers where a value is that will be checked.
local function checked(F, name, item, pos, last)
  F.places = F.places or {}
  F.places[name] = { item = item, pos = pos, last = last }
end

local function verdict(F, name, value, want, field, style, expert, what)
  local place = F.places and F.places[name]
  if not place or value == nil then return end
  if cut_by_snaplen then
    place.item:add(field, 2):set_generated()
  elseif value == want then
    place.item:add(field, 1):set_generated()
  else
    amiss = amiss + 1
    local should = want < 4294967296 and format(style, want) or dec(want)
    place.item:add(field, 0):set_generated()
    place.item:append_text(" [should be " .. should .. "]")
    place.item:add_proto_expert_info(expert, what .. ", should be " .. should)
  end
end

local function check(F, name, value, want, field, style)
  if type(want) == "boolean" then want = want and 1 or 0 end
  if want ~= nil then verdict(F, name, value, want, field, style, experts.length, "Bad value") end
end

-- RFC 1071, as it is written into a big-endian field.
local function internet(s)
  local sum = 0
  for i = 1, #s - 1, 2 do
    local a, b = byte(s, i, i + 1)
    sum = sum + a * 256 + b
  end
  if #s % 2 == 1 then sum = sum + byte(s, #s) * 256 end
  while sum > 65535 do sum = sum % 65536 + floor(sum / 65536) end
  return 65535 - sum
end

-- That of Ethernet and zip.
local crc_table
local function crc32(s)
  local bxor = bit.bxor
  if not crc_table then
    crc_table = {}
    for i = 0, 255 do
      local c = i
      for _ = 1, 8 do
        c = c % 2 == 1 and bxor(floor(c / 2), 0xedb88320) % 4294967296 or floor(c / 2)
      end
      crc_table[i] = c
    end
  end
  local c = 4294967295
  for i = 1, #s do
    c = bxor(crc_table[bxor(c % 256, byte(s, i))], floor(c / 256)) % 4294967296
  end
  return 4294967295 - c
end

-- The octets of spans, counted from the first of the layer, with zeros where the checksum itself stands.
local function covered(F, place, spans)
  local parts = {}
  for _, span in ipairs(spans) do
    local first, last = F.start + span[1], F.start + span[2]
    if first < F.start or last > F.stop or last < first then return nil end
    if place.pos >= first and place.last <= last then
      parts[#parts + 1] = sub(S, first + 1, place.pos) .. ("\0"):rep(place.last - place.pos)
      first = place.last
    end
    parts[#parts + 1] = sub(S, first + 1, last)
  end
  return concat(parts)
end

local function check_sum(F, name, value, method, spans, field, style)
  local place = F.places and F.places[name]
  local s = place and covered(F, place, spans)
  if s then verdict(F, name, value, method(s), field, style, experts.checksum, "Bad checksum") end
end

-- ------------------------------------------------------------------------------------------------- values in texts

local function address_text(s)
  if type(s) ~= "string" then return "?" end
  if #s == 4 then return format("%d.%d.%d.%d", byte(s, 1, 4)) end
  if #s == 6 then return format("%02x:%02x:%02x:%02x:%02x:%02x", byte(s, 1, 6)) end
  local words = {}
  for i = 1, #s - 1, 2 do words[#words + 1] = format("%x", byte(s, i) * 256 + byte(s, i + 1)) end
  return concat(words, ":")
end

local function shown_text(v, names)
  if v == nil then return "None" end
  if type(v) == "number" then return names and names[v] or v == floor(v) and dec(v) or format("%g", v) end
  if type(v) == "string" then
    return (sub(v, 1, 64):gsub("[^ -~]", function(c) return format("\\x%02x", byte(c)) end))
  end
  return type(v) == "table" and v.n and format("%d", v.n) or tostring(v)
end

local function hex_text(v)
  if type(v) ~= "number" then return shown_text(v) end
  return v < 4294967296 and format("0x%x", v) or format("0x%x%08x", floor(v / 4294967296), v % 4294967296)
end

-- The names of the bits that are set.
local function flag_text(v, names)
  if type(v) ~= "number" then return shown_text(v) end
  local set = {}
  for _, pair in ipairs(names) do
    if floor(v / pair[1]) % 2 == 1 then set[#set + 1] = pair[2] end
  end
  return concat(set, "+")
end

-- A printf conversion of a number; text in its place stays text.
local function number_text(style, v)
  if type(v) == "boolean" then v = v and 1 or 0 end
  if type(v) ~= "number" then return shown_text(v) end
  if v ~= floor(v) then return format("%g", v) end
  if v >= 0 and v < 4294967296 then return format(style, floor(v)) end
  return dec(v)
end
