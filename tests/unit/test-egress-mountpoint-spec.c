/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressMountpointSpec: both forms of `create`, complaints in Janus's words and
 * order (read off the running 1.1.2), what is refused here by name, and the way
 * to JSON and back.
 */
#include "egress/mountpoint-spec.h"

#include <string.h>

#define V "{'type':'video','mid':'v','port':0,'pt':96,'codec':'h264'}"
#define A "{'type':'audio','mid':'a','port':0,'pt':111,'codec':'opus'}"
#define RTP "'type':'rtp'"
#define OLD                                                                    \
  RTP ",'audio':true,'video':true,'audioport':0,'audiopt':111,"                \
      "'audiocodec':'opus','videoport':0,'videopt':96,'videocodec':'h264'"
#define INTEGER(x) "Invalid element type (" x " should be a positive integer)"
#define STRING(x) "Invalid element type (" x " should be a string)"
#define BOOLEAN(x) "Invalid element type (" x " should be a boolean)"
#define KEY "WbTBosdVUZqEb6Htqhn+m3z7wUh4RJVR8nE15GbN"

/* @text: JSON with ' for " */
static JsonObject *
object_of (const char *text)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *json = g_strdup (text);

  json_parser_load_from_data (parser, g_strdelimit (json, "'", '"'), -1,
                              &error);
  g_assert_no_error (error);
  return json_node_dup_object (json_parser_get_root (parser));
}

static EgressMountpointSpec *
parse (const char *text, gboolean string_ids, GError **error)
{
  g_autoptr (JsonObject) object = object_of (text);

  return egress_mountpoint_spec_parse (object, string_ids, error);
}

static EgressMountpointSpec *
parse_well (const char *text)
{
  g_autoptr (GError) error = NULL;
  EgressMountpointSpec *spec = parse (text, FALSE, &error);

  g_assert_no_error (error);
  return spec;
}

static void
assert_refused (const char *text, gboolean string_ids, int code,
                const char *words)
{
  g_autoptr (GError) error = NULL;
  EgressMountpointSpec *spec = parse (text, string_ids, &error);

  g_assert_null (spec);
  g_assert_nonnull (error);
  g_assert_true (error->domain == EGRESS_STREAMING_ERROR);
  g_assert_cmpstr (error->message, ==, words);
  g_assert_cmpint (error->code, ==, code);
}

static const struct
{
  const char *body;
  int code;
  const char *words;
} refusals[] = {
  { "{}", 453, "Missing mandatory element (type)" },
  { "{'type':5}", 454, STRING ("type") },
  { "{'type':'zzz'}", 454, "Unknown stream type 'zzz'...\n" },
  { "{'type':'zzz','id':'x'}", 454, INTEGER ("id") },
  { "{'type':'zzz','media':5}", 454,
    "Invalid element type (media should be an array)" },
  { "{" RTP ",'media':null}", 454,
    "Invalid element type (media should be an array)" },
  { "{'name':5,'id':'x'}", 454, STRING ("name") },
  { "{" RTP ",'permanent':'x','secret':5}", 454, STRING ("secret") },
  { "{" RTP ",'media':[" V "],'id':-1}", 454, INTEGER ("id") },
  { "{" RTP ",'media':[" V "],'id':null}", 454, INTEGER ("id") },
  { "{" RTP ",'media':[" V "],'id':9007199254740993}", 454,
    "Invalid element (id should be at most 9007199254740992)" },
  { "{" RTP "}", 456,
    "Can't add 'rtp' stream, no audio or video have to be streamed..." },
  { "{" RTP ",'media':[]}", 456,
    "Can't add 'rtp' stream, no audio or video have to be streamed..." },
  { "{" RTP ",'media':[5]}", 453, "Missing mandatory element (type)" },
  { "{" RTP ",'media':[" V ",{}]}", 453, "Missing mandatory element (type)" },
  { "{" RTP ",'media':[{'mid':5,'port':'x'}],'collision':'x'}", 454,
    INTEGER ("collision") },
  { "{" RTP ",'media':[{}],'srtpsuite':5}", 456,
    "Can't add 'rtp' stream, invalid SRTP suite..." },
  { "{" RTP ",'media':[" V "],'srtpsuite':80,'srtpcrypto':'x'}", 456,
    "Error creating 'rtp' stream" },
  { "{" RTP ",'media':[{'type':'zzz','mid':'x'}]}", 453,
    "Missing mandatory element (port)" },
  { "{" RTP ",'media':[{'type':'zzz','mid':'x','port':0}]}", 456,
    "Unsupported media type in media stream" },
  { "{" RTP ",'media':[{'type':'data','mid':'d','port':0}]}", 456,
    "Can't add 'rtp' stream, data is not carried here" },
  { "{" RTP ",'media':[" V "," A "," A "]}", 456,
    "Can't add 'rtp' stream, a mountpoint has one audio here" },
  { "{" RTP ",'media':[{'type':'video','mid':'a','port':0,'codec':'vp8'}," A
    "]}",
    456, "Can't add 'rtp' stream, two media have the mid 'a'" },
  { "{" RTP ",'media':[{'type':'video','mid':'','port':0,'codec':'vp8'}]}", 454,
    "Invalid element (mid should be 1 to 16 characters of A-Z a-z 0-9 . _ + "
    "-)" },
  { "{" RTP ",'media':[{'type':'video','mid':'v','port':0}]}", 456,
    "Can't add 'rtp' stream, error creating data source stream" },
  { "{" RTP ",'media':[{'type':'video','mid':'v','port':0,'codec':'bogus'}]}",
    456,
    "Can't add 'rtp' stream, no video codec 'bogus' here (h264, h265, vp8, "
    "vp9, av1)" },
  { "{" RTP ",'media':[{'type':'audio','mid':'a','port':0,'codec':'pcmu'}]}",
    456, "Can't add 'rtp' stream, no audio codec 'pcmu' here (opus)" },
  { "{" RTP ",'media':[{'type':'audio','mid':'a','port':0,'codec':'h264'}]}",
    456, "Can't add 'rtp' stream, no audio codec 'h264' here (opus)" },
  { "{" RTP ",'media':[{'type':'video','mid':'v','port':65536,'codec':'vp8'}]}",
    454, "Invalid element (port should be at most 65535)" },
  { "{" RTP
    ",'media':[{'type':'video','mid':'v','port':0,'pt':128,'codec':'vp8'}]}",
    454, "Invalid element (pt should be at most 127)" },
  { "{" RTP ",'media':[{'type':'video','mid':'v','port':0,'codec':'vp8',"
    "'fmtp':'a\\nb'}]}",
    454, "Invalid element (fmtp has control characters)" },
  { "{" RTP ",'media':[{'type':'video','mid':'v','port':0,'codec':'vp8',"
    "'iface':''}]}",
    456, "Invalid network interface configuration for media stream" },
  { "{" RTP ",'media':[{'type':'video','mid':'v','port':9,'codec':'vp8',"
    "'simulcast':true,'port2':9}]}",
    456, "Can't add 'rtp' stream, two renditions have the port 9" },
  { "{" RTP ",'media':[{'type':'video','mid':'v','port':9,'codec':'vp8'},"
    "{'type':'audio','mid':'a','port':9,'codec':'opus'}]}",
    456, "Can't add 'rtp' stream, two media have the port 9" },
  { "{" RTP ",'audio':false,'video':false,'audioport':0}", 456,
    "Can't add 'rtp' stream, no audio or video have to be streamed..." },
  { "{" RTP ",'audio':true,'video':true}", 453,
    "Missing mandatory element (audioport)" },
  { "{" RTP ",'audio':true,'audioport':0,'audiopt':111}", 456,
    "Can't add 'rtp' stream, error creating audio source stream" },
  { "{" RTP ",'video':true,'videoport':0,'videopt':96}", 456,
    "Can't add 'rtp' stream, error creating video source stream" },
  { "{" OLD ",'videosimulcast':'x','videoiface':5}", 454,
    STRING ("videoiface") },
  { "{" OLD ",'videosvc':'x','videoskew':5}", 454, BOOLEAN ("videoskew") },
  { "{" OLD ",'data':true}", 453, "Missing mandatory element (dataport)" },
  { "{" OLD ",'data':true,'dataport':0}", 456,
    "Can't add 'rtp' stream, data is not carried here" },
  { "{'type':'rtsp'}", 456,
    "Can't add 'rtsp' stream, no audio or video have to be streamed..." },
  { "{'type':'rtsp','url':5}", 454, STRING ("url") },
  { "{'type':'rtsp','video':true}", 456, "Error creating 'RTSP' stream" },
  { "{'type':'rtsp','video':true,'url':'http://a/'}", 456,
    "Error creating 'RTSP' stream" },
  { "{'type':'live'}", 453, "Missing mandatory element (filename)" },
  { "{'type':'ondemand','filename':'/a'}", 456,
    "Can't add 'ondemand' stream, no audio or video have to be streamed..." },
};

static void
test_refusals (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (refusals); i++)
    assert_refused (refusals[i].body, FALSE, refusals[i].code,
                    refusals[i].words);
}

static void
test_string_ids (void)
{
  g_autoptr (EgressMountpointSpec) spec = NULL;

  assert_refused ("{" OLD ",'id':5}", TRUE, 454, STRING ("id"));
  assert_refused ("{" OLD ",'id':'a~0'}", TRUE, 454,
                  "Invalid element (id should be 1 to 64 characters of A-Z "
                  "a-z 0-9 . _ -)");
  spec = parse ("{" OLD ",'id':'cam-1'}", TRUE, NULL);
  g_assert_cmpstr (spec->id, ==, "cam-1");
  g_assert_cmpstr (spec->name, ==, "mp-cam-1");
}

static void
test_defaults (void)
{
  g_autoptr (EgressMountpointSpec) spec =
      parse_well ("{" RTP ",'media':[" V "],'id':129,'secret':'','pin':''}");
  const EgressMountpointMedia *video = &spec->media[RTC_MEDIA_VIDEO];

  g_assert_cmpstr (spec->name, ==, "mp-129");
  g_assert_cmpstr (spec->description, ==, "mp-129");
  g_assert_null (spec->secret);
  g_assert_null (spec->pin);
  g_assert_true (spec->is_enabled);
  g_assert_false (spec->is_old_form);
  g_assert_cmpstr (video->label, ==, "video");
  g_assert_cmpint (video->codec, ==, RTC_CODEC_H264);
  g_assert_cmpint (video->pt, ==, 96);
  g_assert_cmpint (video->rtcp_port, ==, -1);
  g_assert_cmpuint (video->n_ports, ==, 1);
  g_assert_false (spec->media[RTC_MEDIA_AUDIO].is_present);
}

/* no id: the registry's, and the names with it */
static void
test_no_id (void)
{
  g_autoptr (EgressMountpointSpec) spec = parse_well ("{" OLD ",'id':0}");
  g_autoptr (EgressMountpointSpec) named = parse_well ("{" OLD ",'name':'n'}");
  g_autoptr (EgressMountpointSpec) rtsp =
      parse_well ("{'type':'rtsp','video':true,'url':'rtsp://h/x','id':701}");

  g_assert_null (spec->id);
  g_assert_null (spec->name);
  egress_mountpoint_spec_set_id (spec, "77");
  g_assert_cmpstr (spec->id, ==, "77");
  g_assert_cmpstr (spec->description, ==, "mp-77");
  egress_mountpoint_spec_set_id (named, "78");
  g_assert_cmpstr (named->name, ==, "n");
  g_assert_cmpstr (named->description, ==, "n");
  g_assert_cmpstr (rtsp->name, ==, "701");
  g_assert_true (rtsp->rtsp_check);
  g_assert_true (rtsp->media[RTC_MEDIA_VIDEO].is_present);
}

static void
test_old_form (void)
{
  g_autoptr (EgressMountpointSpec) spec = parse_well (
      "{" OLD ",'videosimulcast':true,'videoport3':5006,'audiortcpport':0}");
  const EgressMountpointMedia *audio = &spec->media[RTC_MEDIA_AUDIO];
  const EgressMountpointMedia *video = &spec->media[RTC_MEDIA_VIDEO];

  g_assert_true (spec->is_old_form);
  g_assert_cmpstr (audio->mid, ==, "a");
  g_assert_cmpstr (video->mid, ==, "v");
  g_assert_cmpuint (video->index, ==, 1);
  g_assert_cmpuint (video->n_ports, ==, 3);
  g_assert_cmpuint (video->ports[2], ==, 5006);
  g_assert_cmpint (audio->rtcp_port, ==, 0);
}

static void
test_rtpmap (void)
{
  g_autoptr (EgressMountpointSpec) spec = parse_well (
      "{" RTP ",'media':[{'type':'video','mid':'v','port':0,'pt':96,"
      "'rtpmap':'VP8/90000'}]}");

  g_assert_cmpint (spec->media[RTC_MEDIA_VIDEO].codec, ==, RTC_CODEC_VP8);
}

static void
test_limits (void)
{
  g_autofree char *most = g_strnfill (EGRESS_MOUNTPOINT_MAX_NAME_CHARS, 'x');
  g_autofree char *text = g_strnfill (EGRESS_MOUNTPOINT_MAX_TEXT_CHARS, '\a');
  g_autofree char *well = g_strdup_printf ("{" OLD ",'name':'%s'}", most);
  g_autofree char *longer = g_strdup_printf ("{" OLD ",'name':'%sx'}", most);
  g_autoptr (EgressMountpointSpec) spec = parse_well (well);
  g_autoptr (JsonObject) object = object_of ("{" OLD "}");
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (spec->name, ==, most);
  assert_refused (longer, FALSE, 454,
                  "Invalid element (name should be at most 256 bytes)");
  /* six bytes each in JSON */
  json_object_set_string_member (object, "metadata", text);
  g_assert_null (egress_mountpoint_spec_parse (object, FALSE, &error));
  g_assert_error (error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_CANT_CREATE);
}

static char *
write_out (const EgressMountpointSpec *spec)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, egress_mountpoint_spec_to_json (spec));
  return json_to_string (node, FALSE);
}

/* through JSON, and through a copy: nothing is lost */
static void
test_again (void)
{
  static const char *const bodies[] = {
    "{" OLD ",'id':5,'videosimulcast':true,'videortcpport':7,'pin':'p'}",
    "{" RTP ",'id':6,'media':[" V "," A "],'secret':'s','is_private':true,"
    "'permanent':true,'srtpsuite':32,'srtpcrypto':'" KEY "','e2ee':true,"
    "'playoutdelay_ext':true,'collision':500,'threads':2,'bufferkf_ms':3,"
    "'abscapturetime_src_ext_id':4,'metadata':'m','description':''}",
    "{'type':'rtsp','id':7,'url':'rtsp://h/x','audio':true,'rtsp_user':'u',"
    "'rtsp_pwd':'p','rtsp_failcheck':false}",
    "{'type':'ondemand','id':8,'filename':'/a.webm','video':true}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (EgressMountpointSpec) spec = parse_well (bodies[i]);
      g_autoptr (JsonObject) json = NULL;
      g_autoptr (EgressMountpointSpec) again = NULL, copy = NULL;
      g_autofree char *text = NULL, *other = NULL, *copied = NULL;

      spec->node_id = g_strdup ("node-1");
      spec->is_enabled = FALSE;
      text = write_out (spec);
      json = egress_mountpoint_spec_to_json (spec);
      again = egress_mountpoint_spec_from_json (json, FALSE, &error);
      g_assert_no_error (error);
      other = write_out (again);
      g_assert_cmpstr (other, ==, text);
      copy = egress_mountpoint_spec_copy (again);
      g_clear_pointer (&again, egress_mountpoint_spec_free);
      copied = write_out (copy);
      g_assert_cmpstr (copied, ==, text);
    }
}

/* what stands in the store is not trusted */
static void
test_bad_json (void)
{
  static const char *const ids[] = { "'x'", "'052'", "5", "null", "'a~0'" };

  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    {
      g_autofree char *text = g_strdup_printf ("{" OLD ",'id':%s}", ids[i]);
      g_autoptr (JsonObject) json = object_of (text);
      g_autoptr (GError) error = NULL;

      g_assert_null (egress_mountpoint_spec_from_json (json, FALSE, &error));
      g_assert_nonnull (error);
    }
}

static void
test_names (void)
{
  g_autofree char *low = egress_mountpoint_rendition_name ("52", 0, 3);
  g_autofree char *best = egress_mountpoint_rendition_name ("52", 2, 3);
  g_autofree char *number = egress_mountpoint_id_of_stream ("52", FALSE);
  g_autofree char *odd = egress_mountpoint_id_of_stream ("052", FALSE);
  g_autofree char *word = egress_mountpoint_id_of_stream ("live", FALSE);
  g_autofree char *name = egress_mountpoint_id_of_stream ("live", TRUE);

  g_assert_cmpstr (low, ==, "52~0");
  g_assert_cmpstr (best, ==, "52");
  g_assert_cmpstr (number, ==, "52");
  g_assert_cmpstr (odd, !=, "52");
  /* the first 52 bits of its SHA-256 */
  g_assert_cmpstr (word, ==, "641432147586516");
  g_assert_cmpstr (name, ==, "live");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add_func ("/egress/mountpoint-spec/" name, func)
  ADD ("refusals", test_refusals);
  ADD ("string-ids", test_string_ids);
  ADD ("defaults", test_defaults);
  ADD ("no-id", test_no_id);
  ADD ("old-form", test_old_form);
  ADD ("rtpmap", test_rtpmap);
  ADD ("limits", test_limits);
  ADD ("again", test_again);
  ADD ("bad-json", test_bad_json);
  ADD ("names", test_names);
  return g_test_run ();
}
