/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RelayInlet: a stream that comes from other nodes: the child's side of links.
 * It has a port of the pool, on the stream's home worker, and subscribes from
 * it to up to two parents at once. What they send is merged by (SSRC, ext_seq):
 * looked up in the log first, then verified, then pushed; the first copy wins.
 * It is a publication on the stream like a WHIP publisher's, so viewers and
 * further children know no difference; another publication of the origin (a
 * higher epoch) is another publication here.
 *   Holes: asked for 5 ms after the other parent passed the number too (at
 * once + 5 ms with one parent), from the better parent, again after 1.5 RTT
 * and then from the other one, given up after 400 ms. A parent without a
 * packet for 60 ms is suspect: that adds the next candidate and drops nobody.
 * All silent: candidates one after the other, 20 ms apart, from the number that
 * is missing on. A parent that has been replaced is left when the new one
 * delivers.
 * Owner:  RelayCarrier. Thread: new, set_parents, free, get_stats: main; the
 * rest: media, the stream's home.
 */
#pragma once

#include "relay/hub.h"
#include "relay/link-message.h"

#define RELAY_INLET_MAX_PARENTS 10 /* two that are ours, then candidates */

typedef struct _RelayInlet RelayInlet;

typedef struct
{
  char node[RELAY_LINK_NAME_CHARS + 1];
  RtcAddr address; /* of its --relay-port */
} RelayLinkParent;

typedef struct
{
  RelayHub *hub; /* all borrowed */
  RelayLinkKeys *keys;
  const char *node_id;           /* ourselves; copied */
  RtcAddr address;               /* to bind, port 0 or of the pool */
  gboolean repair;               /* NACK (off only in trials) */
  BaseHistogram *repair_seconds; /* (nullable) */
  /* main: a publisher came to this very node and took the stream: free us */
  void (*on_replaced) (RelayInlet *self, gpointer data);
  gpointer data;
} RelayInletConfig;

/* @info: (nullable): from the directory: the stream is live with it at once,
 *   so that viewers can be answered before the first packet; @epoch and
 *   @publication: the directory's
 * Returns: NULL with RTC_WORKER_ERROR_BIND or RELAY_ERROR_STREAM_LIMIT */
RelayInlet *relay_inlet_new (const RelayInletConfig *config, const char *stream,
                             const RelayStreamInfo *info, guint64 epoch,
                             const guint8 publication[RELAY_ID_BYTES],
                             GError **error);
void relay_inlet_free (RelayInlet *self); /* LEAVEs, ends the publication */
RelayStream *relay_inlet_get_stream (RelayInlet *self);
guint relay_inlet_get_port (RelayInlet *self);
/* @parents: copied; the first @n_active are ours, the rest candidates */
void relay_inlet_set_parents (RelayInlet *self, const RelayLinkParent *parents,
                              guint n_parents, guint n_active);

typedef struct
{
  char node[RELAY_LINK_NAME_CHARS + 1];
  gboolean is_active, is_silent;      /* subscribed; nothing heard for 60 ms */
  guint64 n_packets, n_first, n_lost; /* received; before the other's copy;
                                         passed by without them */
  guint64 n_nacked, n_repaired; /* asked of it; came when they were asked for */
  guint64 n_unrepaired; /* asked of it and given up: came from nobody in time */
  guint32 rtt_us, jitter_us;
  gint64 heard_us; /* anything came; 0 = never */
} RelayInletParentStats;
typedef struct
{
  guint n_parents;
  RelayInletParentStats parents[RELAY_INLET_MAX_PARENTS];
  guint64 n_packets, n_duplicates, n_repaired, n_lost, n_nacked;
  guint64 n_bad; /* not authentic, or of another publication */
  guint64 n_failovers, n_keyframe_requests;
  guint64 n_loops;   /* left a parent whose path has ourselves */
  gint64 max_gap_us; /* longest time without a packet since the last read */
} RelayInletStats;
/* main: a copy, at most 1 s old */
void relay_inlet_get_stats (RelayInlet *self, RelayInletStats *ret);
