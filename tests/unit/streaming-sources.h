/* SPDX-License-Identifier: Apache-2.0 */
/*
 * StreamingFixture's struct, and the hooks of its mountpoints: sources that
 * are opened now, later or not at all, and send nothing.
 */
#pragma once

#include <string.h>

#include "egress/streaming.h"

#define STREAMING_PORT 20000 /* the first that the hooks give away */

typedef struct
{
  RelayPublication *publication; /* owned reference */
  gboolean is_begun;
} StreamingSource;

typedef struct
{
  RtcCertificate *certificate;
  RtcWorker *worker;
  RtcAddresses *addresses;
  RelayHub *hub;
  BaseAuth *auth;
  BaseMetrics *metrics;
  EgressGate *gate;
  EgressMountpoints *mountpoints;
  EgressStreaming *streaming;
  EgressJanus *core;
  EgressJanusTransport transport;
  guint64 session_id, handle_id;
  JsonObject *reply; /* owned: to the last request */
  GQueue events;     /* of JsonObject, owned: not looked at yet */
  char *text;        /* owned: what the last helper returned */
  char *sdp;         /* owned: of the last event with jsep */
  const char *token; /* (nullable): goes with requests */
  /* the hooks */
  GHashTable *sources; /* stream's name -> StreamingSource, owned */
  guint n_ports, n_closed;
  gboolean opens_later;
  const char *open_error;
  EgressMountpointSpec *opening; /* owned: while opens_later */
  char *opening_stream;
  EgressMountpointOpened opened;
  gpointer opened_data;
  GPtrArray *listed; /* of char *: streams of the tree, owned */
  gboolean has_age;
  int n_enabled; /* last set_enabled */
} StreamingFixture;

/* --- sources ------------------------------------------------------------ */

static void
streaming_on_nothing (gpointer data)
{
}

static void
streaming_begin (gpointer data)
{
  relay_publication_begin (data);
}

static void
streaming_end (gpointer data)
{
  relay_publication_end (data);
  relay_publication_unref (data);
}

static inline void
streaming_source_free (gpointer data)
{
  StreamingSource *source = data;

  if (!source->is_begun)
    relay_publication_unref (source->publication);
  g_free (source);
}

static inline RelayStreamInfo
streaming_info (RtcCodec audio, RtcCodec video)
{
  RelayStreamInfo info = { 0 };

  info.tracks[RTC_MEDIA_AUDIO].is_present = audio != RTC_CODEC_NONE;
  info.tracks[RTC_MEDIA_AUDIO].codec = audio;
  info.tracks[RTC_MEDIA_AUDIO].channels = 2;
  info.tracks[RTC_MEDIA_VIDEO].is_present = video != RTC_CODEC_NONE;
  info.tracks[RTC_MEDIA_VIDEO].codec = video;
  return info;
}

static inline void
streaming_add_source (StreamingFixture *f, const char *name,
                      const RelayStreamInfo *info)
{
  static const RelayPublicationCallbacks callbacks = {
    .on_keyframe_wanted = streaming_on_nothing,
    .on_replaced = streaming_on_nothing
  };
  StreamingSource *source = g_new0 (StreamingSource, 1);
  g_autoptr (GError) error = NULL;
  RelayStream *stream = relay_hub_ensure (f->hub, name, &error);

  g_assert_no_error (error);
  source->publication =
      relay_stream_add_publication (stream, info, &callbacks, f, NULL);
  g_hash_table_insert (f->sources, g_strdup (name), source);
}

/* packets come from now on */
static inline void
streaming_go_live (StreamingFixture *f, const char *name)
{
  StreamingSource *source = g_hash_table_lookup (f->sources, name);
  RelayStream *stream = relay_hub_lookup (f->hub, name);

  g_assert_nonnull (source);
  source->is_begun = TRUE;
  rtc_worker_post (f->worker, streaming_begin, source->publication, NULL);
  while (!relay_stream_is_live (stream))
    g_main_context_iteration (NULL, TRUE);
}

static inline void
streaming_end_source (StreamingFixture *f, const char *name)
{
  StreamingSource *source = g_hash_table_lookup (f->sources, name);

  if (source != NULL && source->is_begun)
    rtc_worker_post (f->worker, streaming_end, source->publication, NULL);
  g_hash_table_remove (f->sources, name);
}

/* a stream that somebody publishes by WHIP */
static inline void
streaming_publish (StreamingFixture *f, const char *name, RtcCodec audio,
                   RtcCodec video)
{
  RelayStreamInfo info = streaming_info (audio, video);

  streaming_add_source (f, name, &info);
  streaming_go_live (f, name);
  g_ptr_array_add (f->listed, g_strdup (name));
}

/* --- hooks -------------------------------------------------------------- */

static inline void
streaming_finish_open (StreamingFixture *f, const EgressMountpointSpec *spec,
                       const char *stream, EgressMountpointOpened done,
                       gpointer done_data)
{
  EgressMountpointPorts ports = { 0 };
  RelayStreamInfo info = { 0 };

  if (f->open_error != NULL)
    {
      g_autoptr (GError) error = g_error_new_literal (
          EGRESS_STREAMING_ERROR, EGRESS_STREAMING_CANT_CREATE, f->open_error);

      done (NULL, NULL, error, done_data);
      return;
    }
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      const EgressMountpointMedia *media = &spec->media[k];

      info.tracks[k].is_present = media->is_present;
      info.tracks[k].codec = media->codec;
      for (guint i = 0; media->is_present && i < media->n_ports; i++)
        ports.ports[k][i] = media->ports[i] != 0
                                ? media->ports[i]
                                : STREAMING_PORT + f->n_ports++;
      if (media->is_present && media->rtcp_port >= 0)
        ports.rtcp_ports[k] = STREAMING_PORT + f->n_ports++;
    }
  if (spec->kind != EGRESS_MOUNTPOINT_RTP)
    info = streaming_info (RTC_CODEC_OPUS, RTC_CODEC_VP8);
  for (guint i = 0; i < MAX (1, spec->media[RTC_MEDIA_VIDEO].n_ports); i++)
    {
      g_autofree char *name =
          strchr (stream, '~') != NULL
              ? g_strdup (stream)
              : egress_mountpoint_rendition_name (
                  stream, i, MAX (1, spec->media[RTC_MEDIA_VIDEO].n_ports));

      streaming_add_source (f, name, &info);
    }
  done (&ports, &info, NULL, done_data);
}

static void
streaming_on_open_private (const EgressMountpointSpec *spec, const char *stream,
                           EgressMountpointOpened done, gpointer done_data,
                           gpointer data)
{
  StreamingFixture *f = data;

  if (!f->opens_later)
    {
      streaming_finish_open (f, spec, stream, done, done_data);
      return;
    }
  g_assert_null (f->opening);
  f->opening = egress_mountpoint_spec_copy (spec);
  f->opening_stream = g_strdup (stream);
  f->opened = done;
  f->opened_data = done_data;
}

static void
streaming_on_open (const EgressMountpointSpec *spec,
                   EgressMountpointOpened done, gpointer done_data,
                   gpointer data)
{
  streaming_on_open_private (spec, spec->id, done, done_data, data);
}

static inline void
streaming_open_now (StreamingFixture *f)
{
  g_autoptr (EgressMountpointSpec) spec = g_steal_pointer (&f->opening);
  g_autofree char *stream = g_steal_pointer (&f->opening_stream);

  g_assert_nonnull (spec);
  f->opens_later = FALSE;
  streaming_finish_open (f, spec, stream, f->opened, f->opened_data);
}

static void
streaming_on_close (const char *stream, gpointer data)
{
  StreamingFixture *f = data;

  f->n_closed++;
  streaming_end_source (f, stream);
  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *name = g_strdup_printf ("%s~%u", stream, i);

      streaming_end_source (f, name);
    }
}

static void
streaming_on_set_enabled (const char *stream, gboolean is_enabled,
                          gpointer data)
{
  ((StreamingFixture *)data)->n_enabled = is_enabled;
}

static gboolean
streaming_on_get_age (const char *stream, RtcMediaKind kind, gint64 *ret_age_us,
                      gpointer data)
{
  *ret_age_us = 7000;
  return ((StreamingFixture *)data)->has_age;
}

static void
streaming_on_share (const EgressMountpointSpec *spec, EgressMountpointDone done,
                    gpointer done_data, gpointer data)
{
  done (NULL, done_data);
}

static void
streaming_on_unshare (const char *id, gpointer data)
{
}

static void
streaming_listed_free (gpointer data)
{
  EgressStreamListed *listed = data;

  g_free (listed->name);
  g_free (listed);
}

static GPtrArray *
streaming_on_list_streams (gpointer data)
{
  StreamingFixture *f = data;
  GPtrArray *list = g_ptr_array_new_with_free_func (streaming_listed_free);

  for (guint i = 0; i < f->listed->len; i++)
    {
      RelayStream *stream = relay_hub_lookup (f->hub, f->listed->pdata[i]);
      EgressStreamListed *listed;

      if (stream == NULL || !relay_stream_is_live (stream))
        continue;
      listed = g_new0 (EgressStreamListed, 1);
      listed->name = g_strdup (f->listed->pdata[i]);
      listed->is_live = TRUE;
      relay_stream_get_info (stream, &listed->info);
      g_ptr_array_add (list, listed);
    }
  return list;
}
