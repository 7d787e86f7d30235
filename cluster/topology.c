/* SPDX-License-Identifier: Apache-2.0 */
/* cluster/topology: scores over the nodes that could be parents. */
#include "cluster/topology.h"

#include <string.h>

/* Of an injection node's children a quarter, one at least, shall be relays:
 * egress nodes that came first must not shut them out. */
#define RELAY_SHARE 4
#define NO_SCORE G_MAXUINT64
#define CHILDREN_MASK (G_GUINT64_CONSTANT (0xffff) << 32)

typedef struct
{
  GPtrArray *peers;        /* borrowed (element-type ClusterPeer) */
  GHashTable *by_id;       /* owned (element-type char* ClusterPeer) */
  GHashTable *n_backups;   /* owned (element-type char* guint) */
  GHashTable *below;       /* owned (element-type char*): self, what hangs
                            * below it */
  const ClusterNode *self; /* borrowed */
  const char *const *except;
  guint max_children;
} View;

static gboolean
is_injection (const ClusterNode *node)
{
  return (node->roles & CLUSTER_ROLE_INJECTION) != 0;
}

static gboolean
is_relay (const ClusterNode *node)
{
  return !is_injection (node) && (node->roles & CLUSTER_ROLE_RELAY) != 0;
}

static guint
rank_of (const ClusterPeer *peer)
{
  return is_injection (&peer->node) ? 1 : peer->place.rank;
}

static void
count_backup (View *view, const ClusterPeer *peer)
{
  gpointer n;

  if (peer->place.backup == NULL
      || strcmp (peer->node.node_id, view->self->node_id) == 0)
    return;
  n = g_hash_table_lookup (view->n_backups, peer->place.backup);
  g_hash_table_insert (view->n_backups, peer->place.backup,
                       GUINT_TO_POINTER (GPOINTER_TO_UINT (n) + 1));
}

/* mark_below: grows the set until nothing more hangs below it; as many turns
 * as the tree below is deep. */
static void
mark_below (View *view)
{
  gboolean has_grown = TRUE;

  g_hash_table_add (view->below, view->self->node_id);
  while (has_grown)
    {
      has_grown = FALSE;
      for (guint i = 0; i < view->peers->len; i++)
        {
          ClusterPeer *peer = view->peers->pdata[i];
          const ClusterPlace *place = &peer->place;
          if ((place->parent != NULL
               && g_hash_table_contains (view->below, place->parent))
              || (place->backup != NULL
                  && g_hash_table_contains (view->below, place->backup)))
            has_grown |= g_hash_table_add (view->below, peer->node.node_id);
        }
    }
}

static void
view_init (View *view, GPtrArray *peers, const ClusterNode *self,
           const char *const *except, guint max_children)
{
  view->peers = peers;
  view->self = self;
  view->except = except;
  view->max_children = max_children;
  view->by_id = g_hash_table_new (g_str_hash, g_str_equal);
  view->n_backups = g_hash_table_new (g_str_hash, g_str_equal);
  view->below = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < peers->len; i++)
    {
      ClusterPeer *peer = peers->pdata[i];
      g_hash_table_insert (view->by_id, peer->node.node_id, peer);
      count_backup (view, peer);
    }
  mark_below (view);
}

static void
view_clear (View *view)
{
  g_hash_table_unref (view->by_id);
  g_hash_table_unref (view->n_backups);
  g_hash_table_unref (view->below);
}

static ClusterPeer *
find (View *view, const char *node_id)
{
  return node_id != NULL ? g_hash_table_lookup (view->by_id, node_id) : NULL;
}

/* may_feed: by its roles, and it hangs in the tree itself, not below us */
static gboolean
may_feed (View *view, const ClusterPeer *peer)
{
  const char *id = peer->node.node_id;

  if (!is_injection (&peer->node)
      && (!is_relay (&peer->node) || peer->place.rank < 2))
    return FALSE;
  if (g_hash_table_contains (view->below, id))
    return FALSE;
  return view->except == NULL || !g_strv_contains (view->except, id);
}

static guint
limit_for (View *view, const ClusterPeer *peer)
{
  guint n = view->max_children;

  if (is_injection (&peer->node) && !is_relay (view->self))
    n -= MIN (n - MIN (n, 1), MAX (1, n / RELAY_SHARE));
  return n;
}

static gboolean
has_room (View *view, const ClusterPeer *peer, gboolean as_backup)
{
  gpointer n = g_hash_table_lookup (view->n_backups, peer->node.node_id);

  return (as_backup ? GPOINTER_TO_UINT (n) : peer->n_children)
         < limit_for (view, peer);
}

/* is_second_kind: a relay wants injection nodes, an egress node relays */
static gboolean
is_second_kind (View *view, const ClusterPeer *peer)
{
  return is_relay (view->self) ? !is_injection (&peer->node)
                               : is_injection (&peer->node);
}

/* spread: the same pair always gets the same number, pairs differ */
static guint
spread (View *view, const ClusterPeer *peer)
{
  g_autofree char *pair =
      g_strconcat (view->self->node_id, " ", peer->node.node_id, NULL);
  guint hash = g_str_hash (pair);

  hash ^= hash >> 15;
  hash *= 0x2c1b3c6du;
  return hash ^ (hash >> 12);
}

/* score: less is better: other host, kind, rank, children, a hash.
 * @parent: (nullable): the first parent, when a second is looked for */
static guint64
score (View *view, const ClusterPeer *peer, const ClusterPeer *parent)
{
  gboolean same_host =
      parent != NULL && g_strcmp0 (peer->node.host, parent->node.host) == 0;
  gpointer n = g_hash_table_lookup (view->n_backups, peer->node.node_id);
  guint n_fed = parent != NULL ? GPOINTER_TO_UINT (n) : peer->n_children;

  return ((guint64)same_host << 63)
         | ((guint64)is_second_kind (view, peer) << 62)
         | ((guint64)MIN (rank_of (peer), 0xfff) << 48)
         | ((guint64)MIN (n_fed, 0xffff) << 32) | spread (view, peer);
}

static ClusterPeer *
choose_one (View *view, const ClusterPeer *parent)
{
  ClusterPeer *best = NULL;
  guint64 best_score = NO_SCORE;

  for (guint i = 0; i < view->peers->len; i++)
    {
      ClusterPeer *peer = view->peers->pdata[i];
      guint64 n;
      if (peer == parent || !peer->is_alive || peer->load.is_draining
          || !may_feed (view, peer) || !has_room (view, peer, parent != NULL))
        continue;
      n = score (view, peer, parent);
      if (n < best_score)
        {
          best = peer;
          best_score = n;
        }
    }
  return best;
}

static ClusterPeer *
kept (View *view, const char *node_id)
{
  ClusterPeer *peer = find (view, node_id);

  return peer != NULL && peer->is_alive && may_feed (view, peer) ? peer : NULL;
}

/* better: what stands in for one that we have: only for one that drains, or
 * that is of the second kind at an egress node (so that injection nodes get
 * free for relays), or on the first parent's host. */
static ClusterPeer *
better (View *view, ClusterPeer *have, const ClusterPeer *parent)
{
  ClusterPeer *best = choose_one (view, parent);
  gboolean shares_host, is_second;

  if (have == NULL || best == NULL)
    return have != NULL ? have : best;
  if (have->load.is_draining)
    return best;
  shares_host =
      parent != NULL && g_strcmp0 (have->node.host, parent->node.host) == 0;
  if (shares_host && g_strcmp0 (best->node.host, parent->node.host) != 0)
    return best;
  is_second = !is_relay (view->self) && is_second_kind (view, have);
  if (is_second && !is_second_kind (view, best)
      && (parent == NULL || shares_host
          || g_strcmp0 (best->node.host, parent->node.host) != 0))
    return best;
  return have;
}

static void
choose (View *view, const ClusterPlace *keep, ClusterPlace *ret)
{
  ClusterPeer *parent = kept (view, keep != NULL ? keep->parent : NULL);
  ClusterPeer *backup = kept (view, keep != NULL ? keep->backup : NULL);
  guint rank = 0;

  /* The second parent steps up, if it has room: nothing moves on its side. */
  if (parent == NULL && backup != NULL && has_room (view, backup, FALSE)
      && !backup->load.is_draining)
    parent = g_steal_pointer (&backup);
  parent = better (view, parent, NULL);
  if (parent == NULL)
    return;
  backup = better (view, backup != parent ? backup : NULL, parent);
  /* one that wants to go is let go, unless it is all there is */
  if (backup != NULL && backup->load.is_draining && !parent->load.is_draining)
    backup = NULL;
  ret->parent = g_strdup (parent->node.node_id);
  rank = rank_of (parent);
  if (backup != NULL)
    {
      ret->backup = g_strdup (backup->node.node_id);
      rank = MAX (rank, rank_of (backup));
    }
  ret->rank = rank + 1;
}

void
cluster_topology_choose (GPtrArray *peers, const ClusterNode *self,
                         const ClusterPlace *keep, const char *const *except,
                         guint max_children, ClusterPlace *ret)
{
  View view;

  cluster_place_clear (ret);
  if (is_injection (self))
    {
      ret->rank = 1;
      return;
    }
  if ((self->roles & (CLUSTER_ROLE_RELAY | CLUSTER_ROLE_EGRESS)) == 0)
    return;
  view_init (&view, peers, self, except, max_children);
  choose (&view, keep, ret);
  view_clear (&view);
}

/* --- candidates --------------------------------------------------------- */

typedef struct
{
  ClusterPeer *peer;
  guint64 score;
} Candidate;

static int
compare_candidates (gconstpointer a, gconstpointer b)
{
  const Candidate *left = a, *right = b;

  return left->score < right->score ? -1 : left->score > right->score;
}

static gboolean
is_parent_of (const ClusterPeer *child, const ClusterPeer *peer)
{
  return child != NULL
         && (g_strcmp0 (child->place.parent, peer->node.node_id) == 0
             || g_strcmp0 (child->place.backup, peer->node.node_id) == 0);
}

static gboolean
shares_host (const ClusterPeer *a, const ClusterPeer *b)
{
  return a != NULL && b != NULL && g_strcmp0 (a->node.host, b->node.host) == 0;
}

GPtrArray *
cluster_topology_candidates (GPtrArray *peers, const ClusterNode *self,
                             const ClusterPlace *place)
{
  GPtrArray *ret = g_ptr_array_new ();
  g_autoptr (GArray) found = g_array_new (FALSE, FALSE, sizeof (Candidate));
  ClusterPeer *parent, *backup;
  View view;

  if (is_injection (self))
    return ret;
  view_init (&view, peers, self, NULL, G_MAXUINT);
  parent = find (&view, place->parent);
  backup = find (&view, place->backup);
  for (guint i = 0; i < peers->len; i++)
    {
      Candidate one = { peers->pdata[i], 0 };
      gboolean is_near;
      if (one.peer == parent || one.peer == backup || !one.peer->is_alive
          || one.peer->load.is_draining || !may_feed (&view, one.peer))
        continue;
      /* A grandparent has what the parents had; who stands on a parent's
       * machine may have died with it. */
      is_near =
          is_parent_of (parent, one.peer) || is_parent_of (backup, one.peer);
      /* not by children: the order shall not change with each who joins */
      one.score = score (&view, one.peer, NULL) & ~CHILDREN_MASK;
      one.score >>= 2;
      one.score |= (guint64)(shares_host (one.peer, parent)
                             || shares_host (one.peer, backup))
                   << 63;
      one.score |= (guint64)!is_near << 62;
      g_array_append_val (found, one);
    }
  g_array_sort (found, compare_candidates);
  for (guint i = 0; i < found->len && i < CLUSTER_MAX_CANDIDATES; i++)
    g_ptr_array_add (ret, g_array_index (found, Candidate, i).peer);
  view_clear (&view);
  return ret;
}
