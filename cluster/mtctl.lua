-- SPDX-License-Identifier: Apache-2.0
-- mtctl: what nodes do in Redis atomically. Loaded as a library of Redis
-- Functions (7 and later) or run by EVAL: cluster/mtctl.c puts the head and
-- the foot around it, mtctl-scaling.lua and mtctl-steer.lua behind it. Every
-- function takes texts: prefix, tree, then its own, and does a bounded amount
-- of work. First words of errors: TAKEN LOOP FULL DEAD CONFLICT STALE FENCED
-- BOUND COOLDOWN MISSING.
-- Keys under the prefix: node:{id} hb:{id} parent:{id} backup:{id} rank:{id}
-- children:{id} nodes:{tree} nodes:{tree}:egress trees:active streams:{tree}
-- stream:{tree}:{name} ended:{tree} mountpoints:{tree}; channels topology:{id} streams:{tree}.
-- All that belongs to one node has a time to live, so a node that died without
-- leaving takes it along; the sets are swept a little by each heartbeat.
local VERSION = 8
local MAX_NODES, MAX_ENDED, MAX_STEPS, MAX_SWEEP = 4096, 256, 1024, 64
local MGET_NODES = 200 -- five keys each; Lua unpacks 7,999 at most
local FIELDS = { 'pub', 'epoch', 'origin', 'info', 'seq0', 'seq1', 'ts0',
                 'ts1', 'at' }
local M = {}

-- While a library is loaded there is no redis.call yet.
local function call(...)
  return redis.call(...)
end

local function boot_of(text)
  local ok, value = pcall(cjson.decode, text)
  return ok and type(value) == 'table' and value.boot or ''
end

local function is_alive(p, id)
  return call('EXISTS', p .. 'hb:' .. id) == 1
end

-- end_stream: it leaves the directory; epoch and numbers stay for a while
local function end_stream(p, tree, name, keep_ms)
  local key, ended = p .. 'stream:' .. tree .. ':' .. name, p .. 'ended:' .. tree
  call('SREM', p .. 'streams:' .. tree, name)
  if call('EXISTS', key) == 1 then
    call('HSET', key, 'origin', '')
    call('PEXPIRE', key, keep_ms)
    call('ZADD', ended, call('TIME')[1], name)
    call('ZREMRANGEBYRANK', ended, 0, -MAX_ENDED - 1)
    call('PEXPIRE', ended, keep_ms)
  end
  call('PUBLISH', p .. 'streams:' .. tree, name)
end

-- sweep: leftovers of dead nodes, two nodes and a stream of a tree at a time
local function sweep(p, tree)
  local nodes = p .. 'nodes:' .. tree
  for _, id in ipairs(call('SRANDMEMBER', nodes, 2)) do
    if call('EXISTS', p .. 'node:' .. id, p .. 'hb:' .. id) == 0 then
      call('SREM', nodes, id)
      call('SREM', nodes .. ':egress', id)
      call('DEL', p .. 'children:' .. id)
    end
  end
  local name = call('SRANDMEMBER', p .. 'streams:' .. tree)
  if name then
    local origin = call('HGET', p .. 'stream:' .. tree .. ':' .. name, 'origin')
    if not origin
        or call('EXISTS', p .. 'node:' .. origin, p .. 'hb:' .. origin) == 0 then
      end_stream(p, tree, name, 3600000)
    end
  end
  if call('EXISTS', nodes) == 0 then
    call('SREM', p .. 'trees:active', tree)
  end
end

function M.mt_version()
  return VERSION
end

-- id boot is_egress node heartbeat heartbeat_ms keep_ms -> 1: node: was missing
function M.mt_beat(a)
  local p, tree, id, boot = a[1], a[2], a[3], a[4]
  local is_egress, node, hb, hb_ms, keep_ms = a[5], a[6], a[7], a[8], a[9]
  local was = call('GET', p .. 'hb:' .. id)
  if was and boot_of(was) ~= boot then
    return redis.error_reply('TAKEN another boot lives as ' .. id)
  end
  call('SET', p .. 'hb:' .. id, hb, 'PX', hb_ms)
  local key = p .. 'node:' .. id
  local before = call('GET', key)
  if before ~= node or call('PTTL', key) < tonumber(keep_ms) / 2 then
    call('SET', key, node, 'PX', keep_ms)
    for _, kind in ipairs({ 'parent:', 'backup:', 'rank:', 'children:' }) do
      call('PEXPIRE', p .. kind .. id, keep_ms)
    end
  end
  call('SADD', p .. 'nodes:' .. tree, id)
  if is_egress == '1' then
    call('SADD', p .. 'nodes:' .. tree .. ':egress', id)
  end
  call('SADD', p .. 'trees:active', tree)
  sweep(p, tree)
  local other = call('SRANDMEMBER', p .. 'trees:active')
  if other and other ~= tree then
    sweep(p, other)
  end
  return before and 0 or 1
end

-- id boot keep_ms
function M.mt_leave(a)
  local p, tree, id, boot, keep_ms = a[1], a[2], a[3], a[4], a[5]
  local mine = call('GET', p .. 'hb:' .. id) or call('GET', p .. 'node:' .. id)
  if mine and boot_of(mine) ~= boot then
    return 0
  end
  local parent = call('GET', p .. 'parent:' .. id)
  local told = call('SMEMBERS', p .. 'children:' .. id)
  if parent then
    call('SREM', p .. 'children:' .. parent, id)
    told[#told + 1] = parent
  end
  for _, name in ipairs(call('SMEMBERS', p .. 'streams:' .. tree)) do
    local key = p .. 'stream:' .. tree .. ':' .. name
    if call('HGET', key, 'origin') == id then
      end_stream(p, tree, name, keep_ms)
    end
  end
  for _, kind in ipairs({ 'hb:', 'node:', 'parent:', 'backup:', 'rank:',
                          'children:' }) do
    call('DEL', p .. kind .. id)
  end
  call('SREM', p .. 'nodes:' .. tree, id)
  call('SREM', p .. 'nodes:' .. tree .. ':egress', id)
  if call('EXISTS', p .. 'nodes:' .. tree) == 0 then
    call('SREM', p .. 'trees:active', tree)
  end
  for _, other in ipairs(told) do
    call('PUBLISH', p .. 'topology:' .. other, id)
  end
  return 1
end

-- is_above: id stands on a way from `from` to the top, or that has no end
local function is_above(p, from, id)
  local queue, seen, at = { from }, { [from] = true }, 1
  while at <= #queue do
    if queue[at] == id or at > MAX_STEPS then
      return true
    end
    for _, kind in ipairs({ 'parent:', 'backup:' }) do
      local up = call('GET', p .. kind .. queue[at])
      if up and not seen[up] then
        seen[up] = true
        queue[#queue + 1] = up
      end
    end
    at = at + 1
  end
  return false
end

-- A parent without a rank has come back and not said it yet; who closes a
-- circle is the last to say where it hangs, and sees the whole of it.
local function check_parent(p, id, parent, rank)
  if not is_alive(p, parent) then
    return 'DEAD ' .. parent .. ' has no heartbeat'
  end
  local above = tonumber(call('GET', p .. 'rank:' .. parent) or '0') or 0
  if above >= rank or is_above(p, parent, id) then
    return 'LOOP ' .. parent .. ' hangs not above ' .. id
  end
end

-- has_room: those that died or moved away make room
local function has_room(p, parent, id, max)
  local key = p .. 'children:' .. parent
  if call('SISMEMBER', key, id) == 1 or call('SCARD', key) < max then
    return true
  end
  for _, child in ipairs(call('SRANDMEMBER', key, MAX_SWEEP)) do
    if not is_alive(p, child) or call('GET', p .. 'parent:' .. child) ~= parent then
      call('SREM', key, child)
    end
  end
  return call('SCARD', key) < max
end

local function set_or_del(key, value, keep_ms)
  if value ~= '' then
    call('SET', key, value, 'PX', keep_ms)
  else
    call('DEL', key)
  end
end

-- id parent backup rank max_children keep_ms; '' = none
function M.mt_place(a)
  local p, id, parent, backup = a[1], a[3], a[4], a[5]
  local rank, max, keep_ms = tonumber(a[6]), tonumber(a[7]), a[8]
  local why
  if not is_alive(p, id) then
    why = 'DEAD ' .. id .. ' has no heartbeat'
  end
  if not why and parent ~= '' then
    why = check_parent(p, id, parent, rank)
  end
  if not why and backup ~= '' then
    why = check_parent(p, id, backup, rank)
  end
  if not why and parent ~= '' and not has_room(p, parent, id, max) then
    why = 'FULL ' .. parent .. ' has ' .. max .. ' children'
  end
  if why then
    return redis.error_reply(why)
  end
  local had = { call('GET', p .. 'parent:' .. id) or '',
                call('GET', p .. 'backup:' .. id) or '',
                call('GET', p .. 'rank:' .. id) or '' }
  if had[1] ~= '' and had[1] ~= parent then
    call('SREM', p .. 'children:' .. had[1], id)
  end
  if parent ~= '' then
    call('SADD', p .. 'children:' .. parent, id)
    call('PEXPIRE', p .. 'children:' .. parent, keep_ms)
  end
  set_or_del(p .. 'parent:' .. id, parent, keep_ms)
  set_or_del(p .. 'backup:' .. id, backup, keep_ms)
  call('SET', p .. 'rank:' .. id, a[6], 'PX', keep_ms)
  if had[1] ~= parent or had[2] ~= backup or had[3] ~= a[6] then
    local told = {}
    for _, other in ipairs({ id, parent, backup, had[1], had[2] }) do
      if other ~= '' and not told[other] then
        told[other] = true
        call('PUBLISH', p .. 'topology:' .. other, id)
      end
    end
  end
  return 1
end

-- -> id heartbeat node parent backup rank, of each node that beats, or that
-- died and is not forgotten (no heartbeat)
function M.mt_peers(a)
  local p, out, keys = a[1], {}, {}
  local ids = call('SMEMBERS', p .. 'nodes:' .. a[2])
  for first = 1, math.min(#ids, MAX_NODES), MGET_NODES do
    local last = math.min(first + MGET_NODES - 1, #ids, MAX_NODES)
    keys = {}
    for i = first, last do
      for _, kind in ipairs({ 'hb:', 'node:', 'parent:', 'backup:', 'rank:' }) do
        keys[#keys + 1] = p .. kind .. ids[i]
      end
    end
    local values = call('MGET', unpack(keys))
    for i = first, last do
      local at = (i - first) * 5
      if values[at + 1] or values[at + 2] then
        out[#out + 1] = ids[i]
        for k = 1, 5 do
          out[#out + 1] = values[at + k]
        end
      end
    end
  end
  return out
end

-- max -> name and FIELDS, of the live ones and of those that ended
function M.mt_streams(a)
  local p, tree, out = a[1], a[2], {}
  local names = call('SMEMBERS', p .. 'streams:' .. tree)
  local n_live = math.min(#names, tonumber(a[3]))
  local ended = call('ZREVRANGE', p .. 'ended:' .. tree, 0, MAX_ENDED - 1)
  for i = 1, #ended do
    names[n_live + i] = ended[i]
  end
  for i = 1, n_live + #ended do
    local values = call('HMGET', p .. 'stream:' .. tree .. ':' .. names[i],
                        unpack(FIELDS))
    if values[1] then
      out[#out + 1] = names[i]
      for k = 1, #FIELDS do
        out[#out + 1] = values[k]
      end
    end
  end
  return out
end

-- name keep_ms max and FIELDS -> OK, or CONFLICT and FIELDS as they are
function M.mt_claim(a)
  local p, tree, name, keep_ms = a[1], a[2], a[3], a[4]
  local set, key = p .. 'streams:' .. tree, p .. 'stream:' .. tree .. ':' .. name
  local now = call('HMGET', key, unpack(FIELDS))
  local epoch, had = tonumber(a[7]), tonumber(now[2] or '')
  if had and (epoch < had or (epoch == had and now[1] ~= a[6])) then
    local out = { 'CONFLICT' }
    for k = 1, #FIELDS do
      out[k + 1] = now[k]
    end
    return out
  end
  local is_live = call('SISMEMBER', set, name) == 1
  if not is_live and call('SCARD', set) >= tonumber(a[5]) then
    return redis.error_reply('FULL the tree has ' .. a[5] .. ' streams')
  end
  local pairs_to_set = {}
  for k, field in ipairs(FIELDS) do
    pairs_to_set[#pairs_to_set + 1] = field
    pairs_to_set[#pairs_to_set + 1] = a[5 + k]
  end
  call('HSET', key, unpack(pairs_to_set))
  call('PEXPIRE', key, keep_ms)
  call('SADD', set, name)
  call('ZREM', p .. 'ended:' .. tree, name)
  if not is_live or had ~= epoch or now[3] ~= a[8] then
    call('PUBLISH', p .. 'streams:' .. tree, name)
  end
  return { 'OK' }
end

-- name publication keep_ms
function M.mt_end(a)
  local p, tree, name = a[1], a[2], a[3]
  local key = p .. 'stream:' .. tree .. ':' .. name
  local publication = call('HGET', key, 'pub')
  if publication and publication ~= a[4] then
    return redis.error_reply('CONFLICT ' .. name .. ' has another publication')
  end
  if call('SISMEMBER', p .. 'streams:' .. tree, name) == 1 then
    end_stream(p, tree, name, a[5])
  end
  return 1
end

-- id text is_new max
function M.mt_mount(a)
  local p, tree, id, text, is_new, max = a[1], a[2], a[3], a[4], a[5], a[6]
  local key = p .. 'mountpoints:' .. tree
  local is_there = call('HEXISTS', key, id) == 1
  if is_there and is_new == '1' then
    return redis.error_reply('CONFLICT ' .. id .. " is another mountpoint's")
  end
  if not is_there and call('HLEN', key) >= tonumber(max) then
    return redis.error_reply('FULL the tree has ' .. max .. ' mountpoints')
  end
  call('HSET', key, id, text)
  call('PUBLISH', p .. 'streams:' .. tree, id)
  return 1
end

-- id
function M.mt_unmount(a)
  local p, tree, id = a[1], a[2], a[3]
  if call('HDEL', p .. 'mountpoints:' .. tree, id) == 1 then
    call('PUBLISH', p .. 'streams:' .. tree, id)
  end
  return 1
end

-- -> id text, of each
function M.mt_mounts(a)
  return call('HGETALL', a[1] .. 'mountpoints:' .. a[2])
end
