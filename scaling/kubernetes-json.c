/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/kubernetes-json: see kubernetes-json.h. */
#include "scaling/kubernetes-json.h"

#include <string.h>

#include "scaling/instance-ports.h"
#include "scaling/json-read.h"

#define GRACE_S 630 /* drain of 10 min, and some */
#define UID_MAX_CHARS 64
#define CONTINUE_MAX_CHARS 4096
#define MAX_ANNOTATIONS 64
#define MAX_RETRY_AFTER_S 3600

void
scaling_kube_pod_free (ScalingKubePod *self)
{
  g_free (self->uid);
  g_clear_pointer (&self->instance, scaling_instance_free);
  g_free (self);
}

/* --- Pods ---------------------------------------------------------------- */

static ScalingInstanceState
read_state (JsonObject *meta, JsonObject *status)
{
  const char *phase = scaling_json_get_string (status, "phase");

  if (scaling_json_get_string (meta, "deletionTimestamp") != NULL)
    return SCALING_INSTANCE_STOPPING;
  if (g_strcmp0 (phase, "Pending") == 0)
    return SCALING_INSTANCE_STARTING;
  if (g_strcmp0 (phase, "Succeeded") == 0 || g_strcmp0 (phase, "Failed") == 0)
    return SCALING_INSTANCE_ENDED;
  /* "Running"; "Unknown": its kubelet is silent, it may serve */
  return SCALING_INSTANCE_RUNNING;
}

static gint64
read_started_us (JsonObject *meta, JsonObject *status)
{
  const char *text = scaling_json_get_string (status, "startTime");
  g_autoptr (GDateTime) date = NULL;

  if (text == NULL)
    text = scaling_json_get_string (meta, "creationTimestamp");
  if (text != NULL)
    date = g_date_time_new_from_iso8601 (text, NULL);
  return date != NULL ? g_date_time_to_unix (date) * G_USEC_PER_SEC : 0;
}

static ScalingKubePod *
read_pod (JsonObject *object)
{
  JsonObject *meta = scaling_json_get_object (object, "metadata");
  JsonObject *spec = scaling_json_get_object (object, "spec");
  JsonObject *status = scaling_json_get_object (object, "status");
  const char *name = scaling_json_get_string (meta, "name");
  const char *uid = scaling_json_get_string (meta, "uid");
  ScalingKubePod *pod;

  if (name == NULL || uid == NULL || strlen (uid) > UID_MAX_CHARS)
    return NULL;
  pod = g_new0 (ScalingKubePod, 1);
  pod->uid = g_strdup (uid);
  pod->instance = g_new0 (ScalingInstance, 1);
  pod->instance->name = g_strdup (name);
  pod->instance->host = g_strdup (scaling_json_get_string (spec, "nodeName"));
  pod->instance->state = read_state (meta, status);
  pod->instance->labels = scaling_json_dup_pairs (
      scaling_json_get_object (meta, "annotations"), MAX_ANNOTATIONS);
  pod->instance->started_wall_us = read_started_us (meta, status);
  return pod;
}

static void
garbage (GError **error, const char *what)
{
  g_set_error (error, SCALING_PROVISION_ERROR, SCALING_PROVISION_ERROR_GARBAGE,
               "Kubernetes' answer has %s", what);
}

ScalingKubePod *
scaling_kube_read_pod (const char *text, gsize n_bytes, GError **error)
{
  g_autoptr (JsonNode) root = scaling_json_parse (text, n_bytes, error);
  ScalingKubePod *pod;

  if (root == NULL)
    return NULL;
  pod = read_pod (scaling_json_as_object (root));
  if (pod == NULL)
    garbage (error, "no Pod");
  return pod;
}

gboolean
scaling_kube_read_list (const char *text, gsize n_bytes, GPtrArray *instances,
                        char **ret_continue, GError **error)
{
  g_autoptr (JsonNode) root = scaling_json_parse (text, n_bytes, error);
  JsonObject *object = scaling_json_as_object (root);
  JsonArray *items = scaling_json_get_array (object, "items");
  const char *next = scaling_json_get_string (
      scaling_json_get_object (object, "metadata"), "continue");

  if (root == NULL)
    return FALSE;
  if (items == NULL
      || instances->len + json_array_get_length (items)
             > SCALING_PROVISION_MAX_INSTANCES
      || (next != NULL && strlen (next) > CONTINUE_MAX_CHARS))
    {
      garbage (error, "no list, or too long a one");
      return FALSE;
    }
  for (guint i = 0; i < json_array_get_length (items); i++)
    {
      g_autoptr (ScalingKubePod) pod =
          read_pod (scaling_json_get_element (items, i));

      if (pod != NULL && scaling_provision_name_is_valid (pod->instance->name)
          && g_strcmp0 (
                 scaling_instance_get_label (pod->instance, SCALING_LABEL_NAME),
                 pod->instance->name)
                 == 0)
        g_ptr_array_add (instances, g_steal_pointer (&pod->instance));
    }
  *ret_continue = next != NULL && next[0] != '\0' ? g_strdup (next) : NULL;
  return TRUE;
}

/* --- errors -------------------------------------------------------------- */

static ScalingProvisionError
code_of (guint status, const char *reason, const char *message)
{
  switch (status)
    {
    case 401:
      return SCALING_PROVISION_ERROR_AUTH;
    case 403: /* a quota is said by the message alone */
      return message != NULL && strstr (message, "exceeded quota") != NULL
                 ? SCALING_PROVISION_ERROR_LIMIT
                 : SCALING_PROVISION_ERROR_AUTH;
    case 409: /* not AlreadyExists: that one is looked at */
      return SCALING_PROVISION_ERROR_BUSY;
    case 429:
      return SCALING_PROVISION_ERROR_LIMIT;
    case 504:
      return SCALING_PROVISION_ERROR_TIMEOUT;
    default:
      break;
    }
  if (g_strcmp0 (reason, "ServerTimeout") == 0)
    return SCALING_PROVISION_ERROR_TIMEOUT;
  if (status >= 500)
    return SCALING_PROVISION_ERROR_AWAY;
  return status >= 400 ? SCALING_PROVISION_ERROR_REFUSED
                       : SCALING_PROVISION_ERROR_GARBAGE;
}

GError *
scaling_kube_error (guint status, const char *text, gsize n_bytes,
                    gint64 retry_us)
{
  g_autoptr (JsonNode) root = scaling_json_parse (text, n_bytes, NULL);
  JsonObject *object = scaling_json_as_object (root);
  const char *message = scaling_json_get_string (object, "message");
  const char *reason = scaling_json_get_string (object, "reason");
  gint64 seconds = scaling_json_get_int (
      scaling_json_get_object (object, "details"), "retryAfterSeconds");
  g_autofree char *words = scaling_json_dup_words (message);

  if (retry_us < 0 && seconds > 0)
    retry_us = MIN (seconds, MAX_RETRY_AFTER_S) * G_USEC_PER_SEC;
  return scaling_provision_error_new (
      code_of (status, reason, message),
      retry_us >= 0 ? retry_us : SCALING_RETRY_DEFAULT, "%u %s", status, words);
}

/* --- what we ask for ----------------------------------------------------- */

static JsonObject *
add_object (JsonObject *parent, const char *member)
{
  JsonObject *object = json_object_new ();

  json_object_set_object_member (parent, member, object);
  return object;
}

static JsonArray *
add_array (JsonObject *parent, const char *member)
{
  JsonArray *array = json_array_new ();

  json_object_set_array_member (parent, member, array);
  return array;
}

static JsonObject *
add_element (JsonArray *array)
{
  JsonObject *object = json_object_new ();

  json_array_add_object_element (array, object);
  return object;
}

static void
set_text (JsonObject *object, const char *member, const char *text)
{
  if (text != NULL)
    json_object_set_string_member (object, member, text);
}

static void
add_metadata (JsonObject *pod, const ScalingKubernetesConfig *config,
              ScalingProvisionCall *call)
{
  JsonObject *meta = add_object (pod, "metadata"), *labels, *annotations;
  g_autofree char *tree = scaling_provision_dup_tree_label (call->tree_id);

  set_text (meta, "name", call->name);
  labels = add_object (meta, "labels");
  set_text (labels, "app.kubernetes.io/name", "media-tree");
  set_text (labels, SCALING_LABEL_TREE, tree);
  annotations = add_object (meta, "annotations");
  for (guint i = 0; config->labels != NULL && config->labels[i] != NULL; i++)
    {
      g_auto (GStrv) pair = g_strsplit (config->labels[i], "=", 2);
      set_text (annotations, pair[0], pair[1] ?: "");
    }
  for (char **pair = call->labels; pair[0] != NULL; pair += 2)
    set_text (annotations, pair[0], pair[1]);
}

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

/* Relays are met by nodes alone, which reach Pods. */
static gboolean
is_on_host (const ScalingKubernetesConfig *config,
            const ScalingProvisionCall *call)
{
  return config->is_host_network && !g_str_equal (call->role, "relay");
}

static void
add_args (JsonObject *container, const ScalingKubernetesConfig *config,
          ScalingProvisionCall *call)
{
  JsonArray *args = add_array (container, "args");

  for (guint i = 0; config->args != NULL && config->args[i] != NULL; i++)
    json_array_add_string_element (args, config->args[i]);
  for (guint i = 0; call->args[i] != NULL; i++)
    json_array_add_string_element (args, call->args[i]);
  add_text (args, "--role=%s", call->role);
  add_text (args, "--node-id=%s", call->name);
  add_text (args, "--tree-id=%s", call->tree_id);
  add_text (args, "--workers=1");
  add_text (args, "--http-listen=*:%d", SCALING_PORTS_HTTP);
  add_text (args, "--cluster-address=$(POD_IP)");
  if (is_on_host (config, call))
    add_text (args, "--public-address=$(POD_IP)");
  if (config->public_url != NULL && !g_str_equal (call->role, "relay"))
    add_text (args, "--public-url=%s", config->public_url);
  else
    add_text (args, "--public-url=http://$(POD_IP):%d", SCALING_PORTS_HTTP);
}

static void
add_variables (JsonArray *env, const char *const *items)
{
  for (; items != NULL && *items != NULL; items++)
    {
      g_auto (GStrv) pair = g_strsplit (*items, "=", 2);
      JsonObject *row = add_element (env);

      GString *value = g_string_new (pair[1]);

      /* $(…) would be expanded */
      g_string_replace (value, "$", "$$", 0);
      set_text (row, "name", pair[0]);
      set_text (row, "value", value->str);
      g_string_free (value, TRUE);
    }
}

static void
add_env (JsonObject *container, const ScalingKubernetesConfig *config,
         ScalingProvisionCall *call)
{
  JsonArray *env = add_array (container, "env");
  JsonObject *address = add_element (env);

  set_text (address, "name", "POD_IP");
  set_text (add_object (add_object (address, "valueFrom"), "fieldRef"),
            "fieldPath", "status.podIP");
  add_variables (env, config->env);
  add_variables (env, (const char *const *)call->env);
  if (config->secret != NULL)
    set_text (add_object (add_element (add_array (container, "envFrom")),
                          "secretRef"),
              "name", config->secret);
}

static void
add_port (JsonArray *ports, const char *name, const char *protocol, int port)
{
  JsonObject *row = add_element (ports);

  set_text (row, "name", name);
  set_text (row, "protocol", protocol);
  json_object_set_int_member (row, "containerPort", port);
}

static void
add_probe (JsonObject *container, const char *member, const char *path,
           int period_s, int n_failures)
{
  JsonObject *probe = add_object (container, member);
  JsonObject *get = add_object (probe, "httpGet");

  set_text (get, "path", path);
  json_object_set_int_member (get, "port", SCALING_PORTS_HTTP);
  json_object_set_int_member (probe, "periodSeconds", period_s);
  json_object_set_int_member (probe, "failureThreshold", n_failures);
}

/* As tree.yaml has it of the nodes that are always there: Services forget it
 * first, then all who are here go on elsewhere. Who was drained by the leader
 * has nobody left, and is done at once. */
static void
add_pre_stop (JsonObject *container)
{
  JsonObject *lifecycle = add_object (container, "lifecycle");
  JsonObject *exec = add_object (add_object (lifecycle, "preStop"), "exec");
  JsonArray *command = add_array (exec, "command");

  json_array_add_string_element (command, "sh");
  json_array_add_string_element (command, "-c");
  json_array_add_string_element (command,
                                 "sleep 5; exec media-tree ctl drain --wait");
}

static void
add_resources (JsonObject *container, const ScalingKubernetesConfig *config)
{
  JsonObject *resources = add_object (container, "resources");
  JsonObject *requests = add_object (resources, "requests");
  JsonObject *limits = add_object (resources, "limits");

  set_text (requests, "cpu", config->cpu_request);
  set_text (requests, "memory", config->memory_request);
  set_text (limits, "cpu", config->cpu_limit);
  set_text (limits, "memory", config->memory_limit);
}

/* The root is read-only; GStreamer remembers its plugins there. */
static void
add_tmp (JsonObject *spec)
{
  JsonObject *volume = add_element (add_array (spec, "volumes"));

  set_text (volume, "name", "tmp");
  set_text (add_object (volume, "emptyDir"), "sizeLimit", "64Mi");
}

static void
add_container (JsonObject *spec, const ScalingKubernetesConfig *config,
               ScalingProvisionCall *call)
{
  JsonObject *container = add_element (add_array (spec, "containers"));
  JsonObject *security = add_object (container, "securityContext");
  JsonObject *mount;
  JsonArray *ports;

  set_text (container, "name", "media-tree");
  set_text (container, "image", config->image);
  set_text (container, "imagePullPolicy",
            config->pull_policy ?: "IfNotPresent");
  add_args (container, config, call);
  add_env (container, config, call);
  /* with the host's network these keep two from one machine */
  ports = add_array (container, "ports");
  add_port (ports, "http", "TCP", SCALING_PORTS_HTTP);
  add_port (ports, "relay", "UDP", SCALING_PORTS_RELAY);
  add_port (ports, "rtc", "UDP", SCALING_PORTS_RTC);
  add_port (ports, "rtc-tcp", "TCP", SCALING_PORTS_RTC);
  add_resources (container, config);
  add_probe (container, "startupProbe", "/healthz", 1, 30);
  add_probe (container, "readinessProbe", "/readyz", 2, 2);
  add_probe (container, "livenessProbe", "/healthz", 5, 6);
  add_pre_stop (container);
  mount = add_element (add_array (container, "volumeMounts"));
  set_text (mount, "name", "tmp");
  set_text (mount, "mountPath", "/tmp");
  json_object_set_boolean_member (security, "allowPrivilegeEscalation", FALSE);
  json_object_set_boolean_member (security, "readOnlyRootFilesystem", TRUE);
  json_object_set_boolean_member (security, "runAsNonRoot", TRUE);
  json_array_add_string_element (
      add_array (add_object (security, "capabilities"), "drop"), "ALL");
  set_text (add_object (security, "seccompProfile"), "type", "RuntimeDefault");
}

char *
scaling_kube_write_pod (const ScalingKubernetesConfig *config,
                        ScalingProvisionCall *call)
{
  JsonObject *pod = json_object_new (), *spec;

  set_text (pod, "apiVersion", "v1");
  set_text (pod, "kind", "Pod");
  add_metadata (pod, config, call);
  spec = add_object (pod, "spec");
  set_text (spec, "restartPolicy", "OnFailure");
  json_object_set_int_member (spec, "terminationGracePeriodSeconds",
                              config->grace_s != 0 ? config->grace_s : GRACE_S);
  set_text (spec, "serviceAccountName", config->service_account);
  /* said here, for the account itself may say no */
  json_object_set_boolean_member (spec, "automountServiceAccountToken",
                                  config->service_account != NULL);
  if (is_on_host (config, call))
    {
      json_object_set_boolean_member (spec, "hostNetwork", TRUE);
      set_text (spec, "dnsPolicy", "ClusterFirstWithHostNet");
    }
  if (call->host != NULL || config->node_selector != NULL)
    {
      JsonObject *selector = add_object (spec, "nodeSelector");

      for (guint i = 0;
           config->node_selector != NULL && config->node_selector[i] != NULL;
           i++)
        {
          g_auto (GStrv) pair = g_strsplit (config->node_selector[i], "=", 2);
          set_text (selector, pair[0], pair[1] ?: "");
        }
      set_text (selector, "kubernetes.io/hostname", call->host);
    }
  add_tmp (spec);
  add_container (spec, config, call);
  return scaling_json_write (pod);
}

char *
scaling_kube_write_delete (const char *uid, gint64 grace_s)
{
  JsonObject *options = json_object_new ();

  set_text (options, "apiVersion", "v1");
  set_text (options, "kind", "DeleteOptions");
  json_object_set_int_member (options, "gracePeriodSeconds", grace_s);
  set_text (add_object (options, "preconditions"), "uid", uid);
  return scaling_json_write (options);
}
