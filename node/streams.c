/* SPDX-License-Identifier: Apache-2.0 */
/* node/streams: /api/streams, snapshots, and the streams' metrics. */
#include "node/streams.h"

#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "node/log.h"

#define PREFIX "/api/streams"
#define SNAPSHOT "/snapshot.jpg"
#define LIST_MAX_AGE_US (BASE_US_PER_S / 2)
#define N_SAMPLES 4 /* a second apart: the bitrate's window */

typedef struct
{
  gint64 at_us[N_SAMPLES];
  gint64 n_bytes[N_SAMPLES];
  guint n; /* samples ever taken */
  gint64 bitrate_bps;
  guint turn; /* of the last sample: who missed one is forgotten */
} Rate;

struct _NodeStreams
{
  const NodeParts *parts; /* borrowed */
  GHashTable *rates;      /* owned: name -> Rate */
  guint turn;
  char *list; /* owned (nullable): the last answer */
  gint64 list_at_us;
};

static const char *const kind_names[RTC_MEDIA_N_KINDS] = {
  [RTC_MEDIA_AUDIO] = "audio",
  [RTC_MEDIA_VIDEO] = "video",
};

static void
on_hub_event (RelayHub *hub, RelayStream *stream, RelayHubEvent event,
              gpointer data)
{
  NodeStreams *self = data;

  g_clear_pointer (&self->list, g_free);
}

/* --- Bitrate --------------------------------------------------------- */

static void
rate_sample (Rate *rate, gint64 now_us, gint64 n_bytes)
{
  guint slot = rate->n % N_SAMPLES;
  guint oldest = rate->n < N_SAMPLES ? 0 : slot;

  if (rate->n > 0 && now_us > rate->at_us[oldest])
    rate->bitrate_bps = (n_bytes - rate->n_bytes[oldest]) * 8 * BASE_US_PER_S
                        / (now_us - rate->at_us[oldest]);
  rate->at_us[slot] = now_us;
  rate->n_bytes[slot] = n_bytes;
  rate->n++;
}

void
node_streams_sample (NodeStreams *self, gint64 now_us)
{
  g_autoptr (GPtrArray) streams = relay_hub_list (self->parts->hub);
  GHashTableIter iter;
  gpointer value;

  self->turn++;
  for (guint i = 0; i < streams->len; i++)
    {
      RelayStream *stream = g_ptr_array_index (streams, i);
      const char *name = relay_stream_get_name (stream);
      Rate *rate = g_hash_table_lookup (self->rates, name);
      RelayStreamStats stats;

      if (!rate)
        {
          rate = g_new0 (Rate, 1);
          g_hash_table_insert (self->rates, g_strdup (name), rate);
        }
      relay_stream_get_stats (stream, &stats);
      rate_sample (rate, now_us,
                   stats.n_bytes[RTC_MEDIA_AUDIO]
                       + stats.n_bytes[RTC_MEDIA_VIDEO]);
      rate->turn = self->turn;
    }
  g_hash_table_iter_init (&iter, self->rates);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    if (((Rate *)value)->turn != self->turn)
      g_hash_table_iter_remove (&iter);
}

static gint64
get_bitrate (NodeStreams *self, RelayStream *stream)
{
  Rate *rate =
      g_hash_table_lookup (self->rates, relay_stream_get_name (stream));

  return rate && relay_stream_is_live (stream) ? MAX (rate->bitrate_bps, 0) : 0;
}

/* --- JSON ------------------------------------------------------------- */

static void
add_track (JsonBuilder *json, RelayStream *stream, RtcMediaKind kind,
           const RelayTrackInfo *track)
{
  guint width_px = 0, height_px = 0;

  json_builder_begin_object (json);
  json_builder_set_member_name (json, "kind");
  json_builder_add_string_value (json, kind_names[kind]);
  json_builder_set_member_name (json, "codec");
  json_builder_add_string_value (json, rtc_codec_name (track->codec));
  if (kind == RTC_MEDIA_VIDEO)
    {
      relay_stream_get_size (stream, &width_px, &height_px);
      if (width_px > 0 && height_px > 0)
        {
          json_builder_set_member_name (json, "width");
          json_builder_add_int_value (json, width_px);
          json_builder_set_member_name (json, "height");
          json_builder_add_int_value (json, height_px);
        }
    }
  else if (track->channels > 0)
    {
      json_builder_set_member_name (json, "channels");
      json_builder_add_int_value (json, track->channels);
    }
  json_builder_end_object (json);
}

static void
add_tracks (JsonBuilder *json, RelayStream *stream)
{
  RelayStreamInfo info;

  json_builder_set_member_name (json, "tracks");
  json_builder_begin_array (json);
  if (relay_stream_get_info (stream, &info))
    for (int kind = RTC_MEDIA_N_KINDS - 1; kind >= 0; kind--)
      if (info.tracks[kind].is_present)
        add_track (json, stream, kind, &info.tracks[kind]);
  json_builder_end_array (json);
}

/* dup_time: (transfer full): RFC 3339, of a monotonic time */
static char *
dup_time (gint64 monotonic_us)
{
  gint64 wall_us =
      base_clock_wall_us () - (base_clock_now_us () - monotonic_us);
  g_autoptr (GDateTime) time =
      g_date_time_new_from_unix_utc (wall_us / BASE_US_PER_S);

  return time ? g_date_time_format_iso8601 (time) : g_strdup ("");
}

static guint
count_viewers (NodeStreams *self, RelayStream *stream)
{
  return self->parts->whep ? egress_whep_get_n_viewers (
             self->parts->whep, relay_stream_get_name (stream))
                           : 0;
}

static void
add_summary (NodeStreams *self, JsonBuilder *json, RelayStream *stream)
{
  gboolean is_live = relay_stream_is_live (stream);
  g_autofree char *since =
      is_live ? dup_time (relay_stream_get_live_since_us (stream)) : NULL;

  json_builder_set_member_name (json, "name");
  json_builder_add_string_value (json, relay_stream_get_name (stream));
  json_builder_set_member_name (json, "live");
  json_builder_add_boolean_value (json, is_live);
  json_builder_set_member_name (json, "since");
  if (since)
    json_builder_add_string_value (json, since);
  else
    json_builder_add_null_value (json);
  add_tracks (json, stream);
  json_builder_set_member_name (json, "viewers");
  json_builder_add_int_value (json, count_viewers (self, stream));
  json_builder_set_member_name (json, "bitrate");
  json_builder_add_int_value (json, get_bitrate (self, stream));
}

static void
add_int (JsonBuilder *json, const char *name, gint64 value)
{
  json_builder_set_member_name (json, name);
  json_builder_add_int_value (json, value);
}

static void
add_stats (JsonBuilder *json, RelayStream *stream)
{
  RelayStreamStats stats;

  relay_stream_get_stats (stream, &stats);
  for (guint kind = 0; kind < RTC_MEDIA_N_KINDS; kind++)
    {
      json_builder_set_member_name (json, kind_names[kind]);
      json_builder_begin_object (json);
      add_int (json, "packets", stats.n_packets[kind]);
      add_int (json, "bytes", stats.n_bytes[kind]);
      add_int (json, "lost", stats.n_lost[kind]);
      add_int (json, "repaired", stats.n_repaired[kind]);
      json_builder_end_object (json);
    }
  add_int (json, "keyframes", stats.n_keyframes);
  add_int (json, "keyframe_requests", stats.n_keyframe_requests);
  add_int (json, "b_frames", stats.n_b_frames);
  add_int (json, "gop_us", stats.gop_us);
  add_int (json, "publications", stats.n_publications);
  add_int (json, "h264_profile", relay_stream_get_h264_profile (stream));
  add_int (json, "worker",
           rtc_worker_get_index (relay_stream_get_home (stream)));
}

static int
compare_streams (gconstpointer a, gconstpointer b)
{
  RelayStream *const *left = a, *const *right = b;

  return strcmp (relay_stream_get_name (*left), relay_stream_get_name (*right));
}

/* build: (transfer full) */
static JsonNode *
build (NodeStreams *self, gboolean with_stats)
{
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (GPtrArray) streams = relay_hub_list (self->parts->hub);

  g_ptr_array_sort (streams, compare_streams);
  json_builder_begin_array (json);
  for (guint i = 0; i < streams->len; i++)
    {
      RelayStream *stream = g_ptr_array_index (streams, i);

      json_builder_begin_object (json);
      add_summary (self, json, stream);
      if (with_stats)
        add_stats (json, stream);
      json_builder_end_object (json);
    }
  json_builder_end_array (json);
  return json_builder_get_root (json);
}

JsonNode *
node_streams_describe (NodeStreams *self)
{
  return build (self, TRUE);
}

/* --- Snapshot --------------------------------------------------------- */

typedef struct
{
  EgressSnapshot *snapshot; /* borrowed from NodeParts */
  SoupServerMessage *msg;   /* owned */
  gboolean is_gone;         /* the client has left */
} SnapshotRequest;

static void
on_snapshot_client_gone (SoupServerMessage *msg, gpointer data)
{
  SnapshotRequest *request = data;

  request->is_gone = TRUE;
}

static void
answer_snapshot_error (SoupServerMessage *msg, const GError *error)
{
  guint status = SOUP_STATUS_SERVICE_UNAVAILABLE;
  const char *code = "snapshot-failed";

  if (g_error_matches (error, EGRESS_SNAPSHOT_ERROR,
                       EGRESS_SNAPSHOT_ERROR_NO_VIDEO))
    {
      status = SOUP_STATUS_NOT_FOUND;
      code = "snapshot-no-video";
    }
  else if (g_error_matches (error, EGRESS_SNAPSHOT_ERROR,
                            EGRESS_SNAPSHOT_ERROR_NO_KEYFRAME))
    code = "snapshot-no-keyframe";
  else if (g_error_matches (error, EGRESS_SNAPSHOT_ERROR,
                            EGRESS_SNAPSHOT_ERROR_BUSY))
    code = "snapshot-busy";
  base_http_problem (msg, status, code, "%s", error->message);
  if (status == SOUP_STATUS_SERVICE_UNAVAILABLE)
    base_http_retry_after (msg, 2);
}

static void
on_snapshot (GObject *source, GAsyncResult *result, gpointer data)
{
  SnapshotRequest *request = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) jpeg =
      egress_snapshot_take_finish (request->snapshot, result, &error);

  g_signal_handlers_disconnect_by_data (request->msg, request);
  if (!request->is_gone)
    {
      if (jpeg)
        {
          SoupMessageHeaders *headers =
              soup_server_message_get_response_headers (request->msg);
          gsize n_bytes;
          const char *bytes = g_bytes_get_data (jpeg, &n_bytes);

          soup_message_headers_replace (headers, "Cache-Control",
                                        "private, max-age=5");
          soup_server_message_set_status (request->msg, SOUP_STATUS_OK, NULL);
          soup_server_message_set_response (request->msg, "image/jpeg",
                                            SOUP_MEMORY_COPY, bytes, n_bytes);
        }
      else
        answer_snapshot_error (request->msg, error);
      soup_server_message_unpause (request->msg);
    }
  g_object_unref (request->msg);
  g_free (request);
}

static void
handle_snapshot (NodeStreams *self, SoupServerMessage *msg, const char *name)
{
  RelayStream *stream = relay_hub_lookup (self->parts->hub, name);
  SnapshotRequest *request;

  if (!stream)
    {
      base_http_problem (msg, SOUP_STATUS_NOT_FOUND, "stream-not-found",
                         "There is no stream \"%s\" here.", name);
      return;
    }
  request = g_new0 (SnapshotRequest, 1);
  request->snapshot = self->parts->snapshot;
  request->msg = g_object_ref (msg);
  g_signal_connect (msg, "finished", G_CALLBACK (on_snapshot_client_gone),
                    request);
  soup_server_message_pause (msg);
  egress_snapshot_take_async (self->parts->snapshot, stream, on_snapshot,
                              request);
}

/* --- HTTP ------------------------------------------------------------- */

static void
handle_list (NodeStreams *self, SoupServerMessage *msg)
{
  gint64 now_us = base_clock_now_us ();

  if (!self->list || now_us - self->list_at_us > LIST_MAX_AGE_US)
    {
      JsonNode *root = build (self, FALSE);

      g_free (self->list);
      self->list = json_to_string (root, FALSE);
      self->list_at_us = now_us;
      json_node_unref (root);
    }
  soup_message_headers_replace (soup_server_message_get_response_headers (msg),
                                "Cache-Control", "no-store");
  base_http_text (msg, SOUP_STATUS_OK, "application/json", self->list);
}

/* is_allowed: watchers and admins; answers @msg when neither. An admin
 * surface without a secret opens nothing here: "missing" says it has one. */
static gboolean
is_allowed (NodeStreams *self, SoupServerMessage *msg, const char *stream)
{
  BaseAuth *auth = self->parts->auth;

  if (base_auth_check_token (auth, BASE_AUTH_ADMIN, NULL, NULL, 0)
          == BASE_AUTH_MISSING
      && base_auth_check_request (auth, BASE_AUTH_ADMIN, NULL, msg)
             == BASE_AUTH_OK)
    return TRUE;
  return base_auth_require (auth, BASE_AUTH_WATCH, stream, msg);
}

/* dup_snapshot_name: (transfer full) (nullable): {name} of a snapshot's path */
static char *
dup_snapshot_name (const char *rest)
{
  g_autofree char *name = NULL;

  if (rest[0] != '/' || !g_str_has_suffix (rest, SNAPSHOT)
      || strlen (rest) <= strlen (SNAPSHOT))
    return NULL;
  name = g_strndup (rest + 1, strlen (rest) - 1 - strlen (SNAPSHOT));
  return base_stream_name_is_valid (name) ? g_steal_pointer (&name) : NULL;
}

void
node_streams_handle (NodeStreams *self, SoupServerMessage *msg,
                     const char *path)
{
  const char *rest = path + strlen (PREFIX);
  g_autofree char *name = dup_snapshot_name (rest);
  const char *method = soup_server_message_get_method (msg);

  if (!name && *rest != '\0' && !g_str_equal (rest, "/"))
    {
      base_http_problem (msg, SOUP_STATUS_NOT_FOUND, "not-found",
                         "There is nothing at this address.");
      return;
    }
  if (!g_str_equal (method, "GET") && !g_str_equal (method, "HEAD"))
    {
      base_http_problem (msg, SOUP_STATUS_METHOD_NOT_ALLOWED,
                         "method-not-allowed", "This can only be read.");
      soup_message_headers_replace (
          soup_server_message_get_response_headers (msg), "Allow", "GET, HEAD");
      return;
    }
  if (!is_allowed (self, msg, name))
    return;
  if (name)
    handle_snapshot (self, msg, name);
  else
    handle_list (self, msg);
}

/* --- Metrics ---------------------------------------------------------- */

static void
write_tracks (BaseMetricsWriter *writer, const char *label,
              const RelayStreamStats *stats)
{
  for (guint kind = 0; kind < RTC_MEDIA_N_KINDS; kind++)
    {
      g_autofree char *labels =
          g_strdup_printf ("%s,kind=\"%s\"", label, kind_names[kind]);

      base_metrics_write (writer, "media_tree_stream_packets_total", "counter",
                          "RTP packets of the stream.", labels,
                          (double)stats->n_packets[kind]);
      base_metrics_write (writer, "media_tree_stream_bytes_total", "counter",
                          "Payload bytes of the stream.", labels,
                          (double)stats->n_bytes[kind]);
      base_metrics_write (writer, "media_tree_stream_lost_packets_total",
                          "counter", "Packets that were never repaired.",
                          labels, (double)stats->n_lost[kind]);
      base_metrics_write (writer, "media_tree_stream_repaired_packets_total",
                          "counter", "Packets that came after a NACK.", labels,
                          (double)stats->n_repaired[kind]);
    }
}

static void
write_stream (NodeStreams *self, BaseMetricsWriter *writer, RelayStream *stream)
{
  g_autofree char *label =
      base_metrics_label ("stream", relay_stream_get_name (stream));
  RelayStreamStats stats;

  relay_stream_get_stats (stream, &stats);
  base_metrics_write (writer, "media_tree_stream_live", "gauge",
                      "1 while the stream has a publisher.", label,
                      relay_stream_is_live (stream));
  base_metrics_write (writer, "media_tree_stream_viewers", "gauge",
                      "Viewers of the stream.", label,
                      count_viewers (self, stream));
  base_metrics_write (writer, "media_tree_stream_gop_seconds", "gauge",
                      "Length of the last group of pictures.", label,
                      (double)stats.gop_us / (double)BASE_US_PER_S);
  base_metrics_write (writer, "media_tree_stream_keyframes_total", "counter",
                      "Keyframes of the stream.", label,
                      (double)stats.n_keyframes);
  base_metrics_write (writer, "media_tree_stream_keyframe_requests_total",
                      "counter", "Keyframe requests sent to the publisher.",
                      label, (double)stats.n_keyframe_requests);
  base_metrics_write (writer, "media_tree_stream_b_frames_total", "counter",
                      "Frames out of order, which browsers show badly.", label,
                      (double)stats.n_b_frames);
  base_metrics_write (writer, "media_tree_stream_publications_total", "counter",
                      "Publishers the stream has had.", label,
                      (double)stats.n_publications);
  write_tracks (writer, label, &stats);
}

static void
collect (BaseMetricsWriter *writer, gpointer data)
{
  NodeStreams *self = data;
  g_autoptr (GPtrArray) streams = relay_hub_list (self->parts->hub);
  guint n_live = 0;

  for (guint i = 0; i < streams->len; i++)
    {
      RelayStream *stream = g_ptr_array_index (streams, i);

      n_live += relay_stream_is_live (stream) ? 1 : 0;
      write_stream (self, writer, stream);
    }
  base_metrics_write (writer, "media_tree_streams", "gauge",
                      "Streams: live, or waiting for a publisher's return.",
                      "state=\"live\"", n_live);
  base_metrics_write (writer, "media_tree_streams", "gauge",
                      "Streams: live, or waiting for a publisher's return.",
                      "state=\"idle\"", streams->len - n_live);
}

NodeStreams *
node_streams_new (const NodeParts *parts)
{
  NodeStreams *self = g_new0 (NodeStreams, 1);

  self->parts = parts;
  self->rates = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  relay_hub_add_listener (parts->hub, on_hub_event, self);
  base_metrics_add_collector (parts->metrics, collect, self);
  return self;
}

void
node_streams_free (NodeStreams *self)
{
  g_return_if_fail (self);
  relay_hub_remove_listener (self->parts->hub, on_hub_event, self);
  g_hash_table_unref (self->rates);
  g_free (self->list);
  g_free (self);
}
