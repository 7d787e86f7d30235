/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/provision-process: see provision-process.h. */
#include "scaling/provision-process.h"

#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scaling/instance-ports.h"
#include "scaling/log.h"
#include "scaling/process-files.h"
#include "scaling/provisioner-private.h"

typedef struct
{
  ScalingProvisioner base;
  ScalingProcessFiles *files;
  char *binary, *http_address, *public_base, *cluster_address;
  guint first_k, max_instances;
  guint64 min_available_bytes;
  guint16 http_port, relay_port, rtc_port, pool_port;
  char **args, **env;
  GPtrArray *removals; /* (element-type Removal) owned */
  guint64 n_started, n_killed;
} ProvisionProcess;

/* One that was asked to end. */
typedef struct
{
  ProvisionProcess *self;
  ScalingProvisionCall *call;
  int pidfd;
  guint watch, timer;
} Removal;

static GError *
error_from (ScalingProvisionError code, const GError *cause)
{
  return scaling_provision_error_new (code, SCALING_RETRY_DEFAULT, "%s",
                                      cause->message);
}

/* --- ports --------------------------------------------------------------- */

static gboolean
can_bind (const char *address, GSocketType type, guint port)
{
  g_autoptr (GSocketAddress) where = NULL;
  g_autoptr (GSocket) socket = NULL;
  gboolean is_stream = type == G_SOCKET_TYPE_STREAM;

  if (port == 0 || port > G_MAXUINT16)
    return FALSE;
  where = g_inet_socket_address_new_from_string (address, port);
  if (where == NULL)
    return FALSE;
  socket = g_socket_new (
      g_socket_address_get_family (where), type,
      is_stream ? G_SOCKET_PROTOCOL_TCP : G_SOCKET_PROTOCOL_UDP, NULL);
  return socket != NULL && g_socket_bind (socket, where, is_stream, NULL);
}

static gboolean
ports_are_free (ProvisionProcess *self, guint k)
{
  const char *http =
      self->http_address[0] == '*' ? "0.0.0.0" : self->http_address;

  return self->pool_port + SCALING_PORTS_POOL_STRIDE * (k + 1) - 1
             <= G_MAXUINT16
         && can_bind (http, G_SOCKET_TYPE_STREAM, self->http_port + k)
         && can_bind ("0.0.0.0", G_SOCKET_TYPE_DATAGRAM, self->relay_port + k)
         && can_bind ("0.0.0.0", G_SOCKET_TYPE_DATAGRAM,
                      self->rtc_port + SCALING_PORTS_RTC_STRIDE * k)
         && can_bind ("0.0.0.0", G_SOCKET_TYPE_STREAM,
                      self->rtc_port + SCALING_PORTS_RTC_STRIDE * k);
}

static gboolean
k_is_taken (GPtrArray *records, guint k, const char *but)
{
  for (guint i = 0; i < records->len; i++)
    {
      const ScalingProcessRecord *record = records->pdata[i];
      if (record->k == k && !g_str_equal (record->name, but)
          && (record->is_alive || record->is_foreign))
        return TRUE;
    }
  return FALSE;
}

/* 0: there is none */
static guint
choose_k (ProvisionProcess *self, GPtrArray *records, const char *name)
{
  guint end = self->first_k + SCALING_PORTS_MAX_INSTANCES;

  for (guint k = self->first_k; k < end; k++)
    if (!k_is_taken (records, k, name) && ports_are_free (self, k))
      return k;
  return 0;
}

/* --- starting ------------------------------------------------------------ */

static guint64
read_available_bytes (void)
{
  g_autofree char *text = NULL;
  const char *at;

  if (!g_file_get_contents ("/proc/meminfo", &text, NULL, NULL))
    return G_MAXUINT64;
  at = strstr (text, "MemAvailable:");
  return at != NULL
             ? g_ascii_strtoull (at + strlen ("MemAvailable:"), NULL, 10) * 1024
             : G_MAXUINT64;
}

/* What a new instance may not exceed; @ret_k: its number */
static GError *
check_room (ProvisionProcess *self, const char *name, guint *ret_k)
{
  g_autoptr (GPtrArray) records = scaling_process_files_read_all (self->files);
  guint n_alive = 0;

  for (guint i = 0; i < records->len; i++)
    n_alive += ((ScalingProcessRecord *)records->pdata[i])->is_alive;
  if (n_alive >= self->max_instances
      || records->len >= SCALING_PROCESS_MAX_RECORDS)
    return scaling_provision_error_new (
        SCALING_PROVISION_ERROR_LIMIT, SCALING_RETRY_DEFAULT,
        "%u instances run on this machine, no more than %u may", n_alive,
        self->max_instances);
  if (read_available_bytes () < self->min_available_bytes)
    return scaling_provision_error_new (
        SCALING_PROVISION_ERROR_LIMIT, SCALING_RETRY_DEFAULT,
        "less than %" G_GUINT64_FORMAT " MB of memory are available",
        self->min_available_bytes / 1000000);
  *ret_k = choose_k (self, records, name);
  if (*ret_k == 0)
    return scaling_provision_error_new (SCALING_PROVISION_ERROR_LIMIT,
                                        SCALING_RETRY_DEFAULT,
                                        "no set of ports is free");
  return NULL;
}

static void add_argument (GPtrArray *argv, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

static void
add_argument (GPtrArray *argv, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_ptr_array_add (argv, g_strdup_vprintf (format, args));
  va_end (args);
}

/* The last word counts: ours. */
static GPtrArray *
make_argv (ProvisionProcess *self, ScalingProvisionCall *call, guint k)
{
  GPtrArray *argv = g_ptr_array_new_with_free_func (g_free);
  guint pool = self->pool_port + SCALING_PORTS_POOL_STRIDE * k;
  g_autofree char *state =
      scaling_process_files_dup_path (self->files, call->name, "state");
  gboolean is_ip6 = strchr (self->http_address, ':') != NULL;

  add_argument (argv, "media-tree");
  for (guint i = 0; self->args[i] != NULL; i++)
    add_argument (argv, "%s", self->args[i]);
  for (guint i = 0; call->args[i] != NULL; i++)
    add_argument (argv, "%s", call->args[i]);
  add_argument (argv, "--role=%s", call->role);
  add_argument (argv, "--node-id=%s", call->name);
  add_argument (argv, "--tree-id=%s", call->tree_id);
  add_argument (argv, "--workers=1");
  add_argument (argv, is_ip6 ? "--http-listen=[%s]:%u" : "--http-listen=%s:%u",
                self->http_address, self->http_port + k);
  add_argument (argv, "--public-url=%s:%u", self->public_base,
                self->http_port + k);
  add_argument (argv, "--cluster-address=%s", self->cluster_address);
  add_argument (argv, "--relay-port=%u", self->relay_port + k);
  add_argument (argv, "--rtc-port=%u",
                self->rtc_port + SCALING_PORTS_RTC_STRIDE * k);
  add_argument (argv, "--rtp-port-range=%u-%u", pool,
                pool + SCALING_PORTS_POOL_STRIDE - 1);
  add_argument (argv, "--state-dir=%s", state);
  g_ptr_array_add (argv, NULL);
  return argv;
}

static char **
set_variable (char **env, const char *item)
{
  g_auto (GStrv) pair = g_strsplit (item, "=", 2);

  return g_environ_setenv (env, pair[0], pair[1], TRUE);
}

/* This node's own settings are not the new one's. */
static char **
make_env (ProvisionProcess *self, ScalingProvisionCall *call)
{
  g_auto (GStrv) all = g_get_environ ();
  char **env = g_new0 (char *, 1);

  for (guint i = 0; all[i] != NULL; i++)
    if (!g_str_has_prefix (all[i], "MEDIA_TREE_")
        && !g_str_has_prefix (all[i], "NOTIFY_SOCKET=")
        && strchr (all[i], '=') != NULL)
      env = set_variable (env, all[i]);
  for (guint i = 0; self->env[i] != NULL; i++)
    env = set_variable (env, self->env[i]);
  for (guint i = 0; call->env[i] != NULL; i++)
    env = set_variable (env, call->env[i]);
  return env;
}

/* It may end after this provisioner: nothing of it is used. */
static void
on_child_ended (GPid pid, int status, gpointer data)
{
  const char *name = data;

  if (WIFEXITED (status) && WEXITSTATUS (status) == 0)
    GST_INFO ("process: %s (pid %d) has ended", name, (int)pid);
  else if (WIFEXITED (status))
    GST_WARNING ("process: %s (pid %d) has ended with status %d", name,
                 (int)pid, WEXITSTATUS (status));
  else
    GST_WARNING ("process: %s (pid %d) was ended by signal %d", name, (int)pid,
                 WTERMSIG (status));
  g_spawn_close_pid (pid);
}

static GError *
start_process (ProvisionProcess *self, ScalingProvisionCall *call, guint k)
{
  g_autoptr (GPtrArray) argv = make_argv (self, call, k);
  g_auto (GStrv) env = make_env (self, call);
  g_autofree char *log =
      scaling_process_files_dup_path (self->files, call->name, "log");
  g_autoptr (GError) error = NULL;
  ScalingProcessRecord record = { .name = call->name,
                                  .labels = call->labels,
                                  .k = k,
                                  .started_wall_us = g_get_real_time () };
  ScalingProcess process;

  if (!scaling_process_files_write (self->files, &record, &error))
    return error_from (SCALING_PROVISION_ERROR_AWAY, error);
  if (!scaling_process_spawn (self->binary, (const char *const *)argv->pdata,
                              (const char *const *)env, log, &process, &error))
    {
      scaling_process_files_remove (self->files, call->name, NULL);
      return error_from (SCALING_PROVISION_ERROR_REFUSED, error);
    }
  g_child_watch_add_full (G_PRIORITY_DEFAULT, process.pid, on_child_ended,
                          g_strdup (call->name), g_free);
  self->n_started++;
  GST_INFO ("process: %s runs as pid %d, number %u", call->name,
            (int)process.pid, k);
  /* without it the process is found by its arguments */
  if (!scaling_process_files_write_process (self->files, call->name, &process,
                                            &error))
    GST_WARNING ("process: %s: %s", call->name, error->message);
  return NULL;
}

/* --- ensure -------------------------------------------------------------- */

/* A directory without a readable record: is its process there? */
static GError *
check_stray (ProvisionProcess *self, const char *name)
{
  g_autofree char *state =
      scaling_process_files_dup_path (self->files, name, "state");
  g_autofree char *argument = g_strconcat ("--state-dir=", state, NULL);
  ScalingProcess process;

  if (!g_file_test (state, G_FILE_TEST_EXISTS)
      || !scaling_process_find (argument, &process))
    return NULL;
  return scaling_provision_error_new (
      SCALING_PROVISION_ERROR_CONFLICT, SCALING_RETRY_DEFAULT,
      "pid %d has its directory, but nothing says whose it is",
      (int)process.pid);
}

static GError *
check_record (ScalingProvisionCall *call, const ScalingProcessRecord *record)
{
  GError *error = NULL;

  if (record->is_foreign)
    return scaling_provision_error_new (
        SCALING_PROVISION_ERROR_CONFLICT, SCALING_RETRY_DEFAULT,
        "it belongs to another pid namespace of this machine");
  scaling_provision_check_ours (call, (const char *const *)record->labels,
                                &error);
  return error;
}

static GError *
ensure (ProvisionProcess *self, ScalingProvisionCall *call)
{
  g_autoptr (ScalingProcessRecord) record =
      scaling_process_files_read (self->files, call->name);
  GError *error;
  guint k = 0;

  error = record != NULL ? check_record (call, record)
                         : check_stray (self, call->name);
  if (error != NULL)
    return error;
  if (record != NULL && record->is_alive)
    return NULL;
  error = check_room (self, call->name, &k);
  if (error != NULL)
    return error;
  return start_process (self, call, k);
}

/* --- remove -------------------------------------------------------------- */

static void
removal_free (Removal *removal)
{
  g_clear_handle_id (&removal->watch, g_source_remove);
  g_clear_handle_id (&removal->timer, g_source_remove);
  close (removal->pidfd);
  scaling_provision_call_unref (removal->call);
  g_free (removal);
}

static gboolean
on_ended (int fd, GIOCondition condition, gpointer data)
{
  Removal *removal = data;
  ProvisionProcess *self = removal->self;
  ScalingProvisionCall *call = scaling_provision_call_ref (removal->call);
  g_autoptr (GError) error = NULL;
  GError *answer = NULL;

  removal->watch = 0;
  /* what cannot be removed is listed as ended, and asked for again */
  if (!scaling_process_files_remove (self->files, call->name, &error))
    answer = error_from (SCALING_PROVISION_ERROR_AWAY, error);
  g_ptr_array_remove_fast (self->removals, removal);
  scaling_provision_call_finish (call, answer);
  return G_SOURCE_REMOVE;
}

static gboolean
on_grace_over (gpointer data)
{
  Removal *removal = data;

  removal->timer = 0;
  removal->self->n_killed++;
  GST_WARNING ("process: %s did not end in time: it is made to",
               removal->call->name);
  scaling_process_signal (removal->pidfd, SIGKILL);
  return G_SOURCE_REMOVE;
}

/* @call: its reference goes to whoever answers */
static void
begin_end (ProvisionProcess *self, ScalingProvisionCall *call,
           const ScalingProcessRecord *record)
{
  int pidfd = record->is_alive ? scaling_process_open (&record->process) : -1;
  g_autoptr (GError) error = NULL;
  Removal *removal;

  if (pidfd < 0)
    {
      scaling_process_files_remove (self->files, call->name, &error);
      scaling_provision_call_finish (
          call, error != NULL ? error_from (SCALING_PROVISION_ERROR_AWAY, error)
                              : NULL);
      return;
    }
  removal = g_new0 (Removal, 1);
  removal->self = self;
  removal->call = call;
  removal->pidfd = pidfd;
  removal->watch = g_unix_fd_add (pidfd, G_IO_IN, on_ended, removal);
  removal->timer =
      g_timeout_add ((guint)(call->grace_us / 1000), on_grace_over, removal);
  g_ptr_array_add (self->removals, removal);
  scaling_process_signal (pidfd, SIGTERM);
}

static void
begin_remove (ProvisionProcess *self, ScalingProvisionCall *call)
{
  g_autoptr (ScalingProcessRecord) record =
      scaling_process_files_read (self->files, call->name);
  g_autoptr (GError) error = NULL;
  GError *refused;

  if (record != NULL)
    {
      refused = check_record (call, record);
      if (refused == NULL)
        begin_end (self, call, record);
      else
        scaling_provision_call_finish (call, refused);
      return;
    }
  refused = check_stray (self, call->name);
  if (refused == NULL
      && !scaling_process_files_remove (self->files, call->name, &error))
    refused = error_from (SCALING_PROVISION_ERROR_AWAY, error);
  scaling_provision_call_finish (call, refused);
}

/* --- list ---------------------------------------------------------------- */

static gboolean
is_stopping (ProvisionProcess *self, const char *name)
{
  for (guint i = 0; i < self->removals->len; i++)
    if (g_str_equal (((Removal *)self->removals->pdata[i])->call->name, name))
      return TRUE;
  return FALSE;
}

static ScalingInstance *
instance_new (ProvisionProcess *self, const ScalingProcessRecord *record)
{
  ScalingInstance *instance = g_new0 (ScalingInstance, 1);

  instance->name = g_strdup (record->name);
  instance->host = g_strdup (g_get_host_name ());
  instance->labels = g_strdupv (record->labels);
  instance->started_wall_us = record->started_wall_us;
  instance->state = !record->is_alive ? SCALING_INSTANCE_ENDED
                    : is_stopping (self, record->name)
                        ? SCALING_INSTANCE_STOPPING
                        : SCALING_INSTANCE_RUNNING;
  return instance;
}

static GPtrArray *
list (ProvisionProcess *self, const char *tree_id)
{
  g_autoptr (GPtrArray) records = scaling_process_files_read_all (self->files);
  GPtrArray *instances =
      g_ptr_array_new_with_free_func ((GDestroyNotify)scaling_instance_free);

  for (guint i = 0; i < records->len; i++)
    {
      const ScalingProcessRecord *record = records->pdata[i];
      const char *const *labels = (const char *const *)record->labels;

      if (record->is_foreign
          || g_strcmp0 (scaling_labels_get (labels, SCALING_LABEL_TREE),
                        tree_id)
                 != 0)
        continue;
      scaling_provisioner_note_token (
          &self->base, scaling_labels_get (labels, SCALING_LABEL_TOKEN));
      g_ptr_array_add (instances, instance_new (self, record));
    }
  return instances;
}

/* --- the kind ------------------------------------------------------------ */

/* Fencing across leaders of this machine, which share no memory. */
static GError *
check_token (ProvisionProcess *self, ScalingProvisionCall *call)
{
  g_autoptr (GError) error = NULL;
  ScalingToken highest;

  if (scaling_process_files_pass (self->files, &call->token, &highest, &error))
    return NULL;
  if (error != NULL)
    return error_from (SCALING_PROVISION_ERROR_AWAY, error);
  scaling_provisioner_note_token (&self->base, highest.text);
  return scaling_provision_error_new (
      SCALING_PROVISION_ERROR_FENCED, SCALING_RETRY_DEFAULT,
      "token %s is older than %s", call->token.text, highest.text);
}

static void
begin (ScalingProvisioner *base, ScalingProvisionCall *call)
{
  ProvisionProcess *self = (ProvisionProcess *)base;
  GError *error;
  int lock;

  if (call->action == SCALING_PROVISION_LIST)
    {
      scaling_provision_call_finish_list (call, list (self, call->tree_id),
                                          NULL);
      return;
    }
  lock = scaling_process_files_lock (self->files);
  error = lock < 0 ? scaling_provision_error_new (
              SCALING_PROVISION_ERROR_BUSY, SCALING_RETRY_DEFAULT,
              "another leader is at work on this machine")
                   : check_token (self, call);
  if (error == NULL && call->action == SCALING_PROVISION_ENSURE)
    error = ensure (self, call);
  if (error != NULL || call->action == SCALING_PROVISION_ENSURE)
    scaling_provision_call_finish (call, error);
  else
    begin_remove (self, call);
  if (lock >= 0)
    close (lock);
}

static void
describe (ScalingProvisioner *base, JsonObject *object)
{
  ProvisionProcess *self = (ProvisionProcess *)base;

  json_object_set_string_member (
      object, "directory", scaling_process_files_get_directory (self->files));
  json_object_set_int_member (object, "max_instances", self->max_instances);
  json_object_set_int_member (object, "started", (gint64)self->n_started);
  json_object_set_int_member (object, "killed", (gint64)self->n_killed);
  json_object_set_int_member (object, "stopping", self->removals->len);
}

static void
free_process (ScalingProvisioner *base)
{
  ProvisionProcess *self = (ProvisionProcess *)base;

  g_ptr_array_unref (self->removals);
  scaling_process_files_free (self->files);
  g_free (self->binary);
  g_free (self->http_address);
  g_free (self->public_base);
  g_free (self->cluster_address);
  g_strfreev (self->args);
  g_strfreev (self->env);
}

static const ScalingProvisionClass klass = {
  .kind = "process",
  .begin = begin,
  .describe = describe,
  .free = free_process,
};

static char **
dup_list (const char *const *list)
{
  return list != NULL ? g_strdupv ((char **)list) : g_new0 (char *, 1);
}

ScalingProvisioner *
scaling_provision_process_new (const ScalingProcessConfig *config,
                               GError **error)
{
  ScalingProcessFiles *files =
      scaling_process_files_new (config->directory, error);
  ProvisionProcess *self;

  if (files == NULL)
    return NULL;
  self = g_new0 (ProvisionProcess, 1);
  scaling_provisioner_init (&self->base, &klass);
  self->files = files;
  self->binary = g_strdup (config->binary ?: "/proc/self/exe");
  self->http_address = g_strdup (config->http_address ?: "127.0.0.1");
  self->public_base = g_strdup (config->public_base ?: "http://127.0.0.1");
  self->cluster_address = g_strdup (config->cluster_address ?: "127.0.0.1");
  self->first_k = config->first_k != 0 ? config->first_k : 1;
  self->max_instances = config->max_instances != 0
                            ? config->max_instances
                            : SCALING_PORTS_MAX_INSTANCES;
  self->min_available_bytes = config->min_available_bytes;
  self->http_port =
      config->http_port != 0 ? config->http_port : SCALING_PORTS_HTTP;
  self->relay_port =
      config->relay_port != 0 ? config->relay_port : SCALING_PORTS_RELAY;
  self->rtc_port = config->rtc_port != 0 ? config->rtc_port : SCALING_PORTS_RTC;
  self->pool_port =
      config->pool_port != 0 ? config->pool_port : SCALING_PORTS_POOL;
  self->args = dup_list (config->args);
  self->env = dup_list (config->env);
  self->removals =
      g_ptr_array_new_with_free_func ((GDestroyNotify)removal_free);
  return &self->base;
}
