-- SPDX-License-Identifier: Apache-2.0
-- mtctl, what people steer; it goes behind mtctl-scaling.lua, whose locals it
-- has. Any node asks for somebody who may: the store holds the policy's bounds
-- against all of them, and writes down what was before and after.
-- Keys under the prefix: autoscaling decision:{tree} proposal:{tree}
-- approval:{id}.
local KEEP_ANSWER_MS = 3600000 -- of a proposal, behind its end
local MAX_TELL_BYTES = 4096

local function say(values)
  return cjson.encode(values)
end

-- is_on (0 1) by reason -> version
function M.mt_enable(a)
  local p, key = a[1], a[1] .. 'autoscaling'
  local had = call('HMGET', key, 'ver', 'on')
  if had[2] == a[3] then
    return tonumber(had[1])
  end
  local version, before = (tonumber(had[1] or '') or 0) + 1, cjson.null
  if had[2] then
    before = had[2] == '1'
  end
  call('HSET', key, 'ver', version, 'on', a[3], 'by', a[4], 'at',
       whole(now_ms()))
  audit(p, '', 'enable', a[4], '',
        say({ outcome = 'done', before = before, after = a[3] == '1',
              reason = a[5] }))
  return version
end

-- token ttl_ms text: the leader's last decision, for all to show
function M.mt_tell(a)
  local why = fence(a[1], a[3])
  if not why and #a[5] > MAX_TELL_BYTES then
    why = 'BOUND a text of ' .. #a[5] .. ' bytes'
  end
  if why then
    return redis.error_reply(why)
  end
  call('SET', a[1] .. 'decision:' .. a[2], a[5], 'PX', a[4])
  return 1
end

-- token version outcome (a word): what came of the change to that version
function M.mt_outcome(a)
  local p, tree, token = a[1], a[2], a[3]
  local why = fence(p, token)
  if not why and call('HGET', p .. 'desired:' .. tree, 'ver') ~= a[4] then
    why = 'CONFLICT the version is another'
  elseif not why and not string.match(a[5], '^%l+$') then
    why = 'BOUND an outcome is a word'
  end
  if why then
    return redis.error_reply(why)
  end
  return end_change(p, tree, node_of(token), token, a[5], now_ms())
end

local function direction(was, n)
  return n > was and 1 or n < was and -1 or 0
end

-- find_open: the proposal that stands for this change, or that was refused
-- within its time; else nil and the one it replaces (or nil)
local function find_open(p, tree, version, way, now)
  local id = call('GET', p .. 'proposal:' .. tree)
  local had = id and call('HMGET', p .. 'approval:' .. id, 'state', 'ver', 'was',
                          'n', 'exp') or {}
  if not had[1] or tonumber(had[5]) <= now then
    return nil
  end
  local same = had[2] == version
               and direction(tonumber(had[3]), tonumber(had[4])) == way
  if same and (had[1] == 'waiting' or had[1] == 'rejected') then
    return id, had[1]
  end
  return nil, had[1] == 'waiting' and id or nil
end

-- token version n ttl_ms reason text -> 1: is there now, 0: was there
function M.mt_propose(a)
  local p, tree, token, version, n = a[1], a[2], a[3], a[4], tonumber(a[5])
  local why, now = fence(p, token), now_ms()
  local had = call('HMGET', p .. 'desired:' .. tree, 'ver', 'n')
  local was = tonumber(had[2] or '') or 0
  if not why and (had[1] or '0') ~= version then
    why = 'CONFLICT the version is ' .. (had[1] or '0')
  elseif not why and n == was then
    why = 'CONFLICT it is ' .. n .. ' already'
  end
  if why then
    return redis.error_reply(why)
  end
  local open, state = find_open(p, tree, version, direction(was, n), now)
  if open and state == 'waiting' then
    return 0
  elseif open then
    return redis.error_reply('COOLDOWN ' .. open .. ' was rejected')
  end
  if state then
    call('HSET', p .. 'approval:' .. state, 'state', 'replaced')
  end
  local id = audit(p, tree, 'propose', node_of(token), token, a[8])
  local key, keep = p .. 'approval:' .. id, tonumber(a[6]) + KEEP_ANSWER_MS
  call('HSET', key, 'state', 'waiting', 'tree', tree, 'ver', version, 'was',
       was, 'n', n, 'reason', a[7], 'at', whole(now), 'exp',
       whole(now + tonumber(a[6])), 'by', '')
  call('PEXPIRE', key, whole(keep))
  call('SET', p .. 'proposal:' .. tree, id, 'PX', whole(keep))
  return 1
end

-- id verdict (approve reject) by reason -> what is desired's version then
function M.mt_answer(a)
  local p, tree, id, verdict, by, now = a[1], a[2], a[3], a[4], a[5], now_ms()
  local key, why = p .. 'approval:' .. id, nil
  local had = call('HMGET', key, 'state', 'tree', 'ver', 'was', 'n', 'exp', 'by')
  if not had[1] or had[2] ~= tree then
    why = 'MISSING there is no proposal ' .. id
  elseif had[1] ~= 'waiting' then
    why = 'CONFLICT it is ' .. had[1] .. (had[7] ~= '' and ' by ' .. had[7] or '')
  elseif tonumber(had[6]) <= now then
    why = 'CONFLICT it has expired'
  end
  if why then
    return redis.error_reply(why)
  end
  local version = tonumber(call('HGET', p .. 'desired:' .. tree, 'ver') or '0')
  local text = { proposal = id, before = tonumber(had[4]),
                 after = tonumber(had[5]), outcome = verdict, reason = a[6] }
  if verdict == 'approve' then
    version, why = change(p, tree, { version = had[3], n = tonumber(had[5]),
                                     cause = 'manual', reason = a[6],
                                     text = say(text), kind = 'approve',
                                     by = by, token = '' })
    if not version then
      return redis.error_reply(why)
    end
  else
    text.after = text.before
    audit(p, tree, 'reject', by, '', say(text))
  end
  call('HSET', key, 'state', verdict == 'approve' and 'approved' or 'rejected',
       'by', by)
  return version
end

-- n hold_ms by reason -> version: a number that somebody asks for
function M.mt_set(a)
  local p, tree, n = a[1], a[2], tonumber(a[3])
  local was = tonumber(call('HGET', p .. 'desired:' .. tree, 'n') or '')
  local version, why = change(p, tree, {
    n = n, hold_ms = a[4], cause = 'manual', reason = a[6], kind = 'set',
    by = a[5], token = '',
    text = say({ before = was or cjson.null, after = n, outcome = 'asked',
                 reason = a[6], hold_ms = tonumber(a[4]) }) })
  return version or redis.error_reply(why)
end

-- roll_back_policy: to the one before this entry, which made the last
local function roll_back_policy(p, tree, id, made, by, reason)
  local version = call('HGET', p .. 'policy:' .. tree, 'ver') or '0'
  if version ~= made then
    return nil, 'CONFLICT the version is ' .. version .. ', that change made '
                .. made
  end
  local was = call('HMGET', p .. 'policywas:' .. tree .. ':'
                   .. whole(tonumber(version) - 1), unpack(POLICY))
  if not was[1] then
    return nil, 'BOUND there was nothing before the first change'
  end
  was[7] = by
  local now, text = set_policy(p, tree, version, was)
  audit(p, tree, 'rollback', by, '',
        '{"outcome":"done","of":"policy","entry":"' .. id .. '","reason":'
        .. say(reason) .. ',' .. text .. '}', { 'pver', now })
  return now
end

-- id hold_ms by reason -> version: back to what was before the last change (of
-- what is desired, or of the policy), which is that entry of the audit
function M.mt_rollback(a)
  local p, tree, id, row = a[1], a[2], a[3], {}
  local found = string.match(id, '^%d+%-%d+$') and #id <= 40
                and call('XRANGE', p .. 'audit', id, id)[1]
  local fields = found and found[2] or {}
  for i = 1, #fields, 2 do
    row[fields[i]] = fields[i + 1]
  end
  if row.tree == tree and row.pver then
    local version, fault = roll_back_policy(p, tree, id, row.pver, a[5], a[6])
    return version or redis.error_reply(fault)
  elseif row.tree ~= tree or not row.ver then
    return redis.error_reply('MISSING no change of the tree is ' .. id)
  elseif row.was == '' then
    return redis.error_reply('BOUND there was nothing before the first change')
  end
  -- nobody else may have changed it since
  local version = call('HGET', p .. 'desired:' .. tree, 'ver') or '0'
  if version ~= row.ver then
    return redis.error_reply('CONFLICT the version is ' .. version
                             .. ', that change made ' .. row.ver)
  end
  local done, why = change(p, tree, {
    version = version, n = tonumber(row.was), hold_ms = a[4],
    cause = 'rollback', reason = a[6], kind = 'rollback', by = a[5], token = '',
    text = say({ entry = id, before = tonumber(row.n),
                 after = tonumber(row.was), outcome = 'asked', reason = a[6],
                 hold_ms = tonumber(a[4]) }) })
  return done or redis.error_reply(why)
end

-- -> ver on by at; decision; pin n until; id state ver was n reason at exp by;
-- now
function M.mt_steering(a)
  local p, tree, out = a[1], a[2], {}
  local function add(key, ...)
    for _, value in ipairs(call('HMGET', key, ...)) do
      out[#out + 1] = value
    end
  end
  add(p .. 'autoscaling', 'ver', 'on', 'by', 'at')
  out[5] = call('GET', p .. 'decision:' .. tree)
  add(p .. 'desired:' .. tree, 'pin', 'pin_n', 'pin_until')
  out[9] = call('GET', p .. 'proposal:' .. tree)
  add(p .. 'approval:' .. (out[9] or ''), 'state', 'ver', 'was', 'n', 'reason',
      'at', 'exp', 'by')
  out[#out + 1] = whole(now_ms())
  return out
end
