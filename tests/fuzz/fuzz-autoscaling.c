/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what people send to the autoscaling API, and what a Prometheus
 * answers. The first byte says which it is: '0' to '3' a wish's kind, else an
 * answer.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "scaling/wish.h"
#include "scaling/prometheus.h"

static void
check_wish (ScalingWishKind kind, const char *text, size_t n_bytes)
{
  g_autoptr (GError) error = NULL;
  ScalingWish wish;
  gboolean is_good = scaling_wish_parse (kind, text, n_bytes, &wish, &error);

  if (is_good == (error != NULL))
    g_error ("neither a wish nor an error");
  if (!is_good)
    return;
  if (wish.n_replicas > SCALING_MAX_REPLICAS || wish.hold_us < 0
      || wish.hold_us > SCALING_WISH_MAX_HOLD_S * (gint64)G_USEC_PER_SEC
      || strlen (wish.by) > SCALING_NAME_MAX_CHARS
      || strpbrk (wish.by, "\r\n \"<@") != NULL
      || !g_utf8_validate (wish.reason, -1, NULL))
    g_error ("a bad wish came through");
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
    check_wish ((ScalingWishKind)(data[0] - '0'), text, len - 1);
  else
    check_answer (text, len - 1);
  return 0;
}
