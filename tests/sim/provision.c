/* SPDX-License-Identifier: Apache-2.0 */
/* sim/provision: calls to the engine, and its answers. */
#include "provision.h"

#include "engine.h"
#include "scaling/provisioner-private.h"

#include <string.h>

typedef struct
{
  ScalingProvisioner parent;
  GPtrArray *asked; /* owned (element-type ScalingProvisionCall): references */
} Provision;

static Provision *
self_of (ScalingProvisionCall *call)
{
  return (Provision *)(gpointer)call->self;
}

/* take: FALSE: the deadline was sooner; the reference is the caller's */
static gboolean
take (ScalingProvisionCall *call)
{
  guint index;

  if (scaling_provision_call_is_over (call))
    return FALSE;
  if (g_ptr_array_find (self_of (call)->asked, call, &index))
    g_ptr_array_steal_index_fast (self_of (call)->asked, index);
  return TRUE;
}

static GError *
away (void)
{
  return scaling_provision_error_new (SCALING_PROVISION_ERROR_AWAY,
                                      SCALING_RETRY_DEFAULT, "it failed");
}

static void
on_done (gboolean is_done, gpointer data)
{
  if (take (data))
    scaling_provision_call_finish (data, is_done ? NULL : away ());
}

static void
free_instance (gpointer data)
{
  scaling_instance_free (data);
}

static void
on_listed (GArray *list, gpointer data)
{
  GPtrArray *instances;

  if (!take (data))
    return;
  if (list == NULL)
    {
      scaling_provision_call_finish_list (data, NULL, away ());
      return;
    }
  instances = g_ptr_array_new_with_free_func (free_instance);
  for (guint i = 0; i < list->len; i++)
    {
      const SimInstance *shown = &g_array_index (list, SimInstance, i);
      ScalingInstance *instance = g_new0 (ScalingInstance, 1);

      instance->name = g_strdup (shown->name);
      instance->state = !shown->has_started ? SCALING_INSTANCE_STARTING
                        : shown->is_running ? SCALING_INSTANCE_RUNNING
                                            : SCALING_INSTANCE_ENDED;
      g_ptr_array_add (instances, instance);
    }
  scaling_provision_call_finish_list (data, instances, NULL);
}

static void
begin (ScalingProvisioner *self, ScalingProvisionCall *call)
{
  SimInstance wanted = { .ordinal = call->ordinal, .gen = call->gen };

  g_ptr_array_add (((Provision *)(gpointer)self)->asked, call);
  if (call->action == SCALING_PROVISION_LIST)
    sim_engine_list (on_listed, call);
  else if (call->action == SCALING_PROVISION_REMOVE)
    sim_engine_remove (call->name, on_done, call);
  else
    {
      g_strlcpy (wanted.name, call->name, sizeof wanted.name);
      wanted.is_relay = strcmp (call->role, "relay") == 0;
      wanted.host = sim_engine_place (call->name);
      sim_engine_ensure (&wanted, on_done, call);
    }
}

static void
describe (ScalingProvisioner *self, JsonObject *object)
{
}

static void
free_parts (ScalingProvisioner *self)
{
  g_ptr_array_unref (((Provision *)(gpointer)self)->asked);
}

static void
unref_call (gpointer data)
{
  scaling_provision_call_unref (data);
}

ScalingProvisioner *
sim_provision_new (void)
{
  static const ScalingProvisionClass klass = { "simulated", begin, describe,
                                               free_parts };
  Provision *self = g_new0 (Provision, 1);

  self->asked = g_ptr_array_new_with_free_func (unref_call);
  scaling_provisioner_init (&self->parent, &klass);
  return &self->parent;
}
