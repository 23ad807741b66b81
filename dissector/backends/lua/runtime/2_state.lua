-- State of the direction that is being read.  These are the variables that the generated rules work on; a call of the
-- dissector loads them from a flow and stores them back.
--
--   R, C       registers of this direction; those shared by all channels of a conversation
--   state      number of the state; 0 is "position lost", numbers above the states are bodies being scanned
--   skip       octets of a payload still to be passed over
--   region     innermost region: { stop, resume, up, depth, label }; a list, never changed in place, so that a
--              snapshot of it is a reference
--   spos, base stream position and tvb offset of the first octet at hand
--   want       somebody looks: build items
--
-- Map registers remember when each value was written, because Wireshark asks for any frame at any time and an id may
-- mean something else later.  `now` counts the calls of the first pass; on a revisit only what is older counts, and what
-- the revisited call itself writes lies in an overlay of its own.

local R, C
local state, skip, region = 1, 0, nil
local spos, base = 0, 0
local want = false
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

-- What happened in this call, per counter, and a few words for the Info column; `seen` and `found` count PDUs and
-- findings of the conversation in the first pass, and nothing of interest on a revisit.
local MAX_INFOS = 4
local tally, infos, info_texts = {}, 0, {}
local seen, found, facts = {}, {}, nil

local function inform(s)
  infos = infos + 1
  info_texts[infos] = s
end

local function fact(key, value)
  if facts and not replay then facts[key] = value end
end
