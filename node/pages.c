/* SPDX-License-Identifier: Apache-2.0 */
/* node/pages: serves what node/web has. */
#include "node/pages.h"

#include <string.h>

#include "base/http.h"
#include "base/signaling.h"
#include "node-resources.h"

#define RESOURCES "/media-tree/web/"
#define HTML "text/html; charset=utf-8"
#define SCRIPT "text/javascript; charset=utf-8"

/* blob: is for snapshots that were fetched with a token */
#define POLICY                                                                 \
  "default-src 'none'; script-src 'self'; style-src 'self'; "                  \
  "img-src 'self' blob:; media-src 'self' blob:; connect-src 'self'%s; "       \
  "base-uri 'none'; form-action 'none'; frame-ancestors %s"
/* A redirect to another node is followed only where the policy lets it. */
#define OTHER_NODES " http: https:"

typedef enum
{
  PAGE_EMBEDDABLE = 1 << 0, /* other sites may frame it */
  PAGE_CAPTURES = 1 << 1,   /* asks for camera and microphone */
  PAGE_SHARED = 1 << 2,     /* other sites may import it */
} PageFlags;

typedef struct
{
  const char *path; /* with a slash at its end: followed by a stream's name */
  const char *resource;
  const char *type;
  PageFlags flags;
} PageSpec;

static const PageSpec specs[] = {
  { "/", "index.html", HTML, 0 },
  { "/watch/", "watch.html", HTML, PAGE_EMBEDDABLE },
  { "/publish", "publish.html", HTML, PAGE_CAPTURES },
  { "/tree", "tree.html", HTML, 0 },
  { "/app.css", "app.css", "text/css; charset=utf-8", 0 },
  { "/tree.css", "tree.css", "text/css; charset=utf-8", 0 },
  { "/icon.svg", "icon.svg", "image/svg+xml", 0 },
  { "/common.js", "common.js", SCRIPT, 0 },
  { "/index.js", "index.js", SCRIPT, 0 },
  { "/watch.js", "watch.js", SCRIPT, 0 },
  { "/publish.js", "publish.js", SCRIPT, 0 },
  { "/tree.js", "tree.js", SCRIPT, 0 },
  { "/tree-layout.js", "tree-layout.js", SCRIPT, 0 },
  { "/signaling.js", "signaling.js", SCRIPT, PAGE_SHARED },
  { "/whep.js", "whep.js", SCRIPT, PAGE_SHARED },
  { "/whip.js", "whip.js", SCRIPT, PAGE_SHARED },
  { "/api/openapi.yaml", "openapi.yaml", "application/yaml", PAGE_SHARED },
};

typedef struct
{
  GBytes *bytes; /* owned */
  char *etag;    /* owned, with its quotes */
} Page;

struct _NodePages
{
  Page pages[G_N_ELEMENTS (specs)];
  gboolean has_cluster;
};

NodePages *
node_pages_new (gboolean has_cluster)
{
  NodePages *self = g_new0 (NodePages, 1);
  GResource *resource = node_get_resource ();

  self->has_cluster = has_cluster;
  for (guint i = 0; i < G_N_ELEMENTS (specs); i++)
    {
      g_autofree char *path = g_strconcat (RESOURCES, specs[i].resource, NULL);
      g_autofree char *sum = NULL;
      g_autoptr (GError) error = NULL;
      Page *page = &self->pages[i];

      page->bytes = g_resource_lookup_data (
          resource, path, G_RESOURCE_LOOKUP_FLAGS_NONE, &error);
      if (!page->bytes)
        g_error ("%s", error->message); /* built without it */
      sum = g_compute_checksum_for_bytes (G_CHECKSUM_SHA256, page->bytes);
      page->etag = g_strdup_printf ("\"%.32s\"", sum);
    }
  return self;
}

void
node_pages_free (NodePages *self)
{
  g_return_if_fail (self);
  for (guint i = 0; i < G_N_ELEMENTS (specs); i++)
    {
      g_bytes_unref (self->pages[i].bytes);
      g_free (self->pages[i].etag);
    }
  g_free (self);
}

static int
find (const char *path)
{
  for (guint i = 0; i < G_N_ELEMENTS (specs); i++)
    {
      gsize n_chars = strlen (specs[i].path);
      gboolean takes_name = n_chars > 1 && specs[i].path[n_chars - 1] == '/';

      if (g_str_equal (path, specs[i].path))
        return takes_name ? -1 : (int)i;
      if (takes_name && strncmp (path, specs[i].path, n_chars) == 0)
        return base_stream_name_is_valid (path + n_chars) ? (int)i : -1;
    }
  return -1;
}

static void
set_headers (NodePages *self, SoupMessageHeaders *headers, const PageSpec *spec,
             const char *etag)
{
  g_autofree char *policy = NULL;

  soup_message_headers_replace (headers, "ETag", etag);
  soup_message_headers_replace (headers, "Cache-Control", "no-cache");
  soup_message_headers_replace (headers, "X-Content-Type-Options", "nosniff");
  soup_message_headers_replace (headers, "Referrer-Policy", "no-referrer");
  if (spec->flags & PAGE_SHARED)
    soup_message_headers_replace (headers, "Access-Control-Allow-Origin", "*");
  if (!g_str_equal (spec->type, HTML))
    return;
  policy = g_strdup_printf (POLICY, self->has_cluster ? OTHER_NODES : "",
                            spec->flags & PAGE_EMBEDDABLE ? "*" : "'none'");
  soup_message_headers_replace (headers, "Content-Security-Policy", policy);
  soup_message_headers_replace (
      headers, "Permissions-Policy",
      spec->flags & PAGE_CAPTURES
          ? "camera=(self), microphone=(self), display-capture=(self)"
          : "camera=(), microphone=(), display-capture=()");
}

/* has_etag: @list: If-None-Match: "*" or a list of (weak) tags */
static gboolean
has_etag (const char *list, const char *etag)
{
  return list && (g_str_equal (list, "*") || strstr (list, etag));
}

gboolean
node_pages_handle (NodePages *self, SoupServerMessage *msg, const char *path)
{
  int i = find (path);
  const char *method = soup_server_message_get_method (msg);
  SoupMessageHeaders *request = soup_server_message_get_request_headers (msg);
  SoupMessageHeaders *reply = soup_server_message_get_response_headers (msg);
  gconstpointer data;
  gsize n_bytes;

  if (i < 0)
    return FALSE;
  if (!g_str_equal (method, "GET") && !g_str_equal (method, "HEAD"))
    {
      base_http_problem (msg, SOUP_STATUS_METHOD_NOT_ALLOWED,
                         "method-not-allowed", "This page can only be read.");
      soup_message_headers_replace (reply, "Allow", "GET, HEAD");
      return TRUE;
    }
  set_headers (self, reply, &specs[i], self->pages[i].etag);
  if (has_etag (soup_message_headers_get_list (request, "If-None-Match"),
                self->pages[i].etag))
    {
      soup_server_message_set_status (msg, SOUP_STATUS_NOT_MODIFIED, NULL);
      return TRUE;
    }
  data = g_bytes_get_data (self->pages[i].bytes, &n_bytes);
  soup_server_message_set_status (msg, SOUP_STATUS_OK, NULL);
  /* the resource is part of the program: never freed, never copied */
  soup_server_message_set_response (msg, specs[i].type, SOUP_MEMORY_STATIC,
                                    data, n_bytes);
  return TRUE;
}
