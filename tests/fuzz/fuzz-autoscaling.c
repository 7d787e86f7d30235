/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what people send to the autoscaling API, and what a Prometheus
 * answers. The first byte says which it is: '0' to '3' an order's kind, else an
 * answer.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "scaling/order.h"
#include "scaling/prometheus.h"

static void
check_order (ScalingOrderKind kind, const char *text, size_t n_bytes)
{
  g_autoptr (GError) error = NULL;
  ScalingOrder order;
  gboolean is_good = scaling_order_parse (kind, text, n_bytes, &order, &error);

  if (is_good == (error != NULL))
    g_error ("neither an order nor an error");
  if (!is_good)
    return;
  if (order.n_replicas > SCALING_MAX_REPLICAS || order.hold_us < 0
      || order.hold_us > SCALING_ORDER_MAX_HOLD_S * (gint64)G_USEC_PER_SEC
      || strlen (order.by) > SCALING_NAME_MAX_CHARS
      || strpbrk (order.by, "\r\n \"<@") != NULL
      || !g_utf8_validate (order.reason, -1, NULL))
    g_error ("a bad order came through");
}

static void
check_answer (const char *text, size_t n_bytes)
{
  double value = NAN;
  ScalingPrometheusResult result =
      scaling_prometheus_parse (text, n_bytes, &value);

  if ((result == SCALING_PROMETHEUS_OK) != (isfinite (value) != 0))
    g_error ("%g came with %s", value,
             scaling_prometheus_result_get_name (result));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  const char *text = (const char *)data + 1;

  if (len == 0)
    return 0;
  if (data[0] >= '0' && data[0] <= '3')
    check_order ((ScalingOrderKind)(data[0] - '0'), text, len - 1);
  else
    check_answer (text, len - 1);
  return 0;
}
