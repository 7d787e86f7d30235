/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cluster/types: what nodes tell each other through the store: who they are,
 * how loaded they are, where they hang in the tree, which streams there are.
 * Plain values; strings are owned, NULL where unset. What comes from the store
 * is checked before it becomes one of these (names, lengths, numbers): the
 * store's bytes are not trusted.
 * Thread: main.
 */
#pragma once

#include "base/sketch-brief.h"

#define CLUSTER_NAME_MAX_CHARS 64 /* node, tree and stream names */
#define CLUSTER_MAX_NODES 4096
#define CLUSTER_MAX_STREAMS 1024
#define CLUSTER_MAX_CANDIDATES 8
#define CLUSTER_MAX_LINKS 10 /* parents a node tells of in its heartbeat */
#define CLUSTER_MAX_CARRIED 64 /* streams it tells of; n_streams has them all */
#define CLUSTER_INFO_MAX_BYTES 2048
#define CLUSTER_EPOCH_MAX (G_GUINT64_CONSTANT (1) << 48)
#define CLUSTER_ID_CHARS 32 /* boot and publication ids: 128 bits in hex */

typedef enum {
  CLUSTER_ROLE_INJECTION = 1 << 0,
  CLUSTER_ROLE_RELAY = 1 << 1,
  CLUSTER_ROLE_EGRESS = 1 << 2,
  CLUSTER_ROLE_METRICS = 1 << 3,
} ClusterRoles;

/* node:{id}: written at start and when it is missing */
typedef struct {
  char *node_id, *boot_id, *tree_id;
  ClusterRoles roles;
  char *host;         /* which machine: two parents shall differ in it */
  char *url;          /* what 307 and pages point to */
  char *link_address; /* "ip:port" or "[ip6]:port" of --relay-port */
  gint64 started_wall_us;
} ClusterNode;

/* From whom a node hears now, over the last seconds: what /api/tree and ctl
 * draw. In the heartbeat: "links":[{"node","active","silent","streams","loss",
 * "first","rtt_us","jitter_us"}]; more than CLUSTER_MAX_LINKS are cut, one with
 * a bad name or number is left out. */
typedef struct {
  char node[CLUSTER_NAME_MAX_CHARS + 1]; /* the parent */
  gboolean is_active; /* subscribed there; else a candidate that is known */
  gboolean is_silent; /* no stream hears it */
  guint n_streams;    /* taken from it */
  double loss_ratio;  /* of its packets, before repair; 0 to 1 */
  double first_ratio; /* its copy came before the other parent's; 0 to 1 */
  guint32 rtt_us, jitter_us;
} ClusterLink;

/* What is counted since the start: "totals":{"in_packets",…} in the order
 * below; one that is missing, as from an older node, is 0. */
typedef enum {
  CLUSTER_TOTAL_IN_PACKETS, /* RTP of publishers */
  CLUSTER_TOTAL_IN_BYTES,
  CLUSTER_TOTAL_IN_LOST,
  CLUSTER_TOTAL_IN_REPAIRED,
  CLUSTER_TOTAL_OUT_PACKETS, /* RTP to viewers */
  CLUSTER_TOTAL_OUT_BYTES,
  CLUSTER_TOTAL_OUT_REPAIRED, /* sent again */
  CLUSTER_TOTAL_OUT_UNREPAIRED,
  CLUSTER_TOTAL_LINK_IN_PACKETS, /* of other nodes, each once */
  CLUSTER_TOTAL_LINK_OUT_PACKETS,
  CLUSTER_TOTAL_LINK_OUT_BYTES,
  CLUSTER_TOTAL_LINK_LOST,
  CLUSTER_TOTAL_LINK_REPAIRED,
  CLUSTER_TOTAL_N
} ClusterTotal;

/* Times of the last minute, µs: "sketches":{"join","http","repair"} as
 * base/sketch-brief has them in text; one that is missing or bad is empty.
 * Where a heartbeat would become too long, they keep fewer buckets. */
typedef enum {
  CLUSTER_SKETCH_JOIN,
  CLUSTER_SKETCH_HTTP,
  CLUSTER_SKETCH_REPAIR,
  CLUSTER_SKETCH_N
} ClusterSketch;

/* hb:{id}: each second, gone after 3 s */
typedef struct {
  guint n_viewers, max_viewers;   /* slots; 0 = takes none */
  guint n_publishers, max_publishers;
  guint n_streams;                /* carried now */
  guint n_ports, max_ports;       /* of the RTP pool */
  guint64 tx_bps, rx_bps, max_tx_bps; /* max 0 = no limit */
  double cpu_ratio;               /* of all processors, 0 to 1 */
  guint64 rss_bytes;
  guint64 n_joins, n_refused, n_leaves; /* since start */
  guint64 n_failures;             /* joins that failed by our fault, likewise */
  guint64 n_send_drops;           /* packets not sent, likewise */
  guint n_slots;                  /* viewers that fit by the tightest limit;
                                   * those who are here included */
  guint n_waiting;                /* viewers with a place and no media yet */
  double mem_ratio;               /* of what this process may have, 0 to 1 */
  gboolean is_draining;
  gboolean is_warm;               /* of a subtree that is not open yet */
  guint n_links, n_carried;
  ClusterLink links[CLUSTER_MAX_LINKS];
  /* "carried":["89abcdef",…]: cluster_stream_hash() of streams that are here */
  guint32 carried[CLUSTER_MAX_CARRIED];
  guint64 totals[CLUSTER_TOTAL_N];
  BaseSketchBrief sketches[CLUSTER_SKETCH_N];
} ClusterLoad;

/* parent:{id}, backup:{id}, rank:{id} */
typedef struct {
  char *parent, *backup; /* node ids, nullable */
  guint rank;            /* injection 1; every parent's is smaller */
} ClusterPlace;

/* One node as the others see it. */
typedef struct {
  ClusterNode node;
  ClusterLoad load;
  ClusterPlace place;
  guint n_children; /* primary ones */
  gboolean is_alive; /* its heartbeat is there */
  /* whom we sent there since that heartbeat, and when last (monotonic) */
  guint n_sent;
  gint64 sent_us;
} ClusterPeer;

/* stream:{tree}:{name} */
typedef struct {
  char *name;
  char *publication; /* 128 random bits, hex */
  guint64 epoch;     /* grows with each publication; compare-and-set;
                      * at most CLUSTER_EPOCH_MAX */
  char *origin;      /* node id; NULL: ended, its numbers are kept */
  char *info;        /* codecs, as JSON text; opaque here, <= 2 KiB */
  guint64 ext_seq[2]; /* last sent, audio and video; 0 = none */
  guint32 rtp_ts[2];
  gint64 at_wall_us; /* when these were written */
} ClusterStream;

void cluster_node_clear (ClusterNode *self);
void cluster_node_copy (const ClusterNode *from, ClusterNode *to);
void cluster_place_clear (ClusterPlace *self);
void cluster_place_copy (const ClusterPlace *from, ClusterPlace *to);
gboolean cluster_place_equal (const ClusterPlace *a, const ClusterPlace *b);
ClusterPeer *cluster_peer_new (void);
ClusterPeer *cluster_peer_copy (const ClusterPeer *self);
void cluster_peer_free (ClusterPeer *self);
ClusterStream *cluster_stream_new (void);
ClusterStream *cluster_stream_copy (const ClusterStream *self);
void cluster_stream_free (ClusterStream *self);
gboolean cluster_name_is_valid (const char *name);
/* as above, and '~': in streams that no client can ask for by name, such as
 * the lower renditions of one */
gboolean cluster_stream_name_is_valid (const char *name);
/* CLUSTER_ID_CHARS hex digits: a boot or publication id */
gboolean cluster_id_is_valid (const char *id);
/* 32 bits of FNV-1a, the same on every node: for heartbeats, where names would
 * be long; for showing only, two streams may share one */
guint32 cluster_stream_hash (const char *name);
/* "injection,relay" and back; 0 = not roles */
char *cluster_roles_to_string (ClusterRoles roles); /* (transfer full) */
ClusterRoles cluster_roles_from_string (const char *text);
/* The label node_type of metrics: roles joined by "+" ("relay+egress"); the
 * three that carry media are "all", with metrics "all+metrics"; "" for none.
 * (transfer full) */
char *cluster_roles_to_node_type (ClusterRoles roles);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClusterPeer, cluster_peer_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClusterStream, cluster_stream_free)
