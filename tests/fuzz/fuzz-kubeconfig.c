/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzzes kubeconfig files: YAML to an access that has what is needed. */
#include <stdint.h>

#include "scaling/kubeconfig.h"

int
LLVMFuzzerTestOneInput (const uint8_t *data, size_t len)
{
  g_autofree char *text = g_strndup ((const char *)data, len);
  g_autoptr (GError) error = NULL;
  g_autoptr (ScalingKubeAccess) access =
      scaling_kube_access_parse (text, len, "/etc/kube", &error);

  if ((access == NULL) == (error == NULL))
    g_error ("neither an access nor an error");
  if (access == NULL)
    return 0;
  if (access->server == NULL
      || (access->ca_pem != NULL && access->ca_path != NULL)
      || (access->token != NULL && access->token_path != NULL)
      || (access->token_path != NULL && access->token_path[0] != '/')
      || !g_utf8_validate (access->server, -1, NULL))
    g_error ("an access that is none");
  return 0;
}
