-- SPDX-License-Identifier: Apache-2.0
-- mtctl, the leader's part; it goes behind mtctl.lua, whose locals it has.
-- Who holds the lease may write what is desired, within the tree's policy; it
-- is all checked here, so that a leader who was deposed, or is mad, cannot.
-- Keys under the prefix: lease:scaler lease:epoch desired:{tree} policy:{tree}
-- policywas:{tree}:{version} slot:{tree} learned:{tree} join:{node} audit;
-- channels lease:scaler slots:{tree}. A token is cfg:ctr:node:nonce: the sentinels'
-- config epoch, a counter that only grows, who.
local MAX_AUDIT, MAX_AUDIT_BYTES, MAX_AUDIT_LOOK = 100000, 2048, 2000
-- between two changes of what is desired, whatever for; between two steps down
local MIN_CHANGE_MS, MIN_IN_MS = 1000, 25000

-- a tree's policies that are kept besides the one that holds; their members
local MAX_POLICIES = 8
local POLICY = { 'min', 'max', 'step_out', 'step_in', 'cool_out', 'cool_in',
                 'by', 'text' }
-- subtrees of a tree that ever were; of these on their way beside what is
-- desired; what a node that joins is taken for when it does not beat yet
local MAX_SLOTS, MAX_SPARE, JOIN_MS = 4096, 64, 3000
local MAX_LEARNED_BYTES = 2048

local function now_ms()
  local time = call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end

-- more: fields that functions here read again
local function audit(p, tree, kind, by, token, text, more)
  return call('XADD', p .. 'audit', 'MAXLEN', '~', MAX_AUDIT, '*', 'tree', tree,
              'kind', kind, 'by', by, 'tok', token, 'text', text,
              unpack(more or {}))
end

local function node_of(token)
  return string.match(token, '^%d+:%d+:([^:]*):') or ''
end

-- fence: why the holder of this token may not write, or nil
local function fence(p, token)
  local held = call('GET', p .. 'lease:scaler')
  if held ~= token then
    return 'FENCED ' .. (held and node_of(held) or 'nobody') .. ' leads'
  end
end

-- node nonce ttl_ms cfg ('-': no sentinels) -> OK token, or HELD token ms
function M.mt_acquire(a)
  local p, ttl, cfg = a[1], tonumber(a[5]), tonumber(a[6])
  local key, epoch = p .. 'lease:scaler', p .. 'lease:epoch'
  local mine, held = ':' .. a[3] .. ':' .. a[4], call('GET', key)
  local known = call('HMGET', epoch, 'cfg', 'ctr')
  local had = tonumber(known[1] or '') or 0
  cfg = cfg or had
  if cfg < had then
    return redis.error_reply('STALE config epoch ' .. whole(cfg) .. ', here was '
                             .. whole(had))
  end
  -- ours under an older token: its answer was lost, or the master is another
  if held and string.sub(held, -#mine) ~= mine then
    local left = call('PTTL', key)
    if left < 0 then
      call('PEXPIRE', key, ttl)
      left = ttl
    end
    return { 'HELD', held, left }
  end
  local ctr = math.max((tonumber(known[2] or '') or 0) + 1, now_ms())
  local token = whole(cfg) .. ':' .. whole(ctr) .. mine
  call('SET', key, token, 'PX', ttl)
  call('HSET', epoch, 'cfg', whole(cfg), 'ctr', whole(ctr), 'tok', token)
  audit(p, '', 'acquire', a[3], token, '')
  return { 'OK', token }
end

-- token ttl_ms
function M.mt_renew(a)
  local why = fence(a[1], a[3])
  if why then
    return redis.error_reply(why)
  end
  return call('PEXPIRE', a[1] .. 'lease:scaler', a[4])
end

-- token
function M.mt_resign(a)
  local p = a[1]
  if fence(p, a[3]) then
    return 0
  end
  call('DEL', p .. 'lease:scaler')
  audit(p, '', 'resign', node_of(a[3]), a[3], '')
  call('PUBLISH', p .. 'lease:scaler', 'free')
  return 1
end

-- What a change of desired:{tree} may not be, or nil. since: ms since the last
-- change, growth, and growth for a threshold. The policy's owner may raise min
-- and lower max: to come back between them nothing cools down. What a person
-- asks for does not cool down either, and the way back has no steps.
local function check_change(rule, was, n, cause, since)
  local min, max, out, back = rule[1], rule[2], rule[3], rule[4]
  -- a maximum that was lowered is come down to in steps
  if n < min or (n > max and not (was and was > max and n < was)) then
    return 'BOUND ' .. n .. ' is not in ' .. min .. ' to ' .. max
  end
  if not was or n == was or (n > was and n <= min) then
    return nil
  end
  local step, most, left = n - was, out, MIN_CHANGE_MS - since[1]
  if n < was then
    step, most = was - n, back
    if cause ~= 'manual' and cause ~= 'rollback' and was <= max then
      left = math.max(left, MIN_IN_MS - since[1], rule[6] - since[2])
    end
  elseif cause == 'threshold' then
    left = math.max(left, rule[5] - since[3])
  end
  if step > most and cause ~= 'rollback' then
    return 'BOUND a step of ' .. step .. ', at most ' .. most
  end
  if left > 0 then
    return 'COOLDOWN for ' .. whole(left) .. ' ms'
  end
end

-- check_pin: a person's number holds for a while against what is decided: pin
-- 'min': not fewer, 'max': not more; where the policy has moved on, it does not
local function check_pin(rule, pin, n, cause, now)
  local bound, left = tonumber(pin[2] or ''), (tonumber(pin[3] or '') or 0) - now
  if cause ~= 'demand' and cause ~= 'threshold' or not bound or left <= 0
      or bound < rule[1] or bound > rule[2] then
    return nil
  end
  if (pin[1] == 'min' and n < bound) or (pin[1] == 'max' and n > bound) then
    return 'COOLDOWN for ' .. whole(left) .. ' ms: a person asked for ' .. bound
  end
end

-- end_change: what came of the last change; once
local function end_change(p, tree, by, token, outcome, now)
  local key = p .. 'desired:' .. tree
  local had = call('HMGET', key, 'ver', 'n', 'at', 'done', 'was', 'entry',
                   'cause')
  if not had[1] or had[1] == had[4] then
    return 0
  end
  call('HSET', key, 'done', had[1])
  audit(p, tree, 'outcome', by, token,
        string.format('{"outcome":"%s","version":%d,"entry":"%s","cause":"%s",'
                      .. '"before":%s,"after":%d,"duration_ms":%.0f}', outcome,
                      had[1], had[6] or '',
                      string.match(had[7] or '', '^%l*$') or '',
                      tonumber(had[5] or '') or 'null', had[2] or 0,
                      math.max(0, now - (tonumber(had[3] or '') or now))))
  return 1
end

-- change: what is desired of a tree. c: version (nil: whichever), n, cause,
-- reason, text, kind, by, token, hold_ms (nil: nothing holds from now on)
-- -> version, or nil and why not
local function change(p, tree, c)
  local key, now, rule, since = p .. 'desired:' .. tree, now_ms(), {}, {}
  local had = call('HMGET', key, 'ver', 'n', 'at', 'out_at', 'floor_at', 'pin',
                   'pin_n', 'pin_until')
  local policy = call('HMGET', p .. 'policy:' .. tree, 'min', 'max', 'step_out',
                      'step_in', 'cool_out', 'cool_in')
  for i = 1, #policy do
    rule[i] = tonumber(policy[i] or '')
  end
  for i = 1, 3 do
    since[i] = now - (tonumber(had[i + 2] or '') or 0)
  end
  local version, was = had[1] or '0', tonumber(had[2] or '')
  if c.version and version ~= c.version then
    return nil, 'CONFLICT the version is ' .. version
  elseif #rule < 6 then
    return nil, 'BOUND the tree has no policy'
  end
  local why = check_change(rule, was, c.n, c.cause, since)
              or check_pin(rule, { had[6], had[7], had[8] }, c.n, c.cause, now)
  if why then
    return nil, why
  end
  local is_decided = c.cause == 'demand' or c.cause == 'threshold'
  if not is_decided then
    local hold = tonumber(c.hold_ms or '') or 0
    call('HSET', key, 'pin', c.n < (was or 0) and 'max' or 'min', 'pin_n', c.n,
         'pin_until', whole(hold > 0 and now + hold or 0))
  end
  if c.n == was then
    return tonumber(version)
  end
  end_change(p, tree, c.by, c.token, 'replaced', now)
  version = tonumber(version) + 1
  call('HSET', key, 'ver', version, 'n', c.n, 'at', whole(now), 'by', c.by,
       'reason', c.reason, 'cause', c.cause)
  if not was or c.n > was then
    call('HSET', key, 'out_at', whole(now))
  end
  if was and c.n > was and c.cause == 'threshold' then
    call('HSET', key, 'floor_at', whole(now))
  end
  local entry = audit(p, tree, c.kind, c.by, c.token, c.text,
                      { 'ver', version, 'n', c.n, 'was', was or '' })
  call('HSET', key, 'was', was or '', 'entry', entry)
  return version
end

-- token version n cause (demand threshold) reason text -> version
function M.mt_desire(a)
  local p, tree, token = a[1], a[2], a[3]
  local why = fence(p, token)
  local version
  if not why then
    version, why = change(p, tree, { token = token, by = node_of(token),
                                     version = a[4], n = tonumber(a[5]),
                                     cause = a[6], reason = a[7], text = a[8],
                                     kind = 'desire' })
  end
  return version or redis.error_reply(why)
end

-- cluster/slot.c has the same ways
local WAYS = {
  none = { planned = true, serving = true },
  planned = { starting = true, draining = true, gone = true },
  starting = { joined = true, draining = true },
  joined = { serving = true, draining = true },
  serving = { draining = true },
  draining = { gone = true },
  gone = { planned = true },
}

-- "gen state at", of a slot's value; what is none counts as nothing
local function read_slot(value)
  local gen, state = string.match(value or '', '^(%d+) (%l+) %d+$')
  if not WAYS[state or ''] then
    return 0, 'none'
  end
  return tonumber(gen), state
end

-- count_slots: that serve, and that shall or do
local function count_slots(p, tree)
  local serving, active = 0, 0
  for _, value in ipairs(call('HVALS', p .. 'slot:' .. tree)) do
    local _, state = read_slot(value)
    serving = serving + (state == 'serving' and 1 or 0)
    active = active + (WAYS[state].draining and 1 or 0)
  end
  return serving, active
end

-- check_slot: why the slot may not go from where it is to there, or nil. No more
-- serve than are desired, whoever believes to lead.
local function check_slot(p, tree, ordinal, gen, from, to)
  local had, state = read_slot(call('HGET', p .. 'slot:' .. tree, ordinal))
  if state ~= from then
    return 'CONFLICT the subtree is ' .. state
  end
  if not WAYS[from] or not WAYS[from][to] then
    return 'BOUND no way from ' .. from .. ' to ' .. to
  end
  local want = had + (from == 'gone' and 1 or 0)
  if gen ~= want and not (from == 'none' and gen > 0) then
    return 'CONFLICT the subtree is in life ' .. had
  end
  if to ~= 'planned' and to ~= 'serving' then
    return nil
  end
  local n = tonumber(call('HGET', p .. 'desired:' .. tree, 'n') or '0')
  local serving, active = count_slots(p, tree)
  if to == 'serving' and serving >= n then
    return 'BOUND ' .. serving .. ' serve, ' .. n .. ' are desired'
  end
  if to == 'planned' and active >= n + MAX_SPARE then
    return 'BOUND ' .. active .. ' are on their way or serve'
  end
  if from == 'none' and call('HLEN', p .. 'slot:' .. tree) >= MAX_SLOTS then
    return 'BOUND the tree has ' .. MAX_SLOTS .. ' subtrees'
  end
end

-- token ordinal gen from to text -> gen
function M.mt_slot(a)
  local p, tree, token, ordinal, gen = a[1], a[2], a[3], a[4], tonumber(a[5])
  local from, to, text = a[6], a[7], a[8]
  local why = fence(p, token)
  if not why and #text > MAX_AUDIT_BYTES then
    why = 'BOUND a text of ' .. #text .. ' bytes'
  end
  why = why or check_slot(p, tree, ordinal, gen, from, to)
  if why then
    return redis.error_reply(why)
  end
  call('HSET', p .. 'slot:' .. tree, ordinal,
       a[5] .. ' ' .. to .. ' ' .. whole(now_ms()))
  audit(p, tree, 'slot', node_of(token), token, text)
  call('PUBLISH', p .. 'slots:' .. tree, ordinal)
  return gen
end

-- -> ordinal value, ordinal value, …
function M.mt_slots(a)
  return call('HGETALL', a[1] .. 'slot:' .. a[2])
end

-- token text: what the leader has learned of the tree, for the next one
function M.mt_learn(a)
  local p, tree, token, text = a[1], a[2], a[3], a[4]
  local why = fence(p, token)
  if not why and #text > MAX_LEARNED_BYTES then
    why = 'BOUND a text of ' .. #text .. ' bytes'
  end
  if why then
    return redis.error_reply(why)
  end
  call('SET', p .. 'learned:' .. tree, text)
  return 1
end

-- -> text
function M.mt_learned(a)
  return call('GET', a[1] .. 'learned:' .. a[2])
end

-- A node asks whether it is wanted: ordinal gen node boot -> its subtree's
-- state; none: the store has never heard of this life of it, gone: there is a
-- later one. It is said again before JOIN_MS are over, as long as it lives.
function M.mt_join(a)
  local p, tree, ordinal, gen = a[1], a[2], a[3], tonumber(a[4])
  local node, boot = a[5], a[6]
  local had, state = read_slot(call('HGET', p .. 'slot:' .. tree, ordinal))
  local hb, claim = call('GET', p .. 'hb:' .. node), p .. 'join:' .. node
  local other = hb and boot_of(hb) or call('GET', claim)
  if other and other ~= boot then
    return redis.error_reply('TAKEN another boot lives as ' .. node)
  end
  if gen ~= had then
    state = gen < had and 'gone' or 'none'
  end
  if WAYS[state].draining then
    call('SET', claim, boot, 'PX', JOIN_MS)
  end
  return state
end

-- set_policy: values as POLICY has them; what was before is kept for the way
-- back -> its version; the change as members of a JSON object
local function set_policy(p, tree, version, values)
  local key, kept = p .. 'policy:' .. tree, p .. 'policywas:' .. tree .. ':'
  local now, fields, before = tonumber(version) + 1, {}, 'null'
  local was, old = call('HMGET', key, unpack(POLICY)), {}
  for i = 1, #POLICY do
    fields[2 * i - 1], fields[2 * i] = POLICY[i], values[i]
    old[2 * i - 1], old[2 * i] = POLICY[i], was[i] or ''
  end
  if was[1] then
    call('HSET', kept .. version, unpack(old))
    before = string.format('{"version":%d,"min":%d,"max":%d,"step_out":%d,'
                           .. '"step_in":%d}', version, was[1], was[2], was[3],
                           was[4])
  end
  call('DEL', kept .. whole(now - 1 - MAX_POLICIES))
  call('HSET', key, 'ver', now, unpack(fields))
  return now, string.format('"version":%d,"min":%d,"max":%d,"step_out":%d,'
                            .. '"step_in":%d,"before":%s', now, values[1],
                            values[2], values[3], values[4], before)
end

-- version min max step_out step_in cool_out cool_in (ms) by text -> version
function M.mt_policy(a)
  local p, tree, values = a[1], a[2], {}
  local version = call('HGET', p .. 'policy:' .. tree, 'ver') or '0'
  for i = 4, 9 do
    local number = tonumber(a[i])
    if not number or number < 0 or number ~= math.floor(number) then
      return redis.error_reply('BOUND a policy of whole numbers, not ' .. a[i])
    end
  end
  if tonumber(a[4]) > tonumber(a[5]) then
    return redis.error_reply('BOUND min is above max')
  end
  if version ~= a[3] then
    return redis.error_reply('CONFLICT the version is ' .. version)
  end
  for i = 1, #POLICY do
    values[i] = a[3 + i]
  end
  local now, text = set_policy(p, tree, version, values)
  audit(p, tree, 'policy', a[10], '', '{"outcome":"done",' .. text .. '}',
        { 'pver', now })
  return now
end

-- token ('': nobody's, by whom it says) kind by text -> id
function M.mt_audit(a)
  local p, tree, token, kind, by, text = a[1], a[2], a[3], a[4], a[5], a[6]
  local why = token ~= '' and fence(p, token) or nil
  if not why and #text > MAX_AUDIT_BYTES then
    why = 'BOUND a text of ' .. #text .. ' bytes'
  end
  if why then
    return redis.error_reply(why)
  end
  return audit(p, tree, kind, by, token, text)
end

-- -> token ms; ver n at by reason cause; ver min … cool_in by text; now
function M.mt_scaling(a)
  local p, tree, out = a[1], a[2], {}
  local key = p .. 'lease:scaler'
  out[1], out[2] = call('GET', key), call('PTTL', key)
  for _, value in ipairs(call('HMGET', p .. 'desired:' .. tree, 'ver', 'n', 'at',
                              'by', 'reason', 'cause')) do
    out[#out + 1] = value
  end
  for _, value in ipairs(call('HMGET', p .. 'policy:' .. tree, 'ver', 'min',
                              'max', 'step_out', 'step_in', 'cool_out',
                              'cool_in', 'by', 'text')) do
    out[#out + 1] = value
  end
  out[#out + 1] = whole(now_ms())
  return out
end

function M.mt_trees(a)
  return call('SMEMBERS', a[1] .. 'trees:active')
end

-- before ('+': now) count -> id tree kind by tok text, newest first; of this
-- tree and of none
function M.mt_history(a)
  local p, tree, before, count, out = a[1], a[2], a[3], tonumber(a[4]), {}
  local seen = 0
  while #out < count * 6 and seen < MAX_AUDIT_LOOK do
    local rows = call('XREVRANGE', p .. 'audit', before, '-', 'COUNT', 100)
    for _, row in ipairs(rows) do
      local fields = { tree = '', kind = '', by = '', tok = '', text = '' }
      for i = 1, #row[2], 2 do
        fields[row[2][i]] = row[2][i + 1]
      end
      if #out < count * 6 and (fields.tree == tree or fields.tree == '') then
        for _, value in ipairs({ row[1], fields.tree, fields.kind, fields.by,
                                 fields.tok, fields.text }) do
          out[#out + 1] = value
        end
      end
    end
    seen = seen + #rows
    if #rows < 100 then
      break
    end
    before = '(' .. rows[#rows][1]
  end
  return out
end

-- -> id heartbeat node ms-left, of each node that beats
function M.mt_beats(a)
  local p, out = a[1], {}
  local ids = call('SMEMBERS', p .. 'nodes:' .. a[2])
  for i = 1, math.min(#ids, MAX_NODES) do
    local heartbeat = call('GET', p .. 'hb:' .. ids[i])
    if heartbeat then
      out[#out + 1] = ids[i]
      out[#out + 1] = heartbeat
      out[#out + 1] = call('GET', p .. 'node:' .. ids[i])
      out[#out + 1] = call('PTTL', p .. 'hb:' .. ids[i])
    end
  end
  return out
end
