/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BaseSettingValue: one setting's text read by its declared type: numbers with
 * units become the base unit (us, bytes, bit/s), bounds are checked.
 * Used by base/settings.c only. Thread: any.
 */
#pragma once

#include "base/settings.h"

typedef struct {
  char *text;     /* owned (nullable): as written; NULL = unset */
  gint64 number;  /* BOOL, INT, DURATION, SIZE, RATE; RANGE's low end */
  gint64 high;    /* RANGE */
  char **list;    /* owned; LIST; never NULL once parsed */
  gboolean is_set; /* by somebody: it is not the default */
} BaseSettingValue;

/* base_setting_value_parse: replaces what @value holds.
 * @text: (nullable): NULL or, for texts and lists, "" = unset
 * Returns: %FALSE with BASE_SETTINGS_ERROR_BAD_VALUE, whose message says what
 * is expected but names neither key nor place; @value is then untouched */
gboolean base_setting_value_parse (BaseSettingValue *value,
                                   const BaseSettingSpec *spec,
                                   const char *text, GError **error);
void base_setting_value_clear (BaseSettingValue *value);

/* base_setting_type_placeholder: (transfer none): "TIME", "SIZE", … */
const char *base_setting_type_placeholder (const BaseSettingSpec *spec);
