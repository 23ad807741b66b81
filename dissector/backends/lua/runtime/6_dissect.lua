-- The dissector that Wireshark calls, the Info column, the heuristic, the summary.

local this_dissector
local short_name = proto_name:upper()
local referenced = TreeItem.referenced
for k = 1, #counter_names do tally[k] = 0 end

-- The Info column speaks of all pieces of a frame.
local fresh = false                    -- the pieces of this frame had nothing to say so far

local function clear_frame()
  for i = 1, counts do tally[counted[i]] = 0 end
  counts, infos = 0, 0
end

local function counted_words()
  local list, n = {}, 0
  for i = 1, counts do
    local k = counted[i]
    if counter_labels[k] ~= "" then
      n = n + 1
      list[n] = dec(tally[k]) .. " " .. counter_labels[k]
    end
  end
  return n > 0 and stream.tally() .. concat(list, ", ") or nil
end

local function info_column()
  local line = counted_words()
  if infos > 0 then
    local said = concat(info_texts, "; ", 1, infos)
    if infos >= MAX_INFOS then said = said .. " …" end
    return line and said .. "; " .. line or said
  end
  return line or skip > 0 and "payload" or carry and "header continues in the next segment" or "continuation"
end

-- Where one thing was counted and nothing else happened, as in most frames, the words of the last such frame serve again
-- if its number was the same.
local function show_columns(pinfo)
  local columns = get_cols(pinfo)
  columns.protocol = short_name
  if counts ~= 1 or infos > 0 or changed or shared_changed or not live then
    told = nil
    columns.info = info_column()
    return
  end
  local k = counted[1]
  local n = tally[k]
  if not told or n ~= told_number or k ~= told_counter or counter_labels[k] == "" then
    told, told_number, told_counter = info_column(), n, k
  end
  columns.info = told
end

-- n octets behind spos that the capture cut off: a hole whose size is known.
local function cut_off(n)
  report(FINDING.gap, format(finding_text.gap, dec(n)))
  carry = nil
  if skip >= n then
    skip = skip - n
    return
  end
  local stop = spos + n
  while region and region.stop < stop do region = region.up end
  if region then
    skip = region.stop - stop
  else
    state, skip = LOST, 0
  end
end

local function begin_tree(tvb, tree, flow)
  tree_root = tree:add(proto, tvb())
  local channel = flow.connection.channel
  tree_root:append_text(", " .. channel.label .. (flow.tables.reverse and " (return)" or ""))
  tree_root:add(f.channel, channel.name):set_generated()
  tree_root:add(f.conversation, flow.connection.conversation.number):set_generated()
end

-- A segment inside a payload: nothing begins in it, nothing ends.  To write its columns costs as much as all else that is
-- done here, but a packet list in which most of a migration is called TCP would not show where the migration is.
local function inside_payload(tvb, pinfo, tree, flow, again)
  if want then
    begin_tree(tvb, tree, flow)
    tree_root:add(f.payload, tvb())
  end
  if again then return end
  fresh = true
  local columns = get_cols(pinfo)
  columns.protocol, columns.info = short_name, "payload"
end

-- A segment of n octets at hand, of *whole*, with the state as it is before it.
local function segment(tvb, pinfo, tree, flow, n, whole)
  T, tree_root, last_item = tvb, tree, nil
  if want then
    shown, region_items = 0, {}
    begin_tree(tvb, tree, flow)
    if state == LOST then tree_root:add_proto_expert_info(experts[FINDING.lost], finding_text.lost) end
    if skip > 0 then tree_root:add(f.payload, T(0, skip < n and skip or n)) end
  end
  consume(tvb, n, position)
  if whole > n then
    spos, last_item = position + n, nil
    cut_off(whole - n)
  end
  position = position + whole
  show_columns(pinfo)
end

-- After a fault of ours the direction is lost, and the frame says so.
local function failed(tvb, tree, flow, message)
  tree:add(proto, tvb()):add_proto_expert_info(internal_error, "internal error: " .. tostring(message))
  put_away()
  flow.state, flow.skip, flow.carry, flow.region = LOST, 0, nil, nil
end

-- A piece of a frame that was seen before: from its snapshot, or a payload.
local function dissect_again(tvb, pinfo, tree, flow, number)
  local i, again = call_of(flow, number)
  if i then
    if not again or fresh then clear_frame() end
    fresh = false
    load_snapshot(flow, i)
    local ok, message = pcall(segment, tvb, pinfo, tree, flow, captured(tvb), reported(tvb))
    if not ok then failed(tvb, tree, flow, message) end
  else
    inside_payload(tvb, pinfo, tree, flow, again)
  end
end

-- The channel that a connection's first octets belong to, and whether it is apart from the conversation at its
-- destination; nil and true when more octets are needed.
local function channel_of(s, pinfo, late)
  put_away()
  local waits = false
  local conversation = endpoints[tostring(pinfo.dst) .. " " .. pinfo.dst_port]
  for i = 1, #channels do
    local channel = channels[i]
    if channel.first and (not channel.joins or not late and conversation) then
      C = channel.joins and conversation.C or initial(shared_registers)
      local ok, more = channel.first(s, 1, #s)
      if ok then
        if channel.joins or not channel.apart or not conversation then return channel, false end
        C, replay = conversation.C, false
        local apart, need = channel.apart(s, 1, #s)
        if apart ~= nil or need > MAX_FIRST then return channel, apart end
        return nil, true
      end
      if ok == nil and more <= MAX_FIRST then waits = true end
    end
  end
  return nil, waits
end

-- Takes a connection if its first octets say so.  They may come one by one: what is too short to tell is kept.  A side
-- that spoke before anybody recognised the other one has been missed from its beginning, which its flow must know.
local function claim(tvb, pinfo)
  local n = captured(tvb)
  if n == 0 then return nil end
  local src_port, dst_port = get.src_port(pinfo), get.dst_port(pinfo)
  local k = src_port * 65536 + dst_port
  local kept = pending[k]
  if kept and (kept.src ~= get.src(pinfo) or kept.dst ~= get.dst(pinfo)) then kept = nil end
  local before, late = kept and kept.s, kept and kept.missed
  local s = (before or "") .. raw(tvb, 0, n < MAX_FIRST and n or MAX_FIRST)
  local channel, told = channel_of(s, pinfo, late)
  if not channel then
    local waits = told
    if not late then
      pending[k] = { s = waits and s or "", missed = not waits, src = get.src(pinfo), dst = get.dst(pinfo) }
    end
    return nil, waits and not late
  end
  pending[k] = nil
  local flow = new_connection(pinfo, channel, told)
  if before and before ~= "" then
    flow.carry, flow.need = { s = before, n = #before }, #before + 1
    flow.pos = #before
  end
  local back = pending[dst_port * 65536 + src_port]
  local reverse = flow.connection.reverse
  if reverse and back and back.src == flow.dst and back.dst == flow.src then reverse.state = LOST end
  return flow
end

-- A connection that begins with a TLS record is TLS's, whatever its port: it comes back decrypted.
local function is_tls(tvb)
  if captured(tvb) < 5 then return false end
  local kind, major, minor, high, low = byte(raw(tvb, 0, 5), 1, 5)
  return kind >= 20 and kind <= 24 and major == 3 and minor <= 4 and high * 256 + low <= 18432
end

-- A connection that no heuristic claimed: the user chose it.  Its flow, or nil and what the dissector returns.
local function chosen(tvb, pinfo)
  if get.visited(pinfo) or is_tls(tvb) then return nil, 0 end
  handed_over()
  local flow, waits = claim(tvb, pinfo)
  if waits then return nil, captured(tvb) end
  if not flow then
    flow = new_connection(pinfo, channels[pref.role])     -- not from its beginning
    flow.state = LOST
  end
  return flow
end

local function dissect(tvb, pinfo, tree)
  if not get_number then learn_getters(pinfo) end
  local number = get_number(pinfo)
  local flow, refusal = alone[get_src_port(pinfo) * 65536 + get_dst_port(pinfo)] or flow_of(pinfo, number), nil
  if not flow then
    flow, refusal = chosen(tvb, pinfo)
    if not flow then return refusal end
  end
  want = referenced(tree, this_dissector)
  local tick, again = number * PIECES, false
  if flow.last >= tick then
    if get.visited(pinfo) then return dissect_again(tvb, pinfo, tree, flow, number) end
    again = true
  end
  if live ~= flow then take_up(flow) end
  if again then
    tick = tick_of(flow, tick)
    if not tick then return end
  end
  flow.last = tick
  local n, whole = captured(tvb), reported(tvb)
  if skip >= n and whole == n then
    skip, position = skip - n, position + n
    return inside_payload(tvb, pinfo, tree, flow, again)
  end
  now = tick
  if not again or fresh then clear_frame() end
  fresh = false
  take_snapshot(flow)
  local ok, message = pcall(segment, tvb, pinfo, tree, flow, n, whole)
  if not ok then failed(tvb, tree, flow, message) end
end

proto.dissector = dissect
proto.init = reset

local function heuristic(tvb, pinfo, tree)
  if is_tls(tvb) then return false end
  if not get_number then learn_getters(pinfo) end
  local flow = claim(tvb, pinfo)
  if not flow then return false end
  pinfo.conversation = proto
  dissect(tvb, pinfo, tree)
  return true
end

-- The records of a TLS connection, in the order in which they were decrypted.  The conversation is TLS's and stays so:
-- if it were claimed, TCP would hand over what is encrypted.  TLS asks again for each record instead, also for those of
-- other protocols, which is why flows are told apart by addresses from then on.  Nor does it tell where a connection
-- begins: one that uses a port pair again is known by its first octets, behind a conversation that is over.
local function tls_heuristic(tvb, pinfo, tree)
  if not get_number then learn_getters(pinfo) end
  handed_over()
  local number = get_number(pinfo)
  local flow = flow_of(pinfo, number)
  if not get.visited(pinfo) then
    if not flow then
      flow = claim(tvb, pinfo)
    elseif number * PIECES > flow.last and is_over(flow.connection.conversation) then
      local n = captured(tvb)
      local channel = channel_of(raw(tvb, 0, n < MAX_FIRST and n or MAX_FIRST), pinfo, true)   -- it is over: apart
      if channel then flow = new_connection(pinfo, channel) end
    end
  end
  if not flow then return false end
  dissect(tvb, pinfo, tree)
  return true
end

local port_tables = {}

local function add_ports(range, add)
  if range == "" then return end
  for _, ports in ipairs(port_tables) do
    if add then ports:add(range, proto) else ports:remove(range, proto) end
  end
end

local known_ports = ""
function proto.prefs_changed()
  for name in pairs(pref) do pref[name] = proto.prefs[name] end
  local ports = tostring(proto.prefs.ports or "")
  if ports ~= known_ports then
    add_ports(known_ports, false)
    add_ports(ports, true)
    known_ports = ports
  end
end

local function print_summary()
  put_away()
  for _, c in ipairs(conversations) do
    print(format("%s, %s %d", proto.description, whole_name, c.number))
    for name, n in pairs(c.channels) do print(format("  channel %-24s %d", name, n)) end
    local names = {}
    for key in pairs(c.facts) do names[#names + 1] = key end
    table.sort(names)
    for _, key in ipairs(names) do
      local v = c.facts[key]
      print(format("  %-32s %s", key, type(v) == "string" and text(v) or dec(v)))
    end
    for k = 1, #counter_names do print(format("  %-32s %s", counter_names[k], dec(c.tally[k]))) end
    for k = 1, #pdu_names do
      if c.seen[k] > 0 then print(format("  PDU %-28s %s", pdu_names[k], dec(c.seen[k]))) end
    end
    for _, flow in ipairs(c.flows) do
      if flow.skip > 0 or flow.carry or flow.region then
        print(format("  stream %-25s ends inside a PDU after %s octets", flow.tables.name, dec(flow.pos)))
      end
    end
    for k = 1, #experts do
      if c.found[k] then print(format("  finding %-24s %d", finding_names[k], c.found[k])) end
    end
  end
end

this_dissector = Dissector.get(proto_name)
for _, name in ipairs({ "tcp.port", "tls.port" }) do
  local known, ports = pcall(DissectorTable.get, name)
  if known and ports then
    port_tables[#port_tables + 1] = ports
    ports:add_for_decode_as(proto)
  end
end
proto:register_heuristic("tcp", heuristic)
pcall(proto.register_heuristic, proto, "tls", tls_heuristic)
if register_stat_cmd_arg then
  register_stat_cmd_arg(proto_name .. ",summary", function()
    local tap = Listener.new("frame")
    function tap.draw() print_summary() end
  end)
end
