/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterMember: this node's membership: beats each second, finds its parents
 * and keeps them, follows the directory of streams, says which streams are
 * ours. All that others must know of us is repeated, so a store that comes
 * back empty is filled again within 5 s. While the store is away all answers
 * come from what was last known, and nothing that is carried is let go.
 *   Reads: peers each second (longer in big trees: 20 ms a node, at most
 * 10 s), place and streams each 5 s, and all at once on a hint.
 *   A node without heartbeat for 3 s is not alive; our own parents are judged
 * by their links (relay/), not by this: a parent is given up only when it is
 * not alive here and relay says it is silent, or it leaves.
 *   What get_ and find_ return is valid until the main loop's next turn.
 * Callbacks may call all functions but free.
 * Owner:  node. Thread: main.
 */
#pragma once

#include "base/metrics.h"
#include "cluster/store.h"

typedef struct _ClusterMember ClusterMember;

typedef struct
{
  /* parents, candidates or their addresses changed; see get_parents */
  void (*on_parents_changed) (gpointer data);
  /* a stream began, moved to another origin or publication; not told of
   * streams of ours */
  void (*on_stream_changed) (const ClusterStream *stream, gpointer data);
  /* nobody publishes it any more (also when its origin has been dead for
   * 10 s); @name is valid during the call */
  void (*on_stream_ended) (const char *name, gpointer data);
  /* one of ours was taken over by a higher epoch: close its publisher (ending
   * it is done); on_stream_changed follows */
  void (*on_stream_lost) (const ClusterStream *now, gpointer data);
  /* fills what the next heartbeat says */
  void (*fill_load) (ClusterLoad *load, gpointer data);
  /* the newest numbers of a stream of ours, once a second */
  void (*fill_stream) (ClusterStream *stream, gpointer data);
  /* (nullable) relay's word on a node: no packet from it for a second; TRUE
   * for one that no link goes to. Without it: every node is silent. */
  gboolean (*is_parent_silent) (const char *node_id, gpointer data);
  /* another living node has our id, for 4 s (one that died is gone by then):
   * the program should end (exit 69) */
  void (*on_id_taken) (gpointer data);
  /* (nullable) the store has been asked for the peers; @peers is %NULL when it
   * did not answer. For who keeps account of them; before get_peers has them */
  ClusterPeersFunc on_peers_read;
  /* (nullable) what the store said, after the member has heard it: for who
   * keeps other things there (get_store) */
  void (*on_hint) (ClusterHint hint, gpointer data);
} ClusterMemberCallbacks;

typedef struct
{
  ClusterStore *store;  /* (transfer full) */
  ClusterNode node;     /* copied */
  guint max_children;   /* degree, --max-children, default 16 */
  BaseMetrics *metrics; /* (nullable) borrowed */
  ClusterMemberCallbacks callbacks;
  gpointer data;
} ClusterMemberConfig;

ClusterMember *cluster_member_new (const ClusterMemberConfig *config);
/* begins to beat and to look; before it the callbacks are silent */
void cluster_member_start (ClusterMember *self);
/* leaves the tree: @func when the store knows, or after 1 s */
void cluster_member_leave (ClusterMember *self, ClusterDoneFunc func,
                           gpointer data);
void cluster_member_free (ClusterMember *self);
/* the store has been asked once: answered or not (for /readyz) */
gboolean cluster_member_has_tried (ClusterMember *self);
gboolean cluster_member_is_connected (ClusterMember *self);
/* (transfer none) */
ClusterStore *cluster_member_get_store (ClusterMember *self);
/* beats at once with is_draining, and new load */
void cluster_member_beat_now (ClusterMember *self);

/* somebody had to be refused: the store is told soon, and whether another node
 * takes more is asked for soon, and not only with the next second. Called as
 * often as it happens; done each 200 ms, in big trees seldomer (4 ms a node) */
void cluster_member_look_again (ClusterMember *self);

/* (transfer none): parent, backup, then candidates (grandparents, uncles) in
 * the order to try; at most 2 + CLUSTER_MAX_CANDIDATES; dead ones are left
 * out, @ret_n_parents of them (0 to 2) are ours in the topology.
 * (element-type ClusterPeer) */
GPtrArray *cluster_member_get_parents (ClusterMember *self,
                                       guint *ret_n_parents);
/* (transfer none) (element-type ClusterPeer): sorted by id, ourselves too */
GPtrArray *cluster_member_get_peers (ClusterMember *self);
/* (transfer none) (element-type ClusterPeer): by id, none of the peers: who
 * stopped beating without leaving, for a minute */
GPtrArray *cluster_member_get_gone (ClusterMember *self);
/* (transfer none) (nullable) */
const ClusterPeer *cluster_member_find_peer (ClusterMember *self,
                                             const char *node_id);
/* (transfer none) (element-type ClusterStream): live ones, by name */
GPtrArray *cluster_member_get_streams (ClusterMember *self);
const ClusterStream *cluster_member_find_stream (ClusterMember *self,
                                                 const char *name);

/* cluster_member_begin_stream: a publisher began here. The publication goes
 * live at once; the store is told when it can be (claim with the epoch after
 * the highest known; on conflict again, above it: who came last wins).
 * @stream: name, publication, info; copied. Its epoch is filled in.
 * @ret_floor: (out) (nullable): epoch, ext_seq, rtp_ts and at_wall_us of the
 *   last known publication, from which this one must jump ahead; zeros when
 *   there was none; its texts are NULL */
void cluster_member_begin_stream (ClusterMember *self, ClusterStream *stream,
                                  ClusterStream *ret_floor);
void cluster_member_end_stream (ClusterMember *self, const char *name);

/* cluster_member_pick_peer: for a 307: two alive peers at random out of those
 * with @role that take more, the one with more free slots. Never ourselves,
 * nor one that drains. (transfer none) (nullable) */
const ClusterPeer *cluster_member_pick_peer (ClusterMember *self,
                                             ClusterRoles role);
/* cluster_member_count_sent: one more is on his way there, which its heartbeat
 * does not say yet: else all of a second are sent to the same place */
void cluster_member_count_sent (ClusterMember *self, const ClusterPeer *peer);
/* how many more such nodes together would take */
guint cluster_member_count_free (ClusterMember *self, ClusterRoles role);

/* JSON object text for /debug/state (transfer full) */
char *cluster_member_describe (ClusterMember *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClusterMember, cluster_member_free)
