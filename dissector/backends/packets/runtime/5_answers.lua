-- Answers: which packet of the other side of a conversation a packet answers, by the rules of its layers.
--
-- Requests wait in the conversation that their addresses and ports make, each as the values that rules may ask for; the
-- newest 64 of each side wait.  What was found is kept by frame, because a frame is shown again and again.

local answers, asked = {}, {}
local WAITING, CONVERSATIONS = 64, 4096
local conversations, how_many, links = {}, 0, {}

-- The values of a layer and of its payload, without its items, which do not outlive the packet.
local function kept(F)
  local out = {}
  for key, v in pairs(F) do
    if type(v) == "number" or type(v) == "string" or type(v) == "boolean" then out[key] = v end
    if type(v) == "table" and type(v.n) == "number" then out[key] = { n = v.n } end
  end
  if F.payload then out.payload = kept(F.payload) end
  return out
end

local function holds(rule, F, other)
  if rule.holds == nil then return true end
  local ok, result = pcall(rule.holds, F, other)
  return ok and result and true or false
end

-- Whether F answers other: the result, and whether a rule was asked for it.
local function answers_to(F, other)
  if F == nil or F.name == nil then
    return F ~= nil or other == nil, false
  elseif other == nil then
    return false, false
  end
  local rules = answers[F.name]
  if rules == nil then
    if F.name ~= other.name then return false, false end
    return answers_to(F.payload, other.payload)
  end
  for _, rule in ipairs(rules) do
    if rule.request == other.name and holds(rule, F, other) then
      local found = true
      if rule.below == "payloads" then found = answers_to(F.payload, other.payload) end
      if rule.below == "payload" then found = answers_to(F.payload, other) end
      if found then return true, true end
    end
  end
  return false, true
end

local function is_asked(F)
  while F do
    if asked[F.name] then return true end
    F = F.payload
  end
  return false
end

-- The conversation of this packet, and the number of its side.
local function conversation()
  local a = tostring(pinfo.src) .. " " .. tostring(pinfo.src_port)
  local b = tostring(pinfo.dst) .. " " .. tostring(pinfo.dst_port)
  local side = a < b and 1 or 2
  local name = side == 1 and a .. " " .. b or b .. " " .. a
  local known = conversations[name]
  if not known then
    if how_many >= CONVERSATIONS then conversations, how_many = {}, 0 end
    known = { {}, {} }
    conversations[name], how_many = known, how_many + 1
  end
  return known, side
end

local function request_of(F, waiting)
  local late
  for i = #waiting, 1, -1 do
    local request = waiting[i]
    local found, by_rule = answers_to(F, request.values)
    if found and by_rule then
      if not request.answered then return request end
      late = late or request
    end
  end
  return late
end

-- What a packet, read for the first time, answers and asks.
local function remember(F, where)
  local known, side = conversation()
  local time, frame = pinfo.rel_ts, pinfo.number
  local request = request_of(F, known[3 - side])
  if request and request.frame ~= frame then
    links[where] = links[where] or {}
    links[where].request, links[where].time = request.frame, time - request.time
    if not request.answered then
      request.answered = true
      links[request.where] = links[request.where] or {}
      links[request.where].response = frame
    end
  end
  if is_asked(F) then
    local waiting = known[side]
    if #waiting >= WAITING then table.remove(waiting, 1) end
    waiting[#waiting + 1] = { values = kept(F), frame = frame, time = time, where = where }
  end
end

local function show_links(item, where)
  local link = links[where]
  if not link then return end
  if link.request then
    item:add(f._request_in, link.request):set_generated()
    local whole = floor(link.time)
    item:add(f._response_time, NSTime.new(whole, floor((link.time - whole) * 1e9 + 0.5))):set_generated()
  end
  if link.response then item:add(f._response_in, link.response):set_generated() end
end

local function link(item, F, pos)
  if next(answers) == nil or F == nil then return end
  local where = pinfo.number .. ":" .. T:len() .. ":" .. pos
  if not pinfo.visited then remember(F, where) end
  show_links(item, where)
end

function proto.init()
  conversations, how_many, links = {}, 0, {}
end
