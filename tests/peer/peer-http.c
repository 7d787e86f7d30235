/* SPDX-License-Identifier: Apache-2.0 */
/* peer-http: see peer-http.h */
#include "tests/peer/peer-http.h"

#include <string.h>

#define MAX_REDIRECTS 3

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (PeerReply, peer_reply_clear)

/* (transfer full) (nullable): the first line "a=@name:VALUE" */
static char *
dup_attribute (char *const *lines, const char *name)
{
  g_autofree char *prefix = g_strdup_printf ("a=%s:", name);
  for (; *lines != NULL; lines++)
    if (g_str_has_prefix (*lines, prefix))
      return g_strchomp (g_strdup (*lines + strlen (prefix)));
  return NULL;
}

static void
take_candidate (char *const *lines, PeerAnswer *ret)
{
  for (; *lines != NULL && ret->address == NULL; lines++)
    {
      if (!g_str_has_prefix (*lines, "a=candidate:"))
        continue;
      g_auto (GStrv) words = g_strsplit (*lines, " ", -1);
      if (g_strv_length (words) < 8
          || g_ascii_strcasecmp (words[2], "udp") != 0)
        continue;
      ret->address = g_strdup (words[4]);
      ret->port = (guint)g_ascii_strtoull (words[5], NULL, 10);
    }
}

gboolean
peer_answer_parse (const char *sdp, PeerAnswer *ret)
{
  g_auto (GStrv) lines = g_strsplit (sdp, "\n", -1);
  g_autofree char *fingerprint = dup_attribute (lines, "fingerprint");
  char *space = fingerprint != NULL ? strchr (fingerprint, ' ') : NULL;

  *ret = (PeerAnswer){ 0 };
  ret->ufrag = dup_attribute (lines, "ice-ufrag");
  ret->pwd = dup_attribute (lines, "ice-pwd");
  ret->setup = dup_attribute (lines, "setup");
  take_candidate (lines, ret);
  if (space != NULL)
    {
      ret->hash = g_strndup (fingerprint, space - fingerprint);
      ret->fingerprint = g_strdup (space + 1);
    }
  return ret->ufrag && ret->pwd && ret->setup && ret->address
         && ret->fingerprint;
}

void
peer_answer_clear (PeerAnswer *self)
{
  g_free (self->ufrag);
  g_free (self->pwd);
  g_free (self->hash);
  g_free (self->fingerprint);
  g_free (self->setup);
  g_free (self->address);
  *self = (PeerAnswer){ 0 };
}

void
peer_reply_clear (PeerReply *self)
{
  g_free (self->location);
  g_free (self->etag);
  g_free (self->body);
  *self = (PeerReply){ 0 };
}

static SoupMessage *
make_message (const char *method, const char *url, const char *token,
              const char *body)
{
  SoupMessage *msg = soup_message_new (method, url);
  if (msg == NULL)
    g_error ("bad URL %s", url);
  SoupMessageHeaders *headers = soup_message_get_request_headers (msg);
  if (token != NULL)
    {
      g_autofree char *value = g_strdup_printf ("Bearer %s", token);
      soup_message_headers_replace (headers, "Authorization", value);
    }
  if (body != NULL)
    {
      g_autoptr (GBytes) bytes = g_bytes_new (body, strlen (body));
      soup_message_set_request_body_from_bytes (msg, "application/sdp", bytes);
    }
  return msg;
}

static void
take_reply (SoupMessage *msg, GBytes *bytes, PeerReply *ret)
{
  SoupMessageHeaders *headers = soup_message_get_response_headers (msg);
  const char *location = soup_message_headers_get_one (headers, "Location");

  *ret = (PeerReply){ 0 };
  if (bytes == NULL)
    return;
  ret->status = soup_message_get_status (msg);
  ret->etag = g_strdup (soup_message_headers_get_one (headers, "ETag"));
  ret->body =
      g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  if (location != NULL)
    {
      g_autoptr (GUri) uri = g_uri_parse_relative (
          soup_message_get_uri (msg), location, SOUP_HTTP_URI_FLAGS, NULL);
      ret->location = uri != NULL ? g_uri_to_string (uri) : NULL;
    }
}

static void
send_once (SoupSession *session, const char *method, const char *url,
           const char *token, const char *body, PeerReply *ret)
{
  g_autoptr (SoupMessage) msg = make_message (method, url, token, body);
  g_autoptr (GBytes) bytes =
      soup_session_send_and_read (session, msg, NULL, NULL);
  take_reply (msg, bytes, ret);
}

void
peer_http_send (SoupSession *session, const char *method, const char *url,
                const char *token, const char *body, PeerReply *ret)
{
  send_once (session, method, url, token, body, ret);
  /* libsoup would follow for GET only */
  for (guint i = 0; i < MAX_REDIRECTS; i++)
    {
      g_auto (PeerReply) redirect = *ret;

      if ((redirect.status != 307 && redirect.status != 308)
          || redirect.location == NULL)
        {
          redirect = (PeerReply){ 0 };
          return;
        }
      send_once (session, method, redirect.location, token, body, ret);
    }
}

typedef struct
{
  SoupMessage *msg; /* owned */
  PeerReplyFunc func;
  gpointer user_data;
} Pending;

static void
on_sent (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autofree Pending *pending = data;
  g_autoptr (GBytes) bytes =
      soup_session_send_and_read_finish (SOUP_SESSION (source), result, NULL);
  PeerReply reply;
  take_reply (pending->msg, bytes, &reply);
  g_object_unref (pending->msg);
  pending->func (&reply, pending->user_data);
}

void
peer_http_send_async (SoupSession *session, const char *method, const char *url,
                      const char *token, const char *body, PeerReplyFunc func,
                      gpointer user_data)
{
  Pending *pending = g_new0 (Pending, 1);
  pending->msg = make_message (method, url, token, body);
  pending->func = func;
  pending->user_data = user_data;
  soup_session_send_and_read_async (session, pending->msg, G_PRIORITY_DEFAULT,
                                    NULL, on_sent, pending);
}

char *
peer_sdp_personalize (const char *sdp, const char *ufrag, const char *pwd,
                      const char *fingerprint, const char *setup)
{
  const struct
  {
    const char *prefix, *value;
  } lines[] = {
    { "a=ice-ufrag:", ufrag },
    { "a=ice-pwd:", pwd },
    { "a=fingerprint:", fingerprint },
    { "a=setup:", setup },
  };
  GString *out = g_string_new (NULL);
  for (const char *at = sdp; *at != '\0';)
    {
      const char *end = at + strcspn (at, "\r\n");
      const char *next = end + strspn (end, "\r\n");
      const char *value = NULL;
      for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
        if (lines[i].value != NULL && g_str_has_prefix (at, lines[i].prefix))
          {
            g_string_append (out, lines[i].prefix);
            value = lines[i].value;
          }
      if (value != NULL)
        g_string_append (out, value);
      else
        g_string_append_len (out, at, end - at);
      g_string_append_len (out, end, next - end);
      at = next;
    }
  return g_string_free (out, FALSE);
}
