/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingLearned: see learned.h. */
#include "scaling/learned.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define QUANTILE 0.95
#define MAX_LINES 16
#define MAX_WORDS (SCALING_LEARNED_N_LEADS + 1)

/* --- leads -----------------------------------------------------------------
 */

static guint
count (const ScalingLeads *leads)
{
  return MIN (leads->n, SCALING_LEARNED_N_LEADS);
}

static void
add (ScalingLeads *leads, guint32 ms)
{
  leads->ms[leads->n % SCALING_LEARNED_N_LEADS] = ms;
  leads->n++;
  /* what counts is where it stands, and that it is full */
  if (leads->n >= 2 * SCALING_LEARNED_N_LEADS)
    leads->n -= SCALING_LEARNED_N_LEADS;
}

void
scaling_learned_add_lead (ScalingLearned *self, gboolean is_warm,
                          gint64 lead_us)
{
  lead_us = CLAMP (lead_us, 0, SCALING_LEARNED_MAX_LEAD_US);
  add (is_warm ? &self->warm : &self->cold,
       (guint32)((lead_us + BASE_US_PER_MS - 1) / BASE_US_PER_MS));
}

static int
compare (const void *a, const void *b)
{
  guint32 left = *(const guint32 *)a, right = *(const guint32 *)b;

  return left < right ? -1 : left > right;
}

gint64
scaling_learned_get_lead (const ScalingLearned *self, gboolean is_warm,
                          gint64 guess_us)
{
  const ScalingLeads *leads = is_warm ? &self->warm : &self->cold;
  guint n = count (leads), rank;
  guint32 sorted[SCALING_LEARNED_N_LEADS];
  gint64 lead_us;

  if (n == 0)
    return 0;
  memcpy (sorted, leads->ms, n * sizeof sorted[0]);
  qsort (sorted, n, sizeof sorted[0], compare);
  rank = (guint)(QUANTILE * n + 0.999999);
  /* 0 would say that nothing is known */
  lead_us = MAX (sorted[MAX (rank, 1) - 1], 1) * (gint64)BASE_US_PER_MS;
  return n < SCALING_LEARNED_N_SURE ? MAX (lead_us, guess_us) : lead_us;
}

/* --- text -------------------------------------------------------------------
 */

/* oldest first */
static void
write_leads (GString *text, const char *word, const ScalingLeads *leads)
{
  guint n = count (leads);

  if (n == 0)
    return;
  g_string_append (text, word);
  for (guint i = leads->n - n; i < leads->n; i++)
    g_string_append_printf (text, " %u",
                            leads->ms[i % SCALING_LEARNED_N_LEADS]);
  g_string_append_c (text, '\n');
}

char *
scaling_learned_dup_text (const ScalingLearned *self)
{
  const ScalingMark *mark = &self->mark;
  GString *text = g_string_new (NULL);

  write_leads (text, "warm", &self->warm);
  write_leads (text, "cold", &self->cold);
  if (mark->n_in_row > 0)
    g_string_append_printf (
        text,
        "rollback %u %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %s %u %u\n",
        mark->n_in_row, mark->last_wall_ms, mark->wait_wall_ms,
        scaling_fault_get_name (mark->fault), mark->ordinal, mark->gen);
  return g_string_free (text, FALSE);
}

static gboolean
read_number (const char *word, guint64 max, guint64 *ret)
{
  return word != NULL
         && g_ascii_string_to_unsigned (word, 10, 0, max, ret, NULL);
}

static gboolean
read_leads (char **words, ScalingLeads *ret)
{
  ScalingLeads leads = { 0 };
  guint64 ms;

  for (guint i = 1; words[i] != NULL; i++)
    {
      if (i > SCALING_LEARNED_N_LEADS
          || !read_number (words[i],
                           SCALING_LEARNED_MAX_LEAD_US / BASE_US_PER_MS, &ms))
        return FALSE;
      add (&leads, (guint32)ms);
    }
  *ret = leads;
  return TRUE;
}

static ScalingFault
read_fault (const char *word)
{
  guint fault = SCALING_FAULT_GONE + 1;

  while (fault < SCALING_FAULT_N
         && g_strcmp0 (word, scaling_fault_get_name ((ScalingFault)fault)) != 0)
    fault++;
  return (ScalingFault)fault;
}

static gboolean
read_mark (char **words, ScalingMark *ret)
{
  guint64 n_in_row, last, wait, ordinal, gen;
  ScalingFault fault;

  if (g_strv_length (words) != 7)
    return FALSE;
  fault = read_fault (words[4]);
  if (!read_number (words[1], SCALING_MARK_MAX_IN_ROW, &n_in_row)
      || !read_number (words[2], SCALING_MARK_MAX_WALL_MS, &last)
      || !read_number (words[3], SCALING_MARK_MAX_WALL_MS, &wait)
      || fault == SCALING_FAULT_N
      || !read_number (words[5], CLUSTER_MAX_SUBTREES, &ordinal)
      || !read_number (words[6], G_MAXINT32, &gen) || n_in_row == 0)
    return FALSE;
  *ret = (ScalingMark){ .n_in_row = (guint)n_in_row,
                        .last_wall_ms = (gint64)last,
                        .wait_wall_ms = (gint64)wait,
                        .fault = fault,
                        .ordinal = (guint)ordinal,
                        .gen = (guint)gen };
  return TRUE;
}

static gboolean
read_line (const char *line, ScalingLearned *ret)
{
  g_auto (GStrv) words = g_strsplit (line, " ", MAX_WORDS + 1);

  if (g_strcmp0 (words[0], "warm") == 0)
    return read_leads (words, &ret->warm);
  if (g_strcmp0 (words[0], "cold") == 0)
    return read_leads (words, &ret->cold);
  if (g_strcmp0 (words[0], "rollback") == 0)
    return read_mark (words, &ret->mark);
  return FALSE;
}

guint
scaling_learned_parse (const char *text, ScalingLearned *ret)
{
  g_auto (GStrv) lines = NULL;
  guint n_bad = 0;

  *ret = (ScalingLearned){ 0 };
  if (text == NULL)
    return 0;
  lines = g_strsplit (text, "\n", MAX_LINES);
  for (guint i = 0; lines[i] != NULL; i++)
    n_bad += lines[i][0] != '\0' && !read_line (lines[i], ret);
  return n_bad;
}
