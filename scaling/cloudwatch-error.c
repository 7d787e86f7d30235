/* SPDX-License-Identifier: Apache-2.0 */
/* scaling/cloudwatch-error: see cloudwatch-error.h. */
#include "scaling/cloudwatch-error.h"

#include <string.h>

#include "scaling/export-error.h"

#define WORD_MAX_CHARS 200

static const char *const away_codes[] = { "Throttling",
                                          "ThrottlingException",
                                          "ThrottledException",
                                          "RequestThrottled",
                                          "RequestThrottledException",
                                          "TooManyRequestsException",
                                          "RequestLimitExceeded",
                                          "BandwidthLimitExceeded",
                                          "LimitExceeded",
                                          "LimitExceededException",
                                          "SlowDown",
                                          "PriorRequestNotComplete",
                                          "RequestTimeout",
                                          "RequestTimeoutException",
                                          "InternalFailure",
                                          "InternalServiceFault",
                                          "InternalServiceError",
                                          "ServiceUnavailable",
                                          NULL };
/* other keys, or the same ones signed at another time, may do */
static const char *const expired_codes[] = {
  "ExpiredToken",         "ExpiredTokenException",       "RequestExpired",
  "InvalidClientTokenId", "UnrecognizedClientException", NULL
};

typedef struct
{
  GString *code, *message; /* owned */
  GString *into;           /* one of them, or NULL */
} Said;

static void
on_begin (GMarkupParseContext *context, const char *name, const char **names,
          const char **values, gpointer data, GError **error)
{
  Said *said = data;

  said->into = strcmp (name, "Code") == 0      ? said->code
               : strcmp (name, "Message") == 0 ? said->message
                                               : NULL;
}

static void
on_end (GMarkupParseContext *context, const char *name, gpointer data,
        GError **error)
{
  Said *said = data;

  said->into = NULL;
}

static void
on_text (GMarkupParseContext *context, const char *text, gsize n_bytes,
         gpointer data, GError **error)
{
  Said *said = data;

  if (said->into && said->into->len < WORD_MAX_CHARS)
    g_string_append_len (
        said->into, text,
        (gssize)MIN (n_bytes, WORD_MAX_CHARS - said->into->len));
}

GError *
scaling_cloudwatch_error_new (guint status, const char *body, gsize n_bytes,
                              gboolean *ret_has_expired)
{
  static const GMarkupParser parser = { .start_element = on_begin,
                                        .end_element = on_end,
                                        .text = on_text };
  Said said = { g_string_new (NULL), g_string_new (NULL), NULL };
  GMarkupParseContext *context =
      g_markup_parse_context_new (&parser, 0, &said, NULL);
  g_autofree char *code = NULL, *valid = NULL, *message = NULL;
  int kind = SCALING_EXPORT_ERROR_REFUSED;

  /* what could be read of it is enough */
  g_markup_parse_context_parse (context, body, (gssize)n_bytes, NULL);
  g_markup_parse_context_free (context);
  valid = g_utf8_make_valid (said.message->str, (gssize)said.message->len);
  message = g_strescape (g_strstrip (valid), NULL);
  code = g_strescape (g_strstrip (said.code->str), NULL);
  *ret_has_expired = g_strv_contains (expired_codes, code);
  if (status >= 500 || status == 429 || status == 408
      || g_strv_contains (away_codes, code))
    kind = SCALING_EXPORT_ERROR_AWAY;
  else if (status == 401 || status == 403 || *ret_has_expired)
    kind = SCALING_EXPORT_ERROR_CREDENTIALS;
  g_string_free (said.code, TRUE);
  g_string_free (said.message, TRUE);
  return g_error_new (SCALING_EXPORT_ERROR, kind,
                      "CloudWatch answered %u%s%s%s%s", status,
                      *code ? " " : "", code, *message ? ": " : "", message);
}
