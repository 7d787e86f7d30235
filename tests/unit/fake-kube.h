/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FakeKube: as much of Kubernetes' API as provisioning needs: Pods of one
 * namespace, by name. Thread: main.
 */
#pragma once

#include <string.h>

#include "fake-server.h"
#include "scaling/json-read.h"

#define FAKE_KUBE_PODS "/api/v1/namespaces/live/pods"

typedef struct
{
  JsonNode *root; /* owned: as it was asked for */
  guint uid;
  const char *phase;
  gboolean is_terminating;
} FakePod;

typedef struct
{
  FakeServer server;
  GHashTable *pods;  /* name -> FakePod */
  const char *token; /* (nullable): that opens it */
  guint n_created, page_size;
} FakeKube;

static inline void
fake_pod_free (gpointer data)
{
  json_node_unref (((FakePod *)data)->root);
  g_free (data);
}

static inline FakeReply
fake_kube_status (guint status, const char *reason, const char *message)
{
  return (FakeReply){ status, g_strdup_printf (
                                  "{\"kind\":\"Status\",\"apiVersion\":\"v1\","
                                  "\"status\":\"Failure\",\"reason\":\"%s\","
                                  "\"message\":\"%s\",\"code\":%u}",
                                  reason, message, status) };
}

static inline char *
fake_pod_to_text (const char *name, FakePod *pod)
{
  JsonObject *meta = json_object_get_object_member (
      json_node_get_object (pod->root), "metadata");
  g_autofree char *annotations =
      json_to_string (json_object_get_member (meta, "annotations"), FALSE);

  return g_strdup_printf (
      "{\"kind\":\"Pod\",\"metadata\":{\"name\":\"%s\",\"uid\":\"uid-%u\","
      "\"creationTimestamp\":\"2024-01-02T03:04:05Z\",%s\"annotations\":%s},"
      "\"spec\":{\"nodeName\":\"node-a\"},\"status\":{\"phase\":\"%s\"}}",
      name, pod->uid,
      pod->is_terminating ? "\"deletionTimestamp\":\"2024-01-02T03:05:05Z\","
                          : "",
      annotations, pod->phase);
}

static inline FakeReply
fake_kube_create (FakeKube *kube, const char *body)
{
  JsonNode *root = json_from_string (body, NULL);
  const char *name = json_object_get_string_member (
      json_object_get_object_member (json_node_get_object (root), "metadata"),
      "name");
  FakePod *pod;

  if (g_hash_table_contains (kube->pods, name))
    {
      json_node_unref (root);
      return fake_kube_status (409, "AlreadyExists", "pods already exists");
    }
  pod = g_new0 (FakePod, 1);
  pod->root = root;
  pod->uid = ++kube->n_created;
  pod->phase = "Pending";
  g_hash_table_insert (kube->pods, g_strdup (name), pod);
  return (FakeReply){ 201, fake_pod_to_text (name, pod) };
}

static inline FakeReply
fake_kube_list (FakeKube *kube, GHashTable *query)
{
  g_autoptr (GList) names =
      g_list_sort (g_hash_table_get_keys (kube->pods), (GCompareFunc)strcmp);
  const char *page = g_hash_table_lookup (query, "continue");
  guint begin = page != NULL ? (guint)atoi (page) : 0, i = 0;
  GString *text = g_string_new ("{\"kind\":\"PodList\",\"items\":[");
  gboolean has_more = FALSE;

  g_assert_cmpstr (g_hash_table_lookup (query, "labelSelector"), ==,
                   "mt.tree=main");
  for (GList *link = names; link != NULL; link = link->next, i++)
    {
      g_autofree char *pod = fake_pod_to_text (
          link->data, g_hash_table_lookup (kube->pods, link->data));

      has_more |= i >= begin + kube->page_size;
      if (i >= begin && i < begin + kube->page_size)
        g_string_append_printf (text, "%s%s", i > begin ? "," : "", pod);
    }
  g_string_append (text, "],\"metadata\":{\"resourceVersion\":\"1\"");
  if (has_more)
    g_string_append_printf (text, ",\"continue\":\"%u\"",
                            begin + kube->page_size);
  g_string_append (text, "}}");
  return (FakeReply){ 200, g_string_free (text, FALSE) };
}

static inline FakeReply
fake_kube_delete (FakeKube *kube, const char *name, FakePod *pod,
                  const char *body)
{
  g_autoptr (JsonNode) root = json_from_string (body, NULL);
  JsonObject *options = json_node_get_object (root);
  g_autofree char *uid = g_strdup_printf ("uid-%u", pod->uid);
  char *text;

  if (!g_str_equal (
          uid,
          json_object_get_string_member (
              json_object_get_object_member (options, "preconditions"), "uid")))
    return fake_kube_status (409, "Conflict", "the UID does not match");
  pod->is_terminating = TRUE;
  text = fake_pod_to_text (name, pod);
  if (json_object_get_int_member (options, "gracePeriodSeconds") == 0)
    g_hash_table_remove (kube->pods, name);
  return (FakeReply){ 200, text };
}

static inline FakeReply
fake_kube_answer (FakeServer *server, SoupServerMessage *msg, const char *path,
                  GHashTable *query, const char *body)
{
  FakeKube *kube = server->data;
  const char *method = soup_server_message_get_method (msg);
  const char *bearer = soup_message_headers_get_one (
      soup_server_message_get_request_headers (msg), "Authorization");
  const char *name;
  FakePod *pod;

  if (kube->token != NULL
      && (bearer == NULL || !g_str_has_prefix (bearer, "Bearer ")
          || !g_str_equal (bearer + strlen ("Bearer "), kube->token)))
    return fake_kube_status (401, "Unauthorized", "Unauthorized");
  g_assert_true (g_str_has_prefix (path, FAKE_KUBE_PODS));
  name = path + strlen (FAKE_KUBE_PODS);
  if (*name == '\0')
    return g_str_equal (method, "POST") ? fake_kube_create (kube, body)
                                        : fake_kube_list (kube, query);
  pod = g_hash_table_lookup (kube->pods, ++name);
  if (pod == NULL)
    return fake_kube_status (404, "NotFound", "pods not found");
  if (g_str_equal (method, "DELETE"))
    return fake_kube_delete (kube, name, pod, body);
  return (FakeReply){ 200, fake_pod_to_text (name, pod) };
}

static inline void
fake_kube_init (FakeKube *kube, GTlsCertificate *certificate)
{
  kube->pods =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, fake_pod_free);
  kube->page_size = 500;
  kube->server.answer = fake_kube_answer;
  kube->server.data = kube;
  kube->server.certificate = certificate;
  fake_server_init (&kube->server, NULL);
}

static inline void
fake_kube_clear (FakeKube *kube)
{
  fake_server_clear (&kube->server);
  g_hash_table_unref (kube->pods);
}
