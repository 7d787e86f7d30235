/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/docker-ensure: look, pull, create, start; see docker-private.h. */
#include <string.h>

#include "base/clock.h"
#include "scaling/docker-private.h"

#define MAX_LOOKS 3 /* at one name in one ensure */
#define EXIT_PORT_TAKEN 69
/* a list that was asked for before the container was made is over by then */
#define HOLD_US (60 * BASE_US_PER_S)
#define TAKEN_US (600 * BASE_US_PER_S)

static void look (ScalingDockerOp *op);
static void create (ScalingDockerOp *op);

/* --- numbers ------------------------------------------------------------- */

static gboolean
has_number (const ScalingDockerOp *op)
{
  return scaling_docker_has_number (&op->self->config, op->call->role);
}

static void
hold (ScalingDockerOp *op, guint k, const char *owner, gint64 us)
{
  ScalingDockerHold *row;

  if (k == 0 || k > SCALING_PORTS_MAX_INSTANCES)
    return;
  row = &op->engine->holds[k];
  g_free (row->owner);
  row->owner = g_strdup (owner);
  row->until_us = base_clock_now_us () + us;
}

static gboolean
is_held (const ScalingDockerOp *op, guint k)
{
  const ScalingDockerHold *row = &op->engine->holds[k];

  return row->owner != NULL && !g_str_equal (row->owner, op->call->name)
         && base_clock_now_us () < row->until_us;
}

static guint
read_k (const char *text)
{
  guint64 k;

  return text != NULL
                 && g_ascii_string_to_unsigned (
                     text, 10, 1, SCALING_PORTS_MAX_INSTANCES, &k, NULL)
             ? (guint)k
             : 0;
}

/* choose_k: 0: there is none */
static guint
choose_k (ScalingDockerOp *op, GPtrArray *instances)
{
  const ScalingDockerConfig *config = &op->self->config;
  guint end = MIN (config->first_k + config->max_per_engine,
                   SCALING_PORTS_MAX_INSTANCES + 1);

  for (guint k = config->first_k; k < end; k++)
    {
      gboolean is_taken = is_held (op, k);

      for (guint i = 0; i < instances->len; i++)
        is_taken |= read_k (scaling_instance_get_label (instances->pdata[i],
                                                        SCALING_LABEL_K))
                    == k;
      if (!is_taken)
        return k;
    }
  return 0;
}

static void
on_cleared (ScalingDockerOp *op, const ScalingHttpReply *reply)
{
  op->k = 0;
  op->n_looks = 0; /* each number is tried once */
  if (reply->status == 204 || reply->status == 404)
    look (op);
  else
    scaling_docker_op_fail_status (op, reply);
}

/* clear: somebody else has a port of its k */
static void
clear (ScalingDockerOp *op)
{
  hold (op, op->k, "", TAKEN_US);
  scaling_docker_op_ask (op, on_cleared, "DELETE", NULL, 0,
                         "/containers/%s?v=true", op->id);
}

/* --- steps --------------------------------------------------------------- */

static void
on_started (ScalingDockerOp *op, const ScalingHttpReply *reply)
{
  /* 304: it runs already; 404: somebody took it away between */
  if (reply->status == 204 || reply->status == 304)
    scaling_docker_op_end (op, NULL);
  else if (op->k != 0
           && scaling_docker_is_port_taken (reply->text, reply->n_bytes))
    clear (op);
  else if (reply->status == 404)
    scaling_docker_op_fail (op, SCALING_PROVISION_ERROR_BUSY,
                            "it went while it was started");
  else
    scaling_docker_op_fail_status (op, reply);
}

static void
start (ScalingDockerOp *op)
{
  scaling_docker_op_ask (op, on_started, "POST", NULL, 0,
                         "/containers/%s/start", op->id);
}

static void
on_pulled (ScalingDockerOp *op, const ScalingHttpReply *reply)
{
  GError *error = NULL;

  if (reply->status != 200)
    scaling_docker_op_fail_status (op, reply);
  else if (!scaling_docker_read_pull (reply->text, reply->n_bytes, &error))
    scaling_docker_op_end (op, error);
  else
    create (op);
}

static void
pull (ScalingDockerOp *op)
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
  scaling_docker_op_ask (op, on_pulled, "POST", NULL, op->self->config.pull_us,
                         "/images/create?fromImage=%s%s", escaped, tag);
}

static void
on_created (ScalingDockerOp *op, const ScalingHttpReply *reply)
{
  GError *error = NULL;

  if (reply->status == 409)
    look (op); /* somebody was first: is it ours? */
  else if (reply->status == 404 && !op->was_pulled
           && op->self->config.pull == SCALING_PULL_MISSING)
    pull (op);
  else if (reply->status != 201)
    scaling_docker_op_fail_status (op, reply);
  else
    {
      g_free (op->id);
      op->id = scaling_docker_read_id (reply->text, reply->n_bytes, &error);
      op->self->n_created++;
      if (op->id != NULL)
        start (op);
      else
        scaling_docker_op_end (op, error);
    }
}

static void
on_neighbours (ScalingDockerOp *op, const ScalingHttpReply *reply)
{
  GError *error = NULL;
  g_autoptr (GPtrArray) instances = NULL;

  if (reply->status != 200)
    {
      scaling_docker_op_fail_status (op, reply);
      return;
    }
  instances = scaling_docker_read_list (reply->text, reply->n_bytes,
                                        op->engine->config.name, &error);
  if (instances == NULL)
    {
      scaling_docker_op_end (op, error);
      return;
    }
  op->k = choose_k (op, instances);
  hold (op, op->k, op->call->name, HOLD_US);
  if (op->k != 0)
    create (op);
  else
    scaling_docker_op_fail (op, SCALING_PROVISION_ERROR_LIMIT,
                            "as many instances as one host may have");
}

static void
create (ScalingDockerOp *op)
{
  g_autofree char *body = NULL;

  if (has_number (op) && op->k == 0)
    {
      g_autofree char *filters = g_uri_escape_string (
          "{\"label\":[\"" SCALING_LABEL_K "\"]}", NULL, FALSE);

      scaling_docker_op_ask (op, on_neighbours, "GET", NULL, 0,
                             "/containers/json?all=true&filters=%s", filters);
      return;
    }
  body = scaling_docker_write_create (&op->self->config, &op->engine->config,
                                      op->call, op->k);
  scaling_docker_op_ask (op, on_created, "POST", body, 0,
                         "/containers/create?name=%s", op->call->name);
}

static void
on_looked (ScalingDockerOp *op, const ScalingHttpReply *reply)
{
  g_autoptr (ScalingDockerContainer) container = NULL;

  if (reply->status == 404)
    {
      if (op->self->config.pull == SCALING_PULL_ALWAYS && !op->was_pulled)
        pull (op);
      else
        create (op);
      return;
    }
  container = scaling_docker_op_read_ours (op, reply);
  if (container == NULL)
    return;
  g_free (op->id);
  op->id = g_strdup (container->id);
  op->k = read_k (scaling_labels_get ((const char *const *)container->labels,
                                      SCALING_LABEL_K));
  if (container->state == SCALING_DOCKER_RUNNING)
    scaling_docker_op_end (op, NULL);
  else if (container->state == SCALING_DOCKER_REMOVING)
    scaling_docker_op_fail (op, SCALING_PROVISION_ERROR_BUSY,
                            "it is being removed");
  else if (container->state == SCALING_DOCKER_EXITED
           && container->exit_code == EXIT_PORT_TAKEN && op->k != 0)
    clear (op);
  else
    start (op);
}

static void
look (ScalingDockerOp *op)
{
  if (op->n_looks++ >= MAX_LOOKS)
    scaling_docker_op_fail (op, SCALING_PROVISION_ERROR_BUSY,
                            "it comes and goes");
  else
    scaling_docker_op_ask (op, on_looked, "GET", NULL, 0, "/containers/%s/json",
                           op->call->name);
}

void
scaling_docker_ensure (ScalingDockerOp *op)
{
  look (op);
}
