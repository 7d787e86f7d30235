/* SPDX-License-Identifier: Apache-2.0 */
/*
 * FakeDocker: as much of an Engine as provisioning needs: containers, an image
 * that is there or must be pulled, a version. Thread: main.
 */
#pragma once

#include <string.h>

#include "fake-server.h"
#include "scaling/json-read.h"

typedef struct
{
  char *id, *state; /* owned */
  JsonNode *labels; /* owned */
  gint64 exit_code;
  JsonNode *body; /* owned: as it was asked for */
} FakeContainer;

typedef struct
{
  FakeServer server;
  GHashTable *containers; /* name -> FakeContainer */
  const char *version;    /* what GET /version says */
  gboolean has_image;
  const char *pull_says;
  guint n_created;
} FakeDocker;

static inline void
fake_container_free (gpointer data)
{
  FakeContainer *container = data;

  g_free (container->id);
  g_free (container->state);
  json_node_unref (container->labels);
  json_node_unref (container->body);
  g_free (container);
}

static inline FakeReply
fake_docker_say (guint status, char *text)
{
  return (FakeReply){ status, text };
}

static inline FakeReply
fake_docker_no_such (const char *what)
{
  return fake_docker_say (
      404, g_strdup_printf ("{\"message\":\"No such %s\"}", what));
}

static inline FakeReply
fake_docker_on_create (FakeDocker *docker, const char *name, const char *body)
{
  JsonNode *root = json_from_string (body, NULL);
  JsonObject *object = json_node_get_object (root);
  FakeContainer *container;

  if (g_hash_table_contains (docker->containers, name))
    {
      json_node_unref (root);
      return fake_docker_say (
          409, g_strdup ("{\"message\":\"Conflict. The container name "
                         "is already in use\"}"));
    }
  if (!docker->has_image)
    {
      json_node_unref (root);
      return fake_docker_no_such ("image: media-tree:1");
    }
  container = g_new0 (FakeContainer, 1);
  container->id = g_strdup_printf ("%064x", ++docker->n_created);
  container->state = g_strdup ("created");
  container->labels =
      json_node_copy (json_object_get_member (object, "Labels"));
  container->body = root;
  g_hash_table_insert (docker->containers, g_strdup (name), container);
  return fake_docker_say (
      201, g_strdup_printf ("{\"Id\":\"%s\",\"Warnings\":[]}", container->id));
}

static inline FakeContainer *
fake_docker_find_container (GHashTable *containers, const char *reference,
                            const char **ret_name)
{
  GHashTableIter iter;
  gpointer name, container;

  g_hash_table_iter_init (&iter, containers);
  while (g_hash_table_iter_next (&iter, &name, &container))
    if (g_str_equal (name, reference)
        || g_str_equal (((FakeContainer *)container)->id, reference))
      {
        *ret_name = name;
        return container;
      }
  return NULL;
}

static inline FakeReply
fake_docker_on_list (GHashTable *containers, GHashTable *query)
{
  g_autoptr (JsonNode) filters =
      json_from_string (g_hash_table_lookup (query, "filters"), NULL);
  JsonArray *labels =
      json_object_get_array_member (json_node_get_object (filters), "label");
  g_auto (GStrv) wanted =
      g_strsplit (json_array_get_string_element (labels, 0), "=", 2);
  GString *text = g_string_new ("[");
  GHashTableIter iter;
  gpointer name, value;

  g_hash_table_iter_init (&iter, containers);
  while (g_hash_table_iter_next (&iter, &name, &value))
    {
      FakeContainer *container = value;
      g_autofree char *all = json_to_string (container->labels, FALSE);
      const char *has = scaling_json_get_string (
          json_node_get_object (container->labels), wanted[0]);

      if (has == NULL || (wanted[1] != NULL && !g_str_equal (has, wanted[1])))
        continue;
      g_string_append_printf (
          text,
          "%s{\"Id\":\"%s\",\"Names\":[\"/%s\"],\"State\":\"%s\","
          "\"Created\":1700000000,\"Labels\":%s}",
          text->len > 1 ? "," : "", container->id, (char *)name,
          container->state, all);
    }
  g_string_append (text, "]");
  return fake_docker_say (200, g_string_free (text, FALSE));
}

static inline void
fake_docker_set_state (FakeContainer *container, const char *state)
{
  g_free (container->state);
  container->state = g_strdup (state);
}

static inline FakeReply
fake_docker_on_container (GHashTable *containers, const char *method,
                          const char *rest)
{
  g_auto (GStrv) words = g_strsplit (rest, "/", 2);
  const char *name = NULL;
  FakeContainer *container =
      fake_docker_find_container (containers, words[0], &name);
  g_autofree char *labels = NULL;

  if (container == NULL)
    return fake_docker_no_such ("container");
  if (g_str_equal (method, "DELETE"))
    {
      g_hash_table_remove (containers, name);
      return fake_docker_say (204, NULL);
    }
  if (g_strcmp0 (words[1], "start") == 0)
    {
      gboolean runs = g_str_equal (container->state, "running");
      fake_docker_set_state (container, "running");
      return fake_docker_say (runs ? 304 : 204, NULL);
    }
  if (g_strcmp0 (words[1], "stop") == 0)
    {
      gboolean runs = g_str_equal (container->state, "running");
      fake_docker_set_state (container, "exited");
      return fake_docker_say (runs ? 204 : 304, NULL);
    }
  labels = json_to_string (container->labels, FALSE);
  return fake_docker_say (
      200, g_strdup_printf ("{\"Id\":\"%s\",\"Name\":\"/%s\","
                            "\"State\":{\"Status\":\"%s\",\"ExitCode\":%d},"
                            "\"Config\":{\"Labels\":%s}}",
                            container->id, name, container->state,
                            (int)container->exit_code, labels));
}

static inline FakeReply
fake_docker_answer (FakeServer *server, SoupServerMessage *msg,
                    const char *path, GHashTable *query, const char *body)
{
  FakeDocker *docker = server->data;
  const char *method = soup_server_message_get_method (msg);
  const char *rest = strchr (path + 1, '/');

  if (g_str_equal (path, "/version"))
    return fake_docker_say (200, g_strdup (docker->version));
  if (rest == NULL)
    return fake_docker_say (404, g_strdup ("{\"message\":\"page not found\"}"));
  if (g_str_equal (rest, "/images/create"))
    {
      g_assert_cmpstr (g_hash_table_lookup (query, "fromImage"), ==,
                       "example.org/media-tree:1");
      docker->has_image = TRUE;
      return fake_docker_say (200, g_strdup (docker->pull_says));
    }
  if (g_str_equal (rest, "/containers/create"))
    return fake_docker_on_create (docker, g_hash_table_lookup (query, "name"),
                                  body);
  if (g_str_equal (rest, "/containers/json"))
    return fake_docker_on_list (docker->containers, query);
  g_assert_true (g_str_has_prefix (rest, "/containers/"));
  return fake_docker_on_container (docker->containers, method,
                                   rest + strlen ("/containers/"));
}

static inline void
fake_docker_init (FakeDocker *docker)
{
  docker->containers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                              fake_container_free);
  docker->version = "{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}";
  docker->has_image = TRUE;
  docker->pull_says = "{\"status\":\"Pulling\"}\n{\"status\":\"Done\"}\n";
  docker->server.answer = fake_docker_answer;
  docker->server.data = docker;
  fake_server_init (&docker->server, NULL);
}

static inline void
fake_docker_clear (FakeDocker *docker)
{
  fake_server_clear (&docker->server);
  g_hash_table_unref (docker->containers);
}
