/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/log: one writer for all lines. Rooms log through a GStreamer debug
 * category of their own (<room>/log.h); GLib's and libsoup's messages go the
 * same way. ERROR = a promise was lost, WARNING = a peer or the environment
 * is wrong, INFO = one line per session life, DEBUG = decisions, LOG =
 * packets. Every line begins with the ids of what it is about, as fields
 * (base/log-fields.h): "session=%s stream=%s words". Never keys, tokens, ICE
 * passwords, nor a whole session id, which would open the session.
 * Thread: any.
 */
#pragma once

#include <gst/gst.h>

typedef enum
{
  BASE_LOG_TEXT,
  BASE_LOG_JSON
} BaseLogFormat;

/* base_log_init: after gst_init().
 * @level: "error", "warning", "info", "debug" or "log" for all rooms and GLib;
 *   after it single categories, GStreamer's too: "info,rtc:debug,rtpbin:log".
 *   GStreamer's own stay at warning unless named. */
void base_log_init (BaseLogFormat format, const char *level);

/* base_log_set_node: every line from now on says whose it is; before other
 * threads are started. Both are names (cluster/types.h).
 * @is_in_text: in the text format too: logs of several nodes are read together
 */
void base_log_set_node (const char *node_id, const char *tree_id,
                        gboolean is_in_text);

/* base_log_make_line: (transfer full): as it is written, with its newline.
 * @source: the room, GLib's domain
 * @is_room: @message is a room's and may begin with fields */
char *base_log_make_line (BaseLogFormat format, GstDebugLevel level,
                          const char *source, gboolean is_room,
                          const char *message);

/* base_log_set_level: from now on, for all rooms and GLib but what was named
 * with a level of its own */
void base_log_set_level (GstDebugLevel level);

/* base_log_level_is_valid: is @level what base_log_init takes? */
gboolean base_log_level_is_valid (const char *level);

/* base_log_new_room: (transfer none): for BASE_LOG_DEFINE alone; before or
 * after base_log_init */
GstDebugCategory *base_log_new_room (const char *name);

/* In <room>/log.h: BASE_LOG_DECLARE (rtc); in one .c: BASE_LOG_DEFINE (rtc).
 * Then GST_INFO ("…") etc. work in that room. */
#define BASE_LOG_DECLARE(room) extern GstDebugCategory *room##_log_get (void)
#define BASE_LOG_DEFINE(room)                                                  \
  GstDebugCategory *room##_log_get (void)                                      \
  {                                                                            \
    static GstDebugCategory *category;                                         \
    if (g_once_init_enter (&category))                                         \
      g_once_init_leave (&category, base_log_new_room (#room));                \
    return category;                                                           \
  }
