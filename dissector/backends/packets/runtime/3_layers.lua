-- Layers: one read inside another, as payload, in a field or in a list, each with its end, its values and its troubles.
--
-- read.X(t, pos, stop, F) shows the items of layer X and what follows them, puts the values that somebody asks for into
-- F, and returns where the layer ends.  What it leaves up to stop is padding, which belongs to whoever asked for it.

local layers, read, choose, checks, externals, opaques = {}, {}, {}, {}, {}, {}
local MAX_DEPTH = 32
local dissectors = {}
local handed_over = false             -- to a dissector that has its own Info column

local function layer(name, label, field, abbrev)
  layers[name] = { label = label, field = field }
end

-- The tree, with its text and its octets, of the layer called name.
local function open(t, name, pos, stop, title)
  local known = layers[name]
  local item = t:add(known.field, T(pos, stop - pos))
  item:set_text(title and title .. known.label or known.label)
  return item
end

-- Reads the layer called name into item: where it ends, and its values.
local function fill(item, name, pos, stop, underlayer, parent)
  depth = depth + 1
  if depth > MAX_DEPTH then fail(pos, "nested too deep") end
  local outer = here
  here, reached = item, pos
  local F = { underlayer = underlayer, parent = parent, start = pos, stop = stop, name = name, item = item }
  F["#head"], F["#pay"] = stop - pos, 0
  local last = read[name](item, pos, stop, F)
  F.last = last
  item:set_len(last - pos)
  if checks[name] then
    local ok, problem = pcall(checks[name], F)
    if not ok and type(problem) ~= "table" then error(problem, 0) end
  end
  here, depth = outer, depth - 1
  return last, F
end

-- Octets of a layer that Wireshark dissects itself.
local function hand_over(t, known, pos, stop)
  if t == NOTHING then return end
  local d = dissectors[known.dissector]
  if d == nil then
    local ok, found = pcall(Dissector.get, known.dissector)
    d = ok and found or Dissector.get("data")
    dissectors[known.dissector] = d
  end
  local s, tvb, p, r, h, n, a, c = S, T, pinfo, root, here, depth, amiss, cut_by_snaplen
  handed_over = true
  pcall(d.call, d, T(pos, stop - pos):tvb(), pinfo, t)
  S, T, pinfo, root, here, depth, amiss, cut_by_snaplen = s, tvb, p, r, h, n, a, c
end

-- Octets between pos and stop as the layer called name, which is "" when nothing is known about them.
local function show(t, name, pos, stop, underlayer, parent, title, outside)
  if choose[name] then name = choose[name](pos, stop) end
  if layers[name] then
    return fill(open(t, name, pos, stop, title), name, pos, stop, underlayer, parent)
  elseif externals[name] then
    hand_over(outside and t ~= NOTHING and root or t, externals[name], pos, stop)
    return stop, { name = name, n = 0 }
  elseif opaques[name] then
    local known = opaques[name]
    local item = t:add(f._data, T(pos, stop - pos))
    item:set_text(format("%s (%.0f octets, not decoded)", known.label, stop - pos))
    item:add_proto_expert_info(experts.undecoded, known.reason)
    amiss = amiss + 1
    return stop, { name = name }
  end
  if stop > pos then t:add(f._data, T(pos, stop - pos)) end
  amiss = amiss + 1
  return stop, {}
end

-- What went wrong becomes an expert item of the layer in which it did, and what was not read stays visible.
local function trouble(item, problem, pos, stop)
  if type(problem) ~= "table" then
    amiss = amiss + 1
    item:add_proto_expert_info(experts.internal, "internal error: " .. tostring(problem))
    return
  end
  malformed(item, problem.text)
  local at = problem.at or reached
  if at >= pos and at < stop then item:add(f._undecoded, T(at, stop - at)) end
end

-- The same as show(), and whatever is wrong in there stays in there.  name may be a function that chooses.
local function guarded(t, name, pos, stop, underlayer, parent, title, outside)
  local n, outer = depth, here
  local ok, last, F = pcall(function()
    local chosen = type(name) == "function" and name(pos, stop) or name
    return show(t, chosen, pos, stop, underlayer, parent, title, outside)
  end)
  if ok then return last, F end
  trouble(here or t, last, pos, stop)
  depth, here, reached = n, outer, stop
  return stop, {}
end

-- The payload, up to last, and behind it what belongs to whoever asked for this layer.
local function payload(t, name, pos, last, stop, F)
  F["#head"] = pos - F.start
  F["#pay"] = last - pos
  if last <= pos then return last end
  local ended, below = guarded(t, name, pos, last, F, nil, nil, true)
  F["#below"], F.payload = below.name, below
  if last == stop then
    F["#pay"] = ended - pos
    return ended
  end
  if ended < last then t:add(f._padding, T(ended, last - ended)) end
  return last
end

-- A packet in a field: without n, what it does not take is left.  Scapy does not look at what has no octets.
local function packet(t, name, pos, stop, F, title)
  if pos >= stop then return pos, {} end
  return show(t, name, pos, stop, nil, F, title)
end

local function packet_of(t, name, pos, n, stop, F, title)
  local last = within(t, pos, n, stop)
  if last == pos then return pos end
  local ended, inner = guarded(t, name, pos, last, nil, F, title)
  if ended < last then t:add(f._padding, T(ended, last - ended)) end
  return last, inner
end

-- Elements one behind the other up to last, at most so many; each(t, pos, last, list) returns where its element ends
-- and its value, or nil when there are no more.
local function elements(t, field, title, pos, last, most, limit, each)
  local list, start = { n = 0 }, pos
  local item = NOTHING
  while pos < last and (not most or list.n < most) do
    if list.n == 0 then item = t:add(field, T(pos, last - pos)) end
    local ended, value = each(item, pos, last, list)
    if not ended then break end
    list.n = list.n + 1
    list[list.n] = value
    if list.n > limit then fail(ended, format("more than %d elements", limit)) end
    pos = ended
  end
  if list.n > 0 then
    item:set_text(format("%s (%d)", title, list.n))
    item:set_len(pos - start)
  end
  return pos, list
end
