/* SPDX-License-Identifier: Apache-2.0 */
/* node/rtp-inputs: what --rtp-input may say, and what is said of the rest. */
#include "node/rtp-inputs.h"

#include "node/settings.h"

static GPtrArray *
parse (const char *text, GError **error)
{
  g_auto (GStrv) items = g_strsplit (text, ",", -1);

  return node_rtp_inputs_parse ((const char *const *)items, error);
}

static void
check_address (const WhipRtpTrack *track, const char *expected)
{
  g_autofree char *text = rtc_addr_to_string (&track->place.address);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_good (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) list =
      parse ("cam:video=H264/96@5004,audio=opus/111@5006,"
             "radio:audio=OPUS/97@[::1]:7000,far:video=av1/45@10.0.0.1:9000",
             &error);
  const WhipRtpConfig *cam, *radio, *far;

  g_assert_no_error (error);
  g_assert_cmpuint (list->len, ==, 3);
  cam = list->pdata[0];
  radio = list->pdata[1];
  far = list->pdata[2];
  g_assert_cmpstr (cam->name, ==, "cam");
  g_assert_cmpint (cam->tracks[RTC_MEDIA_VIDEO].info.codec, ==, RTC_CODEC_H264);
  g_assert_cmpuint (cam->tracks[RTC_MEDIA_VIDEO].pt, ==, 96);
  check_address (&cam->tracks[RTC_MEDIA_VIDEO], "127.0.0.1:5004");
  g_assert_cmpuint (cam->tracks[RTC_MEDIA_VIDEO].rtcp_port, ==, 5005);
  g_assert_cmpuint (cam->tracks[RTC_MEDIA_AUDIO].info.channels, ==, 2);
  g_assert_false (radio->tracks[RTC_MEDIA_VIDEO].info.is_present);
  check_address (&radio->tracks[RTC_MEDIA_AUDIO], "[::1]:7000");
  check_address (&far->tracks[RTC_MEDIA_VIDEO], "10.0.0.1:9000");
}

static void
test_rtcp_ports (void)
{
  g_autoptr (GPtrArray) list =
      parse ("a:video=H264/96@5004,audio=opus/111@5005,b:audio=opus/111@65535,"
             "c:video=VP8/96@6000,audio=opus/111@6000",
             NULL);
  const WhipRtpConfig *a = list->pdata[0], *b = list->pdata[1],
                      *c = list->pdata[2];

  g_assert_cmpuint (a->tracks[RTC_MEDIA_VIDEO].rtcp_port, ==, 0);
  g_assert_cmpuint (a->tracks[RTC_MEDIA_AUDIO].rtcp_port, ==, 5006);
  g_assert_cmpuint (b->tracks[RTC_MEDIA_AUDIO].rtcp_port, ==, 0);
  g_assert_cmpuint (c->tracks[RTC_MEDIA_VIDEO].rtcp_port
                        + c->tracks[RTC_MEDIA_AUDIO].rtcp_port,
                    ==, 6001); /* one of them opens it */
}

static void
test_bad (void)
{
  static const char *const bad[] = {
    "cam",
    "video=H264/96@5004",
    ":video=H264/96@5004",
    "c m:video=H264/96@5004",
    "cam:video=H264/96",
    "cam:video=H264@5004",
    "cam:text=H264/96@5004",
    "cam:video=opus/96@5004",
    "cam:audio=H264/96@5004",
    "cam:video=H266/96@5004",
    "cam:video=H264/128@5004",
    "cam:video=H264/-1@5004",
    "cam:video=H264/96@0",
    "cam:video=H264/96@65536",
    "cam:video=H264/96@host:5004",
    "cam:video=H264/96@::1:5004",
    "cam:video=H264/96@[127.0.0.1]:5004",
    "cam:video=H264/96@[:5004",
    "cam:video=H264/96@[]:5004",
    "cam:video=H264/96@5004,video=H264/97@5006",
    "cam:video=H264/96@5004,audio=opus/96@5004",
    "a:video=H264/96@5004,b:video=H264/96@5004",
    "a:video=H264/96@5004,a:audio=opus/111@5006",
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", bad[i]);
      g_assert_null (parse (bad[i], &error));
      g_assert_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD);
      g_assert_true (g_str_has_prefix (error->message, "rtp-input: "));
    }
}

static void
test_limit (void)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  GPtrArray *list;

  for (guint i = 0; i < NODE_MAX_RTP_INPUTS; i++)
    g_string_append_printf (text, "%ss%u:audio=opus/111@%u", i ? "," : "", i,
                            5000 + 2 * i);
  list = parse (text->str, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (list->len, ==, NODE_MAX_RTP_INPUTS);
  g_ptr_array_unref (list);
  g_string_append (text, ",more:audio=opus/111@9000");
  g_assert_null (parse (text->str, &error));
  g_assert_error (error, NODE_SETTINGS_ERROR, NODE_SETTINGS_ERROR_BAD);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/node/rtp-inputs/good", test_good);
  g_test_add_func ("/node/rtp-inputs/rtcp-ports", test_rtcp_ports);
  g_test_add_func ("/node/rtp-inputs/bad", test_bad);
  g_test_add_func ("/node/rtp-inputs/limit", test_limit);
  return g_test_run ();
}
