/* SPDX-License-Identifier: Apache-2.0 */
/* NodeRate: see rate.h. */
#include "node/rate.h"

#include <math.h>

gboolean
node_rate_take (NodeRate *self, gint64 now_us, guint *ret_wait_s)
{
  double passed_s =
      self->at_us > 0 ? (double)(now_us - self->at_us) / G_USEC_PER_SEC : 0;

  self->n_spent = MAX (0, self->n_spent - passed_s * self->per_s);
  self->at_us = now_us;
  if (self->n_spent + 1 <= self->n_max)
    {
      self->n_spent += 1;
      return TRUE;
    }
  *ret_wait_s =
      (guint)MAX (1, ceil ((self->n_spent + 1 - self->n_max) / self->per_s));
  return FALSE;
}
