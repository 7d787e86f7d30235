/* SPDX-License-Identifier: Apache-2.0 */
/*
 * egress/streaming: verbs about mountpoints (PROTOCOLS.md J24, J34-J45), word
 * for word as Debian's janus 1.1.2 answers them, its bugs aside.
 */
#include "egress/streaming-private.h"
#include "tests/unit/streaming-fixture.h"

#define VIDEO                                                                  \
  "'media':[{'type':'video','mid':'v','port':0,'pt':96,"                       \
  "'codec':'h264'}]"
#define CREATE(id, more)                                                       \
  "{'request':'create','type':'rtp','id':" #id "," VIDEO more "}"

static void
test_verbs (StreamingFixture *f, gconstpointer data)
{
  streaming_expect_error (f, "{}", 453, "Missing mandatory element (request)");
  streaming_expect_error (f, "{'request':5}", 454,
                          "Invalid element type (request should be a string)");
  streaming_expect_error (f, "{'request':null}", 454,
                          "Invalid element type (request should be a string)");
  g_assert_cmpstr (streaming_ask (f, "{'request':'bogus'}"), ==,
                   "{'streaming':'event','error_code':452,"
                   "'error':'Unknown request 'bogus''}");
  streaming_expect (f, "{'request':'LIST'}", "{'streaming':'list','list':[]}");
}

static void
test_ids (StreamingFixture *f, gconstpointer data)
{
  static const char *const verbs[] = { "info",    "destroy",  "enable",
                                       "disable", "kick_all", "edit" };
  static const char *const bad[] = { "'abc'", "'77'", "-1", "1.5",
                                     "true",  "null", "[]" };

  for (guint i = 0; i < G_N_ELEMENTS (verbs); i++)
    {
      g_autofree char *none = g_strdup_printf ("{'request':'%s'}", verbs[i]);
      g_autofree char *other =
          g_strdup_printf ("{'request':'%s','id':77}", verbs[i]);

      streaming_expect_error (f, none, 453, "Missing mandatory element (id)");
      g_assert_cmpstr (streaming_ask (f, other), ==,
                       i == 5 ? "{'streaming':'event','error_code':455,"
                                "'error':'No such mountpoint (77)'}"
                              : "{'streaming':'event','error_code':455,"
                                "'error':'No such mountpoint/stream 77'}");
      for (guint j = 0; j < G_N_ELEMENTS (bad); j++)
        {
          g_autofree char *body =
              g_strdup_printf ("{'request':'%s','id':%s}", verbs[i], bad[j]);

          streaming_expect_error (
              f, body, 454,
              "Invalid element type (id should be a positive integer)");
        }
    }
}

static void
test_create (StreamingFixture *f, gconstpointer data)
{
  streaming_expect (f, CREATE (2, ""),
                    "{'streaming':'created','created':'mp-2','permanent':false,"
                    "'stream':{'id':2,'type':'live','description':'mp-2',"
                    "'is_private':false,'ports':[{'type':'video','mid':'v',"
                    "'port':20000}]}}");
  streaming_expect_error (f, CREATE (2, ""), 456,
                          "A stream with the provided ID already exists");
  /* the old form */
  streaming_expect (
      f,
      "{'request':'create','type':'rtp','audio':true,'video':true,"
      "'audioport':5002,'audiopt':111,'audiocodec':'opus','videoport':5004,"
      "'videopt':96,'videocodec':'vp8','id':5,'name':'legacy'}",
      "{'streaming':'created','created':'legacy','permanent':false,"
      "'stream':{'id':5,'type':'live','description':'legacy',"
      "'is_private':false,'audio_port':5002,'video_port':5004},"
      "'warning':'deprecated_api'}");
  /* renditions, RTCP */
  streaming_expect (
      f,
      "{'request':'create','type':'rtp','id':4,'media':[{'type':'video',"
      "'mid':'v','port':6000,'pt':96,'codec':'vp8','simulcast':true,"
      "'port2':6002,'port3':6004,'rtcpport':0},{'type':'audio','mid':'a',"
      "'port':6006,'pt':111,'codec':'opus'}]}",
      "{'streaming':'created','created':'mp-4','permanent':false,"
      "'stream':{'id':4,'type':'live','description':'mp-4',"
      "'is_private':false,'ports':[{'type':'video','mid':'v','port':6000,"
      "'rtcp_port':20001,'port_2':6002,'port_3':6004},{'type':'audio',"
      "'mid':'a','port':6006}]}}");
}

static void
test_create_told (StreamingFixture *f, gconstpointer data)
{
  streaming_expect (
      f,
      "{'request':'create','type':'rtp','id':1,'media':[{'type':'video',"
      "'mid':'v','port':5004,'pt':96,'codec':'h264','msid':'s t',"
      "'iface':'127.0.0.1'},{'type':'audio','mid':'a','port':5002,'pt':111,"
      "'codec':'opus','msid':'half'}]}",
      "{'streaming':'created','created':'mp-1','permanent':false,"
      "'stream':{'id':1,'type':'live','description':'mp-1',"
      "'is_private':false,'host':'127.0.0.1','ports':[{'type':'video',"
      "'mid':'v','msid':'s t','port':5004},{'type':'audio','mid':'a',"
      "'port':5002}]}}");
  streaming_expect_event (f, "{'request':'watch','id':1}",
                          "t: " STREAMING_STATUS ("preparing") " +offer");
  g_assert_nonnull (strstr (f->sdp, "\r\na=msid:s t\r\n"));
  g_assert_nonnull (strstr (f->sdp, "\r\na=msid:janus janusa\r\n"));
}

static void
test_create_fails (StreamingFixture *f, gconstpointer data)
{
  streaming_expect_error (f, "{'request':'create','id':3}", 453,
                          "Missing mandatory element (type)");
  /* what fails leaves nothing: the id is free */
  f->open_error = "Port 5004 is in use";
  streaming_expect_error (f, CREATE (3, ""), 456, "Port 5004 is in use");
  streaming_expect_error (f, "{'request':'info','id':3}", 455,
                          "No such mountpoint/stream 3");
  f->open_error = NULL;
  g_assert_true (g_str_has_prefix (streaming_ask (f, CREATE (3, "")),
                                   "{'streaming':'created'"));
}

/* a source takes its time: the answer comes then, and meanwhile the id is
 * taken */
static void
test_create_later (StreamingFixture *f, gconstpointer data)
{
  f->opens_later = TRUE;
  g_assert_null (streaming_ask (f, CREATE (3, "")));
  streaming_open_now (f);
  g_assert_nonnull (f->reply);
  g_assert_cmpstr (json_object_get_string_member (f->reply, "janus"), ==,
                   "success");
  /* who asked has gone: it is made all the same */
  f->opens_later = TRUE;
  g_assert_null (streaming_ask (f, CREATE (4, "")));
  streaming_send_text (f, "{'janus':'detach','transaction':'t'}");
  streaming_open_now (f);
  streaming_attach (f);
  g_assert_true (g_str_has_prefix (streaming_ask (f, "{'request':'info',"
                                                     "'id':4}"),
                                   "{'streaming':'info'"));
  /* a create that nobody will ever answer: tear_down() */
  f->opens_later = TRUE;
  g_assert_null (streaming_ask (f, CREATE (6, "")));
}

static void
test_admin_key (StreamingFixture *f, gconstpointer data)
{
  f->has_age = TRUE;
  streaming_expect_error (f, CREATE (3, ""), 453,
                          "Missing mandatory element (admin_key)");
  streaming_expect_error (
      f, CREATE (3, ",'admin_key':5"), 454,
      "Invalid element type (admin_key should be a string)");
  streaming_expect_error (f, CREATE (3, ",'admin_key':'bosx'"), 457,
                          "Unauthorized (wrong admin_key)");
  streaming_expect_error (f, "{'request':'create','admin_key':'x'}", 453,
                          "Missing mandatory element (type)");
  g_assert_true (g_str_has_prefix (
      streaming_ask (f, CREATE (3, ",'admin_key':'boss','is_private':true")),
      "{'streaming':'created'"));
  streaming_expect (f, "{'request':'list'}", "{'streaming':'list','list':[]}");
  streaming_expect (f, "{'request':'list','admin_key':5}",
                    "{'streaming':'list','list':[]}");
  streaming_expect_error (f, "{'request':'list','admin_key':'no'}", 457,
                          "Unauthorized (wrong admin_key)");
  streaming_expect (f, "{'request':'list','admin_key':'boss'}",
                    "{'streaming':'list','list':[{'id':3,'type':'live',"
                    "'description':'mp-3','enabled':true,'media':[{'mid':'v',"
                    "'type':'video','label':'video','age_ms':7}]}]}");
}

static void
create_two_media (StreamingFixture *f)
{
  streaming_ask (
      f, "{'request':'create','type':'rtp','id':1,'name':'one',"
         "'description':'first','metadata':'m','secret':'sec','pin':'pw',"
         "'media':[{'type':'audio','mid':'a','port':5002,'pt':111,"
         "'codec':'opus','label':'la','fmtp':'useinbandfec=1'},"
         "{'type':'video','mid':'v','port':5004,'pt':96,'codec':'h264'}]}");
}

#define MEDIA(port_a, port_v)                                                  \
  "'media':[{'mindex':0,'type':'audio','mid':'a','label':'la','pt':111,"       \
  "'codec':'opus','rtpmap':'opus/48000/2','fmtp':'useinbandfec=1'" port_a      \
  ",'age_ms':7},{'mindex':1,'type':'video','mid':'v','label':'video',"         \
  "'pt':96,'codec':'h264','rtpmap':'H264/90000'" port_v ",'age_ms':7}]"

static void
test_info (StreamingFixture *f, gconstpointer data)
{
  static const char *const wrong[] = { "", ",'secret':'wrong'", ",'secret':5",
                                       ",'secret':null", ",'secret':''" };

  f->has_age = TRUE;
  create_two_media (f);
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autofree char *body =
          g_strdup_printf ("{'request':'info','id':1%s}", wrong[i]);

      streaming_expect (
          f, body,
          "{'streaming':'info','info':{'id':1,'description':'first',"
          "'metadata':'m','enabled':true,'type':'live'," MEDIA ("", "") "}}");
    }
  streaming_expect (
      f, "{'request':'info','id':1,'secret':'sec'}",
      "{'streaming':'info','info':{'id':1,'name':'one',"
      "'description':'first','metadata':'m','secret':'sec','pin':'pw',"
      "'enabled':true,'viewers':0,'type':'live'," MEDIA (",'port':5002",
                                                         ",'port':5004") "}}");
}

/* a stream of the tree is a mountpoint that nobody made */
static void
test_tree_stream (StreamingFixture *f, gconstpointer data)
{
  g_autofree char *id = NULL;
  g_autofree char *body = NULL;
  const char *text;

  streaming_publish (f, "51", RTC_CODEC_OPUS, RTC_CODEC_VP8);
  streaming_publish (f, "cam", RTC_CODEC_OPUS, RTC_CODEC_H264);
  text = streaming_ask (f, "{'request':'list'}");
  g_assert_nonnull (strstr (text, "{'id':51,'type':'live'"));
  text = streaming_ask (f, "{'request':'info','id':51}");
  g_assert_nonnull (strstr (text, "'codec':'vp8','rtpmap':'VP8/90000'"));
  text = streaming_ask (f, "{'request':'destroy','id':51}");
  g_assert_nonnull (strstr (text, "'error_code':"));
  text = streaming_ask (f, "{'request':'edit','id':51,'new_pin':'x'}");
  g_assert_nonnull (strstr (text, "'error_code':"));
  /* not a number: it has one all the same, the same on every node */
  id = egress_mountpoint_id_of_stream ("cam", FALSE);
  body = g_strdup_printf ("{'request':'info','id':%s}", id);
  g_assert_nonnull (strstr (streaming_ask (f, body), "'rtpmap':'H264/90000'"));
}

static void
test_edit (StreamingFixture *f, gconstpointer data)
{
  static const char *const strings[] = { "new_description", "new_metadata",
                                         "new_secret", "new_pin" };
  static const char *const booleans[] = { "new_is_private", "permanent",
                                          "edited_event" };

  create_two_media (f);
  streaming_expect_error (f, "{'request':'edit','id':1}", 453,
                          "Missing mandatory element (secret)");
  streaming_expect_error (f, "{'request':'edit','id':1,'secret':5}", 454,
                          "Invalid element type (secret should be a string)");
  streaming_expect_error (f, "{'request':'edit','id':1,'secret':'wrong'}", 457,
                          "Unauthorized (wrong secret)");
  for (guint i = 0; i < G_N_ELEMENTS (strings); i++)
    {
      g_autofree char *body = g_strdup_printf (
          "{'request':'edit','id':1,'secret':'wrong','%s':5}", strings[i]);
      g_autofree char *text = g_strdup_printf (
          "{'streaming':'event','error_code':454,'error':'Invalid element "
          "type (%s should be a string)'}",
          strings[i]);

      g_assert_cmpstr (streaming_ask (f, body), ==, text);
    }
  for (guint i = 0; i < G_N_ELEMENTS (booleans); i++)
    {
      g_autofree char *body = g_strdup_printf (
          "{'request':'edit','id':1,'secret':'sec','%s':'x'}", booleans[i]);
      g_autofree char *text = g_strdup_printf (
          "{'streaming':'event','error_code':454,'error':'Invalid element "
          "type (%s should be a boolean)'}",
          booleans[i]);

      g_assert_cmpstr (streaming_ask (f, body), ==, text);
    }
}

static void
test_edit_applies (StreamingFixture *f, gconstpointer data)
{
  const char *text;

  create_two_media (f);
  streaming_expect (
      f,
      "{'request':'edit','id':1,'secret':'sec','new_description':'second',"
      "'new_metadata':'m2','new_is_private':true,'new_pin':'pw2'}",
      "{'streaming':'edited','id':1,'permanent':false}");
  text = streaming_ask (f, "{'request':'info','id':1,'secret':'sec'}");
  g_assert_nonnull (strstr (text, "'description':'second','metadata':'m2',"
                                  "'secret':'sec','pin':'pw2',"
                                  "'is_private':true"));
  streaming_expect (f, "{'request':'list'}", "{'streaming':'list','list':[]}");
  /* "" takes the pin away, empties the metadata, and changes nothing else */
  streaming_expect (f,
                    "{'request':'edit','id':1,'secret':'sec','new_pin':'',"
                    "'new_metadata':'','new_description':'','new_secret':'',"
                    "'new_is_private':false}",
                    "{'streaming':'edited','id':1,'permanent':false}");
  text = streaming_ask (f, "{'request':'info','id':1,'secret':'sec'}");
  g_assert_nonnull (strstr (text, "'description':'second','metadata':'',"
                                  "'secret':'sec','enabled':true"));
  streaming_expect (f,
                    "{'request':'edit','id':1,'secret':'sec',"
                    "'new_secret':'sec2','permanent':true}",
                    "{'streaming':'edited','id':1,'permanent':true}");
  streaming_expect_error (f, "{'request':'edit','id':1,'secret':'sec'}", 457,
                          "Unauthorized (wrong secret)");
}

static void
test_edit_bounds (StreamingFixture *f, gconstpointer data)
{
  g_autofree char *most = g_strnfill (EGRESS_MOUNTPOINT_MAX_TEXT_CHARS, 'x');
  g_autofree char *fits =
      g_strdup_printf ("{'request':'edit','id':2,'new_metadata':'%s'}", most);
  g_autofree char *beyond =
      g_strdup_printf ("{'request':'edit','id':2,'new_metadata':'%sx'}", most);

  streaming_ask (f, CREATE (2, ""));
  streaming_expect (f, fits,
                    "{'streaming':'edited','id':2,"
                    "'permanent':false}");
  g_assert_true (
      g_str_has_prefix (streaming_ask (f, beyond),
                        "{'streaming':'event','error_code':454,"
                        "'error':'Invalid value (new_metadata can't be"));
}

static void
test_destroy (StreamingFixture *f, gconstpointer data)
{
  create_two_media (f);
  streaming_expect_error (f, "{'request':'destroy','id':1}", 453,
                          "Missing mandatory element (secret)");
  streaming_expect_error (
      f, "{'request':'destroy','id':1,'secret':'sec','permanent':'x'}", 454,
      "Invalid element type (permanent should be a boolean)");
  streaming_expect_error (f, "{'request':'destroy','id':1,'secret':'se'}", 457,
                          "Unauthorized (wrong secret)");
  g_assert_cmpuint (f->n_closed, ==, 0);
  streaming_expect (f, "{'request':'destroy','id':1,'secret':'sec'}",
                    "{'streaming':'destroyed','destroyed':1}");
  g_assert_cmpuint (f->n_closed, ==, 1);
  streaming_expect_error (f, "{'request':'destroy','id':1,'secret':'sec'}", 455,
                          "No such mountpoint/stream 1");
}

static void
test_enable (StreamingFixture *f, gconstpointer data)
{
  create_two_media (f);
  streaming_ask (f, CREATE (2, ""));
  streaming_expect_error (f, "{'request':'enable','id':1}", 453,
                          "Missing mandatory element (secret)");
  streaming_expect_error (f,
                          "{'request':'disable','id':1,'secret':'x',"
                          "'stop_recording':'x'}",
                          457, "Unauthorized (wrong secret)");
  streaming_expect_error (
      f, "{'request':'disable','id':2,'stop_recording':'x'}", 454,
      "Invalid element type (stop_recording should be a boolean)");
  /* Debian's janus dies of the second one */
  for (guint i = 0; i < 2; i++)
    {
      streaming_expect (f, "{'request':'disable','id':2}",
                        "{'streaming':'ok'}");
      g_assert_cmpint (f->n_enabled, ==, FALSE);
      g_assert_nonnull (strstr (streaming_ask (f, "{'request':'info','id':2}"),
                                "'enabled':false"));
    }
  streaming_expect (f, "{'request':'enable','id':2}", "{'streaming':'ok'}");
  g_assert_cmpint (f->n_enabled, ==, TRUE);
  streaming_expect (f, "{'request':'kick_all','id':2}",
                    "{'streaming':'kicked_all'}");
  streaming_expect_error (f, "{'request':'kick_all','id':1}", 453,
                          "Missing mandatory element (secret)");
}

static void
test_string_ids (StreamingFixture *f, gconstpointer data)
{
  streaming_expect_error (f, "{'request':'info','id':5}", 454,
                          "Invalid element type (id should be a string)");
  streaming_expect (
      f, CREATE ('show', ""),
      "{'streaming':'created','created':'mp-show','permanent':false,"
      "'stream':{'id':'show','type':'live','description':'mp-show',"
      "'is_private':false,'ports':[{'type':'video','mid':'v',"
      "'port':20000}]}}");
  streaming_expect_error (f, "{'request':'info','id':'none'}", 455,
                          "No such mountpoint/stream none");
  streaming_expect (f, "{'request':'destroy','id':'show'}",
                    "{'streaming':'destroyed','destroyed':'show'}");
}

typedef struct
{
  char *text;
} AdminAnswer;

static void
on_admin_answer (JsonObject *response, gpointer data)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, response);
  g_free (((AdminAnswer *)data)->text);
  ((AdminAnswer *)data)->text =
      g_strdelimit (json_to_string (node, FALSE), "\"", '\'');
}

/* the same verbs by the Admin API's message_plugin */
static void
test_message_admin (StreamingFixture *f, gconstpointer data)
{
  static const char *const pairs[][2] = {
    { "{}", "{'streaming':'event','error_code':453,"
            "'error':'Missing mandatory element (request)'}" },
    { "{'request':'watch','id':2}", "{'streaming':'event','error_code':452,"
                                    "'error':'Unknown request 'watch''}" },
    { "{'request':'list'}", "{'streaming':'list','list':[]}" },
    { CREATE (2, ""),
      "{'streaming':'created','created':'mp-2','permanent':false,"
      "'stream':{'id':2,'type':'live','description':'mp-2',"
      "'is_private':false,'ports':[{'type':'video','mid':'v',"
      "'port':20000}]}}" },
    { "{'request':'destroy','id':2}",
      "{'streaming':'destroyed','destroyed':2}" },
  };
  EgressJanusPlugin *plugin = egress_streaming_get_plugin (f->streaming);
  AdminAnswer answer = { NULL };

  for (guint i = 0; i < G_N_ELEMENTS (pairs); i++)
    {
      g_autoptr (JsonObject) request = streaming_parse (pairs[i][0]);

      plugin->message_admin (plugin, request, on_admin_answer, &answer);
      g_assert_cmpstr (answer.text, ==, pairs[i][1]);
    }
  g_free (answer.text);
}

/* as many as may wait do; one more is refused, and the next is not */
static void
test_busy (StreamingFixture *f, gconstpointer data)
{
  GHashTable *open = f->streaming->answers;
  guint waiting[EGRESS_STREAMING_MAX_OPEN];

  for (guint i = 0; i < EGRESS_STREAMING_MAX_OPEN - 1; i++)
    g_hash_table_add (open, &waiting[i]);
  streaming_expect (f, "{'request':'list'}", "{'streaming':'list','list':[]}");
  g_hash_table_add (open, &waiting[EGRESS_STREAMING_MAX_OPEN - 1]);
  streaming_expect_error (
      f, "{'request':'list'}", 470,
      "The node is busy: 1024 requests about mountpoints wait already");
  g_assert_cmpint (base_counter_get (f->streaming->n_busy), ==, 1);
  g_hash_table_remove_all (open);
  streaming_expect (f, "{'request':'list'}", "{'streaming':'list','list':[]}");
}

/* --- tokens ------------------------------------------------------------- */

#define JWT_KEY "a key that is long enough for HS256, and known to this test"

static char *
to_base64url (const guint8 *data, gsize n_bytes)
{
  char *text = g_base64_encode (data, n_bytes);

  text[strcspn (text, "=")] = '\0';
  return g_strdelimit (g_strdelimit (text, "+", '-'), "/", '_');
}

/* (transfer full): a JWT by JWT_KEY; @claims: with ' for " */
static char *
make_jwt (const char *claims)
{
  static const char header[] = "{\"alg\":\"HS256\",\"typ\":\"JWT\"}";
  g_autofree char *quoted = streaming_quote (claims);
  g_autofree char *first =
      to_base64url ((const guint8 *)header, strlen (header));
  g_autofree char *second =
      to_base64url ((const guint8 *)quoted, strlen (quoted));
  g_autofree char *both = g_strconcat (first, ".", second, NULL);
  g_autofree char *third = NULL;
  g_autoptr (GHmac) hmac =
      g_hmac_new (G_CHECKSUM_SHA256, (const guchar *)JWT_KEY, strlen (JWT_KEY));
  guint8 digest[32];
  gsize n_bytes = sizeof digest;

  g_hmac_update (hmac, (const guchar *)both, -1);
  g_hmac_get_digest (hmac, digest, &n_bytes);
  third = to_base64url (digest, n_bytes);
  return g_strconcat (both, ".", third, NULL);
}

/* far from now */
#define CLAIMS(action, stream)                                                 \
  "{'action':'" action "','stream':'" stream "','exp':9999999999}"

/* who may watch a stream may watch that stream, and change nothing */
static void
test_tokens (StreamingFixture *f, gconstpointer data)
{
  g_autofree char *watcher = make_jwt (CLAIMS ("watch", "2"));
  const char *admin = f->token;

  g_assert_true (g_str_has_prefix (streaming_ask (f, CREATE (2, "")),
                                   "{'streaming':'created'"));
  g_assert_true (g_str_has_prefix (streaming_ask (f, CREATE (3, "")),
                                   "{'streaming':'created'"));
  f->token = watcher;
  streaming_expect_error (f, CREATE (4, ""), 457,
                          "Unauthorized (the token is not for admin)");
  streaming_expect_error (f, "{'request':'destroy','id':2}", 457,
                          "Unauthorized (the token is not for admin)");
  g_assert_true (g_str_has_prefix (streaming_ask (f, "{'request':'list'}"),
                                   "{'streaming':'list'"));
  /* what is told to who knows a secret, or where there is none, is not for
   * him */
  g_assert_null (
      strstr (streaming_ask (f, "{'request':'info','id':2}"), "'port'"));
  streaming_expect_event_error (
      f, "{'request':'watch','id':3}", 457,
      "Unauthorized (the token is not for this stream)");
  streaming_expect_event (f, "{'request':'watch','id':2}",
                          "t: " STREAMING_STATUS ("preparing") " +offer");
  streaming_expect_event_error (
      f, "{'request':'switch','id':3}", 457,
      "Unauthorized (the token is not for this stream)");
  f->token = admin;
  g_assert_nonnull (
      strstr (streaming_ask (f, "{'request':'info','id':2}"), "'port'"));
  streaming_expect (f, "{'request':'destroy','id':3}",
                    "{'streaming':'destroyed','destroyed':3}");
}

int
main (int argc, char **argv)
{
  g_autofree char *admin = make_jwt (CLAIMS ("admin", "*"));
  const StreamingOptions with_tokens = { .jwt_key = JWT_KEY, .token = admin };
  static const StreamingOptions with_key = { .admin_key = "boss" },
                                with_strings = { .string_ids = TRUE };
  const struct
  {
    const char *path;
    const StreamingOptions *options;
    void (*run) (StreamingFixture *f, gconstpointer data);
  } tests[] = {
    { "/streaming/verbs", NULL, test_verbs },
    { "/streaming/ids", NULL, test_ids },
    { "/streaming/create", NULL, test_create },
    { "/streaming/create-told", NULL, test_create_told },
    { "/streaming/create-fails", NULL, test_create_fails },
    { "/streaming/create-later", NULL, test_create_later },
    { "/streaming/admin-key", &with_key, test_admin_key },
    { "/streaming/info", NULL, test_info },
    { "/streaming/tree-stream", NULL, test_tree_stream },
    { "/streaming/edit", NULL, test_edit },
    { "/streaming/edit-applies", NULL, test_edit_applies },
    { "/streaming/edit-bounds", NULL, test_edit_bounds },
    { "/streaming/destroy", NULL, test_destroy },
    { "/streaming/enable", NULL, test_enable },
    { "/streaming/string-ids", &with_strings, test_string_ids },
    { "/streaming/busy", NULL, test_busy },
    { "/streaming/tokens", &with_tokens, test_tokens },
    { "/streaming/message-admin", NULL, test_message_admin },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, StreamingFixture, tests[i].options,
                streaming_set_up, tests[i].run, streaming_tear_down);
  return g_test_run ();
}
