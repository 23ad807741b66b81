-- Flows: which state belongs to which frame.
--
-- A flow is one direction of one connection.  It is found by its two ports and then, where that is not enough, by its
-- addresses, not by tcp.stream: to declare that field makes TCP build its items for every frame, a fifth to a quarter
-- of all the time of a load at 1,448-octet segments.  A connection that uses a port pair again reaches us through the
-- heuristic again, since Wireshark knows it as a new conversation, and then gets new flows.  While every connection
-- came through the heuristic, the source port of only one direction is enough: no other is handed over at all.
--
-- For the same reason the TCP sequence number is not read: a hole in the capture shows as a header that cannot be, and
-- the machine then looks for a place to go on.  Offsets are counted, so behind a hole they are too small by its size.

local flows, pending, endpoints, conversations = {}, {}, {}, {}
local alone = {}                       -- by source port, where that is enough to know a flow; else true
local by_port = false                  -- connections were handed over that no heuristic claimed

local function put_away()
  local flow = live
  if not flow then return end
  end_run()
  flow.last, flow.written = last, written
  flow.state, flow.skip, flow.region, flow.carry, flow.need = state, skip, region, carry, need
  flow.pos, flow.dirty, flow.connection.conversation.dirty = position, changed, shared_changed
  live, quick_port = false, nil
end

local function reset()
  put_away()
  flows, pending, endpoints, conversations, alone = {}, {}, {}, {}, {}
  by_port, now, settled, counting = false, 0, false, 0
end

local function handed_over()
  if not by_port then by_port, alone, quick_port = true, {}, nil end
end

local function initial(registers)
  local r = {}
  for name, value in pairs(registers) do
    if type(value) == "function" then r[name] = value() else r[name] = value end
  end
  return r
end

-- A connection on this channel whose forward direction is the one of this packet; apart: it is not of the conversation
-- that is there.
local new_connection

do
  local function new_flow(connection, tables, registers, since)
    return {
      connection = connection, tables = tables, R = registers, since = since, state = 1, skip = 0, pos = 0, last = -1,
      recent = {}, written = 0, packed = {}, runs = {}, ticks = {}, before = {}, noted = 0,
      carries = {}, needs = {}, pieces = {}, turn_number = -1, turn = 0,
      log_at = {}, log = {}, dirty = true, known = {},
    }
  end

  local function new_conversation()
    local c = { number = #conversations + 1, log_at = {}, log = {}, dirty = true, tally = {}, seen = {}, found = {},
                facts = {}, channels = {}, flows = {}, C = initial(shared_registers) }
    for k = 1, #counter_names do c.tally[k] = 0 end
    for k = 1, #pdu_names do c.seen[k] = 0 end
    conversations[#conversations + 1] = c
    return c
  end

  local function remember_flow(flow, src, dst, src_port, dst_port)
    flow.src, flow.dst = src, dst
    local all = flow.connection.conversation.flows
    all[#all + 1] = flow
    local k = src_port * 65536 + dst_port
    local list = flows[k]
    if list then list[#list + 1] = flow else flows[k] = { flow } end
  end

  -- A direction, or what is known to be none of ours, has this source port.
  local function use_port(port, flow)
    if not by_port then alone[port] = alone[port] == nil and flow or true end
    if port == quick_port then quick_port = nil end
  end

  function new_connection(pinfo, channel, apart)
    local place = tostring(pinfo.dst) .. " " .. pinfo.dst_port
    local conversation = endpoints[place]
    if conversation and not channel.joins then
      local one_more = channel == channels[1] and conversation.channels[channel.name]
      if one_more or apart or is_over(conversation) then conversation = nil end
    end
    if not conversation then
      conversation = new_conversation()
      endpoints[place] = conversation
    end
    local channels = conversation.channels
    channels[channel.name] = (channels[channel.name] or 0) + 1
    local connection = { channel = channel, conversation = conversation }
    local forward = new_flow(connection, channel.forward, initial(channel.forward.registers), pinfo.number)
    remember_flow(forward, pinfo.src, pinfo.dst, pinfo.src_port, pinfo.dst_port)
    if channel.reverse then
      local reverse = new_flow(connection, channel.reverse, initial(channel.reverse.registers), pinfo.number)
      connection.reverse = reverse
      remember_flow(reverse, pinfo.dst, pinfo.src, pinfo.dst_port, pinfo.src_port)
    end
    use_port(pinfo.src_port, forward)
    use_port(pinfo.dst_port, connection.reverse)
    return forward
  end
end

-- The functions behind pinfo.number and so on, which save the look-up of their names in each packet.  They can be
-- learnt from a packet only: the first one.
local get, get_number, get_src_port, get_cols = {}, nil, nil, nil
local function learn_getters(pinfo)
  local known = (getmetatable(pinfo) or {}).__getters or {}
  for _, name in ipairs({ "visited", "number", "src_port", "dst_port", "src", "dst", "cols" }) do
    get[name] = known[name] or function(p) return p[name] end
  end
  get_number, get_src_port, get_cols = get.number, get.src_port, get.cols
end

function get_number(pinfo)
  learn_getters(pinfo)
  return get_number(pinfo)
end

-- The flow of a packet: of those with its ports and addresses the youngest that existed at that frame.  Not for those
-- that are `alone`.
local function flow_of(pinfo, number)
  local list = flows[get.src_port(pinfo) * 65536 + get.dst_port(pinfo)] or {}
  local src, dst = get.src(pinfo), get.dst(pinfo)
  for i = #list, 1, -1 do
    local flow = list[i]
    if flow.since <= number and flow.src == src and flow.dst == dst then return flow end
  end
  return nil
end

local function take_up(flow)
  put_away()
  local conversation = flow.connection.conversation
  R, C, stream, page_runs = flow.R, conversation.C, flow.tables, flow.tables.page_runs
  last, recent, written = flow.last, flow.recent, flow.written
  state, skip, region, carry, need = flow.state, flow.skip, flow.region, flow.carry, flow.need or 0
  position, changed, shared_changed = flow.pos, flow.dirty, conversation.dirty
  totals, seen, found, facts = conversation.tally, conversation.seen, conversation.found, conversation.facts
  live, replay, told = flow, false, NOTHING
end

-- Everything as it was before call i; what is counted from then on is of no interest.
local of_no_interest = { __index = function() return 0 end }
local function load_snapshot(flow, i)
  put_away()
  local tick, place, packed = note(flow, i)
  packed = packed - 1
  state = packed % 256
  skip = (packed - state) / 256
  local kept = flow.carries[i]
  carry, need = type(kept) == "string" and { s = kept, n = #kept } or kept, flow.needs[i] or 0
  local entry = flow.log[latest(flow.log_at, i)]
  R, region, stream, page_runs = copy(entry.R), entry.region, flow.tables, flow.tables.page_runs
  local c = flow.connection.conversation
  C = copy(c.log[latest(c.log_at, tick)])
  now, position, replay, overlays = tick, place, true, {}
  totals, seen, found = setmetatable({}, of_no_interest), setmetatable({}, of_no_interest), {}
end
