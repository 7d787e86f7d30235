/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the relay's tests share: a hub on real workers, calls on a worker that
 * are waited for, and the keys of a cluster.
 */
#pragma once

#include "base/clock.h"
#include "relay/feed.h"
#include "relay/hub.h"
#include "relay/link-message.h"
#include "rtc/dtls.h"
#include "wait.h"

#include <string.h>

#define RELAY_WORLD_WORKERS 2
#define RELAY_WORLD_SECRET "a secret of the cluster"

typedef struct
{
  RtcCertificate *certificate;
  RtcWorker *workers[RELAY_WORLD_WORKERS];
  RelayHub *hub;
  RelayLinkKeys *keys;
} RelayWorld;

static inline void
relay_world_init (RelayWorld *self, BaseMetrics *metrics)
{
  static const guint8 boot_id[RELAY_ID_BYTES] = { 1, 2, 3 };

  self->certificate = rtc_certificate_new (NULL);
  for (guint i = 0; i < RELAY_WORLD_WORKERS; i++)
    self->workers[i] = rtc_worker_new (i, 0, self->certificate, NULL, NULL);
  self->hub = relay_hub_new (self->workers, RELAY_WORLD_WORKERS, 0, metrics);
  self->keys = relay_link_keys_new (RELAY_WORLD_SECRET, boot_id);
}

static inline void
relay_world_stop (RelayWorld *self)
{
  for (guint i = 0; i < RELAY_WORLD_WORKERS; i++)
    rtc_worker_stop (self->workers[i]);
}

static inline void
relay_world_clear (RelayWorld *self)
{
  relay_world_stop (self);
  for (guint i = 0; i < RELAY_WORLD_WORKERS; i++)
    rtc_worker_free (self->workers[i]);
  relay_hub_free (self->hub);
  relay_link_keys_free (self->keys);
  rtc_certificate_unref (self->certificate);
}

typedef struct
{
  BaseMailFunc func;
  gpointer data;
  gint done;
} RelayCall;

static inline void
relay_call_run (gpointer data)
{
  RelayCall *call = data;

  call->func (call->data);
  g_atomic_int_set (&call->done, 1);
}

static inline void
relay_call_on (RtcWorker *worker, BaseMailFunc func, gpointer data)
{
  RelayCall call = { func, data, 0 };

  rtc_worker_post (worker, relay_call_run, &call, NULL);
  WAIT_FOR (g_atomic_int_get (&call.done));
}
