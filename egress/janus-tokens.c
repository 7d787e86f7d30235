/* SPDX-License-Identifier: Apache-2.0 */
/* EgressJanusTokens: a table of tokens, each a set of plugins' names. */
#include "egress/janus-tokens.h"

#include <string.h>

struct _EgressJanusTokens
{
  GHashTable *plugins; /* owned: token -> set of packages */
};

EgressJanusTokens *
egress_janus_tokens_new (void)
{
  EgressJanusTokens *self = g_new0 (EgressJanusTokens, 1);

  self->plugins = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                         (GDestroyNotify)g_hash_table_unref);
  return self;
}

void
egress_janus_tokens_free (EgressJanusTokens *self)
{
  g_return_if_fail (self);
  g_hash_table_unref (self->plugins);
  g_free (self);
}

gboolean
egress_janus_tokens_add (EgressJanusTokens *self, const char *token)
{
  if (g_hash_table_contains (self->plugins, token))
    return TRUE;
  if (g_hash_table_size (self->plugins) >= EGRESS_JANUS_MAX_TOKENS
      || strlen (token) > EGRESS_JANUS_TOKEN_MAX_BYTES)
    return FALSE;
  g_hash_table_insert (
      self->plugins, g_strdup (token),
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL));
  return TRUE;
}

gboolean
egress_janus_tokens_remove (EgressJanusTokens *self, const char *token)
{
  return g_hash_table_remove (self->plugins, token);
}

gboolean
egress_janus_tokens_has (EgressJanusTokens *self, const char *token)
{
  return token && g_hash_table_contains (self->plugins, token);
}

void
egress_janus_tokens_allow (EgressJanusTokens *self, const char *token,
                           const char *plugin, gboolean is_allowed)
{
  GHashTable *plugins = g_hash_table_lookup (self->plugins, token);

  g_return_if_fail (plugins);
  if (is_allowed)
    g_hash_table_add (plugins, g_strdup (plugin));
  else
    g_hash_table_remove (plugins, plugin);
}

gboolean
egress_janus_tokens_is_allowed (EgressJanusTokens *self, const char *token,
                                const char *plugin)
{
  GHashTable *plugins = g_hash_table_lookup (self->plugins, token);

  return plugins && g_hash_table_contains (plugins, plugin);
}

JsonArray *
egress_janus_tokens_dup_plugins (EgressJanusTokens *self, const char *token)
{
  GHashTable *plugins = g_hash_table_lookup (self->plugins, token);
  JsonArray *array = json_array_new ();
  GHashTableIter iter;
  gpointer name;

  g_return_val_if_fail (plugins, array);
  g_hash_table_iter_init (&iter, plugins);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    json_array_add_string_element (array, name);
  return array;
}

JsonArray *
egress_janus_tokens_list (EgressJanusTokens *self)
{
  JsonArray *list = json_array_new ();
  GHashTableIter iter;
  gpointer token;

  g_hash_table_iter_init (&iter, self->plugins);
  while (g_hash_table_iter_next (&iter, &token, NULL))
    {
      JsonObject *row = json_object_new ();

      json_object_set_string_member (row, "token", token);
      json_object_set_array_member (
          row, "allowed_plugins",
          egress_janus_tokens_dup_plugins (self, token));
      json_array_add_object_element (list, row);
    }
  return list;
}
