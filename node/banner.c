/* SPDX-License-Identifier: Apache-2.0 */
/* node/banner: see banner.h. */
#include "node/banner.h"

#include <stdio.h>

/* print_access: in words, who is served */
static void
print_access (const NodeParts *parts)
{
  gboolean publish = base_auth_is_open (parts->auth, BASE_AUTH_PUBLISH);
  gboolean watch = base_auth_is_open (parts->auth, BASE_AUTH_WATCH);

  if (publish && watch)
    {
      if (base_settings_get_bool (parts->settings, "insecure"))
        printf ("  --insecure:      whatever has no token is open to "
                "everybody\n");
      return;
    }
  printf ("  This machine only: %s from elsewhere %s refused, for no token "
          "is set.\n"
          "  Set --whip-token and --whep-token (or --insecure) to open it, "
          "and --http-listen\n  to be reached from other machines.\n",
          publish ? "watching"
          : watch ? "publishing"
                  : "publishing and "
                    "watching",
          publish || watch ? "is" : "are");
}

void
node_banner_print (const NodeParts *parts, const char *url)
{
  const char *token = base_settings_get_string (parts->settings, "whip-token");

  printf ("media-tree %s\n  Pages:           %s/\n", MEDIA_TREE_VERSION, url);
  if (parts->metrics_role)
    {
      printf ("  Metrics:         %s/metrics\n", url);
      fflush (stdout);
      return;
    }
  if (parts->whip)
    printf ("  OBS, WHIP:       %s/whip/live   Bearer Token: %s\n"
            "  From a browser:  %s/publish\n",
            url,
            token ? "that of --whip-token"
            : base_settings_get_string (parts->settings, "jwt-key")
                ? "a JSON Web Token"
                : "leave empty",
            url);
  if (parts->whep)
    printf ("  Watch:           %s/watch/live   (WHEP: %s/whep/live)\n", url,
            url);
  if (parts->janus)
    printf ("  Janus API:       %s/janus\n", url);
  print_access (parts);
  fflush (stdout);
}
