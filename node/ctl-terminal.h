/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/ctl-terminal: a terminal as a page that is drawn again and again: the
 * other screen, no cursor, keys one by one; and put back as it was, at close()
 * and by whatever signal ends or stops the program. Plain ANSI.
 *   One at a time in a process: signals know no other place.
 * Owner:  who opened it. Thread: main; the signals': any.
 */
#pragma once

#include <glib.h>

/* node_ctl_terminal_open: stdin and stdout are terminals.
 * Returns: %FALSE: errno says why */
gboolean node_ctl_terminal_open (void);
void node_ctl_terminal_close (void);
/* 80 by 24 when it does not say */
void node_ctl_terminal_get_size (guint *ret_n_columns, guint *ret_n_rows);
/* @page: lines, no more of them than there are rows.
 * Returns: %FALSE: it is gone */
gboolean node_ctl_terminal_draw (const char *page);
