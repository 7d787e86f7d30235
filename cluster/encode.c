/* SPDX-License-Identifier: Apache-2.0 */
/* cluster/encode: JSON and fields, written plainly and read with suspicion. */
#include "cluster/encode.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

#include "base/json.h"

static const char *const total_names[CLUSTER_TOTAL_N] = {
  [CLUSTER_TOTAL_IN_PACKETS] = "in_packets",
  [CLUSTER_TOTAL_IN_BYTES] = "in_bytes",
  [CLUSTER_TOTAL_IN_LOST] = "in_lost",
  [CLUSTER_TOTAL_IN_REPAIRED] = "in_repaired",
  [CLUSTER_TOTAL_OUT_PACKETS] = "out_packets",
  [CLUSTER_TOTAL_OUT_BYTES] = "out_bytes",
  [CLUSTER_TOTAL_OUT_REPAIRED] = "out_repaired",
  [CLUSTER_TOTAL_OUT_UNREPAIRED] = "out_unrepaired",
  [CLUSTER_TOTAL_LINK_IN_PACKETS] = "link_in_packets",
  [CLUSTER_TOTAL_LINK_OUT_PACKETS] = "link_out_packets",
  [CLUSTER_TOTAL_LINK_OUT_BYTES] = "link_out_bytes",
  [CLUSTER_TOTAL_LINK_LOST] = "link_lost",
  [CLUSTER_TOTAL_LINK_REPAIRED] = "link_repaired",
};

static const char *const sketch_names[CLUSTER_SKETCH_N] = {
  [CLUSTER_SKETCH_JOIN] = "join",
  [CLUSTER_SKETCH_HTTP] = "http",
  [CLUSTER_SKETCH_REPAIR] = "repair",
};

static char *
end_object (JsonBuilder *builder)
{
  g_autoptr (JsonNode) root = NULL;

  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  return json_to_string (root, FALSE);
}

static void
add_text (JsonBuilder *builder, const char *key, const char *value)
{
  json_builder_set_member_name (builder, key);
  json_builder_add_string_value (builder, value != NULL ? value : "");
}

char *
cluster_node_to_json (const ClusterNode *node)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char *roles = cluster_roles_to_string (node->roles);

  json_builder_begin_object (builder);
  add_text (builder, "boot", node->boot_id);
  add_text (builder, "tree", node->tree_id);
  add_text (builder, "roles", roles);
  add_text (builder, "host", node->host);
  add_text (builder, "url", node->url);
  add_text (builder, "link", node->link_address);
  base_json_add_uint (builder, "started_us",
                      (guint64)MAX (node->started_wall_us, 0));
  return end_object (builder);
}

static void
add_links (JsonBuilder *builder, const ClusterLoad *load)
{
  json_builder_set_member_name (builder, "links");
  json_builder_begin_array (builder);
  for (guint i = 0; i < MIN (load->n_links, CLUSTER_MAX_LINKS); i++)
    {
      const ClusterLink *link = &load->links[i];
      json_builder_begin_object (builder);
      add_text (builder, "node", link->node);
      base_json_add_bool (builder, "active", link->is_active);
      base_json_add_bool (builder, "silent", link->is_silent);
      base_json_add_uint (builder, "streams", link->n_streams);
      base_json_add_double (builder, "loss", link->loss_ratio);
      base_json_add_double (builder, "first", link->first_ratio);
      base_json_add_uint (builder, "rtt_us", link->rtt_us);
      base_json_add_uint (builder, "jitter_us", link->jitter_us);
      json_builder_end_object (builder);
    }
  json_builder_end_array (builder);
}

static void
add_carried (JsonBuilder *builder, const ClusterLoad *load)
{
  json_builder_set_member_name (builder, "carried");
  json_builder_begin_array (builder);
  for (guint i = 0; i < MIN (load->n_carried, CLUSTER_MAX_CARRIED); i++)
    {
      char hash[9];
      g_snprintf (hash, sizeof hash, "%08x", load->carried[i]);
      json_builder_add_string_value (builder, hash);
    }
  json_builder_end_array (builder);
}

static void
add_totals (JsonBuilder *builder, const ClusterLoad *load)
{
  json_builder_set_member_name (builder, "totals");
  json_builder_begin_object (builder);
  for (guint i = 0; i < CLUSTER_TOTAL_N; i++)
    if (load->totals[i] > 0)
      base_json_add_uint (builder, total_names[i], load->totals[i]);
  json_builder_end_object (builder);
}

/* add_sketches: those that hold something, with @n_buckets at most */
static void
add_sketches (JsonBuilder *builder, const ClusterLoad *load, guint n_buckets)
{
  json_builder_set_member_name (builder, "sketches");
  json_builder_begin_object (builder);
  for (guint i = 0; i < CLUSTER_SKETCH_N; i++)
    if (load->sketches[i].n_buckets > 0)
      {
        BaseSketchBrief sketch = load->sketches[i];
        g_autofree char *text = NULL;

        base_sketch_brief_shrink (&sketch, n_buckets);
        text = base_sketch_brief_to_text (&sketch);
        add_text (builder, sketch_names[i], text);
      }
  json_builder_end_object (builder);
}

static void
add_numbers (JsonBuilder *builder, const ClusterLoad *load)
{
  base_json_add_uint (builder, "viewers", load->n_viewers);
  base_json_add_uint (builder, "max_viewers", load->max_viewers);
  base_json_add_uint (builder, "publishers", load->n_publishers);
  base_json_add_uint (builder, "max_publishers", load->max_publishers);
  base_json_add_uint (builder, "streams", load->n_streams);
  base_json_add_uint (builder, "ports", load->n_ports);
  base_json_add_uint (builder, "max_ports", load->max_ports);
  base_json_add_uint (builder, "tx_bps", load->tx_bps);
  base_json_add_uint (builder, "rx_bps", load->rx_bps);
  base_json_add_uint (builder, "max_tx_bps", load->max_tx_bps);
  base_json_add_double (builder, "cpu_ratio", load->cpu_ratio);
  base_json_add_uint (builder, "rss_bytes", load->rss_bytes);
  base_json_add_double (builder, "mem_ratio", load->mem_ratio);
  base_json_add_uint (builder, "joins", load->n_joins);
  base_json_add_uint (builder, "refused", load->n_refused);
  base_json_add_uint (builder, "leaves", load->n_leaves);
  base_json_add_uint (builder, "failures", load->n_failures);
  base_json_add_uint (builder, "send_drops", load->n_send_drops);
  base_json_add_uint (builder, "slots", load->n_slots);
  base_json_add_uint (builder, "waiting", load->n_waiting);
  base_json_add_bool (builder, "draining", load->is_draining);
  base_json_add_bool (builder, "warm", load->is_warm);
}

char *
cluster_load_to_json (const ClusterLoad *load, const char *boot_id)
{
  guint n_buckets = BASE_SKETCH_BRIEF_N_BUCKETS;
  char *text = NULL;

  do
    {
      g_autoptr (JsonBuilder) builder = json_builder_new ();

      g_free (text);
      json_builder_begin_object (builder);
      add_text (builder, "boot", boot_id);
      add_numbers (builder, load);
      add_links (builder, load);
      add_carried (builder, load);
      add_totals (builder, load);
      add_sketches (builder, load, n_buckets);
      text = end_object (builder);
      n_buckets /= 2;
    }
  while (n_buckets >= CLUSTER_LOAD_MIN_BUCKETS
         && strlen (text) > CLUSTER_LOAD_BYTES);
  return text;
}

/* --- reading ------------------------------------------------------------ */

/* One object; what is missing or of another kind clears is_ok. */
typedef struct
{
  JsonObject *object; /* borrowed from the parser */
  gboolean is_ok;
} Reader;

static JsonNode *
find (Reader *reader, const char *key, GType type)
{
  JsonNode *node = json_object_get_member (reader->object, key);

  if (node != NULL && JSON_NODE_HOLDS_VALUE (node)
      && (type == G_TYPE_INVALID || json_node_get_value_type (node) == type))
    return node;
  reader->is_ok = FALSE;
  return NULL;
}

static const char *
read_text (Reader *reader, const char *key)
{
  JsonNode *node = find (reader, key, G_TYPE_STRING);

  return node != NULL ? json_node_get_string (node) : NULL;
}

static guint64
read_uint (Reader *reader, const char *key, guint64 max)
{
  JsonNode *node = find (reader, key, G_TYPE_INT64);
  gint64 value = node != NULL ? json_node_get_int (node) : 0;

  if (value < 0 || (guint64)value > max)
    {
      reader->is_ok = FALSE;
      return 0;
    }
  return (guint64)value;
}

static gboolean
open_object (JsonParser *parser, const char *text, Reader *reader)
{
  JsonNode *root;

  if (text == NULL || strlen (text) > CLUSTER_JSON_MAX_BYTES
      || !json_parser_load_from_data (parser, text, -1, NULL))
    return FALSE;
  root = json_parser_get_root (parser);
  if (root == NULL || !JSON_NODE_HOLDS_OBJECT (root))
    return FALSE;
  reader->object = json_node_get_object (root);
  reader->is_ok = TRUE;
  return TRUE;
}

/* One line of visible ASCII: it goes into headers, logs and pages. */
static gboolean
is_plain (const char *text, gsize max_chars)
{
  gsize n = 0;

  if (text == NULL)
    return FALSE;
  for (; text[n] != '\0'; n++)
    if (n == max_chars || !g_ascii_isgraph (text[n])
        || strchr ("\"'<>\\`", text[n]) != NULL)
      return FALSE;
  return TRUE;
}

static gboolean
url_is_valid (const char *url)
{
  return is_plain (url, CLUSTER_URL_MAX_CHARS)
         && (url[0] == '\0' || g_str_has_prefix (url, "http://")
             || g_str_has_prefix (url, "https://"));
}

/* "" (no links), "ip:port" or "[ip6]:port" */
static gboolean
link_is_valid (const char *link)
{
  const char *colon = is_plain (link, 64) ? strrchr (link, ':') : NULL;
  g_autofree char *ip = NULL;
  guint64 port;
  gsize n;

  if (link != NULL && link[0] == '\0')
    return TRUE;
  if (colon == NULL
      || !g_ascii_string_to_unsigned (colon + 1, 10, 1, 65535, &port, NULL))
    return FALSE;
  n = (gsize)(colon - link);
  if (link[0] == '[')
    {
      if (n < 3 || link[n - 1] != ']')
        return FALSE;
      ip = g_strndup (link + 1, n - 2);
      return strchr (ip, ':') != NULL && g_hostname_is_ip_address (ip);
    }
  ip = g_strndup (link, n);
  return strchr (ip, ':') == NULL && g_hostname_is_ip_address (ip);
}

gboolean
cluster_node_from_json (const char *text, const char *node_id,
                        const char *tree_id, ClusterNode *ret)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  Reader reader;
  ClusterNode node = { 0 };
  const char *roles;

  cluster_node_clear (ret);
  if (!cluster_name_is_valid (node_id) || !open_object (parser, text, &reader))
    return FALSE;
  node.node_id = (char *)node_id;
  node.boot_id = (char *)read_text (&reader, "boot");
  node.tree_id = (char *)read_text (&reader, "tree");
  roles = read_text (&reader, "roles");
  node.roles = cluster_roles_from_string (roles != NULL ? roles : "");
  node.host = (char *)read_text (&reader, "host");
  node.url = (char *)read_text (&reader, "url");
  node.link_address = (char *)read_text (&reader, "link");
  node.started_wall_us = (gint64)read_uint (&reader, "started_us", G_MAXINT64);
  if (!reader.is_ok || !cluster_id_is_valid (node.boot_id) || node.roles == 0
      || strcmp (node.tree_id, tree_id) != 0
      || !is_plain (node.host, CLUSTER_HOST_MAX_CHARS)
      || !url_is_valid (node.url) || !link_is_valid (node.link_address))
    return FALSE;
  cluster_node_copy (&node, ret);
  return TRUE;
}

static double
read_ratio (Reader *reader, const char *key)
{
  JsonNode *node = find (reader, key, G_TYPE_INVALID);
  double value = node != NULL ? json_node_get_double (node) : 0;

  if (isfinite (value) && value >= 0 && value <= 1)
    return value;
  reader->is_ok = FALSE;
  return 0;
}

static gboolean
read_bool (Reader *reader, const char *key)
{
  JsonNode *node = find (reader, key, G_TYPE_BOOLEAN);

  return node != NULL && json_node_get_boolean (node);
}

/* (nullable): what an older node does not say is no error */
static JsonArray *
read_array (Reader *reader, const char *key)
{
  JsonNode *node = json_object_get_member (reader->object, key);

  return node != NULL && JSON_NODE_HOLDS_ARRAY (node)
             ? json_node_get_array (node)
             : NULL;
}

static gboolean
read_link (JsonNode *node, ClusterLink *ret)
{
  ClusterLink link = { 0 };
  const char *name;
  Reader in;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return FALSE;
  in = (Reader){ json_node_get_object (node), TRUE };
  name = read_text (&in, "node");
  link.is_active = read_bool (&in, "active");
  link.is_silent = read_bool (&in, "silent");
  link.n_streams = (guint)read_uint (&in, "streams", G_MAXINT);
  link.loss_ratio = read_ratio (&in, "loss");
  link.first_ratio = read_ratio (&in, "first");
  link.rtt_us = (guint32)read_uint (&in, "rtt_us", G_MAXUINT32);
  link.jitter_us = (guint32)read_uint (&in, "jitter_us", G_MAXUINT32);
  if (!in.is_ok || !cluster_name_is_valid (name))
    return FALSE;
  g_strlcpy (link.node, name, sizeof link.node);
  *ret = link;
  return TRUE;
}

/* What is bad in these two is left out: they are for showing. */
static void
read_links (Reader *reader, ClusterLoad *load)
{
  JsonArray *array = read_array (reader, "links");
  guint n = array != NULL ? json_array_get_length (array) : 0;

  for (guint i = 0; i < n && load->n_links < CLUSTER_MAX_LINKS; i++)
    load->n_links += read_link (json_array_get_element (array, i),
                                &load->links[load->n_links]);
}

static void
read_carried (Reader *reader, ClusterLoad *load)
{
  JsonArray *array = read_array (reader, "carried");
  guint n = array != NULL ? json_array_get_length (array) : 0;

  for (guint i = 0; i < n && load->n_carried < CLUSTER_MAX_CARRIED; i++)
    {
      JsonNode *node = json_array_get_element (array, i);
      guint64 hash;
      if (JSON_NODE_HOLDS_VALUE (node)
          && json_node_get_value_type (node) == G_TYPE_STRING
          && g_ascii_string_to_unsigned (json_node_get_string (node), 16, 0,
                                         G_MAXUINT32, &hash, NULL))
        load->carried[load->n_carried++] = (guint32)hash;
    }
}

/* read_newer_uint: of a newer node; 0 where it is missing or bad */
static guint64
read_newer_uint (JsonObject *object, const char *key, guint64 max)
{
  Reader in = { object, TRUE };

  return object != NULL && json_object_has_member (object, key)
             ? read_uint (&in, key, max)
             : 0;
}

static JsonObject *
read_object (Reader *reader, const char *key)
{
  JsonNode *node = json_object_get_member (reader->object, key);

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node)
             ? json_node_get_object (node)
             : NULL;
}

/* What only newer nodes say: what is missing or bad counts as unknown. */
static void
read_newer (Reader *reader, ClusterLoad *load)
{
  JsonObject *all = reader->object, *totals = read_object (reader, "totals");
  JsonObject *sketches = read_object (reader, "sketches");

  load->n_failures = read_newer_uint (all, "failures", G_MAXINT64);
  load->n_send_drops = read_newer_uint (all, "send_drops", G_MAXINT64);
  load->n_slots = json_object_has_member (all, "slots")
                      ? (guint)read_newer_uint (all, "slots", G_MAXINT)
                      : load->max_viewers;
  load->n_waiting = (guint)read_newer_uint (all, "waiting", G_MAXINT);
  load->is_warm = json_object_has_member (all, "warm")
                  && read_bool (&(Reader){ all, TRUE }, "warm");
  if (json_object_has_member (all, "mem_ratio"))
    load->mem_ratio = read_ratio (&(Reader){ all, TRUE }, "mem_ratio");
  for (guint i = 0; i < CLUSTER_TOTAL_N; i++)
    load->totals[i] = read_newer_uint (totals, total_names[i], G_MAXINT64);
  for (guint i = 0; sketches != NULL && i < CLUSTER_SKETCH_N; i++)
    if (json_object_has_member (sketches, sketch_names[i]))
      base_sketch_brief_from_text (
          read_text (&(Reader){ sketches, TRUE }, sketch_names[i]),
          &load->sketches[i], NULL);
}

static void
read_numbers (Reader *reader, ClusterLoad *load)
{
  load->n_viewers = (guint)read_uint (reader, "viewers", G_MAXINT);
  load->max_viewers = (guint)read_uint (reader, "max_viewers", G_MAXINT);
  load->n_publishers = (guint)read_uint (reader, "publishers", G_MAXINT);
  load->max_publishers = (guint)read_uint (reader, "max_publishers", G_MAXINT);
  load->n_streams = (guint)read_uint (reader, "streams", G_MAXINT);
  load->n_ports = (guint)read_uint (reader, "ports", G_MAXINT);
  load->max_ports = (guint)read_uint (reader, "max_ports", G_MAXINT);
  load->tx_bps = read_uint (reader, "tx_bps", G_MAXINT64);
  load->rx_bps = read_uint (reader, "rx_bps", G_MAXINT64);
  load->max_tx_bps = read_uint (reader, "max_tx_bps", G_MAXINT64);
  load->cpu_ratio = read_ratio (reader, "cpu_ratio");
  load->rss_bytes = read_uint (reader, "rss_bytes", G_MAXINT64);
  load->n_joins = read_uint (reader, "joins", G_MAXINT64);
  load->n_refused = read_uint (reader, "refused", G_MAXINT64);
  load->n_leaves = read_uint (reader, "leaves", G_MAXINT64);
  load->is_draining = read_bool (reader, "draining");
}

gboolean
cluster_load_from_json (const char *text, ClusterLoad *ret)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  ClusterLoad load = { 0 };
  Reader in;

  *ret = load;
  if (!open_object (parser, text, &in))
    return FALSE;
  read_numbers (&in, &load);
  if (!in.is_ok)
    return FALSE;
  read_links (&in, &load);
  read_carried (&in, &load);
  read_newer (&in, &load);
  *ret = load;
  return TRUE;
}

/* --- streams ------------------------------------------------------------ */

char **
cluster_stream_to_fields (const ClusterStream *stream)
{
  char **fields = g_new0 (char *, CLUSTER_STREAM_N_FIELDS + 1);
  guint i = 0;

  fields[i++] = g_strdup (stream->publication);
  fields[i++] = g_strdup_printf ("%" G_GUINT64_FORMAT, stream->epoch);
  fields[i++] = g_strdup (stream->origin != NULL ? stream->origin : "");
  fields[i++] = g_strdup (stream->info != NULL ? stream->info : "");
  for (guint k = 0; k < 2; k++)
    fields[i++] = g_strdup_printf ("%" G_GUINT64_FORMAT, stream->ext_seq[k]);
  for (guint k = 0; k < 2; k++)
    fields[i++] = g_strdup_printf ("%u", stream->rtp_ts[k]);
  fields[i++] = g_strdup_printf ("%" G_GINT64_FORMAT, stream->at_wall_us);
  g_assert (i == CLUSTER_STREAM_N_FIELDS);
  return fields;
}

static gboolean
parse_uint (const char *text, guint64 max, guint64 *ret)
{
  return text != NULL
         && g_ascii_string_to_unsigned (text, 10, 0, max, ret, NULL);
}

ClusterStream *
cluster_stream_from_fields (const char *name, const char *const *fields)
{
  guint64 epoch, seq[2], ts[2], at;
  const char *origin = fields[2];
  ClusterStream *stream;

  if (origin != NULL && origin[0] == '\0')
    origin = NULL;
  if (!cluster_stream_name_is_valid (name) || !cluster_id_is_valid (fields[0])
      || !parse_uint (fields[1], CLUSTER_EPOCH_MAX, &epoch) || epoch == 0
      || (origin != NULL && !cluster_name_is_valid (origin))
      || fields[3] == NULL || strlen (fields[3]) > CLUSTER_INFO_MAX_BYTES
      || !g_utf8_validate (fields[3], -1, NULL)
      || !parse_uint (fields[4], G_MAXINT64, &seq[0])
      || !parse_uint (fields[5], G_MAXINT64, &seq[1])
      || !parse_uint (fields[6], G_MAXUINT32, &ts[0])
      || !parse_uint (fields[7], G_MAXUINT32, &ts[1])
      || !parse_uint (fields[8], G_MAXINT64, &at))
    return NULL;

  stream = cluster_stream_new ();
  stream->name = g_strdup (name);
  stream->publication = g_strdup (fields[0]);
  stream->epoch = epoch;
  stream->origin = g_strdup (origin);
  stream->info = g_strdup (fields[3]);
  for (guint k = 0; k < 2; k++)
    {
      stream->ext_seq[k] = seq[k];
      stream->rtp_ts[k] = (guint32)ts[k];
    }
  stream->at_wall_us = (gint64)at;
  return stream;
}
