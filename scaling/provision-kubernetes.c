/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/provision-kubernetes: see provision-kubernetes.h. */
#include "scaling/provision-kubernetes.h"

#include <string.h>

#include "scaling/http.h"
#include "scaling/json-read.h"
#include "scaling/kubeconfig.h"
#include "scaling/kubernetes-json.h"
#include "scaling/log.h"

#define ANSWER_US (10 * G_GINT64_CONSTANT (1000000))
#define TOKEN_AGE_US (60 * G_GINT64_CONSTANT (1000000))
#define TOKEN_MAX_BYTES 65536
#define MAX_LOOKS 3 /* at one name in one ensure */
#define MAX_LISTS 3 /* begun anew because a page was gone (410) */
#define PAGE_PODS 500

typedef struct
{
  ScalingProvisioner base;
  ScalingKubernetesConfig config; /* its strings and lists are owned */
  ScalingKubeAccess *access;
  ScalingHttp *http;
  char *token; /* owned, nullable */
  gint64 token_read_us;
  guint64 n_created, n_removed, n_tokens;
} ProvisionKubernetes;

/* One call: a request at a time; each answer says which is next. */
typedef struct _Op Op;
typedef void (*OnReply) (Op *op, const ScalingHttpReply *reply);

struct _Op
{
  ScalingProvisionCall *call; /* a reference */
  ProvisionKubernetes *self;  /* good until the call is over */
  OnReply on_reply;           /* of the request under way, with these three */
  const char *method;
  char *path, *body; /* owned, nullable */
  gboolean has_new_token;
  guint n_looks, n_lists;
  GPtrArray *instances; /* owned, nullable: of a list */
};

/* --- ends ---------------------------------------------------------------- */

/* @error: (transfer full) (nullable) */
static void
op_end (Op *op, GError *error)
{
  if (op->call->action == SCALING_PROVISION_LIST && error == NULL)
    scaling_provision_call_finish_list (op->call,
                                        g_steal_pointer (&op->instances), NULL);
  else
    scaling_provision_call_finish (op->call, error);
  g_clear_pointer (&op->instances, g_ptr_array_unref);
  g_free (op->path);
  g_free (op->body);
  g_free (op);
}

static void
op_fail_status (Op *op, const ScalingHttpReply *reply)
{
  op_end (op, scaling_kube_error (reply->status, reply->text, reply->n_bytes,
                                  reply->retry_after_us));
}

static void
op_busy (Op *op, const char *message)
{
  op_end (op,
          scaling_provision_error_new (SCALING_PROVISION_ERROR_BUSY,
                                       SCALING_RETRY_DEFAULT, "%s", message));
}

/* --- requests ------------------------------------------------------------ */

static void send (Op *op);

static void
on_answer (const ScalingHttpReply *reply, const GError *error, gpointer data)
{
  Op *op = data;

  if (scaling_provision_call_is_over (op->call))
    op_end (op, NULL);
  else if (error != NULL)
    op_end (op, g_error_copy (error));
  else if (reply->status == 401 && op->self->access->token_path != NULL
           && !op->has_new_token)
    {
      /* it may have been changed since */
      op->has_new_token = TRUE;
      g_clear_pointer (&op->self->token, g_free);
      send (op);
    }
  else
    op->on_reply (op, reply);
}

static void
send_with_token (Op *op)
{
  g_autofree char *bearer = g_strconcat (
      "Bearer ", op->self->token != NULL ? op->self->token : "", NULL);
  const char *const headers[] = { "Accept", "application/json",
                                  op->self->token != NULL ? "Authorization"
                                                          : NULL,
                                  bearer, NULL };

  scaling_http_send (op->self->http, op->method, op->path, headers, op->body,
                     op->self->config.answer_us, op->call->cancellable,
                     on_answer, op);
}

static gboolean
token_is_good (const char *token, gsize n_bytes)
{
  if (n_bytes == 0 || n_bytes > TOKEN_MAX_BYTES)
    return FALSE;
  for (gsize i = 0; i < n_bytes; i++)
    if (!g_ascii_isgraph (token[i]))
      return FALSE;
  return TRUE;
}

static void
on_token (GObject *source, GAsyncResult *result, gpointer data)
{
  Op *op = data;
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  gboolean is_read = g_file_load_contents_finish (G_FILE (source), result,
                                                  &text, NULL, NULL, &error);

  if (scaling_provision_call_is_over (op->call))
    {
      op_end (op, NULL);
      return;
    }
  if (is_read)
    g_strstrip (text);
  if (!is_read || !token_is_good (text, strlen (text)))
    {
      op_end (op, scaling_provision_error_new (
                      SCALING_PROVISION_ERROR_AUTH, SCALING_RETRY_DEFAULT,
                      "%s: %s", op->self->access->token_path,
                      is_read ? "no token" : error->message));
      return;
    }
  g_free (op->self->token);
  op->self->token = g_steal_pointer (&text);
  op->self->token_read_us = g_get_monotonic_time ();
  op->self->n_tokens++;
  send_with_token (op);
}

static void
send (Op *op)
{
  ProvisionKubernetes *self = op->self;
  g_autoptr (GFile) file = NULL;

  if (self->access->token_path == NULL
      || (self->token != NULL
          && g_get_monotonic_time () - self->token_read_us < TOKEN_AGE_US))
    {
      send_with_token (op);
      return;
    }
  file = g_file_new_for_path (self->access->token_path);
  g_file_load_contents_async (file, op->call->cancellable, on_token, op);
}

/* @body: (transfer full) (nullable) */
static void ask (Op *op, OnReply on_reply, const char *method, char *body,
                 const char *format, ...) G_GNUC_PRINTF (5, 6);

static void
ask (Op *op, OnReply on_reply, const char *method, char *body,
     const char *format, ...)
{
  g_autofree char *rest = NULL;
  va_list args;

  va_start (args, format);
  rest = g_strdup_vprintf (format, args);
  va_end (args);
  g_free (op->path);
  g_free (op->body);
  op->path = g_strdup_printf ("/api/v1/namespaces/%s/pods%s",
                              op->self->access->name_space, rest);
  op->body = body;
  op->method = method;
  op->on_reply = on_reply;
  send (op);
}

/* (transfer full) (nullable): ours; else the op has ended */
static ScalingKubePod *
read_ours (Op *op, const ScalingHttpReply *reply)
{
  g_autoptr (ScalingKubePod) pod = NULL;
  GError *error = NULL;

  if (reply->status != 200)
    {
      op_fail_status (op, reply);
      return NULL;
    }
  pod = scaling_kube_read_pod (reply->text, reply->n_bytes, &error);
  if (pod != NULL
      && scaling_provision_check_ours (
          op->call, (const char *const *)pod->instance->labels, &error))
    return g_steal_pointer (&pod);
  op_end (op, error);
  return NULL;
}

/* --- ensure -------------------------------------------------------------- */

static void look (Op *op);

static void
on_created (Op *op, const ScalingHttpReply *reply)
{
  g_autoptr (JsonNode) root = NULL;

  if (reply->status >= 200 && reply->status <= 202)
    {
      op->self->n_created++;
      op_end (op, NULL);
      return;
    }
  root = scaling_json_parse (reply->text, reply->n_bytes, NULL);
  if (reply->status == 409
      && g_strcmp0 (
             scaling_json_get_string (scaling_json_as_object (root), "reason"),
             "AlreadyExists")
             == 0)
    look (op); /* somebody was first: is it ours? */
  else
    op_fail_status (op, reply);
}

static void
on_cleared (Op *op, const ScalingHttpReply *reply)
{
  if (reply->status == 200 || reply->status == 202 || reply->status == 404)
    look (op);
  else
    op_fail_status (op, reply);
}

static void
on_looked (Op *op, const ScalingHttpReply *reply)
{
  g_autoptr (ScalingKubePod) pod = NULL;

  if (reply->status == 404)
    {
      ask (op, on_created, "POST",
           scaling_kube_write_pod (&op->self->config, op->call), "%s", "");
      return;
    }
  pod = read_ours (op, reply);
  if (pod == NULL)
    return;
  if (pod->instance->state == SCALING_INSTANCE_STOPPING)
    op_busy (op, "it is being removed");
  else if (pod->instance->state == SCALING_INSTANCE_ENDED)
    ask (op, on_cleared, "DELETE", scaling_kube_write_delete (pod->uid, 0),
         "/%s", op->call->name);
  else
    op_end (op, NULL);
}

static void
look (Op *op)
{
  if (op->n_looks++ >= MAX_LOOKS)
    op_busy (op, "it comes and goes");
  else
    ask (op, on_looked, "GET", NULL, "/%s", op->call->name);
}

/* --- remove -------------------------------------------------------------- */

/* 409: another has the name since: ours is gone */
static void
on_deleted (Op *op, const ScalingHttpReply *reply)
{
  if (reply->status != 200 && reply->status != 202 && reply->status != 404
      && reply->status != 409)
    {
      op_fail_status (op, reply);
      return;
    }
  op->self->n_removed++;
  op_end (op, NULL);
}

static void
on_found (Op *op, const ScalingHttpReply *reply)
{
  g_autoptr (ScalingKubePod) pod = NULL;

  if (reply->status == 404)
    {
      op_end (op, NULL);
      return;
    }
  pod = read_ours (op, reply);
  if (pod == NULL)
    return;
  if (pod->instance->state == SCALING_INSTANCE_STOPPING)
    op_end (op, NULL);
  else
    ask (op, on_deleted, "DELETE",
         scaling_kube_write_delete (pod->uid,
                                    (op->call->grace_us + 999999) / 1000000),
         "/%s", op->call->name);
}

/* --- list ---------------------------------------------------------------- */

static void list (Op *op, const char *page);

static void
on_listed (Op *op, const ScalingHttpReply *reply)
{
  g_autofree char *next = NULL;
  GError *error = NULL;

  /* the snapshot that the pages were of is gone: from the start */
  if (reply->status == 410 && op->n_lists < MAX_LISTS)
    {
      list (op, NULL);
      return;
    }
  if (reply->status != 200)
    {
      op_fail_status (op, reply);
      return;
    }
  if (!scaling_kube_read_list (reply->text, reply->n_bytes, op->instances,
                               &next, &error))
    {
      op_end (op, error);
      return;
    }
  if (next != NULL)
    {
      list (op, next);
      return;
    }
  for (guint i = 0; i < op->instances->len; i++)
    scaling_provisioner_note_token (
        &op->self->base, scaling_instance_get_label (op->instances->pdata[i],
                                                     SCALING_LABEL_TOKEN));
  op_end (op, NULL);
}

/* @page: (nullable): NULL: the first */
static void
list (Op *op, const char *page)
{
  g_autofree char *tree = scaling_provision_dup_tree_label (op->call->tree_id);
  g_autofree char *next =
      page != NULL ? g_uri_escape_string (page, NULL, FALSE) : NULL;

  if (page == NULL)
    {
      op->n_lists++;
      g_ptr_array_set_size (op->instances, 0);
    }
  ask (op, on_listed, "GET", NULL, "?labelSelector=%s%%3D%s&limit=%d%s%s",
       SCALING_LABEL_TREE, tree, PAGE_PODS, next != NULL ? "&continue=" : "",
       next != NULL ? next : "");
}

/* --- the kind ------------------------------------------------------------ */

static void
begin (ScalingProvisioner *base, ScalingProvisionCall *call)
{
  Op *op = g_new0 (Op, 1);

  op->self = (ProvisionKubernetes *)base;
  op->call = call;
  if (call->action == SCALING_PROVISION_ENSURE)
    look (op);
  else if (call->action == SCALING_PROVISION_REMOVE)
    ask (op, on_found, "GET", NULL, "/%s", call->name);
  else
    {
      op->instances = g_ptr_array_new_with_free_func (
          (GDestroyNotify)scaling_instance_free);
      list (op, NULL);
    }
}

static void
describe (ScalingProvisioner *base, JsonObject *object)
{
  ProvisionKubernetes *self = (ProvisionKubernetes *)base;

  json_object_set_string_member (object, "server", self->access->server);
  json_object_set_string_member (object, "namespace", self->access->name_space);
  json_object_set_string_member (object, "image", self->config.image);
  json_object_set_int_member (object, "created", (gint64)self->n_created);
  json_object_set_int_member (object, "removed", (gint64)self->n_removed);
  json_object_set_int_member (object, "tokens_read", (gint64)self->n_tokens);
}

static void
free_kubernetes (ScalingProvisioner *base)
{
  ProvisionKubernetes *self = (ProvisionKubernetes *)base;
  ScalingKubernetesConfig *config = &self->config;

  g_clear_pointer (&self->http, scaling_http_free);
  g_clear_pointer (&self->access, scaling_kube_access_free);
  g_free (self->token);
  g_free ((char *)config->image);
  g_free ((char *)config->pull_policy);
  g_free ((char *)config->service_account);
  g_free ((char *)config->secret);
  g_free ((char *)config->public_url);
  g_free ((char *)config->cpu_request);
  g_free ((char *)config->cpu_limit);
  g_free ((char *)config->memory_request);
  g_free ((char *)config->memory_limit);
  g_strfreev ((char **)config->node_selector);
  g_strfreev ((char **)config->args);
  g_strfreev ((char **)config->env);
  g_strfreev ((char **)config->labels);
}

static const ScalingProvisionClass klass = {
  .kind = "kubernetes",
  .begin = begin,
  .describe = describe,
  .free = free_kubernetes,
};

static const char *const *
dup_list (const char *const *list)
{
  return (const char *const *)g_strdupv ((char **)list);
}

static void
copy_config (ProvisionKubernetes *self, const ScalingKubernetesConfig *config)
{
  ScalingKubernetesConfig *copy = &self->config;

  *copy = *config;
  copy->kubeconfig = copy->directory = copy->name_space = NULL;
  copy->environ = NULL;
  copy->image = g_strdup (config->image);
  copy->pull_policy = g_strdup (config->pull_policy);
  copy->service_account = g_strdup (config->service_account);
  copy->secret = g_strdup (config->secret);
  copy->public_url = g_strdup (config->public_url);
  copy->cpu_request = g_strdup (config->cpu_request);
  copy->cpu_limit = g_strdup (config->cpu_limit);
  copy->memory_request = g_strdup (config->memory_request);
  copy->memory_limit = g_strdup (config->memory_limit);
  copy->node_selector = dup_list (config->node_selector);
  copy->args = dup_list (config->args);
  copy->env = dup_list (config->env);
  copy->labels = dup_list (config->labels);
  if (copy->answer_us == 0)
    copy->answer_us = ANSWER_US;
}

static gboolean
open_access (ProvisionKubernetes *self, const ScalingKubernetesConfig *config,
             GError **error)
{
  g_autoptr (GTlsDatabase) ca = NULL;
  g_autoptr (GTlsCertificate) certificate = NULL;
  g_autoptr (GError) cause = NULL;
  g_auto (GStrv) own = g_get_environ ();
  ScalingHttpConfig http = { 0 };

  self->access =
      config->kubeconfig != NULL
          ? scaling_kube_access_load (config->kubeconfig, error)
          : scaling_kube_access_in_cluster (
              config->environ != NULL ? config->environ
                                      : (const char *const *)own,
              config->directory ?: SCALING_KUBE_IN_CLUSTER_DIRECTORY, error);
  if (self->access == NULL)
    return FALSE;
  if (config->name_space != NULL || self->access->name_space == NULL)
    {
      g_free (self->access->name_space);
      self->access->name_space = g_strdup (config->name_space ?: "default");
    }
  if (!scaling_provision_name_is_valid (self->access->name_space))
    {
      g_set_error (
          error, SCALING_PROVISION_ERROR, SCALING_PROVISION_ERROR_REFUSED,
          "Kubernetes: \"%s\" is no namespace", self->access->name_space);
      return FALSE;
    }
  self->token = g_strdup (self->access->token);
  ca = scaling_kube_access_open_ca (self->access, &cause);
  if (cause == NULL)
    certificate = scaling_kube_access_open_certificate (self->access, &cause);
  if (cause != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&cause));
      return FALSE;
    }
  http.url = self->access->server;
  http.ca = ca;
  http.certificate = certificate;
  self->http = scaling_http_new (&http, error);
  return self->http != NULL;
}

ScalingProvisioner *
scaling_provision_kubernetes_new (const ScalingKubernetesConfig *config,
                                  GError **error)
{
  ProvisionKubernetes *self;

  g_return_val_if_fail (config->image != NULL, NULL);
  self = g_new0 (ProvisionKubernetes, 1);
  scaling_provisioner_init (&self->base, &klass);
  copy_config (self, config);
  if (open_access (self, config, error))
    return &self->base;
  scaling_provisioner_free (&self->base);
  return NULL;
}
