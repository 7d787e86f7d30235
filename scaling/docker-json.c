/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/docker-json: see docker-json.h. */
#include "scaling/docker-json.h"

#include <string.h>

#include "scaling/instance-ports.h"
#include "scaling/json-read.h"

#define ID_MAX_CHARS 128
#define MAX_PIDS 4096
/* a drain of 10 min, and some: who stops it by hand cuts nobody off */
#define STOP_TIMEOUT_S 630

static gboolean
garbage (GError **error, const char *what)
{
  g_set_error (error, SCALING_PROVISION_ERROR, SCALING_PROVISION_ERROR_GARBAGE,
               "Docker's answer has %s", what);
  return FALSE;
}

/* "1.41" */
static guint
read_minor (const char *text)
{
  guint64 minor;

  if (text == NULL || !g_str_has_prefix (text, "1.")
      || !g_ascii_string_to_unsigned (text + 2, 10, 1, 9999, &minor, NULL))
    return 0;
  return (guint)minor;
}

guint
scaling_docker_read_version (const char *text, gsize n_bytes, GError **error)
{
  g_autoptr (JsonNode) root = scaling_json_parse (text, n_bytes, error);
  JsonObject *object = scaling_json_as_object (root);
  guint highest, lowest, chosen;

  if (root == NULL)
    return 0;
  highest = read_minor (scaling_json_get_string (object, "ApiVersion"));
  lowest = read_minor (scaling_json_get_string (object, "MinAPIVersion"));
  if (highest == 0)
    return garbage (error, "no version");
  chosen = MIN (highest, SCALING_DOCKER_MAX_MINOR);
  if (chosen >= SCALING_DOCKER_MIN_MINOR && chosen >= lowest)
    return chosen;
  g_set_error (error, SCALING_PROVISION_ERROR, SCALING_PROVISION_ERROR_REFUSED,
               "this Engine speaks API 1.%u to 1.%u, we speak 1.%d to 1.%d",
               lowest, highest, SCALING_DOCKER_MIN_MINOR,
               SCALING_DOCKER_MAX_MINOR);
  return 0;
}

static gboolean
id_is_valid (const char *id)
{
  gsize len = id != NULL ? strlen (id) : 0;

  return len > 0 && len <= ID_MAX_CHARS
         && strspn (id, "0123456789abcdef") == len;
}

static gboolean
read_state (const char *status, ScalingDockerState *ret)
{
  static const struct
  {
    const char *status;
    ScalingDockerState state;
  } rows[] = {
    { "created", SCALING_DOCKER_CREATED },
    { "running", SCALING_DOCKER_RUNNING },
    { "restarting", SCALING_DOCKER_RUNNING },
    { "paused", SCALING_DOCKER_RUNNING },
    { "exited", SCALING_DOCKER_EXITED },
    { "dead", SCALING_DOCKER_EXITED },
    { "removing", SCALING_DOCKER_REMOVING },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    if (g_strcmp0 (status, rows[i].status) == 0)
      {
        *ret = rows[i].state;
        return TRUE;
      }
  return FALSE;
}

void
scaling_docker_container_free (ScalingDockerContainer *self)
{
  g_free (self->id);
  g_strfreev (self->labels);
  g_free (self);
}

ScalingDockerContainer *
scaling_docker_read_container (const char *text, gsize n_bytes, GError **error)
{
  g_autoptr (JsonNode) root = scaling_json_parse (text, n_bytes, error);
  JsonObject *object = scaling_json_as_object (root);
  JsonObject *state = scaling_json_get_object (object, "State");
  JsonObject *config = scaling_json_get_object (object, "Config");
  const char *id = scaling_json_get_string (object, "Id");
  ScalingDockerState read;
  ScalingDockerContainer *container;

  if (root == NULL)
    return NULL;
  if (!id_is_valid (id)
      || !read_state (scaling_json_get_string (state, "Status"), &read))
    {
      garbage (error, "no container");
      return NULL;
    }
  container = g_new0 (ScalingDockerContainer, 1);
  container->id = g_strdup (id);
  container->labels =
      scaling_json_dup_pairs (scaling_json_get_object (config, "Labels"),
                              2 * SCALING_PROVISION_MAX_LABELS);
  container->state = read;
  container->exit_code = scaling_json_get_int (state, "ExitCode");
  return container;
}

static ScalingInstanceState
instance_state (ScalingDockerState state)
{
  static const ScalingInstanceState states[] = {
    /* made by a call that broke off: nobody else starts it */
    [SCALING_DOCKER_CREATED] = SCALING_INSTANCE_ENDED,
    [SCALING_DOCKER_RUNNING] = SCALING_INSTANCE_RUNNING,
    [SCALING_DOCKER_EXITED] = SCALING_INSTANCE_ENDED,
    [SCALING_DOCKER_REMOVING] = SCALING_INSTANCE_STOPPING,
  };

  return states[state];
}

static ScalingInstance *
read_instance (JsonObject *row, const char *host)
{
  g_auto (GStrv) labels =
      scaling_json_dup_pairs (scaling_json_get_object (row, "Labels"),
                              2 * SCALING_PROVISION_MAX_LABELS);
  const char *name =
      scaling_labels_get ((const char *const *)labels, SCALING_LABEL_NAME);
  gint64 created_s = scaling_json_get_int (row, "Created");
  ScalingDockerState state;
  ScalingInstance *instance;

  if (!scaling_provision_name_is_valid (name)
      || !read_state (scaling_json_get_string (row, "State"), &state))
    return NULL;
  instance = g_new0 (ScalingInstance, 1);
  instance->name = g_strdup (name);
  instance->host = g_strdup (host);
  instance->labels = g_steal_pointer (&labels);
  instance->state = instance_state (state);
  instance->started_wall_us =
      CLAMP (created_s, 0, G_MAXINT32) * G_GINT64_CONSTANT (1000000);
  return instance;
}

GPtrArray *
scaling_docker_read_list (const char *text, gsize n_bytes, const char *host,
                          GError **error)
{
  g_autoptr (JsonNode) root = scaling_json_parse (text, n_bytes, error);
  JsonArray *array = scaling_json_as_array (root);
  GPtrArray *instances;

  if (root == NULL)
    return NULL;
  if (array == NULL
      || json_array_get_length (array) > SCALING_PROVISION_MAX_INSTANCES)
    {
      garbage (error, "no list, or too long a one");
      return NULL;
    }
  instances =
      g_ptr_array_new_with_free_func ((GDestroyNotify)scaling_instance_free);
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonObject *row = scaling_json_get_element (array, i);
      ScalingInstance *instance =
          row != NULL ? read_instance (row, host) : NULL;

      if (instance != NULL)
        g_ptr_array_add (instances, instance);
    }
  return instances;
}

char *
scaling_docker_read_id (const char *text, gsize n_bytes, GError **error)
{
  g_autoptr (JsonNode) root = scaling_json_parse (text, n_bytes, error);
  const char *id =
      scaling_json_get_string (scaling_json_as_object (root), "Id");

  if (root == NULL)
    return NULL;
  if (id_is_valid (id))
    return g_strdup (id);
  garbage (error, "no id");
  return NULL;
}

gboolean
scaling_docker_read_pull (const char *text, gsize n_bytes, GError **error)
{
  const char *at = text, *stop = text + n_bytes;

  while (at < stop)
    {
      const char *line = at;
      const char *newline = memchr (at, '\n', (gsize)(stop - at));
      g_autoptr (JsonNode) root = NULL;
      const char *fault;

      at = newline != NULL ? newline + 1 : stop;
      root = scaling_json_parse (
          line, (gsize)((newline != NULL ? newline : stop) - line), NULL);
      fault = scaling_json_get_string (scaling_json_as_object (root), "error");
      if (fault != NULL)
        {
          g_autofree char *words = scaling_json_dup_words (fault);

          g_set_error (error, SCALING_PROVISION_ERROR,
                       SCALING_PROVISION_ERROR_REFUSED,
                       "the image cannot be pulled: %s", words);
          return FALSE;
        }
    }
  return TRUE;
}

char *
scaling_docker_dup_message (const char *text, gsize n_bytes)
{
  g_autoptr (JsonNode) root = scaling_json_parse (text, n_bytes, NULL);

  return scaling_json_dup_words (
      scaling_json_get_string (scaling_json_as_object (root), "message"));
}

gboolean
scaling_docker_is_port_taken (const char *text, gsize n_bytes)
{
  g_autoptr (JsonNode) root = scaling_json_parse (text, n_bytes, NULL);
  const char *message =
      scaling_json_get_string (scaling_json_as_object (root), "message");

  return message != NULL
         && (strstr (message, "port is already allocated") != NULL
             || strstr (message, "address already in use") != NULL);
}

/* --- what we ask for ----------------------------------------------------- */

static gboolean
is_on_host (const ScalingDockerConfig *config)
{
  return config->network == NULL || g_str_equal (config->network, "host");
}

gboolean
scaling_docker_has_number (const ScalingDockerConfig *config, const char *role)
{
  return is_on_host (config)
         || (config->is_published && !g_str_equal (role, "relay"));
}

static void
add_all (JsonArray *array, const char *const *items)
{
  for (; items != NULL && *items != NULL; items++)
    json_array_add_string_element (array, *items);
}

static void add_text (JsonArray *array, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

static void
add_text (JsonArray *array, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  json_array_add_string_element (array, text);
}

/* The last word counts: ours. */
static JsonArray *
make_command (const ScalingDockerConfig *config,
              const ScalingDockerEngine *engine, ScalingProvisionCall *call,
              guint k)
{
  JsonArray *command = json_array_new ();

  add_all (command, config->args);
  add_all (command, (const char *const *)call->args);
  add_text (command, "--role=%s", call->role);
  add_text (command, "--node-id=%s", call->name);
  add_text (command, "--tree-id=%s", call->tree_id);
  if (!is_on_host (config))
    add_text (command, "--cluster-address=own");
  else if (engine->cluster_address != NULL)
    add_text (command, "--cluster-address=%s", engine->cluster_address);
  if (k == 0)
    {
      add_text (command, "--http-listen=*:%d", SCALING_PORTS_HTTP);
      return command;
    }
  add_text (command, "--workers=1");
  add_text (command, "--http-listen=*:%u", SCALING_PORTS_HTTP + k);
  if (engine->public_base != NULL)
    add_text (command, "--public-url=%s:%u", engine->public_base,
              SCALING_PORTS_HTTP + k);
  if (engine->public_address != NULL)
    add_text (command, "--public-address=%s", engine->public_address);
  add_text (command, "--relay-port=%u", SCALING_PORTS_RELAY + k);
  add_text (command, "--rtc-port=%u",
            SCALING_PORTS_RTC + SCALING_PORTS_RTC_STRIDE * k);
  add_text (command, "--rtp-port-range=%u-%u",
            SCALING_PORTS_POOL + SCALING_PORTS_POOL_STRIDE * k,
            SCALING_PORTS_POOL + SCALING_PORTS_POOL_STRIDE * (k + 1) - 1);
  return command;
}

static void
set_limit (JsonObject *object, const char *member, gint64 value)
{
  if (value > 0)
    json_object_set_int_member (object, member, value);
}

/* What compose.yml has of its nodes: nothing to write to but memory, a log that
 * does not fill the disk, and a first process that reaps. */
static void
add_surroundings (JsonObject *host, const ScalingDockerConfig *config)
{
  JsonObject *tmp = json_object_new (), *log = json_object_new ();
  JsonObject *options = json_object_new ();
  JsonArray *mounts = json_array_new ();

  json_object_set_boolean_member (host, "Init", TRUE);
  json_object_set_boolean_member (host, "ReadonlyRootfs", TRUE);
  json_object_set_string_member (tmp, "/tmp", "");
  json_object_set_object_member (host, "Tmpfs", tmp);
  json_object_set_string_member (log, "Type", "json-file");
  json_object_set_string_member (options, "max-size", "10m");
  json_object_set_string_member (options, "max-file", "3");
  json_object_set_object_member (log, "Config", options);
  json_object_set_object_member (host, "LogConfig", log);
  for (guint i = 0; config->mounts != NULL && config->mounts[i] != NULL; i++)
    add_text (mounts, "%s:ro", config->mounts[i]);
  if (json_array_get_length (mounts) > 0)
    json_object_set_array_member (host, "Binds", mounts);
  else
    json_array_unref (mounts);
}

static void
publish (JsonObject *object, JsonObject *host, const char *protocol, guint port)
{
  g_autofree char *key = g_strdup_printf ("%u/%s", port, protocol);
  g_autofree char *number = g_strdup_printf ("%u", port);
  JsonObject *binding = json_object_new ();
  JsonArray *bindings = json_array_new ();

  json_object_set_string_member (binding, "HostPort", number);
  json_array_add_object_element (bindings, binding);
  json_object_set_array_member (host, key, bindings);
  json_object_set_object_member (object, key, json_object_new ());
}

/* Media goes to the port that a candidate names: they are the same there. */
static void
add_ports (JsonObject *object, JsonObject *host, guint k)
{
  JsonObject *exposed = json_object_new (), *bindings = json_object_new ();
  guint rtc_port = SCALING_PORTS_RTC + SCALING_PORTS_RTC_STRIDE * k;

  publish (exposed, bindings, "tcp", SCALING_PORTS_HTTP + k);
  publish (exposed, bindings, "tcp", rtc_port);
  publish (exposed, bindings, "udp", rtc_port);
  json_object_set_object_member (object, "ExposedPorts", exposed);
  json_object_set_object_member (host, "PortBindings", bindings);
}

static JsonObject *
make_host_config (const ScalingDockerConfig *config)
{
  JsonObject *host = json_object_new (), *restart = json_object_new ();
  JsonArray *dropped = json_array_new (), *options = json_array_new ();

  json_object_set_string_member (host, "NetworkMode",
                                 config->network ?: "host");
  set_limit (host, "Memory", config->memory_bytes);
  set_limit (host, "MemoryReservation", config->memory_reserved_bytes);
  set_limit (host, "NanoCpus", config->cpu_milli * 1000000);
  set_limit (host, "PidsLimit",
             config->max_pids > 0 ? config->max_pids : MAX_PIDS);
  json_object_set_string_member (restart, "Name", "no");
  json_object_set_object_member (host, "RestartPolicy", restart);
  json_array_add_string_element (dropped, "ALL");
  json_object_set_array_member (host, "CapDrop", dropped);
  json_array_add_string_element (options, "no-new-privileges");
  json_object_set_array_member (host, "SecurityOpt", options);
  add_surroundings (host, config);
  return host;
}

char *
scaling_docker_write_create (const ScalingDockerConfig *config,
                             const ScalingDockerEngine *engine,
                             ScalingProvisionCall *call, guint k)
{
  JsonObject *object = json_object_new (), *labels = json_object_new ();
  JsonObject *host = make_host_config (config);
  JsonArray *env = json_array_new ();

  for (guint i = 0; config->labels != NULL && config->labels[i] != NULL; i++)
    {
      g_auto (GStrv) pair = g_strsplit (config->labels[i], "=", 2);
      json_object_set_string_member (labels, pair[0], pair[1] ?: "");
    }
  for (char **pair = call->labels; pair[0] != NULL; pair += 2)
    json_object_set_string_member (labels, pair[0], pair[1]);
  if (k > 0)
    {
      char number[16];

      g_snprintf (number, sizeof number, "%u", k);
      json_object_set_string_member (labels, SCALING_LABEL_K, number);
    }
  add_all (env, config->env);
  add_all (env, (const char *const *)call->env);
  json_object_set_string_member (object, "Image", config->image);
  json_object_set_array_member (object, "Cmd",
                                make_command (config, engine, call, k));
  json_object_set_array_member (object, "Env", env);
  json_object_set_object_member (object, "Labels", labels);
  json_object_set_string_member (object, "StopSignal", "SIGTERM");
  json_object_set_int_member (object, "StopTimeout", STOP_TIMEOUT_S);
  if (k > 0 && !is_on_host (config))
    add_ports (object, host, k);
  json_object_set_object_member (object, "HostConfig", host);
  return scaling_json_write (object);
}
