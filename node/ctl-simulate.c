/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-simulate: files in; figures, a picture, a record out. */
#include "node/ctl-simulate.h"

#include <errno.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "scaling/record.h"
#include "scaling/simulate.h"

#define LEAD_MAX_S 3600
#define RECORD_MAX_BYTES (1u << 30)
#define CODE_DIFFERENT 1
#define UNSET G_MININT /* an option that is not there; of leads: NAN */

typedef struct
{
  char *trace, *policy, *out, *record, *replay, *tree, *start; /* owned */
  int n_start, n_warm;
  double warm_lead_s, cold_lead_s, cpu_full;
  gboolean as_json, is_help;
} Options;

static void
options_clear (Options *self)
{
  g_free (self->trace);
  g_free (self->policy);
  g_free (self->out);
  g_free (self->record);
  g_free (self->replay);
  g_free (self->tree);
  g_free (self->start);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Options, options_clear)

static int fail (int code, const char *format, ...) G_GNUC_PRINTF (2, 3);

static int
fail (int code, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list arguments;

  va_start (arguments, format);
  text = g_strdup_vprintf (format, arguments);
  va_end (arguments);
  fprintf (stderr, "media-tree ctl simulate: %s\n", text);
  return code;
}

/* --- the command line --------------------------------------------------- */

static GOptionContext *
make_context (Options *options)
{
  const GOptionEntry entries[] = {
    { "trace", 0, 0, G_OPTION_ARG_FILENAME, &options->trace,
      "The curve: lines of seconds,viewers or seconds,viewers,joins", "FILE" },
    { "policy", 0, 0, G_OPTION_ARG_FILENAME, &options->policy,
      "JSON; default: the policies the program comes with", "FILE" },
    { "out", 0, 0, G_OPTION_ARG_FILENAME, &options->out,
      "Draw it: an SVG, whose marks say why", "FILE" },
    { "record", 0, 0, G_OPTION_ARG_FILENAME, &options->record,
      "Write what each decision was made from", "FILE" },
    { "replay", 0, 0, G_OPTION_ARG_FILENAME, &options->replay,
      "Instead of --trace: decide again what was recorded", "FILE" },
    { "tree", 0, 0, G_OPTION_ARG_STRING, &options->tree,
      "Whose policy and schedules; default main", "NAME" },
    { "start", 0, 0, G_OPTION_ARG_STRING, &options->start,
      "When the trace begins, for schedules: YYYY-MM-DDTHH:MM:SSZ", "TIME" },
    { "subtrees", 0, 0, G_OPTION_ARG_INT, &options->n_start,
      "That serve at first; default as many as are needed then", "N" },
    { "warm", 0, 0, G_OPTION_ARG_INT, &options->n_warm,
      "Warm slots; default as the policy says", "N" },
    { "warm-lead", 0, 0, G_OPTION_ARG_DOUBLE, &options->warm_lead_s,
      "Until a warm slot serves; default as the policy says", "SECONDS" },
    { "cold-lead", 0, 0, G_OPTION_ARG_DOUBLE, &options->cold_lead_s,
      "Until a cold one does", "SECONDS" },
    { "cpu-full", 0, 0, G_OPTION_ARG_DOUBLE, &options->cpu_full,
      "CPU of a node without a free slot; default 60", "PERCENT" },
    { "json", 0, 0, G_OPTION_ARG_NONE, &options->as_json,
      "Print the figures and the decisions as JSON", NULL },
    { "help", 'h', 0, G_OPTION_ARG_NONE, &options->is_help, "Show this", NULL },
    { NULL },
  };
  GOptionContext *context = g_option_context_new (NULL);

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_set_help_enabled (context, FALSE);
  g_option_context_set_summary (
      context, "What the decisions would have done with a curve of viewers.");
  g_option_context_set_description (
      context, "Exit codes: 0 printed, 1 replayed decisions differ, 64 usage, "
               "65 a file's content\nis bad, 66 it cannot be read, 73 it "
               "cannot be written.");
  return context;
}

static gboolean
is_lead (double value_s)
{
  return isnan (value_s) || (value_s >= 0 && value_s <= LEAD_MAX_S);
}

static int
check_options (const Options *options)
{
  if ((options->trace == NULL) == (options->replay == NULL))
    return fail (EX_USAGE, "say --trace FILE or --replay FILE; see --help");
  if (options->n_start < 0 || options->n_start > CLUSTER_MAX_NODES)
    return fail (EX_USAGE, "--subtrees is not from 0 to %d", CLUSTER_MAX_NODES);
  if (options->n_warm != UNSET
      && (options->n_warm < 0 || options->n_warm > CLUSTER_MAX_NODES))
    return fail (EX_USAGE, "--warm is not from 0 to %d", CLUSTER_MAX_NODES);
  if (!is_lead (options->warm_lead_s) || !is_lead (options->cold_lead_s))
    return fail (EX_USAGE, "a lead is not from 0 to %d seconds", LEAD_MAX_S);
  if (!(options->cpu_full > 0 && options->cpu_full <= 100))
    return fail (EX_USAGE, "--cpu-full is not from 0 to 100 percent");
  return EX_OK;
}

/* --- files -------------------------------------------------------------- */

/* read_file: (transfer full) (nullable): at most one byte more than @max */
static char *
read_file (const char *path, gsize max, gsize *n_bytes, GError **error)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  FILE *file = fopen (path, "re");
  guint8 part[65536];
  gsize n = 0;

  while (file != NULL && bytes->len <= max
         && (n = fread (part, 1, MIN (sizeof part, max + 1 - bytes->len), file))
                > 0)
    g_byte_array_append (bytes, part, (guint)n);
  if (file == NULL || ferror (file))
    {
      int code = errno;

      g_set_error (error, G_FILE_ERROR, g_file_error_from_errno (code), "%s",
                   g_strerror (code));
    }
  if (file != NULL)
    fclose (file);
  if (*error != NULL)
    return NULL;
  *n_bytes = bytes->len;
  g_byte_array_append (bytes, (const guint8 *)"", 1);
  return (char *)g_byte_array_free (g_steal_pointer (&bytes), FALSE);
}

static int
load_trace (const Options *options, ScalingTrace **ret)
{
  g_autoptr (GError) error = NULL;
  gsize n_bytes;
  g_autofree char *text =
      read_file (options->trace, SCALING_TRACE_MAX_BYTES, &n_bytes, &error);

  if (text == NULL)
    return fail (EX_NOINPUT, "%s: %s", options->trace, error->message);
  *ret = scaling_trace_parse (text, n_bytes, &error);
  if (*ret == NULL)
    return fail (EX_DATAERR, "%s: %s", options->trace, error->message);
  return EX_OK;
}

static int
load_policies (const Options *options, ScalingPolicies **ret)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  gsize n_bytes;

  if (options->policy == NULL)
    {
      *ret = scaling_policies_new_default ();
      return EX_OK;
    }
  text =
      read_file (options->policy, SCALING_POLICY_MAX_BYTES, &n_bytes, &error);
  if (text == NULL)
    return fail (EX_NOINPUT, "%s: %s", options->policy, error->message);
  *ret = scaling_policies_parse (text, n_bytes, &error);
  if (*ret == NULL)
    return fail (EX_DATAERR, "%s: %s", options->policy, error->message);
  return EX_OK;
}

/* --- what is printed ---------------------------------------------------- */

static void
print_text (const ScalingSimulation *result)
{
  printf ("viewers    %.0f at the peak, %.0f came\n"
          "subtrees   %u at most; %u times out, %u in\n"
          "turns      %u in 10 min, at most: changes of direction\n"
          "over       %6.2f %%  slots without a viewer, of those with one\n"
          "under      %6.2f %%  slots missing, of viewers\n"
          "short      %6.2f %%  of the time with too few\n"
          "wait       %6.2f s  of refusal a viewer\n",
          result->peak_viewers, result->n_arrivals, result->n_most,
          result->n_out, result->n_in, result->n_turns_10min,
          100 * result->over_ratio, 100 * result->under_ratio,
          100 * result->under_time_ratio, result->wait_s);
}

static void
add_moves (JsonBuilder *builder, const ScalingSimulation *result)
{
  json_builder_set_member_name (builder, "decisions");
  json_builder_begin_array (builder);
  for (guint i = 0; i < result->moves->len; i++)
    {
      const ScalingSimulateMove *move =
          &g_array_index (result->moves, ScalingSimulateMove, i);

      json_builder_begin_object (builder);
      json_builder_set_member_name (builder, "at");
      json_builder_add_double_value (builder, move->at_s);
      json_builder_set_member_name (builder, "from");
      json_builder_add_int_value (builder, move->from);
      json_builder_set_member_name (builder, "to");
      json_builder_add_int_value (builder, move->to);
      json_builder_set_member_name (builder, "urgency");
      json_builder_add_string_value (builder,
                                     scaling_urgency_get_name (move->urgency));
      json_builder_set_member_name (builder, "reason");
      json_builder_add_string_value (builder, move->reason);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
print_json (const ScalingSimulation *result)
{
  const struct
  {
    const char *name;
    double value;
  } rows[] = {
    { "peakViewers", result->peak_viewers },
    { "arrivals", result->n_arrivals },
    { "overRatio", result->over_ratio },
    { "underRatio", result->under_ratio },
    { "underTimeRatio", result->under_time_ratio },
    { "waitSeconds", result->wait_s },
    { "turnsIn10Minutes", result->n_turns_10min },
    { "timesOut", result->n_out },
    { "timesIn", result->n_in },
    { "mostSubtrees", result->n_most },
  };
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree char *text = NULL;

  json_builder_begin_object (builder);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      json_builder_set_member_name (builder, rows[i].name);
      json_builder_add_double_value (builder, rows[i].value);
    }
  add_moves (builder, result);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  text = json_to_string (root, TRUE);
  puts (text);
}

static int
draw (const Options *options, const ScalingSimulation *result)
{
  g_autofree char *name = g_path_get_basename (options->trace);
  g_autofree char *shown = g_utf8_make_valid (name, -1);
  g_autofree char *title = g_strconcat ("Scaling: ", shown, NULL);
  g_autofree char *svg = scaling_simulation_to_svg (result, title);
  g_autoptr (GError) error = NULL;

  if (!g_file_set_contents (options->out, svg, -1, &error))
    return fail (EX_CANTCREAT, "%s", error->message);
  return EX_OK;
}

/* --- records ------------------------------------------------------------ */

typedef struct
{
  ScalingRecord *record; /* owned */
  GByteArray *bytes;     /* owned */
} Tape;

static void
tape_clear (Tape *self)
{
  g_clear_pointer (&self->record, scaling_record_free);
  g_clear_pointer (&self->bytes, g_byte_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Tape, tape_clear)

static void
on_tick (const ScalingSnapshot *snapshot, const ScalingDecision *decision,
         gpointer data)
{
  Tape *tape = data;

  if (tape->bytes->len <= RECORD_MAX_BYTES)
    scaling_record_add_tick (tape->record, tape->bytes, snapshot, decision);
}

static void
begin_tape (Tape *tape, const ScalingPolicies *policies,
            const ScalingPolicy *policy, ScalingSimulateOptions *model)
{
  tape->record = scaling_record_new ();
  tape->bytes = g_byte_array_new ();
  scaling_record_add_begin (tape->record, tape->bytes);
  scaling_record_add_policy (tape->record, tape->bytes, policies, policy->name);
  model->on_tick = on_tick;
  model->data = tape;
}

static int
write_tape (const Options *options, const Tape *tape)
{
  g_autoptr (GError) error = NULL;

  if (tape->bytes->len > RECORD_MAX_BYTES)
    return fail (EX_CANTCREAT, "--record: more than %u bytes",
                 RECORD_MAX_BYTES);
  if (!g_file_set_contents (options->record, (const char *)tape->bytes->data,
                            tape->bytes->len, &error))
    return fail (EX_CANTCREAT, "%s", error->message);
  return EX_OK;
}

static int
print_replay (const ScalingReplay *replay)
{
  g_autoptr (GDateTime) time = NULL;
  g_autofree char *shown = NULL;

  printf ("%u decisions again, %u out, %u in: ", replay->n_ticks, replay->n_out,
          replay->n_in);
  if (replay->n_different == 0)
    {
      puts ("the same");
      return EX_OK;
    }
  time = g_date_time_new_from_unix_utc (replay->first_wall_s);
  shown = time != NULL ? g_date_time_format_iso8601 (time) : g_strdup ("?");
  printf ("%u differ\nfirst at tick %u, %s: %s, %u wanted; now %s, %u wanted: "
          "%s\n",
          replay->n_different, replay->first_tick, shown,
          scaling_action_get_name (replay->then.action), replay->then.n_wanted,
          scaling_action_get_name (replay->now.action), replay->now.n_wanted,
          replay->now.reason);
  return CODE_DIFFERENT;
}

static int
run_replay (const Options *options)
{
  g_autoptr (GError) error = NULL;
  gsize n_bytes;
  g_autofree char *bytes =
      read_file (options->replay, RECORD_MAX_BYTES, &n_bytes, &error);
  ScalingReplay replay;

  if (bytes == NULL)
    return fail (EX_NOINPUT, "%s: %s", options->replay, error->message);
  if (!scaling_record_replay ((const guint8 *)bytes, n_bytes, &replay, &error))
    return fail (EX_DATAERR, "%s: %s", options->replay, error->message);
  return print_replay (&replay);
}

/* --- all together ------------------------------------------------------- */

static int
make_simulate_options (const Options *options, const ScalingPolicy *policy,
                       ScalingSimulateOptions *ret)
{
  g_autoptr (GDateTime) start = NULL;

  *ret = scaling_simulate_default (policy);
  ret->tree_id = options->tree;
  ret->n_start = (guint)options->n_start;
  ret->cpu_full_ratio = options->cpu_full / 100;
  if (options->n_warm != UNSET)
    ret->n_warm = (guint)options->n_warm;
  if (!isnan (options->warm_lead_s))
    ret->warm_lead_s = options->warm_lead_s;
  if (!isnan (options->cold_lead_s))
    ret->cold_lead_s = options->cold_lead_s;
  if (options->start == NULL)
    return EX_OK;
  start = g_date_time_new_from_iso8601 (options->start, NULL);
  if (start == NULL)
    return fail (EX_USAGE, "--start: \"%s\" is not YYYY-MM-DDTHH:MM:SSZ",
                 options->start);
  ret->start_wall_s = g_date_time_to_unix (start);
  return EX_OK;
}

static int
run_trace (const Options *options)
{
  g_autoptr (ScalingTrace) trace = NULL;
  g_autoptr (ScalingPolicies) policies = NULL;
  g_autoptr (ScalingSimulation) result = NULL;
  g_auto (Tape) tape = { 0 };
  ScalingSimulateOptions model;
  const ScalingPolicy *policy;
  int code = load_trace (options, &trace);

  if (code == EX_OK)
    code = load_policies (options, &policies);
  if (code != EX_OK)
    return code;
  policy = scaling_policies_find (policies, "egress", options->tree);
  if (policy == NULL)
    return fail (EX_DATAERR, "no policy is for service egress and tree %s",
                 options->tree);
  code = make_simulate_options (options, policy, &model);
  if (code != EX_OK)
    return code;
  if (options->record != NULL)
    begin_tape (&tape, policies, policy, &model);
  result = scaling_simulate (policy, trace, &model);
  if (options->out != NULL)
    code = draw (options, result);
  if (code == EX_OK && options->record != NULL)
    code = write_tape (options, &tape);
  if (code == EX_OK)
    (options->as_json ? print_json : print_text) (result);
  return code;
}

static int
run (const Options *options)
{
  int code = check_options (options);

  if (code != EX_OK)
    return code;
  return options->replay != NULL ? run_replay (options) : run_trace (options);
}

int
node_ctl_simulate_run (char **argv)
{
  g_auto (Options) options = {
    .n_warm = UNSET, .warm_lead_s = NAN, .cold_lead_s = NAN, .cpu_full = 60
  };
  g_autoptr (GOptionContext) context = make_context (&options);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) words = NULL;

  /* GOption takes the first word for the program's name */
  g_strv_builder_add (builder, "media-tree ctl simulate");
  g_strv_builder_addv (builder, (const char **)argv);
  words = g_strv_builder_end (builder);
  g_set_prgname ("media-tree ctl simulate");
  if (!g_option_context_parse_strv (context, &words, &error))
    return fail (EX_USAGE, "%s; see --help", error->message);
  if (options.is_help)
    {
      g_autofree char *help = g_option_context_get_help (context, TRUE, NULL);

      fputs (help, stdout);
      return EX_OK;
    }
  if (words[1] != NULL)
    return fail (EX_USAGE, "\"%s\" is not understood; see --help", words[1]);
  if (options.tree == NULL)
    options.tree = g_strdup ("main");
  return run (&options);
}
