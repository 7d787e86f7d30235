/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Instances made by somebody else: a receiver that makes a new one at each
 * ensure it hears, whatever it made before.
 */
#include "scaling/provision-webhook.h"

#include <string.h>

#include "webhook-fixture.h"
#include "provision-wait.h"
#include "scaling/json-read.h"

#define NAME "mt-main-s0-g1-r"
#define SECRET "sixteen-and-more"
#define ANSWER_US (20 * G_USEC_PER_SEC)

typedef struct
{
  FakeServer receiver;
  JsonArray *instances; /* owned */
  guint n_made, n_removed;
  GPtrArray *keys; /* (element-type utf8) of each request but lists */
  ScalingProvisioner *provisioner;
  ScalingSpec spec;
  Told told;
} Fixture;

/* --- the receiver -------------------------------------------------------- */

static void
make (Fixture *f, JsonObject *object)
{
  JsonObject *instance = json_object_new ();

  json_object_set_string_member (
      instance, "name", json_object_get_string_member (object, "name"));
  json_object_set_string_member (instance, "state", "running");
  json_object_set_string_member (instance, "host", "theirs");
  json_object_set_int_member (instance, "started", 1700000000);
  json_object_set_member (
      instance, "labels",
      json_node_copy (json_object_get_member (
          json_object_get_object_member (object, "spec"), "labels")));
  json_array_add_object_element (f->instances, instance);
  f->n_made++;
}

static FakeReply
answer (FakeServer *server, SoupServerMessage *msg, const char *path,
        GHashTable *query, const char *body)
{
  Fixture *f = server->data;
  g_autoptr (JsonNode) root = json_from_string (body, NULL);
  JsonObject *object = json_node_get_object (root);
  const char *action = json_object_get_string_member (object, "action");
  g_autofree char *list = NULL;

  g_assert_cmpstr (path, ==, "/hooks/scale");
  g_assert_cmpstr (json_object_get_string_member (object, "tree"), ==, "main");
  webhook_check_signature (msg, body, SECRET, 5);
  if (g_str_equal (action, "list"))
    {
      g_autoptr (JsonNode) node = json_node_new (JSON_NODE_ARRAY);

      json_node_set_array (node, f->instances);
      list = json_to_string (node, FALSE);
      return (FakeReply){ 200, g_strdup_printf ("{\"instances\":%s}", list) };
    }
  g_assert_cmpstr (json_object_get_string_member (object, "name"), ==, NAME);
  if (g_str_equal (action, "ensure"))
    make (f, object);
  else
    {
      f->n_removed++;
      json_array_remove_element (f->instances, 0);
    }
  return (FakeReply){ 204, NULL };
}

/* Keys of requests that fail by script are wanted too. */
static void
on_read (SoupServer *server, SoupServerMessage *msg, gpointer data)
{
  Fixture *f = data;
  SoupMessageBody *body = soup_server_message_get_request_body (msg);

  if (body->data != NULL
      && g_strstr_len (body->data, body->length, "\"action\":\"list\"") == NULL)
    g_ptr_array_add (f->keys,
                     g_strdup (webhook_get_header (msg, "Idempotency-Key")));
}

/* --- the fixture --------------------------------------------------------- */

static const char *const env[] = { "MEDIA_TREE_LOG_LEVEL=a=b", NULL };

static void
remake (Fixture *f, gint64 answer_us, gint64 deadline_us)
{
  g_autofree char *url = g_strconcat (f->receiver.url, "/hooks/scale", NULL);
  const ScalingWebhookConfig config = { .url = url,
                                        .secret = SECRET,
                                        .env = env,
                                        .answer_us = answer_us,
                                        .backoff_us = 10000 };
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&f->provisioner, scaling_provisioner_free);
  f->provisioner = scaling_provision_webhook_new (&config, &error);
  g_assert_no_error (error);
  scaling_provisioner_set_deadline_us (f->provisioner, deadline_us);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->instances = json_array_new ();
  f->keys = g_ptr_array_new_with_free_func (g_free);
  f->receiver.answer = answer;
  f->receiver.data = f;
  fake_server_init (&f->receiver, NULL);
  g_signal_connect (f->receiver.server, "request-read", G_CALLBACK (on_read),
                    f);
  f->spec = (ScalingSpec){ .role = "relay", .tree_id = "main", .gen = 1 };
  remake (f, ANSWER_US, 60 * G_USEC_PER_SEC);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  scaling_provisioner_free (f->provisioner);
  told_clear (&f->told);
  fake_server_clear (&f->receiver);
  json_array_unref (f->instances);
  g_ptr_array_unref (f->keys);
}

static const char *
ensure (Fixture *f)
{
  return told_ensure (&f->told, f->provisioner, NAME, &f->spec, "0:5:n:x");
}

static const char *
remove_it (Fixture *f)
{
  return told_remove (&f->told, f->provisioner, NAME, "main", 1500000,
                      "0:5:n:x");
}

/* --- tests --------------------------------------------------------------- */

static void
test_ensure (Fixture *f, gconstpointer data)
{
  const ScalingInstance *instance;

  f->spec.host = "h";
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpuint (f->n_made, ==, 1);
  g_assert_cmpuint (f->receiver.requests->len, ==, 3);
  g_assert_cmpstr (
      f->receiver.bodies->pdata[1], ==,
      "{\"name\":\"" NAME "\",\"token\":\"0:5:n:x\",\"spec\":{"
      "\"role\":\"relay\",\"ordinal\":0,\"gen\":1,\"host\":\"h\",\"args\":[],"
      "\"env\":{\"MEDIA_TREE_LOG_LEVEL\":\"a=b\"},"
      "\"labels\":{\"mt.name\":\"" NAME "\",\"mt.tree\":\"main\","
      "\"mt.token\":\"0:5:n:x\",\"mt.role\":\"relay\",\"mt.ordinal\":\"0\","
      "\"mt.gen\":\"1\"}},\"action\":\"ensure\",\"tree\":\"main\"}");
  told_list (&f->told, f->provisioner, "main");
  instance = told_find (&f->told, NAME);
  g_assert_cmpstr (instance->host, ==, "theirs");
  g_assert_cmpint (instance->state, ==, SCALING_INSTANCE_RUNNING);
  g_assert_cmpint (instance->started_wall_us, ==,
                   G_GINT64_CONSTANT (1700000000000000));
  g_assert_cmpstr (remove_it (f), ==, "");
  g_assert_cmpstr (remove_it (f), ==, "");
  g_assert_cmpuint (f->n_removed, ==, 1);
  /* asked for again it is another wish, with another key */
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpuint (f->n_made, ==, 2);
  g_assert_cmpstr (f->keys->pdata[0], !=, f->keys->pdata[2]);
}

static void
set_state (Fixture *f, const char *state)
{
  json_object_set_string_member (
      json_array_get_object_element (f->instances, 0), "state", state);
}

static void
test_states (Fixture *f, gconstpointer data)
{
  ensure (f);
  set_state (f, "stopping");
  g_assert_cmpstr (ensure (f), ==, "busy");
  set_state (f, "starting");
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpuint (f->n_made, ==, 1);
  set_state (f, "ended");
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpuint (f->n_made, ==, 2);
}

typedef struct
{
  const char *name;
  Fault fault;
  const char *first; /* "": tried again within the call */
  gboolean is_quick;
} Row;

/* Spent on the first request that comes; all are POSTs to one path. */
static const Row rows[] = {
  { "500", { "POST", "", FAULT_STATUS, 500, NULL, NULL }, "", FALSE },
  { "429", { "POST", "", FAULT_STATUS, 429, NULL, "0" }, "", FALSE },
  { "hang", { "POST", "", FAULT_HANG, 0, NULL, NULL }, "", TRUE },
  { "401", { "POST", "", FAULT_STATUS, 401, NULL, NULL }, "auth", FALSE },
  { "400", { "POST", "", FAULT_STATUS, 400, NULL, NULL }, "refused", FALSE },
  { "302", { "POST", "", FAULT_STATUS, 302, NULL, NULL }, "garbage", FALSE },
};

/* @skip: so many requests pass before it */
static void
run_fault (Fixture *f, const Row *row, guint skip)
{
  Fault pass = {
    "POST", "", FAULT_DONE_STATUS, 200, "{\"instances\":[]}", NULL
  };

  if (row->is_quick)
    remake (f, 200000, 60 * G_USEC_PER_SEC);
  for (guint i = 0; i < skip; i++)
    fake_server_script (&f->receiver, &pass, 1);
  fake_server_script (&f->receiver, &row->fault, 1);
  g_assert_cmpstr (ensure (f), ==, row->first);
  g_assert_cmpuint (f->receiver.faults->len, ==, 0);
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpuint (f->n_made, ==, 1);
}

static void
test_list_fault (Fixture *f, gconstpointer data)
{
  run_fault (f, data, 0);
}

static void
test_ensure_fault (Fixture *f, gconstpointer data)
{
  run_fault (f, data, 1);
  if (((const Row *)data)->first[0] == '\0')
    {
      g_assert_cmpuint (f->keys->len, ==, 2);
      g_assert_cmpstr (f->keys->pdata[0], ==, f->keys->pdata[1]);
    }
}

/* It was made, and nobody heard of it. */
static void
test_made_unheard (Fixture *f, gconstpointer data)
{
  Fault list = {
    "POST", "", FAULT_DONE_STATUS, 200, "{\"instances\":[]}", NULL
  };
  Fault hang = { "POST", "", FAULT_DONE_HANG, 0, NULL, NULL };
  Fault error = { "POST", "", FAULT_DONE_STATUS, 502, NULL, NULL };

  remake (f, 200000, 60 * G_USEC_PER_SEC);
  fake_server_script (&f->receiver, &list, 1);
  fake_server_script (&f->receiver, data != NULL ? &hang : &error, 1);
  g_assert_cmpstr (ensure (f), ==, "");
  g_assert_cmpuint (f->n_made, ==, 1);
  g_assert_cmpuint (f->keys->len, ==, 1);
}

static void
test_conflict (Fixture *f, gconstpointer data)
{
  Fault list = {
    "POST", "", FAULT_DONE_STATUS, 200, "{\"instances\":[]}", NULL
  };
  Fault made = { "POST", "", FAULT_DONE_STATUS, 409, NULL, NULL };
  Fault taken = { "POST", "", FAULT_STATUS, 409, NULL, NULL };

  fake_server_script (&f->receiver, &list, 1);
  fake_server_script (&f->receiver, &made, 1);
  g_assert_cmpstr (ensure (f), ==, "");
  remove_it (f);
  /* and twice so: whose it is, its list does not say */
  fake_server_script (&f->receiver, &list, 1);
  fake_server_script (&f->receiver, &taken, 1);
  fake_server_script (&f->receiver, &list, 1);
  fake_server_script (&f->receiver, &taken, 1);
  g_assert_cmpstr (ensure (f), ==, "conflict");
}

static void
test_not_ours (Fixture *f, gconstpointer data)
{
  JsonObject *labels;

  told_ensure (&f->told, f->provisioner, NAME, &f->spec, "0:9:m:x");
  remake (f, ANSWER_US, 60 * G_USEC_PER_SEC);
  g_assert_cmpstr (remove_it (f), ==, "fenced");
  labels = json_object_get_object_member (
      json_array_get_object_element (f->instances, 0), "labels");
  json_object_set_string_member (labels, "mt.tree", "other");
  g_assert_cmpstr (
      told_remove (&f->told, f->provisioner, NAME, "main", 0, "0:9:m:x"), ==,
      "conflict");
  g_assert_cmpuint (f->n_removed, ==, 0);
}

/* The deadline and the end come while it waits to try again. */
static void
test_deadline (Fixture *f, gconstpointer data)
{
  Fault fault = { "POST", "", FAULT_STATUS, 503, NULL, "2" };
  Told told = { 0 };
  ScalingToken token = told_token ("0:5:n:x");

  remake (f, ANSWER_US, 200000);
  fake_server_script (&f->receiver, &fault, 1);
  /* waiting longer than there is time: it is said at once */
  g_assert_cmpstr (ensure (f), ==, "away");
  g_assert_cmpint (scaling_provision_error_get_retry_us (f->told.error), ==,
                   2 * G_USEC_PER_SEC);
  scaling_provisioner_set_deadline_us (f->provisioner, 60 * G_USEC_PER_SEC);
  fake_server_script (&f->receiver, &fault, 1);
  scaling_provisioner_ensure (f->provisioner, NAME, &f->spec, &token,
                              told_on_done, &told);
  WAIT_FOR (f->receiver.requests->len == 2);
  for (guint i = 0; i < 5; i++)
    wait_a_little ();
  remake (f, ANSWER_US, 60 * G_USEC_PER_SEC);
  g_assert_cmpstr (told_get_name (&told), ==, "cancelled");
  for (guint i = 0; i < 5; i++)
    wait_a_little ();
  g_assert_cmpuint (f->receiver.requests->len, ==, 2);
  told_clear (&told);
}

static void
test_lists (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *text;
    const char *result;
    guint n;
  } lists[] = {
    { "{\"instances\":[]}", "", 0 },
    { "{\"instances\":[1,{},{\"name\":\"../x\",\"state\":\"running\"},"
      "{\"name\":\"a\",\"state\":\"odd\"},{\"name\":\"a\",\"state\":\"ended\","
      "\"labels\":{\"x\":1,\"y\":\"z\"},\"started\":-5}]}",
      "", 1 },
    { "{\"instances\":{}}", "garbage", 0 },
    { "[]", "garbage", 0 },
    { "", "garbage", 0 },
    { "{\"instances\":[\n/*[*/]}", "garbage", 0 },
    { "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", "garbage", 0 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    {
      Fault fault = { "POST", "", FAULT_STATUS, 200, lists[i].text, NULL };

      fake_server_script (&f->receiver, &fault, 1);
      g_assert_cmpstr (told_list (&f->told, f->provisioner, "main"), ==,
                       lists[i].result);
      if (lists[i].result[0] == '\0')
        g_assert_cmpuint (f->told.instances->len, ==, lists[i].n);
    }
}

/* More than a list may have, and more than an answer may. */
static void
test_bounds (Fixture *f, gconstpointer data)
{
  GString *text = g_string_new ("{\"instances\":[");
  Fault fault = { "POST", "", FAULT_STATUS, 200, NULL, NULL };

  for (guint i = 0; i < SCALING_PROVISION_MAX_INSTANCES; i++)
    g_string_append_printf (text, "%s{\"name\":\"n%u\",\"state\":\"running\"}",
                            i > 0 ? "," : "", i);
  g_string_append (text, "]}");
  fault.body = text->str;
  fake_server_script (&f->receiver, &fault, 1);
  g_assert_cmpstr (told_list (&f->told, f->provisioner, "main"), ==, "");
  g_assert_cmpuint (f->told.instances->len, ==,
                    SCALING_PROVISION_MAX_INSTANCES);
  g_string_insert (text, (gssize)strlen ("{\"instances\":["), "{},");
  fault.body = text->str;
  fake_server_script (&f->receiver, &fault, 1);
  g_assert_cmpstr (told_list (&f->told, f->provisioner, "main"), ==, "garbage");
  g_string_set_size (text, 9 * 1024 * 1024);
  memset (text->str, ' ', text->len);
  fault.body = text->str;
  fake_server_script (&f->receiver, &fault, 1);
  g_assert_cmpstr (told_list (&f->told, f->provisioner, "main"), ==, "garbage");
  g_string_free (text, TRUE);
}

static void
test_bad_config (void)
{
  static const ScalingWebhookConfig bad[] = {
    { .url = "https://example.org/", .secret = "short" },
    { .url = "https://example.org/", .secret = NULL },
    { .url = "http://example.org/", .secret = SECRET },
    { .url = "ftp://example.org/", .secret = SECRET },
    { .url = "example.org", .secret = SECRET },
    { .url = "https:///x", .secret = SECRET },
  };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (scaling_provision_webhook_new (&bad[i], &error));
      g_assert_nonnull (error);
    }
}

#define ADD(name, function, data)                                              \
  g_test_add (name, Fixture, data, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/ensure", test_ensure, NULL);
  ADD ("/states", test_states, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *at_list = g_strconcat ("/at-list/", rows[i].name, NULL);
      g_autofree char *at_ensure =
          g_strconcat ("/at-ensure/", rows[i].name, NULL);

      ADD (at_list, test_list_fault, &rows[i]);
      ADD (at_ensure, test_ensure_fault, &rows[i]);
    }
  ADD ("/made-unheard/error", test_made_unheard, NULL);
  ADD ("/made-unheard/hang", test_made_unheard, "");
  ADD ("/conflict", test_conflict, NULL);
  ADD ("/not-ours", test_not_ours, NULL);
  ADD ("/deadline", test_deadline, NULL);
  ADD ("/lists", test_lists, NULL);
  ADD ("/bounds", test_bounds, NULL);
  g_test_add_func ("/bad-config", test_bad_config);
  return g_test_run ();
}
