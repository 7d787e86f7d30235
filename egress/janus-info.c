/* SPDX-License-Identifier: Apache-2.0 */
/* What `info` says of this server: the members that Janus's clients read. */
#include "egress/janus-private.h"

/* Clients choose their dialect by it: this is the Janus whose API is spoken. */
#define API_VERSION 1102
#define API_VERSION_STRING "1.1.2"

static JsonObject *
module (const char *name, const char *author, const char *description,
        const char *version_string, int version)
{
  JsonObject *object = json_object_new ();

  json_object_set_string_member (object, "name", name);
  json_object_set_string_member (object, "author", author);
  json_object_set_string_member (object, "description", description);
  json_object_set_string_member (object, "version_string", version_string);
  json_object_set_int_member (object, "version", version);
  return object;
}

static void
add_modules (EgressJanus *self, JsonObject *info)
{
  const EgressJanusPlugin *plugin = self->plugin;
  JsonObject *transports = json_object_new ();
  JsonObject *plugins = json_object_new ();

  json_object_set_object_member (transports, "janus.transport.http",
                                 module ("media-tree HTTP", "media-tree",
                                         "Requests and long polls", "1", 1));
  json_object_set_object_member (
      transports, "janus.transport.websockets",
      module ("media-tree WebSockets", "media-tree", "WebSockets", "1", 1));
  if (plugin)
    json_object_set_object_member (
        plugins, plugin->package,
        module (plugin->name, plugin->author, plugin->description,
                plugin->version_string, plugin->version));
  json_object_set_object_member (info, "transports", transports);
  json_object_set_object_member (info, "events", json_object_new ());
  json_object_set_object_member (info, "loggers", json_object_new ());
  json_object_set_object_member (info, "plugins", plugins);
}

JsonObject *
janus_server_info (EgressJanus *self, const char *transaction)
{
  const EgressJanusConfig *config = &self->config;
  JsonObject *info = janus_object ("server_info", 0, transaction);

  json_object_set_string_member (info, "name", "media-tree");
  json_object_set_int_member (info, "version", API_VERSION);
  json_object_set_string_member (info, "version_string", API_VERSION_STRING);
  json_object_set_string_member (info, "author", "media-tree");
  json_object_set_boolean_member (info, "data_channels", FALSE);
  json_object_set_boolean_member (info, "accepting-new-sessions",
                                  janus_is_accepting (self));
  json_object_set_int_member (info, "session-timeout",
                              config->session_timeout_s);
  json_object_set_int_member (info, "reclaim-session-timeout",
                              config->reclaim_timeout_s);
  /* an offer that is not answered */
  json_object_set_int_member (info, "candidates-timeout", 30);
  json_object_set_string_member (
      info, "server-name", config->server_name ? config->server_name : "");
  json_object_set_boolean_member (info, "ice-lite", TRUE);
  json_object_set_boolean_member (info, "full-trickle", FALSE);
  json_object_set_int_member (info, "slowlink-threshold",
                              config->slow_link_threshold);
  json_object_set_boolean_member (info, "api_secret",
                                  config->api_secret != NULL);
  json_object_set_boolean_member (info, "auth_token", config->token_auth);
  json_object_set_boolean_member (info, "event_handlers", FALSE);
  json_object_set_boolean_member (info, "opaqueid_in_api", FALSE);
  add_modules (self, info);
  return info;
}
