/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/provision-webhook: see provision-webhook.h. */
#include "scaling/provision-webhook.h"

#include <string.h>

#include "base/http.h"
#include "scaling/http.h"
#include "scaling/json-read.h"
#include "scaling/log.h"
#include "scaling/provisioner-private.h"

#define ANSWER_US (10 * G_GINT64_CONSTANT (1000000))
#define BACKOFF_US (500 * G_GINT64_CONSTANT (1000))
#define MAX_BACKOFF_US (30 * G_GINT64_CONSTANT (1000000))
#define MAX_LABELS 64

typedef struct
{
  ScalingProvisioner base;
  ScalingHttp *http;
  char *path, *secret;
  char **args, **env;
  gint64 answer_us, backoff_us;
  GHashTable *keys; /* "action name" -> Idempotency-Key */
  guint64 n_retries;
} ProvisionWebhook;

typedef struct _Op Op;
typedef void (*OnReply) (Op *op, const ScalingHttpReply *reply);

/* One call: a request at a time, each tried until it is answered for good. */
struct _Op
{
  ScalingProvisionCall *call; /* a reference */
  ProvisionWebhook *self;     /* good until the call is over */
  OnReply on_reply;
  const char *action; /* of the request under way */
  char *body;         /* owned: likewise */
  gint64 backoff_us;
  guint timer;
  gulong on_cancelled;
  gboolean had_conflict;
};

char *
scaling_webhook_sign (const char *secret, gint64 timestamp_s, const char *body)
{
  g_autofree char *signed_text =
      g_strdup_printf ("%" G_GINT64_FORMAT ".%s", timestamp_s, body);
  g_autofree char *mac =
      g_compute_hmac_for_string (G_CHECKSUM_SHA256, (const guchar *)secret,
                                 strlen (secret), signed_text, -1);

  return g_strconcat ("sha256=", mac, NULL);
}

/* --- reading ------------------------------------------------------------- */

static gboolean
read_state (const char *text, ScalingInstanceState *ret)
{
  for (guint i = SCALING_INSTANCE_STARTING; i <= SCALING_INSTANCE_ENDED; i++)
    if (g_strcmp0 (text, scaling_instance_state_get_name (i)) == 0)
      {
        *ret = i;
        return TRUE;
      }
  return FALSE;
}

static ScalingInstance *
read_instance (JsonObject *row)
{
  const char *name = scaling_json_get_string (row, "name");
  gint64 started_s = scaling_json_get_int (row, "started");
  ScalingInstanceState state;
  ScalingInstance *instance;

  if (!scaling_provision_name_is_valid (name)
      || !read_state (scaling_json_get_string (row, "state"), &state))
    return NULL;
  instance = g_new0 (ScalingInstance, 1);
  instance->name = g_strdup (name);
  instance->host = g_strdup (scaling_json_get_string (row, "host"));
  instance->state = state;
  instance->labels = scaling_json_dup_pairs (
      scaling_json_get_object (row, "labels"), MAX_LABELS);
  instance->started_wall_us =
      CLAMP (started_s, 0, G_MAXINT32) * G_GINT64_CONSTANT (1000000);
  return instance;
}

GPtrArray *
scaling_webhook_read_list (const char *text, gsize n_bytes, GError **error)
{
  g_autoptr (JsonNode) root = scaling_json_parse (text, n_bytes, error);
  JsonArray *array =
      scaling_json_get_array (scaling_json_as_object (root), "instances");
  GPtrArray *instances;

  if (root == NULL)
    return NULL;
  if (array == NULL
      || json_array_get_length (array) > SCALING_PROVISION_MAX_INSTANCES)
    {
      g_set_error (error, SCALING_PROVISION_ERROR,
                   SCALING_PROVISION_ERROR_GARBAGE,
                   "the webhook's answer has no list, or too long a one");
      return NULL;
    }
  instances =
      g_ptr_array_new_with_free_func ((GDestroyNotify)scaling_instance_free);
  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      JsonObject *row = scaling_json_get_element (array, i);
      ScalingInstance *instance = row != NULL ? read_instance (row) : NULL;

      if (instance != NULL)
        g_ptr_array_add (instances, instance);
    }
  return instances;
}

/* --- keys ---------------------------------------------------------------- */

static char *
dup_key_name (Op *op)
{
  return g_strdup_printf ("%s %s", op->action,
                          op->call->name != NULL ? op->call->name : "");
}

static const char *
get_key (Op *op)
{
  g_autofree char *name = dup_key_name (op);
  const char *key = g_hash_table_lookup (op->self->keys, name);

  if (key != NULL)
    return key;
  /* that many names without an answer for good: theirs begin anew */
  if (g_hash_table_size (op->self->keys) >= SCALING_WEBHOOK_MAX_KEYS)
    g_hash_table_remove_all (op->self->keys);
  g_hash_table_insert (op->self->keys, g_strdup (name), base_http_random_id ());
  return g_hash_table_lookup (op->self->keys, name);
}

static void
forget_key (Op *op)
{
  g_autofree char *name = dup_key_name (op);

  g_hash_table_remove (op->self->keys, name);
}

/* --- requests ------------------------------------------------------------ */

/* @instances, @error: (transfer full) (nullable) */
static void
op_end (Op *op, GPtrArray *instances, GError *error)
{
  g_cancellable_disconnect (op->call->cancellable, op->on_cancelled);
  g_clear_handle_id (&op->timer, g_source_remove);
  scaling_provision_call_finish_list (op->call, instances, error);
  g_free (op->body);
  g_free (op);
}

static void
op_fail_status (Op *op, const ScalingHttpReply *reply)
{
  ScalingProvisionError code = SCALING_PROVISION_ERROR_AWAY;

  if (reply->status == 401 || reply->status == 403)
    code = SCALING_PROVISION_ERROR_AUTH;
  else if (reply->status == 409)
    code = SCALING_PROVISION_ERROR_CONFLICT;
  else if (reply->status == 429)
    code = SCALING_PROVISION_ERROR_LIMIT;
  else if (reply->status >= 400 && reply->status < 500)
    code = SCALING_PROVISION_ERROR_REFUSED;
  else if (reply->status < 400)
    code = SCALING_PROVISION_ERROR_GARBAGE;
  op_end (op, NULL,
          scaling_provision_error_new (
              code,
              reply->retry_after_us >= 0 ? reply->retry_after_us
                                         : SCALING_RETRY_DEFAULT,
              "the webhook answered %u", reply->status));
}

static void send (Op *op);
static void look (Op *op);

/* What was asked for may have been done, unheard: that is looked at first. */
static gboolean
on_backoff_over (gpointer data)
{
  Op *op = data;

  op->timer = 0;
  op->self->n_retries++;
  if (g_str_equal (op->action, "list"))
    send (op);
  else
    look (op);
  return G_SOURCE_REMOVE;
}

/* The time to wait, or -1: the deadline comes first. */
static gint64
get_wait_us (Op *op, gint64 retry_after_us)
{
  gint64 left_us = op->call->due_us - g_get_monotonic_time ();
  gint64 wait_us = retry_after_us >= 0 ? retry_after_us : op->backoff_us;

  wait_us += g_random_int_range (0, (gint32)(op->backoff_us / 2 + 1));
  op->backoff_us = MIN (op->backoff_us * 2, MAX_BACKOFF_US);
  return wait_us < left_us ? wait_us : -1;
}

static void
on_answer (const ScalingHttpReply *reply, const GError *error, gpointer data)
{
  Op *op = data;
  gboolean may_pass;
  gint64 wait_us;

  if (scaling_provision_call_is_over (op->call))
    {
      op_end (op, NULL, NULL);
      return;
    }
  may_pass = error != NULL
                 ? g_error_matches (error, SCALING_PROVISION_ERROR,
                                    SCALING_PROVISION_ERROR_AWAY)
                       || g_error_matches (error, SCALING_PROVISION_ERROR,
                                           SCALING_PROVISION_ERROR_TIMEOUT)
                 : reply->status == 429 || reply->status >= 500;
  wait_us = may_pass
                ? get_wait_us (op, reply != NULL ? reply->retry_after_us : -1)
                : -1;
  if (wait_us >= 0)
    {
      op->timer = g_timeout_add ((guint)(wait_us / 1000), on_backoff_over, op);
      return;
    }
  if (!may_pass)
    forget_key (op);
  if (error != NULL)
    op_end (op, NULL, g_error_copy (error));
  else if (may_pass)
    op_fail_status (op, reply);
  else
    op->on_reply (op, reply);
}

static void
send (Op *op)
{
  gint64 now_s = g_get_real_time () / G_USEC_PER_SEC;
  g_autofree char *timestamp = g_strdup_printf ("%" G_GINT64_FORMAT, now_s);
  g_autofree char *signature =
      scaling_webhook_sign (op->self->secret, now_s, op->body);
  const char *const headers[] = { "X-Media-Tree-Timestamp",
                                  timestamp,
                                  "X-Media-Tree-Signature",
                                  signature,
                                  "Idempotency-Key",
                                  get_key (op),
                                  NULL };

  scaling_http_send (op->self->http, "POST", op->self->path, headers, op->body,
                     op->self->answer_us, op->call->cancellable, on_answer, op);
}

/* @body: (transfer full) */
static void
ask (Op *op, OnReply on_reply, const char *action, JsonObject *body)
{
  g_free (op->body);
  op->action = action;
  op->on_reply = on_reply;
  json_object_set_string_member (body, "action", action);
  json_object_set_string_member (body, "tree", op->call->tree_id);
  op->body = scaling_json_write (body);
  send (op);
}

static gboolean
is_success (const ScalingHttpReply *reply)
{
  return reply->status >= 200 && reply->status < 300;
}

/* --- ensure, remove ------------------------------------------------------ */

static JsonObject *
make_body (Op *op)
{
  JsonObject *body = json_object_new ();

  json_object_set_string_member (body, "name", op->call->name);
  json_object_set_string_member (body, "token", op->call->token.text);
  return body;
}

static void
add_args (JsonArray *array, char **args)
{
  for (; *args != NULL; args++)
    json_array_add_string_element (array, *args);
}

static void
add_env (JsonObject *object, char **env)
{
  for (; *env != NULL; env++)
    {
      g_auto (GStrv) pair = g_strsplit (*env, "=", 2);
      json_object_set_string_member (object, pair[0], pair[1] ?: "");
    }
}

static JsonObject *
make_spec (Op *op)
{
  ScalingProvisionCall *call = op->call;
  JsonObject *spec = json_object_new (), *env = json_object_new ();
  JsonObject *labels = json_object_new ();
  JsonArray *args = json_array_new ();

  json_object_set_string_member (spec, "role", call->role);
  json_object_set_int_member (spec, "ordinal", call->ordinal);
  json_object_set_int_member (spec, "gen", call->gen);
  if (call->host != NULL)
    json_object_set_string_member (spec, "host", call->host);
  add_args (args, op->self->args);
  add_args (args, call->args);
  json_object_set_array_member (spec, "args", args);
  add_env (env, op->self->env);
  add_env (env, call->env);
  json_object_set_object_member (spec, "env", env);
  for (char **pair = call->labels; pair[0] != NULL; pair += 2)
    json_object_set_string_member (labels, pair[0], pair[1]);
  json_object_set_object_member (spec, "labels", labels);
  return spec;
}

static void
on_done (Op *op, const ScalingHttpReply *reply)
{
  if (is_success (reply))
    op_end (op, NULL, NULL);
  else if (reply->status == 409 && !op->had_conflict
           && op->call->action == SCALING_PROVISION_ENSURE)
    {
      /* somebody was first: is it ours? */
      op->had_conflict = TRUE;
      look (op);
    }
  else if (reply->status == 404 && op->call->action == SCALING_PROVISION_REMOVE)
    op_end (op, NULL, NULL);
  else
    op_fail_status (op, reply);
}

static void
do_it (Op *op)
{
  JsonObject *body = make_body (op);

  if (op->call->action == SCALING_PROVISION_ENSURE)
    {
      json_object_set_object_member (body, "spec", make_spec (op));
      ask (op, on_done, "ensure", body);
      return;
    }
  if (op->call->host != NULL)
    json_object_set_string_member (body, "host", op->call->host);
  json_object_set_int_member (body, "grace_s",
                              (op->call->grace_us + 999999) / 1000000);
  ask (op, on_done, "remove", body);
}

static const ScalingInstance *
find (GPtrArray *instances, const char *name)
{
  for (guint i = 0; i < instances->len; i++)
    {
      const ScalingInstance *instance = instances->pdata[i];
      if (g_str_equal (instance->name, name))
        return instance;
    }
  return NULL;
}

/* Done already, in the way, or to be done? */
static void
on_looked (Op *op, const ScalingHttpReply *reply)
{
  g_autoptr (GPtrArray) instances = NULL;
  const ScalingInstance *instance;
  gboolean is_ensure = op->call->action == SCALING_PROVISION_ENSURE;
  GError *error = NULL;

  if (!is_success (reply))
    {
      op_fail_status (op, reply);
      return;
    }
  instances = scaling_webhook_read_list (reply->text, reply->n_bytes, &error);
  if (instances == NULL)
    {
      op_end (op, NULL, error);
      return;
    }
  instance = find (instances, op->call->name);
  if (instance != NULL
      && !scaling_provision_check_ours (
          op->call, (const char *const *)instance->labels, &error))
    op_end (op, NULL, error);
  else if (instance == NULL && !is_ensure)
    op_end (op, NULL, NULL);
  else if (instance == NULL || !is_ensure
           || instance->state == SCALING_INSTANCE_ENDED)
    do_it (op);
  else if (instance->state == SCALING_INSTANCE_STOPPING)
    op_end (op, NULL,
            scaling_provision_error_new (SCALING_PROVISION_ERROR_BUSY,
                                         SCALING_RETRY_DEFAULT,
                                         "it is being removed"));
  else
    op_end (op, NULL, NULL);
}

static void
look (Op *op)
{
  ask (op, on_looked, "list", json_object_new ());
}

/* --- list ---------------------------------------------------------------- */

static void
on_listed (Op *op, const ScalingHttpReply *reply)
{
  GPtrArray *instances;
  GError *error = NULL;

  if (!is_success (reply))
    {
      op_fail_status (op, reply);
      return;
    }
  instances = scaling_webhook_read_list (reply->text, reply->n_bytes, &error);
  for (guint i = 0; instances != NULL && i < instances->len; i++)
    scaling_provisioner_note_token (
        &op->self->base,
        scaling_instance_get_label (instances->pdata[i], SCALING_LABEL_TOKEN));
  op_end (op, instances, error);
}

/* --- the kind ------------------------------------------------------------ */

static gboolean
on_gone (gpointer data)
{
  Op *op = data;

  op->timer = 0;
  op_end (op, NULL, NULL);
  return G_SOURCE_REMOVE;
}

/* While it waits to try again, no request tells of it. */
static void
on_cancelled (GCancellable *cancellable, gpointer data)
{
  Op *op = data;

  if (op->timer == 0)
    return;
  g_source_remove (op->timer);
  op->timer = g_idle_add (on_gone, op);
}

static void
begin (ScalingProvisioner *base, ScalingProvisionCall *call)
{
  Op *op = g_new0 (Op, 1);

  op->self = (ProvisionWebhook *)base;
  op->call = call;
  op->backoff_us = op->self->backoff_us;
  op->on_cancelled = g_cancellable_connect (
      call->cancellable, G_CALLBACK (on_cancelled), op, NULL);
  if (call->action == SCALING_PROVISION_LIST)
    ask (op, on_listed, "list", json_object_new ());
  else
    look (op);
}

static void
describe (ScalingProvisioner *base, JsonObject *object)
{
  ProvisionWebhook *self = (ProvisionWebhook *)base;

  json_object_set_int_member (object, "retries", (gint64)self->n_retries);
  json_object_set_int_member (object, "unanswered",
                              g_hash_table_size (self->keys));
}

static void
free_webhook (ScalingProvisioner *base)
{
  ProvisionWebhook *self = (ProvisionWebhook *)base;

  g_clear_pointer (&self->http, scaling_http_free);
  g_hash_table_unref (self->keys);
  g_free (self->path);
  g_free (self->secret);
  g_strfreev (self->args);
  g_strfreev (self->env);
}

static const ScalingProvisionClass klass = {
  .kind = "webhook",
  .begin = begin,
  .describe = describe,
  .free = free_webhook,
};

static char **
dup_list (const char *const *list)
{
  return list != NULL ? g_strdupv ((char **)list) : g_new0 (char *, 1);
}

/* What ScalingHttp takes: the server, and the path with its query. */
static gboolean
open_url (ProvisionWebhook *self, const ScalingWebhookConfig *config,
          GError **error)
{
  const char *host = strstr (config->url, "://");
  const char *path = host != NULL ? strpbrk (host + 3, "/?#") : NULL;
  g_autofree char *server =
      path != NULL ? g_strndup (config->url, (gsize)(path - config->url))
                   : g_strdup (config->url);
  const ScalingHttpConfig http = { .url = server, .ca_path = config->ca_path };

  if (!g_uri_is_valid (config->url, SOUP_HTTP_URI_FLAGS, error))
    return FALSE;
  self->path = g_strconcat (path == NULL || *path != '/' ? "/" : "",
                            path != NULL ? path : "", NULL);
  self->http = scaling_http_new (&http, error);
  return self->http != NULL;
}

ScalingProvisioner *
scaling_provision_webhook_new (const ScalingWebhookConfig *config,
                               GError **error)
{
  ProvisionWebhook *self;

  if (config->secret == NULL
      || strlen (config->secret) < SCALING_WEBHOOK_MIN_SECRET_CHARS)
    {
      g_set_error (error, SCALING_PROVISION_ERROR,
                   SCALING_PROVISION_ERROR_REFUSED,
                   "the webhook's secret must have %d characters or more",
                   SCALING_WEBHOOK_MIN_SECRET_CHARS);
      return NULL;
    }
  self = g_new0 (ProvisionWebhook, 1);
  scaling_provisioner_init (&self->base, &klass);
  self->keys = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->secret = g_strdup (config->secret);
  self->args = dup_list (config->args);
  self->env = dup_list (config->env);
  self->answer_us = config->answer_us != 0 ? config->answer_us : ANSWER_US;
  self->backoff_us = config->backoff_us != 0 ? config->backoff_us : BACKOFF_US;
  if (open_url (self, config, error))
    return &self->base;
  scaling_provisioner_free (&self->base);
  return NULL;
}
