/* SPDX-License-Identifier: Apache-2.0 */
/* node/ctl-terminal: see the header. */
#include "node/ctl-terminal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ENTER "\033[?1049h\033[?25l\033[?7l"
#define LEAVE "\033[?7h\033[?25h\033[?1049l"
#define HOME "\033[H"
#define CLEAR_LINE "\033[K"
#define CLEAR_BELOW "\033[J"

/* Written before the handlers are there, and read in them. */
static struct termios before, ours;
static volatile sig_atomic_t is_open;

/* --- in signal handlers: tcsetattr and write only (signal-safety(7)) --------
 */

static void
put (const char *text, gsize n_bytes)
{
  ssize_t n = write (STDOUT_FILENO, text, n_bytes);

  (void)n; /* nobody is left to be told */
}

static void
leave (void)
{
  put (LEAVE, sizeof LEAVE - 1);
  tcsetattr (STDIN_FILENO, TCSANOW, &before);
}

static void
enter (void)
{
  tcsetattr (STDIN_FILENO, TCSANOW, &ours);
  put (ENTER, sizeof ENTER - 1);
}

/* The signal comes again as it would have, once the terminal is back; after
 * SIGTSTP the program goes on here when it is continued. */
static void
on_signal (int number)
{
  struct sigaction plain = { .sa_handler = SIG_DFL }, old;
  sigset_t set, mask;
  int error = errno;

  if (is_open)
    leave ();
  sigaction (number, &plain, &old);
  raise (number);
  sigemptyset (&set);
  sigaddset (&set, number);
  pthread_sigmask (SIG_UNBLOCK, &set, &mask); /* here it ends, or stops */
  pthread_sigmask (SIG_SETMASK, &mask, NULL);
  sigaction (number, &old, NULL);
  if (is_open)
    enter ();
  errno = error;
}

/* --- life -------------------------------------------------------------------
 */

static const int caught[] = { SIGHUP,  SIGINT,  SIGQUIT, SIGTERM,
                              SIGTSTP, SIGABRT, SIGSEGV, SIGBUS };

static void
set_handlers (void (*handler) (int))
{
  struct sigaction action = { .sa_handler = handler, .sa_flags = SA_RESTART };

  for (guint i = 0; i < G_N_ELEMENTS (caught); i++)
    sigaction (caught[i], &action, NULL);
}

gboolean
node_ctl_terminal_open (void)
{
  if (tcgetattr (STDIN_FILENO, &before) != 0)
    return FALSE;
  ours = before;
  ours.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
  ours.c_cc[VMIN] = 1;
  ours.c_cc[VTIME] = 0;
  set_handlers (on_signal);
  is_open = 1;
  enter ();
  return TRUE;
}

void
node_ctl_terminal_close (void)
{
  if (!is_open)
    return;
  is_open = 0;
  leave ();
  set_handlers (SIG_DFL);
}

void
node_ctl_terminal_get_size (guint *ret_n_columns, guint *ret_n_rows)
{
  struct winsize size = { 0 };

  *ret_n_columns = 80;
  *ret_n_rows = 24;
  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0
      || size.ws_row == 0)
    return;
  *ret_n_columns = size.ws_col;
  *ret_n_rows = size.ws_row;
}

gboolean
node_ctl_terminal_draw (const char *page)
{
  g_autoptr (GString) out = g_string_new (HOME);
  g_auto (GStrv) lines = g_strsplit (page, "\n", -1);
  const char *rest;
  gsize n_left;

  /* the last piece is empty: no newline after the last line, or it scrolls */
  for (guint i = 0; lines[i] && *lines[i]; i++)
    g_string_append_printf (out, "%s%s" CLEAR_LINE, i > 0 ? "\r\n" : "",
                            lines[i]);
  g_string_append (out, CLEAR_BELOW);
  for (rest = out->str, n_left = out->len; n_left > 0;)
    {
      ssize_t n = write (STDOUT_FILENO, rest, n_left);

      if (n < 0 && errno != EINTR)
        return FALSE;
      if (n > 0)
        {
          rest += n;
          n_left -= (gsize)n;
        }
    }
  return TRUE;
}
