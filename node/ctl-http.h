/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/ctl-http: how `media-tree ctl` asks nodes, with the admin token: one, or
 * many at once.
 *   Bounds: a reply has at most NODE_CTL_MAX_REPLY_BYTES, many have
 * NODE_CTL_MAX_SMALL_BYTES each; NODE_CTL_TIMEOUT_S without a byte ends one,
 * NODE_CTL_ALL_TIMEOUT_S all; NODE_CTL_MAX_ASKED are asked at once.
 * Thread: stated per function; all block.
 */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

#define NODE_CTL_DEFAULT_URL "http://127.0.0.1:7070"
#define NODE_CTL_TOKEN_VARIABLE "MEDIA_TREE_ADMIN_TOKEN"
#define NODE_CTL_MAX_REPLY_BYTES (64 * 1024 * 1024)
#define NODE_CTL_MAX_SMALL_BYTES (1024 * 1024)
#define NODE_CTL_TIMEOUT_S 10
#define NODE_CTL_ALL_TIMEOUT_S 5
#define NODE_CTL_MAX_ASKED 16
#define NODE_CTL_NOT_SAID G_MININT

typedef struct
{
  char *url, *token, *token_file, *tls_ca; /* owned */
  gboolean as_json, is_once, is_wait, is_cancel, is_reject;
  int deadline_s;            /* --deadline, or NODE_CTL_NOT_SAID */
  double interval_s;         /* --interval; 0 = not said */
  char *sort;                /* owned (nullable) */
  char **words;              /* owned */
  GCancellable *cancellable; /* owned: ends all that is being asked */
} NodeCtlOptions;

/* What one node answered. */
typedef struct
{
  char *url;      /* owned: the node's */
  guint status;   /* HTTP; 0: it was not reached, or did not answer in time */
  JsonNode *root; /* owned (nullable): NULL: it is no JSON */
  GError *error;  /* owned: with status 0 */
} NodeCtlReply;
void node_ctl_reply_free (NodeCtlReply *self);

/* node_ctl_get: any thread. @url: the node's; @path: escaped
 * Returns: (transfer full) */
NodeCtlReply *node_ctl_get (const NodeCtlOptions *options, const char *url,
                            const char *path);
/* node_ctl_send: as node_ctl_get, with another @method.
 * @body: (nullable): JSON */
NodeCtlReply *node_ctl_send (const NodeCtlOptions *options, const char *url,
                             const char *path, const char *method,
                             const char *body);
/* node_ctl_get_all: any thread; @path of each of @urls at once.
 * Returns: (transfer full) (element-type NodeCtlReply): in the order of @urls
 */
GPtrArray *node_ctl_get_all (const NodeCtlOptions *options, GPtrArray *urls,
                             const char *path);

/* node_ctl_fail: main. Says it in one line. Returns: @code */
int node_ctl_fail (int code, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* node_ctl_check: main. Says what is wrong with @reply.
 * Returns: an exit code; -1: it is fine, and JSON */
int node_ctl_check (const NodeCtlOptions *options, const NodeCtlReply *reply);
/* (transfer full): what is wrong in some words, for a list; status is not 200
 */
char *node_ctl_dup_problem (const NodeCtlReply *reply);
int node_ctl_fail_not_understood (const char *url);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeCtlReply, node_ctl_reply_free)
