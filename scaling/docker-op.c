/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/docker-op: a call at one Engine: see docker-private.h. */
#include "scaling/docker-private.h"

/* --- ends ---------------------------------------------------------------- */

/* A list of what could be seen; a remove is done when it was found anywhere:
 * names are unique. */
static void
all_end_one (ScalingDockerAll *all, ScalingDockerOp *op, GError *error)
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

void
scaling_docker_op_end (ScalingDockerOp *op, GError *error)
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

void
scaling_docker_op_fail (ScalingDockerOp *op, ScalingProvisionError code,
                        const char *message)
{
  scaling_docker_op_end (
      op, scaling_provision_error_new (code, SCALING_RETRY_DEFAULT, "%s: %s",
                                       op->engine->config.name, message));
}

void
scaling_docker_op_fail_status (ScalingDockerOp *op,
                               const ScalingHttpReply *reply)
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
  scaling_docker_op_end (
      op, scaling_provision_error_new (code, retry_us, "%s: %u %s",
                                       op->engine->config.name, reply->status,
                                       words));
}

/* --- requests ------------------------------------------------------------ */

static void
on_answer (const ScalingHttpReply *reply, const GError *error, gpointer data)
{
  ScalingDockerOp *op = data;

  if (scaling_provision_call_is_over (op->call))
    scaling_docker_op_end (op, NULL);
  else if (error != NULL)
    scaling_docker_op_end (op, g_error_copy (error));
  else
    op->on_reply (op, reply);
}

void
scaling_docker_op_ask (ScalingDockerOp *op, ScalingDockerOnReply on_reply,
                       const char *method, const char *body, gint64 timeout_us,
                       const char *format, ...)
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

ScalingDockerContainer *
scaling_docker_op_read_ours (ScalingDockerOp *op, const ScalingHttpReply *reply)
{
  ScalingDockerContainer *container;
  GError *error = NULL;

  if (reply->status != 200)
    {
      scaling_docker_op_fail_status (op, reply);
      return NULL;
    }
  container =
      scaling_docker_read_container (reply->text, reply->n_bytes, &error);
  if (container != NULL
      && scaling_provision_check_ours (
          op->call, (const char *const *)container->labels, &error))
    return container;
  g_clear_pointer (&container, scaling_docker_container_free);
  scaling_docker_op_end (op, error);
  return NULL;
}
