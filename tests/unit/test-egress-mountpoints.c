/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EgressMountpoints with a real hub and gate; sources and the store are hooks
 * that the test answers: what is created, shared, refused, destroyed, and who
 * is told.
 */
#include "tests/unit/mountpoints-fixture.h"

typedef struct
{
  Fixture *f;
  EgressMountpoint *mountpoint;
  guint n_gone, n_kicked;
} Viewer;

static EgressMountpointSpec *
spec_of (const char *text, gboolean is_stored)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *json = g_strdup (text);
  g_autoptr (GError) error = NULL;
  EgressMountpointSpec *spec;
  JsonObject *object;

  json_parser_load_from_data (parser, g_strdelimit (json, "'", '"'), -1,
                              &error);
  g_assert_no_error (error);
  object = json_node_get_object (json_parser_get_root (parser));
  spec = is_stored ? egress_mountpoint_spec_from_json (object, FALSE, &error)
                   : egress_mountpoint_spec_parse (object, FALSE, &error);
  g_assert_no_error (error);
  return spec;
}

static void
on_created (EgressMountpoint *mountpoint, gboolean is_kept, const GError *error,
            gpointer data)
{
  Fixture *f = data;

  clear_answer (f);
  f->n_done++;
  f->made = mountpoint ? egress_mountpoint_ref (mountpoint) : NULL;
  f->is_kept = is_kept;
  f->error = error ? g_error_copy (error) : NULL;
}

#define MEDIA "'media':[{'type':'video','mid':'v','port':0,'codec':'vp8'}]"
#define SIMULCAST                                                              \
  "'media':[{'type':'video','mid':'v','port':0,'codec':'vp8',"                 \
  "'simulcast':true}]"

static void
create (Fixture *f, const char *text)
{
  clear_answer (f);
  egress_mountpoints_create (f->registry, spec_of (text, FALSE), on_created, f);
}

static void
assert_refused (Fixture *f, const char *words)
{
  g_assert_null (f->made);
  g_assert_error (f->error, EGRESS_STREAMING_ERROR,
                  EGRESS_STREAMING_CANT_CREATE);
  g_assert_cmpstr (f->error->message, ==, words);
}

static guint
count_listed (Fixture *f)
{
  g_autoptr (GPtrArray) list = egress_mountpoints_list (f->registry);

  return list->len;
}

/* --- creating ----------------------------------------------------------- */

static void
test_create (Fixture *f, gconstpointer data)
{
  RelayStreamInfo info;
  gint64 age_us = 0;

  create (f, "{'type':'rtp','id':52,'permanent':true," MEDIA "}");
  g_assert_no_error (f->error);
  g_assert_nonnull (f->made);
  g_assert_true (f->is_kept);
  g_assert_true (egress_mountpoints_lookup (f->registry, "52") == f->made);
  g_assert_true (egress_mountpoints_lookup_stream (f->registry, "52")
                 == f->made);
  g_assert_null (egress_mountpoints_lookup (f->registry, "53"));
  g_assert_cmpstr (egress_mountpoint_get_spec (f->made)->node_id, ==, "here");
  g_assert_cmpuint (
      egress_mountpoint_get_ports (f->made)->ports[RTC_MEDIA_VIDEO][0], ==,
      5004);
  g_assert_true (egress_mountpoint_get_info (f->made, &info));
  g_assert_cmpint (info.tracks[RTC_MEDIA_VIDEO].codec, ==, RTC_CODEC_VP8);
  g_assert_true (egress_mountpoint_get_age (f->made, RTC_MEDIA_VIDEO, &age_us));
  g_assert_cmpint (age_us, ==, 7000);
  g_assert_false (
      egress_mountpoint_get_age (f->made, RTC_MEDIA_AUDIO, &age_us));
  g_assert_cmpuint (count_listed (f), ==, 1);

  create (f, "{'type':'rtp','id':52," MEDIA "}");
  assert_refused (f, "A stream with the provided ID already exists");
  g_assert_cmpuint (f->n_opened, ==, 1);
}

static void
on_nothing (gpointer data)
{
}

static void
do_begin (gpointer data)
{
  relay_publication_begin (data);
}

static void
do_end (gpointer data)
{
  relay_publication_end (data);
}

/* A namesake before it had sound too, and lingers: nobody is offered that. */
static void
test_namesake (Fixture *f, gconstpointer data)
{
  static const RelayPublicationCallbacks callbacks = { on_nothing, on_nothing };
  RelayStream *stream = relay_hub_ensure (f->world.hub, "52", NULL);
  RelayPublication *publication;
  RelayStreamInfo info = { 0 };

  info.tracks[RTC_MEDIA_AUDIO].is_present = TRUE;
  info.tracks[RTC_MEDIA_AUDIO].codec = RTC_CODEC_OPUS;
  info.tracks[RTC_MEDIA_VIDEO].is_present = TRUE;
  info.tracks[RTC_MEDIA_VIDEO].codec = RTC_CODEC_VP8;
  publication =
      relay_stream_add_publication (stream, &info, &callbacks, NULL, NULL);
  relay_call_on (relay_stream_get_home (stream), do_begin, publication);
  WAIT_FOR (relay_stream_is_live (stream));
  relay_call_on (relay_stream_get_home (stream), do_end, publication);
  relay_publication_unref (publication);
  WAIT_FOR (!relay_stream_is_live (stream));

  create (f, "{'type':'rtp','id':52," MEDIA "}");
  g_assert_no_error (f->error);
  g_assert_true (egress_mountpoint_get_info (f->made, &info));
  g_assert_true (info.tracks[RTC_MEDIA_VIDEO].is_present);
  g_assert_false (info.tracks[RTC_MEDIA_AUDIO].is_present);
}

static void
test_random_id (Fixture *f, gconstpointer data)
{
  const EgressMountpointSpec *spec;
  g_autofree char *name = NULL;

  create (f, "{'type':'rtp'," MEDIA "}");
  spec = egress_mountpoint_get_spec (f->made);
  g_assert_cmpuint (g_ascii_strtoull (spec->id, NULL, 10), >, 0);
  name = g_strconcat ("mp-", spec->id, NULL);
  g_assert_cmpstr (spec->name, ==, name);
}

/* a failed create leaves nothing behind */
static void
test_failed (Fixture *f, gconstpointer data)
{
  f->open_code = EGRESS_STREAMING_CANT_CREATE;
  create (f, "{'type':'rtp','id':52," MEDIA "}");
  assert_refused (f, "no source");
  f->open_code = 0;
  create (f, "{'type':'rtp','id':52," MEDIA "}");
  g_assert_no_error (f->error);
}

static void
test_pending (Fixture *f, gconstpointer data)
{
  EgressMountpointOpened done;
  gpointer done_data;

  f->opens_later = TRUE;
  create (f, "{'type':'rtp','id':52," MEDIA "}");
  done = f->on_opened;
  done_data = f->opened_data;
  g_assert_cmpuint (f->n_done, ==, 0);
  create (f, "{'type':'rtp','id':52," MEDIA "}");
  assert_refused (f, "A stream with the provided ID already exists");
  f->on_opened = done;
  f->opened_data = done_data;
  answer_open (f);
  g_assert_no_error (f->error);
  g_assert_nonnull (f->made);
  /* one that is never answered goes with the registry */
  create (f, "{'type':'rtp','id':53," MEDIA "}");
}

/* kept by nobody: it is there, and not permanent */
static void
test_not_kept (Fixture *f, gconstpointer data)
{
  f->share_domain = G_IO_ERROR;
  create (f, "{'type':'rtp','id':52,'permanent':true," MEDIA "}");
  g_assert_no_error (f->error);
  g_assert_false (f->is_kept);
  g_assert_false (egress_mountpoint_get_spec (f->made)->is_permanent);
}

/* another node had the id first */
static void
test_conflict (Fixture *f, gconstpointer data)
{
  f->share_domain = EGRESS_STREAMING_ERROR;
  create (f, "{'type':'rtp','id':52," MEDIA "}");
  assert_refused (f, "no");
  g_assert_cmpuint (f->n_closed, ==, 1);
  g_assert_null (egress_mountpoints_lookup (f->registry, "52"));
}

static void
test_no_role (Fixture *f, gconstpointer data)
{
  create (f, "{'type':'rtp','id':52," MEDIA "}");
  assert_refused (f, "Can't add the stream: this node takes none (it has not "
                     "the role injection)");
  g_assert_cmpuint (f->n_opened, ==, 0);
}

static void
test_limit (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < EGRESS_MOUNTPOINTS_MAX; i++)
    {
      create (f, "{'type':'rtp'," MEDIA "}");
      g_assert_no_error (f->error);
    }
  create (f, "{'type':'rtp','id':52," MEDIA "}");
  assert_refused (f, "Can't add the stream: this node has as many mountpoints "
                     "as it may have");
}

/* --- changing ----------------------------------------------------------- */

static void
on_shared (const GError *error, gpointer data)
{
  Fixture *f = data;

  f->n_edits++;
  g_clear_error (&f->edit_error);
  f->edit_error = error ? g_error_copy (error) : NULL;
}

static void
test_change (Fixture *f, gconstpointer data)
{
  EgressMountpointSpec *spec;

  create (f, "{'type':'rtp','id':52," MEDIA "}");
  spec = egress_mountpoint_edit (f->made, &f->error);
  g_assert_nonnull (spec);
  g_free (spec->pin);
  spec->pin = g_strdup ("new");
  egress_mountpoints_share (f->registry, f->made, TRUE, on_shared, f);
  g_assert_cmpuint (f->n_edits, ==, 1);
  g_assert_cmpuint (f->n_shared, ==, 2);
  g_assert_true (spec->is_permanent);
  f->share_domain = G_IO_ERROR;
  egress_mountpoints_share (f->registry, f->made, TRUE, on_shared, f);
  g_assert_error (f->edit_error, G_IO_ERROR, EGRESS_STREAMING_CANT_CREATE);
  g_assert_false (spec->is_permanent);
  f->share_domain = 0;

  f->was_enabled = TRUE;
  g_assert_true (
      egress_mountpoints_set_enabled (f->registry, f->made, FALSE, &f->error));
  g_assert_false (f->was_enabled);
  g_assert_false (spec->is_enabled);
  g_assert_cmpuint (f->n_shared, ==, 5); /* "not permanent" is one */
}

static void
on_gone (gpointer data)
{
  Viewer *viewer = data;

  viewer->n_gone++;
  egress_mountpoint_remove_viewer (viewer->mountpoint, viewer);
}

static void
on_kicked (gpointer data)
{
  Viewer *viewer = data;

  viewer->n_kicked++;
  egress_mountpoint_remove_viewer (viewer->mountpoint, viewer);
}

static const EgressMountpointViewerFuncs funcs = { on_gone, on_kicked };

static void
test_viewers (Fixture *f, gconstpointer data)
{
  Viewer viewers[3] = { { 0 } };

  create (f, "{'type':'rtp','id':52," MEDIA "}");
  for (guint i = 0; i < 3; i++)
    {
      viewers[i].mountpoint = f->made;
      egress_mountpoint_add_viewer (f->made, &funcs, &viewers[i]);
    }
  g_assert_cmpuint (egress_mountpoint_get_n_viewers (f->made), ==, 3);
  egress_mountpoint_remove_viewer (f->made, &viewers[1]);
  egress_mountpoint_kick_all (f->made);
  g_assert_cmpuint (viewers[0].n_kicked, ==, 1);
  g_assert_cmpuint (viewers[1].n_kicked, ==, 0);
  g_assert_cmpuint (viewers[2].n_kicked, ==, 1);
  g_assert_cmpuint (egress_mountpoint_get_n_viewers (f->made), ==, 0);
  egress_mountpoint_add_viewer (f->made, &funcs, &viewers[0]);
  g_assert_true (egress_mountpoints_destroy (f->registry, f->made, &f->error));
  g_assert_cmpuint (viewers[0].n_gone, ==, 1);
  g_assert_cmpuint (f->n_closed, ==, 1);
  g_assert_cmpuint (f->n_unshared, ==, 1);
  g_assert_null (egress_mountpoints_lookup (f->registry, "52"));
  g_assert_false (egress_mountpoints_destroy (f->registry, f->made, &f->error));
  g_assert_error (f->error, EGRESS_STREAMING_ERROR, EGRESS_STREAMING_NO_SUCH);
}

/* --- streams ------------------------------------------------------------ */

/* gone_from_hub: after a sweep of the hub */
static void
wait_for_sweep (Fixture *f)
{
  g_assert_nonnull (relay_hub_ensure (f->world.hub, "nobody", NULL));
  WAIT_FOR (relay_hub_lookup (f->world.hub, "nobody") == NULL);
}

/* it can be watched before its first packet, and is kept for who waits */
static void
test_sources (Fixture *f, gconstpointer data)
{
  EgressSources sources;
  Viewer viewer = { 0 };

  create (f, "{'type':'rtp','id':52," SIMULCAST "}");
  g_assert_true (
      egress_mountpoint_get_sources (f->made, TRUE, &sources, &f->error));
  g_assert_cmpuint (sources.n_video, ==, 3);
  g_assert_null (sources.audio);
  g_assert_cmpstr (relay_stream_get_name (sources.video[0]), ==, "52~0");
  g_assert_cmpstr (relay_stream_get_name (sources.video[2]), ==, "52");
  viewer.mountpoint = f->made;
  egress_mountpoint_add_viewer (f->made, &funcs, &viewer);
  wait_for_sweep (f);
  g_assert_nonnull (relay_hub_lookup (f->world.hub, "52"));
  /* so that it is carried when it begins elsewhere, before he is connected */
  g_assert_cmpuint (relay_stream_get_n_receivers (sources.video[2]), ==, 1);
  g_assert_nonnull (relay_hub_lookup (f->world.hub, "52~0"));
  egress_mountpoint_remove_viewer (f->made, &viewer);
  wait_for_sweep (f);
  g_assert_null (relay_hub_lookup (f->world.hub, "52"));
}

static void
test_full (Fixture *f, gconstpointer data)
{
  EgressSources sources;
  RelayStream *stream;

  create (f, "{'type':'rtp','id':52," MEDIA "}");
  stream = relay_hub_ensure (f->world.hub, "other", NULL);
  egress_gate_enter (f->gate, stream);
  egress_gate_enter (f->gate, stream);
  g_assert_false (
      egress_mountpoint_get_sources (f->made, TRUE, &sources, &f->error));
  g_assert_error (f->error, EGRESS_GATE_ERROR, EGRESS_GATE_ERROR_FULL);
  g_clear_error (&f->error);
  wait_for_sweep (f);
  g_assert_null (relay_hub_lookup (f->world.hub, "52"));
  g_assert_true (
      egress_mountpoint_get_sources (f->made, FALSE, &sources, &f->error));
  egress_gate_leave (f->gate);
  egress_gate_leave (f->gate);
}

static void
test_tree (Fixture *f, gconstpointer data)
{
  g_autofree char *id = egress_mountpoint_id_of_stream ("live", FALSE);
  EgressMountpoint *live;
  EgressSources sources;

  g_assert_null (egress_mountpoints_lookup (f->registry, id));
  g_ptr_array_add (f->live, g_strdup ("live"));
  live = egress_mountpoints_lookup (f->registry, id);
  g_assert_nonnull (live);
  g_assert_true (egress_mountpoints_lookup_stream (f->registry, "live")
                 == live);
  g_assert_cmpint (egress_mountpoint_get_spec (live)->kind, ==,
                   EGRESS_MOUNTPOINT_STREAM);
  g_assert_cmpuint (count_listed (f), ==, 1);
  /* the same one, whoever asks: viewers are counted there */
  g_assert_true (egress_mountpoints_lookup (f->registry, id) == live);
  g_assert_false (egress_mountpoints_destroy (f->registry, live, &f->error));
  g_assert_error (f->error, EGRESS_STREAMING_ERROR,
                  EGRESS_STREAMING_INVALID_STATE);
  g_clear_error (&f->error);
  /* listed, but the gate finds nobody who publishes it */
  g_assert_false (
      egress_mountpoint_get_sources (live, TRUE, &sources, &f->error));
  g_assert_error (f->error, EGRESS_GATE_ERROR, EGRESS_GATE_ERROR_NOT_LIVE);
  /* whoever creates may not take its id */
  g_ptr_array_add (f->live, g_strdup ("77"));
  create (f, "{'type':'rtp','id':77," MEDIA "}");
  assert_refused (f, "A stream with the provided ID already exists");
  g_ptr_array_set_size (f->live, 0);
  g_assert_cmpuint (count_listed (f), ==, 0);
}

/* a lookup of what is there asks the directory at most twice a second */
static void
test_lookups_are_cheap (Fixture *f, gconstpointer data)
{
  guint n_before;
  gint64 at_us = base_clock_now_us ();

  g_ptr_array_add (f->live, g_strdup ("77"));
  g_assert_nonnull (egress_mountpoints_lookup (f->registry, "77"));
  n_before = f->n_listed;
  for (guint i = 0; i < 1000; i++)
    egress_mountpoints_lookup (f->registry, "77");
  g_assert_cmpuint (f->n_listed - n_before, <=,
                    1 + (base_clock_now_us () - at_us) / 500000);
}

/* --- others' ------------------------------------------------------------ */

static void
set_shared (Fixture *f, const char *text)
{
  g_autoptr (GPtrArray) specs = g_ptr_array_new_with_free_func (
      (GDestroyNotify)egress_mountpoint_spec_free);

  if (text != NULL)
    g_ptr_array_add (specs, spec_of (text, TRUE));
  egress_mountpoints_set_shared (f->registry, specs);
}

static void
test_shared (Fixture *f, gconstpointer data)
{
  Viewer viewer = { 0 };
  EgressMountpoint *other;
  EgressSources sources;

  set_shared (f,
              "{'type':'rtp','id':'9','pin':'p','node_id':'there'," MEDIA "}");
  other = egress_mountpoints_lookup_stream (f->registry, "9");
  g_assert_nonnull (other);
  g_assert_cmpstr (egress_mountpoint_get_spec (other)->pin, ==, "p");
  g_assert_true (
      egress_mountpoint_get_sources (other, TRUE, &sources, &f->error));
  g_assert_null (egress_mountpoint_edit (other, &f->error));
  g_assert_error (f->error, EGRESS_STREAMING_ERROR,
                  EGRESS_STREAMING_INVALID_STATE);
  viewer.mountpoint = egress_mountpoint_ref (other);
  egress_mountpoint_add_viewer (other, &funcs, &viewer);
  set_shared (f,
              "{'type':'rtp','id':'9','pin':'q','node_id':'there'," MEDIA "}");
  g_assert_cmpstr (egress_mountpoint_get_spec (other)->pin, ==, "q");
  g_assert_cmpuint (viewer.n_gone, ==, 0);
  set_shared (f, NULL);
  g_assert_cmpuint (viewer.n_gone, ==, 1);
  g_assert_null (egress_mountpoints_lookup (f->registry, "9"));
  egress_mountpoint_unref (viewer.mountpoint);
}

/* whose node is gone may be destroyed anywhere */
static void
test_orphan (Fixture *f, gconstpointer data)
{
  EgressMountpoint *other;

  set_shared (f, "{'type':'rtp','id':'9','permanent':true,"
                 "'node_id':'there'," MEDIA "}");
  other = egress_mountpoints_lookup (f->registry, "9");
  g_assert_false (egress_mountpoints_destroy (f->registry, other, &f->error));
  g_assert_error (f->error, EGRESS_STREAMING_ERROR,
                  EGRESS_STREAMING_INVALID_STATE);
  g_clear_error (&f->error);
  f->is_orphan = TRUE;
  g_assert_true (egress_mountpoints_destroy (f->registry, other, &f->error));
  g_assert_null (egress_mountpoints_lookup (f->registry, "9"));
  g_assert_cmpuint (f->n_unshared, ==, 1);
  /* ours are counted apart */
  create (f, "{'type':'rtp','id':52," MEDIA "}");
  g_assert_true (egress_mountpoints_destroy (f->registry, f->made, &f->error));
}

/* ours stays ours, whatever the store says */
static void
test_shared_ours (Fixture *f, gconstpointer data)
{
  create (f, "{'type':'rtp','id':52," MEDIA "}");
  set_shared (f, "{'type':'rtp','id':'52','node_id':'there'," MEDIA "}");
  g_assert_true (egress_mountpoints_lookup (f->registry, "52") == f->made);
  g_assert_cmpstr (egress_mountpoint_get_spec (f->made)->node_id, ==, "here");
  set_shared (f, "{'type':'rtp','id':'60','node_id':'here'," MEDIA "}");
  g_assert_null (egress_mountpoints_lookup (f->registry, "60"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD_WITH(name, data, func)                                             \
  g_test_add ("/egress/mountpoints/" name, Fixture, data, set_up, func,        \
              tear_down)
#define ADD(name, func) ADD_WITH (name, NULL, func)
  ADD ("create", test_create);
  ADD ("namesake", test_namesake);
  ADD ("random-id", test_random_id);
  ADD ("failed", test_failed);
  ADD ("pending", test_pending);
  ADD ("not-kept", test_not_kept);
  ADD ("conflict", test_conflict);
  ADD_WITH ("no-role", "", test_no_role);
  ADD ("limit", test_limit);
  ADD ("change", test_change);
  ADD ("viewers", test_viewers);
  ADD ("sources", test_sources);
  ADD ("full", test_full);
  ADD ("tree", test_tree);
  ADD ("lookups-are-cheap", test_lookups_are_cheap);
  ADD ("shared", test_shared);
  ADD ("orphan", test_orphan);
  ADD ("shared-ours", test_shared_ours);
  return g_test_run ();
}
