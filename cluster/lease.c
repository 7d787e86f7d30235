/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterLease: candidate → holder → leader, on what is answered and when. */
#include "cluster/lease.h"

#include "base/clock.h"
#include "cluster/log.h"
#include "cluster/types.h"

#include <string.h>

#define VALID_US(ttl_ms) ((ttl_ms)*BASE_US_PER_MS / 10 * 9)
#define TOKEN_MAX_CHARS 200

typedef enum
{
  ASKED_NOTHING,
  ASKED_ACQUIRE,
  ASKED_RENEW,
  ASKED_RESIGN,
} Asked;

typedef enum
{
  RENEWAL_COUNTED,
  RENEWAL_UNCOUNTED,
  RENEWAL_FENCED,
  RENEWAL_FAILED,
  RENEWAL_N,
} Renewal;

struct _ClusterLease
{
  ClusterLeaseConfig config;
  gboolean is_up, is_resigning, is_resigned;
  gboolean is_leader; /* as it was told; is_valid() looks at the clock */
  gint64 config_epoch;
  /* the epoch in which a replica was seen to follow our master, and since when
   * we know; NO_EPOCH: none was */
  gint64 followed_epoch, followed_us;
  Asked asked;
  gint64 asked_us;
  gboolean is_hinted;    /* since we asked */
  gint64 next_us;        /* of the next question */
  gint64 valid_until_us; /* 0 = we do not act */
  char *token;           /* owned, nullable: what we hold */
  guint64 token_cfg, token_ctr;
  guint64 term;
  char *holder; /* owned, nullable: node id */
  char *why;    /* owned */
  /* (nullable) borrowed from the registry */
  BaseCounter *n_renewals[RENEWAL_N], *n_gained, *n_lost;
};

static gint64
now_us (ClusterLease *self)
{
  return self->config.wire.now_us (self->config.wire_data);
}

static void
set_why (ClusterLease *self, const char *why)
{
  g_free (self->why);
  self->why = g_strdup (why);
}

static void
set_holder (ClusterLease *self, const char *token)
{
  g_clear_pointer (&self->holder, g_free);
  if (token != NULL)
    cluster_lease_parse_token (token, NULL, NULL, &self->holder);
}

static void
arm (ClusterLease *self)
{
  gint64 at_us =
      self->is_up && self->asked == ASKED_NOTHING && !self->is_resigning
          ? self->next_us
          : G_MAXINT64;

  if (self->is_leader)
    at_us = MIN (at_us, self->valid_until_us);
  self->config.wire.wake_at (at_us, self->config.wire_data);
}

/* --- leading ------------------------------------------------------------ */

static void
step_down (ClusterLease *self, const char *why)
{
  self->valid_until_us = 0;
  set_why (self, why);
  if (!self->is_leader)
    return;
  self->is_leader = FALSE;
  base_counter_add (self->n_lost, 1);
  GST_INFO ("leads no more (term %" G_GUINT64_FORMAT "): %s", self->term, why);
  if (self->config.on_changed != NULL)
    self->config.on_changed (FALSE, self->config.data);
}

static void
lose (ClusterLease *self, const char *why)
{
  g_clear_pointer (&self->token, g_free);
  step_down (self, why);
}

static void
step_up (ClusterLease *self)
{
  set_why (self, "");
  if (self->is_leader)
    return;
  self->is_leader = TRUE;
  base_counter_add (self->n_gained, 1);
  GST_INFO ("leads, term %" G_GUINT64_FORMAT, self->term);
  if (self->config.on_changed != NULL)
    self->config.on_changed (TRUE, self->config.data);
}

/* note_followed: a replica that follows this epoch's master has left the one
 * before: what was counted there was sent until now */
static void
note_followed (ClusterLease *self, guint n_replicas)
{
  if (self->config.min_replicas == 0 || n_replicas < self->config.min_replicas
      || self->config_epoch == CLUSTER_LEASE_NO_EPOCH
      || self->followed_epoch == self->config_epoch)
    return;
  self->followed_epoch = self->config_epoch;
  self->followed_us = now_us (self);
}

/* get_settled_us: from then on nobody acts any more by a renewal of an older
 * epoch; G_MAXINT64: not known yet */
static gint64
get_settled_us (ClusterLease *self)
{
  if (self->config.min_replicas == 0
      || self->config_epoch == CLUSTER_LEASE_NO_EPOCH)
    return G_MININT64;
  return self->followed_epoch == self->config_epoch
             ? self->followed_us + CLUSTER_LEASE_TTL_MS * BASE_US_PER_MS
             : G_MAXINT64;
}

/* count: an answer to what was sent at asked_us, with that many replicas */
static gboolean
count (ClusterLease *self, guint n_replicas)
{
  gint64 until_us = self->asked_us + VALID_US (CLUSTER_LEASE_TTL_MS);
  gint64 now = now_us (self), settled_us = get_settled_us (self);

  if (n_replicas < self->config.min_replicas)
    {
      self->next_us = now + CLUSTER_LEASE_RETRY_MS * BASE_US_PER_MS;
      if (!self->is_leader)
        set_why (self, "holds the lease, but no replica has it too");
      return FALSE;
    }
  self->next_us = self->asked_us + CLUSTER_LEASE_RENEW_MS * BASE_US_PER_MS;
  if (until_us <= now)
    return FALSE;
  /* who led all the time is the one who counted before */
  if (now < settled_us && !cluster_lease_is_valid (self, 0))
    {
      self->next_us = MIN (self->next_us, settled_us);
      set_why (self, "holds the lease, and waits: who led on the master before "
                     "may do so still");
      return TRUE;
    }
  self->valid_until_us = until_us;
  self->term = self->token_ctr;
  step_up (self);
  return TRUE;
}

/* --- asking ------------------------------------------------------------- */

static void
ask (ClusterLease *self)
{
  const ClusterLeaseWire *wire = &self->config.wire;
  gboolean is_renewal = self->token != NULL
                        && (self->config_epoch == CLUSTER_LEASE_NO_EPOCH
                            || (guint64)self->config_epoch == self->token_cfg);
  gboolean ok;

  self->asked = is_renewal ? ASKED_RENEW : ASKED_ACQUIRE;
  self->asked_us = now_us (self);
  self->is_hinted = FALSE;
  ok = is_renewal ? wire->renew (self->token, CLUSTER_LEASE_TTL_MS,
                                 self->config.wire_data)
                  : wire->acquire (self->config_epoch, CLUSTER_LEASE_TTL_MS,
                                   self->config.wire_data);
  if (ok)
    return;
  self->asked = ASKED_NOTHING;
  self->next_us = self->asked_us + CLUSTER_LEASE_RETRY_MS * BASE_US_PER_MS;
}

void
cluster_lease_tick (ClusterLease *self)
{
  gint64 now = now_us (self);

  if (self->is_leader && now >= self->valid_until_us)
    step_down (self, "no renewal counted in time");
  if (self->is_up && self->asked == ASKED_NOTHING && !self->is_resigning
      && now >= self->next_us)
    ask (self);
  arm (self);
}

/* --- answers ------------------------------------------------------------ */

static void
take_token (ClusterLease *self, const char *token)
{
  guint64 cfg, ctr;

  if (token == NULL || !cluster_lease_parse_token (token, &cfg, &ctr, NULL))
    {
      set_why (self, "the store gave a token that is none");
      return;
    }
  g_free (self->token);
  self->token = g_strdup (token);
  self->token_cfg = cfg;
  self->token_ctr = ctr;
  set_holder (self, token);
}

static void
take_acquire (ClusterLease *self, const ClusterLeaseAnswer *answer)
{
  gint64 now = now_us (self);
  gint64 left_ms = CLUSTER_LEASE_REFUSED_MS;

  self->next_us = now + CLUSTER_LEASE_RENEW_MS * BASE_US_PER_MS;
  switch (answer->outcome)
    {
    case CLUSTER_LEASE_OK:
      take_token (self, answer->token);
      if (self->token != NULL)
        count (self, answer->n_replicas);
      return;
    case CLUSTER_LEASE_HELD:
      if (!self->is_hinted)
        left_ms = CLAMP (answer->pttl_ms, 1, CLUSTER_LEASE_TTL_MS);
      else
        left_ms = 0;
      /* the sooner it is known, the sooner we may act when it is our turn */
      if (get_settled_us (self) == G_MAXINT64)
        left_ms = MIN (left_ms, CLUSTER_LEASE_RENEW_MS);
      set_holder (self, answer->token);
      lose (self, "another node leads");
      break;
    case CLUSTER_LEASE_STALE:
      lose (self, answer->why != NULL ? answer->why : "stale sentinels");
      break;
    case CLUSTER_LEASE_FENCED:
    case CLUSTER_LEASE_FAILED:
    default:
      if (!self->is_leader)
        set_why (self, answer->why != NULL ? answer->why : "no answer");
      return;
    }
  self->next_us = now + left_ms * BASE_US_PER_MS;
}

static void
take_renew (ClusterLease *self, const ClusterLeaseAnswer *answer)
{
  Renewal renewal = RENEWAL_FAILED;

  self->next_us = now_us (self) + CLUSTER_LEASE_RETRY_MS * BASE_US_PER_MS;
  if (answer->outcome == CLUSTER_LEASE_OK)
    renewal =
        count (self, answer->n_replicas) ? RENEWAL_COUNTED : RENEWAL_UNCOUNTED;
  else if (answer->outcome == CLUSTER_LEASE_FENCED)
    {
      renewal = RENEWAL_FENCED;
      lose (self, "another node leads");
      self->next_us = now_us (self);
    }
  base_counter_add (self->n_renewals[renewal], 1);
}

void
cluster_lease_answer (ClusterLease *self, const ClusterLeaseAnswer *answer)
{
  Asked asked = self->asked;

  self->asked = ASKED_NOTHING;
  if (asked == ASKED_RESIGN)
    self->is_resigned = TRUE;
  else if (self->is_resigning)
    {
      if (asked == ASKED_ACQUIRE && answer->outcome == CLUSTER_LEASE_OK)
        take_token (self, answer->token);
      cluster_lease_resign (self);
    }
  else
    {
      if (answer->outcome == CLUSTER_LEASE_OK
          || answer->outcome == CLUSTER_LEASE_HELD)
        note_followed (self, answer->n_replicas);
      if (asked == ASKED_ACQUIRE)
        take_acquire (self, answer);
      else if (asked == ASKED_RENEW)
        take_renew (self, answer);
    }
  cluster_lease_tick (self);
}

/* --- the connection ----------------------------------------------------- */

void
cluster_lease_up (ClusterLease *self, gint64 config_epoch)
{
  self->is_up = TRUE;
  self->asked = ASKED_NOTHING;
  self->config_epoch = config_epoch;
  self->next_us = now_us (self);
  cluster_lease_tick (self);
}

void
cluster_lease_down (ClusterLease *self, const char *why)
{
  if (self->asked == ASKED_RENEW)
    base_counter_add (self->n_renewals[RENEWAL_FAILED], 1);
  self->is_up = FALSE;
  self->asked = ASKED_NOTHING;
  if (self->is_resigning)
    self->is_resigned = TRUE;
  if (!self->is_leader)
    set_why (self, why);
  cluster_lease_tick (self);
}

void
cluster_lease_hint (ClusterLease *self)
{
  if (self->token != NULL)
    return;
  self->is_hinted = TRUE;
  self->next_us = now_us (self);
  cluster_lease_tick (self);
}

void
cluster_lease_lost (ClusterLease *self)
{
  lose (self, "another node leads");
  self->next_us = now_us (self);
  cluster_lease_tick (self);
}

void
cluster_lease_resign (ClusterLease *self)
{
  self->is_resigning = TRUE;
  step_down (self, "resigned");
  if (self->asked != ASKED_NOTHING && self->asked != ASKED_RESIGN)
    return; /* its answer first: it may bring a token */
  if (self->asked == ASKED_NOTHING && !self->is_resigned)
    {
      self->asked = ASKED_RESIGN;
      if (self->token == NULL || !self->is_up
          || !self->config.wire.resign (self->token, self->config.wire_data))
        {
          self->asked = ASKED_NOTHING;
          self->is_resigned = TRUE;
        }
      g_clear_pointer (&self->token, g_free);
    }
  arm (self);
}

/* --- asking us ---------------------------------------------------------- */

gboolean
cluster_lease_is_resigned (ClusterLease *self)
{
  return self->is_resigned;
}

gboolean
cluster_lease_is_valid (ClusterLease *self, gint64 margin_us)
{
  return self->is_leader && now_us (self) + margin_us < self->valid_until_us;
}

const char *
cluster_lease_get_token (ClusterLease *self)
{
  return self->token;
}

guint64
cluster_lease_get_term (ClusterLease *self)
{
  return self->term;
}

const char *
cluster_lease_get_holder (ClusterLease *self)
{
  return self->holder;
}

const char *
cluster_lease_get_why (ClusterLease *self)
{
  return self->why;
}

gboolean
cluster_lease_parse_token (const char *token, guint64 *ret_cfg,
                           guint64 *ret_ctr, char **ret_node)
{
  g_auto (GStrv) parts = NULL;
  guint64 cfg, ctr;

  if (strlen (token) > TOKEN_MAX_CHARS)
    return FALSE;
  parts = g_strsplit (token, ":", 5);
  if (g_strv_length (parts) != 4
      || !g_ascii_string_to_unsigned (parts[0], 10, 0, CLUSTER_EPOCH_MAX, &cfg,
                                      NULL)
      || !g_ascii_string_to_unsigned (parts[1], 10, 0, CLUSTER_EPOCH_MAX, &ctr,
                                      NULL)
      || !cluster_name_is_valid (parts[2]) || parts[3][0] == '\0')
    return FALSE;
  if (ret_cfg != NULL)
    *ret_cfg = cfg;
  if (ret_ctr != NULL)
    *ret_ctr = ctr;
  if (ret_node != NULL)
    *ret_node = g_strdup (parts[2]);
  return TRUE;
}

/* --- life --------------------------------------------------------------- */

static void
collect (BaseMetricsWriter *writer, gpointer data)
{
  ClusterLease *self = data;

  base_metrics_write (writer, "media_tree_scaling_leader", "gauge",
                      "Whether this node leads the scaling of all trees", NULL,
                      cluster_lease_is_valid (self, 0));
  base_metrics_write (writer, "media_tree_scaling_term", "gauge",
                      "Counter of the lease that this node leads by, or led "
                      "by last",
                      NULL, (double)self->term);
}

static void
add_metrics (ClusterLease *self, BaseMetrics *metrics)
{
  static const char *const results[] = { "counted", "uncounted", "fenced",
                                         "failed" };

  for (guint i = 0; i < RENEWAL_N; i++)
    {
      g_autofree char *label = base_metrics_label ("result", results[i]);

      self->n_renewals[i] = base_metrics_add_counter (
          metrics, "media_tree_lease_renewals_total", label,
          "Renewals of the leader's lease, by what became of them");
    }
  self->n_gained = base_metrics_add_counter (
      metrics, "media_tree_lease_transitions_total", "to=\"leader\"",
      "Times this node began or ceased to lead");
  self->n_lost = base_metrics_add_counter (
      metrics, "media_tree_lease_transitions_total", "to=\"candidate\"",
      "Times this node began or ceased to lead");
  base_metrics_add_collector (metrics, collect, self);
}

ClusterLease *
cluster_lease_new (const ClusterLeaseConfig *config)
{
  ClusterLease *self = g_new0 (ClusterLease, 1);

  self->config = *config;
  self->followed_epoch = CLUSTER_LEASE_NO_EPOCH;
  set_why (self, "the store was not asked yet");
  if (config->metrics != NULL)
    add_metrics (self, config->metrics);
  return self;
}

void
cluster_lease_free (ClusterLease *self)
{
  g_return_if_fail (self != NULL);

  g_free (self->token);
  g_free (self->holder);
  g_free (self->why);
  g_free (self);
}
