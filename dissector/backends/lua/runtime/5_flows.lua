-- Flows: which state belongs to which frame.
--
-- A flow is one direction of one connection.  It is found by its two ports and then, where that is not enough, by its
-- addresses, not by tcp.stream: to declare that field makes TCP build its items for every frame, a fifth to a quarter
-- of all the time of a load at 1,448-octet segments.  A connection that uses a port pair again reaches us through the
-- heuristic again, since Wireshark knows it as a new conversation, and then gets new flows.  While every connection
-- came through the heuristic, a port pair that only one of them has is enough: no other is handed over at all.
--
-- For the same reason the TCP sequence number is not read: a hole in the capture shows as a header that cannot be, and
-- the machine then looks for a place to go on.  Offsets are counted, so behind a hole they are too small by its size.
--
-- Before a segment is read in the first pass, what is needed to read it again is noted: its tick (frame number and
-- how many pieces of that frame came before), its position, `skip` and state in one number, and, only where they
-- changed, registers and regions.  A segment that lies inside one payload is not noted: nothing begins in it.  There are
-- hundreds of thousands of notes: all but the latest are packed into strings, 21 octets for each.
--
-- TLS hands over one decrypted record at a time, a hundred of them in a frame.  They come in the same order whenever
-- the frame is dissected, so a record is known again by its frame and its place among that frame's pieces; of a frame
-- with more than one the first is always noted, and with it how many there are, which tells where a visit begins.

local PIECES = 1048576                 -- pieces of a frame that a tick can tell apart; the least of them has 23 octets
local flows, pending, endpoints, conversations = {}, {}, {}, {}
local alone = {}                       -- by both ports, where they are enough to know a flow
local by_port = false                  -- connections were handed over that no heuristic claimed

local function reset()
  flows, pending, endpoints, conversations, alone = {}, {}, {}, {}, {}
  by_port, now, live = false, 0, nil
end

local function handed_over()
  if not by_port then by_port, alone = true, {} end
end

local function initial(registers)
  local r = {}
  for name, value in pairs(registers) do
    if type(value) == "function" then r[name] = value() else r[name] = value end
  end
  return r
end

local function copy(t)
  local c = {}
  for k, v in pairs(t) do c[k] = v end
  return c
end

local function new_flow(connection, tables, registers, since)
  return {
    connection = connection, tables = tables, R = registers, since = since, state = 1, skip = 0, pos = 0, n = 0, last = -1,
    recent = {}, written = 0, packed = {}, last_noted = -1, carries = {}, needs = {}, pieces = {}, turn_number = -1, turn = 0,
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
  alone[k] = not list and not by_port and flow or nil
end

-- A connection on this channel whose forward direction is the one of this packet; apart: it is not of the conversation
-- that is there.
local function new_connection(pinfo, channel, apart)
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
  return forward
end

-- The functions behind pinfo.number and so on, which save the look-up of their names in each packet.
local get, get_number, get_src_port, get_dst_port, get_cols = {}, nil, nil, nil, nil
local function learn_getters(pinfo)
  local known = (getmetatable(pinfo) or {}).__getters or {}
  for _, name in ipairs({ "number", "visited", "src_port", "dst_port", "src", "dst", "cols" }) do
    get[name] = known[name] or function(p) return p[name] end
  end
  get_number, get_src_port, get_dst_port, get_cols = get.number, get.src_port, get.dst_port, get.cols
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

-- Notes, three numbers each: the i-th is that of call i.
local NOTES = 64                       -- in a string
local NOTE, NOTE_OCTETS = ">I7I7I7", 21
local MANY_NOTES = ">" .. ("I7"):rep(3 * NOTES)
local pack, unpack_notes, spread = Struct.pack, Struct.unpack, table.unpack or unpack
local UNNOTED = 0                      -- instead of `skip` and state: a payload, but other pieces of its frame follow

local function add_note(flow, tick, place, packed_state)
  local recent, n = flow.recent, flow.written
  if n == 3 * NOTES then
    flow.packed[#flow.packed + 1] = pack(MANY_NOTES, spread(recent, 1, n))
    n = 0
  end
  recent[n + 1], recent[n + 2], recent[n + 3] = tick, place, packed_state
  flow.n, flow.written, flow.last_noted = flow.n + 1, n + 3, tick
end

local function note(flow, i)
  local k = (i - 1) % NOTES
  local packed = flow.packed[(i - 1 - k) / NOTES + 1]
  if packed then return unpack_notes(NOTE, packed, k * NOTE_OCTETS + 1) end
  return flow.recent[3 * k + 1], flow.recent[3 * k + 2], flow.recent[3 * k + 3]
end

-- The last of n that is not greater than a limit: 0 if there is none.
local function latest(n, of, list, limit)
  local low, high = 0, n
  while low < high do
    local middle = floor((low + high + 1) / 2)
    if of(list, middle) <= limit then low = middle else high = middle - 1 end
  end
  return low
end

local function element(list, i)
  return list[i]
end

-- The call of this flow that a revisited piece of a frame is: nil if nothing was noted, because it lies inside a
-- payload.  Also whether other pieces of the frame came before it.
local function call_of(flow, number)
  local tick = number * PIECES
  local at = latest(flow.n, note, flow, tick)
  if at == 0 then return nil, false end
  local noted, _, packed = note(flow, at)
  if noted < tick then return nil, false end
  local pieces = flow.pieces[at]
  if not pieces then return packed ~= UNNOTED and at or nil, false end
  local turn = flow.turn_number == number and flow.turn + 1 or 0
  if turn >= pieces then turn = 0 end
  flow.turn_number, flow.turn = number, turn
  if turn > 0 then
    at = latest(flow.n, note, flow, tick + turn)
    noted, _, packed = note(flow, at)
  end
  return noted == tick + turn and packed ~= UNNOTED and at or nil, turn > 0
end

-- The tick of another piece of a frame in the first pass, whose first piece has *tick*; nil for one out of its turn.
local function tick_of(flow, tick)
  local turn = flow.last - tick + 1
  if turn >= PIECES then return nil end
  if turn == 1 then
    if flow.last_noted < tick then add_note(flow, tick, position, UNNOTED) end
    flow.first = flow.n
  end
  flow.pieces[flow.first] = turn + 1
  return tick + turn
end

-- The registers and regions of this flow have changed since they were last noted, or may have.
local function note_registers(flow, i)
  local names, values = flow.tables.scalars, {}
  for k = 1, #names do values[k] = tostring(R[names[k]]) end
  local key = concat(values, "\0")
  local known = flow.known[key]
  if not known or region ~= flow.noted_region then
    known = { R = known and known.R or copy(R), region = region }
    flow.known[key] = known
  end
  if flow.log[#flow.log] ~= known then
    flow.log_at[#flow.log_at + 1], flow.log[#flow.log + 1] = i, known
  end
  flow.noted_region, changed = region, false
end

-- Note what is needed to read this call of the live flow again.
local function take_snapshot(flow)
  add_note(flow, now, position, skip * 256 + state + 1)
  local i = flow.n
  if carry then flow.carries[i], flow.needs[i] = carry.up and carry or carry.s, need end   -- mostly a bare string
  if changed or region ~= flow.noted_region then note_registers(flow, i) end
  if shared_changed then
    local c = flow.connection.conversation
    c.log_at[#c.log_at + 1], c.log[#c.log + 1] = now, copy(C)
    shared_changed = false
  end
end

local function put_away()
  local flow = live
  if not flow then return end
  flow.state, flow.skip, flow.region, flow.carry, flow.need = state, skip, region, carry, need
  flow.pos, flow.dirty, flow.connection.conversation.dirty = position, changed, shared_changed
  live = nil
end

local function take_up(flow)
  put_away()
  local conversation = flow.connection.conversation
  R, C, stream = flow.R, conversation.C, flow.tables
  state, skip, region, carry, need = flow.state, flow.skip, flow.region, flow.carry, flow.need or 0
  position, changed, shared_changed = flow.pos, flow.dirty, conversation.dirty
  totals, seen, found, facts = conversation.tally, conversation.seen, conversation.found, conversation.facts
  live, replay, told = flow, false, nil
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
  local entry = flow.log[latest(#flow.log_at, element, flow.log_at, i)]
  R, region, stream = copy(entry.R), entry.region, flow.tables
  local c = flow.connection.conversation
  C = copy(c.log[latest(#c.log_at, element, c.log_at, tick)])
  now, position, replay, overlays = tick, place, true, {}
  totals, seen, found = setmetatable({}, of_no_interest), setmetatable({}, of_no_interest), {}
end
