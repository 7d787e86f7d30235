/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provision-wait: asks a provisioner and waits for its word. Thread: main.
 */
#pragma once

#include "scaling/provisioner.h"
#include "wait.h"

typedef struct
{
  guint n_done;
  GError *error;        /* owned, nullable: the last */
  GPtrArray *instances; /* owned, nullable: copies, of the last list */
} Told;

static inline void
told_clear (Told *told)
{
  g_clear_error (&told->error);
  g_clear_pointer (&told->instances, g_ptr_array_unref);
  told->n_done = 0;
}

static inline void
told_on_done (const GError *error, gpointer data)
{
  Told *told = data;

  told->n_done++;
  g_clear_error (&told->error);
  told->error = error != NULL ? g_error_copy (error) : NULL;
  if (error != NULL)
    g_test_message ("%s: %s", scaling_provision_error_get_name (error),
                    error->message);
}

static inline gpointer
told_copy_instance (gconstpointer item, gpointer data)
{
  const ScalingInstance *from = item;
  ScalingInstance *to = g_memdup2 (from, sizeof *from);

  to->name = g_strdup (from->name);
  to->host = g_strdup (from->host);
  to->labels = g_strdupv (from->labels);
  return to;
}

static inline void
told_on_list (GPtrArray *instances, const GError *error, gpointer data)
{
  Told *told = data;

  told_on_done (error, data);
  g_clear_pointer (&told->instances, g_ptr_array_unref);
  if (instances == NULL)
    return;
  told->instances = g_ptr_array_copy (instances, told_copy_instance, NULL);
  g_ptr_array_set_free_func (told->instances,
                             (GDestroyNotify)scaling_instance_free);
}

static inline ScalingToken
told_token (const char *text)
{
  ScalingToken token = { 0 };

  g_assert_true (scaling_token_parse (text, &token));
  return token;
}

/* Returns: "" when it is done, else the error's name */
static inline const char *
told_get_name (const Told *told)
{
  return told->error != NULL ? scaling_provision_error_get_name (told->error)
                             : "";
}

static inline const char *
told_ensure (Told *told, ScalingProvisioner *provisioner, const char *name,
             const ScalingSpec *spec, const char *token)
{
  ScalingToken parsed = told_token (token);

  told_clear (told);
  scaling_provisioner_ensure (provisioner, name, spec, &parsed, told_on_done,
                              told);
  g_assert_cmpuint (told->n_done, ==, 0);
  WAIT_FOR (told->n_done > 0);
  return told_get_name (told);
}

static inline const char *
told_remove (Told *told, ScalingProvisioner *provisioner, const char *name,
             const char *tree_id, gint64 grace_us, const char *token)
{
  ScalingToken parsed = told_token (token);

  told_clear (told);
  scaling_provisioner_remove (provisioner, name, tree_id, NULL, grace_us,
                              &parsed, told_on_done, told);
  g_assert_cmpuint (told->n_done, ==, 0);
  WAIT_FOR (told->n_done > 0);
  return told_get_name (told);
}

static inline const char *
told_list (Told *told, ScalingProvisioner *provisioner, const char *tree_id)
{
  told_clear (told);
  scaling_provisioner_list (provisioner, tree_id, told_on_list, told);
  g_assert_cmpuint (told->n_done, ==, 0);
  WAIT_FOR (told->n_done > 0);
  return told_get_name (told);
}

/* (transfer none) (nullable): of the last list */
static inline const ScalingInstance *
told_find (const Told *told, const char *name)
{
  for (guint i = 0; told->instances != NULL && i < told->instances->len; i++)
    {
      const ScalingInstance *instance = told->instances->pdata[i];
      if (g_str_equal (instance->name, name))
        return instance;
    }
  return NULL;
}
