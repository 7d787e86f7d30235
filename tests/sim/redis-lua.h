/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sim/redis-lua: the production library of functions (mtctl.lua and
 * mtctl-scaling.lua, as FUNCTION LOAD would get it) in Lua 5.1, Redis's own,
 * with redis.call bound to a SimRedis. Texts for cjson.decode are read by
 * json-glib.
 *   A mutation is a change of the text that is loaded; the files stay.
 */
#pragma once

#include "redis-model.h"

typedef struct _SimLua SimLua;

/* @from, @to: (nullable): the one place where @from stands becomes @to; that it
 * is not there ends the program, so that no mutation is lost unseen */
SimLua *sim_lua_new (const char *from, const char *to);
void sim_lua_free (SimLua *self);
/* @args: (element-type utf8): texts
 * Returns: (transfer full) */
ClusterReply *sim_lua_call (SimLua *self, SimRedis *redis, const char *func,
                            GPtrArray *args);
