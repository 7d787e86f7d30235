/* SPDX-License-Identifier: Apache-2.0 */
/* RtcAddresses: reads the interfaces once and writes host candidates. */
#include "rtc/addresses.h"

#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>

#include <gio/gio.h>

#include "rtc/log.h"

/* Each costs every client a candidate pair; RTC_SDP_MAX_CANDIDATES holds
 * twice that many and the loopback ones. */
#define MAX_ADDRESSES 16

struct _RtcAddresses
{
  GPtrArray *advertised; /* owned char *, best first, no loopback unless the
                            operator named it */
  GPtrArray *loopback;   /* owned char * */
};

static gboolean
contains (GPtrArray *list, const char *text)
{
  return g_ptr_array_find_with_equal_func (list, text, g_str_equal, NULL);
}

/* add: FALSE when it is full */
static gboolean
add (GPtrArray *list, GInetAddress *address)
{
  g_autofree char *text = g_inet_address_to_string (address);

  if (contains (list, text))
    return TRUE;
  if (list->len >= MAX_ADDRESSES)
    return FALSE;
  g_ptr_array_add (list, g_steal_pointer (&text));
  return TRUE;
}

static gboolean
is_unusable (GInetAddress *address)
{
  return g_inet_address_get_is_any (address)
         || g_inet_address_get_is_multicast (address)
         || g_inet_address_get_is_link_local (address);
}

static gboolean
add_public (RtcAddresses *self, const char *text, GError **error)
{
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (text);

  if (!address || is_unusable (address))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   "Public address \"%s\" is not an IP address that clients "
                   "can reach",
                   text);
      return FALSE;
    }
  if (!add (self->advertised, address))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT,
                   "More than %d public addresses", MAX_ADDRESSES);
      return FALSE;
    }
  return TRUE;
}

/* dup_address: (transfer full) (nullable): of an interface that is up */
static GInetAddress *
dup_address (const struct ifaddrs *entry)
{
  const struct sockaddr *sa = entry->ifa_addr;

  if (!sa || !(entry->ifa_flags & IFF_UP))
    return NULL;
  if (sa->sa_family == AF_INET)
    return g_inet_address_new_from_bytes (
        (const guint8 *)&((const struct sockaddr_in *)sa)->sin_addr,
        G_SOCKET_FAMILY_IPV4);
  if (sa->sa_family == AF_INET6)
    return g_inet_address_new_from_bytes (
        (const guint8 *)&((const struct sockaddr_in6 *)sa)->sin6_addr,
        G_SOCKET_FAMILY_IPV6);
  return NULL;
}

/* is_private: RFC 1918, and RFC 4193 which GInetAddress does not know */
static gboolean
is_private (GInetAddress *address)
{
  const guint8 *bytes = g_inet_address_to_bytes (address);

  if (g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV6)
    return (bytes[0] & 0xfe) == 0xfc;
  return g_inet_address_get_is_site_local (address);
}

static gboolean
read_interfaces (RtcAddresses *self, gboolean with_host, GError **error)
{
  struct ifaddrs *entries = NULL;
  gboolean is_full = FALSE;

  if (getifaddrs (&entries) != 0)
    {
      int code = errno;

      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code),
                   "The host's addresses cannot be read: %s",
                   g_strerror (code));
      return FALSE;
    }
  /* Global before private, each in the kernel's order. */
  for (int want_private = 0; want_private < 2; want_private++)
    for (const struct ifaddrs *e = entries; e; e = e->ifa_next)
      {
        g_autoptr (GInetAddress) address = dup_address (e);

        if (!address || is_unusable (address))
          continue;
        if (g_inet_address_get_is_loopback (address))
          add (self->loopback, address);
        else if (with_host && is_private (address) == want_private)
          is_full |= !add (self->advertised, address);
      }
  freeifaddrs (entries);
  if (is_full)
    GST_WARNING ("more than %d addresses on this host: the rest is not "
                 "advertised; name the right ones with public-address",
                 MAX_ADDRESSES);
  return TRUE;
}

RtcAddresses *
rtc_addresses_new (const char *const *public_addresses, GError **error)
{
  g_autoptr (RtcAddresses) self = g_new0 (RtcAddresses, 1);
  gboolean with_host = !public_addresses || !*public_addresses;

  self->advertised = g_ptr_array_new_with_free_func (g_free);
  self->loopback = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; !with_host && public_addresses[i]; i++)
    if (!add_public (self, public_addresses[i], error))
      return NULL;
  if (!read_interfaces (self, with_host, error))
    return NULL;
  if (self->loopback->len == 0)
    g_ptr_array_add (self->loopback, g_strdup ("127.0.0.1"));
  return g_steal_pointer (&self);
}

void
rtc_addresses_free (RtcAddresses *self)
{
  if (!self)
    return;
  g_ptr_array_unref (self->advertised);
  g_ptr_array_unref (self->loopback);
  g_free (self);
}

GPtrArray *
rtc_addresses_get_advertised (RtcAddresses *self)
{
  return self->advertised;
}

static void
add_all (RtcSdp *sdp, GPtrArray *list, GPtrArray *except, guint port,
         gboolean is_tcp)
{
  for (guint i = 0; i < list->len; i++)
    if (!except || !contains (except, list->pdata[i]))
      rtc_sdp_add_candidate (sdp, list->pdata[i], port, is_tcp);
}

void
rtc_addresses_add_candidates (RtcAddresses *self, RtcSdp *sdp, guint port,
                              gboolean peer_is_loopback, gboolean with_tcp)
{
  gboolean with_loopback = peer_is_loopback || self->advertised->len == 0;

  for (int is_tcp = 0; is_tcp <= (with_tcp ? 1 : 0); is_tcp++)
    {
      add_all (sdp, self->advertised, NULL, port, is_tcp);
      if (with_loopback)
        add_all (sdp, self->loopback, self->advertised, port, is_tcp);
    }
}
