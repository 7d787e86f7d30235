/* SPDX-License-Identifier: Apache-2.0 */
/* Sessions, their handles, and the events that wait for whoever listens. */
#include "egress/janus-private.h"

#include "egress/log.h"

/* --- Sessions ---------------------------------------------------------------
 */

EgressJanusSession *
janus_session_new (EgressJanus *core, guint64 id,
                   EgressJanusTransport *transport)
{
  EgressJanusSession *self = g_new0 (EgressJanusSession, 1);

  self->core = core;
  self->id = id;
  self->transport = transport;
  self->handles = g_ptr_array_new ();
  self->timeout_s = -1;
  self->created_us = self->last_active_us = core->now_us ();
  g_hash_table_insert (core->sessions, &self->id, self);
  base_counter_set (core->n_sessions_gauge, g_hash_table_size (core->sessions));
  GST_DEBUG ("session=%" G_GUINT64_FORMAT " of Janus begins (%s)", id,
             transport->name);
  return self;
}

void
janus_session_end (EgressJanusSession *self, JanusEnd why)
{
  EgressJanus *core = self->core;

  g_hash_table_remove (core->sessions, &self->id);
  base_counter_set (core->n_sessions_gauge, g_hash_table_size (core->sessions));
  base_counter_add (core->n_ended[why], 1);
  self->is_over = TRUE;
  if (why == JANUS_END_TIMEOUT)
    janus_session_push (self, janus_object ("timeout", self->id, NULL));
  while (self->handles->len > 0)
    janus_session_detach (self, self->handles->pdata[0],
                          why == JANUS_END_TIMEOUT);
  if (self->transport)
    self->transport->on_session_over (self->transport, self);
  GST_INFO (
      "session=%" G_GUINT64_FORMAT " seconds=%.1f handles=%u of Janus ends: %s",
      self->id, (double)(core->now_us () - self->created_us) / G_USEC_PER_SEC,
      self->n_attached, janus_end_name (why));
  g_queue_clear_full (&self->events, (GDestroyNotify)json_object_unref);
  g_ptr_array_unref (self->handles);
  g_free (self);
}

void
janus_session_push (EgressJanusSession *self, JsonObject *event)
{
  if (self->events.length >= EGRESS_JANUS_MAX_EVENTS)
    {
      /* It cannot end here: a plugin is in the midst of something. */
      self->is_overflowing = TRUE;
      base_counter_add (self->core->n_events_dropped, 1);
      json_object_unref (event);
      return;
    }
  g_queue_push_tail (&self->events, event);
  if (self->transport && !self->is_over)
    self->transport->on_events (self->transport, self);
}

guint64
egress_janus_session_get_id (EgressJanusSession *self)
{
  return self->id;
}

gboolean
egress_janus_session_is_of (EgressJanusSession *self,
                            EgressJanusTransport *transport)
{
  return self->transport == transport;
}

void
egress_janus_session_touch (EgressJanusSession *self)
{
  self->last_active_us = self->core->now_us ();
}

GPtrArray *
egress_janus_session_take_events (EgressJanusSession *self, guint n_max)
{
  GPtrArray *events =
      g_ptr_array_new_with_free_func ((GDestroyNotify)json_object_unref);

  while (events->len < n_max && self->events.length > 0)
    g_ptr_array_add (events, g_queue_pop_head (&self->events));
  return events;
}

void
egress_janus_session_return_events (EgressJanusSession *self, GPtrArray *events)
{
  for (guint i = events->len; i > 0; i--)
    g_queue_push_head (&self->events, json_object_ref (events->pdata[i - 1]));
  if (self->transport && self->events.length > 0)
    self->transport->on_events (self->transport, self);
}

/* --- Handles
 * ------------------------------------------------------------------ */

EgressJanusHandle *
janus_session_find (EgressJanusSession *self, guint64 handle_id)
{
  for (guint i = 0; i < self->handles->len; i++)
    {
      EgressJanusHandle *handle = self->handles->pdata[i];

      if (handle->id == handle_id)
        return handle;
    }
  return NULL;
}

static void
count_handles (EgressJanus *core, int change)
{
  core->n_handles += (guint)change;
  base_counter_set (core->n_handles_gauge, core->n_handles);
}

EgressJanusHandle *
janus_session_attach (EgressJanusSession *self, const char *opaque_id)
{
  EgressJanusPlugin *plugin = self->core->plugin;
  EgressJanusHandle *handle;

  if (self->handles->len >= EGRESS_JANUS_MAX_HANDLES)
    return NULL;
  handle = g_new0 (EgressJanusHandle, 1);
  handle->session = self;
  do
    handle->id = janus_random_id ();
  while (janus_session_find (self, handle->id));
  handle->opaque_id = g_strdup (opaque_id);
  handle->created_us = self->core->now_us ();
  handle->state = plugin->attach (plugin, handle);
  if (!handle->state)
    {
      g_free (handle->opaque_id);
      g_free (handle);
      return NULL;
    }
  g_ptr_array_add (self->handles, handle);
  self->n_attached++;
  count_handles (self->core, 1);
  GST_DEBUG ("session=%" G_GUINT64_FORMAT " handle=%" G_GUINT64_FORMAT
             " is attached",
             self->id, handle->id);
  return handle;
}

void
janus_session_detach (EgressJanusSession *self, EgressJanusHandle *handle,
                      gboolean is_told)
{
  guint64 id = handle->id;

  janus_reply_flush (&handle->open);
  self->core->plugin->detach (handle->state);
  g_ptr_array_remove (self->handles, handle);
  count_handles (self->core, -1);
  g_free (handle->opaque_id);
  g_free (handle);
  if (is_told)
    {
      JsonObject *event = janus_object ("detached", self->id, NULL);

      json_object_set_int_member (event, "sender", (gint64)id);
      janus_session_push (self, event);
    }
}

guint64
egress_janus_handle_get_id (EgressJanusHandle *handle)
{
  return handle->id;
}

guint64
egress_janus_handle_get_session_id (EgressJanusHandle *handle)
{
  return handle->session->id;
}

/* --- Events of plugins
 * ---------------------------------------------------------- */

/* (transfer full) */
static JsonObject *
new_event (EgressJanusHandle *handle, const char *what, const char *transaction)
{
  JsonObject *event = janus_object (what, handle->session->id, transaction);

  json_object_set_int_member (event, "sender", (gint64)handle->id);
  return event;
}

void
egress_janus_push_event (EgressJanusHandle *handle, JsonObject *data,
                         const char *transaction, const char *jsep_type,
                         const char *sdp, EgressJanusJsepFlags flags)
{
  JsonObject *event, *plugindata;

  g_return_if_fail (handle && data);

  event = new_event (handle, "event", transaction);
  plugindata = json_object_new ();
  json_object_set_string_member (plugindata, "plugin",
                                 handle->session->core->plugin->package);
  json_object_set_object_member (plugindata, "data", data);
  json_object_set_object_member (event, "plugindata", plugindata);
  if (jsep_type)
    {
      JsonObject *jsep = json_object_new ();

      json_object_set_string_member (jsep, "type", jsep_type);
      json_object_set_string_member (jsep, "sdp", sdp);
      if (flags & EGRESS_JANUS_JSEP_RESTART)
        json_object_set_boolean_member (jsep, "restart", TRUE);
      if (flags & EGRESS_JANUS_JSEP_E2EE)
        json_object_set_boolean_member (jsep, "e2ee", TRUE);
      json_object_set_object_member (event, "jsep", jsep);
    }
  janus_session_push (handle->session, event);
}

void
egress_janus_push_webrtcup (EgressJanusHandle *handle)
{
  g_return_if_fail (handle);
  janus_session_push (handle->session, new_event (handle, "webrtcup", NULL));
}

void
egress_janus_push_hangup (EgressJanusHandle *handle, const char *reason)
{
  JsonObject *event;

  g_return_if_fail (handle && reason);
  event = new_event (handle, "hangup", NULL);
  json_object_set_string_member (event, "reason", reason);
  janus_session_push (handle->session, event);
}

void
egress_janus_push_slow_link (EgressJanusHandle *handle, const char *mid,
                             gboolean is_video, guint n_lost)
{
  guint threshold = handle->session->core->config.slow_link_threshold;
  JsonObject *event;

  if (threshold == 0 || n_lost < threshold)
    return;
  event = new_event (handle, "slowlink", NULL);
  json_object_set_string_member (event, "mid", mid);
  json_object_set_string_member (event, "media", is_video ? "video" : "audio");
  json_object_set_boolean_member (event, "uplink", FALSE);
  json_object_set_int_member (event, "lost", n_lost);
  janus_session_push (handle->session, event);
}
