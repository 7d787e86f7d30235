/* SPDX-License-Identifier: Apache-2.0 */
/* sim/redis-lua: values between Lua, Redis's replies and JSON. */
#include "redis-lua.h"

#include "cluster/mtctl.h"

#include <json-glib/json-glib.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <string.h>

#define MAX_ARGS 512
#define MAX_READ 256          /* texts that are remembered */
#define FUNCTIONS "functions" /* of the registry: name → callback */

struct _SimLua
{
  lua_State *lua;   /* owned */
  SimRedis *redis;  /* borrowed: of the call that runs */
  GHashTable *read; /* owned: text → JsonNode: heartbeats come again */
};

static SimLua *
self_of (lua_State *lua)
{
  return lua_touserdata (lua, lua_upvalueindex (1));
}

/* --- Redis → Lua ---------------------------------------------------------- */

static void
push_reply (lua_State *lua, const ClusterReply *reply)
{
  switch (reply->type)
    {
    case CLUSTER_REPLY_INTEGER:
      lua_pushnumber (lua, (lua_Number)reply->integer);
      return;
    case CLUSTER_REPLY_TEXT:
      lua_pushlstring (lua, reply->text, reply->n_bytes);
      return;
    case CLUSTER_REPLY_ARRAY:
      lua_createtable (lua, (int)reply->n_items, 0);
      for (guint i = 0; i < reply->n_items; i++)
        {
          push_reply (lua, reply->items[i]);
          lua_rawseti (lua, -2, (int)i + 1);
        }
      return;
    case CLUSTER_REPLY_NIL:
    case CLUSTER_REPLY_ERROR:
    default:
      lua_pushboolean (lua, FALSE);
    }
}

static int
redis_call (lua_State *lua)
{
  SimLua *self = self_of (lua);
  const char *argv[MAX_ARGS + 1];
  int n = lua_gettop (lua);
  ClusterReply *reply;

  if (n < 1 || n > MAX_ARGS)
    return luaL_error (lua, "%d arguments", n);
  for (int i = 0; i < n; i++)
    {
      if (lua_type (lua, i + 1) == LUA_TNUMBER)
        {
          char text[32];

          g_snprintf (text, sizeof text, "%.17g", lua_tonumber (lua, i + 1));
          lua_pushstring (lua, text);
          lua_replace (lua, i + 1);
        }
      else if (lua_type (lua, i + 1) != LUA_TSTRING)
        return luaL_error (lua, "arguments must be texts or numbers");
      argv[i] = lua_tostring (lua, i + 1);
    }
  argv[n] = NULL;
  reply = sim_redis_call (self->redis, argv);
  if (reply->type == CLUSTER_REPLY_ERROR)
    {
      lua_pushstring (lua, reply->text);
      cluster_reply_free (reply);
      return lua_error (lua);
    }
  push_reply (lua, reply);
  cluster_reply_free (reply);
  return 1;
}

static int
redis_error_reply (lua_State *lua)
{
  lua_createtable (lua, 0, 1);
  lua_pushvalue (lua, 1);
  lua_setfield (lua, -2, "err");
  return 1;
}

/* { function_name =, callback =, flags = } */
static int
redis_register (lua_State *lua)
{
  lua_getfield (lua, LUA_REGISTRYINDEX, FUNCTIONS);
  lua_getfield (lua, 1, "function_name");
  lua_getfield (lua, 1, "callback");
  lua_settable (lua, -3);
  return 0;
}

/* --- JSON → Lua ----------------------------------------------------------- */

static void push_json (lua_State *lua, JsonNode *node);

static void
push_member (JsonObject *object, const char *name, JsonNode *node,
             gpointer data)
{
  push_json (data, node);
  lua_setfield (data, -2, name);
}

static void
push_json (lua_State *lua, JsonNode *node)
{
  JsonArray *array;

  if (JSON_NODE_HOLDS_OBJECT (node))
    {
      lua_newtable (lua);
      json_object_foreach_member (json_node_get_object (node), push_member,
                                  lua);
    }
  else if (JSON_NODE_HOLDS_ARRAY (node))
    {
      array = json_node_get_array (node);
      lua_newtable (lua);
      for (guint i = 0; i < json_array_get_length (array); i++)
        {
          push_json (lua, json_array_get_element (array, i));
          lua_rawseti (lua, -2, (int)i + 1);
        }
    }
  else if (JSON_NODE_HOLDS_NULL (node))
    lua_pushlightuserdata (lua, NULL); /* cjson.null */
  else if (json_node_get_value_type (node) == G_TYPE_STRING)
    lua_pushstring (lua, json_node_get_string (node));
  else if (json_node_get_value_type (node) == G_TYPE_BOOLEAN)
    lua_pushboolean (lua, json_node_get_boolean (node));
  else
    lua_pushnumber (lua, json_node_get_double (node));
}

static int
cjson_decode (lua_State *lua)
{
  SimLua *self = self_of (lua);
  const char *text = luaL_checkstring (lua, 1);
  JsonNode *node = g_hash_table_lookup (self->read, text);

  if (node == NULL)
    {
      node = json_from_string (text, NULL);
      if (node == NULL)
        return luaL_error (lua, "no JSON");
      if (g_hash_table_size (self->read) >= MAX_READ)
        g_hash_table_remove_all (self->read);
      g_hash_table_insert (self->read, g_strdup (text), node);
    }
  push_json (lua, node);
  return 1;
}

/* --- Lua → Redis ---------------------------------------------------------- */

static ClusterReply *to_reply (lua_State *lua);

static ClusterReply *
table_to_reply (lua_State *lua)
{
  ClusterReply *reply;
  GPtrArray *items;

  lua_getfield (lua, -1, "err");
  if (lua_isstring (lua, -1))
    {
      reply = sim_reply_error (lua_tostring (lua, -1));
      lua_pop (lua, 1);
      return reply;
    }
  lua_pop (lua, 1);
  items = g_ptr_array_new ();
  for (int i = 1;; i++)
    {
      lua_rawgeti (lua, -1, i);
      if (lua_isnil (lua, -1))
        break;
      g_ptr_array_add (items, to_reply (lua));
      lua_pop (lua, 1);
    }
  lua_pop (lua, 1);
  return sim_reply_array (items);
}

/* of what is on top, which stays */
static ClusterReply *
to_reply (lua_State *lua)
{
  switch (lua_type (lua, -1))
    {
    case LUA_TSTRING:
      return sim_reply_text (lua_tostring (lua, -1));
    case LUA_TNUMBER:
      return sim_reply_integer ((gint64)lua_tonumber (lua, -1));
    case LUA_TBOOLEAN:
      return lua_toboolean (lua, -1) ? sim_reply_integer (1) : sim_reply_nil ();
    case LUA_TTABLE:
      return table_to_reply (lua);
    default:
      return sim_reply_nil ();
    }
}

ClusterReply *
sim_lua_call (SimLua *self, SimRedis *redis, const char *func, GPtrArray *args)
{
  lua_State *lua = self->lua;
  ClusterReply *reply;

  self->redis = redis;
  lua_getfield (lua, LUA_REGISTRYINDEX, FUNCTIONS);
  lua_getfield (lua, -1, func);
  lua_newtable (lua); /* keys */
  lua_createtable (lua, (int)args->len, 0);
  for (guint i = 0; i < args->len; i++)
    {
      lua_pushstring (lua, args->pdata[i]);
      lua_rawseti (lua, -2, (int)i + 1);
    }
  if (lua_pcall (lua, 2, 1, 0) != 0)
    reply = sim_reply_error (lua_tostring (lua, -1));
  else
    reply = to_reply (lua);
  lua_settop (lua, 0);
  self->redis = NULL;
  return reply;
}

/* --- life ----------------------------------------------------------------- */

static void
add_function (SimLua *self, const char *name, lua_CFunction func)
{
  lua_pushlightuserdata (self->lua, self);
  lua_pushcclosure (self->lua, func, 1);
  lua_setfield (self->lua, -2, name);
}

static void
load (SimLua *self, const char *text)
{
  const char *body = strchr (text, '\n'); /* after "#!lua name=" */

  if (luaL_loadbuffer (self->lua, body, strlen (body), "=mtctl") != 0
      || lua_pcall (self->lua, 0, 0, 0) != 0)
    g_error ("the functions: %s", lua_tostring (self->lua, -1));
}

/* change: (transfer full): @text: (transfer full) */
static char *
change (char *text, const char *from, const char *to)
{
  g_auto (GStrv) parts = NULL;

  if (from == NULL)
    return text;
  parts = g_strsplit (text, from, -1);
  if (g_strv_length (parts) != 2)
    g_error ("the mutation's place is there %u times: %s",
             g_strv_length (parts) - 1, from);
  g_free (text);
  return g_strjoinv (to, parts);
}

SimLua *
sim_lua_new (const char *from, const char *to)
{
  SimLua *self = g_new0 (SimLua, 1);
  g_autofree char *text = change (cluster_mtctl_library (), from, to);

  self->read = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                      (GDestroyNotify)json_node_unref);
  self->lua = luaL_newstate ();
  luaL_openlibs (self->lua);
  lua_newtable (self->lua);
  lua_setfield (self->lua, LUA_REGISTRYINDEX, FUNCTIONS);
  lua_newtable (self->lua);
  add_function (self, "call", redis_call);
  add_function (self, "error_reply", redis_error_reply);
  add_function (self, "register_function", redis_register);
  lua_setglobal (self->lua, "redis");
  lua_newtable (self->lua);
  add_function (self, "decode", cjson_decode);
  lua_setglobal (self->lua, "cjson");
  load (self, text);
  return self;
}

void
sim_lua_free (SimLua *self)
{
  lua_close (self->lua);
  g_hash_table_unref (self->read);
  g_free (self);
}
