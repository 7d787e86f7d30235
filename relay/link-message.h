/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay/link-message: the bodies of control messages between parent and child,
 * read and written. Pure functions on bytes that a member of the cluster sent:
 * still nothing is read past the end, and every number has a bound.
 * docs/LINKS.md has the bytes.
 * Thread: any.
 */
#pragma once

#include "relay/link-keys.h"
#include "relay/stream.h"

#define RELAY_LINK_MAX_PATH 8   /* nodes from the origin to the parent */
#define RELAY_LINK_MAX_NACKS 64 /* ranges a message */
#define RELAY_LINK_NAME_CHARS 64

typedef enum {
  RELAY_LINK_SUBSCRIBE = 1, /* child → parent, repeated: soft state */
  RELAY_LINK_COOKIE = 2,    /* parent → child: nothing else before it is back */
  RELAY_LINK_STATUS = 3,    /* parent → child: reply, and keepalive */
  RELAY_LINK_REFUSE = 4,    /* parent → child */
  RELAY_LINK_NACK = 5,      /* child → parent */
  RELAY_LINK_KEYFRAME = 6,  /* child → parent */
  RELAY_LINK_LEAVE = 7,     /* child → parent: ends the subscription */
  RELAY_LINK_BYE = 8,       /* parent → child: it goes, or the stream is gone */
} RelayLinkType;

typedef enum {
  RELAY_LINK_START_LIVE, /* from the next packet on */
  RELAY_LINK_START_GOP,  /* from the newest GOP that is held */
  RELAY_LINK_START_FROM, /* from these numbers on, or the oldest held */
} RelayLinkStart;

typedef enum {
  RELAY_LINK_REASON_UNKNOWN = 1, /* nobody publishes such a stream */
  RELAY_LINK_REASON_PENDING,     /* being fetched: ask again */
  RELAY_LINK_REASON_FULL,        /* has its maximum of children */
  RELAY_LINK_REASON_LEAVING,     /* node drains or ends */
  RELAY_LINK_REASON_LOOP,        /* child is on the parent's own path */
} RelayLinkReason;

typedef struct {
  guint64 highest;    /* ext_seq; 0 = nothing yet */
  guint32 n_received; /* from this parent, since the subscription began */
  guint32 n_first;    /* of them, those that came before the other parent's */
  guint32 n_lost;     /* asked for and given up, whoever should have sent it */
} RelayLinkReport;

typedef struct {
  guint8 cookie[RELAY_LINK_COOKIE_BYTES]; /* zeros: none yet */
  RelayLinkStart start;
  guint64 from[RTC_MEDIA_N_KINDS]; /* START_FROM: first number wanted */
  guint32 sent_us;                 /* child's clock, echoed */
  guint32 rtt_us, jitter_us;       /* child's last measurement; 0 = none */
  RelayLinkReport reports[RTC_MEDIA_N_KINDS];
  char stream[RELAY_LINK_NAME_CHARS + 1];
  char node[RELAY_LINK_NAME_CHARS + 1]; /* the child */
} RelayLinkSubscribe;

typedef struct {
  gboolean is_reply; /* to a SUBSCRIBE, echo_us is set; else a keepalive */
  gboolean is_live;  /* somebody publishes */
  gboolean has_info;
  guint32 echo_us;
  guint64 epoch;
  guint8 publication[RELAY_ID_BYTES];
  guint64 first[RTC_MEDIA_N_KINDS]; /* where this subscription began; 0 = not */
  guint64 head[RTC_MEDIA_N_KINDS];  /* last number sent; 0 = none */
  gboolean has_clock[RTC_MEDIA_N_KINDS];
  guint64 ntp[RTC_MEDIA_N_KINDS]; /* publisher's clock now … */
  guint32 rtp_ts[RTC_MEDIA_N_KINDS]; /* … in the tree's timestamps */
  guint n_path;
  char path[RELAY_LINK_MAX_PATH][RELAY_LINK_NAME_CHARS + 1]; /* origin first */
  RelayStreamInfo info; /* when has_info */
} RelayLinkStatus;

typedef struct {
  RtcMediaKind kind;
  guint64 first;
  guint16 n_packets;
} RelayLinkNackRange;

typedef struct {
  RelayLinkType type;
  guint32 subscription; /* chosen by the child; another one = a new start */
  union {
    RelayLinkSubscribe subscribe;
    struct {
      guint8 cookie[RELAY_LINK_COOKIE_BYTES];
    } cookie;
    RelayLinkStatus status;
    struct {
      RelayLinkReason reason;
    } refuse, bye;
    struct {
      guint n_ranges;
      RelayLinkNackRange ranges[RELAY_LINK_MAX_NACKS];
    } nack;
  };
} RelayLinkMessage;

/* Returns: bytes written to @dst (RELAY_LINK_MAX_BODY_BYTES); 0 = does not
 * fit (a caller's bug). A STATUS's info is left out when it alone does not fit
 * (both fmtps long, and a long path): the directory has it too */
gsize relay_link_message_write (const RelayLinkMessage *message, guint8 *dst);
/* Returns: %FALSE: not a message (unknown type, cut, out of bounds, bytes left
 * over, a name that is none) */
gboolean relay_link_message_read (const guint8 *body, gsize len,
                                  RelayLinkMessage *ret);

/* RelayStreamInfo as JSON text, for the directory too (transfer full);
 * parse: %FALSE when it is not one of ours */
char *relay_stream_info_to_json (const RelayStreamInfo *info);
gboolean relay_stream_info_from_json (const char *text, RelayStreamInfo *ret);
