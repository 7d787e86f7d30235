/* SPDX-License-Identifier: Apache-2.0 */
/* sim/wire: sentinels as clients see them. */
#include "wire-private.h"

#include "store.h"

static GPtrArray *sentinels; /* ClusterSentinel, borrowed */

/* +switch-master: those who can hear it */
static void
on_view (guint index)
{
  SimSentinelView view;

  sim_sentinel_get_view (index, &view);
  for (guint i = 0; i < sentinels->len; i++)
    {
      ClusterSentinel *self = sentinels->pdata[i];
      SimProc *before;

      if (!self->knows || view.by_name == self->master
          || view.epoch <= self->epoch || sim_is_cut (index, self->proc->host)
          || !self->proc->is_alive || self->proc->paused_until_us > sim_now ())
        continue;
      self->knows = FALSE;
      before = sim_enter (self->proc);
      self->func (self->data);
      sim_enter (before);
    }
}

ClusterSentinel *
cluster_sentinel_new (const ClusterRedisUrl *url, GTlsDatabase *ca,
                      const ClusterRedisLimits *limits, ClusterSwitchFunc func,
                      gpointer data)
{
  ClusterSentinel *self = g_new0 (ClusterSentinel, 1);

  self->func = func;
  self->data = data;
  self->proc = sim_self ();
  g_ptr_array_add (sentinels, self);
  return self;
}

void
cluster_sentinel_free (ClusterSentinel *self)
{
  g_ptr_array_remove (sentinels, self);
  g_free (self);
}

guint64
cluster_sentinel_get_config_epoch (ClusterSentinel *self)
{
  return self->epoch;
}

void
sim_wire_begin_sentinels (void)
{
  sentinels = g_ptr_array_new ();
  sim_sentinel_watch (on_view);
}

void
sim_wire_end_sentinels (void)
{
  g_clear_pointer (&sentinels, g_ptr_array_unref);
}
