/* SPDX-License-Identifier: Apache-2.0 */
/* RelayLinkServer: who is answered on the relay port, and by what. Children are
 * scripted; a drop is seen in its counter, silence by what comes next. */
#include "link-child.h"

#include "relay/link-server-private.h"
#include "rtc/worker-private.h"

#define V RTC_MEDIA_VIDEO
#define MAX_CHILDREN 4

typedef struct
{
  RelayWorld world;
  BaseMetrics *metrics;
  RelayLinkServer *server;
  RelayStream *stream; /* one reference */
  RelayPublication *publication;
  RelayLinkMedia *media;
  guint n_wanted;
  gboolean is_pending;
  gint64 now_us; /* the workers', atomic: it stands still, so that no child is
                  * late who has only not been run */
} Fixture;

static gboolean
on_stream_wanted (const char *name, gpointer data)
{
  Fixture *f = data;

  g_assert_cmpstr (name, !=, "s");
  f->n_wanted++;
  return f->is_pending;
}

static RelayLinkServer *
new_server (Fixture *f, RelayLinkKeys *keys, guint port)
{
  g_autoptr (GError) error = NULL;
  RelayLinkServerConfig config = { .hub = f->world.hub,
                                   .workers = f->world.workers,
                                   .n_workers = RELAY_WORLD_WORKERS,
                                   .keys = keys,
                                   .metrics = f->metrics,
                                   .node_id = "parent",
                                   .max_children = MAX_CHILDREN,
                                   .on_stream_wanted = on_stream_wanted,
                                   .data = f };
  RelayLinkServer *server;

  rtc_addr_from_string ("127.0.0.1", port, &config.address);
  server = relay_link_server_new (&config, &error);
  g_assert_no_error (error);
  return server;
}

static void
on_event (gpointer data)
{
}

static void
run_begin (gpointer data)
{
  Fixture *f = data;
  RelayTreeInfo tree = { .id = { 1 }, .epoch = 1, .n_path = 1 };

  strcpy (tree.path[0], "origin");
  tree.first[V] = 100;
  tree.media = f->media = relay_link_media_new (f->world.keys, "s", tree.id);
  relay_publication_set_tree (f->publication, &tree);
  relay_publication_begin (f->publication);
}

static void
run_end (gpointer data)
{
  Fixture *f = data;

  relay_publication_end (f->publication);
  g_clear_pointer (&f->publication, relay_publication_unref);
}

static void
run_push (gpointer data)
{
  Fixture *f = data;
  guint8 payload[4] = { 0x10 };

  relay_publication_push_tree (f->publication, V, 100, 0, RELAY_PACKET_KEYFRAME,
                               NULL, 0, payload, sizeof payload, FALSE,
                               f->now_us);
}

static void
on_hub (RelayHub *hub, RelayStream *stream, RelayHubEvent event, gpointer data)
{
  if (event == RELAY_HUB_LIVE)
    *(gboolean *)data = TRUE;
}

/* on the second worker: not the one that reads the port */
static void
set_up (Fixture *f, gconstpointer data)
{
  static const RelayPublicationCallbacks callbacks = { on_event, on_event };
  RelayStreamInfo info = { 0 };
  gboolean is_live = FALSE;

  memset (f, 0, sizeof *f);
  f->metrics = base_metrics_new ();
  relay_world_init (&f->world, NULL);
  f->now_us = base_clock_now_us ();
  for (guint i = 0; i < RELAY_WORLD_WORKERS; i++)
    rtc_worker_set_clock (f->world.workers[i], &f->now_us);
  relay_hub_ensure (f->world.hub, "other", NULL);
  f->stream = relay_stream_ref (relay_hub_ensure (f->world.hub, "s", NULL));
  g_assert_true (relay_stream_get_home (f->stream) == f->world.workers[1]);
  info.tracks[V] =
      (RelayTrackInfo){ .is_present = TRUE, .codec = RTC_CODEC_VP8 };
  f->publication =
      relay_stream_add_publication (f->stream, &info, &callbacks, f, NULL);
  f->server = new_server (f, f->world.keys, 0);
  relay_hub_add_listener (f->world.hub, on_hub, &is_live);
  relay_call_on (f->world.workers[1], run_begin, f);
  WAIT_FOR (is_live);
  relay_hub_remove_listener (f->world.hub, on_hub, &is_live);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  if (f->publication != NULL)
    relay_call_on (f->world.workers[1], run_end, f);
  relay_world_stop (&f->world);
  relay_link_server_free (f->server);
  relay_link_media_unref (f->media);
  relay_stream_unref (f->stream);
  relay_world_clear (&f->world);
  base_metrics_free (f->metrics);
}

static gint64
count (Fixture *f, const char *name, const char *labels)
{
  return base_counter_get (
      base_metrics_add_counter (f->metrics, name, labels, ""));
}

static gint64
n_children (Fixture *f)
{
  return base_counter_get (base_metrics_add_gauge (
      f->metrics, "media_tree_link_children", NULL, ""));
}

static gint64
dropped (Fixture *f, const char *reason)
{
  g_autofree char *label = base_metrics_label ("reason", reason);

  return count (f, "media_tree_link_messages_dropped_total", label);
}

static void
child_init (Fixture *f, LinkChild *child, guint8 boot)
{
  link_child_init (child, relay_link_server_get_port (f->server), boot, "s");
}

/* the two messages that a child begins with */
static void
prove (LinkChild *child)
{
  LinkDatagram got;

  link_child_subscribe (child, RELAY_LINK_START_GOP);
  link_child_expect (child, RELAY_LINK_COOKIE, &got);
  memcpy (child->cookie, got.message.cookie.cookie, sizeof child->cookie);
}

static void
join (LinkChild *child)
{
  LinkDatagram got;

  prove (child);
  link_child_subscribe (child, RELAY_LINK_START_GOP);
  do
    link_child_wait (child, &got);
  while (!got.is_media && got.message.type != RELAY_LINK_STATUS);
  g_assert_false (got.is_media);
  g_assert_true (got.message.status.is_reply);
}

/* --- tests ------------------------------------------------------------------
 */

/* Nothing but a COOKIE, smaller than what it answers, goes to an address that
 * is not proven. */
static void
test_cookie (Fixture *f, gconstpointer data)
{
  LinkChild a;
  LinkDatagram got;
  gsize asked;

  child_init (f, &a, 1);
  relay_call_on (f->world.workers[1], run_push, f);
  asked = link_child_subscribe (&a, RELAY_LINK_START_GOP);
  link_child_expect (&a, RELAY_LINK_COOKIE, &got);
  g_assert_cmpuint (got.len, <=, asked);
  g_assert_cmpint (dropped (f, "cookie"), ==, 0);
  memset (a.cookie, 7, sizeof a.cookie);
  asked = link_child_subscribe (&a, RELAY_LINK_START_GOP);
  link_child_expect (&a, RELAY_LINK_COOKIE, &got);
  g_assert_cmpuint (got.len, <=, asked);
  g_assert_cmpint (dropped (f, "cookie"), ==, 1);
  /* of another address: the same */
  relay_link_keys_make_cookie (f->world.keys, &a.parent, f->now_us, a.cookie);
  link_child_subscribe (&a, RELAY_LINK_START_GOP);
  link_child_expect (&a, RELAY_LINK_COOKIE, &got);
  g_assert_cmpint (dropped (f, "cookie"), ==, 2);
  memcpy (a.cookie, got.message.cookie.cookie, sizeof a.cookie);
  link_child_subscribe (&a, RELAY_LINK_START_GOP);
  link_child_expect (&a, RELAY_LINK_STATUS, &got);
  link_child_wait_media (&a, &got);
  /* an older one that is still good is renewed, and media goes on */
  relay_link_keys_make_cookie (f->world.keys, &a.own,
                               f->now_us - 16 * G_USEC_PER_SEC, a.cookie);
  link_child_subscribe (&a, RELAY_LINK_START_GOP);
  do
    link_child_wait (&a, &got);
  while (got.is_media || got.message.type != RELAY_LINK_COOKIE);
  do
    link_child_expect (&a, RELAY_LINK_STATUS, &got);
  while (!got.message.status.is_reply);
  link_child_clear (&a);
}

static void
test_key (Fixture *f, gconstpointer data)
{
  static const guint8 boot_id[RELAY_ID_BYTES] = { 0xc0, 1 };
  RelayLinkKeys *wrong = relay_link_keys_new ("another secret", boot_id), *good;
  LinkChild a;

  child_init (f, &a, 1);
  good = a.keys;
  a.keys = wrong;
  for (guint i = 0; i < 3; i++)
    link_child_subscribe (&a, RELAY_LINK_START_GOP);
  a.keys = good;
  /* the first answer is to the right key */
  prove (&a);
  g_assert_cmpint (dropped (f, "key"), ==, 3);
  relay_link_keys_free (wrong);
  link_child_clear (&a);
}

static void
test_replay (Fixture *f, gconstpointer data)
{
  LinkChild a, other;
  LinkDatagram got;
  RelayLinkMessage message;
  guint8 bytes[RELAY_LINK_MAX_MESSAGE_BYTES];
  gsize len;

  child_init (f, &a, 1);
  prove (&a);
  a.subscription = 77;
  link_child_make_subscribe (&a, &message, RELAY_LINK_START_LIVE);
  len = link_child_send (&a, &message, bytes);
  link_child_expect (&a, RELAY_LINK_STATUS, &got);
  /* the same socket, and another one: no word comes back */
  child_init (f, &other, 2);
  link_child_send_bytes (&a, bytes, len);
  link_child_send_bytes (&other, bytes, len);
  WAIT_FOR (dropped (f, "replay") == 2);
  prove (&other);
  link_child_clear (&other);
  /* changed on the way: another counter */
  bytes[25]++;
  link_child_send_bytes (&a, bytes, len);
  WAIT_FOR (dropped (f, "key") == 1);
  bytes[25]--;

  /* a parent that was restarted knows neither counter nor cookie: the address
   * must be proven again */
  child_init (f, &other, 3);
  {
    static const guint8 boot_id[RELAY_ID_BYTES] = { 99 };
    RelayLinkKeys *keys = relay_link_keys_new (RELAY_WORLD_SECRET, boot_id);
    RelayLinkServer *restarted = new_server (f, keys, 0);

    rtc_addr_from_string ("127.0.0.1", relay_link_server_get_port (restarted),
                          &other.parent);
    link_child_send_bytes (&other, bytes, len);
    link_child_expect (&other, RELAY_LINK_COOKIE, &got);
    rtc_addr_from_string ("127.0.0.1", relay_link_server_get_port (restarted),
                          &a.parent);
    link_child_send_bytes (&a, bytes, len);
    do
      link_child_wait (&a, &got);
    while (got.is_media || got.message.type == RELAY_LINK_STATUS);
    g_assert_cmpint (got.message.type, ==, RELAY_LINK_COOKIE);
    g_assert_cmpuint (got.len, <=, len);
    relay_world_stop (&f->world);
    relay_link_server_free (restarted);
    relay_link_keys_free (keys);
  }
  relay_publication_end (f->publication);
  g_clear_pointer (&f->publication, relay_publication_unref);
  link_child_clear (&a);
  link_child_clear (&other);
}

static void
test_malformed (Fixture *f, gconstpointer data)
{
  RelayLinkMessage down = { .type = RELAY_LINK_COOKIE, .subscription = 1 };
  RelayLinkMessage keyframe = { .type = RELAY_LINK_KEYFRAME };
  guint8 bytes[100] = { 'M', 1 };
  LinkChild a, b;
  int port;

  child_init (f, &a, 1);
  child_init (f, &b, 2);
  link_child_send_bytes (&a, bytes, 10);
  bytes[0] = 0x80; /* as RTP has it */
  link_child_send_bytes (&a, bytes, sizeof bytes);
  WAIT_FOR (dropped (f, "malformed") == 2);
  link_child_send (&a, &down, NULL);
  WAIT_FOR (dropped (f, "malformed") == 3);
  /* without a subscription there is nothing to ask for */
  keyframe.subscription = a.subscription;
  link_child_send (&a, &keyframe, NULL);
  WAIT_FOR (dropped (f, "unknown") == 1);
  join (&a);
  /* nor from another port, or of another subscription */
  port = a.fd;
  a.fd = b.fd;
  link_child_send (&a, &keyframe, NULL);
  a.fd = port;
  WAIT_FOR (dropped (f, "unknown") == 2);
  keyframe.subscription++;
  link_child_send (&a, &keyframe, NULL);
  WAIT_FOR (dropped (f, "unknown") == 3);
  link_child_clear (&a);
  link_child_clear (&b);
}

static void
test_wanted (Fixture *f, gconstpointer data)
{
  LinkChild a;

  child_init (f, &a, 1);
  strcpy (a.stream, "nobody");
  prove (&a);
  link_child_subscribe (&a, RELAY_LINK_START_GOP);
  link_child_expect_refuse (&a, RELAY_LINK_REASON_UNKNOWN);
  g_assert_cmpuint (f->n_wanted, ==, 1);
  /* what main said is good for a while */
  for (guint i = 0; i < 3; i++)
    {
      link_child_subscribe (&a, RELAY_LINK_START_GOP);
      link_child_expect_refuse (&a, RELAY_LINK_REASON_UNKNOWN);
    }
  g_assert_cmpuint (f->n_wanted, <=, 2);
  f->is_pending = TRUE;
  strcpy (a.stream, "soon");
  link_child_subscribe (&a, RELAY_LINK_START_GOP);
  link_child_expect_refuse (&a, RELAY_LINK_REASON_PENDING);
  link_child_clear (&a);
}

static void
test_stream_gone (Fixture *f, gconstpointer data)
{
  LinkChild a;
  LinkDatagram got;

  child_init (f, &a, 1);
  join (&a);
  relay_call_on (f->world.workers[1], run_end, f);
  do
    link_child_wait (&a, &got);
  while (got.is_media || got.message.type != RELAY_LINK_BYE);
  g_assert_cmpint (got.message.bye.reason, ==, RELAY_LINK_REASON_UNKNOWN);
  WAIT_FOR (n_children (f) == 0);
  link_child_clear (&a);
}

static void
test_leave (Fixture *f, gconstpointer data)
{
  LinkChild a;
  LinkDatagram got;

  child_init (f, &a, 1);
  join (&a);
  relay_link_server_leave (f->server);
  do
    link_child_wait (&a, &got);
  while (got.is_media || got.message.type != RELAY_LINK_BYE);
  g_assert_cmpint (got.message.bye.reason, ==, RELAY_LINK_REASON_LEAVING);
  link_child_subscribe (&a, RELAY_LINK_START_GOP);
  link_child_expect_refuse (&a, RELAY_LINK_REASON_LEAVING);
  link_child_clear (&a);
}

static void
test_list (Fixture *f, gconstpointer data)
{
  LinkChild children[MAX_CHILDREN + 1];
  RelayLinkMessage message;
  LinkDatagram got;
  GArray *list = NULL;
  const RelayLinkChild *row;

  for (guint i = 0; i < MAX_CHILDREN; i++)
    {
      child_init (f, &children[i], (guint8)(i + 1));
      join (&children[i]);
    }
  child_init (f, &children[MAX_CHILDREN], 9);
  prove (&children[MAX_CHILDREN]);
  link_child_subscribe (&children[MAX_CHILDREN], RELAY_LINK_START_GOP);
  link_child_expect_refuse (&children[MAX_CHILDREN], RELAY_LINK_REASON_FULL);
  WAIT_FOR (count (f, "media_tree_link_children_refused_total", NULL) == 1);
  relay_call_on (f->world.workers[1], run_push, f);
  link_child_wait_media (&children[0], &got);
  message = (RelayLinkMessage){ .type = RELAY_LINK_NACK,
                                .subscription = children[0].subscription };
  message.nack.n_ranges = 1;
  message.nack.ranges[0] = (RelayLinkNackRange){ V, 99, 2 };
  link_child_send (&children[0], &message, NULL);
  WAIT_FOR (count (f, "media_tree_link_repairs_total", "result=\"sent\"") == 1);
  WAIT_FOR (count (f, "media_tree_link_repairs_total", "result=\"missing\"")
            == 1);
  g_assert_cmpint (count (f, "media_tree_link_packets_sent_total", NULL), ==,
                   MAX_CHILDREN + 1);
  g_assert_cmpint (count (f, "media_tree_link_bytes_sent_total", NULL), >,
                   5 * 16);
  g_assert_cmpint (n_children (f), ==, MAX_CHILDREN);
  do
    {
      g_clear_pointer (&list, g_array_unref);
      list = relay_link_server_list (f->server);
      wait_a_little ();
    }
  while (list->len == 0);
  row = &g_array_index (list, RelayLinkChild, 0);
  g_assert_cmpuint (list->len, <=, MAX_CHILDREN);
  g_assert_cmpstr (row->stream, ==, "s");
  g_assert_cmpstr (row->node, ==, "child1");
  g_array_unref (list);
  /* silent ones are forgotten; the list follows */
  __atomic_add_fetch (&f->now_us, 1100 * BASE_US_PER_MS, __ATOMIC_RELEASE);
  WAIT_FOR (count (f, "media_tree_link_children_expired_total", NULL)
            == MAX_CHILDREN);
  WAIT_FOR (n_children (f) == 0);
  for (list = NULL; list == NULL || list->len > 0;)
    {
      g_clear_pointer (&list, g_array_unref);
      list = relay_link_server_list (f->server);
      wait_a_little ();
    }
  g_array_unref (list);
  for (guint i = 0; i <= MAX_CHILDREN; i++)
    link_child_clear (&children[i]);
}

/* --- bounds, without a socket ----------------------------------------------
 */

static void
test_rate (void)
{
  RelayLinkServer server = { 0 };
  RelayLinkFront *front = relay_link_front_new (&server);
  gint64 now_us = 5 * G_USEC_PER_SEC;

  for (guint i = 0; i < RELAY_LINK_MAX_DATAGRAMS_S; i++)
    g_assert_true (relay_link_front_take_datagram (front, now_us));
  g_assert_false (relay_link_front_take_datagram (front, now_us + 999999));
  g_assert_true (relay_link_front_take_datagram (front, now_us + 1000000));
  relay_link_front_free (front);
}

static RelayLinkReplayResult
check (RelayLinkReplay *replay, guint sender, guint64 counter, gint64 now_us)
{
  guint8 id[RELAY_ID_BYTES] = { 0 };

  memcpy (id, &sender, sizeof sender);
  return relay_link_replay_check (replay, id, counter, TRUE, now_us);
}

static void
test_window (void)
{
  g_autoptr (RelayLinkReplay) replay = relay_link_replay_new ();
  guint64 top = 5000;
  guint8 id[RELAY_ID_BYTES] = { 1 };

  g_assert_cmpint (relay_link_replay_check (replay, id, 1, FALSE, 0), ==,
                   RELAY_LINK_REPLAY_STRANGER);
  g_assert_cmpint (check (replay, 1, top, 0), ==, RELAY_LINK_REPLAY_NEW);
  g_assert_cmpint (check (replay, 1, top, 0), ==, RELAY_LINK_REPLAY_SEEN);
  g_assert_cmpint (check (replay, 1, top - RELAY_LINK_REPLAY_WINDOW, 0), ==,
                   RELAY_LINK_REPLAY_SEEN);
  for (guint64 c = top - RELAY_LINK_REPLAY_WINDOW + 1; c < top; c++)
    {
      g_assert_cmpint (check (replay, 1, c, 0), ==, RELAY_LINK_REPLAY_NEW);
      g_assert_cmpint (check (replay, 1, c, 0), ==, RELAY_LINK_REPLAY_SEEN);
    }
  /* a step ahead forgets exactly what falls out */
  g_assert_cmpint (check (replay, 1, top + 100, 0), ==, RELAY_LINK_REPLAY_NEW);
  for (guint64 c = top + 1; c < top + 100; c++)
    g_assert_cmpint (check (replay, 1, c, 0), ==, RELAY_LINK_REPLAY_NEW);
  for (guint64 c = top - 500; c <= top + 100; c++)
    g_assert_cmpint (check (replay, 1, c, 0), ==, RELAY_LINK_REPLAY_SEEN);
  g_assert_cmpint (check (replay, 1, G_MAXUINT64, 0), ==,
                   RELAY_LINK_REPLAY_NEW);
  g_assert_cmpint (check (replay, 1, G_MAXUINT64, 0), ==,
                   RELAY_LINK_REPLAY_SEEN);
  g_assert_cmpint (check (replay, 1, G_MAXUINT64 - 1, 0), ==,
                   RELAY_LINK_REPLAY_NEW);
}

static void
test_senders (void)
{
  g_autoptr (RelayLinkReplay) replay = relay_link_replay_new ();

  for (guint i = 0; i < RELAY_LINK_REPLAY_MAX_SENDERS; i++)
    g_assert_cmpint (check (replay, i, 0, i == 0 ? 1 : 0), ==,
                     RELAY_LINK_REPLAY_NEW);
  g_assert_cmpint (check (replay, 99999, 0, 0), ==, RELAY_LINK_REPLAY_FULL);
  g_assert_cmpint (check (replay, 5, 1, 0), ==, RELAY_LINK_REPLAY_NEW);
  relay_link_replay_expire (replay, RELAY_LINK_REPLAY_KEPT_US);
  g_assert_cmpuint (relay_link_replay_get_n_senders (replay), ==,
                    RELAY_LINK_REPLAY_MAX_SENDERS);
  relay_link_replay_expire (replay, RELAY_LINK_REPLAY_KEPT_US + 1);
  g_assert_cmpuint (relay_link_replay_get_n_senders (replay), ==, 1);
  g_assert_cmpint (check (replay, 99999, 0, 0), ==, RELAY_LINK_REPLAY_NEW);
}

#define ADD(name, func)                                                        \
  g_test_add (name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/relay/link-server/cookie", test_cookie);
  ADD ("/relay/link-server/key", test_key);
  ADD ("/relay/link-server/replay", test_replay);
  ADD ("/relay/link-server/malformed", test_malformed);
  ADD ("/relay/link-server/wanted", test_wanted);
  ADD ("/relay/link-server/stream-gone", test_stream_gone);
  ADD ("/relay/link-server/leave", test_leave);
  ADD ("/relay/link-server/list", test_list);
  g_test_add_func ("/relay/link-server/rate", test_rate);
  g_test_add_func ("/relay/link-server/window", test_window);
  g_test_add_func ("/relay/link-server/senders", test_senders);
  return g_test_run ();
}
