-- Items.  A PDU is shown in the segment in which its header became complete; if it began in an earlier one, its octets
-- are put together in a tab of their own, as Wireshark does for reassembled data.

local T, joined, tree_root            -- the tvb of the segment; that of joined octets; the item of this segment
local last_item = nil
local shown, region_items = 0, {}
local S                               -- the octets at hand

-- The range of n octets from index q of S on.
local function range(q, n)
  local at = base + q - 1
  if at >= 0 and at + n <= captured(T) then return T(at, n) end
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
    item = tree_root:add(f.pdu_region, r.label)
    item:set_text(r.label .. " (continued)")
    region_items[r] = item
  end
  return item
end

local function label_of(k, position, total)
  last_item:set_text(pdu_labels[k])
  last_item:add(f.pdu_offset, wide(position)):set_generated()
  last_item:add(f.pdu_length, wide(total)):set_generated()
end

-- The item of PDU k at index q: header octets, then a payload.  nil beyond the limit that the user set.
local function open(k, q, header, payload)
  shown = shown + 1
  if pref.max_items > 0 and shown > pref.max_items then
    last_item = nil
    return nil
  end
  last_item = parent():add(f.pdu, range(q, header), pdu_names[k])
  label_of(k, spos + q - 1, header + payload)
  return last_item
end

-- The item of a body of n octets that ends before index q; only its end need be in this segment.
local function open_body(k, q, n)
  shown = shown + 1
  if pref.max_items > 0 and shown > pref.max_items then
    last_item = nil
    return nil
  end
  local here = n < q - 1 and n or q - 1
  last_item = parent():add(f.pdu, range(q - here, here), pdu_names[k])
  label_of(k, spos + q - 1 - n, n)
  return last_item
end

-- The part of a payload that lies in this segment.
local function show_payload(t, field, q, n)
  local at = base + q - 1
  local here = captured(T) - at
  if n < here then here = n end
  if here > 0 and at >= 0 then t:add(field, T(at, here)) end
end

-- What Wireshark can uncompress, asked once: the names differ by version, and a build may lack a library.
local LONGEST_UNPACKED = 4194304
local unpackers = {}
for method, names in pairs({ zlib = { "uncompress_zlib", "uncompress" }, zstd = { "uncompress_zstd" } }) do
  for _, name in ipairs(names) do
    local known, fn = pcall(function() return TvbRange[name] end)
    if known and fn and not unpackers[method] then unpackers[method] = fn end
  end
end

-- A payload of n octets that is compressed by a method, or by none that is known, and what comes out of it, in a tab of
-- its own: only for somebody who looks at it, and only if it is all here and all comes out.
local function show_packed(t, field, q, n, method, alone, size, label)
  show_payload(t, field, q, n)
  if not method or not (t.visible or t:referenced(f.uncompressed)) then return end
  local at, why = base + q - 1, nil
  if not alone then
    why = format("it continues the %s stream of this connection", method)
  elseif at < 0 or at + n > captured(T) then
    why = "this segment has only a part of it"
  elseif not unpackers[method] or size > LONGEST_UNPACKED then
    why = format("this Wireshark cannot uncompress %s", method)
  else
    local ok, result = pcall(unpackers[method], T(at, n), label)
    local got = ok and result and result:len() or 0
    if got == size then
      t:add(f.uncompressed, result):set_generated()
      return
    end
    why = got == 0 and "nothing comes out: it is damaged, or goes on behind these octets"
          or format("%s octets come out, not %s", dec(got), dec(size))
  end
  t:add(f.not_uncompressed, why):set_generated()
end

-- Said whether somebody looks or not: expert information is also collected without a tree.
function report(k, message)
  found[k] = (found[k] or 0) + 1
  (last_item or tree_root):add_proto_expert_info(experts[k], message)
end

-- A fault at index q: nothing can be read there.
local function fault(k, q, message)
  if want then
    last_item = parent():add(f.undecoded, range(q, 1))
    last_item:set_text("Undecoded octets")
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
