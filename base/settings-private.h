/* SPDX-License-Identifier: Apache-2.0 */
/* base/settings-private: what settings.c and settings-text.c share. */
#pragma once

#include "base/settings-value.h"

struct _BaseSettings {
  const BaseSettingSpec *specs; /* borrowed, static */
  guint n_specs;
  BaseSettingValue *values; /* owned, as many */
};
