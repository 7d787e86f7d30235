/* SPDX-License-Identifier: Apache-2.0 */
/* EgressPeer by its main-thread side: offers of ours, restarts, switches, and
 * what the gate counts of it. */
#include "egress/negotiate.h"
#include "egress/peer.h"
#include "viewer-fixture.h"

typedef struct
{
  ViewerFixture viewer; /* streams a, b, c; its own viewer is not made */
  EgressGate *gate;
  RtcAddresses *addresses;
  EgressPeerConfig config;
  EgressPeer *peer;
  guint n_connected, n_ended;
} Fixture;

static void
set_up (Fixture *f, gconstpointer max_viewers)
{
  static const char *const public[] = { "127.0.0.1", NULL };
  EgressGateHooks hooks = { 0 };
  g_autoptr (GError) error = NULL;

  viewer_set_up (&f->viewer, GINT_TO_POINTER (RTC_CODEC_VP8));
  /* the hub tells main that they are live */
  while (!relay_stream_is_live (f->viewer.sources[VIEWER_STREAMS - 1].stream))
    g_main_context_iteration (NULL, TRUE);
  f->addresses = rtc_addresses_new (public, &error);
  g_assert_no_error (error);
  f->gate = egress_gate_new (f->viewer.hub, GPOINTER_TO_UINT (max_viewers),
                             &hooks, f->viewer.metrics);
  f->config = (EgressPeerConfig){ .gate = f->gate,
                                  .hub = f->viewer.hub,
                                  .certificate = f->viewer.certificate,
                                  .addresses = f->addresses,
                                  .repair = TRUE,
                                  .join_rate_bps = 100 * 1000 * 1000,
                                  .playout_delay_min_ms = -1,
                                  .playout_delay_max_ms = -1 };
}

/* Its viewer outlives it by some mail. */
static void
close_peer (Fixture *f)
{
  egress_peer_close (g_steal_pointer (&f->peer), RTC_CLOSE_LOCAL);
  viewer_media (&f->viewer, viewer_nothing, NULL);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  if (f->peer)
    close_peer (f);
  viewer_tear_down (&f->viewer, data);
  egress_gate_free (f->gate);
  rtc_addresses_free (f->addresses);
}

static void
on_connected (EgressPeer *peer, gint64 join_us, gpointer data)
{
  ((Fixture *)data)->n_connected++;
}

static void
on_ended (EgressPeer *peer, RtcCloseReason reason, gpointer data)
{
  ((Fixture *)data)->n_ended++;
}

static void
make_peer (Fixture *f, const EgressSources *sources,
           const RelayStreamInfo *info)
{
  static const EgressPeerCallbacks callbacks = { .on_connected = on_connected,
                                                 .on_ended = on_ended };
  EgressPeerParams params = { .sources = *sources,
                              .info = info,
                              .wants = { TRUE, TRUE },
                              .mids = { "a", "v" },
                              .msids = { "janus", "janus" },
                              .session_name = "Mountpoint 2",
                              .log_id = "test",
                              .peer_is_loopback = TRUE };

  f->peer = egress_peer_new (&f->config, &params, &callbacks, f);
}

static RtcSdp *
parse (const char *text, gboolean is_offer)
{
  g_autoptr (GError) error = NULL;
  RtcSdp *sdp = rtc_sdp_parse (text, is_offer, &error);

  g_assert_no_error (error);
  return sdp;
}

/* make_answer: to our offer, as a viewer's that takes everything */
static RtcSdp *
make_answer (const RtcSdp *offer, const char *ufrag)
{
  g_autofree char *text = rtc_sdp_to_string (offer);
  RtcSdp *answer = parse (text, TRUE);

  for (guint i = 0; i < answer->media->len; i++)
    ((RtcSdpMedia *)answer->media->pdata[i])->direction = RTC_DIR_RECVONLY;
  answer->setup = RTC_SETUP_ACTIVE;
  g_free (answer->ice_ufrag);
  answer->ice_ufrag = g_strdup (ufrag);
  return answer;
}

static EgressGateTotals
totals (Fixture *f)
{
  EgressGateTotals ret;

  egress_gate_get_totals (f->gate, &ret);
  return ret;
}

static void
connect_peer (Fixture *f)
{
  viewer_connect (&f->viewer);
  while (f->n_connected == 0)
    g_main_context_iteration (NULL, TRUE);
}

/* offer and answer: the Janus way in */
static RtcSdp *
agree (Fixture *f, guint source)
{
  EgressSources sources = viewer_sources (&f->viewer, source);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autoptr (RtcSdp) answer = NULL;
  RtcSdp *offer;

  make_peer (f, &sources, NULL);
  text = egress_peer_offer (f->peer, &error);
  g_assert_no_error (error);
  g_assert_true (egress_peer_is_waiting (f->peer));
  g_assert_null (egress_peer_restart_offer (f->peer));
  offer = parse (text, TRUE);
  answer = make_answer (offer, "hisufrag");
  g_assert_true (egress_peer_accept (f->peer, answer, &error));
  g_assert_false (egress_peer_is_waiting (f->peer));
  return offer;
}

/* and media */
static RtcSdp *
join (Fixture *f, guint source)
{
  RtcSdp *offer = agree (f, source);

  connect_peer (f);
  return offer;
}

static void
do_close (ViewerFixture *f, gpointer reason)
{
  GQueue *transports = rtc_worker_get_transports (f->running);

  if (transports->head)
    rtc_transport_close (transports->head->data,
                         (RtcCloseReason)GPOINTER_TO_INT (reason));
}

static void
end_transport (Fixture *f, RtcCloseReason reason)
{
  f->n_ended = 0;
  for (guint i = 0; i < VIEWER_WORKERS; i++)
    viewer_run (&f->viewer, f->viewer.workers[i], do_close,
                GINT_TO_POINTER (reason));
  while (f->n_ended == 0)
    g_main_context_iteration (NULL, TRUE);
  close_peer (f);
}

/* who counts as failed by our fault: whose connection did not come about */
static void
test_failures (Fixture *f, gconstpointer data)
{
  static const struct
  {
    RtcCloseReason reason;
    guint n_failures;
  } rows[] = {
    { RTC_CLOSE_ICE_TIMEOUT, 1 }, { RTC_CLOSE_DTLS_FAILED, 2 },
    { RTC_CLOSE_LIMIT, 3 },       { RTC_CLOSE_PEER, 3 },
    { RTC_CLOSE_FINGERPRINT, 3 },
  };
  g_autoptr (RtcSdp) joined = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (RtcSdp) offer = agree (f, 0);

      end_transport (f, rows[i].reason);
      g_assert_cmpuint (totals (f).n_failures, ==, rows[i].n_failures);
      g_assert_cmpuint (totals (f).n_leaves, ==, i + 1);
    }
  joined = join (f, 0); /* later it is no join that fails */
  end_transport (f, RTC_CLOSE_CONSENT);
  g_assert_cmpuint (totals (f).n_failures, ==, 3);
  g_assert_cmpuint (base_metrics_get_sum (f->viewer.metrics,
                                          "media_tree_join_failures_total"),
                    ==, 3);
}

static void
test_offer (Fixture *f, gconstpointer data)
{
  RelayStream *stream = f->viewer.sources[0].stream;
  g_autoptr (RtcSdp) offer = join (f, 0);
  EgressViewerStats stats;

  g_assert_cmpstr (offer->session_name, ==, "Mountpoint 2");
  g_assert_cmpuint (offer->candidates->len, >, 0);
  g_assert_cmpuint (offer->session_version, ==, 1);
  g_assert_cmpuint (egress_gate_count (f->gate, stream), ==, 1);
  g_assert_cmpuint (egress_gate_get_n_viewers (f->gate, "a"), ==, 1);
  g_assert_cmpuint (egress_gate_get_n_viewers (f->gate, NULL), ==, 1);
  g_assert_cmpuint (totals (f).n_viewers, ==, 1);
  g_assert_cmpuint (totals (f).n_joins, ==, 1);
  viewer_gop (&f->viewer, 0, 3, base_clock_now_us ());
  g_assert_cmpuint (viewer_receive (&f->viewer), >=, 6);
  g_assert_true (egress_peer_get_stats (f->peer, &stats));
  close_peer (f);
  g_assert_cmpuint (egress_gate_count (f->gate, stream), ==, 0);
  g_assert_cmpuint (totals (f).n_viewers, ==, 0);
  g_assert_cmpuint (totals (f).n_leaves, ==, 1);
  g_assert_cmpuint (f->n_ended, ==, 0);
}

/* J49: new credentials, the next version, the same media. */
static void
test_restart (Fixture *f, gconstpointer data)
{
  g_autoptr (RtcSdp) offer = join (f, 0);
  g_autofree char *text = egress_peer_restart_offer (f->peer);
  g_autoptr (RtcSdp) again = parse (text, TRUE);
  g_autoptr (RtcSdp) answer = make_answer (again, "another");
  g_autoptr (GError) error = NULL;
  const RtcSdpMedia *before = offer->media->pdata[1];
  const RtcSdpMedia *after = again->media->pdata[1];

  g_assert_true (egress_peer_is_waiting (f->peer));
  g_assert_cmpuint (again->session_id, ==, offer->session_id);
  g_assert_cmpuint (again->session_version, ==, 2);
  g_assert_cmpstr (again->ice_ufrag, !=, offer->ice_ufrag);
  g_assert_cmpstr (again->ice_pwd, !=, offer->ice_pwd);
  g_assert_cmpuint (after->ssrcs[0], ==, before->ssrcs[0]);
  g_assert_true (egress_peer_accept (f->peer, answer, &error));
  g_assert_cmpstr (egress_peer_get_remote_ufrag (f->peer), ==, "another");
  g_assert_false (egress_peer_is_waiting (f->peer));
  g_assert_cmpuint (totals (f).n_joins, ==, 1);
}

static void
test_refused_answer (Fixture *f, gconstpointer data)
{
  EgressSources sources = viewer_sources (&f->viewer, 0);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autoptr (RtcSdp) offer = NULL, answer = NULL;

  make_peer (f, &sources, NULL);
  text = egress_peer_offer (f->peer, NULL);
  offer = parse (text, TRUE);
  answer = make_answer (offer, "hisufrag");
  g_ptr_array_set_size (answer->media, 1);
  g_assert_false (egress_peer_accept (f->peer, answer, &error));
  g_assert_error (error, EGRESS_NEGOTIATE_ERROR, EGRESS_NEGOTIATE_ERROR_ANSWER);
  g_assert_true (egress_peer_is_waiting (f->peer)); /* for a better one */
}

/* Nothing has come yet: what it will carry is known all the same. */
static void
test_idle (Fixture *f, gconstpointer data)
{
  RelayStream *idle = relay_hub_ensure (f->viewer.hub, "idle", NULL);
  EgressSources sources = { .audio = idle, .video = { idle }, .n_video = 1 };
  RelayStreamInfo info = { 0 };
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autoptr (RtcSdp) offer = NULL;

  make_peer (f, &sources, NULL);
  g_assert_null (egress_peer_offer (f->peer, &error));
  g_assert_error (error, EGRESS_NEGOTIATE_ERROR, EGRESS_NEGOTIATE_ERROR_MEDIA);
  g_assert_cmpuint (totals (f).n_viewers, ==, 0);
  close_peer (f);
  info.tracks[RTC_MEDIA_VIDEO].is_present = TRUE;
  info.tracks[RTC_MEDIA_VIDEO].codec = RTC_CODEC_H264;
  make_peer (f, &sources, &info);
  text = egress_peer_offer (f->peer, NULL);
  offer = parse (text, TRUE);
  g_assert_cmpuint (offer->media->len, ==, 1);
  g_assert_cmpint (((RtcSdpMedia *)offer->media->pdata[0])->kind, ==,
                   RTC_MEDIA_VIDEO);
  close_peer (f);
}

static void
test_switch (Fixture *f, gconstpointer data)
{
  EgressSources other = viewer_sources (&f->viewer, 1);
  g_autoptr (RtcSdp) offer = join (f, 0);
  guint32 ssrc = ((RtcSdpMedia *)offer->media->pdata[1])->ssrcs[0];
  g_autoptr (GError) error = NULL;
  ViewerGot last;

  viewer_gop (&f->viewer, 0, 3, base_clock_now_us ());
  viewer_receive (&f->viewer);
  last = *viewer_last (&f->viewer, ssrc);
  viewer_gop (&f->viewer, 1, 3, base_clock_now_us ());
  g_assert_true (egress_peer_switch (f->peer, &other, &error));
  g_assert_true (egress_peer_get_stream (f->peer) == other.audio);
  g_assert_cmpuint (egress_gate_get_n_viewers (f->gate, "a"), ==, 0);
  g_assert_cmpuint (egress_gate_get_n_viewers (f->gate, "b"), ==, 1);
  g_assert_cmpuint (totals (f).n_joins, ==, 1);
  viewer_media (&f->viewer, viewer_nothing, NULL);
  viewer_receive (&f->viewer);
  g_assert_cmpuint (viewer_next (&f->viewer, ssrc, NULL)->seq, ==,
                    (guint16)(last.seq + 1));
}

/* What was agreed on holds. */
static void
test_switch_codec (Fixture *f, gconstpointer data)
{
  static const RelayPublicationCallbacks callbacks = {
    viewer_on_keyframe_wanted, viewer_on_keyframe_wanted
  };
  g_autoptr (RtcSdp) offer = join (f, 0);
  RelayStream *stream = relay_hub_ensure (f->viewer.hub, "h264", NULL);
  EgressSources other = { .video = { stream }, .n_video = 1 };
  RelayStreamInfo info = { 0 };
  RelayPublication *publication;
  g_autoptr (GError) error = NULL;

  info.tracks[RTC_MEDIA_VIDEO].is_present = TRUE;
  info.tracks[RTC_MEDIA_VIDEO].codec = RTC_CODEC_H264;
  publication =
      relay_stream_add_publication (stream, &info, &callbacks, NULL, NULL);
  viewer_run (&f->viewer, relay_stream_get_home (stream), viewer_do_begin,
              publication);
  while (!relay_stream_is_live (stream))
    g_main_context_iteration (NULL, TRUE);
  g_assert_false (egress_peer_switch (f->peer, &other, &error));
  g_assert_error (error, EGRESS_NEGOTIATE_ERROR, EGRESS_NEGOTIATE_ERROR_CODEC);
  g_assert_cmpuint (egress_gate_get_n_viewers (f->gate, "a"), ==, 1);
  viewer_run (&f->viewer, relay_stream_get_home (stream), viewer_do_end,
              publication);
  relay_publication_unref (publication);
}

/* --- the gate's limits ---------------------------------------------------- */

static void
test_full (Fixture *f, gconstpointer data)
{
  g_autoptr (RtcSdp) offer = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (egress_gate_want (f->gate, "a", &error));
  g_assert_null (egress_gate_want (f->gate, "nobody", &error));
  g_assert_error (error, EGRESS_GATE_ERROR, EGRESS_GATE_ERROR_NOT_LIVE);
  g_assert_cmpstr (egress_gate_error_code (error), ==, "stream-not-live");
  g_clear_error (&error);
  offer = join (f, 0);
  g_assert_null (egress_gate_want (f->gate, "a", &error));
  g_assert_error (error, EGRESS_GATE_ERROR, EGRESS_GATE_ERROR_FULL);
  g_assert_cmpstr (egress_gate_error_code (error), ==, "server-full");
  g_clear_error (&error);
  g_assert_cmpuint (totals (f).n_refused, ==, 1);
  /* who is in may change */
  g_assert_nonnull (egress_gate_find (f->gate, "b", &error));
  g_assert_null (egress_gate_find (f->gate, "nobody", &error));
  g_assert_error (error, EGRESS_GATE_ERROR, EGRESS_GATE_ERROR_NOT_LIVE);
  g_assert_cmpuint (totals (f).n_refused, ==, 1);
}

#define ADD(name, max, func)                                                   \
  g_test_add ("/egress/peer/" name, Fixture, GUINT_TO_POINTER (max), set_up,   \
              func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("offer", 10, test_offer);
  ADD ("restart", 10, test_restart);
  ADD ("refused-answer", 10, test_refused_answer);
  ADD ("idle", 10, test_idle);
  ADD ("switch", 10, test_switch);
  ADD ("failures", 10, test_failures);
  ADD ("switch-codec", 10, test_switch_codec);
  ADD ("full", 1, test_full);
  return g_test_run ();
}
