/* SPDX-License-Identifier: Apache-2.0 */
/* cluster/member: the other nodes, and our place among them. */
#include "cluster/member-private.h"

#include "cluster/log.h"
#include "cluster/topology.h"

#include <string.h>

void
cluster_member_init_peers (ClusterMember *self)
{
  self->peers =
      g_ptr_array_new_with_free_func ((GDestroyNotify)cluster_peer_free);
  self->gone =
      g_ptr_array_new_with_free_func ((GDestroyNotify)cluster_peer_free);
  self->parents = g_ptr_array_new ();
  self->excepted =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
}

void
cluster_member_clear_peers (ClusterMember *self)
{
  g_ptr_array_unref (self->parents);
  g_ptr_array_unref (self->peers);
  g_ptr_array_unref (self->gone);
  g_hash_table_unref (self->excepted);
  cluster_place_clear (&self->place);
  cluster_place_clear (&self->asked);
  g_free (self->parents_text);
}

/* --- knowing ------------------------------------------------------------ */

static int
compare_peers (gconstpointer a, gconstpointer b)
{
  const ClusterPeer *left = *(ClusterPeer *const *)a;
  const ClusterPeer *right = *(ClusterPeer *const *)b;

  return strcmp (left->node.node_id, right->node.node_id);
}

/* (element-type ClusterPeer), sorted by id */
static ClusterPeer *
find_in (GPtrArray *peers, const char *node_id)
{
  guint low = 0, high = peers->len;

  while (node_id != NULL && low < high)
    {
      guint middle = (low + high) / 2;
      ClusterPeer *peer = peers->pdata[middle];
      int order = strcmp (node_id, peer->node.node_id);
      if (order == 0)
        return peer;
      if (order < 0)
        high = middle;
      else
        low = middle + 1;
    }
  return NULL;
}

static gboolean
is_silent (ClusterMember *self, const char *node_id)
{
  return self->callbacks.is_parent_silent == NULL
         || self->callbacks.is_parent_silent (node_id, self->data);
}

static gboolean
is_ours (ClusterMember *self, const char *node_id)
{
  return g_strcmp0 (node_id, self->place.parent) == 0
         || g_strcmp0 (node_id, self->place.backup) == 0;
}

/* may_use: what beats, and a parent that speaks although it does not beat */
static gboolean
may_use (ClusterMember *self, const ClusterPeer *peer)
{
  const char *id = peer->node.node_id;

  return peer->is_alive || (is_ours (self, id) && !is_silent (self, id));
}

/* keep_missing: takes from the old list who may still be there */
static void
keep_missing (ClusterMember *self, GPtrArray *peers)
{
  gboolean is_rebuilding = cluster_member_is_rebuilding (self);
  guint n_read = peers->len;

  for (guint i = 0; i < self->peers->len; i++)
    {
      ClusterPeer *old = self->peers->pdata[i];
      const char *id = old->node.node_id;
      gboolean is_self = strcmp (id, self->node.node_id) == 0;
      ClusterPeer *now;
      guint n_all = peers->len;

      peers->len = n_read; /* only these are sorted */
      now = find_in (peers, id);
      peers->len = n_all;
      if (now != NULL && is_rebuilding && now->place.rank == 0)
        cluster_place_copy (&old->place, &now->place);
      if (now != NULL || is_self)
        continue;
      if (!is_rebuilding && (!is_ours (self, id) || is_silent (self, id)))
        continue;
      now = cluster_peer_copy (old);
      now->is_alive = old->is_alive && is_rebuilding;
      g_ptr_array_add (peers, now);
    }
}

/* add_self: the list has us in any case, as we are now */
static void
add_self (ClusterMember *self, GPtrArray *peers)
{
  ClusterPeer *peer = find_in (peers, self->node.node_id);

  if (peer == NULL)
    {
      peer = cluster_peer_new ();
      g_ptr_array_add (peers, peer);
    }
  else if (!self->is_placed && self->place.rank == 0 && peer->place.rank > 0)
    cluster_place_copy (&peer->place, &self->place); /* our last boot's */
  cluster_node_copy (&self->node, &peer->node);
  cluster_place_copy (&self->place, &peer->place);
  peer->load = self->load;
  peer->is_alive = TRUE;
}

/* take_gone: keeps who died apart: no place is looked for at or below them */
static void
take_gone (ClusterMember *self, GPtrArray *peers)
{
  g_ptr_array_set_size (self->gone, 0);
  for (guint i = 0; i < peers->len;)
    {
      ClusterPeer *peer = peers->pdata[i];

      if (peer->is_alive)
        i++;
      else
        g_ptr_array_add (self->gone, g_ptr_array_steal_index (peers, i));
    }
}

/* drop_kept: who is a peer after all: ourselves, a parent that still speaks */
static void
drop_kept (ClusterMember *self)
{
  for (guint i = 0; i < self->gone->len;)
    {
      ClusterPeer *peer = self->gone->pdata[i];

      if (find_in (self->peers, peer->node.node_id) == NULL)
        i++;
      else
        g_ptr_array_remove_index (self->gone, i);
    }
}

/* keep_sent: of those whose heartbeat is the one that we had: who has just been
 * sent there is not in it */
static void
keep_sent (ClusterMember *self, GPtrArray *peers)
{
  gint64 now_us = cluster_member_now (self);

  for (guint i = 0; i < self->peers->len; i++)
    {
      const ClusterPeer *before = self->peers->pdata[i];
      ClusterPeer *peer;

      if (before->n_sent == 0 || now_us - before->sent_us > MEMBER_SENT_US)
        continue;
      peer = find_in (peers, before->node.node_id);
      if (peer == NULL
          || memcmp (&peer->load, &before->load, sizeof peer->load) != 0)
        continue;
      peer->n_sent = before->n_sent;
      peer->sent_us = before->sent_us;
    }
}

static void
take_peers (ClusterMember *self, GPtrArray *peers)
{
  guint n_alive = 0;

  g_ptr_array_sort (peers, compare_peers);
  take_gone (self, peers);
  if (self->has_beaten && self->peers->len > 0
      && find_in (peers, self->node.node_id) == NULL)
    cluster_member_rebuild (self);
  add_self (self, peers);
  g_ptr_array_sort (peers, compare_peers);
  keep_missing (self, peers);
  g_ptr_array_sort (peers, compare_peers);
  keep_sent (self, peers);
  g_ptr_array_set_size (self->parents, 0); /* pointed into the old list */
  g_ptr_array_unref (self->peers);
  self->peers = g_ptr_array_ref (peers);
  for (guint i = 0; i < peers->len; i++)
    n_alive += ((ClusterPeer *)peers->pdata[i])->is_alive;
  drop_kept (self);
  base_counter_set (self->n_known, peers->len + self->gone->len);
  base_counter_set (self->n_alive, n_alive);
}

/* --- parents ------------------------------------------------------------ */

static void
add_parent (ClusterMember *self, const char *node_id)
{
  ClusterPeer *peer = find_in (self->peers, node_id);

  if (peer == NULL || !may_use (self, peer))
    return;
  g_ptr_array_add (self->parents, peer);
  self->n_parents++;
}

/* tell_parents: makes the list new, and tells when it is another one */
static void
tell_parents (ClusterMember *self)
{
  g_autoptr (GPtrArray) candidates = NULL;
  GString *text = g_string_new (NULL);

  g_ptr_array_set_size (self->parents, 0);
  self->n_parents = 0;
  add_parent (self, self->place.parent);
  add_parent (self, self->place.backup);
  candidates =
      cluster_topology_candidates (self->peers, &self->node, &self->place);
  for (guint i = 0; i < candidates->len; i++)
    g_ptr_array_add (self->parents, candidates->pdata[i]);

  g_string_append_printf (text, "%u", self->n_parents);
  for (guint i = 0; i < self->parents->len; i++)
    {
      const ClusterPeer *peer = self->parents->pdata[i];
      g_string_append_printf (text, " %s %s %s", peer->node.node_id,
                              peer->node.boot_id, peer->node.link_address);
    }
  if (g_strcmp0 (text->str, self->parents_text) == 0
      || (self->parents_text == NULL && self->parents->len == 0))
    {
      g_string_free (text, TRUE);
      return;
    }
  g_free (self->parents_text);
  self->parents_text = g_string_free (text, FALSE);
  if (self->callbacks.on_parents_changed != NULL)
    self->callbacks.on_parents_changed (self->data);
}

/* --- placing ------------------------------------------------------------ */

/* except: who refused us lately. (transfer container) (nullable) */
static const char **
dup_excepted (ClusterMember *self)
{
  gint64 now_us = cluster_member_now (self);
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->excepted);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (now_us >= *(gint64 *)value)
      g_hash_table_iter_remove (&iter);
  if (g_hash_table_size (self->excepted) == 0)
    return NULL;
  return (const char **)g_hash_table_get_keys_as_array (self->excepted, NULL);
}

static void
except_for_now (ClusterMember *self, const char *node_id)
{
  gint64 *until_us;

  if (node_id == NULL || is_ours (self, node_id))
    return;
  until_us = g_new (gint64, 1);
  *until_us = cluster_member_now (self) + MEMBER_EXCEPT_US;
  g_hash_table_insert (self->excepted, g_strdup (node_id), until_us);
}

static void
on_placed (const GError *error, gpointer data)
{
  ClusterMember *self = data;

  self->is_placing = FALSE;
  if (error == NULL)
    {
      if (!cluster_place_equal (&self->place, &self->asked))
        GST_INFO ("parent=%s backup=%s rank=%u is our place",
                  self->asked.parent ? self->asked.parent : "-",
                  self->asked.backup ? self->asked.backup : "-",
                  self->asked.rank);
      cluster_place_copy (&self->asked, &self->place);
      self->is_placed = TRUE;
      self->next_place_us = cluster_member_now (self) + MEMBER_PLACE_AGAIN_US;
      tell_parents (self);
      return;
    }
  self->is_placed = FALSE;
  GST_DEBUG ("parent=%s has no place for us: %s",
             self->asked.parent ? self->asked.parent : "-", error->message);
  if (cluster_member_is_rebuilding (self))
    return; /* they are on their way */
  if (g_error_matches (error, CLUSTER_ERROR, CLUSTER_ERROR_FULL))
    except_for_now (self, self->asked.parent);
  else if (g_error_matches (error, CLUSTER_ERROR, CLUSTER_ERROR_LOOP)
           || g_error_matches (error, CLUSTER_ERROR, CLUSTER_ERROR_DEAD))
    {
      except_for_now (self, self->asked.parent);
      except_for_now (self, self->asked.backup);
    }
}

static void
ask_place (ClusterMember *self, const ClusterPlace *place)
{
  if (self->is_placing || self->taken_us != 0)
    return;
  cluster_place_copy (place, &self->asked);
  self->is_placing = TRUE;
  cluster_store_place (self->store, self->node.node_id, &self->asked,
                       self->max_children, on_placed, self);
}

void
cluster_member_place_again (ClusterMember *self)
{
  self->is_placed = FALSE;
  if (self->place.rank > 0)
    ask_place (self, &self->place);
}

static void
choose_place (ClusterMember *self)
{
  g_autofree const char **except = dup_excepted (self);
  g_autoptr (GPtrArray) lent = g_ptr_array_new ();
  ClusterPlace want = { 0 };

  for (guint i = 0; i < self->peers->len; i++)
    {
      ClusterPeer *peer = self->peers->pdata[i];
      if (peer->is_alive || !may_use (self, peer))
        continue;
      peer->is_alive = TRUE;
      g_ptr_array_add (lent, peer);
    }
  cluster_topology_choose (self->peers, &self->node, &self->place, except,
                           self->max_children, &want);
  for (guint i = 0; i < lent->len; i++)
    ((ClusterPeer *)lent->pdata[i])->is_alive = FALSE;

  /* Nobody to hang below: the place stays what it was. */
  if (want.rank > 0
      && (!self->is_placed || !cluster_place_equal (&want, &self->place)
          || cluster_member_now (self) >= self->next_place_us))
    ask_place (self, &want);
  cluster_place_clear (&want);
}

static void
on_peers (GPtrArray *peers, const GError *error, gpointer data)
{
  ClusterMember *self = data;
  gint64 period_us;

  self->is_reading_peers = FALSE;
  if (self->is_leaving)
    return;
  if (self->callbacks.on_peers_read != NULL)
    self->callbacks.on_peers_read (peers, error, self->data);
  if (error == NULL)
    {
      take_peers (self, peers);
      period_us = (gint64)peers->len * MEMBER_US_PER_NODE;
      period_us = CLAMP (period_us, MEMBER_TICK_US, MEMBER_READ_PEERS_MAX_US);
      /* half a tick less, so that the tick that is meant is not missed */
      self->next_peers_us =
          cluster_member_now (self) + period_us - MEMBER_TICK_US / 2;
      choose_place (self);
      tell_parents (self);
      cluster_member_check_origins (self);
    }
  if (self->wants_peers)
    cluster_member_read_peers (self);
}

void
cluster_member_read_peers (ClusterMember *self)
{
  self->wants_peers = self->is_reading_peers;
  if (self->is_reading_peers)
    return;
  self->is_reading_peers = TRUE;
  cluster_store_read_peers (self->store, on_peers, self);
}

/* --- asking ------------------------------------------------------------- */

GPtrArray *
cluster_member_get_parents (ClusterMember *self, guint *ret_n_parents)
{
  if (ret_n_parents != NULL)
    *ret_n_parents = self->n_parents;
  return self->parents;
}

GPtrArray *
cluster_member_get_peers (ClusterMember *self)
{
  return self->peers;
}

GPtrArray *
cluster_member_get_gone (ClusterMember *self)
{
  return self->gone;
}

const ClusterPeer *
cluster_member_find_peer (ClusterMember *self, const char *node_id)
{
  return find_in (self->peers, node_id);
}

static guint
free_slots (const ClusterPeer *peer, ClusterRoles role)
{
  const ClusterLoad *load = &peer->load;
  gboolean is_injection = (role & CLUSTER_ROLE_INJECTION) != 0;
  guint max = is_injection ? load->max_publishers : load->max_viewers;
  guint n = is_injection ? load->n_publishers : load->n_viewers;

  return max - MIN (n + peer->n_sent, max);
}

/* may_take: another node that would take one more */
static gboolean
may_take (ClusterMember *self, const ClusterPeer *peer, ClusterRoles role)
{
  return peer->is_alive && (peer->node.roles & role) != 0
         && !peer->load.is_draining
         && !(peer->load.is_warm && role == CLUSTER_ROLE_EGRESS)
         && free_slots (peer, role) > 0 && peer->node.url != NULL
         && peer->node.url[0] != '\0'
         && strcmp (peer->node.node_id, self->node.node_id) != 0;
}

void
cluster_member_count_sent (ClusterMember *self, const ClusterPeer *peer)
{
  ClusterPeer *ours = find_in (self->peers, peer->node.node_id);

  if (ours == NULL)
    return;
  ours->n_sent++;
  ours->sent_us = cluster_member_now (self);
}

guint
cluster_member_count_free (ClusterMember *self, ClusterRoles role)
{
  guint n = 0;

  for (guint i = 0; i < self->peers->len; i++)
    if (may_take (self, self->peers->pdata[i], role))
      n += free_slots (self->peers->pdata[i], role);
  return n;
}

const ClusterPeer *
cluster_member_pick_peer (ClusterMember *self, ClusterRoles role)
{
  g_autoptr (GPtrArray) fit = g_ptr_array_new ();
  const ClusterPeer *one, *other;
  guint at;

  for (guint i = 0; i < self->peers->len; i++)
    if (may_take (self, self->peers->pdata[i], role))
      g_ptr_array_add (fit, self->peers->pdata[i]);
  if (fit->len == 0)
    return NULL;
  at = (guint)g_random_int_range (0, (gint32)fit->len);
  one = g_ptr_array_remove_index_fast (fit, at);
  if (fit->len == 0)
    return one;
  other = fit->pdata[g_random_int_range (0, (gint32)fit->len)];
  return free_slots (other, role) > free_slots (one, role) ? other : one;
}
