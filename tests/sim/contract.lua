-- SPDX-License-Identifier: Apache-2.0
-- What CONTROL-PLANE.md A2 says of mt_slot and mt_join, for as long as
-- mtctl-scaling.lua has no such functions: it stands behind mtctl-scaling.lua,
-- whose locals it has, and only where they are missing.
-- slot:{tree} is a hash: ordinal -> gen:state:node:boot.
local function read_slot(p, tree, ord)
  local text = call('HGET', p .. 'slot:' .. tree, ord) or '0:none::'
  local gen, state, node, boot =
      string.match(text, '^(%d+):(%a+):([^:]*):([^:]*)$')
  return { gen = gen, state = state, node = node, boot = boot }
end

local function write_slot(p, tree, ord, slot)
  call('HSET', p .. 'slot:' .. tree, ord,
       slot.gen .. ':' .. slot.state .. ':' .. slot.node .. ':' .. slot.boot)
end

-- token ord gen state, gen state that it becomes
function M.mt_slot(a)
  local p, tree, ord, why = a[1], a[2], a[4], fence(a[1], a[3])
  local slot = read_slot(p, tree, ord)
  if not why and (slot.gen ~= a[5] or slot.state ~= a[6]) then
    why = 'CONFLICT it is ' .. slot.state .. ' in its life ' .. slot.gen
  end
  if not why and tonumber(a[7]) < tonumber(slot.gen) then
    why = 'CONFLICT lives only grow'
  end
  if why then
    return redis.error_reply(why)
  end
  if a[7] ~= slot.gen then
    slot.node, slot.boot = '', ''
  end
  slot.gen, slot.state = a[7], a[8]
  write_slot(p, tree, ord, slot)
  return 1
end

-- ord gen node boot: the node itself, before it takes a viewer
function M.mt_join(a)
  local p, tree, ord, gen, node, boot = a[1], a[2], a[3], a[4], a[5], a[6]
  local slot = read_slot(p, tree, ord)
  local n = tonumber(call('HGET', p .. 'desired:' .. tree, 'n') or '0')
  if tonumber(ord) >= n or slot.gen ~= gen
      or (slot.state ~= 'starting' and slot.state ~= 'serving') then
    return redis.error_reply('NOTDESIRED it is ' .. slot.state .. ' in its life '
                             .. slot.gen .. ' of ' .. n)
  end
  if slot.node ~= '' and slot.boot ~= boot and is_alive(p, slot.node) then
    return redis.error_reply('TAKEN by ' .. slot.node)
  end
  slot.state, slot.node, slot.boot = 'serving', node, boot
  write_slot(p, tree, ord, slot)
  return 1
end

-- -> ord gen state node is_alive, of each
function M.mt_slots(a)
  local p, tree, out = a[1], a[2], {}
  local all = call('HGETALL', p .. 'slot:' .. tree)
  for i = 1, #all, 2 do
    local slot = read_slot(p, tree, all[i])
    for _, value in ipairs({ all[i], slot.gen, slot.state, slot.node }) do
      out[#out + 1] = value
    end
    out[#out + 1] = slot.node ~= '' and is_alive(p, slot.node) and '1' or '0'
  end
  return out
end

for _, name in ipairs({ 'mt_slot', 'mt_join', 'mt_slots' }) do
  redis.register_function{ function_name = name,
    callback = function(keys, args) return M[name](args) end }
end
