/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ClusterRedisUrl: what --redis-url says.
 *   redis://[[user]:password@]host[:port][/db], rediss:// the same with TLS,
 *   sentinel://[[user]:password@]h1[:port],h2,h3/name[/db]
 * A lone word before @ is the password, as redis-cli has it. Query, joined
 * with &: db=N, tls-ca=FILE (PEM; else the system's), and for sentinel://
 * tls=1, sentinel-user=, sentinel-password=. All parts may be percent-encoded.
 * Owner:  the store. Thread: any.
 */
#pragma once

#include <gio/gio.h>

#define CLUSTER_REDIS_MAX_HOSTS 16
#define CLUSTER_REDIS_MAX_DB 65535

typedef struct
{
  char *host; /* owned: name or address, without brackets */
  guint16 port;
} ClusterRedisHost;

typedef struct
{
  gboolean is_sentinel, is_tls;
  GPtrArray *hosts;      /* owned (element-type ClusterRedisHost), 1 or more */
  char *user, *password; /* owned, nullable */
  char *sentinel_user, *sentinel_password; /* owned, nullable */
  char *master_name;     /* owned, nullable: sentinel:// only */
  char *tls_ca;          /* owned, nullable: a file */
  guint db;
} ClusterRedisUrl;

/* Returns: (transfer full) (nullable): CLUSTER_ERROR_URL; its message says
 * what is wrong and never shows a password */
ClusterRedisUrl *cluster_redis_url_parse (const char *text, GError **error);
void cluster_redis_url_free (ClusterRedisUrl *self);
/* (transfer full): without user and password */
char *cluster_redis_url_describe (const ClusterRedisUrl *self);

/* cluster_redis_url_load_ca: reads its tls-ca; blocks, at the start only.
 * @ret: (out) (transfer full) (nullable): NULL when it names none
 * Returns: FALSE with CLUSTER_ERROR_URL */
gboolean cluster_redis_url_load_ca (const ClusterRedisUrl *self,
                                    GTlsDatabase **ret, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClusterRedisUrl, cluster_redis_url_free)
