/* SPDX-License-Identifier: Apache-2.0 */
/* What --redis-url may say, and what it is told when it is wrong. */
#include "cluster/redis-url.h"

#include <string.h>

#include "cluster/store.h"

static ClusterRedisUrl *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  ClusterRedisUrl *url = cluster_redis_url_parse (text, &error);

  g_assert_no_error (error);
  return url;
}

static void
assert_host (ClusterRedisUrl *url, guint i, const char *host, guint16 port)
{
  ClusterRedisHost *one = url->hosts->pdata[i];

  g_assert_cmpuint (i, <, url->hosts->len);
  g_assert_cmpstr (one->host, ==, host);
  g_assert_cmpuint (one->port, ==, port);
}

static void
test_plain (void)
{
  g_autoptr (ClusterRedisUrl) bare = parse ("redis://db.example");
  g_autoptr (ClusterRedisUrl) full =
      parse ("redis://me:p%40ss%2f%3a@[::1]:7000/3");
  g_autoptr (ClusterRedisUrl) lone = parse ("rediss://s3cret@h/?db=2");
  g_autoptr (ClusterRedisUrl) colon =
      parse ("rediss://:s3cret@h:1?tls-ca=%2Fetc%2Fca.pem");
  g_autofree char *shown = cluster_redis_url_describe (full);

  assert_host (bare, 0, "db.example", 6379);
  g_assert_null (bare->password);
  assert_host (full, 0, "::1", 7000);
  g_assert_cmpstr (full->user, ==, "me");
  g_assert_cmpstr (full->password, ==, "p@ss/:");
  g_assert_cmpuint (full->db, ==, 3);
  g_assert_cmpstr (shown, ==, "redis [::1]:7000 db 3");
  g_assert_true (lone->is_tls);
  g_assert_null (lone->user);
  g_assert_cmpstr (lone->password, ==, "s3cret");
  g_assert_cmpuint (lone->db, ==, 2);
  g_assert_cmpstr (colon->password, ==, "s3cret");
  g_assert_cmpstr (colon->tls_ca, ==, "/etc/ca.pem");
}

static void
test_sentinel (void)
{
  g_autoptr (ClusterRedisUrl) url =
      parse ("sentinel://u:p@a,b:2,[fe80::1]:3/mymaster/5"
             "?sentinel-password=q&tls=1");
  g_autofree char *shown = cluster_redis_url_describe (url);

  g_assert_true (url->is_sentinel && url->is_tls);
  g_assert_cmpuint (url->hosts->len, ==, 3);
  assert_host (url, 0, "a", 26379);
  assert_host (url, 1, "b", 2);
  assert_host (url, 2, "fe80::1", 3);
  g_assert_cmpstr (url->master_name, ==, "mymaster");
  g_assert_cmpuint (url->db, ==, 5);
  g_assert_cmpstr (url->sentinel_password, ==, "q");
  g_assert_cmpstr (shown, ==, "sentinel a:26379,b:2,[fe80::1]:3/mymaster db 5");
}

static void
test_bad (void)
{
  static const struct
  {
    const char *url, *says;
  } rows[] = {
    { "", "scheme" },
    { "http://h", "scheme" },
    { "redis://", "host" },
    { "redis://h:0", "port" },
    { "redis://h:65536", "port" },
    { "redis://h:", "port" },
    { "redis://a,b", "several hosts" },
    { "redis://a:b:c", "host" },
    { "redis://[::1", "]" },
    { "redis://[::1]x:1", "]" },
    { "redis://h/x", "database" },
    { "redis://h/65536", "database" },
    { "redis://h/1/2", "after the database" },
    { "redis://h?x=1", "option" },
    { "redis://h?tls-ca=x", "no TLS" },
    { "redis://h?tls=1", "option" },
    { "redis://h?db", "option" },
    { "redis://s3cret%zz@h", "password" },
    { "redis://s3cret%00@h", "password" },
    { "redis://:s3cret#@h", "%23" },
    { "sentinel://a,b", "name" },
    { "sentinel://a,,b/m", "host" },
    { "sentinel://a/m?tls=yes", "tls" },
    { "sentinel://1,2,3,4,5,6,7,8,9,a,b,c,d,e,f,g,h/m", "16" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr (GError) error = NULL;
      ClusterRedisUrl *url = cluster_redis_url_parse (rows[i].url, &error);
      g_test_message ("%s", rows[i].url);
      g_assert_null (url);
      g_assert_error (error, CLUSTER_ERROR, CLUSTER_ERROR_URL);
      g_assert_nonnull (strstr (error->message, rows[i].says));
      g_assert_null (strstr (error->message, "s3cret"));
    }
}

static void
test_ca_missing (void)
{
  g_autoptr (GError) error = NULL;
  ClusterStore *store = cluster_store_new_redis (
      "rediss://:s3cret@h?tls-ca=/nonexistent", NULL, "main", &error);

  g_assert_null (store);
  g_assert_error (error, CLUSTER_ERROR, CLUSTER_ERROR_URL);
  g_assert_null (strstr (error->message, "s3cret"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cluster/redis-url/plain", test_plain);
  g_test_add_func ("/cluster/redis-url/sentinel", test_sentinel);
  g_test_add_func ("/cluster/redis-url/bad", test_bad);
  g_test_add_func ("/cluster/redis-url/ca-missing", test_ca_missing);
  return g_test_run ();
}
