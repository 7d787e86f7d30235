/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcHoles: which sequence numbers of one source are missing, when each may be
 * asked for, how often it was, and when it is given up. Numbers are 64-bit,
 * kept in ascending order. Pure: the clock is passed in, nothing is sent.
 *   A hole is first due first_delay_us after it was added, or, with waits,
 * after rtc_holes_allow() has passed it; then every retry_us. It is given up
 * give_up_us after it was added, or when it is due once more than max_tries
 * times. At most max_holes are kept: beyond it the lowest are given up.
 * Owner:  whoever made it. Thread: any, one at a time.
 */
#pragma once

#include <glib.h>

typedef struct _RtcHoles RtcHoles;

typedef struct {
  guint64 ext_seq;
  gint64 found_us;
  gint64 due_us;   /* next time to ask; G_MAXINT64: not allowed yet */
  gint64 asked_us; /* last time; 0 = never */
  guint n_tries;   /* times asked for */
  guint32 marks;   /* bits of the owner's: see rtc_holes_mark */
} RtcHole;

typedef struct {
  guint max_holes;       /* at least 1 */
  guint max_tries;       /* 0 = as often as give_up_us allows */
  gint64 first_delay_us; /* 0 = at once */
  gint64 retry_us;       /* until set_retry_us */
  gint64 give_up_us;
  gboolean waits;        /* not due before allow() (another source may have
                            sent it) */
  /* (nullable): as it was when it was given up; may not call back in.
     Numbers that never fitted are not told. */
  void (*on_given_up) (const RtcHole *hole, gpointer data);
  gpointer data;
} RtcHolesConfig;

RtcHoles *rtc_holes_new (const RtcHolesConfig *config);
void rtc_holes_free (RtcHoles *self);
/* e.g. 1.5 round trips; holds for what is asked from now on, and for what was
 * asked already */
void rtc_holes_set_retry_us (RtcHoles *self, gint64 retry_us);

/* [first, first + n_packets) did not come. Numbers that are holes already stay
 * as they are. */
void rtc_holes_add_range (RtcHoles *self, guint64 first, guint64 n_packets,
                          gint64 now_us);
/* with waits: nobody else will send those up to @last unasked */
void rtc_holes_allow (RtcHoles *self, guint64 last, gint64 now_us);
/* Sets @marks (e.g. whom it was asked of) on that hole, if it still is one. */
void rtc_holes_mark (RtcHoles *self, guint64 ext_seq, guint32 marks);
/* takes @marks off all holes: they are to mean something else */
void rtc_holes_unmark (RtcHoles *self, guint32 marks);
/* rtc_holes_remove: it came.
 * @ret: (out) (optional): as it was; n_tries > 0: it had been asked for
 * Returns: %FALSE: it was no hole (never missing, filled, given up) */
gboolean rtc_holes_remove (RtcHoles *self, guint64 ext_seq, RtcHole *ret);
/* rtc_holes_collect: gives up what is too old, then writes what is due into
 * @ret (ascending) and counts it as asked: n_tries is 1 at the first time.
 * @ret: (nullable) when @max is 0: only gives up
 * Returns: how many; what did not fit stays due */
guint rtc_holes_collect (RtcHoles *self, gint64 now_us, RtcHole *ret,
                         guint max);
/* gives up all below @ext_seq (G_MAXUINT64: all) */
void rtc_holes_give_up_below (RtcHoles *self, guint64 ext_seq);

guint rtc_holes_get_n_holes (RtcHoles *self);
/* (transfer none): by index, ascending; until the next change */
const RtcHole *rtc_holes_peek (RtcHoles *self, guint index);
/* given up since the last call, however that came */
guint64 rtc_holes_take_n_lost (RtcHoles *self);
/* forgets all: none is given up, and none was */
void rtc_holes_clear (RtcHoles *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (RtcHoles, rtc_holes_free)
