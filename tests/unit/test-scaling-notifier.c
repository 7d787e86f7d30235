/* SPDX-License-Identifier: Apache-2.0 */
/* A webhook that is told: signed, in order, tried again, never without end. */
#include "scaling/notifier.h"

#include <string.h>

#include "webhook-fixture.h"
#include "scaling/provision-webhook.h"
#include "wait.h"

#define SECRET "sixteen-and-more"

typedef struct
{
  FakeServer receiver;
  ScalingNotifier *notifier; /* owned, nullable */
  GPtrArray *keys;           /* (element-type utf8) Idempotency-Key of each */
} Fixture;

static FakeReply
answer (FakeServer *server, SoupServerMessage *msg, const char *path,
        GHashTable *query, const char *body)
{
  Fixture *f = server->data;

  g_assert_cmpstr (path, ==, "/hooks/told");
  webhook_check_signature (msg, body, SECRET, 60);
  g_ptr_array_add (f->keys,
                   g_strdup (webhook_get_header (msg, "Idempotency-Key")));
  return (FakeReply){ 204, NULL };
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autofree char *url = NULL;
  ScalingNotifierConfig config = { .secret = SECRET,
                                   .node_id = "n1",
                                   .answer_us = 20 * G_USEC_PER_SEC,
                                   .backoff_us = 1000 };

  memset (f, 0, sizeof *f);
  f->receiver.answer = answer;
  f->receiver.data = f;
  f->keys = g_ptr_array_new_with_free_func (g_free);
  fake_server_init (&f->receiver, NULL);
  url = g_strconcat (f->receiver.url, "/hooks/told?a=b", NULL);
  config.url = url;
  f->notifier = scaling_notifier_new (&config, NULL);
  g_assert_nonnull (f->notifier);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_pointer (&f->notifier, scaling_notifier_free);
  fake_server_clear (&f->receiver);
  g_ptr_array_unref (f->keys);
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static guint64
get_n (Fixture *f, ScalingNotifyResult result)
{
  return scaling_notifier_get_n (f->notifier, result);
}

/* the member of the @i-th body */
static char *
dup_member (Fixture *f, guint i, const char *name)
{
  g_autoptr (JsonNode) root =
      json_from_string (f->receiver.bodies->pdata[i], NULL);
  JsonNode *node = json_object_get_member (json_node_get_object (root), name);

  return json_to_string (node, FALSE);
}

static void
test_in_order (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 5; i++)
    {
      g_autofree char *detail = g_strdup_printf ("{\"n\":%u}", i);

      scaling_notifier_send (f->notifier, "desire", "main", detail);
    }
  WAIT_FOR (get_n (f, SCALING_NOTIFIED) == 5);
  g_assert_cmpuint (f->receiver.bodies->len, ==, 5);
  g_assert_cmpstr (f->receiver.requests->pdata[0], ==, "POST /hooks/told?a=b");
  for (guint i = 0; i < 5; i++)
    {
      g_autofree char *detail = dup_member (f, i, "detail");
      g_autofree char *expected = g_strdup_printf ("{\"n\":%u}", i);
      g_autofree char *event = dup_member (f, i, "event");

      g_assert_cmpstr (detail, ==, expected);
      g_assert_cmpstr (event, ==, "\"desire\"");
    }
  g_assert_cmpstr (f->keys->pdata[0], !=, f->keys->pdata[1]);
  g_assert_cmpuint (scaling_notifier_get_n_queued (f->notifier), ==, 0);
  /* nobody to tell */
  scaling_notifier_send (NULL, "desire", "main", "{}");
}

static void
test_text (Fixture *f, gconstpointer data)
{
  g_autofree char *detail = NULL;

  scaling_notifier_send (f->notifier, "hold", "main", "no \"JSON");
  WAIT_FOR (get_n (f, SCALING_NOTIFIED) == 1);
  detail = dup_member (f, 0, "detail");
  g_assert_cmpstr (detail, ==, "\"no \\\"JSON\"");
}

/* the same event under the same key until it is taken; then the next */
static void
test_again (Fixture *f, gconstpointer data)
{
  static const Fault faults[] = {
    { "POST", "/hooks", FAULT_STATUS, 500, NULL, NULL },
    { "POST", "/hooks", FAULT_DONE_STATUS, 503, NULL, NULL },
    { "POST", "/hooks", FAULT_DONE_STATUS, 429, NULL, "0" },
  };

  fake_server_script (&f->receiver, faults, G_N_ELEMENTS (faults));
  scaling_notifier_send (f->notifier, "desire", "main", "{\"n\":0}");
  scaling_notifier_send (f->notifier, "desire", "main", "{\"n\":1}");
  WAIT_FOR (get_n (f, SCALING_NOTIFIED) == 2);
  g_assert_cmpuint (get_n (f, SCALING_NOTIFY_RETRIED), ==, 3);
  g_assert_cmpuint (f->receiver.bodies->len, ==, 5);
  for (guint i = 1; i < 4; i++)
    g_assert_cmpstr (f->receiver.bodies->pdata[i], ==,
                     f->receiver.bodies->pdata[0]);
  g_assert_cmpuint (f->keys->len, ==, 4);
  g_assert_cmpstr (f->keys->pdata[0], ==, f->keys->pdata[2]);
  g_assert_cmpstr (f->keys->pdata[2], !=, f->keys->pdata[3]);
}

/* what is refused, or redirected, is not sent again */
static void
test_refused (Fixture *f, gconstpointer data)
{
  static const Fault faults[] = {
    { "POST", "/hooks", FAULT_STATUS, 403, NULL, NULL },
    { "POST", "/hooks", FAULT_STATUS, 302, NULL, NULL },
  };

  fake_server_script (&f->receiver, faults, G_N_ELEMENTS (faults));
  for (guint i = 0; i < 3; i++)
    scaling_notifier_send (f->notifier, "desire", "main", "{}");
  WAIT_FOR (get_n (f, SCALING_NOTIFIED) == 1);
  g_assert_cmpuint (get_n (f, SCALING_NOTIFY_REFUSED), ==, 2);
  g_assert_cmpuint (get_n (f, SCALING_NOTIFY_RETRIED), ==, 0);
}

static void
test_given_up (Fixture *f, gconstpointer data)
{
  Fault faults[SCALING_NOTIFIER_MAX_TRIES];

  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    faults[i] = (Fault){ "POST", "/hooks", FAULT_STATUS, 500, NULL, NULL };
  fake_server_script (&f->receiver, faults, G_N_ELEMENTS (faults));
  scaling_notifier_send (f->notifier, "desire", "main", "{}");
  WAIT_FOR (get_n (f, SCALING_NOTIFY_FAILED) == 1);
  g_assert_cmpuint (f->receiver.bodies->len, ==, SCALING_NOTIFIER_MAX_TRIES);
  scaling_notifier_send (f->notifier, "desire", "main", "{}");
  WAIT_FOR (get_n (f, SCALING_NOTIFIED) == 1);
}

/* a receiver that hangs: the oldest that wait go, the one on its way stays */
static void
test_limit (Fixture *f, gconstpointer data)
{
  static const Fault hang = { "POST", "/hooks", FAULT_HANG, 0, NULL, NULL };

  fake_server_script (&f->receiver, &hang, 1);
  for (guint i = 0; i < SCALING_NOTIFIER_MAX_QUEUED; i++)
    scaling_notifier_send (f->notifier, "desire", "main", "{}");
  g_assert_cmpuint (get_n (f, SCALING_NOTIFY_DROPPED), ==, 0);
  for (guint i = 0; i < 3; i++)
    scaling_notifier_send (f->notifier, "desire", "main", "{}");
  g_assert_cmpuint (get_n (f, SCALING_NOTIFY_DROPPED), ==, 3);
  g_assert_cmpuint (scaling_notifier_get_n_queued (f->notifier), ==,
                    SCALING_NOTIFIER_MAX_QUEUED);
  /* freed while one is on its way */
  WAIT_FOR (f->receiver.n_hanging == 1);
}

static void
test_config (void)
{
  static const struct
  {
    const char *url, *secret;
  } bad[] = { { "https://a.example/x", "short" },
              { "https://a.example/x", NULL },
              { "http://a.example/x", SECRET },
              { "ftp://127.0.0.1/x", SECRET },
              { "nonsense", SECRET } };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      ScalingNotifierConfig config = { .url = bad[i].url,
                                       .secret = bad[i].secret,
                                       .node_id = "n1" };
      g_autoptr (GError) error = NULL;

      g_assert_null (scaling_notifier_new (&config, &error));
      g_assert_nonnull (error);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func)                                                        \
  g_test_add ("/scaling/notifier/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("in-order", test_in_order);
  ADD ("text", test_text);
  ADD ("again", test_again);
  ADD ("refused", test_refused);
  ADD ("given-up", test_given_up);
  ADD ("limit", test_limit);
  g_test_add_func ("/scaling/notifier/config", test_config);
  return g_test_run ();
}
