/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/main: reads the settings, builds the parts, runs until a signal.
 *
 * Order of the start: all ports are bound before the first heartbeat says
 * that this node is there.
 *
 * Order of the end: /readyz says no and nobody is accepted any more; who leads
 * resigns (0.5 s at most); the cluster hears that this node goes (1 s at most),
 * its children get BYE;
 * viewers' and publishers' sessions are closed (each peer gets close_notify);
 * what was carried is let go; the HTTP connections; the workers send what they
 * still have and end; their last words are delivered; the hub lets its streams
 * go. A second signal ends the program at once.
 *
 * Exit codes (sysexits.h): 0 asked to end; 69 a port or the node's id is
 * taken; 70 a bug; 71 the system refuses; 78 settings are wrong. The role
 * metrics that runs once: 0 all was exported; 75 somebody did not answer; 77
 * something was refused.
 */
#include <glib-unix.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sysexits.h>

#include "base/clock.h"
#include "base/log.h"
#include "egress/recording.h"
#include "node/admission.h"
#include "node/banner.h"
#include "node/cluster.h"
#include "node/ctl.h"
#include "node/doors.h"
#include "node/drain.h"
#include "node/exporters.h"
#include "node/janus.h"
#include "node/load.h"
#include "node/log.h"
#include "node/metrics-role.h"
#include "node/settings-scaling.h"
#include "node/monitor.h"
#include "node/process.h"
#include "node/scaling.h"
#include "node/server.h"
#include "whip/media-input.h"

/* A handshake's three buffers have 16 KiB and more each, mostly unused. From
 * mmap() only touched pages count, and all go back when it is over. */
#define MMAP_THRESHOLD_BYTES (16 * 1024)

/* how long GStreamer may take to let go of a camera or a file */
#define MEDIA_END_US (2 * BASE_US_PER_S)

typedef struct
{
  NodeParts parts;
  NodeServer *server;       /* owned */
  NodeExporters *exporters; /* owned, nullable: another role */
  GMainLoop *loop;          /* owned */
  guint signal_ids[4];
  guint n_signals;
  int exit_code;
} Program;

static void
program_clear (Program *self)
{
  NodeParts *parts = &self->parts;

  parts->is_ready = FALSE;
  if (self->server)
    node_server_stop_listening (self->server);
  if (parts->cluster)
    {
      if (parts->scaling)
        node_scaling_leave (parts->scaling);
      if (parts->janus)
        node_janus_leave (parts->janus);
      node_cluster_leave (parts->cluster);
    }
  if (parts->janus)
    node_janus_stop (parts->janus);
  g_clear_pointer (&parts->whep, egress_whep_free);
  g_clear_pointer (&parts->gate, egress_gate_free);
  g_clear_pointer (&parts->whip, whip_endpoint_free);
  g_clear_pointer (&parts->rtp_inputs, g_ptr_array_unref);
  g_clear_pointer (&parts->snapshot, egress_snapshot_free);
  if (parts->cluster)
    node_cluster_stop (parts->cluster);
  g_clear_pointer (&self->server, node_server_free);
  g_clear_pointer (&self->exporters, node_exporters_free);
  g_clear_pointer (&parts->metrics_role, node_metrics_role_free);
  g_clear_pointer (&parts->admission, node_admission_free);
  g_clear_pointer (&parts->drain, node_drain_free);
  if (parts->wills)
    rtc_will_store_end_sending (parts->wills);
  for (guint i = 0; i < parts->n_workers; i++)
    if (parts->workers[i])
      rtc_worker_stop (parts->workers[i]);
  g_clear_pointer (&parts->scaling, node_scaling_free);
  g_clear_pointer (&parts->cluster, node_cluster_free);
  g_clear_pointer (&parts->janus, node_janus_free);
  for (guint i = 0; i < parts->n_workers; i++)
    g_clear_pointer (&parts->workers[i], rtc_worker_free);
  if (!whip_media_inputs_join (MEDIA_END_US))
    GST_WARNING ("a source by GStreamer does not end");
  /* what the workers had to say at their end reaches the sessions and the
   * hub's streams before the hub goes */
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_clear_pointer (&parts->wills, rtc_will_store_free);
  g_clear_pointer (&parts->load, node_load_free);
  g_clear_pointer (&parts->hub, relay_hub_free);
  if (!egress_recordings_join (2 * G_USEC_PER_SEC))
    GST_WARNING ("a recording is not finished: its disk hangs");
  base_mailbox_clear_main ();
  g_clear_pointer (&parts->addresses, rtc_addresses_free);
  g_clear_pointer (&parts->certificate, rtc_certificate_unref);
  g_clear_pointer (&parts->auth, base_auth_free);
  g_clear_pointer (&parts->monitor, node_monitor_free);
  g_clear_pointer (&parts->metrics, base_metrics_free);
  g_clear_pointer (&parts->options, node_options_free);
  g_clear_pointer (&parts->settings, base_settings_free);
  g_clear_pointer (&self->loop, g_main_loop_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Program, program_clear)

/* --- Settings ---------------------------------------------------------- */

static gboolean
has_argument (char **argv, const char *name)
{
  return g_strv_contains ((const char *const *)argv, name);
}

/* print_early: what needs no settings. Returns: %TRUE when that was all */
static gboolean
print_early (Program *self, char **argv)
{
  g_autofree char *text = NULL;

  if (has_argument (argv, "--version"))
    {
      printf ("media-tree %s\n", MEDIA_TREE_VERSION);
      return TRUE;
    }
  if (has_argument (argv, "--help") || has_argument (argv, "-h"))
    {
      text = base_settings_to_help (self->parts.settings);
      printf ("media-tree: WebRTC broadcasts from one publisher to many "
              "browsers\n\nUsage: media-tree [OPTION…]\n       media-tree ctl "
              "nodes|streams|tree|top|trace|simulate   (see media-tree ctl "
              "--help)\n\n%s",
              text);
    }
  else if (has_argument (argv, "--print-sample"))
    {
      text = base_settings_to_sample (self->parts.settings);
      fputs (text, stdout);
    }
  else if (has_argument (argv, "--print-man"))
    {
      text = base_settings_to_man (self->parts.settings);
      fputs (text, stdout);
    }
  return text != NULL;
}

static int
fail (int code, const GError *error)
{
  fprintf (stderr, "media-tree: %s\n", error->message);
  return code;
}

/* read_settings: Returns: an exit code, or -1 to go on */
static int
read_settings (Program *self, char **argv)
{
  g_auto (GStrv) environment = g_get_environ ();
  g_autoptr (GError) error = NULL;
  NodeParts *parts = &self->parts;

  parts->settings = node_settings_new ();
  if (print_early (self, argv))
    return EX_OK;
  if (!base_settings_load (parts->settings, argv, environment, &error))
    return fail (EX_CONFIG, error);
  parts->options = node_options_new (parts->settings, &error);
  if (!parts->options)
    return fail (EX_CONFIG, error);
  if (base_settings_get_bool (parts->settings, "print-config"))
    {
      g_autofree char *text = base_settings_to_config (parts->settings);

      fputs (text, stdout);
      return EX_OK;
    }
  return -1;
}

static void
start_log (Program *self)
{
  const char *format =
      base_settings_get_string (self->parts.settings, "log-format");
  g_autofree char *level = node_settings_dup_log_level (self->parts.settings);

  gst_init (NULL, NULL);
  base_log_init (g_str_equal (format, "json") ? BASE_LOG_JSON : BASE_LOG_TEXT,
                 level);
  base_log_set_node (self->parts.options->node_id,
                     base_settings_get_string (self->parts.settings, "tree-id"),
                     self->parts.options->has_cluster);
}

/* --- Building ---------------------------------------------------------- */

static int
build_base (Program *self)
{
  NodeParts *parts = &self->parts;
  BaseSettings *settings = parts->settings;
  const char *tokens[BASE_AUTH_N_SURFACES] = {
    [BASE_AUTH_PUBLISH] = base_settings_get_string (settings, "whip-token"),
    [BASE_AUTH_WATCH] = base_settings_get_string (settings, "whep-token"),
    [BASE_AUTH_ADMIN] = base_settings_get_string (settings, "admin-token"),
    [BASE_AUTH_METRICS] = base_settings_get_string (settings, "metrics-token"),
  };
  const char *const *addresses =
      base_settings_get_list (settings, "public-address");
  g_autoptr (GError) error = NULL;

  parts->started_us = base_clock_now_us ();
  parts->started_wall_us = base_clock_wall_us ();
  parts->metrics = base_metrics_new ();
  parts->monitor = node_monitor_new (parts);
  parts->auth =
      base_auth_new (tokens, base_settings_get_string (settings, "jwt-key"),
                     base_settings_get_bool (settings, "insecure"), &error);
  if (!parts->auth)
    return fail (EX_CONFIG, error);
  parts->addresses = rtc_addresses_new (*addresses ? addresses : NULL, &error);
  if (!parts->addresses)
    {
      g_prefix_error (&error, "public-address: ");
      return fail (*addresses ? EX_CONFIG : EX_OSERR, error);
    }
  parts->certificate = rtc_certificate_new (&error);
  return parts->certificate ? -1 : fail (EX_SOFTWARE, error);
}

static int
build_workers (Program *self)
{
  NodeParts *parts = &self->parts;
  guint port = (guint)base_settings_get_int (parts->settings, "rtc-port");
  g_autoptr (GError) error = NULL;

  GST_INFO ("SRTP: AES-GCM by %s", rtc_srtp_out_get_sealer_name ());
  for (guint i = 0; i < parts->options->n_workers; i++)
    {
      RtcWorker *worker = rtc_worker_new (
          i, port ? port + i : 0, parts->certificate, parts->metrics, &error);

      if (!worker)
        {
          gboolean is_port =
              g_error_matches (error, RTC_WORKER_ERROR, RTC_WORKER_ERROR_BIND);

          if (is_port)
            g_prefix_error (&error, "cannot open media port %u: ", port + i);
          fail (is_port ? EX_UNAVAILABLE : EX_OSERR, error);
          if (is_port)
            fputs ("media-tree: choose other ports with --rtc-port (UDP and "
                   "TCP; one for each of --workers)\n",
                   stderr);
          return is_port ? EX_UNAVAILABLE : EX_OSERR;
        }
      parts->workers[parts->n_workers++] = worker;
    }
  return -1;
}

/* build_wills: and sends the goodbyes of a process that died here before us */
static int
build_wills (NodeParts *parts)
{
  BaseSettings *settings = parts->settings;
  const char *directory = base_settings_get_string (settings, "state-dir");
  g_autoptr (GError) error = NULL;

  if (!directory)
    return -1;
  /* at the limit each stream may have a second publisher, to take it over */
  parts->wills = rtc_will_store_new (
      directory, 2 * (guint)base_settings_get_int (settings, "max-publishers"),
      parts->metrics, &error);
  if (!parts->wills)
    {
      g_prefix_error (&error, "state-dir: ");
      return fail (g_error_matches (error, RTC_WILL_STORE_ERROR,
                                    RTC_WILL_STORE_ERROR_LOCKED)
                       ? EX_CONFIG
                       : EX_OSERR,
                   error);
    }
  rtc_will_store_send (parts->wills, parts->workers, parts->n_workers);
  return -1;
}

static void
on_id_taken (gpointer data)
{
  Program *self = data;

  fprintf (stderr,
           "media-tree: node-id: another node that runs is called \"%s\" too: "
           "give each its own, or none\n",
           self->parts.options->node_id);
  self->exit_code = EX_UNAVAILABLE;
  g_main_loop_quit (self->loop);
}

static void
on_drained (gpointer data)
{
  Program *self = data;

  g_main_loop_quit (self->loop);
}

static int
build_cluster (Program *self)
{
  NodeParts *parts = &self->parts;
  NodeClusterConfig config = { .parts = parts,
                               .on_id_taken = on_id_taken,
                               .data = self };
  g_autoptr (GError) error = NULL;

  parts->load = node_load_new (parts);
  if (parts->options->roles & NODE_ROLE_METRICS)
    parts->metrics_role = node_metrics_role_new (parts);
  parts->cluster = node_cluster_new (&config, &error);
  if (!parts->cluster)
    return fail (
        g_error_matches (error, NODE_CLUSTER_ERROR, NODE_CLUSTER_ERROR_PORT)
            ? EX_UNAVAILABLE
            : EX_CONFIG,
        error);
  parts->scaling = node_scaling_new (parts, on_drained, self, &error);
  if (!parts->scaling)
    return fail (EX_CONFIG, error);
  parts->admission = node_admission_new (parts);
  parts->drain = node_drain_new (parts, on_drained, self);
  return -1;
}

static int
build_rtp_inputs (NodeParts *parts)
{
  GPtrArray *configs = parts->options->rtp_inputs;

  parts->rtp_inputs =
      g_ptr_array_new_with_free_func ((GDestroyNotify)whip_rtp_input_free);
  for (guint i = 0; i < configs->len; i++)
    {
      const WhipRtpConfig *config = configs->pdata[i];
      g_autoptr (GError) error = NULL;
      WhipRtpInput *input = whip_rtp_input_new (parts->hub, config, &error);

      if (!input)
        {
          g_prefix_error (&error, "rtp-input %s: ", config->name);
          return fail (EX_UNAVAILABLE, error);
        }
      g_ptr_array_add (parts->rtp_inputs, input);
    }
  return -1;
}

static int
build_surfaces (Program *self)
{
  NodeParts *parts = &self->parts;
  g_autoptr (GError) error = NULL;
  int code;

  parts->hub = relay_hub_new (
      parts->workers, parts->n_workers,
      base_settings_get_duration_us (parts->settings, "publisher-linger"),
      parts->metrics);
  parts->snapshot = egress_snapshot_new ();
  code = build_cluster (self);
  if (code >= 0)
    return code;
  node_doors_open (parts);
  code = build_rtp_inputs (parts);
  if (code >= 0)
    return code;
  self->server = node_server_new (parts, &error);
  if (!self->server)
    return fail (EX_CONFIG, error);
  if (!node_server_listen (self->server, &error))
    return fail (EX_UNAVAILABLE, error);
  node_cluster_start (parts->cluster, node_server_get_url (self->server));
  if (parts->janus)
    node_janus_start (parts->janus);
  return -1;
}

/* --- Exporters ---------------------------------------------------------- */

static GPtrArray *
get_points (gpointer data)
{
  Program *self = data;
  NodeMetricsRole *role = self->parts.metrics_role;

  return node_metrics_role_has_data (role) ? node_metrics_role_get_points (role)
                                           : NULL;
}

static void
on_exported (ScalingExportExit code, gpointer data)
{
  Program *self = data;

  GST_INFO ("exported once, exit code %d", code);
  self->exit_code = (int)code;
  g_main_loop_quit (self->loop);
}

static int
build_exporters (Program *self)
{
  NodeParts *parts = &self->parts;
  g_auto (GStrv) env = g_get_environ ();
  g_autoptr (GError) error = NULL;

  self->exporters = node_exporters_new (parts->settings, parts->metrics, env,
                                        get_points, on_exported, self, &error);
  if (!self->exporters)
    return fail (EX_CONFIG, error);
  /* who is asked to end before it is through has not exported all */
  if (base_settings_get_bool (parts->settings, "metrics-run-once"))
    self->exit_code = SCALING_EXPORT_EXIT_AWAY;
  return -1;
}

/* build: Returns: an exit code, or -1 when all is there */
static int
build (Program *self)
{
  int code = build_base (self);

  if (code < 0)
    code = build_workers (self);
  if (code < 0 && (self->parts.options->roles & NODE_ROLE_INJECTION))
    code = build_wills (&self->parts);
  if (code < 0 && (self->parts.options->roles & NODE_ROLE_METRICS))
    code = build_exporters (self);
  return code < 0 ? build_surfaces (self) : code;
}

/* --- Running ----------------------------------------------------------- */

static gboolean
on_end (gpointer data)
{
  Program *self = data;

  GST_INFO ("ending");
  /* Without handlers the next signal ends the program as it stands. */
  for (guint i = 0; i < self->n_signals; i++)
    g_source_remove (self->signal_ids[i]);
  self->n_signals = 0;
  g_main_loop_quit (self->loop);
  return G_SOURCE_CONTINUE; /* removed above */
}

static gboolean
on_dump (gpointer data)
{
  Program *self = data;
  g_autoptr (JsonNode) root = node_server_describe (self->server);
  g_autofree char *text = json_to_string (root, FALSE);

  GST_INFO ("state: %s", text);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_reload (gpointer data)
{
  Program *self = data;
  g_autoptr (GError) error = NULL;

  if (node_server_reload_tls (self->server, &error))
    GST_INFO ("certificate read again");
  else
    GST_WARNING ("the old certificate stays: %s", error->message);
  return G_SOURCE_CONTINUE;
}

static void
add_signals (Program *self)
{
  guint *ids = self->signal_ids;

  signal (SIGPIPE, SIG_IGN);
  signal (SIGXFSZ, SIG_IGN); /* a file's limit ends a recording, not us */
  ids[self->n_signals++] = g_unix_signal_add (SIGTERM, on_end, self);
  ids[self->n_signals++] = g_unix_signal_add (SIGINT, on_end, self);
  ids[self->n_signals++] = g_unix_signal_add (SIGUSR1, on_dump, self);
  ids[self->n_signals++] = g_unix_signal_add (SIGHUP, on_reload, self);
}

static void
log_start (Program *self)
{
  NodeParts *parts = &self->parts;
  guint n = parts->n_workers;
  g_autofree char *ports =
      n > 0 ? g_strdup_printf (" on ports %u to %u",
                               rtc_worker_get_port (parts->workers[0]),
                               rtc_worker_get_port (parts->workers[n - 1]))
            : g_strdup ("");

  GST_INFO ("version %s, node %s, %u workers%s, HTTP at %s, "
            "%" G_GUINT64_FORMAT " descriptors",
            MEDIA_TREE_VERSION, parts->options->node_id, parts->n_workers,
            ports, node_server_get_url (self->server),
            node_process_raise_fd_limit ());
}

int
main (int argc, char **argv)
{
  g_auto (Program) self = { 0 };
  int code;

  g_set_prgname ("media-tree");
  if (argc > 1 && g_str_equal (argv[1], "ctl"))
    return node_ctl_run (argv + 2);
  mallopt (M_MMAP_THRESHOLD, MMAP_THRESHOLD_BYTES);
  code = read_settings (&self, argv + (argc > 0 ? 1 : 0));
  if (code >= 0)
    return code;
  start_log (&self);
  code = build (&self);
  if (code >= 0)
    return code;
  self.loop = g_main_loop_new (NULL, FALSE);
  add_signals (&self);
  log_start (&self);
  self.parts.is_ready = TRUE;
  node_banner_print (&self.parts, node_server_get_url (self.server));
  if (self.exporters)
    node_exporters_start (self.exporters);
  g_main_loop_run (self.loop);
  return self.exit_code;
}
