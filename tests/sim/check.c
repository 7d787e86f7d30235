/* SPDX-License-Identifier: Apache-2.0 */
/* sim/check: I1 to I4 and G2. */
#include "check.h"

#include "cluster/lease.h"
#include "engine.h"
#include "leader.h"
#include "store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_US (50 * SIM_US_PER_MS)
#define N_LOOKS 240 /* 12 s: what was desired lately */
#define MAX_EPOCHS 256
#define MAX_ORDINALS 64

typedef struct
{
  gint64 next_us;
  guint n_desired[N_LOOKS], n_looks;
  guint64 last_ctr[MAX_EPOCHS]; /* of a line: by its epoch */
  char held[128];               /* before the call: "" = nobody */
  int n_before;
  GHashTable *open; /* owned: names that were open */
} Check;

static Check check;

/* What all worlds had: a simulator in which nothing happens finds nothing. */
typedef enum
{
  SEEN_LEASES,
  SEEN_CHANGES, /* of what is desired */
  SEEN_SLOTS,   /* moved */
  SEEN_OPENED,
  SEEN_PLACED,
  SEEN_FENCED,
  SEEN_CONFLICT,
  SEEN_BOUND,
  SEEN_TAKEN,
  SEEN_FAILOVERS,
  SEEN_N
} Seen;

static const char *const seen_names[] = {
  "leases", "changes",  "slots moved", "nodes opened", "placed",
  "FENCED", "CONFLICT", "BOUND",       "TAKEN",        "failovers",
};
static guint64 seen[SEEN_N];

static const char *
get_arg (GPtrArray *args, guint i)
{
  return i < args->len ? args->pdata[i] : "";
}

/* --- what a server accepts ------------------------------------------------ */

static int
peek_desired (guint server)
{
  const char *text = sim_redis_peek (sim_store_get_redis (server),
                                     SIM_PREFIX "desired:" SIM_TREE, "n");

  return text != NULL ? atoi (text) : -1;
}

void
sim_check_before_call (guint server, const char *func, GPtrArray *args)
{
  static const char *const get[] = { "GET", SIM_PREFIX "lease:scaler", NULL };
  ClusterReply *held = sim_redis_call (sim_store_get_redis (server), get);

  g_strlcpy (check.held, held->text != NULL ? held->text : "",
             sizeof check.held);
  cluster_reply_free (held);
  check.n_before = peek_desired (server);
}

static void
check_token (guint server, const char *token)
{
  guint64 epoch = sim_store_get_epoch (server), cfg, ctr;

  if (!cluster_lease_parse_token (token, &cfg, &ctr, NULL))
    sim_fail ("I2: %s is no token", token);
  else if (cfg != epoch)
    sim_fail ("I2: redis %u, of epoch %" G_GUINT64_FORMAT ", gave out %s",
              server, epoch, token);
  else if (epoch < MAX_EPOCHS && ctr <= check.last_ctr[epoch])
    sim_fail ("I1: redis %u gave out %s after %" G_GUINT64_FORMAT, server,
              token, check.last_ctr[epoch]);
  else if (epoch < MAX_EPOCHS)
    check.last_ctr[epoch] = ctr;
}

static int
peek_policy (guint server, const char *field)
{
  const char *text = sim_redis_peek (sim_store_get_redis (server),
                                     SIM_PREFIX "policy:" SIM_TREE, field);

  return text != NULL ? atoi (text) : -1;
}

static void
check_change (guint server)
{
  int n = peek_desired (server), step = n - check.n_before;
  int min = peek_policy (server, "min"), max = peek_policy (server, "max");

  sim_trace ("redis %u: %d desired, before %d", server, n, check.n_before);
  if (n < min || n > max)
    sim_fail ("I3: redis %u has %d desired, of %d to %d", server, n, min, max);
  else if (check.n_before >= 0 && n > min
           && (step > peek_policy (server, "step_out")
               || -step > peek_policy (server, "step_in")))
    sim_fail ("I3: redis %u went from %d to %d", server, check.n_before, n);
}

static gboolean
has_token (const char *func)
{
  static const char *const funcs[] = { "mt_renew", "mt_desire", "mt_slot",
                                       "mt_audit", NULL };

  return g_strv_contains (funcs, func);
}

static void
count_refusal (const char *text)
{
  for (guint i = SEEN_FENCED; i <= SEEN_TAKEN; i++)
    seen[i] += g_str_has_prefix (text, seen_names[i]);
}

void
sim_check_after_call (guint server, const char *func, GPtrArray *args,
                      const ClusterReply *reply)
{
  const char *token = get_arg (args, 2);

  if (reply->type == CLUSTER_REPLY_ERROR)
    {
      if (g_str_has_prefix (reply->text, "ERR")
          || strstr (reply->text, "mtctl:") != NULL)
        sim_fail ("%s: %s", func, reply->text);
      count_refusal (reply->text);
      return;
    }
  if (strcmp (func, "mt_acquire") == 0
      && strcmp (reply->items[0]->text, "OK") == 0)
    {
      seen[SEEN_LEASES]++;
      check_token (server, reply->items[1]->text);
    }
  else if (has_token (func) && token[0] != '\0'
           && strcmp (token, check.held) != 0)
    sim_fail ("I1: redis %u let %s do %s while %s held the lease", server,
              token, func, check.held[0] != '\0' ? check.held : "nobody");
  seen[SEEN_SLOTS] += strcmp (func, "mt_slot") == 0;
  seen[SEEN_PLACED] += strcmp (func, "mt_place") == 0;
  if (peek_desired (server) != check.n_before)
    {
      seen[SEEN_CHANGES]++;
      check_change (server);
    }
}

/* --- who acts, who serves --------------------------------------------------
 */

static void
check_leaders (void)
{
  int first = -1;

  for (guint i = 0; i < SIM_N_LEADERS; i++)
    {
      if (!sim_leader_is_acting (i))
        continue;
      if (first >= 0)
        sim_fail ("G2: c%d and c%u act as leader", first, i);
      first = (int)i;
    }
}

/* knows: that this life of the subtree serves, or did */
static gboolean
knows (guint server, const SimInstance *opened)
{
  char ordinal[12], state[16] = "";
  const char *slot;
  guint gen;

  g_snprintf (ordinal, sizeof ordinal, "%u", opened->ordinal);
  slot = sim_redis_peek (sim_store_get_redis (server),
                         SIM_PREFIX "slot:" SIM_TREE, ordinal);
  if (slot == NULL || sscanf (slot, "%u %15s", &gen, state) != 2)
    return FALSE;
  return gen > opened->gen
         || (gen == opened->gen
             && (strcmp (state, "serving") == 0
                 || strcmp (state, "draining") == 0
                 || strcmp (state, "gone") == 0));
}

void
sim_check_opens (const SimInstance *opened)
{
  guint n = 0;

  for (guint i = 0; i < SIM_N_STORES; i++)
    n += knows (i, opened);
  if (n < 2)
    sim_fail ("I4: %s opens, and %u of the servers know that it serves",
              opened->name, n);
}

static guint
get_most_desired (void)
{
  guint most = 0;

  for (guint i = 0; i < MIN (check.n_looks, N_LOOKS); i++)
    most = MAX (most, check.n_desired[i]);
  return most;
}

/* counts: it serves, and the line that survives does not want it gone; one
 * that drains has yet to hear of it */
static gboolean
counts (const SimInstance *instance)
{
  char ordinal[12], state[16] = "";
  const char *slot;
  guint gen;

  if (!instance->is_open)
    return FALSE;
  g_snprintf (ordinal, sizeof ordinal, "%u", instance->ordinal);
  slot = sim_redis_peek (sim_store_get_redis (sim_store_get_master ()),
                         SIM_PREFIX "slot:" SIM_TREE, ordinal);
  if (instance->ordinal == SIM_NO_ORDINAL || slot == NULL
      || sscanf (slot, "%u %15s", &gen, state) != 2)
    return TRUE;
  return gen == instance->gen && strcmp (state, "draining") != 0
         && strcmp (state, "gone") != 0;
}

/* subtrees, not nodes: of one ordinal several serve, in one life of it */
static void
check_opened (const GArray *all, const SimInstance *opened)
{
  gboolean is_seen[MAX_ORDINALS] = { FALSE };
  guint most = get_most_desired (), n = 0;

  for (guint i = 0; i < all->len; i++)
    {
      const SimInstance *other = &g_array_index (all, SimInstance, i);

      if (!other->is_open)
        continue;
      if (strcmp (other->name, opened->name) == 0
          && other->host != opened->host)
        sim_fail ("I4: %s serves on two hosts", opened->name);
      if (other->ordinal != SIM_NO_ORDINAL && other->ordinal == opened->ordinal
          && other->gen != opened->gen)
        sim_fail ("I4: %s serves beside %s", opened->name, other->name);
      if (!counts (other))
        continue;
      if (other->ordinal >= MAX_ORDINALS)
        n++;
      else if (!is_seen[other->ordinal])
        {
          is_seen[other->ordinal] = TRUE;
          n++;
        }
    }
  if (n > most)
    sim_fail ("I4: %u subtrees serve since %s opened, and %u were desired at "
              "most lately",
              n, opened->name, most);
}

static void
check_instances (void)
{
  const GArray *all = sim_engine_look ();

  for (guint i = 0; i < all->len; i++)
    {
      const SimInstance *instance = &g_array_index (all, SimInstance, i);

      if (!instance->is_open)
        g_hash_table_remove (check.open, instance->name);
      else if (g_hash_table_add (check.open, g_strdup (instance->name)))
        {
          seen[SEEN_OPENED]++;
          check_opened (all, instance);
        }
    }
}

void
sim_check_now (void)
{
  int n;

  check_leaders ();
  if (sim_now () < check.next_us)
    return;
  check.next_us = sim_now () + LOOK_US;
  n = peek_desired (sim_store_get_master ());
  check.n_desired[check.n_looks++ % N_LOOKS] = (guint)MAX (n, 0);
  check_instances ();
}

void
sim_check_begin (void)
{
  memset (&check, 0, sizeof check);
  check.open = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

char *
sim_check_describe (gboolean *ret_is_rich)
{
  GString *text = g_string_new ("seen:");

  *ret_is_rich = TRUE;
  for (guint i = 0; i < SEEN_N; i++)
    {
      *ret_is_rich = *ret_is_rich && seen[i] > 0;
      g_string_append_printf (text, "%s %" G_GUINT64_FORMAT " %s",
                              i > 0 ? "," : "", seen[i], seen_names[i]);
    }
  return g_string_free (text, FALSE);
}

void
sim_check_end (void)
{
  seen[SEEN_FAILOVERS] += sim_store_get_epoch (sim_store_get_master ());
  g_clear_pointer (&check.open, g_hash_table_unref);
}
