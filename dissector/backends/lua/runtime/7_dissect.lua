-- The dissector that Wireshark calls, the Info column, the heuristics.

local this_dissector, heuristic, tls_heuristic

do
  local short_name = proto_name:upper()
  for k = 1, #counter_names do tally[k] = 0 end

  -- The Info column speaks of all pieces of a frame.
  local function clear_frame(number)
    for i = 1, counts do tally[counted[i]] = 0 end
    counts, infos, counting, plain, told = 0, 0, number, 0, NOTHING
  end

  local show_columns, tell_quick

  do
    local MOST_WORDS = 64

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

    -- Where k of one thing were counted and nothing else happened, as in most frames, the words of an earlier frame
    -- serve again: they are kept for one counter of one flow, up to a frame of which more is to be said.
    local words, words_counter, words_flow = {}, 0, nil
    local function tell(counter, k)
      if counter ~= words_counter or live ~= words_flow then words, words_counter, words_flow = {}, counter, live end
      plain, plainly, told = counter, k, words
      local line = words[k] or info_column()
      if k <= MOST_WORDS and counter_labels[counter] ~= "" then words[k] = line end
      return line
    end

    function show_columns(pinfo)
      local columns, counter = get_cols(pinfo), counted[1]
      columns.protocol = short_name
      if counts == 1 and infos == 0 and live and not (changed or shared_changed) then
        columns.info = tell(counter, tally[counter])
      else
        words_counter, plain, told = 0, 0, NOTHING
        columns.info = info_column()
      end
    end

    -- The words for a frame with k headers of the run, for which there are none yet.
    function tell_quick(number, k)
      local counter = quick_counter
      if counter ~= plain then
        clear_frame(number)
        counted[1], counts = counter, 1
      end
      tally[counter] = k
      return tell(counter, k)
    end
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
    tree_root = add(tree, proto, tvb())
    local channel = flow.connection.channel
    append_text(tree_root, ", " .. channel.label .. (flow.tables.reverse and " (return)" or ""))
    if asked.channel then add_generated(tree_root, f.channel, channel.name) end
    if asked.conversation then add_generated(tree_root, f.conversation, flow.connection.conversation.number) end
  end

  -- A segment inside a payload: nothing begins in it, nothing ends.  The Info column stays TCP's, whose sequence numbers
  -- say more about it than we can.
  local function inside_payload(tvb, pinfo, tree, flow)
    if want then
      begin_tree(tvb, tree, flow)
      if asked.payload then add(tree_root, f.payload, tvb()) end
    end
    get_cols(pinfo).protocol = short_name
  end

  -- A segment of n octets at hand, of *whole*, with the state as it is before it; tried: see `consume`.
  local function segment(tvb, pinfo, tree, flow, n, whole, tried)
    T, at_hand, tree_root, last_item = tvb, n, tree, nil
    if want then
      shown, region_items = 0, {}
      begin_tree(tvb, tree, flow)
      if state == LOST then add_expert(tree_root, experts[FINDING.lost], finding_text.lost) end
      if skip > 0 and asked.payload then add(tree_root, f.payload, T(0, skip < n and skip or n)) end
    end
    consume(tvb, n, position, tried)
    if whole > n then
      spos, last_item = position + n, nil
      cut_off(whole - n)
    end
    position = position + whole
    show_columns(pinfo)
  end

  -- After a fault of ours the direction is lost, and the frame says so.
  local function failed(tvb, tree, flow, message)
    add_expert(add(tree, proto, tvb()), internal_error, "internal error: " .. tostring(message))
    put_away()
    flow.state, flow.skip, flow.carry, flow.region = LOST, 0, nil, nil
  end

  -- A piece of a frame that was seen before: from its snapshot, or a payload.
  local function dissect_again(tvb, pinfo, tree, flow, number)
    put_away()
    settled, want = false, referenced(tree, this_dissector)
    if want then look(tree) end
    local i, again = call_of(flow, number)
    if not again then clear_frame(0) end
    if i then
      load_snapshot(flow, i)
      local ok, message = pcall(segment, tvb, pinfo, tree, flow, captured(tvb), reported(tvb))
      if not ok then failed(tvb, tree, flow, message) end
    else
      inside_payload(tvb, pinfo, tree, flow)
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
    if not get_src_port then learn_getters(pinfo) end
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

  -- The next segment of the live flow, of n octets at hand; tried: see `consume`.
  local function dissect_next(tvb, pinfo, tree, tick, n, whole, tried)
    end_run()
    last, now = tick, tick
    if not tried then take_snapshot(live) end
    local ok, message = pcall(segment, tvb, pinfo, tree, live, n, whole, tried)
    if not ok then return failed(tvb, tree, live, message) end
    local pages = not (carry or region or changed or shared_changed) and page_runs[state]
    if pages then
      quick_header, quick_counter, quick_pdu, quick_place = pages.header, pages.counter, pages.pdu, position + skip
      quick_shape, quick_size = pages.shape()
    end
  end

  -- A segment of any flow, at any time.
  --
  -- Whether somebody looks is asked once in a pass, not for each frame: Wireshark decides it when a pass begins, and a
  -- filter, a column or a tap that comes later makes it visit the frames again that it has, which ends the pass for us.
  local function dissect_any(tvb, pinfo, tree, number)
    local port, refusal = get_src_port(pinfo), nil
    local flow = alone[port]
    if not flow or flow == true then flow = flow_of(pinfo, number) end
    if not flow then
      flow, refusal = chosen(tvb, pinfo)
      if not flow then return refusal end
    end
    local tick = number * PIECES
    local again = tick <= (flow == live and last or flow.last)
    if again and get.visited(pinfo) then return dissect_again(tvb, pinfo, tree, flow, number) end
    if live ~= flow then take_up(flow) end
    if not settled then
      settled, want = true, referenced(tree, this_dissector)
      if want then look(tree) end
    end
    if not want and alone[port] == flow then quick_port = port end
    if counting ~= number then clear_frame(number) elseif plain > 0 then tally[plain] = plainly end
    if again then
      tick = tick_of(tick)
      if not tick then return end
    end
    local n, whole = captured(tvb), reported(tvb)
    if skip >= n and whole == n then
      skip, position, last = skip - n, position + n, tick
      inside_payload(tvb, pinfo, tree, flow)
    else
      dissect_next(tvb, pinfo, tree, tick, n, whole)
    end
  end

  -- What nearly all segments of a migration are, with as few words as can be: of the same flow as the last one, in the
  -- first pass with nobody looking, and inside a payload or with headers of the run that the payload is part of.
  local function dissect(tvb, pinfo, tree)
    local number = get_number(pinfo)
    local tick = number * PIECES
    if tick <= last or get_src_port(pinfo) ~= quick_port then return dissect_any(tvb, pinfo, tree, number) end
    local n, whole = captured(tvb), reported(tvb)
    if skip >= n and whole == n then
      skip, position, last = skip - n, position + n, tick
      get_cols(pinfo).protocol = short_name
      return
    end
    if not quick_shape or whole ~= n then
      clear_frame(number)
      return dissect_next(tvb, pinfo, tree, tick, n, whole)
    end
    local free, notes = room, run_notes
    if free > 0 then
      notes[free - 1], notes[free], room = tick, position, free - 2
    else
      add_run_note(tick)
    end
    local o, k = run_of_shape(quick_shape, tvb, skip, n - quick_header, quick_header, quick_size)
    if o < n then
      end_run()
      clear_frame(number)
      if k > 0 then
        seen[quick_pdu] = seen[quick_pdu] + k
        count(quick_counter, k)
      end
      skip = 0
      return dissect_next(tvb, pinfo, tree, tick, n, n, o)
    end
    skip, position, last = o - n, position + n, tick
    plainly, counting = k, number
    local columns = get_cols(pinfo)
    columns.protocol, columns.info = short_name, told[k] or tell_quick(number, k)
  end

  proto.dissector = dissect
  proto.init = reset

  function heuristic(tvb, pinfo, tree)
    if is_tls(tvb) then return false end
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
  function tls_heuristic(tvb, pinfo, tree)
    handed_over()
    local number = get_number(pinfo)
    local flow = flow_of(pinfo, number)
    if not get.visited(pinfo) then
      if not flow then
        flow = claim(tvb, pinfo)
      elseif number * PIECES > (flow == live and last or flow.last) and is_over(flow.connection.conversation) then
        local n = captured(tvb)
        local channel = channel_of(raw(tvb, 0, n < MAX_FIRST and n or MAX_FIRST), pinfo, true)   -- it is over: apart
        if channel then flow = new_connection(pinfo, channel) end
      end
    end
    if not flow then return false end
    dissect(tvb, pinfo, tree)
    return true
  end
end
