/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay/link-server-private: the server's three parts, each on its thread:
 * main (link-server.c) knows streams and node, the front (link-front.c, first
 * worker) reads the port, a desk (link-desk.c, each worker) has the outlets of
 * the streams at home there. Mail only goes on, or back to main.
 */
#pragma once

#include "relay/link-replay.h"
#include "relay/link-server.h"
#include "rtc/input.h"

#define RELAY_LINK_MAX_FLOWS 16384
#define RELAY_LINK_MAX_DATAGRAMS_S 65536
#define RELAY_LINK_MAX_WANTED 1024 /* names that are asked for */
#define RELAY_LINK_WANTED_US (100 * 1000)
#define RELAY_LINK_LOG_US (60 * G_USEC_PER_SEC)

typedef struct _RelayLinkFront RelayLinkFront;
typedef struct _RelayLinkDesk RelayLinkDesk;

typedef enum {
  RELAY_LINK_DROP_KEY,
  RELAY_LINK_DROP_REPLAY,
  RELAY_LINK_DROP_COOKIE,
  RELAY_LINK_DROP_RATE,
  RELAY_LINK_DROP_MALFORMED,
  RELAY_LINK_DROP_UNKNOWN,
  RELAY_LINK_DROP_N,
} RelayLinkDrop;

typedef struct {
  BaseCounter *packets, *bytes, *children; /* all borrowed, nullable */
  BaseCounter *repairs_sent, *repairs_missing, *repairs_limited;
  BaseCounter *refused_full, *expired;
  BaseCounter *dropped[RELAY_LINK_DROP_N];
} RelayLinkMetrics;

struct _RelayLinkServer
{
  RelayHub *hub;
  RtcWorker **workers; /* owned array of borrowed ones */
  guint n_workers;
  RelayLinkKeys *keys;
  char *node_id;
  guint max_children;
  gboolean (*on_stream_wanted) (const char *stream, gpointer data);
  gpointer data;
  RelayLinkMetrics metrics;
  gint64 logged_us[RELAY_LINK_DROP_N]; /* any thread, atomic */
  BaseMailbox *mail; /* to main */
  RtcInput *input;
  RelayLinkFront *front;
  RelayLinkDesk **desks; /* one per worker */
  GArray **lists;        /* main: one per worker, of RelayLinkChild */
};

/* --- link-server.c: any thread ------------------------------------------- */

/* to main: a child asks for @name; the answer goes to the front.
 * @path: (nullable): whom to answer */
void relay_link_server_want (RelayLinkServer *self, const char *name,
                             const RtcPath *path, guint32 subscription);
/* @list: (transfer full): the children of @worker's desk */
void relay_link_server_take_list (RelayLinkServer *self, guint worker,
                                  GArray *list);
void relay_link_server_count_dropped (RelayLinkServer *self,
                                      RelayLinkDrop reason, gint64 n);

/* --- link-front.c ---------------------------------------------------------- */

RelayLinkFront *relay_link_front_new (RelayLinkServer *server); /* main */
void relay_link_front_free (RelayLinkFront *self);
/* main: after the port is open, from which the worker then sends */
void relay_link_front_start (RelayLinkFront *self);
/* first worker */
void relay_link_front_on_datagram (RtcInput *input, const RtcPath *path,
                                   guint8 *data, gsize len, gint64 now_us,
                                   gpointer front);
void relay_link_front_set_stream (RelayLinkFront *self, RelayStream *stream,
                                  gboolean is_live);
void relay_link_front_remove_stream (RelayLinkFront *self, RelayStream *stream);
void relay_link_front_answer (RelayLinkFront *self, const char *name,
                              gboolean is_pending, const RtcPath *path,
                              guint32 subscription);
void relay_link_front_leave (RelayLinkFront *self);
/* %FALSE: more datagrams this second than may be */
gboolean relay_link_front_take_datagram (RelayLinkFront *self, gint64 now_us);

/* --- link-desk.c: its worker, but for new and free ------------------------ */

RelayLinkDesk *relay_link_desk_new (RelayLinkServer *server, RtcWorker *worker,
                                    int fd, int family);
void relay_link_desk_free (RelayLinkDesk *self);
void relay_link_desk_on_message (RelayLinkDesk *self, RelayStream *stream,
                                 const RtcPath *path,
                                 const guint8 sender[RELAY_ID_BYTES],
                                 const RelayLinkMessage *message);
/* the stream is gone: BYE to its children */
void relay_link_desk_remove_stream (RelayLinkDesk *self, RelayStream *stream);
void relay_link_desk_leave (RelayLinkDesk *self);
RelayLinkSender *relay_link_desk_get_sender (RelayLinkDesk *self);
