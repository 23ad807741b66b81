-- Items.  A PDU is shown in the segment in which its header became complete; if it began in an earlier one, its octets
-- are put together in a tab of their own, as Wireshark does for reassembled data.

local T, at_hand, joined, tree_root   -- the tvb of the segment, its length; that of joined octets; the segment's item
local last_item = nil
local shown, region_items = 0, {}
local S                               -- the octets at hand

-- The functions behind tree:add and so on, which save the look-up of their names at each item: a tenth of a tree's cost.
local add, add_le, set_text, append_text = TreeItem.add, TreeItem.add_le, TreeItem.set_text, TreeItem.append_text
local set_generated, add_expert = TreeItem.set_generated, TreeItem.add_proto_expert_info

local function add_generated(item, field, value)
  set_generated(add(item, field, value))
end

-- Which fields somebody looks for, by their names in `f`.  All of them where the tree is seen; else, for a filter, a
-- column or a tap, those that it names, about which Wireshark is asked once in a pass: nothing else is added then, and
-- everything to the item of the segment.  The bits of a field are in `bits`, by the field's name.
local referenced = TreeItem.referenced
local everything = setmetatable({}, { __index = function(list, name) list[name] = true return true end })
local visible, asked, asked_bits = true, everything, bits
local named = { __index = function(list, name)
  local found = {}
  for _, bit in ipairs(bits[name] or {}) do
    if referenced(tree_root, bit) then found[#found + 1] = bit end
  end
  asked_bits[name], list[name] = found, #found > 0 or referenced(tree_root, f[name])
  return list[name]
end }

local function look(tree)
  visible = tree.visible
  if visible then asked, asked_bits = everything, bits else asked, asked_bits = setmetatable({}, named), {} end
end

local function show_bits(name, item, where, add_bit)
  local list = asked_bits[name]
  for i = 1, #list do add_bit(item, list[i], where) end
end

-- The range of n octets from index q of S on.
local function range(q, n)
  local at = base + q - 1
  if at >= 0 and at + n <= at_hand then return T(at, n) end
  if not joined then joined = ByteArray.new(S, true):tvb("Joined segments") end
  local size = captured(joined)
  if q - 1 + n > size then n = size - q + 1 end
  return joined(q - 1, n > 0 and n or 0)
end

local function parent()
  local r = region
  if not r then return tree_root end
  local item = region_items[r]
  if not item then
    item = tree_root
    if asked.pdu_region then
      item = add(tree_root, f.pdu_region, r.label)
      set_text(item, r.label .. " (continued)")
    end
    region_items[r] = item
  end
  return item
end

-- The item of PDU k, of which *here* octets from index q on are shown.
local function add_pdu(k, q, here, position, total)
  last_item = parent()
  if asked.pdu then last_item = add(last_item, f.pdu, range(q, here), pdu_names[k]) end
  if visible then set_text(last_item, pdu_labels[k]) end
  if asked.pdu_offset then add_generated(last_item, f.pdu_offset, wide(position)) end
  if asked.pdu_length then add_generated(last_item, f.pdu_length, wide(total)) end
  return last_item
end

-- The item of PDU k at index q: header octets, then a payload.  nil beyond the limit that the user set.
local function open(k, q, header, payload)
  shown = shown + 1
  if pref.max_items > 0 and shown > pref.max_items then
    last_item = nil
    return nil
  end
  return add_pdu(k, q, header, spos + q - 1, header + payload)
end

-- The item of a body of n octets that ends before index q; only its end need be in this segment.
local function open_body(k, q, n)
  shown = shown + 1
  if pref.max_items > 0 and shown > pref.max_items then
    last_item = nil
    return nil
  end
  local here = n < q - 1 and n or q - 1
  return add_pdu(k, q - here, here, spos + q - 1 - n, n)
end

-- The part of a payload that lies in this segment.
local function show_payload(t, field, q, n)
  local at = base + q - 1
  local here = at_hand - at
  if n < here then here = n end
  if here > 0 and at >= 0 then add(t, field, T(at, here)) end
end

-- A payload of n octets that is compressed by a method, or by none that is known, and what comes out of it, in a tab of
-- its own: only for somebody who looks at it, and only if it is all here and all comes out.
local show_packed

do
  -- What Wireshark can uncompress, asked once: the names differ by version, and a build may lack a library.
  local LONGEST_UNPACKED = 4194304
  local unpackers = {}
  for method, names in pairs({ zlib = { "uncompress_zlib", "uncompress" }, zstd = { "uncompress_zstd" } }) do
    for _, name in ipairs(names) do
      local known, fn = pcall(function() return TvbRange[name] end)
      if known and fn and not unpackers[method] then unpackers[method] = fn end
    end
  end

  function show_packed(t, name, q, n, method, alone, size, label)
    if asked[name] then show_payload(t, f[name], q, n) end
    if not method or not (asked.uncompressed or asked.not_uncompressed) then return end
    local at, why = base + q - 1, nil
    if not alone then
      why = format("it continues the %s stream of this connection", method)
    elseif at < 0 or at + n > at_hand then
      why = "this segment has only a part of it"
    elseif not unpackers[method] or size > LONGEST_UNPACKED then
      why = format("this Wireshark cannot uncompress %s", method)
    else
      local ok, result = pcall(unpackers[method], T(at, n), label)
      local got = ok and result and result:len() or 0
      if got == size then
        add_generated(t, f.uncompressed, result)
        return
      end
      why = got == 0 and "nothing comes out: it is damaged, or goes on behind these octets"
            or format("%s octets come out, not %s", dec(got), dec(size))
    end
    add_generated(t, f.not_uncompressed, why)
  end
end

-- Said whether somebody looks or not: expert information is also collected without a tree.
function report(k, message)
  found[k] = (found[k] or 0) + 1
  add_expert(last_item or tree_root, experts[k], message)
end

-- A fault at index q: nothing can be read there.
local function fault(k, q, message)
  if want then
    last_item = add(parent(), f.undecoded, range(q, 1))
    set_text(last_item, "Undecoded octets")
  end
  report(k, message)
  last_item = nil
  return false
end

-- A payload of n octets begins at index q.  It cannot be longer than what is left of the region around it.
local function pass_over(q, n)
  if region and spos + q - 1 + n > region.stop then
    local left = region.stop - (spos + q - 1)
    report(FINDING.overrun, format(finding_text.overrun, dec(n), dec(left)))
    n = left
  end
  skip = n
end

-- A region of n octets begins behind index q and the payload.
local function enter(q, n, resume, label)
  local start = spos + q - 1 + skip
  if region and start + n > region.stop then
    report(FINDING.overrun, format(finding_text.overrun, dec(n), dec(region.stop - start)))
    n = region.stop - start
  end
  region = { stop = start + n, resume = resume, up = region, depth = (region and region.depth or 0) + 1, label = label }
  if want and last_item then region_items[region] = last_item end
end

local function too_deep(limit)
  return region and region.depth >= limit
end
