/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzzes the body of `create`: what is accepted keeps its promises, and comes
 * back the same from its own JSON.
 */
#include <stdint.h>
#include <string.h>

#include "egress/mountpoint-spec.h"

static char *
write_out (const EgressMountpointSpec *spec)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, egress_mountpoint_spec_to_json (spec));
  return json_to_string (node, FALSE);
}

static void
check_media (const EgressMountpointMedia *media)
{
  if (!media->is_present)
    return;
  if (media->mid == NULL || strlen (media->mid) > 16 || media->label == NULL
      || media->n_ports == 0 || media->n_ports > EGRESS_MAX_RENDITIONS
      || media->pt > 127 || media->rtcp_port > 65535)
    g_error ("a bad medium came through");
  for (guint i = 0; i < media->n_ports; i++)
    if (media->ports[i] > 65535)
      g_error ("a bad port came through");
}

static void
check_again (EgressMountpointSpec *spec, gboolean string_ids)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (EgressMountpointSpec) again = NULL;
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *text = NULL, *other = NULL;

  egress_mountpoint_spec_set_id (spec, spec->id != NULL ? spec->id : "1");
  text = write_out (spec);
  if (!json_parser_load_from_data (parser, text, -1, &error))
    g_error ("%s", error->message);
  again = egress_mountpoint_spec_from_json (
      json_node_get_object (json_parser_get_root (parser)), string_ids, &error);
  if (again == NULL)
    {
      /* its defaults may have made it too long to keep */
      if (strlen (text) <= EGRESS_MOUNTPOINT_MAX_BYTES)
        g_error ("%s: %s", error->message, text);
      return;
    }
  other = write_out (again);
  if (strcmp (text, other) != 0)
    g_error ("%s became %s", text, other);
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autoptr (JsonParser) parser = json_parser_new ();

  if (!json_parser_load_from_data (parser, (const char *)data, (gssize)len,
                                   NULL)
      || json_parser_get_root (parser) == NULL
      || !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
    return 0;
  for (guint string_ids = 0; string_ids < 2; string_ids++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (EgressMountpointSpec) spec = egress_mountpoint_spec_parse (
          json_node_get_object (json_parser_get_root (parser)), string_ids != 0,
          &error);
      if ((spec == NULL) == (error == NULL))
        g_error ("neither a mountpoint nor an error");
      if (spec == NULL)
        continue;
      for (guint i = 0; i < RTC_MEDIA_N_KINDS; i++)
        check_media (&spec->media[i]);
      check_again (spec, string_ids != 0);
    }
  return 0;
}
