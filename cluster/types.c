/* SPDX-License-Identifier: Apache-2.0 */
/* cluster/types: plain values, their copies and their names. */
#include "cluster/types.h"

#include <string.h>

#define MEDIA_ROLES                                                            \
  (CLUSTER_ROLE_INJECTION | CLUSTER_ROLE_RELAY | CLUSTER_ROLE_EGRESS)

static const struct
{
  ClusterRoles role;
  const char *name;
} role_names[] = {
  { CLUSTER_ROLE_INJECTION, "injection" },
  { CLUSTER_ROLE_RELAY, "relay" },
  { CLUSTER_ROLE_EGRESS, "egress" },
  { CLUSTER_ROLE_METRICS, "metrics" },
};

void
cluster_node_clear (ClusterNode *self)
{
  g_free (self->node_id);
  g_free (self->boot_id);
  g_free (self->tree_id);
  g_free (self->host);
  g_free (self->url);
  g_free (self->link_address);
  memset (self, 0, sizeof *self);
}

void
cluster_node_copy (const ClusterNode *from, ClusterNode *to)
{
  ClusterNode copy = *from;

  copy.node_id = g_strdup (from->node_id);
  copy.boot_id = g_strdup (from->boot_id);
  copy.tree_id = g_strdup (from->tree_id);
  copy.host = g_strdup (from->host);
  copy.url = g_strdup (from->url);
  copy.link_address = g_strdup (from->link_address);
  cluster_node_clear (to);
  *to = copy;
}

void
cluster_place_clear (ClusterPlace *self)
{
  g_free (self->parent);
  g_free (self->backup);
  memset (self, 0, sizeof *self);
}

void
cluster_place_copy (const ClusterPlace *from, ClusterPlace *to)
{
  ClusterPlace copy = { g_strdup (from->parent), g_strdup (from->backup),
                        from->rank };

  cluster_place_clear (to);
  *to = copy;
}

gboolean
cluster_place_equal (const ClusterPlace *a, const ClusterPlace *b)
{
  return a->rank == b->rank && g_strcmp0 (a->parent, b->parent) == 0
         && g_strcmp0 (a->backup, b->backup) == 0;
}

ClusterPeer *
cluster_peer_new (void)
{
  return g_new0 (ClusterPeer, 1);
}

ClusterPeer *
cluster_peer_copy (const ClusterPeer *self)
{
  ClusterPeer *copy = cluster_peer_new ();

  cluster_node_copy (&self->node, &copy->node);
  copy->load = self->load;
  cluster_place_copy (&self->place, &copy->place);
  copy->n_children = self->n_children;
  copy->is_alive = self->is_alive;
  return copy;
}

void
cluster_peer_free (ClusterPeer *self)
{
  cluster_node_clear (&self->node);
  cluster_place_clear (&self->place);
  g_free (self);
}

ClusterStream *
cluster_stream_new (void)
{
  return g_new0 (ClusterStream, 1);
}

ClusterStream *
cluster_stream_copy (const ClusterStream *self)
{
  ClusterStream *copy = g_memdup2 (self, sizeof *self);

  copy->name = g_strdup (self->name);
  copy->publication = g_strdup (self->publication);
  copy->origin = g_strdup (self->origin);
  copy->info = g_strdup (self->info);
  return copy;
}

void
cluster_stream_free (ClusterStream *self)
{
  g_free (self->name);
  g_free (self->publication);
  g_free (self->origin);
  g_free (self->info);
  g_free (self);
}

/* DESIGN.md "Interfaces", names: [A-Za-z0-9._-]{1,64} */
static gboolean
is_valid (const char *name, const char *marks)
{
  gsize n = 0;

  if (name == NULL)
    return FALSE;
  for (; name[n] != '\0'; n++)
    if (n == CLUSTER_NAME_MAX_CHARS
        || (!g_ascii_isalnum (name[n]) && strchr (marks, name[n]) == NULL))
      return FALSE;
  return n > 0;
}

gboolean
cluster_name_is_valid (const char *name)
{
  return is_valid (name, "._-");
}

gboolean
cluster_stream_name_is_valid (const char *name)
{
  return is_valid (name, "._-~");
}

gboolean
cluster_id_is_valid (const char *id)
{
  gsize n = 0;

  if (id == NULL)
    return FALSE;
  for (; id[n] != '\0'; n++)
    if (n == CLUSTER_ID_CHARS || !g_ascii_isxdigit (id[n]))
      return FALSE;
  return n == CLUSTER_ID_CHARS;
}

guint32
cluster_stream_hash (const char *name)
{
  guint32 hash = 2166136261u;

  for (; *name != '\0'; name++)
    hash = (hash ^ (guint8)*name) * 16777619u;
  return hash;
}

static void
add_name (GString *text, const char *separator, const char *name)
{
  if (text->len > 0)
    g_string_append (text, separator);
  g_string_append (text, name);
}

static void
add_role_names (GString *text, const char *separator, ClusterRoles roles)
{
  for (guint i = 0; i < G_N_ELEMENTS (role_names); i++)
    if (roles & role_names[i].role)
      add_name (text, separator, role_names[i].name);
}

char *
cluster_roles_to_string (ClusterRoles roles)
{
  GString *text = g_string_new (NULL);

  add_role_names (text, ",", roles);
  return g_string_free (text, FALSE);
}

char *
cluster_roles_to_node_type (ClusterRoles roles)
{
  GString *text = g_string_new (NULL);

  if ((roles & MEDIA_ROLES) == MEDIA_ROLES)
    {
      g_string_append (text, "all");
      roles &= ~MEDIA_ROLES;
    }
  add_role_names (text, "+", roles);
  return g_string_free (text, FALSE);
}

ClusterRoles
cluster_roles_from_string (const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, ",", -1);
  ClusterRoles roles = 0;

  for (guint i = 0; words[i] != NULL; i++)
    {
      guint k = 0;
      while (k < G_N_ELEMENTS (role_names)
             && strcmp (words[i], role_names[k].name) != 0)
        k++;
      if (k == G_N_ELEMENTS (role_names))
        return 0;
      roles |= role_names[k].role;
    }
  return roles;
}
