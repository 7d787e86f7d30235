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

const char *
scaling_signal_get_name (ScalingSignal signal)
{
  static const char *const names[SCALING_SIGNAL_N] = {
    [SCALING_SIGNAL_CPU] = "cpu",
    [SCALING_SIGNAL_MEMORY] = "memory",
    [SCALING_SIGNAL_PORTS] = "ports",
    [SCALING_SIGNAL_DROPS] = "drops",
    [SCALING_SIGNAL_QUEUE] = "queue",
    [SCALING_SIGNAL_JOIN_TIME] = "join_time",
    [SCALING_SIGNAL_ERROR_RATE] = "error_rate",
    [SCALING_SIGNAL_VIEWERS] = "viewers",
    [SCALING_SIGNAL_JOINS] = "joins",
    [SCALING_SIGNAL_UTILIZATION] = "utilization",
  };

  return names[signal];
}
