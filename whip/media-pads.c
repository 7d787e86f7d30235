/* SPDX-License-Identifier: Apache-2.0 */
/* WhipMediaRun's pads: which are taken, and where their packets go. All of it
 * on GStreamer's threads. */
#include "whip/media-run-private.h"

#include <gst/app/gstappsink.h>
#include <string.h>

#include "rtc/rtcp.h"
#include "whip/log.h"

#define MTU_BYTES 1200
#define MAX_CLOCK_NS (G_GUINT64_CONSTANT (500000000)) /* between tellings */

/* --- Packets ------------------------------------------------------------ */

/* advance: @ns: running time of a packet whose picture may have many */
static void
advance (WhipMediaBranch *branch, guint64 ns)
{
  if (branch->has_last && ns > branch->last_ns)
    branch->step_ns = ns - branch->last_ns;
  if (!branch->has_last || ns > branch->last_ns)
    branch->last_ns = ns;
  branch->has_last = TRUE;
}

/* stamp: a file's packet gets its place on the timeline */
static void
stamp (WhipMediaBranch *branch, guint8 *data, guint64 ns)
{
  WhipMediaTimeline *timeline = branch->run->timeline;
  guint16 n = timeline->tracks[branch->kind].seq++, seq = g_htons (n);
  guint32 ssrc = g_htonl (timeline->tracks[branch->kind].ssrc);
  guint32 rtp_ts =
      timeline->tracks[branch->kind].rtp_ts
      + (guint32)gst_util_uint64_scale_round (
          timeline->offset_ns + ns,
          rtc_codec_clock_hz (branch->track.info.codec), GST_SECOND);

  rtp_ts = g_htonl (rtp_ts);
  memcpy (data + 2, &seq, sizeof seq);
  memcpy (data + 4, &rtp_ts, sizeof rtp_ts);
  memcpy (data + 8, &ssrc, sizeof ssrc);
}

/* tell_clock: now and then what the source's clock says. 0 = not now */
static guint64
tell_clock (WhipMediaBranch *branch, guint64 ns)
{
  WhipMediaRun *run = branch->run;

  if (branch->told_ns && ns < branch->told_ns + MAX_CLOCK_NS)
    return 0;
  branch->told_ns = MAX (ns, 1);
  if (whip_media_run_is_file (run))
    return rtc_ntp_from_wall_us (
        run->timeline->wall_us
        + (gint64)((run->timeline->offset_ns + ns) / 1000));
  return rtc_ntp_from_wall_us (run->start_wall_us + (gint64)(ns / 1000));
}

static void
take_buffer (WhipMediaBranch *branch, GstBuffer *buffer,
             const GstSegment *segment)
{
  GstClockTime pts = GST_BUFFER_PTS_IS_VALID (buffer) ? GST_BUFFER_PTS (buffer)
                                                      : GST_BUFFER_DTS (buffer);
  guint64 ns = gst_segment_to_running_time (segment, GST_FORMAT_TIME, pts);
  guint8 packet[RTC_MAX_PACKET_BYTES];
  gsize len = gst_buffer_get_size (buffer);
  gboolean has_time = ns != GST_CLOCK_TIME_NONE;

  if (len > sizeof packet)
    len = 0; /* counted by the queue */
  gst_buffer_extract (buffer, 0, packet, len);
  if (!has_time)
    ns = branch->last_ns;
  advance (branch, ns);
  if (whip_media_run_is_file (branch->run) && len >= 12)
    stamp (branch, packet, ns);
  whip_media_queue_push (branch->run->queue, branch->kind, packet, len,
                         has_time ? tell_clock (branch, ns) : 0);
}

static GstFlowReturn
on_sample (GstAppSink *sink, gpointer data)
{
  GstSample *sample = gst_app_sink_pull_sample (sink);
  WhipMediaBranch *branch = data;

  if (!sample)
    return GST_FLOW_EOS;
  g_mutex_lock (&branch->run->lock);
  if (gst_sample_get_buffer (sample) && gst_sample_get_segment (sample))
    take_buffer (branch, gst_sample_get_buffer (sample),
                 gst_sample_get_segment (sample));
  g_mutex_unlock (&branch->run->lock);
  gst_sample_unref (sample);
  return GST_FLOW_OK;
}

/* --- Pads --------------------------------------------------------------- */

/* refuse: with the lock. @what: wanted, and nothing that browsers play */
static void
refuse (WhipMediaRun *self, RtcMediaKind kind, const char *what)
{
  if (!self->refused)
    self->refused = g_strdup_printf (
        "its %s is %s, which is not passed on (H264, H265, VP8, VP9, AV1, "
        "Opus are)",
        kind == RTC_MEDIA_VIDEO ? "video" : "audio", what);
}

static WhipMediaBranch *
claim (WhipMediaRun *self, RtcMediaKind kind, const WhipMediaTrack *track,
       const char *what)
{
  WhipMediaBranch *branch = &self->branches[kind];
  gboolean is_ours = FALSE;

  if (!self->config->wants[kind])
    return NULL;
  g_mutex_lock (&self->lock);
  if (!branch->is_used && track->info.is_present)
    {
      branch->is_used = is_ours = TRUE;
      branch->track = *track;
    }
  else if (!branch->is_used)
    refuse (self, kind, what);
  g_mutex_unlock (&self->lock);
  return is_ours ? branch : NULL;
}

static GstElement *
make_sink (WhipMediaBranch *branch)
{
  static GstAppSinkCallbacks callbacks = { .new_sample = on_sample };
  gboolean is_paced = whip_media_run_is_file (branch->run);
  GstElement *sink = gst_element_factory_make ("appsink", NULL);

  g_object_set (sink, "sync", is_paced, "async", is_paced, "max-buffers", 64,
                NULL);
  gst_app_sink_set_callbacks (GST_APP_SINK (sink), &callbacks, branch, NULL);
  return sink;
}

static void
link_pads (GstPad *from, GstElement *to)
{
  GstPad *pad = gst_element_get_static_pad (to, "sink");

  if (gst_pad_link (from, pad) != GST_PAD_LINK_OK)
    GST_DEBUG ("pad of %s cannot be linked", GST_OBJECT_NAME (to));
  gst_object_unref (pad);
}

/* rtspsrc: is the stream taken? */
gboolean
whip_media_run_on_select_stream (GstElement *source, guint number,
                                 GstCaps *caps, gpointer data)
{
  WhipMediaRun *self = data;
  WhipMediaTrack track;
  RtcMediaKind kind;
  const char *what;

  return whip_media_caps_read_rtp (caps, &kind, &track, &what)
         && claim (self, kind, &track, what) != NULL;
}

void
whip_media_run_on_rtsp_pad (GstElement *source, GstPad *pad, gpointer data)
{
  WhipMediaRun *self = data;
  GstCaps *caps = gst_pad_get_current_caps (pad);
  GstElement *sink = NULL;
  WhipMediaTrack track;
  RtcMediaKind kind;
  const char *what;

  if (!caps)
    caps = gst_pad_query_caps (pad, NULL);
  g_mutex_lock (&self->lock);
  if (whip_media_caps_read_rtp (caps, &kind, &track, &what)
      && self->branches[kind].is_used && !self->branches[kind].sink)
    sink = self->branches[kind].sink = make_sink (&self->branches[kind]);
  g_mutex_unlock (&self->lock);
  gst_caps_unref (caps);
  if (!sink)
    return;
  gst_bin_add (GST_BIN (self->pipeline), sink);
  gst_element_sync_state_with_parent (sink);
  link_pads (pad, sink);
}

/* add_chain: multiqueue ! [parser !] payloader ! appsink */
static void
add_chain (WhipMediaRun *self, WhipMediaBranch *branch, GstPad *pad,
           const WhipMediaPayloader *with)
{
  GstElement *payloader = gst_element_factory_make (with->payloader, NULL);
  GstElement *parser =
      with->parser ? gst_element_factory_make (with->parser, NULL) : NULL;
  GstElement *first = parser ? parser : payloader, *sink = make_sink (branch);
  g_autofree char *name = NULL;
  const char *number;
  GstPad *in, *out;

  g_mutex_lock (&self->lock);
  branch->sink = sink; /* our own thread looks when all has prerolled */
  g_mutex_unlock (&self->lock);
  g_object_set (payloader, "mtu", MTU_BYTES, "pt", (guint)branch->track.pt,
                NULL);
  if (with->has_config_interval)
    g_object_set (payloader, "config-interval", -1, NULL);
  gst_bin_add_many (GST_BIN (self->pipeline), payloader, sink, NULL);
  gst_element_link (payloader, sink);
  if (parser)
    {
      gst_bin_add (GST_BIN (self->pipeline), parser);
      gst_element_link (parser, payloader);
      gst_element_sync_state_with_parent (parser);
    }
  gst_element_sync_state_with_parent (sink);
  gst_element_sync_state_with_parent (payloader);
  in = gst_element_request_pad_simple (self->multiqueue, "sink_%u");
  number = strrchr (GST_OBJECT_NAME (in), '_');
  name = g_strconcat ("src", number, NULL);
  out = gst_element_get_static_pad (self->multiqueue, name);
  link_pads (out, first);
  gst_pad_link (pad, in);
  gst_object_unref (in);
  gst_object_unref (out);
}

void
whip_media_run_on_file_pad (GstElement *parsebin, GstPad *pad, gpointer data)
{
  WhipMediaRun *self = data;
  GstCaps *caps = gst_pad_get_current_caps (pad);
  const WhipMediaPayloader *with;
  WhipMediaTrack track;
  RtcMediaKind kind;
  const char *what;
  WhipMediaBranch *branch;

  if (!caps)
    caps = gst_pad_query_caps (pad, NULL);
  if (whip_media_caps_read_parsed (caps, &kind, &track, &with, &what)
      && (branch = claim (self, kind, &track, what)))
    add_chain (self, branch, pad, with);
  gst_caps_unref (caps);
}
