/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/provision-docker: see provision-docker.h. */
#include "scaling/provision-docker.h"

#include <string.h>

#include "scaling/docker-private.h"
#include "scaling/json-read.h"
#include "scaling/log.h"

#define ANSWER_US (10 * G_GINT64_CONSTANT (1000000))
#define PULL_US (600 * G_GINT64_CONSTANT (1000000))

/* --- beginning ----------------------------------------------------------- */

static void begin_action (ScalingDockerOp *op);

static void
on_version (ScalingDockerOp *op, const ScalingHttpReply *reply)
{
  GError *error = NULL;

  if (reply->status != 200)
    {
      scaling_docker_op_fail_status (op, reply);
      return;
    }
  op->engine->minor =
      scaling_docker_read_version (reply->text, reply->n_bytes, &error);
  if (op->engine->minor == 0)
    {
      scaling_docker_op_end (op, error);
      return;
    }
  GST_INFO ("Docker at %s: API 1.%u", op->engine->config.name,
            op->engine->minor);
  begin_action (op);
}

static void
begin (ScalingDockerOp *op)
{
  if (op->engine->minor == 0)
    scaling_docker_op_ask (op, on_version, "GET", NULL, 0, "/version");
  else
    begin_action (op);
}

/* --- remove -------------------------------------------------------------- */

static void
on_deleted (ScalingDockerOp *op, const ScalingHttpReply *reply)
{
  if (reply->status != 204 && reply->status != 404)
    {
      scaling_docker_op_fail_status (op, reply);
      return;
    }
  op->was_there = TRUE;
  op->self->n_removed++;
  scaling_docker_op_end (op, NULL);
}

static void
on_stopped (ScalingDockerOp *op, const ScalingHttpReply *reply)
{
  if (reply->status == 204 || reply->status == 304 || reply->status == 404)
    scaling_docker_op_ask (op, on_deleted, "DELETE", NULL, 0,
                           "/containers/%s?v=true&force=true", op->id);
  else
    scaling_docker_op_fail_status (op, reply);
}

static void
on_found (ScalingDockerOp *op, const ScalingHttpReply *reply)
{
  g_autoptr (ScalingDockerContainer) container = NULL;
  gint64 grace_us = op->call->grace_us;

  if (reply->status == 404)
    {
      scaling_docker_op_end (op, NULL);
      return;
    }
  container = scaling_docker_op_read_ours (op, reply);
  if (container == NULL)
    return;
  op->id = g_strdup (container->id);
  scaling_docker_op_ask (
      op, on_stopped, "POST", NULL, grace_us + op->self->config.answer_us,
      "/containers/%s/stop?t=%d", op->id, (int)((grace_us + 999999) / 1000000));
}

/* --- list ---------------------------------------------------------------- */

static void
on_listed (ScalingDockerOp *op, const ScalingHttpReply *reply)
{
  GError *error = NULL;
  GPtrArray *instances;

  if (reply->status != 200)
    {
      scaling_docker_op_fail_status (op, reply);
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
  scaling_docker_op_end (op, error);
}

static void
list (ScalingDockerOp *op)
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
  scaling_docker_op_ask (op, on_listed, "GET", NULL, 0,
                         "/containers/json?all=true&filters=%s", escaped);
}

/* --- the kind ------------------------------------------------------------ */

static void
begin_action (ScalingDockerOp *op)
{
  if (op->call->action == SCALING_PROVISION_ENSURE)
    scaling_docker_ensure (op);
  else if (op->call->action == SCALING_PROVISION_LIST)
    list (op);
  else
    scaling_docker_op_ask (op, on_found, "GET", NULL, 0, "/containers/%s/json",
                           op->call->name);
}

static void
begin_at (ScalingProvisionDocker *self, ScalingProvisionCall *call,
          ScalingDockerHost *engine, ScalingDockerAll *all)
{
  ScalingDockerOp *op = g_new0 (ScalingDockerOp, 1);

  op->self = self;
  op->call = call;
  op->engine = engine;
  op->all = all;
  begin (op);
}

static void
begin_at_all (ScalingProvisionDocker *self, ScalingProvisionCall *call)
{
  ScalingDockerAll *all = g_new0 (ScalingDockerAll, 1);

  all->call = call;
  all->n_left = self->engines->len;
  if (call->action == SCALING_PROVISION_LIST)
    all->instances =
        g_ptr_array_new_with_free_func ((GDestroyNotify)scaling_instance_free);
  for (guint i = 0; i < self->engines->len; i++)
    begin_at (self, scaling_provision_call_ref (call), self->engines->pdata[i],
              all);
}

static ScalingDockerHost *
find_engine (ScalingProvisionDocker *self, ScalingProvisionCall *call)
{
  const char *names[SCALING_DOCKER_MAX_ENGINES];

  for (guint i = 0; i < self->engines->len; i++)
    {
      ScalingDockerHost *engine = self->engines->pdata[i];
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
  ScalingProvisionDocker *self = (ScalingProvisionDocker *)base;
  ScalingDockerHost *engine;

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
  ScalingProvisionDocker *self = (ScalingProvisionDocker *)base;
  JsonArray *engines = json_array_new ();

  for (guint i = 0; i < self->engines->len; i++)
    {
      const ScalingDockerHost *engine = self->engines->pdata[i];
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
engine_free (ScalingDockerHost *engine)
{
  g_clear_pointer (&engine->http, scaling_http_free);
  g_free ((char *)engine->config.name);
  g_free ((char *)engine->config.url);
  g_free ((char *)engine->config.public_base);
  g_free ((char *)engine->config.public_address);
  g_free ((char *)engine->config.cluster_address);
  for (guint k = 0; k < G_N_ELEMENTS (engine->holds); k++)
    g_free (engine->holds[k].owner);
  g_free (engine);
}

static void
free_docker (ScalingProvisioner *base)
{
  ScalingProvisionDocker *self = (ScalingProvisionDocker *)base;

  g_ptr_array_unref (self->engines);
  g_free ((char *)self->config.image);
  g_free ((char *)self->config.network);
  g_strfreev ((char **)self->config.args);
  g_strfreev ((char **)self->config.env);
  g_strfreev ((char **)self->config.labels);
  g_strfreev ((char **)self->config.mounts);
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
engine_open (ScalingDockerHost *engine, const ScalingDockerEngine *config,
             GError **error)
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
add_engine (ScalingProvisionDocker *self, const ScalingDockerEngine *config,
            GError **error)
{
  ScalingDockerHost *engine;

  for (guint i = 0; i < self->engines->len; i++)
    if (g_str_equal (
            ((ScalingDockerHost *)self->engines->pdata[i])->config.name,
            config->name))
      return refuse (error, config, "there are two of that name");
  engine = g_new0 (ScalingDockerHost, 1);
  engine->config.name = g_strdup (config->name);
  engine->config.url = g_strdup (config->url);
  engine->config.public_base = g_strdup (config->public_base);
  engine->config.public_address = g_strdup (config->public_address);
  engine->config.cluster_address = g_strdup (config->cluster_address);
  g_ptr_array_add (self->engines, engine);
  return engine_open (engine, config, error);
}

static const char *const *
dup_list (const char *const *list)
{
  return (const char *const *)g_strdupv ((char **)list);
}

static void
copy_config (ScalingProvisionDocker *self, const ScalingDockerConfig *config)
{
  self->config = *config;
  self->config.engines = NULL;
  self->config.image = g_strdup (config->image);
  self->config.network = g_strdup (config->network ?: "host");
  self->config.args = dup_list (config->args);
  self->config.env = dup_list (config->env);
  self->config.labels = dup_list (config->labels);
  self->config.mounts = dup_list (config->mounts);
  if (self->config.first_k == 0)
    self->config.first_k = 1;
  if (self->config.max_per_engine == 0)
    self->config.max_per_engine = SCALING_PORTS_MAX_INSTANCES;
  if (self->config.answer_us == 0)
    self->config.answer_us = ANSWER_US;
  if (self->config.pull_us == 0)
    self->config.pull_us = PULL_US;
}

ScalingProvisioner *
scaling_provision_docker_new (const ScalingDockerConfig *config, GError **error)
{
  ScalingProvisionDocker *self;

  g_return_val_if_fail (config->image != NULL, NULL);
  if (config->n_engines == 0 || config->n_engines > SCALING_DOCKER_MAX_ENGINES)
    {
      g_set_error (error, SCALING_PROVISION_ERROR,
                   SCALING_PROVISION_ERROR_REFUSED,
                   "Docker: 1 to %d Engines, not %u",
                   SCALING_DOCKER_MAX_ENGINES, config->n_engines);
      return NULL;
    }
  self = g_new0 (ScalingProvisionDocker, 1);
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
