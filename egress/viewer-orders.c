/* SPDX-License-Identifier: Apache-2.0 */
/* EgressViewer: what main asks for, as mail to the worker. */
#include "egress/viewer-private.h"

#include "base/clock.h"

/* the time between two pictures is no silence */
#define MIN_FALLBACK_US (100 * BASE_US_PER_MS)

typedef enum
{
  ORDER_PAUSED,
  ORDER_SENDING,
  ORDER_SWITCH,
  ORDER_LAYERS,
  ORDER_PLAYOUT_DELAY,
} OrderWhat;

typedef struct
{
  OrderWhat what;
  EgressViewer *viewer; /* one reference */
  gboolean is_on;
  RtcMediaKind kind;
  EgressSources sources; /* references */
  EgressLayers layers;
  int min_ms, max_ms;
} Order;

static void
order_free (gpointer data)
{
  Order *order = data;

  egress_sources_clear (&order->sources);
  egress_viewer_unref (order->viewer);
  g_free (order);
}

void
egress_viewer_apply_layers (EgressViewer *self, const EgressLayers *target)
{
  gboolean is_all = target->spatial_layer >= EGRESS_LAYER_MAX
                    && target->temporal_layer >= EGRESS_LAYER_MAX;

  self->target = *target;
  self->target.fallback_us = MAX (target->fallback_us, MIN_FALLBACK_US);
  /* who has everything needs nobody to look */
  if (!is_all || self->sender.tracks[RTC_MEDIA_VIDEO].rewrite)
    egress_sender_set_layers (&self->sender, target->spatial_layer,
                              target->temporal_layer);
  egress_viewer_choose_rendition (self);
}

static void
order_arrive (gpointer data)
{
  Order *order = data;
  EgressViewer *self = order->viewer;

  if (self->is_closed)
    {
      order_free (order);
      return;
    }
  egress_sender_set_path (&self->sender,
                          rtc_transport_get_path (self->transport));
  switch (order->what)
    {
    case ORDER_PAUSED:
      self->is_paused = order->is_on;
      egress_viewer_update_flow (self);
      break;
    case ORDER_SENDING:
      self->is_off[order->kind] = !order->is_on;
      egress_viewer_update_flow (self);
      break;
    case ORDER_SWITCH:
      if (!egress_viewer_set_inputs (self, &order->sources))
        rtc_transport_close (self->transport, RTC_CLOSE_LIMIT);
      break;
    case ORDER_LAYERS:
      egress_viewer_apply_layers (self, &order->layers);
      break;
    case ORDER_PLAYOUT_DELAY:
      egress_sender_set_playout_delay (&self->sender, order->min_ms,
                                       order->max_ms);
      break;
    }
  order_free (order);
}

static void
post_order (EgressViewer *self, const Order *order)
{
  Order *copy = g_new (Order, 1);

  *copy = *order;
  copy->viewer = egress_viewer_ref (self);
  egress_sources_ref (&copy->sources);
  rtc_worker_post (self->worker, order_arrive, copy, order_free);
}

void
egress_viewer_set_paused (EgressViewer *self, gboolean is_paused)
{
  post_order (self, &(Order){ .what = ORDER_PAUSED, .is_on = is_paused });
}

void
egress_viewer_set_sending (EgressViewer *self, RtcMediaKind kind,
                           gboolean is_on)
{
  post_order (self,
              &(Order){ .what = ORDER_SENDING, .kind = kind, .is_on = is_on });
}

void
egress_viewer_switch (EgressViewer *self, const EgressSources *sources)
{
  post_order (self, &(Order){ .what = ORDER_SWITCH, .sources = *sources });
}

void
egress_viewer_set_layers (EgressViewer *self, const EgressLayers *target)
{
  post_order (self, &(Order){ .what = ORDER_LAYERS, .layers = *target });
}

void
egress_viewer_set_playout_delay (EgressViewer *self, int min_ms, int max_ms)
{
  post_order (self, &(Order){ .what = ORDER_PLAYOUT_DELAY,
                              .min_ms = min_ms,
                              .max_ms = max_ms });
}
