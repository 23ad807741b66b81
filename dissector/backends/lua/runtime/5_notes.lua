-- Notes: what is needed to read a segment again, kept for each segment of the first pass in which something begins.
--
-- A note is three numbers: a tick (frame number and how many pieces of that frame came before), the position, and
-- `skip` and state in one; registers and regions are kept only where they changed.  A segment that lies inside one
-- payload is not noted.  In a run of PDUs of one length two numbers do: where one header of the run is tells where the
-- next one is from any position.  There are hundreds of thousands of notes: all but the latest are packed into strings,
-- as doubles, which are cheaper to pack than integers.  They are written for the live flow.
--
-- A flow's strings are in `packed`, with the `run` that each is of (or false), the tick of its first note, and how many
-- notes are `before` it; `noted` are in strings.  The notes of a run lie in theirs from the last to the first.
--
-- TLS hands over one decrypted record at a time, a hundred of them in a frame.  They come in the same order whenever
-- the frame is dissected, so a record is known again by its frame and its place among that frame's pieces; of a frame
-- with more than one the first is always noted, and with it how many there are, which tells where a visit begins.

local PIECES = 1048576                 -- pieces of a frame that a tick can tell apart; the least of them has 23 octets
local UNNOTED = 0                      -- instead of `skip` and state: a payload, but other pieces of its frame follow
local add_note, add_run_note, end_run, how_many, note, latest_note
local run_notes, room = {}, 0          -- the latest notes of the run that the live flow is in, and numbers free before
local pack, spread = Struct.pack, table.unpack or unpack

-- The last of a list that is not greater than a limit: 0 if there is none.
local function latest(list, limit)
  local low, high = 0, #list
  while low < high do
    local middle = floor((low + high + 1) / 2)
    if list[middle] <= limit then low = middle else high = middle - 1 end
  end
  return low
end

do
  local FULL = 120                     -- numbers in a string
  local STEADY = 8                     -- notes of a run that are written in full: a shorter one is not worth a string
  local unpack_notes = Struct.unpack
  local formats = setmetatable({}, { __index = function(known, n)
    known[n] = ("d"):rep(n)
    return known[n]
  end })
  local run, in_a_row = false, 0

  -- A string of some numbers, the first of them with that tick, so many for each note.
  --
  -- For each call Wireshark makes objects that have to be finalised, which Lua 5.4 does too late by itself: with 4.6 they
  -- took 70 MB for a gigabyte in small segments.  A step of the collector now and then is enough.
  local function put_in_string(numbers, first, last, tick, each)
    local c = #live.packed + 1
    if c % 8 == 0 then collectgarbage("step", 0) end
    live.packed[c] = pack(formats[last - first + 1], spread(numbers, first, last))
    live.runs[c], live.ticks[c], live.before[c] = run, tick, live.noted
    live.noted = live.noted + (last - first + 1) / each
  end

  local function put_recent()
    if written > 0 then put_in_string(recent, 1, written, recent[1], 3) end
    written = 0
  end

  local function put_run()
    if run then put_in_string(run_notes, room + 1, FULL, run_notes[FULL - 1], 2) end
  end

  function add_note(tick, packed_state)
    if written == FULL then put_recent() end
    local n = written
    recent[n + 1], recent[n + 2], recent[n + 3], written = tick, position, packed_state, n + 3
  end

  -- The next segment of the run that the live flow is in, if there is no room.
  function add_run_note(tick)
    if in_a_row < STEADY then
      in_a_row = in_a_row + 1
      return add_note(tick, skip * 256 + state + 1)
    end
    if run then
      put_run()
    else
      put_recent()
      run = { place = quick_place, size = quick_size, state = state }
    end
    run_notes[FULL - 1], run_notes[FULL], room = tick, position, FULL - 2
  end

  -- The live flow goes on otherwise: what the quick way has left to be done is done.
  function end_run()
    if not quick_shape then return end
    put_run()
    run, room, in_a_row = false, 0, 0
    local place = position + skip
    local k = (place - quick_place) / quick_size
    totals[quick_counter], seen[quick_pdu] = totals[quick_counter] + k, seen[quick_pdu] + k
    quick_shape = nil
  end

  -- The notes of a flow: the i-th is that of call i.
  function how_many(flow)
    return flow.noted + (flow == live and written or flow.written) / 3
  end

  -- The i-th, which is in string c, or is not in a string yet.
  local function note_in(flow, c, i)
    local k = i - flow.noted
    if k > 0 then return flow.recent[3 * k - 2], flow.recent[3 * k - 1], flow.recent[3 * k] end
    local s, its_run = flow.packed[c], flow.runs[c]
    k = i - flow.before[c]
    if not its_run then return unpack_notes("ddd", s, 24 * k - 23) end
    local tick, place = unpack_notes("dd", s, #s - 16 * k + 1)
    return tick, place, (its_run.place - place) % its_run.size * 256 + its_run.state + 1
  end

  function note(flow, i)
    return note_in(flow, latest(flow.before, i - 1), i)
  end

  -- The number of the last note whose tick is not greater: 0 if there is none.
  function latest_note(flow, tick)
    local c = latest(flow.ticks, tick)
    local low, high = flow.before[c] or 0, flow.before[c + 1] or how_many(flow)
    while low < high do
      local middle = floor((low + high + 1) / 2)
      if note_in(flow, c, middle) <= tick then low = middle else high = middle - 1 end
    end
    return low
  end
end

-- The call of this flow that a revisited piece of a frame is: nil if nothing was noted, because it lies inside a
-- payload.  Also whether other pieces of the frame came before it.
local function call_of(flow, number)
  local tick = number * PIECES
  local at = latest_note(flow, tick)
  if at == 0 then return nil, false end
  local noted, _, packed = note(flow, at)
  if noted < tick then return nil, false end
  local pieces = flow.pieces[at]
  if not pieces then return packed ~= UNNOTED and at or nil, false end
  local turn = flow.turn_number == number and flow.turn + 1 or 0
  if turn >= pieces then turn = 0 end
  flow.turn_number, flow.turn = number, turn
  if turn > 0 then
    at = latest_note(flow, tick + turn)
    noted, _, packed = note(flow, at)
  end
  return noted == tick + turn and packed ~= UNNOTED and at or nil, turn > 0
end

-- The tick of another piece of a frame in the first pass, whose first piece has *tick*; nil for one out of its turn.
local function tick_of(tick)
  local turn = last - tick + 1
  if turn >= PIECES then return nil end
  if turn == 1 then
    end_run()
    local n = how_many(live)
    if n == 0 or note(live, n) < tick then add_note(tick, UNNOTED) end
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

-- The registers and regions of this flow have changed since they were last noted, or may have.
local function note_registers(flow, i)
  local key = flow.tables.key()
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
