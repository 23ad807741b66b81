-- Where packets begin: the protocols' dissectors, in which every packet starts anew.

local framing, information, protocols, listening, sides = {}, {}, {}, {}, {}
local LONGEST = 16777216

local function begin(tvb, info, tree)
  T, pinfo, root = tvb, info, tree
  S = tvb:len() > 0 and tvb:raw(0, tvb:len()) or ""
  depth, amiss, here, handed_over = 0, 0, nil, false
  cut_by_snaplen = tvb:len() < tvb:reported_len()
end

-- The text of the Info column: what each layer says of itself, or its name.
local function describe(F, label)
  local out = {}
  while F and F.name do
    local known = layers[F.name]
    local ok, said = pcall(information[F.name] or tostring, F)
    if information[F.name] and ok and said ~= "" then
      out[#out + 1] = said
    elseif known then
      out[#out + 1] = known.label
    end
    F = F.payload
  end
  return #out > 0 and concat(out, " / ") or label
end

-- Octets from pos up to stop as one packet of the layer called name, in the tree of the protocol; the values, if it has
-- any, and the item.
local function one(name, t, pos, stop)
  local chosen = name
  if choose[name] then
    local ok, other = pcall(choose[name], pos, stop)
    chosen = ok and other or name
  end
  local item = t == NOTHING and t or t:add(proto, T(pos, stop - pos))
  here = item
  if not layers[chosen] then
    guarded(item, chosen, pos, stop)
    return nil, item
  end
  item:set_text(layers[chosen].label)
  local ok, last, F = pcall(fill, item, chosen, pos, stop)
  if not ok then
    trouble(here, last, pos, stop)
    return nil, item
  end
  if last < stop then
    item:set_len(stop - pos)
    item:add(f._padding, T(last, stop - last))
    amiss = amiss + 1
  end
  return F, item
end

-- The column says what is in all messages of a frame.
local function columns(name, F, is_first)
  if handed_over then return end
  local text = describe(F, layers[name] and layers[name].label or proto_column)
  if is_first then
    pinfo.cols.protocol = proto_column
    pinfo.cols.info = text
  else
    pinfo.cols.info:append(", " .. text)
  end
end

local function message(name, pos, stop, is_first)
  local F, item = one(name, root, pos, stop)
  columns(name, F, is_first)
  link(item, F, pos)
end

-- Messages that follow each other in a stream: a header of so many octets says how long each is.
local function messages(name, frame)
  local pos, length = 0, T:len()
  while pos < length do
    local left = length - pos
    local ok, size = false, nil
    if left >= frame.header then ok, size = pcall(frame.size, pos, length) end
    local need_more = left < frame.header or (ok and size > left and size <= LONGEST)
    if need_more and pinfo.can_desegment > 0 and not cut_by_snaplen then
      pinfo.desegment_offset = pos
      pinfo.desegment_len = left < frame.header and DESEGMENT_ONE_MORE_SEGMENT or size - left
      return
    end
    if not ok or size < 1 or size < frame.header or size > left then size = left end
    message(name, pos, pos + size, pos == 0)
    pos = pos + size
  end
end

local function dissect(name, tvb, info, tree, in_stream)
  begin(tvb, info, tree)
  if tvb:len() == 0 then return 0 end
  if in_stream and framing[name] then
    messages(name, framing[name])
  else
    message(name, 0, tvb:len(), true)
  end
  return tvb:len()
end

-- Wireshark registers protocols, not functions: every further layer with an entry has a protocol of its own.
local function entry(name, own)
  protocols[name] = own
  own.dissector = function(tvb, info, tree)
    local chosen = name
    if sides[name] then chosen = sides[name][info.match == info.dst_port and "to" or "from"] end
    return chosen and dissect(chosen, tvb, info, tree, info.port_type == 2) or 0
  end
end

local function listen(table, name, ports, preference)
  listening[#listening + 1] = { table = table, name = name, ports = ports, preference = preference }
  if ports ~= "" then DissectorTable.get(table):add(ports, protocols[name]) end
end

-- A heuristic takes a packet when all of it can be read and nothing in it is amiss; the first look shows nothing.
local function look_for(table, name)
  protocols[name]:register_heuristic(table, function(tvb, info, tree)
    if tvb:len() == 0 then return false end
    begin(tvb, info, tree)
    if cut_by_snaplen then return false end
    local F = one(name, NOTHING, 0, tvb:len())
    if F == nil or amiss > 0 then return false end
    dissect(name, tvb, info, tree, table == "tcp")
    return true
  end)
end

local function change_ports()
  for _, each in ipairs(listening) do
    local wanted = each.preference and proto.prefs[each.preference] or each.ports
    if wanted ~= each.ports then
      local known = DissectorTable.get(each.table)
      if each.ports ~= "" then known:remove(each.ports, protocols[each.name]) end
      if wanted ~= "" then known:add(wanted, protocols[each.name]) end
      each.ports = wanted
    end
  end
end

local function offer(table, name)
  pcall(function() DissectorTable.get(table):add_for_decode_as(protocols[name]) end)
end

proto.prefs_changed = change_ports
