/* SPDX-License-Identifier: Apache-2.0 */
/* relay/outlet-private: what outlet.c and outlet-send.c share. */
#pragma once

#include "relay/outlet.h"

#define RELAY_OUTLET_EXPIRY_US (1000 * 1000) /* without a SUBSCRIBE */
#define RELAY_OUTLET_KEEPALIVE_US (20 * 1000)
#define RELAY_OUTLET_IDLE_KEEPALIVE_US (1000 * 1000)
#define RELAY_OUTLET_ANNOUNCE_TICKS 3 /* a change of publication, repeated */
/* a cursor: packets at once, and each RELAY_FEED_PACE_US (some 90 Mbit/s) */
#define RELAY_OUTLET_CATCH_UP_FIRST 64
#define RELAY_OUTLET_CATCH_UP_PACKETS 48
/* The origin sends a frame's packets as one burst, for GSO: its last one decides
 * when it can be shown, so the others may wait for it so long. */
#define RELAY_OUTLET_GATHER_US 1000
#define RELAY_OUTLET_GATHER_PACKETS 16
/* repairs of one child: at once, and a second */
#define RELAY_OUTLET_REPAIR_BURST 1024
#define RELAY_OUTLET_REPAIR_RATE 5000

typedef struct
{
  RtcPath path;
  guint8 sender[RELAY_ID_BYTES];
  guint32 subscription;
  RelayLinkSubscribe last; /* its last SUBSCRIBE */
  gint64 subscribed_us, sent_us;
  guint64 next;                     /* position; the outlet's = live */
  guint64 from[RTC_MEDIA_N_KINDS];  /* START_FROM: least number wanted */
  guint64 first[RTC_MEDIA_N_KINDS]; /* STATUS's: the tree's numbers */
  guint64 head[RTC_MEDIA_N_KINDS];  /* last sent of this publication */
  gint64 repairs_us;                /* when its repairs were counted */
  guint repairs_left;
  guint64 n_packets, n_bytes, n_repairs;
} RelayOutletChild;

struct _RelayOutlet
{
  RelayReceiver receiver; /* first: cast back; on the feed with children */
  RelayStream *stream;    /* one reference */
  RelayFeed *feed;        /* borrowed from the stream */
  RelayLinkSender *sender;
  char *node_id;
  guint max_children;
  GPtrArray *children; /* of RelayOutletChild, owned */
  guint64 live;        /* position: who is live has had all before it */
  gint64 held_us;      /* since when packets wait for their frame; 0 = none do */
  gint64 gather_us;    /* RELAY_OUTLET_GATHER_US; a test has its own */
  GSource *gather;     /* owned, nullable: at its end they go as they are */
  /* what children have been told: publication, or that there is none */
  gboolean has_tree, is_published;
  RelayTreeInfo tree; /* its media is not ours */
  guint8 serial;      /* of its records */
  guint n_announce;
  RelayOutletStats stats;
};

/* outlet-send.c: home */
void relay_outlet_on_packets (RelayReceiver *receiver, RelayFeed *feed,
                              guint64 from, guint64 to);
void relay_outlet_on_pace (RelayReceiver *receiver, RelayFeed *feed,
                           gint64 now_us);
/* all that waits, to who is live */
void relay_outlet_send_live (RelayOutlet *self);
/* the first child comes, the last one goes */
void relay_outlet_begin_sending (RelayOutlet *self);
void relay_outlet_end_sending (RelayOutlet *self);
/* sets where the child begins, and sends the first of it */
void relay_outlet_start (RelayOutlet *self, RelayOutletChild *child,
                         const RelayLinkSubscribe *subscribe);
void relay_outlet_catch_up (RelayOutlet *self, RelayOutletChild *child,
                            guint max_packets);
void relay_outlet_repair (RelayOutlet *self, RelayOutletChild *child,
                          const RelayLinkMessage *message, gint64 now_us);
/* outlet.c: tells children when another publication began */
void relay_outlet_look (RelayOutlet *self, gint64 now_us);
void relay_outlet_send_status (RelayOutlet *self, RelayOutletChild *child,
                               gboolean is_reply, gboolean has_info,
                               gint64 now_us);
