-- What Wireshark is told: ports, heuristics, preferences, and the summary for `tshark -z`.

do
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
      for _, channel in ipairs(channels) do
        local n = c.channels[channel.name]
        if n then print(format("  channel %-24s %d", channel.name, n)) end
      end
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
end
