/* SPDX-License-Identifier: Apache-2.0 */
/* `message` and `trickle`: what the core checks before the plugin sees it. */
#include "egress/janus-private.h"

#include <string.h>

/* --- message ----------------------------------------------------------------
 */

/* has_line: a line of @sdp begins with @start */
static gboolean
has_line (const char *sdp, char letter)
{
  const char start[] = { '\n', letter, '=', '\0' };

  return strstr (sdp, start) != NULL;
}

static gboolean
check_sdp (EgressJanusReply *call, const char *sdp)
{
  if (!g_str_has_prefix (sdp, "v="))
    janus_reply_fail (call, EGRESS_JANUS_INVALID_SDP,
                      "Invalid SDP (doesn't start with v=)");
  else if (!has_line (sdp, 'o') || !has_line (sdp, 's') || !has_line (sdp, 'm'))
    janus_reply_fail (call, EGRESS_JANUS_INVALID_SDP,
                      "Missing mandatory lines (o=, s= or m=)");
  else
    return TRUE;
  return FALSE;
}

/* check_jsep: fills @ret_jsep; %FALSE: answered */
static gboolean
check_jsep (EgressJanusReply *call, JsonNode *node, EgressJanusJsep *ret_jsep)
{
  static const EgressJanusParam params[] = {
    { "type", EGRESS_JANUS_STRING, TRUE },
    { "sdp", EGRESS_JANUS_STRING, TRUE },
    { "trickle", EGRESS_JANUS_BOOLEAN, FALSE },
    { "rid_order", EGRESS_JANUS_STRING, FALSE },
    { "e2ee", EGRESS_JANUS_BOOLEAN, FALSE },
  };
  g_autofree char *text = NULL;
  EgressJanusParamsResult result;
  const char *type;
  JsonObject *jsep;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    {
      janus_reply_fail (call, EGRESS_JANUS_NOT_AN_OBJECT,
                        "Invalid jsep object");
      return FALSE;
    }
  jsep = json_node_get_object (node);
  result =
      egress_janus_params_check (jsep, params, G_N_ELEMENTS (params), &text);
  if (result != EGRESS_JANUS_PARAMS_OK)
    {
      *text = g_ascii_tolower (*text);
      janus_reply_fail (call,
                        result == EGRESS_JANUS_PARAMS_MISSING
                            ? EGRESS_JANUS_MISSING_ELEMENT
                            : EGRESS_JANUS_INVALID_ELEMENT,
                        "JSEP error: %s", text);
      return FALSE;
    }
  type = egress_janus_get_string (jsep, "type");
  ret_jsep->is_offer = g_ascii_strcasecmp (type, "offer") == 0;
  ret_jsep->has_trickle = egress_janus_get_bool (jsep, "trickle", TRUE);
  ret_jsep->sdp = egress_janus_get_string (jsep, "sdp");
  if (!ret_jsep->is_offer && g_ascii_strcasecmp (type, "answer") != 0)
    {
      janus_reply_fail (call, EGRESS_JANUS_JSEP_TYPE,
                        "JSEP error: unknown message type '%s'", type);
      return FALSE;
    }
  return check_sdp (call, ret_jsep->sdp);
}

void
janus_do_message (EgressJanusReply *call, EgressJanusHandle *handle,
                  JsonObject *request, gboolean is_loopback, const char *jwt)
{
  static const EgressJanusParam params[] = { { "body", EGRESS_JANUS_OBJECT,
                                               TRUE } };
  JsonNode *node = json_object_get_member (request, "jsep");
  EgressJanusJsep jsep = { 0 };

  if (!janus_reply_check (call, request, params, G_N_ELEMENTS (params)))
    return;
  if (node && !check_jsep (call, node, &jsep))
    return;
  janus_reply_wait (call, &handle->open);
  call->core->plugin->message (handle->state,
                               json_object_get_object_member (request, "body"),
                               node ? &jsep : NULL, is_loopback, jwt, call);
}

/* --- trickle
 * ------------------------------------------------------------------ */

/* candidate_error: (transfer none) (nullable): what is wrong with @node */
static const char *
candidate_error (JsonNode *node, EgressJanusCode *ret_code)
{
  JsonObject *object;
  JsonNode *mid, *line, *text;

  *ret_code = EGRESS_JANUS_INVALID_ELEMENT;
  if (!JSON_NODE_HOLDS_OBJECT (node))
    return NULL; /* null: there are no more */
  object = json_node_get_object (node);
  if (json_object_has_member (object, "completed"))
    return NULL;
  mid = json_object_get_member (object, "sdpMid");
  if (mid && !egress_janus_get_string (object, "sdpMid"))
    return "Trickle error: invalid element type (sdpMid should be a string)";
  line = json_object_get_member (object, "sdpMLineIndex");
  if (line && egress_janus_get_int (object, "sdpMLineIndex", -1) < 0)
    return "Trickle error: invalid element type (sdpMLineIndex should be a "
           "positive integer)";
  text = json_object_get_member (object, "candidate");
  if (text && !egress_janus_get_string (object, "candidate"))
    return "Trickle error: invalid element type (candidate should be a "
           "string)";
  *ret_code = EGRESS_JANUS_MISSING_ELEMENT;
  if (!mid && !line)
    return "Trickle error: missing mandatory element (sdpMid or "
           "sdpMLineIndex)";
  return text ? NULL : "Trickle error: missing mandatory element (candidate)";
}

/* check_candidates: of a handle with a connection; without, Janus keeps them
 * unread. %FALSE: answered */
static gboolean
check_candidates (EgressJanusReply *call, JsonNode *one, JsonNode *many)
{
  g_autoptr (GList) list = NULL;
  EgressJanusCode code;
  const char *error = NULL;

  if (many && !JSON_NODE_HOLDS_ARRAY (many))
    {
      janus_reply_fail (call, EGRESS_JANUS_INVALID_ELEMENT,
                        "candidates is not an array");
      return FALSE;
    }
  if (many)
    list = json_array_get_elements (json_node_get_array (many));
  else
    list = g_list_append (NULL, one);
  for (GList *l = list; l && !error; l = l->next)
    error = candidate_error (l->data, &code);
  if (error)
    janus_reply_fail (call, code, "%s", error);
  return error == NULL;
}

void
janus_do_trickle (EgressJanusReply *call, EgressJanusHandle *handle,
                  JsonObject *request)
{
  JsonNode *one = json_object_get_member (request, "candidate");
  JsonNode *many = json_object_get_member (request, "candidates");

  if (!one && !many)
    janus_reply_fail (call, EGRESS_JANUS_MISSING_ELEMENT,
                      "Missing mandatory element (candidate|candidates)");
  else if (one && many)
    janus_reply_fail (call, EGRESS_JANUS_INVALID_JSON,
                      "Can't have both candidate and candidates");
  else if (!call->core->plugin->has_peer (handle->state)
           || check_candidates (call, one, many))
    egress_janus_reply_ack (call);
}
