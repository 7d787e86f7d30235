/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/decide: what was seen of nodes, the demand, and its trend. */
#include <math.h>
#include <string.h>

#include "scaling/decide-private.h"

#define SECOND_US ((gint64)G_USEC_PER_SEC)
/* how long a silent node's slots and viewers count */
#define SLOTS_KEPT_US (10 * SECOND_US)
#define VIEWERS_KEPT_US (60 * SECOND_US)
/* Who is refused comes again after Retry-After, 1 to 5 s. Counting each refusal
 * as a viewer would count those who wait again and again. */
#define RETRY_US (3 * SECOND_US)
#define SAMPLE_MIN_US (SECOND_US / 2)
#define SHORT_TREND_US (8 * SECOND_US)
#define LONG_TREND_US (30 * SECOND_US)
#define N_SAMPLES_CONFIDENT 30
#define PERIOD_US (10 * SECOND_US)
#define N_RECENT_PERIODS 60 /* 10 min */
#define WAVE_RATIO 0.05     /* of the peak: smaller ones are noise */
#define FNV_OFFSET G_GUINT64_CONSTANT (0xcbf29ce484222325)
#define FNV_PRIME G_GUINT64_CONSTANT (0x100000001b3)

guint64
scaling_history_hash (guint64 hash, gconstpointer bytes, gsize n_bytes)
{
  const guint8 *byte = bytes;

  if (hash == 0)
    hash = FNV_OFFSET;
  for (gsize i = 0; i < n_bytes; i++)
    hash = (hash ^ byte[i]) * FNV_PRIME;
  return hash;
}

static guint64
hash_text (const char *text)
{
  return scaling_history_hash (0, text, strlen (text));
}

/* --- nodes -------------------------------------------------------------- */

static void
forget_seen (ScalingHistory *self, guint index)
{
  self->n_seen--;
  memmove (&self->seen[index], &self->seen[index + 1],
           (self->n_seen - index) * sizeof self->seen[0]);
}

static void
forget_oldest (ScalingHistory *self)
{
  guint oldest = 0;

  for (guint i = 1; i < self->n_seen; i++)
    if (self->seen[i].heard_us < self->seen[oldest].heard_us)
      oldest = i;
  forget_seen (self, oldest);
}

/* find_seen: (nullable): nodes mostly stand where they stood: @hint */
static ScalingSeen *
find_seen (ScalingHistory *self, guint64 id, guint hint)
{
  if (hint < self->n_seen && self->seen[hint].id == id)
    return &self->seen[hint];
  for (guint i = 0; i < self->n_seen; i++)
    if (self->seen[i].id == id)
      return &self->seen[i];
  return NULL;
}

/* count_on: what was added to a counter since @last, which becomes @value */
static guint64
count_on (guint64 *last, guint64 value)
{
  guint64 more = value > *last ? value - *last : 0;

  *last = value;
  return more;
}

static void
count_node (ScalingHistory *self, ScalingSeen *seen, const ScalingNode *node,
            gint64 now_us)
{
  gint64 since_us = now_us - seen->heard_us;
  guint64 n_drops = count_on (&seen->n_send_drops, node->n_send_drops);

  self->n_joins += count_on (&seen->n_joins, node->n_joins);
  self->n_refused += count_on (&seen->n_refused, node->n_refused);
  self->n_failures += count_on (&seen->n_failures, node->n_failures);
  if (since_us > 0)
    seen->drops_per_s = (double)n_drops * SECOND_US / (double)since_us;
}

/* (nullable): a node that is not new to us, or new and there is room */
static ScalingSeen *
meet_node (ScalingHistory *self, const ScalingNode *node, guint hint,
           gint64 now_us)
{
  guint64 id = hash_text (node->node_id), boot = hash_text (node->boot_id);
  ScalingSeen *seen = find_seen (self, id, hint);

  if (seen == NULL)
    {
      if (self->n_seen == CLUSTER_MAX_NODES)
        forget_oldest (self);
      seen = &self->seen[self->n_seen++];
      /* what it did before we knew it says nothing of now */
      *seen = (ScalingSeen){ .id = id,
                             .boot = boot,
                             .heard_us = now_us,
                             .n_joins = node->n_joins,
                             .n_refused = node->n_refused,
                             .n_failures = node->n_failures,
                             .n_send_drops = node->n_send_drops };
    }
  else if (seen->boot != boot)
    {
      seen->boot = boot;
      seen->n_joins = seen->n_refused = 0;
      seen->n_failures = seen->n_send_drops = 0;
    }
  return seen;
}

static void
hear_node (ScalingHistory *self, const ScalingNode *node, guint hint,
           gint64 now_us)
{
  ScalingSeen *seen = meet_node (self, node, hint, now_us);

  count_node (self, seen, node, now_us);
  seen->heard_us = seen->listed_us = now_us;
  seen->n_viewers = node->n_viewers;
  seen->n_waiting = node->n_waiting;
  seen->n_slots = node->n_slots;
  seen->subtree = node->subtree;
  seen->is_draining = node->is_draining;
  seen->is_warm = node->is_warm;
  seen->is_egress = (node->roles & CLUSTER_ROLE_EGRESS) != 0;
}

/* What the nodes add up to. */
typedef struct
{
  double n_heard, n_silent;                            /* viewers */
  double n_own_slots, n_own, n_static_slots, n_static; /* to guess by */
} Sums;

static void
sum_slots (const ScalingSeen *seen, gint64 silent_us, ScalingView *view,
           Sums *sums)
{
  if (!seen->is_egress || seen->is_warm || seen->is_draining
      || seen->n_slots == 0)
    return;
  if (seen->subtree > 0)
    {
      sums->n_own += 1;
      sums->n_own_slots += seen->n_slots;
    }
  else
    {
      sums->n_static += 1;
      sums->n_static_slots += seen->n_slots;
    }
  if (silent_us > SLOTS_KEPT_US)
    return;
  view->n_egress++;
  view->n_slots += seen->n_slots;
  if (seen->subtree == 0)
    view->n_static_slots += seen->n_slots;
}

static void
sum_nodes (ScalingHistory *self, gint64 now_us, ScalingView *view, Sums *sums)
{
  guint kept = 0;

  for (guint i = 0; i < self->n_seen; i++)
    {
      const ScalingSeen *seen = &self->seen[i];
      gint64 silent_us = now_us - seen->heard_us;

      /* who drained has sent its viewers elsewhere */
      if (silent_us > VIEWERS_KEPT_US
          || (seen->listed_us != now_us && seen->is_draining))
        continue;
      if (silent_us == 0)
        {
          sums->n_heard += seen->n_viewers;
          view->n_waiting += seen->n_waiting;
        }
      else
        sums->n_silent += seen->n_viewers;
      sum_slots (seen, silent_us, view, sums);
      if (kept != i)
        self->seen[kept] = *seen;
      kept++;
    }
  self->n_seen = kept;
}

static double
guess_slots_per_egress (ScalingHistory *self, const ScalingPolicy *policy,
                        const Sums *sums)
{
  if (sums->n_own > 0)
    self->slots_per_egress = sums->n_own_slots / sums->n_own;
  else if (sums->n_static > 0 && self->slots_per_egress <= 0)
    return sums->n_static_slots / sums->n_static;
  return self->slots_per_egress > 0 ? self->slots_per_egress
                                    : policy->slots_per_egress;
}

/* miss_node: it is there and says nothing */
static void
miss_node (ScalingHistory *self, const ScalingNode *node, guint hint,
           gint64 now_us)
{
  ScalingSeen *seen = find_seen (self, hash_text (node->node_id), hint);

  if (seen != NULL)
    seen->listed_us = now_us;
}

static void
observe_nodes (ScalingHistory *self, const ScalingPolicy *policy,
               const ScalingSnapshot *snapshot, ScalingView *view)
{
  gint64 now_us = snapshot->now_us;
  guint n_fresh = 0;
  Sums sums = { 0 };

  for (guint i = 0; i < snapshot->n_nodes; i++)
    if (snapshot->nodes[i].is_fresh)
      {
        hear_node (self, &snapshot->nodes[i], i, now_us);
        n_fresh++;
      }
    else
      miss_node (self, &snapshot->nodes[i], i, now_us);
  sum_nodes (self, now_us, view, &sums);
  view->has_fresh = n_fresh > 0;
  view->fresh_ratio =
      n_fresh > 0 ? (double)n_fresh
                        / MAX (MAX (snapshot->n_nodes, self->n_seen), n_fresh)
                  : 0;
  /* A silent node's viewers are there or on their way to others, where they
   * are counted when they come: never more than there were. */
  view->n_viewers =
      MIN (sums.n_heard + sums.n_silent, MAX (sums.n_heard, self->n_viewers));
  self->n_viewers = view->n_viewers;
  view->slots_per_subtree =
      guess_slots_per_egress (self, policy, &sums) * policy->egress_per_subtree;
}

/* --- samples: the trend ------------------------------------------------- */

/* i samples ago; must be there */
static const ScalingSample *
get_sample (const ScalingHistory *self, guint i)
{
  return &self->samples[(self->n_samples - 1 - i) % SCALING_HISTORY_N_SAMPLES];
}

static guint
count_samples (const ScalingHistory *self)
{
  return (guint)MIN (self->n_samples, SCALING_HISTORY_N_SAMPLES);
}

/* find_since: (nullable): the newest sample that is @age_us old or older, else
 * the oldest */
static const ScalingSample *
find_since (const ScalingHistory *self, gint64 now_us, gint64 age_us)
{
  const ScalingSample *sample = NULL;

  for (guint i = 0; i < count_samples (self); i++)
    {
      sample = get_sample (self, i);
      if (now_us - sample->at_us >= age_us)
        break;
    }
  return sample;
}

/* Of those outside a third asks again each second; who is refused stays or is
 * new. Who begins to look takes it that it has been so for long. */
static double
estimate_asking (const ScalingHistory *self, gint64 now_us)
{
  const ScalingSample *before = find_since (self, now_us, SAMPLE_MIN_US);
  gint64 span_us = before != NULL ? now_us - before->at_us : 0;
  double n_refused, retries;

  if (span_us < SAMPLE_MIN_US)
    return 0;
  n_refused = (double)(self->n_refused - before->n_refused);
  retries = (double)span_us / RETRY_US;
  if (before->at_us == self->begun_us || retries > 1)
    return n_refused / retries;
  return before->n_asking * (1 - retries) + n_refused;
}

static void
add_sample (ScalingHistory *self, gint64 now_us, ScalingView *view)
{
  ScalingSample *sample;

  view->is_new_sample =
      self->n_samples == 0
      || now_us - get_sample (self, 0)->at_us >= SAMPLE_MIN_US;
  if (view->is_new_sample)
    self->n_samples++;
  sample = (ScalingSample *)get_sample (self, 0);
  if (view->is_new_sample)
    sample->at_us = now_us;
  sample->n_demand = view->n_demand;
  sample->n_asking = view->n_asking;
  sample->n_joins = self->n_joins;
  sample->n_refused = self->n_refused;
  sample->n_failures = self->n_failures;
}

/* A straight line through the samples of a time: least squares. */
typedef struct
{
  guint n;
  double slope;    /* a second */
  double residual; /* root of the mean square */
} Line;

static Line
fit_line (const ScalingHistory *self, gint64 now_us, gint64 span_us)
{
  double n = 0, t_sum = 0, x_sum = 0, tt_sum = 0, tx_sum = 0, xx_sum = 0;
  double origin = get_sample (self, 0)->n_demand;
  double t_var, x_var, covar;
  Line line = { 0 };

  for (guint i = 0; i < count_samples (self); i++)
    {
      const ScalingSample *sample = get_sample (self, i);
      double t = (double)(sample->at_us - now_us) / SECOND_US;
      double x = sample->n_demand - origin;

      /* at the very first look nobody is known to have been refused */
      if (now_us - sample->at_us > span_us || sample->at_us == self->begun_us)
        break;
      n += 1;
      t_sum += t;
      x_sum += x;
      tt_sum += t * t;
      tx_sum += t * x;
      xx_sum += x * x;
    }
  line.n = (guint)n;
  if (n < 2)
    return line;
  t_var = tt_sum - t_sum * t_sum / n;
  x_var = xx_sum - x_sum * x_sum / n;
  covar = tx_sum - t_sum * x_sum / n;
  if (t_var <= 0)
    return line;
  line.slope = covar / t_var;
  line.residual = sqrt (MAX (0, x_var - covar * line.slope) / n);
  return line;
}

ScalingReading
scaling_history_get_error_rate (const ScalingHistory *self, gint64 now_us)
{
  const ScalingSample *before =
      find_since (self, now_us, SCALING_ERROR_WINDOW_US);
  double n_failures, n_attempts;

  if (before == NULL)
    return (ScalingReading){ 0 };
  n_failures = (double)(self->n_failures - before->n_failures);
  n_attempts = n_failures + (double)(self->n_joins - before->n_joins);
  if (n_attempts < SCALING_MIN_ATTEMPTS)
    return (ScalingReading){ 0 };
  return (ScalingReading){ TRUE, 100 * n_failures / n_attempts };
}

/* --- periods: peaks, waves, recommendations ----------------------------- */

static guint
period_slot (const ScalingHistory *self, guint n_ago)
{
  return (guint)((self->period - n_ago) % SCALING_HISTORY_N_PERIODS);
}

static void
enter_period (ScalingHistory *self, gint64 now_us, double n_demand)
{
  gint64 period = now_us / PERIOD_US;
  gint64 n_new = self->n_periods == 0 ? 1 : period - self->period;
  guint before = self->n_periods == 0 ? 0 : period_slot (self, 0);
  double last = self->n_periods == 0 ? n_demand : self->lasts[before];
  guint32 wanted = self->n_periods == 0 ? 0 : self->wanted[before];

  n_new = CLAMP (n_new, 0, SCALING_HISTORY_N_PERIODS);
  if (n_new > 0)
    self->period = period;
  self->n_periods =
      MIN (self->n_periods + (guint)n_new, SCALING_HISTORY_N_PERIODS);
  for (guint i = 0; i < (guint)n_new; i++)
    {
      guint slot = period_slot (self, i);

      /* where nobody looked it was as before */
      self->peaks[slot] = self->lasts[slot] = last;
      self->wanted[slot] = i > 0 ? wanted : 0;
    }
  self->lasts[period_slot (self, 0)] = n_demand;
  self->peaks[period_slot (self, 0)] =
      MAX (self->peaks[period_slot (self, 0)], n_demand);
}

void
scaling_history_want (ScalingHistory *self, guint n_wanted)
{
  guint32 *wanted = &self->wanted[period_slot (self, 0)];

  *wanted = MAX (*wanted, n_wanted);
}

guint
scaling_history_get_wanted (const ScalingHistory *self, gint64 window_us)
{
  guint n_periods = MIN (self->n_periods, (guint)(window_us / PERIOD_US) + 1);
  guint wanted = 0;

  for (guint i = 0; i < n_periods; i++)
    wanted = MAX (wanted, self->wanted[period_slot (self, i)]);
  return wanted;
}

static double
find_peak (const ScalingHistory *self, guint first, guint n_periods)
{
  double peak = 0;

  for (guint i = first; i < n_periods; i++)
    peak = MAX (peak, self->peaks[period_slot (self, i)]);
  return peak;
}

/* The load of ten minutes as waves: up and down by more than noise. */
typedef struct
{
  int direction;  /* of the wave that is on: 1, -1, 0 = none yet */
  double turn;    /* where it began */
  guint turn_ago; /* and when, in periods */
  double extreme; /* how far it has come */
  guint extreme_ago;
  double way; /* of the waves before */
} Waves;

static void
follow_wave (Waves *waves, double x, guint n_ago, double noise)
{
  double back = waves->direction * (waves->extreme - x);

  if (waves->direction == 0 && fabs (x - waves->turn) > noise)
    waves->direction = x > waves->turn ? 1 : -1;
  else if (waves->direction == 0)
    return;
  else if (back > noise)
    {
      waves->way += fabs (waves->extreme - waves->turn);
      waves->turn = waves->extreme;
      waves->turn_ago = waves->extreme_ago;
      waves->direction = -waves->direction;
    }
  else if (back > 0)
    return;
  waves->extreme = x;
  waves->extreme_ago = n_ago;
}

/* How far growth above the peak is believed: whole when the load has left what
 * it was between the turns before, else as far as it has been going one way.
 * More load never makes it less. */
static double
judge_waves (const ScalingHistory *self)
{
  guint n_periods = MIN (self->n_periods, N_RECENT_PERIODS);
  double first = self->lasts[period_slot (self, n_periods - 1)];
  double last = self->lasts[period_slot (self, 0)];
  double noise =
      WAVE_RATIO * find_peak (self, MIN (1, n_periods - 1), n_periods);
  Waves waves = { .turn = first,
                  .turn_ago = n_periods - 1,
                  .extreme = first,
                  .extreme_ago = n_periods - 1 };
  double way;

  for (guint i = n_periods - 1; i-- > 0;)
    follow_wave (&waves, self->lasts[period_slot (self, i)], i, noise);
  if (waves.direction > 0
      && last > (1 + WAVE_RATIO) * find_peak (self, waves.turn_ago, n_periods))
    return 1;
  way = waves.way + fabs (waves.extreme - waves.turn)
        + fabs (last - waves.extreme);
  return way > 0 ? MAX (0, last - first) / way : 1;
}

static int
compare_rates (const void *a, const void *b)
{
  double left = *(const double *)a, right = *(const double *)b;

  return left < right ? -1 : left > right;
}

double
scaling_history_get_growth (const ScalingHistory *self)
{
  double rates[SCALING_HISTORY_N_PERIODS];
  guint n = 0;

  /* the newest is not over yet */
  for (guint i = 1; i + 1 < self->n_periods; i++)
    rates[n++] = MAX (0, self->lasts[period_slot (self, i)]
                             - self->lasts[period_slot (self, i + 1)])
                 * G_USEC_PER_SEC / PERIOD_US;
  if (n == 0)
    return 0;
  qsort (rates, n, sizeof rates[0], compare_rates);
  return rates[(guint)ceil (0.99 * n) - 1];
}

/* --- all together ------------------------------------------------------- */

void
scaling_history_observe (ScalingHistory *self, const ScalingPolicy *policy,
                         const ScalingSnapshot *snapshot, ScalingView *ret)
{
  gint64 now_us = snapshot->now_us;
  Line short_line, long_line;
  double believed;

  *ret = (ScalingView){ 0 };
  observe_nodes (self, policy, snapshot, ret);
  ret->n_asking = estimate_asking (self, now_us);
  ret->n_demand = ret->n_viewers + ret->n_asking;
  add_sample (self, now_us, ret);
  enter_period (self, now_us, ret->n_demand);

  short_line = fit_line (self, now_us, SHORT_TREND_US);
  long_line = fit_line (self, now_us, LONG_TREND_US);
  ret->slope = MAX (short_line.slope, long_line.slope);
  ret->peak = find_peak (self, 0, MIN (self->n_periods, N_RECENT_PERIODS));
  ret->one_way_ratio = judge_waves (self);
  /* What the line misses is harmless while headroom covers it. */
  believed =
      policy->headroom_ratio * ret->n_demand + ret->slots_per_subtree / 4;
  ret->confidence = ret->fresh_ratio
                    * MIN (1, (double)long_line.n / N_SAMPLES_CONFIDENT)
                    * (1 - MIN (1, long_line.residual / MAX (believed, 1)));
}
