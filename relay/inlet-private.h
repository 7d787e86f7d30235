/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay/inlet-private: what inlet.c (life and publications), inlet-parent.c
 * (control messages), inlet-media.c (merging) and inlet-repair.c (what is
 * missing) share. Which thread may touch a field stands beside it.
 */
#pragma once

#include "relay/inlet.h"
#include "rtc/holes.h"
#include "rtc/input.h"

/* ours and candidates, and two that were ours before */
#define INLET_MAX_LINKS (RELAY_INLET_MAX_PARENTS + 2)

#define INLET_SILENT_US (60 * G_TIME_SPAN_MILLISECOND)
/* media may be anybody's copy: only control messages prove that it lives */
#define INLET_STATUS_US (1 * G_USEC_PER_SEC)

/* One parent as the child sees it. Owner: RelayInlet. Thread: home. */
typedef struct
{
  RelayLinkParent parent;
  gboolean is_ours;    /* else a candidate, or */
  gboolean is_leaving; /* replaced: kept until the new one delivers */

  /* the subscription */
  gboolean is_asked;
  gboolean is_pending, is_refused; /* the last answer; until retry_us */
  gboolean has_status;             /* it was accepted */
  guint32 subscription;
  RelayLinkStart start;
  guint64 from[RTC_MEDIA_N_KINDS];
  gboolean has_cookie;
  guint8 cookie[RELAY_LINK_COOKIE_BYTES];
  gint64 asked_us, sent_us, next_us, retry_us, cookie_us, left_us;
  guint n_unanswered; /* SUBSCRIBEs since the last answer */

  /* whose messages: one boot of it, and which counters were seen */
  gboolean has_boot, has_old_boot;
  guint8 boot[RELAY_ID_BYTES], old_boot[RELAY_ID_BYTES];
  guint64 counter, counter_mask; /* highest; bit i: counter - i came */

  /* what it says */
  gint64 heard_us;     /* anything from its address that may be right */
  gint64 status_us;    /* an authentic message */
  gboolean is_current; /* of our publication */
  gboolean says_live;
  guint64 epoch;
  guint n_path;
  char path[RELAY_LINK_MAX_PATH][RELAY_LINK_NAME_CHARS + 1];

  /* of this publication */
  guint64 first[RTC_MEDIA_N_KINDS];
  guint64 highest[RTC_MEDIA_N_KINDS]; /* received */
  guint64 passed[RTC_MEDIA_N_KINDS];  /* nothing below it will come unasked */
  guint32 n_received[RTC_MEDIA_N_KINDS], n_firsts[RTC_MEDIA_N_KINDS];

  guint64 n_packets, n_first, n_lost, n_nacked, n_repaired, n_unrepaired;
  guint32 mark; /* one bit: on holes that it was asked for */
  gint64 rtt_us; /* 0 = not measured */
  gboolean has_transit, was_good;
  guint32 last_transit, jitter; /* RFC 3550 A.8: units * 16 */
  guint32 jitter_us;
} InletParent;

/* One publication's callback data. Owner: the publication. */
typedef struct
{
  RelayInlet *inlet; /* one reference */
  gint is_over;      /* atomic: ended, or replaced by ourselves */
} InletTerm;

struct _RelayInlet
{
  gatomicrefcount ref;
  RelayLinkKeys *keys; /* borrowed */
  RelayStream *stream; /* one reference */
  RtcWorker *home;     /* borrowed */
  char *name;
  char node[RELAY_LINK_NAME_CHARS + 1];
  gboolean repair;

  /* main */
  RtcInput *input;          /* owned; media sends by it */
  RelayPublication *keeper; /* never begins: the hub keeps the stream */
  void (*on_replaced) (RelayInlet *self, gpointer data);
  gpointer data;
  gboolean is_freed;

  /* home */
  gboolean is_stopped;         /* freed, or a publisher came here */
  gboolean was_late;           /* the last tick */
  GSource *tick, *repair_tick; /* owned, nullable */
  gint64 begun_us, ticked_us, shared_us;
  InletParent *parents[INLET_MAX_LINKS]; /* owned: ours, candidates, leaving */
  guint n_parents, n_wanted; /* of them, those that are to deliver */
  guint32 marks;             /* of theirs: in use */
  InletParent *lead;         /* borrowed, nullable: begins at the GOP */
  gint64 added_us;           /* a candidate was asked */
  gint64 settled_us;         /* all of ours deliver, since; 0 = not */
  gint64 silent_us;          /* nobody delivers, since; 0 = somebody does */

  /* the publication; its id and epoch stay when it has ended */
  RelayPublication *publication; /* one reference, nullable */
  InletTerm *term;               /* borrowed from it */
  RelayTreeInfo tree;            /* its media: one reference */
  RelayStreamInfo info;
  gboolean has_id;
  gboolean has_media;          /* some packet of it came */
  gint64 media_us;             /* the last new one */
  gboolean is_keyframe_wanted; /* nobody could be asked yet */

  /* numbers: of the tree, per kind; 0 = none */
  guint64 highest[RTC_MEDIA_N_KINDS];
  guint64 known[RTC_MEDIA_N_KINDS];   /* as highest, or a parent said so */
  guint64 checked[RTC_MEDIA_N_KINDS]; /* below it all came, or is a hole */
  gboolean is_video_open;
  guint64 gate; /* video's number that opened it */
  RtcHoles *holes[RTC_MEDIA_N_KINDS];
  BaseHistogram *repair_seconds;     /* borrowed, nullable */
  guint32 n_lost[RTC_MEDIA_N_KINDS]; /* given up, for reports */

  RelayInletStats stats;
  GMutex lock; /* over shared: held only while it is copied */
  RelayInletStats shared;
};

RelayInlet *inlet_ref (RelayInlet *self);
void inlet_unref (gpointer data);

/* --- inlet.c: publications, home */
/* a parent told of another publication, or the ended one is there again */
void inlet_begin (RelayInlet *self, const RelayTreeInfo *tree,
                  const RelayStreamInfo *info, InletParent *lead,
                  gint64 now_us);
void inlet_end (RelayInlet *self);
/* tells the publication what is new in self->tree */
void inlet_apply_tree (RelayInlet *self);

/* --- inlet-parent.c: home */
InletParent *inlet_parent_new (const RelayLinkParent *parent);
void inlet_parent_begin (RelayInlet *self, InletParent *parent, gint64 now_us);
void inlet_parent_subscribe (RelayInlet *self, InletParent *parent,
                             gint64 now_us);
/* as soon as it may be: something is unclear that STATUS would say */
void inlet_parent_hurry (RelayInlet *self, InletParent *parent, gint64 now_us);
void inlet_parent_leave (RelayInlet *self, InletParent *parent);
/* forgets what it said of the former publication */
void inlet_parent_restart (InletParent *parent);
gboolean inlet_parent_send (RelayInlet *self, InletParent *parent,
                            RelayLinkMessage *message);
void inlet_parent_on_control (RelayInlet *self, InletParent *parent,
                              const guint8 *data, gsize len, gint64 now_us);
gboolean inlet_parent_is_silent (const InletParent *parent, gint64 now_us);
/* it delivers what there is */
gboolean inlet_parent_is_good (const RelayInlet *self,
                               const InletParent *parent, gint64 now_us);
/* good, and (where media flows) it has brought some */
gboolean inlet_parent_delivers (const RelayInlet *self,
                                const InletParent *parent, gint64 now_us);

/* something is there to go on from: a keyframe, where there is video */
gboolean inlet_has_begun (const RelayInlet *self);

/* --- inlet-links.c: whom to ask, home */
void inlet_take_parents (RelayInlet *self, const RelayLinkParent *parents,
                         guint n_parents, guint n_active, gint64 now_us);
void inlet_choose_parents (RelayInlet *self, gint64 now_us);
guint inlet_count_good (RelayInlet *self, gint64 now_us);
/* the path of one that delivers goes to our children */
void inlet_choose_path (RelayInlet *self, gint64 now_us);
void inlet_ask_keyframe (RelayInlet *self, gint64 now_us);

/* --- inlet-media.c: home */
void inlet_on_packet (RtcInput *input, const RtcPath *path, guint8 *data,
                      gsize len, gint64 now_us, gpointer user_data);

/* --- inlet-repair.c: home */
/* a number came: @ret_was_asked: as an answer */
void inlet_note_number (RelayInlet *self, RtcMediaKind kind, guint64 tree_seq,
                        gint64 now_us, gboolean *ret_was_asked);
/* what all parents have passed and nobody brought is a hole */
void inlet_find_holes (RelayInlet *self, gint64 now_us);
void inlet_restart_numbers (RelayInlet *self);
/* a bit of its own while it is one of our parents */
void inlet_mark_parent (RelayInlet *self, InletParent *parent);
void inlet_unmark_parent (RelayInlet *self, InletParent *parent);
/* of holes: counts it where it was asked for */
void inlet_on_given_up (const RtcHole *hole, gpointer data);
/* first number that is still missing; 0 = nothing came yet */
guint64 inlet_get_missing (RelayInlet *self, RtcMediaKind kind);
/* asks for what is due; %FALSE: nothing is missing any more */
gboolean inlet_ask_repairs (RelayInlet *self, gint64 now_us);
