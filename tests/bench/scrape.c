/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-scrape N: a scrape of N streams by the node's own collectors of
 * streams, publications and viewers, for tests/perf to count instructions.
 * Callgrind collects in scrape_count() only: once in each format, after a first
 * time that made their memory.
 * Prints "bytes N": of both.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "egress/gate.h"
#include "node/sessions.h"
#include "node/streams.h"

typedef struct
{
  NodeParts parts;
  RelayPublication **publications; /* one reference each */
  guint n_streams;
  guint n_live; /* main */
} Scrape;

gsize scrape_count (BaseMetrics *metrics);

__attribute__ ((noinline)) gsize
scrape_count (BaseMetrics *metrics)
{
  g_autofree char *text = base_metrics_render_as (metrics, BASE_METRICS_TEXT);
  g_autofree char *open =
      base_metrics_render_as (metrics, BASE_METRICS_OPENMETRICS);

  return strlen (text) + strlen (open);
}

static void
on_event (RelayHub *hub, RelayStream *stream, RelayHubEvent event,
          gpointer data)
{
  Scrape *self = data;

  self->n_live += event == RELAY_HUB_LIVE;
}

static void
on_keyframe_wanted (gpointer data)
{
}

static void
on_replaced (gpointer data)
{
}

/* home: numbers of as many digits as those of a stream that runs for hours */
static void
begin (gpointer data)
{
  static const guint8 payload[1000] = { 0x65 };
  RelayPublication *publication = data;

  relay_publication_begin (publication);
  for (guint16 seq = 0; seq < 10; seq++)
    relay_publication_push (publication, RTC_MEDIA_VIDEO, seq, seq * 3000u,
                            TRUE, NULL, 0, payload, sizeof payload, FALSE,
                            (seq + 1) * 2 * G_USEC_PER_SEC + seq);
}

static void
add_stream (Scrape *self, guint i)
{
  static const RelayPublicationCallbacks callbacks = { on_keyframe_wanted,
                                                       on_replaced };
  g_autofree char *name = g_strdup_printf ("stream%u", i);
  RelayStream *stream = relay_hub_ensure (self->parts.hub, name, NULL);
  const RelaySent sent = { 123456789, 12345678901 };
  RelayStreamInfo info = { 0 };

  info.tracks[RTC_MEDIA_VIDEO].is_present = TRUE;
  info.tracks[RTC_MEDIA_VIDEO].codec = RTC_CODEC_H264;
  self->publications[i] =
      relay_stream_add_publication (stream, &info, &callbacks, NULL, NULL);
  rtc_worker_post (self->parts.workers[0], begin, self->publications[i], NULL);
  relay_stream_add_sent (stream, 1, RTC_MEDIA_VIDEO, &sent);
}

static void
set_up (Scrape *self, guint n_streams)
{
  static const EgressGateHooks hooks;
  NodeParts *parts = &self->parts;
  g_autoptr (GError) error = NULL;

  self->n_streams = n_streams;
  self->publications = g_new0 (RelayPublication *, n_streams);
  parts->metrics = base_metrics_new ();
  base_metrics_set_common_labels (parts->metrics,
                                  "tree_id=\"main\",node_id=\"node-1\","
                                  "node_type=\"all\"");
  parts->certificate = rtc_certificate_new (&error);
  if (parts->certificate)
    parts->workers[0] =
        rtc_worker_new (0, 0, parts->certificate, parts->metrics, &error);
  if (!parts->workers[0])
    g_error ("%s", error->message);
  parts->n_workers = 1;
  parts->hub = relay_hub_new (parts->workers, 1, 0, parts->metrics);
  parts->gate = egress_gate_new (parts->hub, 1, &hooks, parts->metrics);
  relay_hub_add_listener (parts->hub, on_event, self);
}

static void
tear_down (Scrape *self)
{
  NodeParts *parts = &self->parts;

  rtc_worker_stop (parts->workers[0]);
  for (guint i = 0; i < self->n_streams; i++)
    relay_publication_unref (self->publications[i]);
  egress_gate_free (parts->gate);
  rtc_worker_free (parts->workers[0]);
  relay_hub_free (parts->hub);
  rtc_certificate_unref (parts->certificate);
  base_metrics_free (parts->metrics);
  g_free (self->publications);
}

int
main (int argc, char **argv)
{
  guint n_streams = argc > 1 ? (guint)strtoul (argv[1], NULL, 10) : 1000;
  Scrape self = { 0 };
  NodeSessions *sessions;
  NodeStreams *streams;

  if (n_streams < 1 || n_streams > RELAY_HUB_MAX_STREAMS)
    {
      fprintf (stderr, "bench-scrape: 1 to %d streams\n",
               RELAY_HUB_MAX_STREAMS);
      return 1;
    }
  set_up (&self, n_streams);
  streams = node_streams_new (&self.parts);
  sessions = node_sessions_new (self.parts.hub, self.parts.metrics,
                                NODE_METRICS_MAX_STREAMS);
  for (guint i = 0; i < n_streams; i++)
    add_stream (&self, i);
  while (self.n_live < n_streams)
    g_main_context_iteration (NULL, TRUE);
  scrape_count (self.parts.metrics);
  printf ("bytes %zu\n", scrape_count (self.parts.metrics));
  node_sessions_free (sessions);
  node_streams_free (streams);
  tear_down (&self);
  return 0;
}
