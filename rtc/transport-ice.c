/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcTransport's paths: addresses that passed a check, which one is used, and
 * how an ICE restart takes over.
 */
#include "rtc/transport-private.h"

#include <string.h>

#include "rtc/log.h"

static gboolean
is_same_peer (const RtcPath *a, const RtcPath *b)
{
  return a->tcp == b->tcp
         && (a->tcp != NULL || rtc_addr_equal (&a->remote, &b->remote));
}

static void
free_slot (RtcTransport *self, RtcTransportSlot *slot)
{
  if (slot->last_check_us == 0)
    return;
  if (slot->path.tcp != NULL)
    rtc_tcp_conn_close (slot->path.tcp);
  else
    rtc_worker_remove_address (self->worker, &slot->path.remote);
  memset (slot, 0, sizeof *slot);
}

void
rtc_transport_drop_slots (RtcTransport *self)
{
  for (guint i = 0; i < RTC_TRANSPORT_MAX_PATHS; i++)
    free_slot (self, &self->slots[i]);
  memset (&self->path, 0, sizeof self->path);
}

void
rtc_transport_on_tcp_closed (RtcTransport *self, RtcTcpConn *conn)
{
  for (guint i = 0; i < RTC_TRANSPORT_MAX_PATHS; i++)
    if (self->slots[i].path.tcp == conn)
      memset (&self->slots[i], 0, sizeof self->slots[i]);
  if (self->path.tcp == conn)
    {
      /* the peer may come back over another path until consent ends */
      memset (&self->path, 0, sizeof self->path);
      self->is_nominated = FALSE;
    }
}

static RtcTransportSlot *
find_slot (RtcTransport *self, const RtcPath *path)
{
  for (guint i = 0; i < RTC_TRANSPORT_MAX_PATHS; i++)
    if (self->slots[i].last_check_us != 0
        && is_same_peer (&self->slots[i].path, path))
      return &self->slots[i];
  return NULL;
}

/* The free or the longest silent slot, never the one in use. */
static RtcTransportSlot *
pick_slot (RtcTransport *self)
{
  RtcTransportSlot *best = NULL;

  for (guint i = 0; i < RTC_TRANSPORT_MAX_PATHS; i++)
    {
      RtcTransportSlot *slot = &self->slots[i];

      if (slot->last_check_us != 0 && is_same_peer (&slot->path, &self->path))
        continue;
      if (best == NULL || slot->last_check_us < best->last_check_us)
        best = slot;
    }
  free_slot (self, best);
  return best;
}

/* A check from a forged source must not take over another peer's packets.
 * Returns: %FALSE when the address stays with its owner */
static gboolean
take_address_over (RtcTransport *self, const RtcPath *path, gint64 now_us)
{
  RtcTransport *owner = rtc_worker_find_address (self->worker, &path->remote);
  RtcTransportSlot *slot;

  if (owner == NULL)
    return TRUE;
  slot = find_slot (owner, path);
  if (now_us - slot->last_check_us < RTC_TRANSPORT_ADDRESS_HOLD_US)
    return FALSE;
  if (is_same_peer (&owner->path, path))
    memset (&owner->path, 0, sizeof owner->path);
  free_slot (owner, slot);
  return TRUE;
}

static RtcTransportSlot *
add_slot (RtcTransport *self, const RtcPath *path, gint64 now_us)
{
  RtcTransportSlot *slot;

  if (path->tcp == NULL ? !take_address_over (self, path, now_us)
                        : rtc_tcp_conn_get_owner (path->tcp) != NULL)
    return NULL; /* a connection belongs to one transport for life */
  slot = pick_slot (self);
  slot->path = *path;
  if (path->tcp != NULL)
    rtc_tcp_conn_set_owner (path->tcp, self);
  else
    rtc_worker_add_address (self->worker, &slot->path.remote, self);
  return slot;
}

void
rtc_transport_set_path (RtcTransport *self, const RtcPath *path)
{
  g_autofree char *text = NULL;

  if (memcmp (&self->path, path, sizeof *path) == 0)
    return;
  text = rtc_addr_to_string (&path->remote);
  GST_DEBUG ("session=%s path is %s %s", self->id,
             path->tcp != NULL ? "tcp" : "udp", text);
  self->path = *path;
  self->stats.is_tcp = path->tcp != NULL;
  self->has_moved = self->stats.connected_us != 0;
}

/* The peer uses the credentials of an ICE restart: the old ones end. */
static void
promote (RtcTransport *self)
{
  GST_DEBUG ("session=%s ICE restart taken up", self->id);
  rtc_worker_remove_ufrag (self->worker, self->current);
  rtc_ice_credentials_clear (self->current);
  g_free (self->current);
  self->current = g_steal_pointer (&self->next);
  self->is_nominated = FALSE;
}

gboolean
rtc_transport_on_check (RtcTransport *self,
                        const RtcIceCredentials *credentials,
                        const RtcPath *path, gboolean use_candidate)
{
  gint64 now_us = rtc_worker_get_turn_us (self->worker);
  RtcTransportSlot *slot = find_slot (self, path);
  gboolean is_restart = credentials == self->next;

  if (slot == NULL)
    slot = add_slot (self, path, now_us);
  if (slot == NULL)
    return FALSE;
  slot->path = *path; /* the local address may have changed */
  slot->last_check_us = now_us;
  self->stats.last_consent_us = now_us;
  if (self->stats.first_check_us == 0)
    self->stats.first_check_us = now_us;
  if (is_restart)
    promote (self);
  if (use_candidate)
    self->is_nominated = TRUE;
  if (use_candidate || is_restart
      || self->path.remote.sa.sa_family == AF_UNSPEC)
    rtc_transport_set_path (self, path);
  if (self->dtls_client && self->dtls == NULL)
    rtc_transport_queue_handshake (self);
  return TRUE;
}
