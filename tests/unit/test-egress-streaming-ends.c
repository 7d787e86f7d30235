/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/streaming: what a handle does while it watches, and all that ends it
 * (PROTOCOLS.md J27-J30, J42, J45, J53-J56); with a client that really
 * connects.
 */
#include "base/clock.h"
#include "egress/streaming-private.h"
#include "tests/unit/streaming-client.h"

static void
test_stop (StreamingFixture *f, gconstpointer data)
{
  g_autoptr (RtcClient) client = NULL;

  streaming_create (f, 1, "h264", "");
  client = streaming_play (f, 1);
  streaming_expect_status (f, "{'request':'stop'}", "stopping");
  g_assert_cmpstr (streaming_event (f), ==, "hangup Close PC");
  streaming_wait_closed (client);
  g_assert_cmpuint (streaming_get_n_viewers (f, 1), ==, 0);
  streaming_expect_status (f, "{'request':'stop'}", "idle");
  streaming_expect_event_error (f, "{'request':'start'}", 455,
                                "Can't start: no mountpoint set");
}

/* what ends a viewer, and that the handle may watch again each time */
static void
test_ends (StreamingFixture *f, gconstpointer data)
{
  g_autoptr (GPtrArray) ids = g_ptr_array_new_with_free_func (g_free);
  RtcClient *client;

  streaming_create (f, 1, "h264", "");
  /* he closes */
  client = streaming_play (f, 1);
  rtc_client_close (client);
  g_assert_cmpstr (streaming_event (f), ==, "hangup DTLS alert");
  rtc_client_free (client);
  /* hangup of the API, before and after it plays */
  streaming_watch (f, 1);
  streaming_send_text (f, "{'janus':'hangup','transaction':'t'}");
  g_assert_cmpstr (json_object_get_string_member (f->reply, "janus"), ==,
                   "success");
  g_assert_cmpstr (streaming_event (f), ==, "hangup Janus API");
  client = streaming_play (f, 1);
  streaming_send_text (f, "{'janus':'hangup','transaction':'t'}");
  g_assert_cmpstr (streaming_event (f), ==, "hangup Janus API");
  streaming_wait_closed (client);
  rtc_client_free (client);
  streaming_send_text (f, "{'janus':'hangup','transaction':'t'}");
  g_assert_true (g_queue_is_empty (&f->events));
  /* kick_all */
  client = streaming_play (f, 1);
  streaming_expect (f, "{'request':'kick_all','id':1}",
                    "{'streaming':'kicked_all'}");
  g_assert_cmpstr (streaming_event (f), ==, STREAMING_STATUS ("kicked_all"));
  g_assert_cmpstr (streaming_event (f), ==, "hangup Close PC");
  streaming_wait_closed (client);
  rtc_client_free (client);
  /* the node goes */
  client = streaming_play (f, 1);
  g_assert_cmpuint (egress_streaming_find_viewers (f->streaming, ids, 0), ==,
                    1);
  g_assert_cmpuint (ids->len, ==, 0);
  g_assert_cmpuint (egress_streaming_find_viewers (f->streaming, ids, 1), ==,
                    1);
  g_assert_cmpuint (ids->len, ==, 1);
  g_assert_cmpuint (egress_streaming_cut (f->streaming, "over"), ==, 1);
  g_assert_cmpstr (streaming_event (f), ==, STREAMING_STATUS ("stopped"));
  g_assert_cmpstr (streaming_event (f), ==, "hangup over");
  streaming_wait_closed (client);
  rtc_client_free (client);
  g_assert_cmpuint (egress_streaming_find_viewers (f->streaming, ids, 9), ==,
                    0);
  g_assert_cmpuint (egress_streaming_cut (f->streaming, "over"), ==, 0);
  /* destroy */
  client = streaming_play (f, 1);
  streaming_expect (f, "{'request':'destroy','id':1}",
                    "{'streaming':'destroyed','destroyed':1}");
  g_assert_cmpstr (streaming_event (f), ==, STREAMING_STATUS ("stopped"));
  g_assert_cmpstr (streaming_event (f), ==, "hangup Close PC");
  streaming_wait_closed (client);
  rtc_client_free (client);
  streaming_expect_event_error (f, "{'request':'watch','id':1}", 455,
                                "No such mountpoint/stream 1");
  g_assert_cmpuint (egress_gate_get_n_viewers (f->gate, NULL), ==, 0);
}

/* nobody publishes it any more */
static void
test_stream_ends (StreamingFixture *f, gconstpointer data)
{
  streaming_publish (f, "51", RTC_CODEC_OPUS, RTC_CODEC_VP8);
  streaming_watch (f, 51);
  streaming_end_source (f, "51");
  g_assert_cmpstr (streaming_event (f), ==, STREAMING_STATUS ("stopped"));
  g_assert_cmpstr (streaming_event (f), ==, "hangup Close PC");
}

/* the publisher goes and comes back: who waited is still known */
static void
test_publisher_returns (StreamingFixture *f, gconstpointer data)
{
  RelayStreamInfo info = streaming_info (RTC_CODEC_OPUS, RTC_CODEC_VP8);

  streaming_publish (f, "51", RTC_CODEC_OPUS, RTC_CODEC_VP8);
  streaming_watch (f, 51);
  streaming_end_source (f, "51");
  while (relay_stream_is_live (relay_hub_lookup (f->hub, "51")))
    g_main_context_iteration (NULL, TRUE);
  streaming_ask (f, "{'request':'list'}"); /* which looks at what there is */
  g_assert_cmpuint (streaming_get_n_viewers (f, 51), ==, 1);
  streaming_add_source (f, "51", &info);
  streaming_go_live (f, "51");
  streaming_ask (f, "{'request':'list'}");
  g_assert_cmpuint (streaming_get_n_viewers (f, 51), ==, 1);
  streaming_expect (f, "{'request':'kick_all','id':51}",
                    "{'streaming':'kicked_all'}");
  g_assert_cmpstr (streaming_event (f), ==, STREAMING_STATUS ("kicked_all"));
}

static void
test_detach (StreamingFixture *f, gconstpointer data)
{
  g_autoptr (RtcClient) client = NULL;

  streaming_create (f, 1, "h264", "");
  client = streaming_play (f, 1);
  streaming_send_text (f, "{'janus':'detach','transaction':'t'}");
  g_assert_cmpstr (streaming_event (f), ==, "detached");
  streaming_wait_closed (client);
  streaming_attach (f);
  g_assert_cmpuint (streaming_get_n_viewers (f, 1), ==, 0);
}

static void
test_switch (StreamingFixture *f, gconstpointer data)
{
  g_autoptr (RtcClient) client = NULL;

  streaming_create (f, 1, "h264", "");
  streaming_create (f, 2, "h264", ",'pin':'pw'");
  streaming_create (f, 3, "vp8", "");
  client = streaming_play (f, 1);
  streaming_expect_event_error (f, "{'request':'switch'}", 453,
                                "Missing mandatory element (id)");
  streaming_expect_event_error (f, "{'request':'switch','id':77}", 455,
                                "No such mountpoint/stream 77");
  streaming_expect_event (
      f, "{'request':'switch','id':2}",
      "t: {'streaming':'event','result':{'switched':'ok','id':2}}");
  g_assert_cmpuint (streaming_get_n_viewers (f, 1), ==, 0);
  g_assert_cmpuint (streaming_get_n_viewers (f, 2), ==, 1);
  /* what he negotiated is not there */
  g_assert_cmpstr (streaming_ask (f, "{'request':'switch','id':3}"), ==, "ack");
  g_assert_true (g_str_has_prefix (streaming_event (f),
                                   "t: {'streaming':'event','error_code':458,"
                                   "'error':'Can't switch: "));
  g_assert_cmpuint (streaming_get_n_viewers (f, 2), ==, 1);
  streaming_expect_event (
      f, "{'request':'switch','id':2}",
      "t: {'streaming':'event','result':{'switched':'ok','id':2}}");
  /* it is the new one's end that he hears of */
  streaming_ask (f, "{'request':'destroy','id':1}");
  g_assert_true (g_queue_is_empty (&f->events));
  streaming_ask (f, "{'request':'destroy','id':2}");
  g_assert_cmpstr (streaming_event (f), ==, STREAMING_STATUS ("stopped"));
}

static void
test_configure (StreamingFixture *f, gconstpointer data)
{
  static const char *const good[] = {
    "",
    ",'video':false",
    ",'audio':true,'video':true",
    ",'mid':'v','send':false",
    ",'mid':'zz'",
    ",'send':true",
    ",'substream':2,'temporal':0,'fallback':500",
    ",'min_delay':10,'max_delay':20",
    ",'min_delay':-1",
    ",'streams':[]",
    ",'streams':[{'send':false}]",
    ",'streams':[{'mid':'a','send':true},{'mid':'v','send':true}]",
    ",'data':true"
  };
  static const char *const bad[] = { ",'video':'x'",
                                     ",'mid':5",
                                     ",'send':'x'",
                                     ",'substream':'x'",
                                     ",'substream':-1",
                                     ",'substream':3",
                                     ",'temporal':3",
                                     ",'spatial_layer':3",
                                     ",'temporal_layer':3",
                                     ",'fallback':-1",
                                     ",'fallback':60000001",
                                     ",'min_delay':'x'",
                                     ",'max_delay':40951",
                                     ",'streams':5",
                                     ",'streams':[5]",
                                     ",'streams':[{'mid':5}]",
                                     ",'streams':[{'mid':'v','substream':7}]",
                                     ",'streams':[{'mid':'v'},{}]" };

  streaming_create (f, 1, "vp8", ",'playoutdelay_ext':true");
  streaming_watch (f, 1);
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autofree char *body =
          g_strdup_printf ("{'request':'configure'%s}", good[i]);

      streaming_expect_event (
          f, body, "t: {'streaming':'event','result':{'event':'configured'}}");
    }
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *body =
          g_strdup_printf ("{'request':'configure'%s}", bad[i]);

      g_assert_cmpstr (streaming_ask (f, body), ==, "ack");
      g_assert_true (g_str_has_prefix (
          streaming_event (f), "t: {'streaming':'event','error_code':454,"));
    }
}

/* the peer's news of renditions and layers, and asking for what he has */
static void
test_layers (StreamingFixture *f, gconstpointer data)
{
  static const char *const simulcast =
      "{'request':'create','type':'rtp','id':1,'media':[{'type':'video',"
      "'mid':'v','port':0,'pt':96,'codec':'vp8','simulcast':true,"
      "'port2':0,'port3':0}]}";
  static const char *const svc =
      "{'request':'create','type':'rtp','id':2,'media':[{'type':'video',"
      "'mid':'w','port':0,'pt':96,'codec':'vp9','svc':true}]}";
  EgressLayers now = { .substream = 1,
                       .spatial_layer = 1,
                       .temporal_layer = 2 };
  g_autoptr (GList) handles = g_hash_table_get_keys (f->streaming->handles);
  EgressStreamingHandle *handle = handles->data;

  streaming_ask (f, simulcast);
  streaming_ask (f, svc);
  streaming_expect_event_error (
      f, "{'request':'watch','id':1,'substream':3}", 454,
      "Invalid value (substream/spatial_layer should be 0, 1 or 2)");
  streaming_expect_event (
      f, "{'request':'watch','id':1,'substream':1,'temporal':1}",
      STREAMING_PREPARING);
  g_assert_cmpint (handle->target.substream, ==, 1);
  g_assert_cmpint (handle->target.temporal_layer, ==, 1);
  egress_streaming_on_layers (handle, &now);
  g_assert_cmpstr (streaming_event (f), ==,
                   "{'streaming':'event','result':{'mid':'v',"
                   "'substream':1}}");
  g_assert_cmpstr (streaming_event (f), ==,
                   "{'streaming':'event','result':{'mid':'v','temporal':2}}");
  egress_streaming_on_layers (handle, &now); /* nothing new */
  streaming_expect_event (f, "{'request':'configure','substream':1}",
                          "{'streaming':'event','result':{'mid':'v',"
                          "'substream':1}}");
  g_assert_cmpstr (streaming_event (f), ==,
                   "t: {'streaming':'event','result':{'event':'configured'}}");
  streaming_expect_event (
      f, "{'request':'configure','substream':0,'fallback':500}",
      "t: {'streaming':'event','result':{'event':'configured'}}");
  g_assert_cmpint (handle->target.fallback_us, ==, 500);
  streaming_expect_status (f, "{'request':'stop'}", "stopping");
  g_assert_cmpstr (streaming_event (f), ==, "hangup Close PC");
  streaming_expect_event (f, "{'request':'watch','id':2,'temporal_layer':0}",
                          STREAMING_PREPARING);
  g_assert_cmpint (handle->target.spatial_layer, ==, 2);
  g_assert_cmpint (handle->target.temporal_layer, ==, 0);
  egress_streaming_on_layers (handle, &now);
  g_assert_cmpstr (streaming_event (f), ==,
                   "{'streaming':'event','result':{'mid':'w',"
                   "'spatial_layer':1}}");
  g_assert_cmpstr (streaming_event (f), ==,
                   "{'streaming':'event','result':{'mid':'w',"
                   "'temporal_layer':2}}");
}

static void
test_configure_bound (StreamingFixture *f, gconstpointer data)
{
  GString *body = g_string_new ("{'request':'configure','streams':[");

  streaming_create (f, 1, "vp8", "");
  streaming_watch (f, 1);
  for (guint i = 1; i < EGRESS_STREAMING_MAX_MEDIA; i++)
    g_string_append (body, "{'mid':'v'},");
  g_string_append (body, "{'mid':'a'}");
  {
    g_autofree char *most = g_strconcat (body->str, "]}", NULL);
    g_autofree char *beyond = g_strconcat (body->str, ",{'mid':'a'}]}", NULL);

    streaming_expect_event (
        f, most, "t: {'streaming':'event','result':{'event':'configured'}}");
    streaming_expect_event_error (
        f, beyond, 454,
        "Invalid value (streams can't have more than 16 entries)");
  }
  g_string_free (body, TRUE);
}

static void
test_edited_event (StreamingFixture *f, gconstpointer data)
{
  streaming_create (f, 1, "h264", "");
  streaming_watch (f, 1);
  streaming_ask (f, "{'request':'edit','id':1,'new_description':'x',"
                    "'edited_event':true}");
  g_assert_cmpstr (streaming_event (f), ==, "{'event':'edited','id':1}");
  for (guint i = 0; i < 2; i++) /* the second changes nothing: no event */
    streaming_ask (f, "{'request':'edit','id':1,'new_metadata':'m',"
                      "'edited_event':true}");
  streaming_ask (f, "{'request':'edit','id':1,'new_description':'y'}");
  g_assert_cmpstr (streaming_event (f), ==,
                   "{'event':'edited','id':1,'metadata':'m'}");
  g_assert_true (g_queue_is_empty (&f->events));
}

/* a file from its start, for each viewer */
static void
test_on_demand (StreamingFixture *f, gconstpointer data)
{
  static const char *const make =
      "{'request':'create','type':'ondemand','id':9,'filename':'/a.mkv',"
      "'audio':true,'video':true}";

  g_assert_true (
      g_str_has_prefix (streaming_ask (f, make), "{'streaming':'created'"));
  f->n_closed = 0;
  streaming_watch (f, 9);
  streaming_expect_event_error (f, "{'request':'switch','id':9}", 458,
                                "Can't switch: not on a live RTP mountpoint");
  streaming_expect_status (f, "{'request':'stop'}", "stopping");
  g_assert_cmpstr (streaming_event (f), ==, "hangup Close PC");
  g_assert_cmpuint (f->n_closed, ==, 1);
  /* it opens later */
  f->opens_later = TRUE;
  g_assert_cmpstr (streaming_ask (f, "{'request':'watch','id':9}"), ==, "ack");
  streaming_expect_event_error (f, "{'request':'watch','id':9}", 460,
                                "Already watching mountpoint 9");
  streaming_open_now (f);
  g_assert_cmpstr (streaming_event (f), ==, STREAMING_PREPARING);
  streaming_send_text (f, "{'janus':'detach','transaction':'t'}");
  g_assert_cmpuint (f->n_closed, ==, 2);
  /* it does not open */
  g_queue_clear_full (&f->events, (GDestroyNotify)json_object_unref);
  streaming_attach (f);
  f->open_error = "There is no /a.mkv";
  streaming_expect_event_error (f, "{'request':'watch','id':9}", 456,
                                "There is no /a.mkv");
  g_assert_cmpuint (streaming_get_n_viewers (f, 9), ==, 0);
  /* it opens when nobody waits any more */
  f->open_error = NULL;
  f->opens_later = TRUE;
  g_assert_cmpstr (streaming_ask (f, "{'request':'watch','id':9}"), ==, "ack");
  streaming_expect_status (f, "{'request':'stop'}", "stopping");
  g_assert_cmpuint (f->n_closed, ==, 2);
  streaming_open_now (f);
  g_assert_cmpuint (f->n_closed, ==, 3);
  g_assert_true (g_queue_is_empty (&f->events));
}

static void
test_full (StreamingFixture *f, gconstpointer data)
{
  streaming_create (f, 1, "h264", "");
  streaming_watch (f, 1);
  streaming_attach (f);
  g_assert_cmpstr (streaming_ask (f, "{'request':'watch','id':1}"), ==, "ack");
  g_assert_true (g_str_has_prefix (
      streaming_event (f), "t: {'streaming':'event','error_code':470,"));
  streaming_ask (f, "{'request':'create','type':'ondemand','id':9,"
                    "'filename':'/a.mkv','audio':true,'video':true}");
  f->opens_later = TRUE; /* and would not be: see `opening` */
  g_assert_cmpstr (streaming_ask (f, "{'request':'watch','id':9}"), ==, "ack");
  g_assert_true (g_str_has_prefix (
      streaming_event (f), "t: {'streaming':'event','error_code':470,"));
  g_assert_null (f->opening);
}

/* who never answers holds his place for a minute */
static void
test_no_answer (StreamingFixture *f, gconstpointer data)
{
  gint64 begin_us = base_clock_now_us ();

  streaming_create (f, 1, "h264", "");
  streaming_watch (f, 1);
  egress_streaming_expire (f->streaming, begin_us + EGRESS_STREAMING_ANSWER_US);
  g_assert_cmpuint (streaming_get_n_viewers (f, 1), ==, 1);
  egress_streaming_expire (f->streaming,
                           base_clock_now_us () + EGRESS_STREAMING_ANSWER_US);
  g_assert_cmpstr (streaming_event (f), ==, "hangup ICE failed");
  g_assert_cmpuint (streaming_get_n_viewers (f, 1), ==, 0);
}

/* (transfer full): what handle_info gets, ' for " */
static char *
describe (StreamingFixture *f)
{
  EgressJanusPlugin *plugin = egress_streaming_get_plugin (f->streaming);
  g_autoptr (GList) handles = g_hash_table_get_keys (f->streaming->handles);
  g_autoptr (JsonObject) object = json_object_new ();

  g_assert_cmpuint (g_list_length (handles), ==, 1);
  plugin->describe (handles->data, object);
  return g_strdup (streaming_text (f, object));
}

static void
test_describe (StreamingFixture *f, gconstpointer data)
{
  g_autofree char *idle = describe (f);
  g_autofree char *watching = NULL;
  g_autofree char *playing = NULL;
  g_autoptr (RtcClient) client = NULL;
  g_autoptr (JsonNode) node = NULL;

  g_assert_cmpstr (idle, ==,
                   "{'plugin_specific':{'state':'idle','hangingup':0,"
                   "'started':0,'dataready':0,'paused':0,'stopping':0,"
                   "'destroyed':0}}");
  streaming_create (f, 1, "h264", "");
  streaming_watch (f, 1);
  streaming_expect_status (f, "{'request':'pause'}", "pausing");
  watching = describe (f);
  g_assert_true (g_str_has_prefix (
      watching,
      "{'plugin_specific':{'state':'watching','mountpoint_id':1,"
      "'mountpoint_name':'mp-1','mountpoint_viewers':1,'media':["
      "{'type':'audio','mindex':0,'mid':'a','send':true},{'type':'video',"
      "'mindex':1,'mid':'v','send':true}],'hangingup':0,'started':0,"
      "'dataready':0,'paused':1,'stopping':0,'destroyed':0},'webrtc':"));
  g_assert_nonnull (strstr (watching, "'state':'connecting'"));
  node = egress_streaming_describe (f->streaming);
  g_assert_cmpint (
      json_object_get_int_member (json_node_get_object (node), "preparing"), ==,
      1);
}

int
main (int argc, char **argv)
{
  static const StreamingOptions lingering = { .linger_us = G_TIME_SPAN_MINUTE };
  static const StreamingOptions one_viewer = { .max_viewers = 1 };
  static const struct
  {
    const char *path;
    const StreamingOptions *options;
    void (*run) (StreamingFixture *f, gconstpointer data);
  } tests[] = {
    { "/streaming-ends/stop", NULL, test_stop },
    { "/streaming-ends/ends", NULL, test_ends },
    { "/streaming-ends/stream-ends", NULL, test_stream_ends },
    { "/streaming-ends/detach", NULL, test_detach },
    { "/streaming-ends/switch", NULL, test_switch },
    { "/streaming-ends/configure", NULL, test_configure },
    { "/streaming-ends/publisher-returns", &lingering, test_publisher_returns },
    { "/streaming-ends/layers", NULL, test_layers },
    { "/streaming-ends/configure-bound", NULL, test_configure_bound },
    { "/streaming-ends/edited-event", NULL, test_edited_event },
    { "/streaming-ends/on-demand", NULL, test_on_demand },
    { "/streaming-ends/full", &one_viewer, test_full },
    { "/streaming-ends/no-answer", NULL, test_no_answer },
    { "/streaming-ends/describe", NULL, test_describe },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, StreamingFixture, tests[i].options,
                streaming_set_up, tests[i].run, streaming_tear_down);
  return g_test_run ();
}
