/* SPDX-License-Identifier: Apache-2.0 */
/* relay/link-message: each type there and back at its bounds; everything cut,
 * odd or too large is refused. */
#include "relay/link-message.h"

#include <string.h>

#define MAX_BYTES RELAY_LINK_MAX_BODY_BYTES
#define MAX_NUMBER G_GUINT64_CONSTANT (0xffffffffffff)
#define NAME_64                                                                \
  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdeF"

/* on the heap, so that a sanitizer sees a read past its end */
static gboolean
read_exact (const guint8 *body, gsize len, RelayLinkMessage *ret)
{
  g_autofree guint8 *copy = g_memdup2 (body, len);

  return relay_link_message_read (copy != NULL ? copy : (guint8 *)"", len, ret);
}

/* There and back; every cut is refused; padding of zeros is taken, other bytes
 * are not. @message: zeroed where nothing is set. Returns: bytes */
static gsize
check (const RelayLinkMessage *message, guint8 *body)
{
  RelayLinkMessage got;
  gsize len = relay_link_message_write (message, body);
  guint8 again[MAX_BYTES];

  g_assert_cmpuint (len, >=, 5);
  g_assert_true (read_exact (body, len, &got));
  g_assert_cmpmem (&got, sizeof got, message, sizeof *message);
  g_assert_cmpuint (relay_link_message_write (&got, again), ==, len);
  g_assert_cmpmem (again, len, body, len);
  for (gsize l = 0; l < len; l++)
    g_assert_false (read_exact (body, l, &got));
  if (len < MAX_BYTES)
    {
      memcpy (again, body, len);
      memset (again + len, 0, MAX_BYTES - len);
      g_assert_true (read_exact (again, MAX_BYTES, &got));
      g_assert_cmpmem (&got, sizeof got, message, sizeof *message);
      again[MAX_BYTES - 1] = 1;
      g_assert_false (read_exact (again, MAX_BYTES, &got));
      again[MAX_BYTES - 1] = 0;
      again[len] = 1;
      g_assert_false (read_exact (again, len + 1, &got));
    }
  return len;
}

static RelayLinkMessage
make_subscribe (const char *stream, const char *node)
{
  RelayLinkMessage m;

  memset (&m, 0, sizeof m);
  m.type = RELAY_LINK_SUBSCRIBE;
  m.subscription = 0x01020304;
  memset (m.subscribe.cookie, 0xcc, sizeof m.subscribe.cookie);
  m.subscribe.start = RELAY_LINK_START_FROM;
  m.subscribe.from[0] = 0x010203040506;
  m.subscribe.from[1] = MAX_NUMBER;
  m.subscribe.sent_us = 0xfffffffe;
  m.subscribe.rtt_us = 0x11223344;
  m.subscribe.jitter_us = 0x55667788;
  m.subscribe.reports[0] = (RelayLinkReport){ MAX_NUMBER, 1, 2, 3 };
  m.subscribe.reports[1] =
      (RelayLinkReport){ 0x0a0b0c, G_MAXUINT32, G_MAXUINT32, G_MAXUINT32 };
  strcpy (m.subscribe.stream, stream);
  strcpy (m.subscribe.node, node);
  return m;
}

static void
test_subscribe (void)
{
  RelayLinkMessage m = make_subscribe ("stage-1", "egress.7"), got;
  guint8 body[MAX_BYTES];
  gsize len = check (&m, body);

  /* LINKS.md's table, byte by byte */
  g_assert_cmpuint (len, ==, 5 + 16 + 1 + 16 + 12 + 40 + 8 + 9);
  g_assert_cmpmem (body, 6, "\1\1\2\3\4\xcc", 6);
  g_assert_cmpmem (body + 20, 18,
                   "\xcc\2\0\0\1\2\3\4\5\6\0\0\xff\xff\xff\xff\xff\xff", 18);
  g_assert_cmpmem (body + 38, 12,
                   "\xff\xff\xff\xfe\x11\x22\x33\x44\x55\x66\x77\x88", 12);
  g_assert_cmpmem (body + 50, 20,
                   "\0\0\xff\xff\xff\xff\xff\xff\0\0\0\1\0\0\0\2\0\0\0\3", 20);
  g_assert_cmpmem (body + 90, 17, "\7stage-1\10egress.7", 17);

  body[21] = RELAY_LINK_START_FROM + 1;
  g_assert_false (read_exact (body, len, &got));
  body[21] = RELAY_LINK_START_GOP;
  g_assert_true (read_exact (body, len, &got));
  body[23] = 1; /* from: 49 bits and more */
  g_assert_false (read_exact (body, len, &got));

  m = make_subscribe (NAME_64, NAME_64);
  check (&m, body);
  m = make_subscribe ("a", "b");
  check (&m, body);
  m.subscribe.from[0] = MAX_NUMBER + 1;
  g_assert_cmpuint (relay_link_message_write (&m, body), ==, 0);
}

/* What is no name is neither written nor read. */
static void
test_names (void)
{
  static const char *const bad[] = { "",    ".",    "..",       "a/b",
                                     "a b", "a\nb", "\xc3\xa9", "a\"" };
  RelayLinkMessage m, got;
  guint8 body[MAX_BYTES];
  gsize len;

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      m = make_subscribe ("abc", bad[i]);
      g_assert_cmpuint (relay_link_message_write (&m, body), ==, 0);
      m = make_subscribe (bad[i], "abc");
      g_assert_cmpuint (relay_link_message_write (&m, body), ==, 0);
      /* as somebody else might write it */
      m = make_subscribe ("abc", "n");
      len = relay_link_message_write (&m, body) - 6;
      body[len++] = (guint8)strlen (bad[i]);
      memcpy (body + len, bad[i], strlen (bad[i]));
      len += strlen (bad[i]);
      body[len++] = 1;
      body[len++] = 'n';
      g_assert_false (read_exact (body, len, &got));
    }
  m = make_subscribe ("abc", "n");
  len = relay_link_message_write (&m, body);
  body[len - 4] = 0; /* a NUL inside */
  g_assert_false (read_exact (body, len, &got));
  /* one character too long */
  m = make_subscribe ("n", NAME_64);
  len = relay_link_message_write (&m, body);
  body[len - 65]++;
  body[len] = 'x';
  g_assert_false (read_exact (body, len + 1, &got));
}

static void
test_small (void)
{
  static const RelayLinkType plain[] = { RELAY_LINK_KEYFRAME,
                                         RELAY_LINK_LEAVE };
  static const RelayLinkType reasons[] = { RELAY_LINK_REFUSE, RELAY_LINK_BYE };
  RelayLinkMessage m, got;
  guint8 body[MAX_BYTES];

  for (guint i = 0; i < G_N_ELEMENTS (plain); i++)
    {
      memset (&m, 0, sizeof m);
      m.type = plain[i];
      m.subscription = G_MAXUINT32;
      g_assert_cmpuint (check (&m, body), ==, 5);
    }
  for (guint i = 0; i < G_N_ELEMENTS (reasons); i++)
    for (guint reason = 0; reason < 256; reason++)
      {
        gboolean is_good = reason >= RELAY_LINK_REASON_UNKNOWN
                           && reason <= RELAY_LINK_REASON_LOOP;

        memset (&m, 0, sizeof m);
        m.type = reasons[i];
        m.refuse.reason = RELAY_LINK_REASON_FULL;
        g_assert_cmpuint (relay_link_message_write (&m, body), ==, 6);
        body[5] = (guint8)reason;
        g_assert_cmpint (read_exact (body, 6, &got), ==, is_good);
        m.refuse.reason = (RelayLinkReason)reason;
        if (is_good)
          check (&m, body);
      }
  memset (&m, 0, sizeof m);
  m.type = RELAY_LINK_COOKIE;
  memcpy (m.cookie.cookie, "0123456789abcdef", 16);
  g_assert_cmpuint (check (&m, body), ==, 21);
  /* types that are none */
  for (guint type = 0; type < 256; type++)
    {
      memset (body, 0, sizeof body);
      body[0] = (guint8)type;
      if (type == 0 || type > RELAY_LINK_BYE)
        for (gsize len = 0; len <= MAX_BYTES; len += 97)
          g_assert_false (read_exact (body, len, &got));
    }
  m.type = (RelayLinkType)9;
  g_assert_cmpuint (relay_link_message_write (&m, body), ==, 0);
}

static void
test_nack (void)
{
  RelayLinkMessage m, got;
  guint8 body[MAX_BYTES];
  gsize len;

  memset (&m, 0, sizeof m);
  m.type = RELAY_LINK_NACK;
  g_assert_cmpuint (relay_link_message_write (&m, body), ==, 0);
  for (guint i = 0; i < RELAY_LINK_MAX_NACKS; i++)
    {
      m.nack.ranges[i].kind = (RtcMediaKind)(i % 2);
      m.nack.ranges[i].first = MAX_NUMBER - G_MAXUINT16 - i;
      m.nack.ranges[i].n_packets = (guint16)(i == 3 ? G_MAXUINT16 : i + 1);
    }
  m.nack.n_ranges = RELAY_LINK_MAX_NACKS;
  len = check (&m, body);
  g_assert_cmpuint (len, ==, 6 + 11 * RELAY_LINK_MAX_NACKS);
  body[5]++;
  g_assert_false (read_exact (body, MAX_BYTES, &got));
  body[5] = 0;
  g_assert_false (read_exact (body, len, &got));

  m.nack.n_ranges = RELAY_LINK_MAX_NACKS + 1;
  g_assert_cmpuint (relay_link_message_write (&m, body), ==, 0);
  memset (&m.nack, 0, sizeof m.nack);
  m.nack.n_ranges = 1;
  m.nack.ranges[0].first = 1;
  m.nack.ranges[0].n_packets = 1;
  len = check (&m, body);
  body[6] = RTC_MEDIA_N_KINDS;
  g_assert_false (read_exact (body, len, &got));
  body[6] = 0;
  body[16] = 0; /* none */
  g_assert_false (read_exact (body, len, &got));
  m.nack.ranges[0].n_packets = 0;
  g_assert_cmpuint (relay_link_message_write (&m, body), ==, 0);
  m.nack.ranges[0].n_packets = 2;
  m.nack.ranges[0].first = MAX_NUMBER - 1;
  g_assert_cmpuint (relay_link_message_write (&m, body), ==, 0);
}

static RelayLinkMessage
make_status (guint n_path, const char *name)
{
  RelayLinkMessage m;

  memset (&m, 0, sizeof m);
  m.type = RELAY_LINK_STATUS;
  m.subscription = 7;
  m.status.is_reply = m.status.is_live = TRUE;
  m.status.echo_us = 0xdeadbeef;
  m.status.epoch = G_MAXINT64;
  memset (m.status.publication, 0xab, RELAY_ID_BYTES);
  m.status.first[0] = MAX_NUMBER;
  m.status.first[1] = 1;
  m.status.head[0] = 2;
  m.status.head[1] = MAX_NUMBER;
  m.status.has_clock[1] = TRUE;
  m.status.ntp[1] = G_MAXUINT64;
  m.status.rtp_ts[1] = G_MAXUINT32;
  m.status.n_path = n_path;
  for (guint i = 0; i < n_path; i++)
    strcpy (m.status.path[i], name);
  return m;
}

static void
set_info (RelayLinkStatus *status, gsize fmtp_len)
{
  status->has_info = TRUE;
  status->info.tracks[RTC_MEDIA_AUDIO] = (RelayTrackInfo){
    .is_present = TRUE, .codec = RTC_CODEC_OPUS, .channels = 2
  };
  status->info.tracks[RTC_MEDIA_VIDEO] =
      (RelayTrackInfo){ .is_present = TRUE, .codec = RTC_CODEC_H264 };
  for (guint k = 0; k < RTC_MEDIA_N_KINDS; k++)
    memset (status->info.tracks[k].fmtp, 'x', fmtp_len);
}

static void
test_status (void)
{
  RelayLinkMessage m = make_status (0, ""), got;
  guint8 body[MAX_BYTES];
  gsize len;

  len = check (&m, body);
  g_assert_cmpuint (len, ==, 5 + 1 + 4 + 8 + 16 + 16 + 16 + 26 + 1);
  g_assert_cmpmem (body, 10, "\3\0\0\0\7\3\xde\xad\xbe\xef", 10);
  /* flags */
  for (guint flags = 0; flags < 256; flags++)
    {
      body[5] = (guint8)flags;
      g_assert_cmpint (read_exact (body, len, &got), ==, flags < 4);
    }
  body[5] = 3;
  body[10] = 0x80; /* epoch: negative in the store */
  g_assert_false (read_exact (body, len, &got));
  body[10] = 0x7f;
  body[66] = 2; /* clock's flag */
  g_assert_false (read_exact (body, len, &got));
  body[66] = 0;
  body[70] = 1; /* without the flag a clock says nothing */
  g_assert_true (read_exact (body, len, &got));
  g_assert_cmpuint (got.status.ntp[0], ==, 0);

  m = make_status (RELAY_LINK_MAX_PATH, NAME_64);
  len = check (&m, body);
  body[92] = RELAY_LINK_MAX_PATH + 1;
  body[len] = 1;
  body[len + 1] = 'a';
  g_assert_false (read_exact (body, len + 2, &got));
  m.status.n_path = RELAY_LINK_MAX_PATH + 1;
  g_assert_cmpuint (relay_link_message_write (&m, body), ==, 0);
  m = make_status (1, "no name");
  g_assert_cmpuint (relay_link_message_write (&m, body), ==, 0);
  m = make_status (1, "a");
  m.status.epoch++;
  g_assert_cmpuint (relay_link_message_write (&m, body), ==, 0);
}

static void
test_status_info (void)
{
  RelayLinkMessage m = make_status (3, "relay-1"), got;
  guint8 body[MAX_BYTES];
  gsize len;

  set_info (&m.status, 255);
  len = check (&m, body);
  /* text that is no info */
  memcpy (body + len - 3, "}}]", 3);
  g_assert_false (read_exact (body, len, &got));
  memcpy (body + len - 3, "x\"}", 3);
  g_assert_false (read_exact (body, len, &got));

  m = make_status (RELAY_LINK_MAX_PATH, NAME_64);
  set_info (&m.status, 64);
  check (&m, body);
  /* both long: the info stays out, the rest is as it was */
  set_info (&m.status, 255);
  len = relay_link_message_write (&m, body);
  g_assert_true (read_exact (body, len, &got));
  g_assert_false (got.status.has_info);
  g_assert_cmpuint (got.status.n_path, ==, RELAY_LINK_MAX_PATH);
  /* nothing to say */
  m = make_status (0, "");
  m.status.has_info = TRUE;
  len = relay_link_message_write (&m, body);
  g_assert_true (read_exact (body, len, &got));
  g_assert_false (got.status.has_info);
}

static void
test_info_json (void)
{
  static const char *const good[] = {
    "{\"audio\":{\"codec\":\"opus\"}}",
    "{\"audio\":{\"codec\":\"OPUS\",\"channels\":2,\"fmtp\":\"a=1;b\"}}",
    "{\"video\":{\"codec\":\"H264\",\"later\":[]},\"later\":1}",
  };
  static const char *const bad[] = {
    "",
    "{",
    "[]",
    "1",
    "null",
    "{}",
    "{\"audio\":1}",
    "{\"audio\":{}}",
    "{\"audio\":{\"codec\":1}}",
    "{\"audio\":{\"codec\":\"H264\"}}",
    "{\"video\":{\"codec\":\"opus\"}}",
    "{\"video\":{\"codec\":\"unheard\"}}",
    "{\"audio\":{\"codec\":\"opus\",\"channels\":0}}",
    "{\"audio\":{\"codec\":\"opus\",\"channels\":256}}",
    "{\"audio\":{\"codec\":\"opus\",\"channels\":\"2\"}}",
    "{\"audio\":{\"codec\":\"opus\",\"fmtp\":2}}",
    "{\"audio\":{\"codec\":\"opus\",\"fmtp\":\"a\\r\\nm=audio\"}}",
    "{\"audio\":{\"codec\":\"opus\"},\"video\":{\"codec\":\"opus\"}}",
    "{\"audio\":{\"codec\":\"opus\",\"fmtp\":\"\xff\"}}",
  };
  RelayStreamInfo info, again;
  g_autofree char *text = NULL, *odd = NULL;
  g_autofree char *longer = g_strdup_printf (
      "{\"audio\":{\"codec\":\"opus\",\"fmtp\":\"%0256d\"}}", 0);

  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    g_assert_true (relay_stream_info_from_json (good[i], &info));
  memset (&info, 0x11, sizeof info);
  again = info;
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (relay_stream_info_from_json (bad[i], &info));
  g_assert_false (relay_stream_info_from_json (longer, &info));
  g_assert_cmpmem (&info, sizeof info, &again, sizeof again);

  memset (&info, 0, sizeof info);
  info.tracks[RTC_MEDIA_VIDEO].is_present = TRUE;
  info.tracks[RTC_MEDIA_VIDEO].codec = RTC_CODEC_AV1;
  strcpy (info.tracks[RTC_MEDIA_VIDEO].fmtp, "a=\"\\/;b=\xc3\xa9");
  text = relay_stream_info_to_json (&info);
  g_assert_true (relay_stream_info_from_json (text, &again));
  g_assert_cmpmem (&info, sizeof info, &again, sizeof again);
  /* bytes that are no text do not spoil the rest */
  strcpy (info.tracks[RTC_MEDIA_VIDEO].fmtp, "a=\xff");
  odd = relay_stream_info_to_json (&info);
  g_assert_true (relay_stream_info_from_json (odd, &again));
  g_assert_cmpint (again.tracks[RTC_MEDIA_VIDEO].codec, ==, RTC_CODEC_AV1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/link-message/subscribe", test_subscribe);
  g_test_add_func ("/link-message/names", test_names);
  g_test_add_func ("/link-message/small", test_small);
  g_test_add_func ("/link-message/nack", test_nack);
  g_test_add_func ("/link-message/status", test_status);
  g_test_add_func ("/link-message/status-info", test_status_info);
  g_test_add_func ("/link-message/info-json", test_info_json);
  return g_test_run ();
}
