/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/provision-docker: see provision-docker.h. */
#include "scaling/provision-docker.h"

#include <string.h>

#include "scaling/docker-json.h"
#include "scaling/http.h"
#include "scaling/instance-ports.h"
#include "scaling/json-read.h"
#include "scaling/log.h"

#define ANSWER_US (10 * G_GINT64_CONSTANT (1000000))
#define PULL_US (600 * G_GINT64_CONSTANT (1000000))
#define MAX_LOOKS 3 /* at one name in one ensure */
#define EXIT_PORT_TAKEN 69

typedef struct
{
  ScalingDockerEngine config; /* its strings are owned */
  ScalingHttp *http;
  guint minor; /* of the API; 0: not asked yet */
} Engine;

typedef struct
{
  ScalingProvisioner base;
  ScalingDockerConfig config; /* its strings are owned; engines: see below */
  GPtrArray *engines;         /* (element-type Engine) owned */
  gboolean is_host_network;
  guint64 n_created, n_removed;
} ProvisionDocker;

/* One call at one engine: a request at a time, each answer says which is
 * next. A list, and a remove without a host, have one at each engine. */
typedef struct _All All;
typedef struct _Op Op;
typedef void (*OnReply) (Op *op, const ScalingHttpReply *reply);

struct _Op
{
  ScalingProvisionCall *call; /* a reference */
  ProvisionDocker *self;      /* good until the call is over */
  Engine *engine;
  All *all;         /* borrowed, nullable */
  OnReply on_reply; /* of the request under way */
  char *id;         /* owned, nullable */
  guint n_looks, k;
  gboolean was_pulled, was_there;
};

struct _All
{
  ScalingProvisionCall *call; /* a reference */
  guint n_left;
  GPtrArray *instances; /* owned, nullable: of a list */
  GError *error;        /* owned, nullable: the first */
  gboolean was_there;
};

/* --- ends ---------------------------------------------------------------- */

/* A list of what could be seen; a remove is done when it was found anywhere:
 * names are unique. */
static void
all_end_one (All *all, Op *op, GError *error)
{
  all->was_there |= op->was_there && error == NULL;
  if (all->error == NULL)
    all->error = error;
  else
    g_clear_error (&error);
  if (--all->n_left > 0)
    return;
  if (all->was_there)
    g_clear_error (&all->error);
  if (all->instances != NULL)
    scaling_provision_call_finish_list (all->call, all->instances, all->error);
  else
    scaling_provision_call_finish (all->call, all->error);
  g_free (all);
}

/* @error: (transfer full) (nullable) */
static void
op_end (Op *op, GError *error)
{
  if (op->all != NULL)
    {
      all_end_one (op->all, op, error);
      scaling_provision_call_unref (op->call);
    }
  else
    scaling_provision_call_finish (op->call, error);
  g_free (op->id);
  g_free (op);
}

static void
op_fail (Op *op, ScalingProvisionError code, const char *message)
{
  op_end (op,
          scaling_provision_error_new (code, SCALING_RETRY_DEFAULT, "%s: %s",
                                       op->engine->config.name, message));
}

/* A status that the step does not expect. */
static void
op_fail_status (Op *op, const ScalingHttpReply *reply)
{
  g_autofree char *words =
      scaling_docker_dup_message (reply->text, reply->n_bytes);
  gint64 retry_us = reply->retry_after_us >= 0 ? reply->retry_after_us
                                               : SCALING_RETRY_DEFAULT;
  ScalingProvisionError code = SCALING_PROVISION_ERROR_AWAY;

  /* an Engine of another version, perhaps: ask it next time */
  if (reply->status == 400)
    op->engine->minor = 0;
  if (reply->status == 401 || reply->status == 403)
    code = SCALING_PROVISION_ERROR_AUTH;
  else if (reply->status == 429)
    code = SCALING_PROVISION_ERROR_LIMIT;
  else if (reply->status == 409)
    code = SCALING_PROVISION_ERROR_BUSY;
  else if (reply->status >= 400 && reply->status < 500)
    code = SCALING_PROVISION_ERROR_REFUSED;
  else if (reply->status < 400)
    code = SCALING_PROVISION_ERROR_GARBAGE;
  op_end (op, scaling_provision_error_new (code, retry_us, "%s: %u %s",
                                           op->engine->config.name,
                                           reply->status, words));
}

/* --- requests ------------------------------------------------------------ */

static void
on_answer (const ScalingHttpReply *reply, const GError *error, gpointer data)
{
  Op *op = data;

  if (scaling_provision_call_is_over (op->call))
    op_end (op, NULL);
  else if (error != NULL)
    op_end (op, g_error_copy (error));
  else
    op->on_reply (op, reply);
}

static void ask (Op *op, OnReply on_reply, const char *method, const char *body,
                 gint64 timeout_us, const char *format, ...)
    G_GNUC_PRINTF (6, 7);

static void
ask (Op *op, OnReply on_reply, const char *method, const char *body,
     gint64 timeout_us, const char *format, ...)
{
  g_autofree char *rest = NULL, *path = NULL;
  va_list args;

  va_start (args, format);
  rest = g_strdup_vprintf (format, args);
  va_end (args);
  path = op->engine->minor != 0
             ? g_strdup_printf ("/v1.%u%s", op->engine->minor, rest)
             : g_strdup (rest);
  op->on_reply = on_reply;
  scaling_http_send (op->engine->http, method, path, NULL, body,
                     timeout_us != 0 ? timeout_us : op->self->config.answer_us,
                     op->call->cancellable, on_answer, op);
}

static void begin_action (Op *op);

static void
on_version (Op *op, const ScalingHttpReply *reply)
{
  GError *error = NULL;

  if (reply->status != 200)
    {
      op_fail_status (op, reply);
      return;
    }
  op->engine->minor =
      scaling_docker_read_version (reply->text, reply->n_bytes, &error);
  if (op->engine->minor == 0)
    {
      op_end (op, error);
      return;
    }
  GST_INFO ("Docker at %s: API 1.%u", op->engine->config.name,
            op->engine->minor);
  begin_action (op);
}

static void
begin (Op *op)
{
  if (op->engine->minor == 0)
    ask (op, on_version, "GET", NULL, 0, "/version");
  else
    begin_action (op);
}

/* --- ensure -------------------------------------------------------------- */

static void look (Op *op);
static void create (Op *op);

static void
on_started (Op *op, const ScalingHttpReply *reply)
{
  /* 304: it runs already; 404: somebody took it away between */
  if (reply->status == 204 || reply->status == 304)
    op_end (op, NULL);
  else if (reply->status == 404)
    op_fail (op, SCALING_PROVISION_ERROR_BUSY, "it went while it was started");
  else
    op_fail_status (op, reply);
}

static void
start (Op *op)
{
  ask (op, on_started, "POST", NULL, 0, "/containers/%s/start", op->id);
}

static void
on_pulled (Op *op, const ScalingHttpReply *reply)
{
  GError *error = NULL;

  if (reply->status != 200)
    op_fail_status (op, reply);
  else if (!scaling_docker_read_pull (reply->text, reply->n_bytes, &error))
    op_end (op, error);
  else
    create (op);
}

static void
pull (Op *op)
{
  const char *image = op->self->config.image;
  const char *slash = strrchr (image, '/');
  /* without a tag all of them would come */
  const char *tag = strpbrk (slash != NULL ? slash : image, ":@") == NULL
                        ? "&tag=latest"
                        : "";
  g_autofree char *escaped = g_uri_escape_string (image, NULL, FALSE);

  op->was_pulled = TRUE;
  scaling_provision_call_extend (op->call, op->self->config.pull_us);
  ask (op, on_pulled, "POST", NULL, op->self->config.pull_us,
       "/images/create?fromImage=%s%s", escaped, tag);
}

static void
on_created (Op *op, const ScalingHttpReply *reply)
{
  GError *error = NULL;

  if (reply->status == 409)
    look (op); /* somebody was first: is it ours? */
  else if (reply->status == 404 && !op->was_pulled
           && op->self->config.pull == SCALING_PULL_MISSING)
    pull (op);
  else if (reply->status != 201)
    op_fail_status (op, reply);
  else
    {
      g_free (op->id);
      op->id = scaling_docker_read_id (reply->text, reply->n_bytes, &error);
      op->self->n_created++;
      if (op->id != NULL)
        start (op);
      else
        op_end (op, error);
    }
}

static guint
choose_k (ProvisionDocker *self, GPtrArray *instances)
{
  guint end = self->config.first_k + self->config.max_per_engine;

  for (guint k = self->config.first_k; k < end; k++)
    {
      gboolean is_taken = FALSE;

      for (guint i = 0; i < instances->len; i++)
        {
          const char *text =
              scaling_instance_get_label (instances->pdata[i], SCALING_LABEL_K);
          is_taken |= text != NULL && g_ascii_strtoull (text, NULL, 10) == k;
        }
      if (!is_taken)
        return k;
    }
  return 0;
}

static void
on_neighbours (Op *op, const ScalingHttpReply *reply)
{
  GError *error = NULL;
  g_autoptr (GPtrArray) instances = NULL;

  if (reply->status != 200)
    {
      op_fail_status (op, reply);
      return;
    }
  instances = scaling_docker_read_list (reply->text, reply->n_bytes,
                                        op->engine->config.name, &error);
  if (instances == NULL)
    {
      op_end (op, error);
      return;
    }
  op->k = choose_k (op->self, instances);
  if (op->k != 0)
    create (op);
  else
    op_fail (op, SCALING_PROVISION_ERROR_LIMIT,
             "as many instances as one host may have");
}

static void
create (Op *op)
{
  g_autofree char *body = NULL;

  if (op->self->is_host_network && op->k == 0)
    {
      g_autofree char *filters = g_uri_escape_string (
          "{\"label\":[\"" SCALING_LABEL_K "\"]}", NULL, FALSE);

      ask (op, on_neighbours, "GET", NULL, 0,
           "/containers/json?all=true&filters=%s", filters);
      return;
    }
  body = scaling_docker_write_create (&op->self->config, &op->engine->config,
                                      op->call, op->k);
  ask (op, on_created, "POST", body, 0, "/containers/create?name=%s",
       op->call->name);
}

static void
on_cleared (Op *op, const ScalingHttpReply *reply)
{
  if (reply->status == 204 || reply->status == 404)
    look (op);
  else
    op_fail_status (op, reply);
}

static void
on_looked (Op *op, const ScalingHttpReply *reply)
{
  g_autoptr (ScalingDockerContainer) container = NULL;
  GError *error = NULL;

  if (reply->status == 404)
    {
      if (op->self->config.pull == SCALING_PULL_ALWAYS && !op->was_pulled)
        pull (op);
      else
        create (op);
      return;
    }
  if (reply->status != 200)
    {
      op_fail_status (op, reply);
      return;
    }
  container =
      scaling_docker_read_container (reply->text, reply->n_bytes, &error);
  if (container == NULL
      || !scaling_provision_check_ours (
          op->call, (const char *const *)container->labels, &error))
    {
      op_end (op, error);
      return;
    }
  g_free (op->id);
  op->id = g_strdup (container->id);
  if (container->state == SCALING_DOCKER_RUNNING)
    op_end (op, NULL);
  else if (container->state == SCALING_DOCKER_REMOVING)
    op_fail (op, SCALING_PROVISION_ERROR_BUSY, "it is being removed");
  else if (container->state == SCALING_DOCKER_EXITED
           && container->exit_code == EXIT_PORT_TAKEN
           && op->self->is_host_network)
    ask (op, on_cleared, "DELETE", NULL, 0, "/containers/%s?v=true", op->id);
  else
    start (op);
}

static void
look (Op *op)
{
  if (op->n_looks++ >= MAX_LOOKS)
    op_fail (op, SCALING_PROVISION_ERROR_BUSY, "it comes and goes");
  else
    ask (op, on_looked, "GET", NULL, 0, "/containers/%s/json", op->call->name);
}

/* --- remove -------------------------------------------------------------- */

static void
on_deleted (Op *op, const ScalingHttpReply *reply)
{
  if (reply->status != 204 && reply->status != 404)
    {
      op_fail_status (op, reply);
      return;
    }
  op->was_there = TRUE;
  op->self->n_removed++;
  op_end (op, NULL);
}

static void
on_stopped (Op *op, const ScalingHttpReply *reply)
{
  if (reply->status == 204 || reply->status == 304 || reply->status == 404)
    ask (op, on_deleted, "DELETE", NULL, 0, "/containers/%s?v=true&force=true",
         op->id);
  else
    op_fail_status (op, reply);
}

static void
on_found (Op *op, const ScalingHttpReply *reply)
{
  g_autoptr (ScalingDockerContainer) container = NULL;
  GError *error = NULL;
  gint64 grace_us = op->call->grace_us;

  if (reply->status == 404)
    {
      op_end (op, NULL);
      return;
    }
  if (reply->status != 200)
    {
      op_fail_status (op, reply);
      return;
    }
  container =
      scaling_docker_read_container (reply->text, reply->n_bytes, &error);
  if (container == NULL
      || !scaling_provision_check_ours (
          op->call, (const char *const *)container->labels, &error))
    {
      op_end (op, error);
      return;
    }
  op->id = g_strdup (container->id);
  ask (op, on_stopped, "POST", NULL, grace_us + op->self->config.answer_us,
       "/containers/%s/stop?t=%d", op->id,
       (int)((grace_us + 999999) / 1000000));
}

/* --- list ---------------------------------------------------------------- */

static void
on_listed (Op *op, const ScalingHttpReply *reply)
{
  GError *error = NULL;
  GPtrArray *instances;

  if (reply->status != 200)
    {
      op_fail_status (op, reply);
      return;
    }
  instances = scaling_docker_read_list (reply->text, reply->n_bytes,
                                        op->engine->config.name, &error);
  for (guint i = 0; instances != NULL && i < instances->len; i++)
    scaling_provisioner_note_token (
        &op->self->base,
        scaling_instance_get_label (instances->pdata[i], SCALING_LABEL_TOKEN));
  if (instances != NULL)
    g_ptr_array_extend_and_steal (op->all->instances, instances);
  op_end (op, error);
}

static void
list (Op *op)
{
  JsonObject *object = json_object_new ();
  JsonArray *labels = json_array_new ();
  g_autofree char *label =
      g_strdup_printf ("%s=%s", SCALING_LABEL_TREE, op->call->tree_id);
  g_autofree char *filters = NULL, *escaped = NULL;

  json_array_add_string_element (labels, label);
  json_object_set_array_member (object, "label", labels);
  filters = scaling_json_write (object);
  escaped = g_uri_escape_string (filters, NULL, FALSE);
  ask (op, on_listed, "GET", NULL, 0, "/containers/json?all=true&filters=%s",
       escaped);
}

/* --- the kind ------------------------------------------------------------ */

static void
begin_action (Op *op)
{
  if (op->call->action == SCALING_PROVISION_ENSURE)
    look (op);
  else if (op->call->action == SCALING_PROVISION_LIST)
    list (op);
  else
    ask (op, on_found, "GET", NULL, 0, "/containers/%s/json", op->call->name);
}

static void
begin_at (ProvisionDocker *self, ScalingProvisionCall *call, Engine *engine,
          All *all)
{
  Op *op = g_new0 (Op, 1);

  op->self = self;
  op->call = call;
  op->engine = engine;
  op->all = all;
  begin (op);
}

static void
begin_at_all (ProvisionDocker *self, ScalingProvisionCall *call)
{
  All *all = g_new0 (All, 1);

  all->call = call;
  all->n_left = self->engines->len;
  if (call->action == SCALING_PROVISION_LIST)
    all->instances =
        g_ptr_array_new_with_free_func ((GDestroyNotify)scaling_instance_free);
  for (guint i = 0; i < self->engines->len; i++)
    begin_at (self, scaling_provision_call_ref (call), self->engines->pdata[i],
              all);
}

static Engine *
find_engine (ProvisionDocker *self, ScalingProvisionCall *call)
{
  const char *names[SCALING_DOCKER_MAX_ENGINES];

  for (guint i = 0; i < self->engines->len; i++)
    {
      Engine *engine = self->engines->pdata[i];
      names[i] = engine->config.name;
      if (g_strcmp0 (call->host, names[i]) == 0)
        return engine;
    }
  if (call->host != NULL)
    return NULL;
  return self->engines
      ->pdata[scaling_provision_place (call->name, names, self->engines->len)];
}

static void
begin_call (ScalingProvisioner *base, ScalingProvisionCall *call)
{
  ProvisionDocker *self = (ProvisionDocker *)base;
  Engine *engine;

  if (call->action == SCALING_PROVISION_LIST
      || (call->action == SCALING_PROVISION_REMOVE && call->host == NULL))
    {
      begin_at_all (self, call);
      return;
    }
  engine = find_engine (self, call);
  if (engine != NULL)
    begin_at (self, call, engine, NULL);
  else
    scaling_provision_call_finish (
        call, scaling_provision_error_new (
                  SCALING_PROVISION_ERROR_REFUSED, SCALING_RETRY_DEFAULT,
                  "there is no Engine \"%s\"", call->host));
}

static void
describe (ScalingProvisioner *base, JsonObject *object)
{
  ProvisionDocker *self = (ProvisionDocker *)base;
  JsonArray *engines = json_array_new ();

  for (guint i = 0; i < self->engines->len; i++)
    {
      const Engine *engine = self->engines->pdata[i];
      JsonObject *row = json_object_new ();

      json_object_set_string_member (row, "name", engine->config.name);
      json_object_set_string_member (row, "url", engine->config.url);
      json_object_set_int_member (row, "api_minor", engine->minor);
      json_array_add_object_element (engines, row);
    }
  json_object_set_string_member (object, "image", self->config.image);
  json_object_set_array_member (object, "engines", engines);
  json_object_set_int_member (object, "created", (gint64)self->n_created);
  json_object_set_int_member (object, "removed", (gint64)self->n_removed);
}

static void
engine_free (Engine *engine)
{
  g_clear_pointer (&engine->http, scaling_http_free);
  g_free ((char *)engine->config.name);
  g_free ((char *)engine->config.url);
  g_free ((char *)engine->config.public_base);
  g_free ((char *)engine->config.cluster_address);
  g_free (engine);
}

static void
free_docker (ScalingProvisioner *base)
{
  ProvisionDocker *self = (ProvisionDocker *)base;

  g_ptr_array_unref (self->engines);
  g_free ((char *)self->config.image);
  g_free ((char *)self->config.network);
  g_strfreev ((char **)self->config.args);
  g_strfreev ((char **)self->config.env);
}

static const ScalingProvisionClass klass = {
  .kind = "docker",
  .begin = begin_call,
  .describe = describe,
  .free = free_docker,
};

/* --- making -------------------------------------------------------------- */

static gboolean
refuse (GError **error, const ScalingDockerEngine *config, const char *what)
{
  g_set_error (error, SCALING_PROVISION_ERROR, SCALING_PROVISION_ERROR_REFUSED,
               "Docker Engine \"%s\": %s", config->name, what);
  return FALSE;
}

/* unix:///path, or tcp://host:port, with TLS where there are certificates */
static gboolean
engine_open (Engine *engine, const ScalingDockerEngine *config, GError **error)
{
  ScalingHttpConfig http = { .url = "http://docker" };
  g_autofree char *url = NULL, *ca = NULL, *cert = NULL, *key = NULL;
  g_autoptr (GTlsCertificate) certificate = NULL;

  if (g_str_has_prefix (config->url, "unix://"))
    {
      http.socket = config->url + strlen ("unix://");
      if (http.socket[0] != '/'
          || strlen (http.socket) >= SCALING_HTTP_SOCKET_MAX_BYTES)
        return refuse (error, config, "its socket is no absolute path");
    }
  else if (g_str_has_prefix (config->url, "tcp://"))
    {
      url = g_strconcat (config->cert_directory != NULL ? "https" : "http",
                         config->url + strlen ("tcp"), NULL);
      http.url = url;
    }
  else
    return refuse (error, config, "its URL begins with unix:// or tcp://");
  if (config->cert_directory != NULL)
    {
      ca = g_build_filename (config->cert_directory, "ca.pem", NULL);
      cert = g_build_filename (config->cert_directory, "cert.pem", NULL);
      key = g_build_filename (config->cert_directory, "key.pem", NULL);
      certificate = g_tls_certificate_new_from_files (cert, key, error);
      if (certificate == NULL)
        return FALSE;
      http.ca_path = ca;
      http.certificate = certificate;
    }
  engine->http = scaling_http_new (&http, error);
  return engine->http != NULL;
}

static gboolean
add_engine (ProvisionDocker *self, const ScalingDockerEngine *config,
            GError **error)
{
  Engine *engine;

  for (guint i = 0; i < self->engines->len; i++)
    if (g_str_equal (((Engine *)self->engines->pdata[i])->config.name,
                     config->name))
      return refuse (error, config, "there are two of that name");
  engine = g_new0 (Engine, 1);
  engine->config.name = g_strdup (config->name);
  engine->config.url = g_strdup (config->url);
  engine->config.public_base = g_strdup (config->public_base);
  engine->config.cluster_address = g_strdup (config->cluster_address);
  g_ptr_array_add (self->engines, engine);
  return engine_open (engine, config, error);
}

static void
copy_config (ProvisionDocker *self, const ScalingDockerConfig *config)
{
  self->config = *config;
  self->config.engines = NULL;
  self->config.image = g_strdup (config->image);
  self->config.network = g_strdup (config->network ?: "host");
  self->config.args = (const char *const *)g_strdupv ((char **)config->args);
  self->config.env = (const char *const *)g_strdupv ((char **)config->env);
  if (self->config.first_k == 0)
    self->config.first_k = 1;
  if (self->config.max_per_engine == 0)
    self->config.max_per_engine = SCALING_PORTS_MAX_INSTANCES;
  if (self->config.answer_us == 0)
    self->config.answer_us = ANSWER_US;
  if (self->config.pull_us == 0)
    self->config.pull_us = PULL_US;
  self->is_host_network = g_str_equal (self->config.network, "host");
}

ScalingProvisioner *
scaling_provision_docker_new (const ScalingDockerConfig *config, GError **error)
{
  ProvisionDocker *self;

  g_return_val_if_fail (config->image != NULL, NULL);
  if (config->n_engines == 0 || config->n_engines > SCALING_DOCKER_MAX_ENGINES)
    {
      g_set_error (error, SCALING_PROVISION_ERROR,
                   SCALING_PROVISION_ERROR_REFUSED,
                   "Docker: 1 to %d Engines, not %u",
                   SCALING_DOCKER_MAX_ENGINES, config->n_engines);
      return NULL;
    }
  self = g_new0 (ProvisionDocker, 1);
  scaling_provisioner_init (&self->base, &klass);
  copy_config (self, config);
  self->engines = g_ptr_array_new_with_free_func ((GDestroyNotify)engine_free);
  for (guint i = 0; i < config->n_engines; i++)
    if (!add_engine (self, &config->engines[i], error))
      {
        scaling_provisioner_free (&self->base);
        return NULL;
      }
  return &self->base;
}
