-- Where packets begin: the protocol's dissectors, in which every packet starts anew.

local function begin(tvb, info, tree)
  T, pinfo, root = tvb, info, tree
  S = tvb:len() > 0 and tvb:raw(0, tvb:len()) or ""
  depth, amiss, here = 0, 0, nil
  cut_by_snaplen = tvb:len() < tvb:reported_len()
end

-- Octets from pos up to stop as one packet of the layer called name, in the tree of the protocol.
local function one(name, t, pos, stop)
  if choose[name] then
    local ok, chosen = pcall(choose[name], pos, stop)
    name = ok and chosen or name
  end
  if not layers[name] then return guarded(t, name, pos, stop) end
  local item = t == NOTHING and t or t:add(proto, T(pos, stop - pos))
  item:set_text(layers[name].label)
  here = item
  local ok, last, F = pcall(fill, item, name, pos, stop)
  if not ok then
    trouble(here, last, pos, stop)
    last, F = stop, nil
  end
  if last < stop then
    item:set_len(stop - pos)
    item:add(f._padding, T(last, stop - last))
    amiss = amiss + 1
  end
  return last, F
end

local protocols = {}

local function entry(name, own)
  protocols[name] = own
  own.dissector = function(tvb, info, tree)
    begin(tvb, info, tree)
    if tvb:len() == 0 then return 0 end
    info.cols.protocol = proto_column
    info.cols.info = layers[name] and layers[name].label or proto_column
    one(name, tree, 0, tvb:len())
    return tvb:len()
  end
end

local function listen(table, value, name)
  DissectorTable.get(table):add(value, protocols[name])
end
