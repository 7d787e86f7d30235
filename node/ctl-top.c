/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-top: see the header. */
#include "node/ctl-top.h"

#include <errno.h>
#include <glib-unix.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/sketch.h"
#include "node/ctl-json.h"
#include "node/ctl-terminal.h"
#include "node/ctl-top-text.h"

#define INTERVAL_S 1.0
#define ESCAPE 27

/* What the asking thread has found; it goes to main whole. */
typedef struct
{
  NodeCtlReply *reply; /* owned: of /api/tree */
  double join_p95_s;
} News;

typedef struct
{
  const NodeCtlOptions *options; /* borrowed */
  GMainLoop *loop;               /* owned */
  NodeCtlReply *last;            /* owned: the last good one */
  char *message;                 /* owned (nullable) */
  NodeCtlTopView view;
  guint n_escape; /* bytes of a key's sequence that came */
  /* the asking thread; is_over and cond under lock */
  GThread *thread;
  GMutex lock;
  GCond cond;
  gboolean is_over;
  gint64 joins_us; /* when joins were asked for; the thread's */
  double join_p95_s;
} Top;

static void
news_free (gpointer data)
{
  News *self = data;

  node_ctl_reply_free (self->reply);
  g_free (self);
}

static gboolean
is_tree (const NodeCtlReply *reply)
{
  return reply->status == 200 && reply->root
         && JSON_NODE_HOLDS_OBJECT (reply->root)
         && node_ctl_get_array (json_node_get_object (reply->root), "nodes");
}

/* --- joins: the sketches of all nodes, added up ----------------------------
 */

/* dup_urls: (transfer full) (element-type utf8): of nodes that serve viewers */
static GPtrArray *
dup_urls (const NodeCtlOptions *options, JsonObject *tree)
{
  GPtrArray *urls = g_ptr_array_new_with_free_func (g_free);
  JsonArray *nodes = node_ctl_get_array (tree, "nodes");

  for (guint i = 0;
       i < json_array_get_length (nodes) && urls->len < NODE_CTL_TOP_MAX_JOINS;
       i++)
    {
      JsonObject *node = node_ctl_get_element (nodes, i);
      g_autofree char *url = node ? node_ctl_dup_text (node, "url") : NULL;

      if (!node || !node_ctl_get_bool (node, "alive", FALSE)
          || node_ctl_get_int (node, "max_viewers") == 0)
        continue;
      if (node_ctl_get_bool (node, "self", FALSE))
        g_ptr_array_add (urls, g_strdup (options->url));
      else if (!g_str_equal (url, "-"))
        g_ptr_array_add (urls, g_steal_pointer (&url));
    }
  return urls;
}

/* add_joins: @sum: what a node tells of its last minute */
static void
add_joins (BaseSketch *sum, const NodeCtlReply *reply, double *ret_scale)
{
  static const char *const members[] = { "windows", "join_latency", "1m" };
  JsonObject *object = reply->status == 200 && reply->root
                               && JSON_NODE_HOLDS_OBJECT (reply->root)
                           ? json_node_get_object (reply->root)
                           : NULL;
  g_autoptr (BaseSketch) sketch = NULL;
  JsonNode *node;

  for (guint i = 0; object && i < G_N_ELEMENTS (members); i++)
    {
      if (i == 2)
        *ret_scale = node_ctl_get_ratio (object, "scale");
      object = node_ctl_get_object (object, members[i]);
    }
  node = object ? json_object_get_member (object, "sketch") : NULL;
  sketch = node ? base_sketch_from_json (node, NULL) : NULL;
  if (sketch)
    base_sketch_merge (sum, sketch);
}

/* ask_joins: Returns: seconds; < 0: nobody joined, or nobody says */
static double
ask_joins (const NodeCtlOptions *options, JsonObject *tree)
{
  g_autoptr (GPtrArray) urls = dup_urls (options, tree);
  g_autoptr (GPtrArray) replies =
      node_ctl_get_all (options, urls, "/monitoring/system");
  g_autoptr (BaseSketch) sum = base_sketch_new ();
  double scale = 0;

  for (guint i = 0; i < replies->len; i++)
    add_joins (sum, replies->pdata[i], &scale);
  return base_sketch_get_n (sum) > 0 && scale > 0
             ? base_sketch_quantile (sum, 0.95) * scale
             : -1;
}

/* --- the asking thread ------------------------------------------------------
 */

static News *
ask (Top *self)
{
  News *news = g_new0 (News, 1);
  gint64 now_us = base_clock_now_us ();

  news->reply = node_ctl_get (self->options, self->options->url, "/api/tree");
  if (is_tree (news->reply)
      && (self->joins_us == 0
          || now_us - self->joins_us >= NODE_CTL_TOP_JOINS_S * BASE_US_PER_S))
    {
      self->joins_us = now_us;
      self->join_p95_s =
          ask_joins (self->options, json_node_get_object (news->reply->root));
    }
  news->join_p95_s = self->join_p95_s;
  return news;
}

typedef struct
{
  Top *top;
  News *news; /* owned */
} Mail;

static void
mail_free (gpointer data)
{
  Mail *mail = data;

  news_free (mail->news);
  g_free (mail);
}

static gboolean on_news (gpointer data);

static gint64
get_interval_us (const Top *self)
{
  double s =
      self->options->interval_s > 0 ? self->options->interval_s : INTERVAL_S;

  return (gint64)(s * BASE_US_PER_S);
}

static gpointer
run_thread (gpointer data)
{
  Top *self = data;

  g_mutex_lock (&self->lock);
  while (!self->is_over)
    {
      gint64 next_us = g_get_monotonic_time () + get_interval_us (self);

      while (!self->is_over
             && g_cond_wait_until (&self->cond, &self->lock, next_us))
        ;
      if (self->is_over)
        break;
      g_mutex_unlock (&self->lock);
      {
        Mail *mail = g_new (Mail, 1);

        *mail = (Mail){ self, ask (self) };
        g_idle_add_full (G_PRIORITY_DEFAULT, on_news, mail, mail_free);
      }
      g_mutex_lock (&self->lock);
    }
  g_mutex_unlock (&self->lock);
  return NULL;
}

static void
stop_thread (Top *self)
{
  g_mutex_lock (&self->lock);
  self->is_over = TRUE;
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
  g_cancellable_cancel (self->options->cancellable); /* a node may hang */
  g_thread_join (self->thread);
}

/* --- the page ---------------------------------------------------------------
 */

static void
draw (Top *self)
{
  g_autofree char *page = NULL;

  node_ctl_terminal_get_size (&self->view.n_columns, &self->view.n_rows);
  self->view.now_wall_us = base_clock_wall_us ();
  self->view.message = self->message;
  page =
      node_ctl_top_text (json_node_get_object (self->last->root), &self->view);
  if (!node_ctl_terminal_draw (page))
    g_main_loop_quit (self->loop);
}

static gboolean
on_news (gpointer data)
{
  Mail *mail = data;
  Top *self = mail->top;
  News *news = mail->news;

  g_clear_pointer (&self->message, g_free);
  if (is_tree (news->reply))
    {
      node_ctl_reply_free (self->last);
      self->last = g_steal_pointer (&news->reply);
      self->view.join_p95_s = news->join_p95_s;
    }
  else
    {
      g_autofree char *why = node_ctl_dup_problem (news->reply);

      self->message = g_strdup_printf ("%s does not answer (%s): this is old",
                                       self->options->url, why);
    }
  draw (self);
  return G_SOURCE_REMOVE;
}

static void
scroll (Top *self, int n_rows)
{
  if (n_rows > 0)
    self->view.first += (guint)n_rows; /* draw() keeps it within bounds */
  else
    self->view.first -= MIN (self->view.first, (guint)-n_rows);
}

/* Of arrows and function keys only the last byte is looked at. */
static gboolean
is_sequence (Top *self, int key)
{
  if (key == ESCAPE)
    {
      self->n_escape = 1;
      return TRUE;
    }
  if (self->n_escape == 0)
    return FALSE;
  if (self->n_escape == 1)
    {
      gboolean is_one = key == '[' || key == 'O';

      self->n_escape = is_one ? 2 : 0;
      return is_one;
    }
  if (!g_ascii_isalpha (key) && key != '~')
    return TRUE;
  if (key == 'A' || key == 'B')
    scroll (self, key == 'B' ? 1 : -1);
  self->n_escape = 0;
  return TRUE;
}

static void
press (Top *self, int key)
{
  NodeCtlSort sort = node_ctl_sort_from_key (key);

  if (is_sequence (self, key))
    return;
  if (key == 'q' || key == 'Q')
    g_main_loop_quit (self->loop);
  else if (key == 'r')
    self->view.is_reversed = !self->view.is_reversed;
  else if (key == 'j' || key == 'k')
    scroll (self, key == 'j' ? 1 : -1);
  else if (sort < NODE_CTL_N_SORTS)
    self->view.sort = sort;
}

static gboolean
on_keys (int fd, GIOCondition condition, gpointer data)
{
  Top *self = data;
  char keys[64];
  ssize_t n = read (fd, keys, sizeof keys);

  /* nothing although there was something: the terminal is gone */
  if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
    {
      g_main_loop_quit (self->loop);
      return G_SOURCE_REMOVE;
    }
  for (ssize_t i = 0; i < n; i++)
    press (self, keys[i]);
  draw (self);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_resized (gpointer data)
{
  draw (data);
  return G_SOURCE_CONTINUE;
}

static int
run_live (Top *self)
{
  if (!node_ctl_terminal_open ())
    return node_ctl_fail (EX_IOERR, "the terminal cannot be used: %s",
                          g_strerror (errno));
  self->view.has_keys = TRUE;
  self->loop = g_main_loop_new (NULL, FALSE);
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  g_unix_signal_add (SIGWINCH, on_resized, self);
  g_unix_fd_add (STDIN_FILENO, G_IO_IN | G_IO_HUP | G_IO_ERR, on_keys, self);
  self->thread = g_thread_new ("ask", run_thread, self);
  draw (self);
  g_main_loop_run (self->loop);
  node_ctl_terminal_close ();
  stop_thread (self);
  g_main_loop_unref (self->loop);
  g_cond_clear (&self->cond);
  g_mutex_clear (&self->lock);
  return EX_OK;
}

static int
run_once (Top *self)
{
  g_autofree char *text = NULL;

  if (self->options->as_json)
    {
      JsonObject *tree = json_node_get_object (self->last->root);

      if (self->view.join_p95_s >= 0)
        json_object_set_double_member (tree, "join_p95_seconds",
                                       self->view.join_p95_s);
      else
        json_object_set_null_member (tree, "join_p95_seconds");
      text = json_to_string (self->last->root, TRUE);
      puts (text);
    }
  else
    {
      self->view.now_wall_us = base_clock_wall_us ();
      text = node_ctl_top_text (json_node_get_object (self->last->root),
                                &self->view);
      fputs (text, stdout);
    }
  return fflush (stdout) == 0 ? EX_OK
                              : node_ctl_fail (EX_IOERR, "cannot print");
}

int
node_ctl_top_run (const NodeCtlOptions *options)
{
  Top top = { .options = options, .join_p95_s = -1 };
  Top *self = &top;
  News *news;
  int code;

  if (options->sort)
    self->view.sort = node_ctl_sort_from_word (options->sort);
  news = ask (self);
  code = node_ctl_check (options, news->reply);
  if (code < 0 && !is_tree (news->reply))
    code = node_ctl_fail_not_understood (options->url);
  if (code < 0)
    {
      self->last = g_steal_pointer (&news->reply);
      self->view.join_p95_s = news->join_p95_s;
      code = options->is_once || options->as_json || !isatty (STDIN_FILENO)
                     || !isatty (STDOUT_FILENO)
                 ? run_once (self)
                 : run_live (self);
    }
  news_free (news);
  node_ctl_reply_free (self->last);
  g_free (self->message);
  return code;
}
