/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterLease: whether this node leads. The lock is a key in Redis with a time
 * to live of 3 s, renewed each second; it does not make anybody safe, it only
 * keeps nodes from doing the same work. What makes safe is that the store
 * refuses what another token writes (mtctl-scaling.lua).
 *   We act as leader until 0.9 times the time to live after the last renewal
 * that counted was *sent*, by a clock that goes on while the machine sleeps. A
 * renewal counts when enough replicas have it too (WAIT), so that a leader who
 * is cut off together with an old master stops before another one can begin;
 * this assumes clocks whose rates differ by less than 10 %.
 *   A candidate sleeps until the holder's time is over, or until it hears that
 * the holder has resigned. On a master that a failover made (another config
 * epoch) a new token is taken, above all older ones. A replica that follows
 * that master has left the one before, and may have counted a renewal there
 * moments earlier: so whoever does not lead all the way through waits for one
 * time to live from when it first knew of such a replica, in an epoch, before
 * it acts. It knows no Redis: the wire asks, and brings answers; the clock and
 * the timer are the wire's as well. Owner:  ClusterLedger, a test or the
 * simulator. Thread: main.
 */
#pragma once

#include "base/metrics.h"

#define CLUSTER_LEASE_TTL_MS 3000
#define CLUSTER_LEASE_RENEW_MS 1000
#define CLUSTER_LEASE_WAIT_MS 300
/* a renewal that did not count is tried again so soon */
#define CLUSTER_LEASE_RETRY_MS 200
/* refused for reasons that only time or people mend */
#define CLUSTER_LEASE_REFUSED_MS 3000
#define CLUSTER_LEASE_NO_EPOCH (-1) /* there are no sentinels */

typedef struct _ClusterLease ClusterLease;

typedef enum
{
  CLUSTER_LEASE_OK,     /* ours, under @token */
  CLUSTER_LEASE_HELD,   /* another's, for @pttl_ms */
  CLUSTER_LEASE_FENCED, /* it was ours */
  CLUSTER_LEASE_STALE,  /* our sentinels know less than the store */
  CLUSTER_LEASE_FAILED, /* no answer, or none that is understood */
} ClusterLeaseOutcome;

typedef struct
{
  ClusterLeaseOutcome outcome;
  const char *token; /* OK of acquire, HELD: the holder's; borrowed */
  gint64 pttl_ms;    /* HELD */
  guint n_replicas;  /* OK: how many have it too; HELD: how many follow */
  const char *why;   /* nullable: in words */
} ClusterLeaseAnswer;

/* Each question is answered by one cluster_lease_answer(), never from within
 * the call; a connection that breaks before is down() instead. FALSE: it could
 * not be asked. WAIT follows acquire and renew directly. */
typedef struct
{
  /* @config_epoch: or CLUSTER_LEASE_NO_EPOCH */
  gboolean (*acquire) (gint64 config_epoch, guint ttl_ms, gpointer data);
  gboolean (*renew) (const char *token, guint ttl_ms, gpointer data);
  gboolean (*resign) (const char *token, gpointer data);
  /* CLOCK_BOOTTIME */
  gint64 (*now_us) (gpointer data);
  /* tick() then; replaces what was asked before */
  void (*wake_at) (gint64 at_us, gpointer data);
} ClusterLeaseWire;

typedef struct
{
  ClusterLeaseWire wire;
  gpointer wire_data;   /* borrowed */
  guint min_replicas;   /* k: 0 for one server, 1 behind sentinels */
  BaseMetrics *metrics; /* (nullable) borrowed */
  /* (nullable) we act as leader, or no longer do */
  void (*on_changed) (gboolean is_leader, gpointer data);
  gpointer data; /* borrowed */
} ClusterLeaseConfig;

ClusterLease *cluster_lease_new (const ClusterLeaseConfig *config);
void cluster_lease_free (ClusterLease *self);

/* the store can be asked; @config_epoch: or CLUSTER_LEASE_NO_EPOCH */
void cluster_lease_up (ClusterLease *self, gint64 config_epoch);
/* it cannot; @why: in words */
void cluster_lease_down (ClusterLease *self, const char *why);
void cluster_lease_answer (ClusterLease *self,
                           const ClusterLeaseAnswer *answer);
/* does what is due */
void cluster_lease_tick (ClusterLease *self);
/* somebody has resigned */
void cluster_lease_hint (ClusterLease *self);
/* a write of ours was refused: another leads */
void cluster_lease_lost (ClusterLease *self);
/* cluster_lease_resign: leads no more and never again; when the store is told,
 * or cannot be, cluster_lease_is_resigned() */
void cluster_lease_resign (ClusterLease *self);
gboolean cluster_lease_is_resigned (ClusterLease *self);

/* cluster_lease_is_valid: to be asked before each action outside
 * @margin_us: how long that action may take */
gboolean cluster_lease_is_valid (ClusterLease *self, gint64 margin_us);
/* (nullable) (transfer none): "cfg:ctr:node:nonce" while we hold it, whether we
 * act or not */
const char *cluster_lease_get_token (ClusterLease *self);
/* the counter of the token that we act under, or did last; 0 = never */
guint64 cluster_lease_get_term (ClusterLease *self);
/* (nullable) (transfer none): who holds it, as far as we know */
const char *cluster_lease_get_holder (ClusterLease *self);
/* (transfer none): in words, why we do not lead; "" while we do */
const char *cluster_lease_get_why (ClusterLease *self);

/* cluster_lease_parse_token: FALSE: it is none
 * @ret_node: (out) (optional) (transfer full) */
gboolean cluster_lease_parse_token (const char *token, guint64 *ret_cfg,
                                    guint64 *ret_ctr, char **ret_node);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClusterLease, cluster_lease_free)
