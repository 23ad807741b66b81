-- State of the direction that is being read.  These are the variables that the generated rules work on.  They are taken
-- up from a flow and stay here until another flow is read or a frame is visited again: mostly one side sends.
--
--   live       the flow whose state this is, or false
--   position   stream position of the next segment
--   last       tick of the last segment that was read
--   recent     its latest notes, of which `written` numbers are in use (runtime/5_notes.lua)
--   page_runs  what its stream has for runs of PDUs with a payload, by state
--
--   R, C       registers of this direction; those shared by all channels of a conversation
--   state      number of the state; 0 is "position lost", numbers above the states are bodies being scanned
--   skip       octets of a payload still to be passed over
--   region     innermost region: { stop, resume, up, depth, label }; a list, never changed in place, so that a
--              snapshot of it is a reference
--   spos, base stream position and tvb offset of the first octet at hand
--   want       somebody looks: build items
--   settled    that was asked in this pass, and holds for the rest of it
--   quick_port   source port of the live flow, if that is enough to know it, and nobody looks in this pass; else nil
--   quick_shape  shape of the headers of the run that it can be in the midst of, if there is nothing else to be noted;
--                else nil; their length and distance, their counter and PDU, and the stream position of the first
--                that is not yet in `totals`
--
-- Map registers remember when each value was written, because Wireshark asks for any frame at any time and an id may
-- mean something else later.  `now` counts the calls of the first pass; on a revisit only what is older counts, and
-- what the revisited call itself writes lies in an overlay of its own.

local live, position, last = false, 0, -1
local recent, written, page_runs
local R, C
local state, skip, region = 1, 0, nil
local spos, base = 0, 0
local want, settled, quick_port = false, false, nil
local quick_shape, quick_header, quick_size, quick_counter, quick_pdu, quick_place = nil, 0, 0, 0, 0, 0
local changed, shared_changed = false, false
local now, replay = 0, false
local overlays = {}

local function new_map()
  return { keys = 0, log = {} }
end

local function recall(map, key)
  local over = replay and overlays[map]
  if over and over[key] ~= nil then return over[key] end
  local log = map.log[key]
  if not log then return nil end
  local n = #log
  if not replay then return log[n] end
  while n > 0 and log[n - 1] >= now do n = n - 2 end
  return log[n]
end

local report
local function memorise(map, key, value, limit)
  if replay then
    local over = overlays[map]
    if not over then over = {} overlays[map] = over end
    over[key] = value
    return
  end
  local log = map.log[key]
  if not log then
    if map.keys >= limit then
      if not map.full then
        map.full = true
        report(FINDING.map_full, format(finding_text.map_full, limit))
      end
      return
    end
    map.keys = map.keys + 1
    log = {}
    map.log[key] = log
  end
  local n = #log
  if log[n] ~= value then log[n + 1], log[n + 2] = now, value end
end

-- What happened in a frame: `tally` by counter, of which `counted` lists those that are not 0 in order, and a few
-- words for the Info column.  `totals`, `seen` and `found` count for the conversation in the first pass, and nothing of
-- interest on a revisit.
local MAX_INFOS = 4
local tally, counted, counts, infos, info_texts = {}, {}, 0, 0, {}
local counting = 0                     -- the frame they are of
local totals, seen, found, facts = {}, {}, {}, nil

-- The only counter that is not 0, if nothing else happened, else 0; how many it counted, which may be missing in `tally`;
-- and the words that the Info column then has, by number, as far as they are known.
local plain, plainly = 0, 0
local NOTHING = {}
local told = NOTHING

local function count(counter, n)
  local before = tally[counter]
  if before == 0 then
    local i = counts
    while i > 0 and counted[i] > counter do counted[i + 1], i = counted[i], i - 1 end
    counted[i + 1], counts = counter, counts + 1
  end
  tally[counter], totals[counter] = before + n, totals[counter] + n
end

local function inform(s)
  infos = infos + 1
  info_texts[infos] = s
end

local function fact(key, value)
  if facts and not replay then facts[key] = value end
end
