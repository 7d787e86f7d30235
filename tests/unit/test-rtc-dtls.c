/* SPDX-License-Identifier: Apache-2.0 */
/* Two RtcDtls joined by queues of datagrams: loss and hostile bytes at will. */
#include "rtc/dtls.h"

#include <string.h>

#include "rtc/dtls-flight.h"
#include "rtc/dtls-private.h"

typedef struct _End
{
  RtcDtls *dtls;
  GQueue in; /* of GBytes */
  struct _End *other;
  guint n_lose; /* datagrams of ours that get lost */
  guint max_bytes;
  RtcDtlsResult result;
} End;

typedef struct
{
  RtcCertificate *certificates[2];
  End ends[2];
} Fixture;

static void
on_send (const guint8 *data, gsize len, gpointer user_data)
{
  End *self = user_data;

  self->max_bytes = MAX (self->max_bytes, (guint)len);
  if (self->n_lose > 0)
    self->n_lose--;
  else
    g_queue_push_tail (&self->other->in, g_bytes_new (data, len));
}

static void
set_up (Fixture *f, gconstpointer data)
{
  memset (f, 0, sizeof *f);
  for (guint i = 0; i < 2; i++)
    f->certificates[i] = rtc_certificate_new (NULL);
  for (guint i = 0; i < 2; i++)
    {
      /* @data: whose fingerprint the client is told wrongly */
      guint of = data != NULL && i == 0 ? 0 : !i;

      f->ends[i].other = &f->ends[!i];
      f->ends[i].dtls =
          rtc_dtls_new (f->certificates[i], i == 0, "SHA-256",
                        rtc_certificate_get_fingerprint (f->certificates[of]),
                        on_send, &f->ends[i]);
      f->ends[i].result = RTC_DTLS_AGAIN;
    }
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 2; i++)
    {
      rtc_dtls_free (f->ends[i].dtls);
      g_queue_clear_full (&f->ends[i].in, (GDestroyNotify)g_bytes_unref);
      rtc_certificate_unref (f->certificates[i]);
    }
}

static void
deliver (End *e)
{
  GBytes *b = g_queue_pop_head (&e->in);
  gsize len;
  const guint8 *p = g_bytes_get_data (b, &len);
  RtcDtlsResult r = rtc_dtls_receive (e->dtls, p, len);

  if (r != RTC_DTLS_DATA && r != RTC_DTLS_AGAIN)
    e->result = r;
  g_bytes_unref (b);
}

static gboolean
is_done (const End *e)
{
  return e->result != RTC_DTLS_AGAIN;
}

/* Runs until both have ended or @seconds are over. */
static void
run (Fixture *f)
{
  gint64 end_us = g_get_monotonic_time () + 60 * G_USEC_PER_SEC;
  gint64 wait_us;

  while (!(is_done (&f->ends[0]) && is_done (&f->ends[1]))
         && g_get_monotonic_time () < end_us)
    for (guint i = 0; i < 2; i++)
      {
        while (!g_queue_is_empty (&f->ends[i].in))
          deliver (&f->ends[i]);
        if (!is_done (&f->ends[i]))
          rtc_dtls_on_timer (f->ends[i].dtls, &wait_us);
      }
}

/* Nothing is lost, and nothing said twice: a flight that was is not shed. */
static void
connect_once (Fixture *f)
{
  for (guint i = 0; i < 2; i++)
    rtc_dtls_be_patient (f->ends[i].dtls);
  rtc_dtls_start (f->ends[0].dtls);
  run (f);
}

static void
check_connected (Fixture *f)
{
  RtcSrtpKey in[2], out[2];

  for (guint i = 0; i < 2; i++)
    {
      memset (&in[i], 0, sizeof in[i]);
      memset (&out[i], 0, sizeof out[i]);
      g_assert_cmpint (f->ends[i].result, ==, RTC_DTLS_CONNECTED);
      g_assert_cmpint (rtc_dtls_get_keys (f->ends[i].dtls, &in[i], &out[i]), ==,
                       RTC_SRTP_AEAD_AES_128_GCM);
      g_assert_cmpuint (f->ends[i].max_bytes, <=, 1200);
    }
  g_assert_cmpmem (&in[0], sizeof in[0], &out[1], sizeof out[1]);
  g_assert_cmpmem (&in[1], sizeof in[1], &out[0], sizeof out[0]);
  g_assert_true (memcmp (&in[0], &out[0], sizeof in[0]) != 0);
}

static void
test_connect (Fixture *f, gconstpointer data)
{
  rtc_dtls_start (f->ends[0].dtls);
  run (f);
  check_connected (f);
  rtc_dtls_close (f->ends[0].dtls);
  g_assert_false (g_queue_is_empty (&f->ends[1].in));
  deliver (&f->ends[1]);
  g_assert_cmpint (f->ends[1].result, ==, RTC_DTLS_CLOSED);
}

static void
test_loss (Fixture *f, gconstpointer data)
{
  f->ends[0].n_lose = 1;
  f->ends[1].n_lose = 1;
  rtc_dtls_start (f->ends[0].dtls);
  run (f);
  check_connected (f);
}

static void
test_fingerprint (Fixture *f, gconstpointer data)
{
  rtc_dtls_start (f->ends[0].dtls);
  run (f);
  g_assert_cmpint (f->ends[0].result, ==, RTC_DTLS_BAD_FINGERPRINT);
  g_assert_cmpint (f->ends[1].result, ==, RTC_DTLS_FAILED); /* by the alert */
}

/* Bytes that are no handshake never end one: anybody could send them. */
static void
test_garbage (Fixture *f, gconstpointer data)
{
  guint8 junk[1400];

  for (gsize i = 0; i < sizeof junk; i++)
    junk[i] = (guint8)g_test_rand_int ();
  junk[0] = 22;
  rtc_dtls_start (f->ends[0].dtls);
  for (gsize len = 1; len < sizeof junk; len += 97)
    for (guint i = 0; i < 2; i++)
      g_assert_cmpint (rtc_dtls_receive (f->ends[i].dtls, junk, len), ==,
                       RTC_DTLS_AGAIN);
  run (f);
  check_connected (f);
}

static void
test_unknown_hash (Fixture *f, gconstpointer data)
{
  rtc_dtls_free (f->ends[0].dtls);
  f->ends[0].dtls =
      rtc_dtls_new (f->certificates[0], TRUE, "md5",
                    rtc_certificate_get_fingerprint (f->certificates[1]),
                    on_send, &f->ends[0]);
  rtc_dtls_start (f->ends[0].dtls);
  run (f);
  g_assert_cmpint (f->ends[0].result, ==, RTC_DTLS_BAD_FINGERPRINT);
}

/* --- what is left when OpenSSL's session is given back ------------------- */

/* @data: %NULL = no wrong fingerprint; either end sheds, says and hears it */
static void
test_shed (Fixture *f, gconstpointer data)
{
  for (guint closer = 0; closer < 2; closer++)
    for (guint shed = 1; shed < 4; shed++)
      {
        Fixture pair;
        End *from, *to;

        set_up (&pair, NULL);
        connect_once (&pair);
        for (guint i = 0; i < 2; i++)
          if (shed & (1u << i))
            {
              rtc_dtls_shed (pair.ends[i].dtls);
              g_assert_true (rtc_dtls_is_shed (pair.ends[i].dtls));
            }
        from = &pair.ends[closer];
        to = from->other;
        rtc_dtls_close (from->dtls);
        g_assert_cmpuint (g_queue_get_length (&to->in), ==, 1);
        to->result = RTC_DTLS_AGAIN;
        deliver (to);
        g_assert_cmpint (to->result, ==, RTC_DTLS_CLOSED);
        /* said once: a second time would repeat the nonce */
        rtc_dtls_close (from->dtls);
        g_assert_true (g_queue_is_empty (&to->in));
        tear_down (&pair, NULL);
      }
}

static GBytes *
get_close (End *e, GBytes **ret_sent)
{
  GBytes *kept = rtc_dtls_get_close (e->dtls);

  g_assert_nonnull (kept);
  g_assert_true (rtc_dtls_get_close (e->dtls) == kept);
  rtc_dtls_close (e->dtls);
  *ret_sent = g_queue_pop_head (&e->other->in);
  g_assert_true (g_queue_is_empty (&e->other->in));
  return kept;
}

/* What is kept for after a crash is what a living end says: one nonce, one
 * plain text. OpenSSL and a tail at the other end take it, once or thrice.
 * @data: %NULL = no wrong fingerprint */
static void
test_kept_close (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 16; i++)
    {
      g_autoptr (GBytes) sent = NULL;
      Fixture pair;
      End *from, *to;
      GBytes *kept;

      set_up (&pair, NULL);
      from = &pair.ends[i & 1];
      to = from->other;
      g_assert_null (rtc_dtls_get_close (from->dtls));
      connect_once (&pair);
      if (i & 2)
        g_assert_nonnull (rtc_dtls_get_close (from->dtls));
      if (i & 4)
        rtc_dtls_shed (from->dtls);
      if (i & 8)
        rtc_dtls_shed (to->dtls);
      kept = get_close (from, &sent);
      g_assert_nonnull (sent);
      g_assert_true (g_bytes_equal (kept, sent));
      for (guint n = 0; n < 3; n++)
        g_assert_cmpint (rtc_dtls_receive (to->dtls,
                                           g_bytes_get_data (kept, NULL),
                                           g_bytes_get_size (kept)),
                         ==, RTC_DTLS_CLOSED);
      g_assert_null (rtc_dtls_get_close (from->dtls));
      tear_down (&pair, NULL);
    }
}

/* Nobody without the keys can close a shed session. */
static void
test_shed_forged (Fixture *f, gconstpointer data)
{
  End *from = &f->ends[0], *to = &f->ends[1];
  g_autoptr (GBytes) record = NULL;
  const guint8 *bytes;
  gsize len;

  connect_once (f);
  rtc_dtls_shed (to->dtls);
  rtc_dtls_close (from->dtls);
  record = g_queue_pop_head (&to->in);
  bytes = g_bytes_get_data (record, &len);
  for (gsize n = 0; n < len; n++)
    g_assert_cmpint (rtc_dtls_receive (to->dtls, bytes, n), ==, RTC_DTLS_DATA);
  for (gsize i = 0; i < len; i++)
    {
      g_autofree guint8 *bad = g_memdup2 (bytes, len);

      bad[i] ^= 0x40;
      g_assert_cmpint (rtc_dtls_receive (to->dtls, bad, len), ==,
                       RTC_DTLS_DATA);
    }
  g_assert_cmpint (rtc_dtls_receive (to->dtls, bytes, len), ==,
                   RTC_DTLS_CLOSED);
}

/* Runs until the server is connected, its last flight lost, and sheds it. */
static void
shed_unheard (Fixture *f, RtcSrtpKey *ret_in, RtcSrtpKey *ret_out)
{
  End *client = &f->ends[0], *server = &f->ends[1];

  rtc_dtls_be_patient (server->dtls);
  rtc_dtls_start (client->dtls);
  while (!g_queue_is_empty (&server->in))
    deliver (server);
  while (!g_queue_is_empty (&client->in))
    deliver (client);
  server->n_lose = G_MAXUINT;
  while (!g_queue_is_empty (&server->in))
    deliver (server);
  g_assert_cmpint (server->result, ==, RTC_DTLS_CONNECTED);
  g_assert_cmpint (client->result, ==, RTC_DTLS_AGAIN);
  g_assert_cmpint (rtc_dtls_get_keys (server->dtls, ret_in, ret_out), ==,
                   RTC_SRTP_AEAD_AES_128_GCM);
  rtc_dtls_shed (server->dtls);
  g_assert_true (rtc_dtls_is_shed (server->dtls));
  server->n_lose = 0;
}

/* Whoever did not get the last flight gets it from what is left. */
static void
test_shed_lost_flight (Fixture *f, gconstpointer data)
{
  RtcSrtpKey in[2] = { 0 }, out[2] = { 0 };

  shed_unheard (f, &in[1], &out[1]);
  run (f);
  g_assert_cmpint (f->ends[0].result, ==, RTC_DTLS_CONNECTED);
  g_assert_cmpint (rtc_dtls_get_keys (f->ends[0].dtls, &in[0], &out[0]), ==,
                   RTC_SRTP_AEAD_AES_128_GCM);
  g_assert_cmpmem (&in[0], sizeof in[0], &out[1], sizeof out[1]);
  g_assert_cmpmem (&in[1], sizeof in[1], &out[0], sizeof out[0]);
  f->ends[0].result = RTC_DTLS_AGAIN;
  rtc_dtls_close (f->ends[1].dtls);
  while (!g_queue_is_empty (&f->ends[0].in))
    deliver (&f->ends[0]);
  g_assert_cmpint (f->ends[0].result, ==, RTC_DTLS_CLOSED);
}

/* Only a record like the peer's Finished asks for it, so often and no more. */
static void
test_shed_asked_often (Fixture *f, gconstpointer data)
{
  static const guint8 records[][14] = {
    { 22, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0 }, /* the old epoch */
    { 22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 2, 0 }, /* cut short */
    { 23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0 }, /* data */
  };
  guint8 finished[14] = { 22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0 };
  GQueue *sent = &f->ends[0].in;
  RtcDtls *server = f->ends[1].dtls;
  RtcSrtpKey in, out;
  guint n_each;

  shed_unheard (f, &in, &out);
  for (guint i = 0; i < G_N_ELEMENTS (records); i++)
    g_assert_cmpint (rtc_dtls_receive (server, records[i], 14), ==,
                     RTC_DTLS_DATA);
  g_assert_true (g_queue_is_empty (sent));
  rtc_dtls_receive (server, finished, sizeof finished);
  n_each = g_queue_get_length (sent);
  g_assert_cmpuint (n_each, >, 0);
  for (guint i = 0; i < 100; i++)
    rtc_dtls_receive (server, finished, sizeof finished);
  g_assert_cmpuint (g_queue_get_length (sent), ==,
                    n_each * RTC_DTLS_FLIGHT_MAX_REPEATS);
}

static void
test_shed_forgotten (Fixture *f, gconstpointer data)
{
  guint8 finished[14] = { 22, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 1, 0 };
  RtcSrtpKey in, out;

  shed_unheard (f, &in, &out);
  rtc_dtls_forget_flight (f->ends[1].dtls);
  g_assert_cmpint (
      rtc_dtls_receive (f->ends[1].dtls, finished, sizeof finished), ==,
      RTC_DTLS_DATA);
  g_assert_true (g_queue_is_empty (&f->ends[0].in));
}

/* A session that is still shaking hands is not shed. */
static void
test_shed_early (Fixture *f, gconstpointer data)
{
  rtc_dtls_shed (f->ends[0].dtls);
  g_assert_false (rtc_dtls_is_shed (f->ends[0].dtls));
  rtc_dtls_start (f->ends[0].dtls);
  run (f);
  check_connected (f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, arg, func)                                                   \
  g_test_add ("/rtc/dtls/" name, Fixture, arg, set_up, func, tear_down)
  ADD ("connect", NULL, test_connect);
  ADD ("loss", NULL, test_loss);
  ADD ("fingerprint", "wrong", test_fingerprint);
  ADD ("garbage", NULL, test_garbage);
  ADD ("unknown-hash", NULL, test_unknown_hash);
  g_test_add ("/rtc/dtls/shed", Fixture, NULL, set_up, test_shed, tear_down);
  g_test_add ("/rtc/dtls/kept-close", Fixture, NULL, set_up, test_kept_close,
              tear_down);
  g_test_add ("/rtc/dtls/shed-forged", Fixture, NULL, set_up, test_shed_forged,
              tear_down);
  g_test_add ("/rtc/dtls/shed-lost-flight", Fixture, NULL, set_up,
              test_shed_lost_flight, tear_down);
  g_test_add ("/rtc/dtls/shed-asked-often", Fixture, NULL, set_up,
              test_shed_asked_often, tear_down);
  g_test_add ("/rtc/dtls/shed-forgotten", Fixture, NULL, set_up,
              test_shed_forgotten, tear_down);
  g_test_add ("/rtc/dtls/shed-early", Fixture, NULL, set_up, test_shed_early,
              tear_down);
  return g_test_run ();
}
