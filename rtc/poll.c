/* SPDX-License-Identifier: Apache-2.0 */
/* RtcPoll: thin over epoll(7). */
#include "rtc/poll.h"

#include <unistd.h>

#define MAX_EVENTS 128 /* the rest comes at the next turn */

struct _RtcPoll
{
  int fd; /* owned */
};

RtcPoll *
rtc_poll_new (void)
{
  RtcPoll *self;
  int fd = epoll_create1 (EPOLL_CLOEXEC);

  if (fd < 0)
    return NULL;
  self = g_new0 (RtcPoll, 1);
  self->fd = fd;
  return self;
}

void
rtc_poll_free (RtcPoll *self)
{
  close (self->fd);
  g_free (self);
}

int
rtc_poll_get_fd (RtcPoll *self)
{
  return self->fd;
}

gboolean
rtc_poll_add (RtcPoll *self, int fd, guint32 events, RtcWatch *watch)
{
  struct epoll_event e = { .events = events, .data.ptr = watch };

  return epoll_ctl (self->fd, EPOLL_CTL_ADD, fd, &e) == 0;
}

void
rtc_poll_modify (RtcPoll *self, int fd, guint32 events, RtcWatch *watch)
{
  struct epoll_event e = { .events = events, .data.ptr = watch };

  epoll_ctl (self->fd, EPOLL_CTL_MOD, fd, &e);
}

void
rtc_poll_remove (RtcPoll *self, int fd)
{
  epoll_ctl (self->fd, EPOLL_CTL_DEL, fd, NULL);
}

void
rtc_poll_dispatch (RtcPoll *self)
{
  struct epoll_event events[MAX_EVENTS];
  int n = epoll_wait (self->fd, events, MAX_EVENTS, 0);

  for (int i = 0; i < n; i++)
    {
      RtcWatch *watch = events[i].data.ptr;

      watch->func (events[i].events, watch->data);
    }
}
