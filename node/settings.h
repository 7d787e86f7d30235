/* SPDX-License-Identifier: Apache-2.0 */
/*
 * node/settings: the declared table of this program's settings, and the checks
 * that need more than one of them. What a caller gets is a NodeOptions: the
 * settings that must be understood before anything is built.
 * Thread: main.
 */
#pragma once

#include "base/settings.h"

#include <gio/gio.h>

typedef enum {
  NODE_ROLE_INJECTION = 1 << 0, /* WHIP */
  NODE_ROLE_RELAY = 1 << 1,
  NODE_ROLE_EGRESS = 1 << 2, /* WHEP, snapshots */
  NODE_ROLE_METRICS = 1 << 3, /* no media: adds up what the others say */
} NodeRoles;

typedef struct {
  NodeRoles roles;
  char *node_id;
  GPtrArray *listen;      /* (element-type GSocketAddress), at least one */
  GPtrArray *rtp_inputs;  /* (element-type WhipRtpConfig) */
  char *project;          /* (nullable): a label, of GATEWAY_CONFIG_JSON */
  char *public_url;       /* (nullable): without a slash at its end */
  guint n_workers;        /* 0: no media */
  int playout_delay_min_ms, playout_delay_max_ms; /* -1 = off */
  gboolean has_cluster;   /* --redis-url is set, and so is --cluster-secret */
  guint rtp_port_first, rtp_port_last;
} NodeOptions;

typedef enum {
  NODE_SETTINGS_ERROR_BAD, /* message names the key */
} NodeSettingsError;
#define NODE_SETTINGS_ERROR (node_settings_error_quark ())
GQuark node_settings_error_quark (void);
/* node_settings_refuse: Returns: %FALSE with NODE_SETTINGS_ERROR_BAD; the text
 * begins with the key */
gboolean node_settings_refuse (GError **error, const char *format, ...)
    G_GNUC_PRINTF (2, 3);

#define NODE_MAX_WORKERS 32
#define NODE_MAX_LISTEN 8

/* node_settings_new: (transfer full): the table with its defaults */
BaseSettings *node_settings_new (void);

/* node_options_new: (transfer full) (nullable): reads and checks @settings */
NodeOptions *node_options_new (BaseSettings *settings, GError **error);
void node_options_free (NodeOptions *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (NodeOptions, node_options_free)
