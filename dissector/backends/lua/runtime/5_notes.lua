-- Notes: what is needed to read a segment again, kept for each segment of the first pass in which something begins.
--
-- A note is three numbers: a tick (frame number and how many pieces of that frame came before), the position, and
-- `skip` and state in one; registers and regions are kept only where they changed.  A segment that lies inside one
-- payload is not noted.  There are hundreds of thousands of notes: all but the latest are packed into strings, 24
-- octets for each, as doubles, which are cheaper to pack than integers. They are written for the live flow.
--
-- TLS hands over one decrypted record at a time, a hundred of them in a frame.  They come in the same order whenever
-- the frame is dissected, so a record is known again by its frame and its place among that frame's pieces; of a frame
-- with more than one the first is always noted, and with it how many there are, which tells where a visit begins.

local PIECES = 1048576                 -- pieces of a frame that a tick can tell apart; the least of them has 23 octets
local UNNOTED = 0                      -- instead of `skip` and state: a payload, but other pieces of its frame follow
local NOTES = 40                       -- in a string
local FULL = 3 * NOTES
local add_note, how_many, note
local pack, spread = Struct.pack, table.unpack or unpack

do
  local ONE, OCTETS, MANY = "ddd", 24, ("d"):rep(FULL)
  local unpack_notes = Struct.unpack

  function add_note(tick, packed_state)
    local n = written
    if n == FULL then
      live.packed[#live.packed + 1] = pack(MANY, spread(recent, 1, n))
      n = 0
    end
    recent[n + 1], recent[n + 2], recent[n + 3], written = tick, position, packed_state, n + 3
  end

  -- The notes of a flow: the i-th is that of call i.
  function how_many(flow)
    return #flow.packed * NOTES + (flow == live and written or flow.written) / 3
  end

  function note(flow, i)
    local k = (i - 1) % NOTES
    local packed = flow.packed[(i - 1 - k) / NOTES + 1]
    if packed then return unpack_notes(ONE, packed, k * OCTETS + 1) end
    return flow.recent[3 * k + 1], flow.recent[3 * k + 2], flow.recent[3 * k + 3]
  end
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
  local n = how_many(flow)
  local at = latest(n, note, flow, tick)
  if at == 0 then return nil, false end
  local noted, _, packed = note(flow, at)
  if noted < tick then return nil, false end
  local pieces = flow.pieces[at]
  if not pieces then return packed ~= UNNOTED and at or nil, false end
  local turn = flow.turn_number == number and flow.turn + 1 or 0
  if turn >= pieces then turn = 0 end
  flow.turn_number, flow.turn = number, turn
  if turn > 0 then
    at = latest(n, note, flow, tick + turn)
    noted, _, packed = note(flow, at)
  end
  return noted == tick + turn and packed ~= UNNOTED and at or nil, turn > 0
end

-- The tick of another piece of a frame in the first pass, whose first piece has *tick*; nil for one out of its turn.
local function tick_of(tick)
  local turn = last - tick + 1
  if turn >= PIECES then return nil end
  if turn == 1 then
    if written == 0 or recent[written - 2] < tick then add_note(tick, UNNOTED) end
    live.first = how_many(live)
  end
  live.pieces[live.first] = turn + 1
  return tick + turn
end

local function copy(t)
  local c = {}
  for k, v in pairs(t) do c[k] = v end
  return c
end

-- The values of the registers as one string, which is the same for the same values.
local function key_of(tables)
  local names, values, layout, n = tables.scalars, {}, tables.layout, 0
  if not layout then
    layout = ""
    for k = 1, #names do layout = layout .. (type(R[names[k]]) == "string" and "I4c0" or "d") end
    tables.layout = layout
  end
  for k = 1, #names do
    local v = R[names[k]]
    if type(v) == "string" then
      values[n + 1], values[n + 2], n = #v, v, n + 2
    else
      n = n + 1
      values[n] = v
    end
  end
  return pack(layout, spread(values, 1, n))
end

-- The registers and regions of this flow have changed since they were last noted, or may have.
local function note_registers(flow, i)
  local key = key_of(flow.tables)
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
  add_note(now, skip * 256 + state + 1)
  if not (carry or changed or shared_changed) and region == flow.noted_region then return end
  local i = how_many(flow)
  if carry then flow.carries[i], flow.needs[i] = carry.up and carry or carry.s, need end   -- mostly a bare string
  if changed or region ~= flow.noted_region then note_registers(flow, i) end
  if shared_changed then
    local c = flow.connection.conversation
    c.log_at[#c.log_at + 1], c.log[#c.log + 1] = now, copy(C)
    shared_changed = false
  end
end
