/* SPDX-License-Identifier: Apache-2.0 */
/* base/http: replies, problems, CORS and checks that all surfaces share. */
#include "base/http.h"

#include <string.h>
#include <sys/random.h>

#define EXPOSED_HEADERS                                                        \
  "Location, ETag, Link, Accept-Post, Accept-Patch, Retry-After, Allow"
#define DEFAULT_REQUEST_HEADERS "Authorization, Content-Type, If-Match"
#define PREFLIGHT_MAX_AGE_S "86400"
#define ID_BYTES 16
#define HOP_KEY "media-tree-hop"
#define LOG_ID_KEY "media-tree-log-id"

static SoupMessageHeaders *
reply_headers (SoupServerMessage *msg)
{
  return soup_server_message_get_response_headers (msg);
}

static const char *
request_header (SoupServerMessage *msg, const char *name)
{
  return soup_message_headers_get_one (
      soup_server_message_get_request_headers (msg), name);
}

/* set_json: @root: (transfer none) */
static void
set_json (SoupServerMessage *msg, guint status, const char *content_type,
          JsonNode *root)
{
  char *text = json_to_string (root, FALSE);

  soup_server_message_set_status (msg, status, NULL);
  soup_server_message_set_response (msg, content_type, SOUP_MEMORY_TAKE, text,
                                    strlen (text));
}

void
base_http_problem (SoupServerMessage *msg, guint status, const char *code,
                   const char *detail, ...)
{
  g_autoptr (JsonObject) object = json_object_new ();
  g_autoptr (JsonNode) root = json_node_new (JSON_NODE_OBJECT);
  g_autofree char *type = g_strconcat ("urn:media-tree:error:", code, NULL);
  g_autofree char *text = NULL, *valid = NULL;
  va_list args;

  va_start (args, detail);
  text = g_strdup_vprintf (detail, args);
  va_end (args);
  valid = g_utf8_make_valid (text, -1); /* it may quote the request */

  json_object_set_string_member (object, "type", type);
  json_object_set_string_member (object, "title",
                                 soup_status_get_phrase (status));
  json_object_set_int_member (object, "status", status);
  json_object_set_string_member (object, "detail", valid);
  json_node_set_object (root, object);

  set_json (msg, status, "application/problem+json", root);
  soup_message_headers_replace (reply_headers (msg), "Cache-Control",
                                "no-store");
  /* A page must be able to read why it was refused. */
  base_http_cors (msg);
}

void
base_http_retry_after (SoupServerMessage *msg, guint seconds)
{
  char text[16];

  g_snprintf (text, sizeof text, "%u", seconds);
  soup_message_headers_replace (reply_headers (msg), "Retry-After", text);
}

void
base_http_json (SoupServerMessage *msg, guint status, JsonNode *root)
{
  set_json (msg, status, "application/json", root);
  json_node_unref (root);
}

void
base_http_text (SoupServerMessage *msg, guint status, const char *content_type,
                const char *text)
{
  soup_server_message_set_status (msg, status, NULL);
  soup_server_message_set_response (msg, content_type, SOUP_MEMORY_COPY, text,
                                    strlen (text));
}

void
base_http_empty (SoupServerMessage *msg, guint status)
{
  soup_server_message_set_status (msg, status, NULL);
  soup_message_body_truncate (soup_server_message_get_response_body (msg));
  soup_message_headers_remove (reply_headers (msg), "Content-Type");
}

void
base_http_cors (SoupServerMessage *msg)
{
  SoupMessageHeaders *headers = reply_headers (msg);

  soup_message_headers_replace (headers, "Access-Control-Allow-Origin", "*");
  soup_message_headers_replace (headers, "Access-Control-Expose-Headers",
                                EXPOSED_HEADERS);
}

/* is_field_list: only what a list of field names is made of, so that an echo
 * can carry nothing else */
static gboolean
is_field_list (const char *text)
{
  if (strlen (text) > 512)
    return FALSE;
  for (; *text; text++)
    if (!g_ascii_isalnum (*text) && !strchr ("-_, ", *text))
      return FALSE;
  return TRUE;
}

void
base_http_preflight (SoupServerMessage *msg, const char *methods,
                     const char *accept_post)
{
  SoupMessageHeaders *headers = reply_headers (msg);
  const char *asked = request_header (msg, "Access-Control-Request-Headers");

  if (!asked || !*asked || !is_field_list (asked))
    asked = DEFAULT_REQUEST_HEADERS;
  base_http_empty (msg, SOUP_STATUS_OK);
  base_http_cors (msg);
  soup_message_headers_replace (headers, "Allow", methods);
  soup_message_headers_replace (headers, "Access-Control-Allow-Methods",
                                methods);
  soup_message_headers_replace (headers, "Access-Control-Allow-Headers", asked);
  soup_message_headers_replace (headers, "Access-Control-Max-Age",
                                PREFLIGHT_MAX_AGE_S);
  if (accept_post)
    soup_message_headers_replace (headers, "Accept-Post", accept_post);
}

gboolean
base_http_is_preflight (SoupServerMessage *msg)
{
  return g_str_equal (soup_server_message_get_method (msg), "OPTIONS")
         && request_header (msg, "Origin")
         && request_header (msg, "Access-Control-Request-Method");
}

gboolean
base_http_has_type (SoupServerMessage *msg, const char *type)
{
  const char *value = request_header (msg, "Content-Type");
  g_autofree char *bare = NULL;

  if (!value)
    return FALSE;
  bare = g_strndup (value, strcspn (value, ";"));
  return g_ascii_strcasecmp (g_strstrip (bare), type) == 0;
}

char *
base_http_dup_body (SoupServerMessage *msg, gsize max_bytes)
{
  SoupMessageBody *body = soup_server_message_get_request_body (msg);
  g_autoptr (GBytes) bytes = NULL;
  const char *data;
  gsize n_bytes = 0;

  if (body->length > 0 && (guint64)body->length > max_bytes)
    {
      base_http_problem (
          msg, SOUP_STATUS_REQUEST_ENTITY_TOO_LARGE, "body-too-large",
          "The body is larger than %" G_GSIZE_FORMAT " bytes.", max_bytes);
      return NULL;
    }
  bytes = soup_message_body_flatten (body);
  data = bytes ? g_bytes_get_data (bytes, &n_bytes) : NULL;
  if (n_bytes == 0)
    {
      base_http_problem (msg, SOUP_STATUS_BAD_REQUEST, "body-empty",
                         "This request needs a body.");
      return NULL;
    }
  if (memchr (data, '\0', n_bytes))
    {
      base_http_problem (msg, SOUP_STATUS_BAD_REQUEST, "body-has-nul",
                         "The body contains a NUL byte; text is expected.");
      return NULL;
    }
  return g_strndup (data, n_bytes);
}

char *
base_http_random_id (void)
{
  guint8 random[ID_BYTES];
  char *text;

  /* Up to 256 bytes come whole or not at all (getrandom(2)). */
  if (getrandom (random, sizeof random, 0) != sizeof random)
    g_error ("The kernel gives no random bytes");
  text = g_base64_encode (random, sizeof random);
  g_strdelimit (text, "+", '-');
  g_strdelimit (text, "/", '_');
  text[strcspn (text, "=")] = '\0';
  return text;
}

static gboolean
address_is_loopback (GInetAddress *address)
{
  const guint8 *bytes = g_inet_address_to_bytes (address);
  static const guint8 mapped[12] = { [10] = 0xff, [11] = 0xff };

  if (g_inet_address_get_is_loopback (address))
    return TRUE;
  return g_inet_address_get_family (address) == G_SOCKET_FAMILY_IPV6
         && memcmp (bytes, mapped, sizeof mapped) == 0 && bytes[12] == 127;
}

/* host_is_loopback: @host: a name or an address, IPv6 without brackets */
static gboolean
host_is_loopback (const char *host)
{
  g_autoptr (GInetAddress) address = NULL;

  if (g_ascii_strcasecmp (host, "localhost") == 0)
    return TRUE;
  address = g_inet_address_new_from_string (host);
  return address && address_is_loopback (address);
}

static gboolean
origin_is_loopback (const char *origin)
{
  g_autoptr (GUri) uri = g_uri_parse (origin, G_URI_FLAGS_NONE, NULL);
  const char *host = uri ? g_uri_get_host (uri) : NULL;

  return host && host_is_loopback (host);
}

gboolean
base_http_peer_is_loopback (SoupServerMessage *msg)
{
  GSocketAddress *peer = soup_server_message_get_remote_address (msg);
  const char *host = request_header (msg, "Host");
  const char *origin = request_header (msg, "Origin");
  g_autofree char *host_origin = NULL;

  if (!peer || !G_IS_INET_SOCKET_ADDRESS (peer)
      || !address_is_loopback (
          g_inet_socket_address_get_address (G_INET_SOCKET_ADDRESS (peer))))
    return FALSE;
  if (request_header (msg, "Forwarded")
      || request_header (msg, "X-Forwarded-For"))
    return FALSE;
  if (!host || strpbrk (host, "/@?#"))
    return FALSE;
  host_origin = g_strconcat ("http://", host, "/", NULL);
  if (!origin_is_loopback (host_origin))
    return FALSE;
  /* "null" is what a sandboxed frame of any page sends: not loopback. */
  return !origin || origin_is_loopback (origin)
         || (base_http_get_hop (msg) > 0 && g_str_equal (origin, "null"));
}

GSocket *
base_http_get_socket (SoupServerMessage *msg)
{
  GSocketAddress *remote = soup_server_message_get_remote_address (msg);
  GSocket *socket =
      remote ? g_object_get_data (G_OBJECT (remote), BASE_HTTP_SOCKET_KEY)
             : NULL;

  return socket ? socket : soup_server_message_get_socket (msg);
}

guint
base_http_get_hop (SoupServerMessage *msg)
{
  return GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (msg), HOP_KEY));
}

void
base_http_set_hop (SoupServerMessage *msg, guint hop)
{
  g_object_set_data (G_OBJECT (msg), HOP_KEY, GUINT_TO_POINTER (hop));
}

const char *
base_http_get_log_id (SoupServerMessage *msg)
{
  return g_object_get_data (G_OBJECT (msg), LOG_ID_KEY);
}

void
base_http_set_log_id (SoupServerMessage *msg, const char *id)
{
  g_object_set_data_full (G_OBJECT (msg), LOG_ID_KEY,
                          g_strndup (id, BASE_HTTP_LOG_ID_CHARS), g_free);
}
