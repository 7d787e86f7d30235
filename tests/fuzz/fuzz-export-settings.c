/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes the JSON of the exporters' settings, and what CloudWatch answers: what
 * is taken makes bodies and URLs within their limits. */
#include <stdint.h>
#include <string.h>

#include "scaling/cloudwatch-calls.h"
#include "scaling/cloudwatch-error.h"
#include "scaling/export-mapping.h"
#include "scaling/export-push.h"

static void
check_mapping (const char *text)
{
  g_autoptr (ScalingExportMapping) mapping =
      scaling_export_mapping_new (text, NULL);
  const ScalingKey *keys;
  guint n;

  keys = scaling_key_list (&n);
  for (guint i = 0; mapping && i < n; i++)
    {
      const ScalingExportName *name =
          scaling_export_mapping_get (mapping, &keys[i]);

      if (!name)
        continue;
      if (strspn (name->prometheus,
                  G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_:")
              != strlen (name->prometheus)
          || !*name->prometheus || g_ascii_isdigit (*name->prometheus))
        g_error ("a name \"%s\"", name->prometheus);
      if (strlen (name->cloudwatch) > SCALING_EXPORT_NAME_MAX_CHARS)
        g_error ("a long name");
      if (!(name->factor > 0))
        g_error ("a factor of %f", name->factor);
    }
}

static void
check_push (const char *text)
{
  g_autoptr (ScalingExportMapping) mapping =
      scaling_export_mapping_new (NULL, NULL);
  ScalingExportPushConfig config = { .url = "http://127.0.0.1",
                                     .job = "j",
                                     .grouping_json = text,
                                     .timeout_us = G_USEC_PER_SEC,
                                     .mapping = mapping };
  g_autoptr (ScalingExportPush) push = scaling_export_push_new (&config, NULL);
  g_autoptr (GUri) uri = NULL;

  if (!push)
    return;
  uri = g_uri_parse (scaling_export_push_get_url (push), G_URI_FLAGS_ENCODED,
                     NULL);
  if (!uri || strcmp (g_uri_get_host (uri), "127.0.0.1") != 0
      || g_uri_get_query (uri) || strstr (g_uri_get_path (uri), "//"))
    g_error ("a URL %s", scaling_export_push_get_url (push));
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autofree char *text = g_strndup ((const char *)data, len);
  g_autoptr (GPtrArray) dimensions =
      scaling_cloudwatch_read_dimensions (text, NULL);
  gboolean has_expired;
  g_autoptr (GError) error =
      scaling_cloudwatch_error_new (400, (const char *)data, len, &has_expired);

  if (!g_utf8_validate (error->message, -1, NULL)
      || strchr (error->message, '\n'))
    g_error ("a message that is no line");
  if (dimensions && dimensions->len > SCALING_CLOUDWATCH_MAX_DIMENSIONS)
    g_error ("%u dimensions", dimensions->len);
  check_mapping (text);
  check_push (text);
  return 0;
}
