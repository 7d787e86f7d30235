/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes what Docker, Kubernetes and webhooks answer: each reader gets each
 * input. What comes out must be what provisioners rely on: names that can go
 * into paths, an error or a result and never both.
 */
#include <stdint.h>
#include <string.h>

#include "scaling/docker-json.h"
#include "scaling/json-read.h"
#include "scaling/kubernetes-json.h"
#include "scaling/provision-webhook.h"

static void
check (gboolean has_result, GError **ret_error, const char *what)
{
  const GError *error = *ret_error;

  if (has_result == (error != NULL))
    g_error ("%s: neither a result nor an error, or both", what);
  if (error != NULL
      && g_str_equal (scaling_provision_error_get_name (error), "other"))
    g_error ("%s: an error of no name", what);
}

static void
check_instances (const GPtrArray *instances)
{
  if (instances->len > SCALING_PROVISION_MAX_INSTANCES)
    g_error ("too many instances");
  for (guint i = 0; i < instances->len; i++)
    {
      const ScalingInstance *instance = instances->pdata[i];

      if (!scaling_provision_name_is_valid (instance->name)
          || instance->state > SCALING_INSTANCE_ENDED
          || g_strv_length (instance->labels) % 2 != 0
          || instance->started_wall_us < 0)
        g_error ("a bad instance came through");
    }
}

static void
fuzz_docker (const char *text, size_t len)
{
  g_autoptr (GError) version = NULL, bad = NULL, rows = NULL, no_id = NULL;
  g_autoptr (GError) pulled = NULL;
  g_autoptr (ScalingDockerContainer) container =
      scaling_docker_read_container (text, len, &bad);
  g_autoptr (GPtrArray) list =
      scaling_docker_read_list (text, len, "host", &rows);
  g_autofree char *id = scaling_docker_read_id (text, len, &no_id);
  g_autofree char *words = scaling_docker_dup_message (text, len);

  check (scaling_docker_read_version (text, len, &version) > 0, &version,
         "version");
  check (container != NULL, &bad, "container");
  check (list != NULL, &rows, "list");
  check (id != NULL, &no_id, "id");
  check (scaling_docker_read_pull (text, len, &pulled), &pulled, "pull");
  if (scaling_docker_is_port_taken (text, len) && g_str_equal (words, ""))
    g_error ("a port is taken, and nobody said so");
  if (list != NULL)
    check_instances (list);
  if (container != NULL && strpbrk (container->id, "/?#%. ") != NULL)
    g_error ("an id that leads elsewhere");
  if (id != NULL && strpbrk (id, "/?#%. ") != NULL)
    g_error ("an id that leads elsewhere");
  if (!g_utf8_validate (words, -1, NULL) || strchr (words, '\n') != NULL)
    g_error ("words that are none");
}

static void
fuzz_kubernetes (const char *text, size_t len)
{
  g_autoptr (GError) bad = NULL, no_page = NULL, fault = NULL;
  g_autoptr (ScalingKubePod) pod = scaling_kube_read_pod (text, len, &bad);
  g_autoptr (GPtrArray) instances =
      g_ptr_array_new_with_free_func ((GDestroyNotify)scaling_instance_free);
  g_autofree char *next = NULL, *body = NULL;

  check (pod != NULL, &bad, "pod");
  check (scaling_kube_read_list (text, len, instances, &next, &no_page),
         &no_page, "page");
  check_instances (instances);
  fault = scaling_kube_error (403, text, len, -1);
  check (FALSE, &fault, "fault");
  if (scaling_provision_error_get_retry_us (fault) < -1)
    g_error ("a time before now");
  if (pod != NULL)
    {
      g_autoptr (JsonNode) root = NULL;

      body = scaling_kube_write_delete (pod->uid, 3);
      root = scaling_json_parse (body, strlen (body), NULL);
      if (root == NULL)
        g_error ("a uid broke out of its JSON");
    }
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autofree char *text = g_strndup ((const char *)data, len);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) list = scaling_webhook_read_list (text, len, &error);

  check (list != NULL, &error, "webhook");
  if (list != NULL)
    check_instances (list);
  fuzz_docker (text, len);
  fuzz_kubernetes (text, len);
  return 0;
}
