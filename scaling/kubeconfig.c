/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/kubeconfig: see kubeconfig.h. */
#include "scaling/kubeconfig.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <yaml.h>

G_DEFINE_QUARK (scaling - kubeconfig - error - quark, scaling_kubeconfig_error)

#define MAX_ENTRIES 1024 /* of one list or mapping that is looked through */
#define MAX_FLOW_DEPTH 64

void
scaling_kube_access_free (ScalingKubeAccess *self)
{
  g_free (self->server);
  g_free (self->name_space);
  g_free (self->ca_pem);
  g_free (self->ca_path);
  g_free (self->certificate_pem);
  g_free (self->certificate_path);
  g_free (self->key_pem);
  g_free (self->key_path);
  g_free (self->token);
  g_free (self->token_path);
  g_free (self);
}

static void fail (GError **error, ScalingKubeconfigError code,
                  const char *format, ...) G_GNUC_PRINTF (3, 4);

static void
fail (GError **error, ScalingKubeconfigError code, const char *format, ...)
{
  va_list args;

  if (error == NULL)
    return;
  va_start (args, format);
  *error = g_error_new_valist (SCALING_KUBECONFIG_ERROR, code, format, args);
  va_end (args);
}

/* --- YAML ---------------------------------------------------------------- */

/* Aliases are references to nodes: nothing is expanded, nothing recurses. */
static yaml_node_t *
get (yaml_document_t *document, yaml_node_t *node, const char *key)
{
  yaml_node_pair_t *pair;

  if (node == NULL || node->type != YAML_MAPPING_NODE)
    return NULL;
  for (pair = node->data.mapping.pairs.start;
       pair < node->data.mapping.pairs.top
       && pair - node->data.mapping.pairs.start < MAX_ENTRIES;
       pair++)
    {
      yaml_node_t *name = yaml_document_get_node (document, pair->key);

      if (name != NULL && name->type == YAML_SCALAR_NODE
          && g_strcmp0 ((const char *)name->data.scalar.value, key) == 0)
        return yaml_document_get_node (document, pair->value);
    }
  return NULL;
}

/* (transfer full) (nullable): a scalar that is text and not empty */
static char *
dup_text (yaml_document_t *document, yaml_node_t *node, const char *key)
{
  yaml_node_t *value = get (document, node, key);
  const char *text;

  if (value == NULL || value->type != YAML_SCALAR_NODE
      || value->data.scalar.length == 0)
    return NULL;
  text = (const char *)value->data.scalar.value;
  if (strlen (text) != value->data.scalar.length
      || !g_utf8_validate (text, -1, NULL) || g_str_equal (text, "null")
      || g_str_equal (text, "~"))
    return NULL;
  return g_strdup (text);
}

/* [{name: …, inner: {…}}]: the inner mapping of @name */
static yaml_node_t *
find_named (yaml_document_t *document, const char *list, const char *name,
            const char *inner)
{
  yaml_node_t *root = yaml_document_get_root_node (document);
  yaml_node_t *sequence = get (document, root, list);
  yaml_node_item_t *item;

  if (sequence == NULL || sequence->type != YAML_SEQUENCE_NODE)
    return NULL;
  for (item = sequence->data.sequence.items.start;
       item < sequence->data.sequence.items.top
       && item - sequence->data.sequence.items.start < MAX_ENTRIES;
       item++)
    {
      yaml_node_t *entry = yaml_document_get_node (document, *item);
      g_autofree char *entry_name = dup_text (document, entry, "name");

      if (g_strcmp0 (entry_name, name) == 0)
        return get (document, entry, inner);
    }
  return NULL;
}

/* --- what is taken ------------------------------------------------------- */

static gboolean
refuse_keys (yaml_document_t *document, yaml_node_t *node,
             const char *const *keys, GError **error)
{
  for (; *keys != NULL; keys++)
    {
      g_autofree char *text = dup_text (document, node, *keys);
      yaml_node_t *value = get (document, node, *keys);

      if (value == NULL || g_strcmp0 (text, "false") == 0
          || (value->type == YAML_SCALAR_NODE && text == NULL))
        continue;
      fail (error, SCALING_KUBECONFIG_ERROR_UNSUPPORTED,
            "kubeconfig: \"%s\" is not supported", *keys);
      return FALSE;
    }
  return TRUE;
}

/* "x-data" (base64 of PEM) before "x" (a path), as kubectl has it */
static gboolean
take_pem (yaml_document_t *document, yaml_node_t *node, const char *key,
          const char *directory, char **ret_pem, char **ret_path,
          GError **error)
{
  g_autofree char *data_key = g_strconcat (key, "-data", NULL);
  g_autofree char *data = dup_text (document, node, data_key);
  g_autofree char *path = dup_text (document, node, key);
  g_autofree guchar *bytes = NULL;
  gsize n_bytes = 0;

  if (data == NULL)
    {
      if (path != NULL)
        *ret_path = g_canonicalize_filename (path, directory);
      return TRUE;
    }
  bytes = g_base64_decode (data, &n_bytes);
  if (n_bytes == 0 || memchr (bytes, '\0', n_bytes) != NULL
      || !g_utf8_validate_len ((const char *)bytes, n_bytes, NULL))
    {
      fail (error, SCALING_KUBECONFIG_ERROR_SYNTAX,
            "kubeconfig: \"%s\" is no PEM in base64", data_key);
      return FALSE;
    }
  *ret_pem = g_strndup ((const char *)bytes, n_bytes);
  return TRUE;
}

static gboolean
read_cluster (ScalingKubeAccess *self, yaml_document_t *document,
              const char *name, const char *directory, GError **error)
{
  static const char *const refused[] = { "insecure-skip-tls-verify",
                                         "tls-server-name", "proxy-url", NULL };
  yaml_node_t *node = find_named (document, "clusters", name, "cluster");

  self->server = dup_text (document, node, "server");
  if (self->server == NULL)
    {
      fail (error, SCALING_KUBECONFIG_ERROR_MISSING,
            "kubeconfig: no cluster \"%s\" with a server", name);
      return FALSE;
    }
  return refuse_keys (document, node, refused, error)
         && take_pem (document, node, "certificate-authority", directory,
                      &self->ca_pem, &self->ca_path, error);
}

static gboolean
read_user (ScalingKubeAccess *self, yaml_document_t *document, const char *name,
           const char *directory, GError **error)
{
  static const char *const refused[] = {
    "exec",   "auth-provider", "username",      "password", "as",
    "as-uid", "as-groups",     "as-user-extra", NULL
  };
  yaml_node_t *node = find_named (document, "users", name, "user");
  g_autofree char *path = NULL;

  if (node == NULL)
    {
      fail (error, SCALING_KUBECONFIG_ERROR_MISSING,
            "kubeconfig: no user \"%s\"", name);
      return FALSE;
    }
  if (!refuse_keys (document, node, refused, error)
      || !take_pem (document, node, "client-certificate", directory,
                    &self->certificate_pem, &self->certificate_path, error)
      || !take_pem (document, node, "client-key", directory, &self->key_pem,
                    &self->key_path, error))
    return FALSE;
  path = dup_text (document, node, "tokenFile");
  if (path != NULL)
    self->token_path = g_canonicalize_filename (path, directory);
  else
    self->token = dup_text (document, node, "token");
  if ((self->certificate_pem != NULL || self->certificate_path != NULL)
      == (self->key_pem != NULL || self->key_path != NULL))
    return TRUE;
  fail (error, SCALING_KUBECONFIG_ERROR_MISSING,
        "kubeconfig: user \"%s\" has a certificate without a key, or a key "
        "without a certificate",
        name);
  return FALSE;
}

static ScalingKubeAccess *
read_document (yaml_document_t *document, const char *directory, GError **error)
{
  g_autoptr (ScalingKubeAccess) self = g_new0 (ScalingKubeAccess, 1);
  yaml_node_t *root = yaml_document_get_root_node (document), *context;
  g_autofree char *name = dup_text (document, root, "current-context");
  g_autofree char *cluster = NULL, *user = NULL;

  context =
      name != NULL ? find_named (document, "contexts", name, "context") : NULL;
  cluster = dup_text (document, context, "cluster");
  user = dup_text (document, context, "user");
  if (cluster == NULL || user == NULL)
    {
      fail (error, SCALING_KUBECONFIG_ERROR_MISSING,
            "kubeconfig: no current-context that names a cluster and a user");
      return NULL;
    }
  self->name_space = dup_text (document, context, "namespace");
  if (!read_cluster (self, document, cluster, directory, error)
      || !read_user (self, document, user, directory, error))
    return NULL;
  return g_steal_pointer (&self);
}

/* libyaml takes time by the square of how deep brackets go. All of them are
 * counted, in quotes too: the texts that we take have none. */
static gboolean
is_shallow (const char *text, gsize n_bytes)
{
  guint depth = 0;

  for (gsize i = 0; i < n_bytes; i++)
    if (text[i] == '[' || text[i] == '{')
      {
        if (++depth > MAX_FLOW_DEPTH)
          return FALSE;
      }
    else if ((text[i] == ']' || text[i] == '}') && depth > 0)
      depth--;
  return TRUE;
}

ScalingKubeAccess *
scaling_kube_access_parse (const char *text, gsize n_bytes,
                           const char *directory, GError **error)
{
  ScalingKubeAccess *self = NULL;
  yaml_parser_t parser;
  yaml_document_t document;

  if (n_bytes > SCALING_KUBECONFIG_MAX_BYTES || !is_shallow (text, n_bytes)
      || !yaml_parser_initialize (&parser))
    {
      fail (error, SCALING_KUBECONFIG_ERROR_SYNTAX,
            "kubeconfig: larger than %d bytes, or brackets in brackets more "
            "than %d deep",
            SCALING_KUBECONFIG_MAX_BYTES, MAX_FLOW_DEPTH);
      return NULL;
    }
  yaml_parser_set_input_string (&parser, (const unsigned char *)text, n_bytes);
  if (!yaml_parser_load (&parser, &document))
    fail (error, SCALING_KUBECONFIG_ERROR_SYNTAX, "kubeconfig: line %d: %s",
          (int)parser.problem_mark.line + 1, parser.problem ?: "no YAML");
  else
    {
      self = read_document (&document, directory, error);
      yaml_document_delete (&document);
    }
  yaml_parser_delete (&parser);
  return self;
}

/* --- files --------------------------------------------------------------- */

static char *
load (const char *path, gsize *ret_n_bytes, GError **error)
{
  g_autoptr (GError) cause = NULL;
  char *text = NULL;

  if (!g_file_get_contents (path, &text, ret_n_bytes, &cause))
    fail (error, SCALING_KUBECONFIG_ERROR_FILE, "%s", cause->message);
  return text;
}

ScalingKubeAccess *
scaling_kube_access_load (const char *path, GError **error)
{
  g_autofree char *directory = g_path_get_dirname (path);
  gsize n_bytes = 0;
  g_autofree char *text = load (path, &n_bytes, error);

  return text != NULL
             ? scaling_kube_access_parse (text, n_bytes, directory, error)
             : NULL;
}

ScalingKubeAccess *
scaling_kube_access_in_cluster (const char *const *env, const char *directory,
                                GError **error)
{
  const char *host = g_environ_getenv ((char **)env, "KUBERNETES_SERVICE_HOST");
  const char *port = g_environ_getenv ((char **)env, "KUBERNETES_SERVICE_PORT");
  g_autofree char *path = g_build_filename (directory, "namespace", NULL);
  g_autofree char *name_space = NULL;
  ScalingKubeAccess *self;

  if (host == NULL || port == NULL)
    {
      fail (error, SCALING_KUBECONFIG_ERROR_MISSING,
            "this runs in no Pod (KUBERNETES_SERVICE_HOST and _PORT are not "
            "there): give a kubeconfig");
      return NULL;
    }
  name_space = load (path, NULL, error);
  if (name_space == NULL)
    return NULL;
  self = g_new0 (ScalingKubeAccess, 1);
  self->server = g_strdup_printf (strchr (host, ':') != NULL ? "https://[%s]:%s"
                                                             : "https://%s:%s",
                                  host, port);
  self->name_space = g_strdup (g_strstrip (name_space));
  self->ca_path = g_build_filename (directory, "ca.crt", NULL);
  self->token_path = g_build_filename (directory, "token", NULL);
  return self;
}

static void
close_fd (gpointer data)
{
  close (GPOINTER_TO_INT (data));
}

/* GLib reads authorities from files alone, and again for each credential: one
 * that has no name, and stays as long as they do. */
static GTlsDatabase *
open_pem (const char *pem, GError **error)
{
  int fd = memfd_create ("ca", MFD_CLOEXEC);
  gsize n_bytes = strlen (pem);
  GTlsDatabase *database = NULL;
  char path[40];

  g_snprintf (path, sizeof path, "/proc/self/fd/%d", fd);
  if (fd < 0 || write (fd, pem, n_bytes) != (ssize_t)n_bytes)
    fail (error, SCALING_KUBECONFIG_ERROR_FILE, "no memory for a certificate");
  else
    database = g_tls_file_database_new (path, error);
  if (database != NULL)
    g_object_set_data_full (G_OBJECT (database), "media-tree-fd",
                            GINT_TO_POINTER (fd), close_fd);
  else if (fd >= 0)
    close (fd);
  return database;
}

GTlsDatabase *
scaling_kube_access_open_ca (const ScalingKubeAccess *self, GError **error)
{
  if (self->ca_pem != NULL)
    return open_pem (self->ca_pem, error);
  return self->ca_path != NULL ? g_tls_file_database_new (self->ca_path, error)
                               : NULL;
}

GTlsCertificate *
scaling_kube_access_open_certificate (const ScalingKubeAccess *self,
                                      GError **error)
{
  g_autofree char *certificate = g_strdup (self->certificate_pem);
  g_autofree char *key = g_strdup (self->key_pem);
  g_autofree char *both = NULL;

  if (certificate == NULL && self->certificate_path == NULL)
    return NULL;
  if (certificate == NULL)
    certificate = load (self->certificate_path, NULL, error);
  if (certificate != NULL && key == NULL)
    key = load (self->key_path, NULL, error);
  if (certificate == NULL || key == NULL)
    return NULL;
  both = g_strconcat (certificate, "\n", key, NULL);
  return g_tls_certificate_new_from_pem (both, -1, error);
}
