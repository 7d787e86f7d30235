/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/provisioner: what all kinds have in common; see provisioner.h. */
#include "scaling/provisioner.h"

#include <string.h>

#include "scaling/log.h"
#include "scaling/provisioner-private.h"

#define MAX_GRACE_US (G_GINT64_CONSTANT (86400) * G_USEC_PER_SEC)

typedef struct
{
  gint64 retry_us;
} ScalingProvisionErrorPrivate;

static void
scaling_provision_error_private_init (ScalingProvisionErrorPrivate *private)
{
  private->retry_us = SCALING_RETRY_DEFAULT;
}

static void
scaling_provision_error_private_copy (const ScalingProvisionErrorPrivate *from,
                                      ScalingProvisionErrorPrivate *to)
{
  *to = *from;
}

static void
scaling_provision_error_private_clear (ScalingProvisionErrorPrivate *private)
{
}

G_DEFINE_EXTENDED_ERROR (ScalingProvisionError, scaling_provision_error)

static const struct
{
  const char *name;
  gint64 retry_us;
} errors[SCALING_PROVISION_N_ERRORS] = {
  [SCALING_PROVISION_ERROR_REFUSED] = { "refused", -1 },
  [SCALING_PROVISION_ERROR_LIMIT] = { "limit", 10 * G_USEC_PER_SEC },
  [SCALING_PROVISION_ERROR_AWAY] = { "away", G_USEC_PER_SEC },
  [SCALING_PROVISION_ERROR_TIMEOUT] = { "timeout", 0 },
  [SCALING_PROVISION_ERROR_CONFLICT] = { "conflict", -1 },
  [SCALING_PROVISION_ERROR_AUTH] = { "auth", 30 * G_USEC_PER_SEC },
  [SCALING_PROVISION_ERROR_FENCED] = { "fenced", -1 },
  [SCALING_PROVISION_ERROR_BUSY] = { "busy", G_USEC_PER_SEC },
  [SCALING_PROVISION_ERROR_GARBAGE] = { "garbage", 10 * G_USEC_PER_SEC },
  [SCALING_PROVISION_ERROR_CANCELLED] = { "cancelled", -1 },
};

static const char *const action_names[] = { "ensure", "remove", "list" };

const char *
scaling_provision_error_get_name (const GError *error)
{
  if (error->domain != SCALING_PROVISION_ERROR
      || (guint)error->code >= SCALING_PROVISION_N_ERRORS)
    return "other";
  return errors[error->code].name;
}

gint64
scaling_provision_error_get_retry_us (const GError *error)
{
  const ScalingProvisionErrorPrivate *private;

  if (error->domain != SCALING_PROVISION_ERROR
      || (guint)error->code >= SCALING_PROVISION_N_ERRORS)
    return -1;
  private = scaling_provision_error_get_private (error);
  return private->retry_us != SCALING_RETRY_DEFAULT
             ? private->retry_us
             : errors[error->code].retry_us;
}

GError *
scaling_provision_error_new (ScalingProvisionError code, gint64 retry_us,
                             const char *format, ...)
{
  GError *error;
  va_list args;

  va_start (args, format);
  error = g_error_new_valist (SCALING_PROVISION_ERROR, code, format, args);
  va_end (args);
  scaling_provision_error_get_private (error)->retry_us = retry_us;
  return error;
}

/* --- instances ----------------------------------------------------------- */

const char *
scaling_instance_state_get_name (ScalingInstanceState state)
{
  static const char *const names[] = { "starting", "running", "stopping",
                                       "ended" };

  return names[state];
}

void
scaling_instance_free (ScalingInstance *self)
{
  g_free (self->name);
  g_free (self->host);
  g_strfreev (self->labels);
  g_free (self);
}

const char *
scaling_instance_get_label (const ScalingInstance *self, const char *key)
{
  return scaling_labels_get ((const char *const *)self->labels, key);
}

/* --- calls --------------------------------------------------------------- */

ScalingProvisionCall *
scaling_provision_call_ref (ScalingProvisionCall *call)
{
  g_atomic_ref_count_inc (&call->ref_count);
  return call;
}

void
scaling_provision_call_unref (ScalingProvisionCall *call)
{
  if (!g_atomic_ref_count_dec (&call->ref_count))
    return;
  g_free (call->name);
  g_free (call->tree_id);
  g_free (call->host);
  g_free (call->role);
  g_strfreev (call->args);
  g_strfreev (call->env);
  g_strfreev (call->labels);
  g_clear_pointer (&call->instances, g_ptr_array_unref);
  g_clear_error (&call->error);
  g_object_unref (call->cancellable);
  g_free (call);
}

gboolean
scaling_provision_call_is_over (ScalingProvisionCall *call)
{
  return call->self == NULL;
}

const char *
scaling_provision_call_get_label (ScalingProvisionCall *call, const char *key)
{
  return scaling_labels_get ((const char *const *)call->labels, key);
}

static void
count (ScalingProvisioner *self, ScalingProvisionCall *call,
       const GError *error)
{
  self->n_calls[call->action]++;
  if (error == NULL)
    return;
  self->n_errors[call->action][error->code]++;
  GST_WARNING ("to %s %s by %s: %s: %s", action_names[call->action],
               call->name != NULL ? call->name : call->tree_id,
               self->klass->kind, scaling_provision_error_get_name (error),
               error->message);
}

/* Once; the list's reference goes. */
static void
answer (ScalingProvisionCall *call, GPtrArray *instances, const GError *error)
{
  ScalingProvisioner *self = g_steal_pointer (&call->self);

  g_clear_handle_id (&call->timer, g_source_remove);
  g_clear_handle_id (&call->idle, g_source_remove);
  count (self, call, error);
  scaling_provision_call_ref (call);
  g_ptr_array_remove_fast (self->calls, call);
  if (call->action == SCALING_PROVISION_LIST)
    call->listed (instances, error, call->data);
  else
    call->done (error, call->data);
  g_cancellable_cancel (call->cancellable);
  scaling_provision_call_unref (call);
}

static gboolean
on_answer_due (gpointer data)
{
  ScalingProvisionCall *call = data;
  g_autoptr (GPtrArray) instances = g_steal_pointer (&call->instances);
  g_autoptr (GError) error = g_steal_pointer (&call->error);

  call->idle = 0;
  answer (call, instances, error);
  return G_SOURCE_REMOVE;
}

/* Kinds may finish before the caller has its hand back; the answer comes
 * later. */
void
scaling_provision_call_finish_list (ScalingProvisionCall *call,
                                    GPtrArray *instances, GError *error)
{
  if (scaling_provision_call_is_over (call) || call->idle != 0)
    {
      g_clear_pointer (&instances, g_ptr_array_unref);
      g_clear_error (&error);
    }
  else
    {
      if (error != NULL && error->domain != SCALING_PROVISION_ERROR)
        {
          GError *other = scaling_provision_error_new (
              SCALING_PROVISION_ERROR_AWAY, SCALING_RETRY_DEFAULT, "%s",
              error->message);

          g_error_free (error);
          error = other;
        }
      call->instances = instances;
      call->error = error;
      call->idle =
          g_idle_add_full (G_PRIORITY_DEFAULT, on_answer_due, call, NULL);
    }
  scaling_provision_call_unref (call);
}

void
scaling_provision_call_finish (ScalingProvisionCall *call, GError *error)
{
  scaling_provision_call_finish_list (call, NULL, error);
}

static gboolean
on_deadline (gpointer data)
{
  ScalingProvisionCall *call = data;
  g_autoptr (GError) error = NULL;

  call->timer = 0;
  error = scaling_provision_error_new (
      SCALING_PROVISION_ERROR_TIMEOUT, SCALING_RETRY_DEFAULT,
      "no answer in time; it may have happened all the same");
  answer (call, NULL, error);
  return G_SOURCE_REMOVE;
}

static ScalingProvisionCall *
call_new (ScalingProvisioner *self, ScalingProvisionAction action,
          const char *name, const char *tree_id, const char *host,
          gpointer data)
{
  ScalingProvisionCall *call = g_new0 (ScalingProvisionCall, 1);

  g_atomic_ref_count_init (&call->ref_count);
  call->self = self;
  call->action = action;
  call->name = g_strdup (name);
  call->tree_id = g_strdup (tree_id);
  call->host = g_strdup (host);
  call->args = g_new0 (char *, 1);
  call->env = g_new0 (char *, 1);
  call->cancellable = g_cancellable_new ();
  call->data = data;
  return call;
}

static void
set_timer (ScalingProvisionCall *call)
{
  gint64 wait_us = MAX (call->due_us - g_get_monotonic_time (), 0);

  g_clear_handle_id (&call->timer, g_source_remove);
  call->timer =
      g_timeout_add ((guint)((wait_us + 999) / 1000), on_deadline, call);
}

void
scaling_provision_call_extend (ScalingProvisionCall *call, gint64 by_us)
{
  call->due_us += by_us;
  if (!scaling_provision_call_is_over (call))
    set_timer (call);
}

/* @error: (transfer full) (nullable): why it need not begin */
static void
start (ScalingProvisionCall *call, GError *error)
{
  ScalingProvisioner *self = call->self;

  g_ptr_array_add (self->calls, scaling_provision_call_ref (call));
  call->due_us = g_get_monotonic_time () + self->deadline_us + call->grace_us;
  set_timer (call);
  if (error != NULL)
    scaling_provision_call_finish (call, error);
  else
    self->klass->begin (self, call);
}

static ScalingProvisionCall *
find_call (ScalingProvisioner *self, const char *name)
{
  for (guint i = 0; i < self->calls->len; i++)
    {
      ScalingProvisionCall *call = self->calls->pdata[i];
      if (name != NULL && call->idle == 0 && g_strcmp0 (call->name, name) == 0)
        return call;
    }
  return NULL;
}

static GError *
check_call (ScalingProvisioner *self, const char *name,
            const ScalingToken *token)
{
  if (self->calls->len >= SCALING_PROVISION_MAX_CALLS)
    return scaling_provision_error_new (
        SCALING_PROVISION_ERROR_LIMIT, G_USEC_PER_SEC, "%d calls are under way",
        SCALING_PROVISION_MAX_CALLS);
  if (token == NULL)
    return NULL;
  if (!scaling_provision_name_is_valid (name))
    return scaling_provision_error_new (SCALING_PROVISION_ERROR_REFUSED,
                                        SCALING_RETRY_DEFAULT,
                                        "\"%s\" is no name", name);
  if (token->text[0] == '\0'
      || scaling_token_compare (token, &self->highest) < 0)
    return scaling_provision_error_new (
        SCALING_PROVISION_ERROR_FENCED, SCALING_RETRY_DEFAULT,
        "token %s is older than %s", token->text, self->highest.text);
  self->highest = *token;
  if (find_call (self, name) != NULL)
    return scaling_provision_error_new (SCALING_PROVISION_ERROR_BUSY,
                                        SCALING_RETRY_DEFAULT,
                                        "a call for it is under way");
  return NULL;
}

/* --- fencing ------------------------------------------------------------- */

void
scaling_provisioner_note_token (ScalingProvisioner *self, const char *text)
{
  ScalingToken token;

  if (scaling_token_parse (text, &token)
      && scaling_token_compare (&token, &self->highest) > 0)
    self->highest = token;
}

gboolean
scaling_provision_check_ours (ScalingProvisionCall *call,
                              const char *const *labels, GError **error)
{
  const char *name = scaling_labels_get (labels, SCALING_LABEL_NAME);
  const char *tree = scaling_labels_get (labels, SCALING_LABEL_TREE);
  const char *text = scaling_labels_get (labels, SCALING_LABEL_TOKEN);
  ScalingToken token;

  if (g_strcmp0 (name, call->name) != 0 || g_strcmp0 (tree, call->tree_id) != 0)
    {
      g_propagate_error (
          error, scaling_provision_error_new (
                     SCALING_PROVISION_ERROR_CONFLICT, SCALING_RETRY_DEFAULT,
                     "the name stands for something that tree %s did not make",
                     call->tree_id));
      return FALSE;
    }
  if (!scaling_token_parse (text, &token))
    return TRUE;
  if (call->self != NULL)
    scaling_provisioner_note_token (call->self, text);
  if (scaling_token_compare (&call->token, &token) >= 0)
    return TRUE;
  g_propagate_error (error,
                     scaling_provision_error_new (
                         SCALING_PROVISION_ERROR_FENCED, SCALING_RETRY_DEFAULT,
                         "token %s is older than the instance's %s",
                         call->token.text, text));
  return FALSE;
}

/* --- the interface ------------------------------------------------------- */

void
scaling_provisioner_ensure (ScalingProvisioner *self, const char *name,
                            const ScalingSpec *spec, const ScalingToken *token,
                            ScalingProvisionDone done, gpointer data)
{
  ScalingProvisionCall *call;
  GError *error;

  g_return_if_fail (self != NULL && spec != NULL && token != NULL);
  call = call_new (self, SCALING_PROVISION_ENSURE, name, spec->tree_id,
                   spec->host, data);
  call->done = done;
  call->token = *token;
  error = check_call (self, name, token);
  if (error == NULL && !scaling_provision_spec_is_good (spec))
    error = scaling_provision_error_new (
        SCALING_PROVISION_ERROR_REFUSED, SCALING_RETRY_DEFAULT,
        "what it shall be is said wrongly: role, tree, --key=value arguments, "
        "NAME=value environment, key=value labels");
  if (error == NULL)
    {
      call->role = g_strdup (spec->role);
      call->ordinal = spec->ordinal;
      call->gen = spec->gen;
      if (spec->args != NULL)
        {
          g_strfreev (call->args);
          call->args = g_strdupv ((char **)spec->args);
        }
      if (spec->env != NULL)
        {
          g_strfreev (call->env);
          call->env = g_strdupv ((char **)spec->env);
        }
      call->labels = scaling_provision_dup_labels (name, spec, token);
    }
  start (call, error);
}

void
scaling_provisioner_remove (ScalingProvisioner *self, const char *name,
                            const char *tree_id, const char *host,
                            gint64 grace_us, const ScalingToken *token,
                            ScalingProvisionDone done, gpointer data)
{
  ScalingProvisionCall *call;

  g_return_if_fail (self != NULL && tree_id != NULL && token != NULL);
  call = call_new (self, SCALING_PROVISION_REMOVE, name, tree_id, host, data);
  call->done = done;
  call->token = *token;
  call->grace_us = CLAMP (grace_us, 0, MAX_GRACE_US);
  start (call, check_call (self, name, token));
}

void
scaling_provisioner_list (ScalingProvisioner *self, const char *tree_id,
                          ScalingProvisionListed done, gpointer data)
{
  ScalingProvisionCall *call;

  g_return_if_fail (self != NULL && tree_id != NULL);
  call = call_new (self, SCALING_PROVISION_LIST, NULL, tree_id, NULL, data);
  call->listed = done;
  start (call, check_call (self, NULL, NULL));
}

const char *
scaling_provisioner_get_kind (ScalingProvisioner *self)
{
  return self->klass->kind;
}

double
scaling_provisioner_get_cost_per_hour (ScalingProvisioner *self)
{
  return self->cost_per_hour;
}

void
scaling_provisioner_set_cost_per_hour (ScalingProvisioner *self, double cost)
{
  self->cost_per_hour = MAX (cost, 0);
}

void
scaling_provisioner_set_deadline_us (ScalingProvisioner *self,
                                     gint64 deadline_us)
{
  self->deadline_us = MAX (deadline_us, 1000);
}

JsonNode *
scaling_provisioner_describe (ScalingProvisioner *self)
{
  JsonObject *object = json_object_new ();
  JsonObject *calls = json_object_new ();
  JsonNode *root = json_node_new (JSON_NODE_OBJECT);

  for (guint i = 0; i < SCALING_PROVISION_N_ACTIONS; i++)
    {
      JsonObject *row = json_object_new ();

      json_object_set_int_member (row, "calls", (gint64)self->n_calls[i]);
      for (guint k = 0; k < SCALING_PROVISION_N_ERRORS; k++)
        if (self->n_errors[i][k] > 0)
          json_object_set_int_member (row, errors[k].name,
                                      (gint64)self->n_errors[i][k]);
      json_object_set_object_member (calls, action_names[i], row);
    }
  json_object_set_string_member (object, "kind", self->klass->kind);
  json_object_set_string_member (object, "token", self->highest.text);
  json_object_set_int_member (object, "waiting", self->calls->len);
  json_object_set_double_member (object, "cost_per_hour", self->cost_per_hour);
  json_object_set_object_member (object, "calls", calls);
  if (self->klass->describe != NULL)
    self->klass->describe (self, object);
  json_node_take_object (root, object);
  return root;
}

void
scaling_provisioner_init (ScalingProvisioner *self,
                          const ScalingProvisionClass *klass)
{
  self->klass = klass;
  self->calls = g_ptr_array_new_with_free_func (
      (GDestroyNotify)scaling_provision_call_unref);
  self->deadline_us = SCALING_PROVISION_DEADLINE_US;
}

void
scaling_provisioner_free (ScalingProvisioner *self)
{
  while (self->calls->len > 0)
    {
      g_autoptr (GError) error = scaling_provision_error_new (
          SCALING_PROVISION_ERROR_CANCELLED, SCALING_RETRY_DEFAULT,
          "the provisioner is going");

      answer (self->calls->pdata[0], NULL, error);
    }
  g_ptr_array_unref (self->calls);
  self->klass->free (self);
  g_free (self);
}
