/* SPDX-License-Identifier: Apache-2.0 */
/*
 * base/log-fields: the ids and figures that a room's message begins with:
 *     session=AbCdEfGh stream=live packets=512 viewer gone: peer
 * They stay as they are in text and become members of their own in JSON.
 *   A field is a name that this file knows, '=' and a value of
 * BASE_LOG_VALUE_CHARS, ended by a space or the message's end; the first thing
 * that is none, a name's second time among them, begins the words. A value from
 * outside stands in a field only when it was checked to be a name or an id,
 * which have no spaces, and never where the words begin: tests/lint/logs.py
 * looks after that, so nobody outside can make a field.
 * Thread: any. Pure.
 */
#pragma once

#include <glib.h>

#define BASE_LOG_MAX_FIELDS 16
#define BASE_LOG_MAX_VALUE_BYTES 128
#define BASE_LOG_VALUE_CHARS                                                   \
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._~:/+@[]-"

typedef struct
{
  const char *name;  /* static */
  const char *value; /* in the message, not ended by a NUL */
  guint n_value_bytes;
  gboolean is_number; /* may stand in JSON as it is */
} BaseLogField;

/* base_log_fields_read: @message: valid UTF-8
 * @ret_words: what follows the fields, "" for nothing
 * Returns: how many fields there are */
guint base_log_fields_read (const char *message,
                            BaseLogField ret[BASE_LOG_MAX_FIELDS],
                            const char **ret_words);
