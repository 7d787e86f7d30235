/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/types: see types.h. */
#include "scaling/types.h"

const char *
scaling_action_get_name (ScalingAction action)
{
  static const char *const names[] = { "hold", "out", "in" };

  return names[action];
}

const char *
scaling_urgency_get_name (ScalingUrgency urgency)
{
  static const char *const names[] = { "none", "low", "normal", "high",
                                       "critical" };

  return names[urgency];
}
