/* SPDX-License-Identifier: Apache-2.0 */
/* rtc/addresses: which candidates a client is told. */
#include "rtc/addresses.h"

#include <gio/gio.h>

static RtcSdp *
candidates (RtcAddresses *addresses, gboolean peer_is_loopback,
            gboolean with_tcp)
{
  RtcSdp *sdp = rtc_sdp_new ();

  rtc_addresses_add_candidates (addresses, sdp, 7200, peer_is_loopback,
                                with_tcp);
  return sdp;
}

static const RtcSdpCandidate *
at (RtcSdp *sdp, guint index)
{
  g_assert_cmpuint (index, <, sdp->candidates->len);
  return &g_array_index (sdp->candidates, RtcSdpCandidate, index);
}

static gboolean
is_loopback (const char *text)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (text);

  g_assert_nonnull (address);
  return g_inet_address_get_is_loopback (address);
}

static void
test_public (void)
{
  static const char *const public[] = { "203.0.113.7", "2001:db8::7",
                                        "203.0.113.7", NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (RtcAddresses) addresses = rtc_addresses_new (public, &error);
  g_autoptr (RtcSdp) udp = NULL;
  g_autoptr (RtcSdp) both = NULL;

  g_assert_no_error (error);
  udp = candidates (addresses, FALSE, FALSE);
  g_assert_cmpuint (udp->candidates->len, ==, 2); /* named twice, sent once */
  g_assert_cmpstr (at (udp, 0)->address, ==, "203.0.113.7");
  g_assert_cmpstr (at (udp, 1)->address, ==, "2001:db8::7");
  g_assert_cmpuint (at (udp, 0)->port, ==, 7200);

  both = candidates (addresses, FALSE, TRUE);
  g_assert_cmpuint (both->candidates->len, ==, 4);
  g_assert_false (at (both, 1)->is_tcp);
  g_assert_true (at (both, 2)->is_tcp);
  g_assert_cmpstr (at (both, 2)->address, ==, "203.0.113.7");
}

static void
test_loopback_client (void)
{
  static const char *const public[] = { "203.0.113.7", NULL };
  g_autoptr (RtcAddresses) addresses = rtc_addresses_new (public, NULL);
  g_autoptr (RtcSdp) sdp = candidates (addresses, TRUE, FALSE);
  guint n_loopback = 0;

  for (guint i = 0; i < sdp->candidates->len; i++)
    n_loopback += is_loopback (at (sdp, i)->address);
  g_assert_cmpuint (n_loopback, >=, 1);
  g_assert_cmpuint (n_loopback, ==, sdp->candidates->len - 1);
}

static void
test_named_loopback_once (void)
{
  static const char *const public[] = { "127.0.0.1", NULL };
  g_autoptr (RtcAddresses) addresses = rtc_addresses_new (public, NULL);
  g_autoptr (RtcSdp) sdp = candidates (addresses, TRUE, FALSE);
  guint n = 0;

  for (guint i = 0; i < sdp->candidates->len; i++)
    n += g_str_equal (at (sdp, i)->address, "127.0.0.1");
  g_assert_cmpuint (n, ==, 1);
}

static void
test_host (void)
{
  g_autoptr (RtcAddresses) addresses = rtc_addresses_new (NULL, NULL);
  g_autoptr (RtcSdp) remote = candidates (addresses, FALSE, FALSE);
  guint n_loopback = 0;

  /* never none; loopback for a remote client only when there is nothing else */
  g_assert_cmpuint (remote->candidates->len, >, 0);
  for (guint i = 0; i < remote->candidates->len; i++)
    n_loopback += is_loopback (at (remote, i)->address);
  g_assert_true (n_loopback == 0 || n_loopback == remote->candidates->len);
}

static void
test_refused (void)
{
  static const char *const bad[] = { "example.org", "0.0.0.0", "224.0.0.1",
                                     "fe80::1",     "1.2.3",   "" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      const char *const public[] = { bad[i], NULL };
      g_autoptr (GError) error = NULL;

      g_assert_null (rtc_addresses_new (public, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
    }
}

static void
test_bound (void)
{
  g_autoptr (GPtrArray) public = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (RtcAddresses) addresses = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 1; i <= 16; i++)
    g_ptr_array_add (public, g_strdup_printf ("203.0.113.%u", i));
  g_ptr_array_add (public, NULL);
  addresses = rtc_addresses_new ((const char *const *)public->pdata, &error);
  g_assert_no_error (error);

  g_ptr_array_remove_index (public, public->len - 1);
  g_ptr_array_add (public, g_strdup ("203.0.113.17"));
  g_ptr_array_add (public, NULL);
  g_assert_null (
      rtc_addresses_new ((const char *const *)public->pdata, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/rtc/addresses/public", test_public);
  g_test_add_func ("/rtc/addresses/loopback-client", test_loopback_client);
  g_test_add_func ("/rtc/addresses/named-loopback", test_named_loopback_once);
  g_test_add_func ("/rtc/addresses/host", test_host);
  g_test_add_func ("/rtc/addresses/refused", test_refused);
  g_test_add_func ("/rtc/addresses/bound", test_bound);
  return g_test_run ();
}
