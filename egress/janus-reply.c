/* SPDX-License-Identifier: Apache-2.0 */
/* EgressJanusReply: one request on its way, and what a plugin answers. */
#include "egress/janus-private.h"

EgressJanusReply *
janus_reply_new (EgressJanus *core, guint64 session_id, guint64 handle_id,
                 const char *transaction, guint verb,
                 EgressJanusReplied replied, gpointer data)
{
  EgressJanusReply *self = g_new0 (EgressJanusReply, 1);

  self->core = core;
  self->session_id = session_id;
  self->handle_id = handle_id;
  self->transaction = g_strdup (transaction);
  self->verb = verb;
  self->replied = replied;
  self->data = data;
  self->link.data = self;
  return self;
}

void
janus_reply_wait (EgressJanusReply *self, GQueue *queue)
{
  self->queue = queue;
  g_queue_push_tail_link (queue, &self->link);
}

void
janus_reply_finish (EgressJanusReply *self, JsonObject *reply)
{
  gboolean is_error =
      g_strcmp0 (egress_janus_get_string (reply, "janus"), "error") == 0;

  base_counter_add (self->core->n_requests[self->verb][is_error], 1);
  if (self->queue)
    g_queue_unlink (self->queue, &self->link);
  if (self->slot)
    *self->slot = NULL;
  self->replied (reply, self->data);
  g_free (self->transaction);
  g_free (self);
}

void
janus_reply_fail (EgressJanusReply *self, EgressJanusCode code,
                  const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  janus_reply_finish (
      self, janus_error_text (self->session_id, self->transaction, code, text));
}

gboolean
janus_reply_check (EgressJanusReply *self, JsonObject *request,
                   const EgressJanusParam *params, guint n_params)
{
  g_autofree char *text = NULL;
  EgressJanusParamsResult result =
      egress_janus_params_check (request, params, n_params, &text);

  if (result == EGRESS_JANUS_PARAMS_OK)
    return TRUE;
  janus_reply_fail (self,
                    result == EGRESS_JANUS_PARAMS_MISSING
                        ? EGRESS_JANUS_MISSING_ELEMENT
                        : EGRESS_JANUS_INVALID_ELEMENT,
                    "%s", text);
  return FALSE;
}

void
janus_reply_flush (GQueue *queue)
{
  while (queue->head)
    {
      EgressJanusReply *reply = queue->head->data;

      janus_reply_fail (reply, EGRESS_JANUS_NO_HANDLE, "Handle not found");
    }
}

/* --- For plugins -----------------------------------------------------------
 */

void
egress_janus_reply_data (EgressJanusReply *self, JsonObject *data)
{
  JsonObject *reply, *plugindata;

  g_return_if_fail (self && data);

  reply = janus_object ("success", self->session_id, self->transaction);
  plugindata = json_object_new ();
  json_object_set_int_member (reply, "sender", (gint64)self->handle_id);
  json_object_set_string_member (plugindata, "plugin",
                                 self->core->plugin->package);
  json_object_set_object_member (plugindata, "data", data);
  json_object_set_object_member (reply, "plugindata", plugindata);
  janus_reply_finish (self, reply);
}

void
egress_janus_reply_ack (EgressJanusReply *self)
{
  g_return_if_fail (self);
  janus_reply_finish (
      self, janus_object ("ack", self->session_id, self->transaction));
}

void
egress_janus_reply_error (EgressJanusReply *self, EgressJanusCode code,
                          const char *reason)
{
  g_return_if_fail (self && reason);
  janus_reply_fail (self, code, "%s", reason);
}

const char *
egress_janus_reply_get_transaction (EgressJanusReply *self)
{
  g_return_val_if_fail (self, NULL);
  return self->transaction;
}
