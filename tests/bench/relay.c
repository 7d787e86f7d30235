/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench-relay: streams of plain RTP in, links out: what a node with children
 * does, without HTTP and a store. One worker. Prints its relay port.
 *   Stream i, "bench<i>", at the ports + i * stride.
 */
#include "relay/link-server.h"
#include "rtc/dtls.h"
#include "whip/rtp-input.h"

#include <glib-unix.h>
#include <stdio.h>

typedef struct
{
  GMainLoop *loop;
  RelayLinkKeys *keys;
} Bench;

static int opt_video, opt_audio, opt_streams = 1, opt_stride = 8;
static int opt_children = 64;
static char *opt_secret;

static GOptionEntry entries[] = {
  { "video", 0, 0, G_OPTION_ARG_INT, &opt_video, "H264, 96", "PORT" },
  { "audio", 0, 0, G_OPTION_ARG_INT, &opt_audio, "Opus, 111", "PORT" },
  { "streams", 0, 0, G_OPTION_ARG_INT, &opt_streams, "how many", "N" },
  { "stride", 0, 0, G_OPTION_ARG_INT, &opt_stride, "ports a stream", "N" },
  { "children", 0, 0, G_OPTION_ARG_INT, &opt_children, "of a stream", "N" },
  { "secret", 0, 0, G_OPTION_ARG_STRING, &opt_secret, "of the cluster", "S" },
  { NULL }
};

/* As a node does when the directory has answered. */
static void
on_hub_event (RelayHub *hub, RelayStream *stream, RelayHubEvent event,
              gpointer data)
{
  Bench *self = data;
  RelayTreeInfo tree = { .epoch = 1, .n_path = 1 };

  if (event != RELAY_HUB_LIVE
      || !relay_stream_get_publication_id (stream, tree.id))
    return;
  g_strlcpy (tree.path[0], "bench", sizeof tree.path[0]);
  tree.media = relay_link_media_new (self->keys, relay_stream_get_name (stream),
                                     tree.id);
  relay_stream_post_tree (stream, &tree);
  relay_link_media_unref (tree.media);
}

static WhipRtpInput *
add_input (RelayHub *hub, int i)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *name = g_strdup_printf ("bench%d", i);
  WhipRtpConfig config = { .name = name };
  WhipRtpInput *input;

  config.tracks[RTC_MEDIA_VIDEO].info = (RelayTrackInfo){
    .is_present = TRUE, .codec = RTC_CODEC_H264, .fmtp = "packetization-mode=1"
  };
  config.tracks[RTC_MEDIA_VIDEO].pt = 96;
  rtc_addr_from_string ("127.0.0.1", (guint)(opt_video + i * opt_stride),
                        &config.tracks[RTC_MEDIA_VIDEO].place.address);
  config.tracks[RTC_MEDIA_AUDIO].info = (RelayTrackInfo){
    .is_present = TRUE, .codec = RTC_CODEC_OPUS, .channels = 2
  };
  config.tracks[RTC_MEDIA_AUDIO].pt = 111;
  rtc_addr_from_string ("127.0.0.1", (guint)(opt_audio + i * opt_stride),
                        &config.tracks[RTC_MEDIA_AUDIO].place.address);
  input = whip_rtp_input_new (hub, &config, &error);
  if (input == NULL)
    g_error ("bench-relay: %s", error->message);
  return input;
}

static gboolean
on_signal (gpointer data)
{
  g_main_loop_quit (((Bench *)data)->loop);
  return G_SOURCE_CONTINUE;
}

static RelayLinkServer *
new_server (Bench *self, RelayHub *hub, RtcWorker **worker)
{
  g_autoptr (GError) error = NULL;
  RelayLinkServerConfig config = { .hub = hub,
                                   .workers = worker,
                                   .n_workers = 1,
                                   .keys = self->keys,
                                   .node_id = "bench",
                                   .max_children = (guint)opt_children };
  RelayLinkServer *server;

  rtc_addr_from_string ("127.0.0.1", 0, &config.address);
  server = relay_link_server_new (&config, &error);
  if (server == NULL)
    g_error ("bench-relay: %s", error->message);
  return server;
}

int
main (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) inputs = g_ptr_array_new ();
  static const guint8 boot_id[RELAY_ID_BYTES] = { 1 };
  Bench self = { 0 };
  RtcCertificate *certificate;
  RtcWorker *worker;
  RelayHub *hub;
  RelayLinkServer *server;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || !opt_video
      || !opt_audio || !opt_secret)
    {
      fprintf (stderr, "bench-relay: %s\n",
               error ? error->message : "see --help");
      return 2;
    }
  certificate = rtc_certificate_new (NULL);
  worker = rtc_worker_new (0, 0, certificate, NULL, &error);
  if (worker == NULL)
    g_error ("bench-relay: %s", error->message);
  self.loop = g_main_loop_new (NULL, FALSE);
  self.keys = relay_link_keys_new (opt_secret, boot_id);
  hub = relay_hub_new (&worker, 1, G_USEC_PER_SEC, NULL);
  relay_hub_add_listener (hub, on_hub_event, &self);
  server = new_server (&self, hub, &worker);
  for (int i = 0; i < opt_streams; i++)
    g_ptr_array_add (inputs, add_input (hub, i));
  printf ("{\"port\": %u}\n", relay_link_server_get_port (server));
  fflush (stdout);
  g_unix_signal_add (SIGTERM, on_signal, &self);
  g_unix_signal_add (SIGINT, on_signal, &self);
  g_main_loop_run (self.loop);

  for (guint i = 0; i < inputs->len; i++)
    whip_rtp_input_free (inputs->pdata[i]);
  rtc_worker_stop (worker);
  relay_link_server_free (server);
  rtc_worker_free (worker);
  relay_hub_free (hub);
  relay_link_keys_free (self.keys);
  rtc_certificate_unref (certificate);
  base_mailbox_clear_main ();
  g_main_loop_unref (self.loop);
  return 0;
}
