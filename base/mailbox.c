/* SPDX-License-Identifier: Apache-2.0 */
/* base/mailbox: a linked list under a short lock and one GSource. */
#include "base/mailbox.h"

typedef struct _Mail Mail;
struct _Mail
{
  Mail *next; /* owned by the list */
  BaseMailFunc func;
  gpointer data; /* owned until func runs */
  GDestroyNotify discard;
};

/* The source is the mailbox: its refcount keeps the memory while a mail that
 * frees the mailbox is still on the stack. */
struct _BaseMailbox
{
  GSource source;
  GMutex lock; /* innermost: nothing is called under it but GLib's wake-up */
  Mail *head;
  Mail **tail;
  guint depth;
  gboolean is_closed;
};

/* pop: the oldest mail, %NULL when there is none or the box is closed */
static Mail *
pop (BaseMailbox *self)
{
  Mail *mail;

  g_mutex_lock (&self->lock);
  mail = self->is_closed ? NULL : self->head;
  if (mail)
    {
      self->head = mail->next;
      if (!self->head)
        self->tail = &self->head;
      self->depth--;
    }
  g_mutex_unlock (&self->lock);
  return mail;
}

static gboolean
on_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  BaseMailbox *self = (BaseMailbox *)source;
  guint n_mails;

  g_mutex_lock (&self->lock);
  n_mails = self->depth;
  g_mutex_unlock (&self->lock);

  /* Only what is queued now: mail that posts to its own box must not keep
   * the loop from its sockets. */
  for (; n_mails > 0; n_mails--)
    {
      Mail *mail = pop (self);
      if (!mail)
        break;
      mail->func (mail->data);
      g_free (mail);
    }

  g_mutex_lock (&self->lock);
  if (!self->is_closed)
    g_source_set_ready_time (source, self->head ? 0 : -1);
  g_mutex_unlock (&self->lock);
  return G_SOURCE_CONTINUE;
}

static void
on_finalize (GSource *source)
{
  BaseMailbox *self = (BaseMailbox *)source;

  g_mutex_clear (&self->lock);
}

static GSourceFuncs source_funcs = {
  .dispatch = on_dispatch,
  .finalize = on_finalize,
};

BaseMailbox *
base_mailbox_new (GMainContext *context)
{
  GSource *source = g_source_new (&source_funcs, sizeof (BaseMailbox));
  BaseMailbox *self = (BaseMailbox *)source;

  g_mutex_init (&self->lock);
  self->head = NULL;
  self->tail = &self->head;
  self->depth = 0;
  self->is_closed = FALSE;
  g_source_set_static_name (source, "base-mailbox");
  /* A mail may run a nested iteration (tests, GStreamer) and still get its
   * answer by mail. */
  g_source_set_can_recurse (source, TRUE);
  g_source_attach (source, context);
  return self;
}

void
base_mailbox_free (BaseMailbox *self)
{
  Mail *mail, *next;

  g_return_if_fail (self);

  g_mutex_lock (&self->lock);
  self->is_closed = TRUE;
  mail = self->head;
  self->head = NULL;
  self->tail = &self->head;
  self->depth = 0;
  g_mutex_unlock (&self->lock);

  for (; mail; mail = next)
    {
      next = mail->next;
      if (mail->discard)
        mail->discard (mail->data);
      g_free (mail);
    }
  g_source_destroy (&self->source);
  g_source_unref (&self->source);
}

void
base_mailbox_post (BaseMailbox *self, BaseMailFunc func, gpointer data,
                   GDestroyNotify discard)
{
  Mail *mail;

  g_return_if_fail (self && func);

  mail = g_new (Mail, 1);
  *mail = (Mail){ .func = func, .data = data, .discard = discard };

  g_mutex_lock (&self->lock);
  if (!self->is_closed)
    {
      /* A queue that is not empty has its wake-up already. */
      if (!self->head)
        g_source_set_ready_time (&self->source, 0);
      *self->tail = mail;
      self->tail = &mail->next;
      self->depth++;
      mail = NULL;
    }
  g_mutex_unlock (&self->lock);

  if (mail) /* posted by a discard function while the box is being freed */
    {
      if (discard)
        discard (data);
      g_free (mail);
    }
}

guint
base_mailbox_get_depth (BaseMailbox *self)
{
  guint depth;

  g_return_val_if_fail (self, 0);
  g_mutex_lock (&self->lock);
  depth = self->depth;
  g_mutex_unlock (&self->lock);
  return depth;
}

static BaseMailbox *main_box; /* set once, atomically */

BaseMailbox *
base_mailbox_get_main (void)
{
  if (g_once_init_enter (&main_box))
    g_once_init_leave (&main_box, base_mailbox_new (NULL));
  return main_box;
}

void
base_mailbox_clear_main (void)
{
  g_clear_pointer (&main_box, base_mailbox_free);
}
