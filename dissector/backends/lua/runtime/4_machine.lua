-- The machine: octets in, rules applied.  docs/executors.md says what it does, in words.
--
-- Wireshark is never asked to reassemble.  A payload is passed over by count; octets that do not yet make a header are
-- kept (`carry`, a list of pieces, so that a snapshot is a reference and a byte-wise stream costs no copies) and put
-- before the next segment.  Everything else is read in place, through a window.

local LOST = 0
local carry, need = nil, 0             -- { up, s, n }: pieces, the last first; octets needed from its first one on
local stream                           -- the generated tables: states, bodies, scans, resync, page_runs, record_runs

-- One segment of n octets whose first one is octet pos of the stream.  tried: the first of them have been read by a
-- loop for pages, which stopped at this offset.
local consume

do
  local WINDOW, SMALL_WINDOW = 4096, 128  -- the small one behind a payload, where another may follow soon

  -- Looks for a position in s[q..m] at which a scan accepts.  final: no more octets will come.
  -- Returns the index, or nil, the index from which octets must be kept, and how many are needed there.
  local function seek(scan, s, q, m, final)
    if not scan.octets then return nil, m + 1, 1 end
    local offset = scan.offset
    local at = q + offset
    while true do
      local hit = find(s, scan.octets, at, scan.plain)
      if not hit or hit > m then
        local rest = m - offset + 1
        if rest < q then rest = q end
        return nil, rest, m - rest + 2
      end
      local ok, more = scan.accept(s, hit - offset, m)
      if ok then return hit - offset end
      if ok == nil and not final and more <= scan.window then return nil, hit - offset, more end
      at = hit + 1
    end
  end

  -- Position lost: the earliest octet at which one of the ways back accepts.
  local function search(q, m)
    local best, way, keep, more
    for i = 1, #stream.resync do
      local at, rest, n = seek(stream.resync[i], S, q, m, false)
      if at then
        if (not best or at < best) and (not keep or at < keep) then best, way = at, stream.resync[i] end
      elseif not keep or rest < keep then
        keep, more = rest, n
      end
    end
    if best and (not keep or best < keep) then
      report(FINDING.resync, finding_text.resync)
      way.found()
      return best
    end
    return nil, more or 1, keep or m + 1
  end

  -- A body without a length: to the place where its scan accepts, or not yet.
  local function read_body(q, m, final)
    local at, rest, more = seek(stream.scans[state], S, q, m, final)
    if at then
      stream.bodies[state](at, spos + at - 1 - R.body_at)
      return at
    end
    return nil, more, rest
  end

  local function show_passed(was, q, to)
    if want and to > q and asked[was == LOST and "undecoded" or "body"] then
      add(tree_root, was == LOST and f.undecoded or f.body, range(q, to - q))
    end
  end

  -- What cannot be read: behind the region if there is one, else lost.
  local function give_up(q)
    if region then
      skip = region.stop - (spos + q - 1)
      return q
    end
    state = LOST
    report(FINDING.lost, finding_text.lost)
    return q + 1
  end

  local function short_region(q)
    local start = state > stream.last and R.body_at or spos + q - 1
    report(FINDING.short_region, format(finding_text.short_region, dec(region.stop - start)))
    skip = region.stop - (spos + q - 1)
  end

  -- Applies rules to S from index q on.  Returns the index of the first octet not consumed and, if octets are lacking,
  -- how many are needed from there on.
  local function run(q)
    local have = #S
    while true do
      while region and spos + q - 1 >= region.stop and skip == 0 do
        state, region = region.resume, region.up
      end
      if skip > 0 or q > have then return q end
      local m, bounded = have, false
      if region and region.stop - spos <= m then m, bounded = region.stop - spos, true end
      local after, more, keep
      local was = state
      if was == LOST then
        after, more, keep = search(q, m)
      elseif was > stream.last then
        after, more, keep = read_body(q, m, bounded)
      else
        local records = stream.record_runs[state]
        if records and not want then
          q = records(S, q, m)
          if q > m then after, more = q, nil else after, more = stream.states[state](S, q, m) end
        else
          after, more = stream.states[state](S, q, m)
        end
      end
      if after then
        if was == LOST then show_passed(was, q, after) end
        q = after
      elseif after == false then
        q = give_up(q)
      else
        if keep and keep > q then
          show_passed(was, q, keep)
          q = keep
        end
        if bounded or region and spos + q - 1 + more > region.stop then
          short_region(q)
        elseif more > LONGEST then
          fault(FINDING.too_long, q, format(finding_text.too_long, dec(more), dec(LONGEST)))
          q = give_up(q)
        else
          return q, more
        end
      end
    end
  end

  local function pieces(c)
    local list, i = {}, 0
    while c do
      i = i + 1
      list[i] = c.s
      c = c.up
    end
    for k = 1, floor(i / 2) do list[k], list[i - k + 1] = list[i - k + 1], list[k] end
    return concat(list)
  end

  -- Octets kept from earlier segments, and as much of this one as it takes.  Returns the tvb offset to go on from, or
  -- nil when all of the segment was used up.
  local function join(tvb, n, pos)
    local kept = carry.n
    if kept + n < need then
      carry = { up = carry, s = raw(tvb, 0, n), n = kept + n }
      return nil
    end
    local head = pieces(carry)
    local take = n > WINDOW and need - kept + 512 or n
    carry = nil
    while true do
      if take > n then take = n end
      S, joined, base, spos = head .. raw(tvb, 0, take), nil, -kept, pos - kept
      local q, more = run(1)
      while skip > 0 and q <= kept do       -- a payload that ends before this segment begins
        local step = kept - q + 1
        if step > skip then step = skip end
        q, skip = q + step, skip - step
        q, more = run(q)
      end
      if q > kept then return q - 1 - kept end
      head, kept = sub(S, q, kept), kept - q + 1
      if take == n then
        carry, need = { s = head .. raw(tvb, 0, n), n = kept + n }, more or 1
        return nil
      end
      take = take + (more or 1) + WINDOW
    end
  end

  -- A run of PDUs with a payload from offset o on.  Returns the offset behind it.
  local function read_pages(pages, tvb, o, n)
    local shape, size = pages.shape()
    local k
    if shape then
      o, k = run_of_shape(shape, tvb, o, n - pages.header, pages.header, size)
    else
      o, k = pages.loop(tvb, o, n - pages.header, size)
    end
    if k > 0 then
      seen[pages.pdu] = seen[pages.pdu] + k
      count(pages.counter, k)
    end
    return o
  end

  function consume(tvb, n, pos, tried)
    local o = tried or 0
    if carry then
      o = join(tvb, n, pos)
      if not o then return end
    end
    joined = nil
    local window = tried and SMALL_WINDOW or WINDOW
    while o < n do
      if skip > 0 then
        o, skip = o + skip, 0
        window = SMALL_WINDOW
        if o >= n then
          skip = o - n
          break
        end
      end
      local pages = page_runs[state]
      if pages and not (want or region or tried) then
        o = read_pages(pages, tvb, o, n)
        if o >= n then
          skip = o - n
          return
        end
      end
      tried = nil
      local w = n - o
      if w > window then w = window end
      S, base, spos = raw(tvb, o, w), o, pos + o
      local q, more = run(1)
      local rest = w - q + 1
      if more and o + w >= n then
        carry, need = { s = sub(S, q), n = rest }, more
        return
      end
      window = more and q == 1 and w + more + WINDOW or WINDOW
      o = o + q - 1
    end
    if skip == 0 and region then            -- regions that end exactly here
      S, base, spos = "", n, pos + n
      run(1)
    end
  end
end
