/* SPDX-License-Identifier: Apache-2.0 */
/* base/settings-private: what settings.c and settings-text.c share. */
#pragma once

#include "base/settings-value.h"

/* another name in the environment */
typedef struct {
  const char *env, *unit; /* static; @unit nullable */
} BaseSettingAlias;

struct _BaseSettings {
  BaseSettingSpec *specs; /* owned, their texts are static */
  guint n_specs;
  BaseSettingValue *values; /* owned, as many */
  BaseSettingAlias *aliases; /* owned, as many; mostly without env */
};
