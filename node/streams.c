/* SPDX-License-Identifier: Apache-2.0 */
/* node/streams: /api/streams, snapshots, and the streams' metrics. */
#include "node/streams.h"

#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "base/json.h"
#include "node/cluster.h"
#include "node/janus.h"
#include "node/log.h"
#include "node/snapshots.h"
#include "relay/link-message.h"

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
  if (kind == RTC_MEDIA_VIDEO && stream)
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
  else if (kind == RTC_MEDIA_AUDIO && track->channels > 0)
    {
      json_builder_set_member_name (json, "channels");
      json_builder_add_int_value (json, track->channels);
    }
  json_builder_end_object (json);
}

/* @info: (nullable); @stream: (nullable): it is not here */
static void
add_tracks (JsonBuilder *json, RelayStream *stream, const RelayStreamInfo *info)
{
  json_builder_set_member_name (json, "tracks");
  json_builder_begin_array (json);
  for (int kind = RTC_MEDIA_N_KINDS - 1; info && kind >= 0; kind--)
    if (info->tracks[kind].is_present)
      add_track (json, stream, kind, &info->tracks[kind]);
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
  return self->parts->gate ? egress_gate_count (self->parts->gate, stream) : 0;
}

/* find_origin: (transfer none) (nullable): the node where it is published */
static const char *
find_origin (NodeStreams *self, const char *name)
{
  ClusterMember *member = node_cluster_get_member (self->parts->cluster);
  const ClusterStream *known = cluster_member_find_stream (member, name);

  return known ? known->origin : NULL;
}

static void
add_origin (JsonBuilder *json, const char *origin)
{
  json_builder_set_member_name (json, "origin");
  if (origin)
    json_builder_add_string_value (json, origin);
  else
    json_builder_add_null_value (json);
}

static void
add_summary (NodeStreams *self, JsonBuilder *json, RelayStream *stream)
{
  gboolean is_live = relay_stream_is_live (stream);
  RelayStreamInfo info;
  gboolean has_info = relay_stream_get_info (stream, &info);
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
  add_tracks (json, stream, has_info ? &info : NULL);
  json_builder_set_member_name (json, "viewers");
  json_builder_add_int_value (json, count_viewers (self, stream));
  json_builder_set_member_name (json, "bitrate");
  json_builder_add_int_value (json, get_bitrate (self, stream));
  add_origin (json, find_origin (self, relay_stream_get_name (stream)));
}

/* add_elsewhere: a stream of the tree that this node does not carry */
static void
add_elsewhere (JsonBuilder *json, const ClusterStream *stream)
{
  RelayStreamInfo info;
  gboolean has_info =
      stream->info && relay_stream_info_from_json (stream->info, &info);

  json_builder_begin_object (json);
  json_builder_set_member_name (json, "name");
  json_builder_add_string_value (json, stream->name);
  json_builder_set_member_name (json, "live");
  json_builder_add_boolean_value (json, TRUE);
  json_builder_set_member_name (json, "since");
  json_builder_add_null_value (json);
  add_tracks (json, NULL, has_info ? &info : NULL);
  json_builder_set_member_name (json, "viewers");
  json_builder_add_int_value (json, 0);
  json_builder_set_member_name (json, "bitrate");
  json_builder_add_int_value (json, 0);
  add_origin (json, stream->origin);
  json_builder_end_object (json);
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
      base_json_add_int (json, "packets", stats.n_packets[kind]);
      base_json_add_int (json, "bytes", stats.n_bytes[kind]);
      base_json_add_int (json, "lost", stats.n_lost[kind]);
      base_json_add_int (json, "repaired", stats.n_repaired[kind]);
      json_builder_end_object (json);
    }
  base_json_add_int (json, "keyframes", stats.n_keyframes);
  base_json_add_int (json, "keyframe_requests", stats.n_keyframe_requests);
  base_json_add_int (json, "b_frames", stats.n_b_frames);
  base_json_add_int (json, "gop_us", stats.gop_us);
  base_json_add_int (json, "publications", stats.n_publications);
  base_json_add_int (json, "h264_profile",
                     relay_stream_get_h264_profile (stream));
  base_json_add_int (json, "worker",
                     rtc_worker_get_index (relay_stream_get_home (stream)));
}

static void
add_stream (NodeStreams *self, JsonBuilder *json, RelayStream *stream,
            gboolean with_stats)
{
  json_builder_begin_object (json);
  add_summary (self, json, stream);
  if (with_stats)
    add_stats (json, stream);
  json_builder_end_object (json);
}

/* compare_at: the streams here and those of the directory, both by name.
 * Returns: < 0: the former's turn; 0: the same stream; > 0: the latter's */
static int
compare_at (GPtrArray *here, guint i, GPtrArray *known, guint j)
{
  if (i == here->len)
    return 1;
  if (j == known->len)
    return -1;
  return strcmp (relay_stream_get_name (here->pdata[i]),
                 ((const ClusterStream *)known->pdata[j])->name);
}

/* is_hidden: no client can ask for it by name, or its maker does not want it
 * to be listed */
static gboolean
is_hidden (NodeStreams *self, const char *name)
{
  return strchr (name, '~')
         || (self->parts->janus
             && node_janus_is_private (self->parts->janus, name));
}

/* build: (transfer full). @with_stats: and only those that are here */
static JsonNode *
build (NodeStreams *self, gboolean with_stats)
{
  ClusterMember *member = node_cluster_get_member (self->parts->cluster);
  g_autoptr (JsonBuilder) json = json_builder_new ();
  g_autoptr (GPtrArray) here = relay_hub_list (self->parts->hub);
  GPtrArray *known = cluster_member_get_streams (member);
  guint i = 0, j = 0;

  json_builder_begin_array (json);
  while (i < here->len || j < known->len)
    {
      int order = compare_at (here, i, known, j);

      const char *name = order <= 0
                             ? relay_stream_get_name (here->pdata[i])
                             : ((const ClusterStream *)known->pdata[j])->name;

      if (!with_stats && is_hidden (self, name))
        i += order <= 0;
      else if (order <= 0)
        add_stream (self, json, here->pdata[i++], with_stats);
      else if (!with_stats)
        add_elsewhere (json, known->pdata[j]);
      if (order >= 0)
        j++;
    }
  json_builder_end_array (json);
  return json_builder_get_root (json);
}

JsonNode *
node_streams_describe (NodeStreams *self)
{
  return build (self, TRUE);
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
  if (!is_allowed (self, msg, name)
      || (name && self->parts->janus
          && !node_janus_check_pin (self->parts->janus, name, msg)))
    return;
  if (name)
    node_snapshots_handle (self->parts, msg, name);
  else
    handle_list (self, msg);
}

/* --- Metrics ---------------------------------------------------------- */

/* One sample of each for every stream: opened once a scrape. */
typedef struct
{
  BaseMetricsGroup *live, *viewers, *gop, *keyframes, *requests, *reordered,
      *publications, *packets, *bytes, *lost, *repaired;
} Groups;

static void
open_groups (BaseMetricsWriter *writer, Groups *ret)
{
#define OPEN(name, type, help)                                                 \
  base_metrics_open (writer, "media_tree_stream_" name, type, help)
  ret->live = OPEN ("live", "gauge", "1 while the stream has a publisher.");
  ret->viewers = OPEN ("viewers", "gauge", "Viewers of the stream.");
  ret->gop =
      OPEN ("gop_seconds", "gauge", "Length of the last group of pictures.");
  ret->keyframes =
      OPEN ("keyframes_total", "counter", "Keyframes of the stream.");
  ret->requests = OPEN ("keyframe_requests_total", "counter",
                        "Keyframe requests sent to the publisher.");
  ret->reordered = OPEN ("reordered_frames_total", "counter",
                         "Frames out of order, which browsers show badly.");
  ret->publications =
      OPEN ("publications_total", "counter", "Publishers the stream has had.");
  ret->packets =
      OPEN ("packets_total", "counter", "RTP packets of the stream.");
  ret->bytes = OPEN ("bytes_total", "counter", "Payload bytes of the stream.");
  ret->lost = OPEN ("lost_packets_total", "counter",
                    "Packets that were never repaired.");
  ret->repaired = OPEN ("repaired_packets_total", "counter",
                        "Packets that came after a NACK.");
#undef OPEN
}

static void
write_tracks (const Groups *groups, const char *label,
              const RelayStreamStats *stats)
{
  for (guint kind = 0; kind < RTC_MEDIA_N_KINDS; kind++)
    {
      g_autofree char *labels =
          g_strconcat (label, ",kind=\"", kind_names[kind], "\"", NULL);

      base_metrics_put (groups->packets, labels,
                        (double)stats->n_packets[kind]);
      base_metrics_put (groups->bytes, labels, (double)stats->n_bytes[kind]);
      base_metrics_put (groups->lost, labels, (double)stats->n_lost[kind]);
      base_metrics_put (groups->repaired, labels,
                        (double)stats->n_repaired[kind]);
    }
}

static void
write_stream (NodeStreams *self, const Groups *groups, RelayStream *stream)
{
  g_autofree char *label =
      base_metrics_label ("stream", relay_stream_get_name (stream));
  RelayStreamStats stats;

  relay_stream_get_stats (stream, &stats);
  base_metrics_put (groups->live, label, relay_stream_is_live (stream));
  base_metrics_put (groups->viewers, label, count_viewers (self, stream));
  base_metrics_put (groups->gop, label,
                    (double)stats.gop_us / (double)BASE_US_PER_S);
  base_metrics_put (groups->keyframes, label, (double)stats.n_keyframes);
  base_metrics_put (groups->requests, label, (double)stats.n_keyframe_requests);
  base_metrics_put (groups->reordered, label, (double)stats.n_b_frames);
  base_metrics_put (groups->publications, label, (double)stats.n_publications);
  write_tracks (groups, label, &stats);
}

static guint
count_live (GPtrArray *streams)
{
  guint n = 0;

  for (guint i = 0; i < streams->len; i++)
    n += relay_stream_is_live (streams->pdata[i]) ? 1 : 0;
  return n;
}

static void
collect (BaseMetricsWriter *writer, gpointer data)
{
  static const char help[] =
      "Streams: live, or waiting for a publisher's return.";
  NodeStreams *self = data;
  g_autoptr (GPtrArray) streams = relay_hub_list (self->parts->hub);
  guint n_live = count_live (streams);
  Groups groups;

  base_metrics_write (writer, "media_tree_streams", "gauge", help,
                      "state=\"live\"", n_live);
  base_metrics_write (writer, "media_tree_streams", "gauge", help,
                      "state=\"idle\"", streams->len - n_live);
  if (streams->len > 0)
    open_groups (writer, &groups);
  for (guint i = 0; i < streams->len; i++)
    {
      RelayStream *stream = g_ptr_array_index (streams, i);

      base_metrics_set_created (writer,
                                relay_stream_get_created_wall_us (stream));
      write_stream (self, &groups, stream);
    }
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
