/* SPDX-License-Identifier: Apache-2.0 */
/* egress/viewer-stats: see the header. */
#include "egress/viewer-stats.h"

#include "base/clock.h"
#include "egress/log.h"

void
egress_viewer_stats_fill (const EgressViewerStats *stats, gint64 created_us,
                          JsonObject *object)
{
  if (stats->connected_us > 0)
    json_object_set_double_member (object, "connect_seconds",
                                   (double)(stats->connected_us - created_us)
                                       / BASE_US_PER_S);
  if (stats->first_video_us > 0)
    json_object_set_double_member (object, "first_video_seconds",
                                   (double)(stats->first_video_us - created_us)
                                       / BASE_US_PER_S);
  json_object_set_int_member (object, "packets", (gint64)stats->n_packets);
  json_object_set_int_member (object, "bytes", (gint64)stats->n_bytes);
  json_object_set_int_member (object, "nacked", (gint64)stats->n_nacked);
  json_object_set_int_member (object, "rtx", (gint64)stats->n_rtx);
  json_object_set_int_member (object, "rtx_refused",
                              (gint64)stats->n_rtx_refused);
  json_object_set_int_member (object, "plis", (gint64)stats->n_plis);
  json_object_set_int_member (object, "frames_dropped",
                              (gint64)stats->n_frames_dropped);
  json_object_set_int_member (object, "lost", stats->n_lost);
  json_object_set_double_member (object, "loss_ratio",
                                 stats->fraction_lost_256 / 256.0);
  json_object_set_double_member (object, "jitter_seconds",
                                 stats->jitter_us / 1e6);
  json_object_set_double_member (object, "rtt_seconds", stats->rtt_us / 1e6);
  json_object_set_boolean_member (object, "tcp", stats->is_tcp);
  json_object_set_boolean_member (object, "catching_up", stats->is_catching_up);
}

void
egress_viewer_stats_log (const EgressViewerStats *stats, const char *session,
                         const char *stream, gint64 created_us, gint64 join_us,
                         const char *why)
{
  double seconds = (double)(base_clock_now_us () - created_us) / BASE_US_PER_S;

  if (join_us < 0)
    GST_INFO ("session=%s stream=%s seconds=%.1f viewer gone, never connected: "
              "%s",
              session, stream, seconds, why);
  else
    GST_INFO ("session=%s stream=%s seconds=%.1f join_ms=%" G_GINT64_FORMAT
              " packets=%" G_GUINT64_FORMAT " lost=%" G_GINT64_FORMAT
              " repaired=%" G_GUINT64_FORMAT " rtt_ms=%u viewer gone: %s",
              session, stream, seconds, join_us / BASE_US_PER_MS,
              stats->n_packets, stats->n_lost, stats->n_rtx,
              stats->rtt_us / (guint)BASE_US_PER_MS, why);
}
