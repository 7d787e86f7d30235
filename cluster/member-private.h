/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster/member-private: what member's files share, and what tests reach.
 * member.c beats and keeps time; member-peers.c knows the nodes and our place;
 * member-streams.c follows the directory.
 * Thread: main.
 */
#pragma once

#include "base/clock.h"
#include "cluster/member.h"

#define MEMBER_TICK_US (1 * BASE_US_PER_S)
#define MEMBER_READ_STREAMS_US (5 * BASE_US_PER_S)
#define MEMBER_PLACE_AGAIN_US (5 * BASE_US_PER_S)
/* After the store came back, or came back empty, so long nobody is missed:
 * all need time to connect (4 s apart at most) and to speak. */
#define MEMBER_REBUILD_US (8 * BASE_US_PER_S)
/* above the heartbeat's life: what died has let go of its id */
#define MEMBER_TAKEN_US (4 * BASE_US_PER_S)
#define MEMBER_ORIGIN_GONE_US (10 * BASE_US_PER_S)
/* a parent that refused us is not asked again so long */
#define MEMBER_EXCEPT_US (3 * BASE_US_PER_S)
#define MEMBER_LEAVE_MS 1000
#define MEMBER_US_PER_NODE 20000
/* who was sent to a node has come within it, or will not */
#define MEMBER_SENT_US (2 * BASE_US_PER_S)
#define MEMBER_LOOK_SOON_US (20 * BASE_US_PER_MS)
#define MEMBER_LOOK_AGAIN_US (200 * BASE_US_PER_MS)
#define MEMBER_LOOK_AGAIN_US_PER_NODE (4 * BASE_US_PER_MS)
#define MEMBER_READ_PEERS_MAX_US (10 * BASE_US_PER_S)

typedef struct
{
  ClusterMember *member; /* borrowed */
  char *name;            /* owned */
  ClusterStream *known;  /* owned, nullable: what the store said last */
  ClusterStream *ours;   /* owned, nullable: while it is published here */
  gboolean is_accepted;  /* ours was in the store */
  gboolean is_claiming;  /* a claim is under way, of: */
  char *claimed;         /* owned, nullable: a publication */
  gboolean is_live;      /* another's, and on_stream_changed told of it */
  gboolean is_seen;      /* in the answer that is being read */
  gint64 gone_us;        /* its origin does not beat since; 0 = it does */
} MemberStream;

struct _ClusterMember
{
  ClusterStore *store; /* owned */
  ClusterNode node;
  ClusterLoad load; /* of the last beat */
  guint max_children;
  ClusterMemberCallbacks callbacks;
  gpointer data; /* borrowed */

  gint64 (*clock) (gpointer data);
  gpointer clock_data;
  GSource *timer;       /* owned, nullable */
  GSource *leave_timer; /* owned, nullable */
  GSource *look_timer;  /* owned, nullable */
  gint64 looked_us;     /* of base/clock: when it was last due */
  ClusterDoneFunc leave_func;
  gpointer leave_data;
  gboolean is_started, is_leaving, has_tried, was_connected;
  gboolean is_beating, has_beaten;
  gboolean wants_beat; /* another one, when this is answered */
  gint64 taken_us;     /* since when our id is another's; 0 = it is not */
  gint64 rebuild_until_us;

  /* peers and place */
  GPtrArray *peers; /* owned (element-type ClusterPeer) by id */
  GPtrArray *gone;  /* owned (element-type ClusterPeer) by id; none of peers */
  gboolean is_reading_peers, wants_peers;
  gint64 next_peers_us;
  ClusterPlace place; /* as the store has it */
  ClusterPlace asked; /* what is under way */
  gboolean is_placing, is_placed;
  gint64 next_place_us;
  GHashTable *excepted; /* owned (element-type char* gint64 until_us) */
  GPtrArray *parents;   /* owned, borrowed elements */
  guint n_parents;
  char *parents_text; /* owned, nullable: what was told last */

  /* streams */
  GHashTable *streams;    /* owned (element-type char* MemberStream) */
  GPtrArray *stream_list; /* owned, borrowed elements */
  gboolean is_reading_streams, wants_streams;
  gint64 next_streams_us;

  /* (nullable) borrowed from the registry */
  BaseCounter *n_heartbeats, *n_streams_lost, *n_known, *n_alive;
};

/* For tests, before start: time passes by cluster_member_tick alone. */
void cluster_member_set_clock (ClusterMember *self,
                               gint64 (*clock) (gpointer data), gpointer data);
void cluster_member_tick (ClusterMember *self);

gint64 cluster_member_now (ClusterMember *self);
gboolean cluster_member_is_rebuilding (ClusterMember *self);
void cluster_member_rebuild (ClusterMember *self);

void cluster_member_init_peers (ClusterMember *self);
void cluster_member_clear_peers (ClusterMember *self);
void cluster_member_read_peers (ClusterMember *self);
/* asks for our place again, without waiting for a read */
void cluster_member_place_again (ClusterMember *self);

void cluster_member_init_streams (ClusterMember *self);
void cluster_member_clear_streams (ClusterMember *self);
void cluster_member_read_streams (ClusterMember *self);
/* claims ours again; @with_numbers: asks for new ones */
void cluster_member_claim_streams (ClusterMember *self, gboolean with_numbers);
/* after the peers changed: origins came or are gone */
void cluster_member_check_origins (ClusterMember *self);
