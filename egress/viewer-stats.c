/* SPDX-License-Identifier: Apache-2.0 */
/* egress/viewer-stats: see the header; and what viewers report, as metrics. */
#include "egress/viewer-stats.h"

#include "base/clock.h"
#include "egress/log.h"
#include "egress/viewer-private.h"
#include "relay/hub.h"

static struct
{
  BaseCounter *lost[RTC_MEDIA_N_KINDS];
  BaseHistogram *jitter[RTC_MEDIA_N_KINDS], *loss[RTC_MEDIA_N_KINDS], *rtt;
} reports; /* set once before any viewer, then only read */

void
egress_viewer_register_report_metrics (BaseMetrics *metrics)
{
  static const char *const kinds[] = { "audio", "video" };
  static const double seconds[] = { 0.001, 0.002, 0.005, 0.01, 0.02, 0.05,
                                    0.1,   0.2,   0.5,   1,    2,    5 };
  static const double ratios[] = { 0, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5 };

  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    {
      g_autofree char *label = base_metrics_label ("stream_type", kinds[k]);
      g_autofree char *lost = g_strconcat (label, ",from=\"viewer\"", NULL);

      reports.lost[k] = base_metrics_add_counter (
          metrics, RELAY_PACKETS_LOST, lost, RELAY_PACKETS_LOST_HELP);
      reports.jitter[k] = base_metrics_add_histogram (
          metrics, "media_tree_viewer_jitter_seconds", label,
          "Jitter of arrival at viewers, of each receiver report.", seconds,
          G_N_ELEMENTS (seconds));
      reports.loss[k] = base_metrics_add_histogram (
          metrics, "media_tree_viewer_loss_ratio", label,
          "Packets missing at viewers since the last report, before repair, "
          "of each receiver report.",
          ratios, G_N_ELEMENTS (ratios));
    }
  reports.rtt = base_metrics_add_histogram (
      metrics, "media_tree_viewer_rtt_seconds", NULL,
      "Round trip to viewers, of each receiver report.", seconds,
      G_N_ELEMENTS (seconds));
}

void
egress_viewer_count_report (EgressViewer *self, RtcMediaKind kind,
                            gboolean has_rtt)
{
  const EgressKindStats *stats = &self->stats.kinds[kind];
  gint64 *told = &self->n_lost_told[kind];

  /* it falls when a packet comes late or twice: a counter must not */
  if (stats->n_lost > *told)
    {
      base_counter_add (reports.lost[kind], stats->n_lost - *told);
      *told = stats->n_lost;
    }
  base_histogram_observe (reports.jitter[kind], stats->jitter_us / 1e6);
  base_histogram_observe (reports.loss[kind], stats->fraction_lost_256 / 256.0);
  if (has_rtt)
    base_histogram_observe (reports.rtt, self->stats.rtt_us / 1e6);
}

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
