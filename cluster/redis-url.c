/* SPDX-License-Identifier: Apache-2.0 */
/* ClusterRedisUrl: by hand, since GUri knows no lists of hosts. */
#include "cluster/redis-url.h"

#include "cluster/store.h"

#include <string.h>

#define MAX_URL_CHARS 2048
#define REDIS_PORT 6379
#define SENTINEL_PORT 26379

static gboolean
fail (GError **error, const char *why)
{
  g_set_error (error, CLUSTER_ERROR, CLUSTER_ERROR_URL,
               "the Redis URL %s; it is redis://[user:password@]host[:port]"
               "[/db], rediss://… or sentinel://h1,h2,h3/name",
               why);
  return FALSE;
}

static void
host_free (gpointer data)
{
  ClusterRedisHost *host = data;

  g_free (host->host);
  g_free (host);
}

void
cluster_redis_url_free (ClusterRedisUrl *self)
{
  g_ptr_array_unref (self->hosts);
  g_free (self->user);
  g_free (self->password);
  g_free (self->sentinel_user);
  g_free (self->sentinel_password);
  g_free (self->master_name);
  g_free (self->tls_ca);
  g_free (self);
}

static gboolean
decode (const char *from, gsize n, char **ret, const char *what, GError **error)
{
  g_autofree char *why = NULL;

  g_free (*ret);
  *ret = g_uri_unescape_segment (from, from + n, NULL);
  if (*ret != NULL)
    return TRUE;
  why = g_strdup_printf ("has a broken %%-code in its %s", what);
  return fail (error, why);
}

static gboolean
parse_scheme (ClusterRedisUrl *self, const char **at, GError **error)
{
  static const struct
  {
    const char *prefix;
    gboolean is_sentinel, is_tls;
  } schemes[] = {
    { "redis://", FALSE, FALSE },
    { "rediss://", FALSE, TRUE },
    { "sentinel://", TRUE, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (schemes); i++)
    if (g_str_has_prefix (*at, schemes[i].prefix))
      {
        self->is_sentinel = schemes[i].is_sentinel;
        self->is_tls = schemes[i].is_tls;
        *at += strlen (schemes[i].prefix);
        return TRUE;
      }
  return fail (error, "has another scheme");
}

static gboolean
parse_user (ClusterRedisUrl *self, const char *from, gsize n, GError **error)
{
  const char *colon = memchr (from, ':', n);
  gsize n_user = colon != NULL ? (gsize)(colon - from) : 0;

  if (n_user > 0 && !decode (from, n_user, &self->user, "user", error))
    return FALSE;
  if (colon != NULL)
    {
      from += n_user + 1;
      n -= n_user + 1;
    }
  return decode (from, n, &self->password, "password", error);
}

static gboolean
parse_host (ClusterRedisUrl *self, const char *text, GError **error)
{
  guint64 port = self->is_sentinel ? SENTINEL_PORT : REDIS_PORT;
  const char *bracket = text[0] == '[' ? strchr (text, ']') : NULL;
  const char *colon = strrchr (bracket != NULL ? bracket : text, ':');
  g_autofree char *name = NULL;
  ClusterRedisHost *host;

  if (text[0] == '[' && bracket == NULL)
    return fail (error, "has [ without ]");
  if (bracket != NULL && bracket[1] != '\0' && colon != bracket + 1)
    return fail (error, "has something between ] and the port");
  if (bracket != NULL)
    name = g_strndup (text + 1, (gsize)(bracket - text - 1));
  else
    name =
        g_strndup (text, colon != NULL ? (gsize)(colon - text) : strlen (text));
  if (name[0] == '\0' || strpbrk (name, " /@%") != NULL
      || (bracket == NULL && strchr (name, ':') != NULL))
    return fail (error, "has no host, or a bad one");
  if (colon != NULL
      && !g_ascii_string_to_unsigned (colon + 1, 10, 1, 65535, &port, NULL))
    return fail (error, "has a bad port");
  if (self->hosts->len == CLUSTER_REDIS_MAX_HOSTS)
    return fail (error, "has more than 16 hosts");
  host = g_new (ClusterRedisHost, 1);
  host->host = g_steal_pointer (&name);
  host->port = (guint16)port;
  g_ptr_array_add (self->hosts, host);
  return TRUE;
}

static gboolean
parse_hosts (ClusterRedisUrl *self, const char *from, gsize n, GError **error)
{
  g_autofree char *text = g_strndup (from, n);
  g_auto (GStrv) words = g_strsplit (text, ",", -1);

  if (!self->is_sentinel && words[0] != NULL && words[1] != NULL)
    return fail (error, "has several hosts, which only sentinel:// may");
  for (guint i = 0; words[i] != NULL; i++)
    if (!parse_host (self, words[i], error))
      return FALSE;
  return self->hosts->len > 0 || fail (error, "has no host");
}

static gboolean
parse_db (ClusterRedisUrl *self, const char *text, GError **error)
{
  guint64 db = 0;

  if (!g_ascii_string_to_unsigned (text, 10, 0, CLUSTER_REDIS_MAX_DB, &db,
                                   NULL))
    return fail (error, "has a database that is no number up to 65535");
  self->db = (guint)db;
  return TRUE;
}

static gboolean
parse_path (ClusterRedisUrl *self, const char *from, gsize n, GError **error)
{
  g_autofree char *text = g_strndup (from, n);
  g_auto (GStrv) words = g_strsplit (text, "/", 3);
  guint i = 0, n_words = g_strv_length (words);

  if (self->is_sentinel)
    {
      if (n_words == 0 || words[0][0] == '\0')
        return fail (error, "lacks the name of the master");
      if (!decode (words[0], strlen (words[0]), &self->master_name, "name",
                   error))
        return FALSE;
      i = 1;
    }
  if (i < n_words && words[i][0] != '\0' && !parse_db (self, words[i], error))
    return FALSE;
  return i + 1 >= n_words || words[i + 1][0] == '\0'
         || fail (error, "has more after the database");
}

static gboolean
parse_option (ClusterRedisUrl *self, const char *word, GError **error)
{
  const char *equals = strchr (word, '=');
  g_autofree char *key = NULL;
  g_autofree char *value = NULL;
  char **target = NULL;

  if (equals == NULL)
    return fail (error, "has an option without a value");
  key = g_strndup (word, (gsize)(equals - word));
  if (!decode (equals + 1, strlen (equals + 1), &value, "options", error))
    return FALSE;
  if (strcmp (key, "db") == 0)
    return parse_db (self, value, error);
  if (strcmp (key, "tls") == 0 && self->is_sentinel)
    {
      self->is_tls = strcmp (value, "1") == 0;
      return self->is_tls || fail (error, "has tls= with another value than 1");
    }
  if (strcmp (key, "tls-ca") == 0)
    target = &self->tls_ca;
  else if (strcmp (key, "sentinel-user") == 0 && self->is_sentinel)
    target = &self->sentinel_user;
  else if (strcmp (key, "sentinel-password") == 0 && self->is_sentinel)
    target = &self->sentinel_password;
  if (target == NULL)
    return fail (error, "has an option that means nothing here");
  g_free (*target);
  *target = g_steal_pointer (&value);
  return TRUE;
}

static gboolean
parse_query (ClusterRedisUrl *self, const char *text, GError **error)
{
  g_auto (GStrv) words = g_strsplit (text, "&", -1);

  for (guint i = 0; words[i] != NULL; i++)
    if (words[i][0] != '\0' && !parse_option (self, words[i], error))
      return FALSE;
  return self->tls_ca == NULL || self->is_tls
         || fail (error, "has tls-ca= but no TLS");
}

static gboolean
parse (ClusterRedisUrl *self, const char *text, GError **error)
{
  const char *at = text, *user, *slash, *end, *query;

  if (strlen (text) > MAX_URL_CHARS)
    return fail (error, "is longer than 2048 characters");
  if (strchr (text, '#') != NULL)
    return fail (error, "has a #, which is written %23");
  if (!parse_scheme (self, &at, error))
    return FALSE;
  query = strchr (at, '?');
  end = query != NULL ? query : at + strlen (at);
  slash = memchr (at, '/', (gsize)(end - at));
  if (slash == NULL)
    slash = end;
  user = memrchr (at, '@', (gsize)(slash - at));
  if (user != NULL)
    {
      if (!parse_user (self, at, (gsize)(user - at), error))
        return FALSE;
      at = user + 1;
    }
  if (!parse_hosts (self, at, (gsize)(slash - at), error))
    return FALSE;
  if (slash < end)
    slash++;
  return parse_path (self, slash, (gsize)(end - slash), error)
         && parse_query (self, query != NULL ? query + 1 : "", error);
}

ClusterRedisUrl *
cluster_redis_url_parse (const char *text, GError **error)
{
  g_autoptr (ClusterRedisUrl) self = g_new0 (ClusterRedisUrl, 1);

  self->hosts = g_ptr_array_new_with_free_func (host_free);
  return parse (self, text, error) ? g_steal_pointer (&self) : NULL;
}

char *
cluster_redis_url_describe (const ClusterRedisUrl *self)
{
  GString *text = g_string_new (self->is_sentinel ? "sentinel"
                                : self->is_tls    ? "rediss"
                                                  : "redis");

  for (guint i = 0; i < self->hosts->len; i++)
    {
      const ClusterRedisHost *host = self->hosts->pdata[i];
      gboolean is_ip6 = strchr (host->host, ':') != NULL;
      g_string_append_printf (text, "%s%s%s%s:%u", i == 0 ? " " : ",",
                              is_ip6 ? "[" : "", host->host, is_ip6 ? "]" : "",
                              host->port);
    }
  if (self->is_sentinel)
    g_string_append_printf (text, "/%s", self->master_name);
  if (self->db != 0)
    g_string_append_printf (text, " db %u", self->db);
  return g_string_free (text, FALSE);
}

gboolean
cluster_redis_url_load_ca (const ClusterRedisUrl *self, GTlsDatabase **ret,
                           GError **error)
{
  g_autoptr (GError) why = NULL;

  *ret = NULL;
  if (self->tls_ca == NULL)
    return TRUE;
  *ret = g_tls_file_database_new (self->tls_ca, &why);
  if (*ret == NULL)
    g_set_error (error, CLUSTER_ERROR, CLUSTER_ERROR_URL,
                 "the Redis URL's tls-ca %s: %s", self->tls_ca, why->message);
  return *ret != NULL;
}
