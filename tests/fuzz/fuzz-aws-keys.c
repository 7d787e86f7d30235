/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes what AWS's credentials are read from: JSON of the container's endpoint
 * and of EC2's metadata, and profiles' files. What is taken may stand in a
 * header. */
#include <stdint.h>
#include <string.h>

#include "scaling/aws-keys.h"

static void
check_text (const char *text, gsize max_chars)
{
  if (!*text || strlen (text) > max_chars)
    g_error ("a text of %zu bytes", strlen (text));
  for (; *text; text++)
    if (!g_ascii_isgraph (*text))
      g_error ("a text with %d", *text);
}

/* check: @keys: (transfer full) (nullable); @error: (transfer full) */
static gboolean
check (ScalingAwsKeys *keys, GError *error)
{
  if (keys && error)
    g_error ("both");
  if (error && !g_utf8_validate (error->message, -1, NULL))
    g_error ("a message that is no text");
  g_clear_error (&error);
  if (!keys)
    return FALSE;
  check_text (keys->access_key, SCALING_AWS_KEY_MAX_CHARS);
  check_text (keys->secret_key, SCALING_AWS_KEY_MAX_CHARS);
  if (keys->session_token)
    check_text (keys->session_token, SCALING_AWS_TOKEN_MAX_CHARS);
  scaling_aws_keys_free (keys);
  return TRUE;
}

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  const char *text = (const char *)data;
  GError *error = NULL;
  ScalingAwsKeys *keys = scaling_aws_keys_from_json (text, len, &error);

  if (!keys && !error)
    g_error ("neither");
  check (keys, error);
  for (int is_config = 0; is_config <= 1; is_config++)
    {
      error = NULL;
      keys = scaling_aws_keys_from_profile (text, len, "default", is_config,
                                            &error);
      check (keys, error);
    }
  return 0;
}
