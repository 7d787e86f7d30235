/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BaseMailbox: the one way between threads. A first-in-first-out queue of
 * (function, data) that a GMainContext runs in order, all that is queued at
 * one wake-up. Posting never blocks but for a short internal lock and may be
 * done from any thread, the receiver's own included (it then runs later, not
 * at once, so order holds).
 * Owner:  who created it; lives as long as its context's thread.
 * Thread: post: any. Delivery: the context's.
 */
#pragma once

#include <glib.h>

typedef struct _BaseMailbox BaseMailbox;
typedef void (*BaseMailFunc) (gpointer data);

/* base_mailbox_new:
 * @context: (nullable): whose thread runs the mail; NULL = default context */
BaseMailbox *base_mailbox_new (GMainContext *context);

/* base_mailbox_free: runs no more mail; @discard of what is queued is called */
void base_mailbox_free (BaseMailbox *self);

/* base_mailbox_post:
 * @func: run on the receiver's thread with @data
 * @discard: (nullable): frees @data when it is never run; when it is run,
 *   @func owns @data */
void base_mailbox_post (BaseMailbox *self, BaseMailFunc func, gpointer data,
                        GDestroyNotify discard);

/* base_mailbox_get_depth: how many are queued now (a gauge) */
guint base_mailbox_get_depth (BaseMailbox *self);

/* base_mailbox_get_main: (transfer none): the process's box on the default
 * context, for sessions too many to have one each; any thread, made on first
 * use. base_mailbox_clear_main: at exit, when no other thread is left. */
BaseMailbox *base_mailbox_get_main (void);
void base_mailbox_clear_main (void);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BaseMailbox, base_mailbox_free)
