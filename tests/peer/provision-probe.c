/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provision-probe: a leader's hands without its head: one provisioner, told
 * by lines on stdin what shall be there; each is answered by one JSON line.
 *   provision-probe process --directory DIR --binary FILE --http-port N
 *       --relay-port N --rtc-port N --pool-port N
 *   provision-probe docker --url URL --image IMAGE [--network NAME]
 *   both: [--env NAME=VALUE]… [--arg --key=value]…
 * stdin: "ensure NAME ROLE TREE ORDINAL GEN TOKEN", "remove NAME TREE GRACE_MS
 * TOKEN", "list TREE", "describe"; the end of stdin ends it, and nothing else.
 */
#include <gst/gst.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "scaling/provision-docker.h"
#include "scaling/provision-process.h"

typedef struct
{
  GMainLoop *loop;
  ScalingProvisioner *provisioner;
} Probe;

static char *directory, *binary, *url, *image, *network;
static char **env, **args;
static int http_port, relay_port, rtc_port, pool_port;

static const GOptionEntry options[] = {
  { "directory", 0, 0, G_OPTION_ARG_STRING, &directory, NULL, NULL },
  { "binary", 0, 0, G_OPTION_ARG_STRING, &binary, NULL, NULL },
  { "http-port", 0, 0, G_OPTION_ARG_INT, &http_port, NULL, NULL },
  { "relay-port", 0, 0, G_OPTION_ARG_INT, &relay_port, NULL, NULL },
  { "rtc-port", 0, 0, G_OPTION_ARG_INT, &rtc_port, NULL, NULL },
  { "pool-port", 0, 0, G_OPTION_ARG_INT, &pool_port, NULL, NULL },
  { "url", 0, 0, G_OPTION_ARG_STRING, &url, NULL, NULL },
  { "image", 0, 0, G_OPTION_ARG_STRING, &image, NULL, NULL },
  { "network", 0, 0, G_OPTION_ARG_STRING, &network, NULL, NULL },
  { "env", 0, 0, G_OPTION_ARG_STRING_ARRAY, &env, NULL, NULL },
  { "arg", 0, 0, G_OPTION_ARG_STRING_ARRAY, &args, NULL, NULL },
  { NULL, 0, 0, 0, NULL, NULL, NULL },
};

/* --- saying -------------------------------------------------------------- */

/* @object: (transfer full) */
static void
say (JsonObject *object)
{
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *text = NULL;

  json_node_take_object (root, object);
  text = json_to_string (root, FALSE);
  printf ("%s\n", text);
  fflush (stdout);
}

static JsonObject *
make_reply (const GError *error)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (
      object, "error",
      error != NULL ? scaling_provision_error_get_name (error) : "");
  json_object_set_string_member (object, "message",
                                 error != NULL ? error->message : "");
  return object;
}

static void
on_done (const GError *error, gpointer data)
{
  say (make_reply (error));
}

static void
on_listed (GPtrArray *instances, const GError *error, gpointer data)
{
  JsonObject *object = make_reply (error), *rows = json_object_new ();

  for (guint i = 0; instances != NULL && i < instances->len; i++)
    {
      const ScalingInstance *instance = instances->pdata[i];

      json_object_set_string_member (
          rows, instance->name,
          scaling_instance_state_get_name (instance->state));
    }
  json_object_set_object_member (object, "instances", rows);
  say (object);
}

static void
describe (Probe *probe)
{
  g_autoptr (JsonNode) root = scaling_provisioner_describe (probe->provisioner);
  JsonObject *object = make_reply (NULL);

  json_object_set_member (object, "state", g_steal_pointer (&root));
  say (object);
}

/* --- being told ---------------------------------------------------------- */

static void
obey (Probe *probe, const char *line)
{
  g_auto (GStrv) words = g_strsplit (line, " ", -1);
  guint n = g_strv_length (words);
  ScalingToken token;

  if (n == 7 && g_str_equal (words[0], "ensure")
      && scaling_token_parse (words[6], &token))
    {
      const ScalingSpec spec = { .role = words[2],
                                 .tree_id = words[3],
                                 .ordinal = (guint)atoi (words[4]),
                                 .gen = (guint)atoi (words[5]) };

      scaling_provisioner_ensure (probe->provisioner, words[1], &spec, &token,
                                  on_done, probe);
    }
  else if (n == 5 && g_str_equal (words[0], "remove")
           && scaling_token_parse (words[4], &token))
    scaling_provisioner_remove (probe->provisioner, words[1], words[2], NULL,
                                atoi (words[3]) * G_GINT64_CONSTANT (1000),
                                &token, on_done, probe);
  else if (n == 2 && g_str_equal (words[0], "list"))
    scaling_provisioner_list (probe->provisioner, words[1], on_listed, probe);
  else if (n == 1 && g_str_equal (words[0], "describe"))
    describe (probe);
  else
    g_error ("\"%s\" means nothing", line);
}

static gboolean
on_line (GIOChannel *in, GIOCondition condition, gpointer data)
{
  Probe *probe = data;
  g_autofree char *line = NULL;
  gsize end = 0;

  if (g_io_channel_read_line (in, &line, NULL, &end, NULL)
      != G_IO_STATUS_NORMAL)
    {
      g_main_loop_quit (probe->loop);
      return G_SOURCE_REMOVE;
    }
  line[end] = '\0';
  obey (probe, line);
  return G_SOURCE_CONTINUE;
}

/* --- the provisioner ----------------------------------------------------- */

static ScalingProvisioner *
make_process (GError **error)
{
  const ScalingProcessConfig config = {
    .directory = directory,
    .binary = binary,
    .http_port = (guint16)http_port,
    .relay_port = (guint16)relay_port,
    .rtc_port = (guint16)rtc_port,
    .pool_port = (guint16)pool_port,
    .args = (const char *const *)args,
    .env = (const char *const *)env,
  };

  return scaling_provision_process_new (&config, error);
}

static ScalingProvisioner *
make_docker (GError **error)
{
  const ScalingDockerEngine engine = { .name = "here",
                                       .url = url,
                                       .cluster_address = "127.0.0.1" };
  const ScalingDockerConfig config = {
    .n_engines = 1,
    .engines = &engine,
    .image = image,
    .pull = SCALING_PULL_NEVER,
    .network = network,
    .memory_bytes = 512 * 1024 * 1024,
    .cpu_milli = 1000,
    .max_pids = 256,
    .args = (const char *const *)args,
    .env = (const char *const *)env,
  };

  return scaling_provision_docker_new (&config, error);
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("KIND");
  g_autoptr (GError) error = NULL;
  g_autoptr (GIOChannel) in = g_io_channel_unix_new (0);
  Probe probe = { 0 };

  g_option_context_add_main_entries (context, options, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc != 2)
    g_error ("%s", error != NULL ? error->message : "KIND is missing");
  gst_init (NULL, NULL);
  base_log_init (BASE_LOG_TEXT, "debug");
  probe.provisioner = g_str_equal (argv[1], "docker") ? make_docker (&error)
                                                      : make_process (&error);
  if (probe.provisioner == NULL)
    g_error ("%s", error->message);
  probe.loop = g_main_loop_new (NULL, FALSE);
  g_io_add_watch (in, G_IO_IN | G_IO_HUP, on_line, &probe);
  g_main_loop_run (probe.loop);
  scaling_provisioner_free (probe.provisioner);
  g_main_loop_unref (probe.loop);
  return 0;
}
