/* SPDX-License-Identifier: Apache-2.0 */
/*
 * RtcPoll: one epoll descriptor for all descriptors of a worker, so that its
 * GMainContext polls one. A watch is part of its owner's struct; an owner that
 * goes away during a dispatch is freed after it (see rtc/tcp.h).
 * Owner: RtcWorker. Thread: media.
 */
#pragma once

#include <glib.h>
#include <sys/epoll.h>

typedef struct {
  void (*func) (guint32 events, gpointer data);
  gpointer data;
} RtcWatch;

typedef struct _RtcPoll RtcPoll;
RtcPoll *rtc_poll_new (void); /* NULL: no descriptor; errno is set */
void rtc_poll_free (RtcPoll *self);
int rtc_poll_get_fd (RtcPoll *self);
/* @events: EPOLLIN, EPOLLOUT; level-triggered */
gboolean rtc_poll_add (RtcPoll *self, int fd, guint32 events, RtcWatch *watch);
void rtc_poll_modify (RtcPoll *self, int fd, guint32 events, RtcWatch *watch);
void rtc_poll_remove (RtcPoll *self, int fd);
void rtc_poll_dispatch (RtcPoll *self); /* never waits */
