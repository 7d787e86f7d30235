/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BaseSettings: one declared table of settings yields parsing, --help,
 * --print-config, the sample file and the man page.
 * Order: defaults < file (GKeyFile, group [media-tree]) < conf.d next to the
 * file < aliases in the environment < MEDIA_TREE_* < command line. A key
 * "whip-token" is --whip-token, MEDIA_TREE_WHIP_TOKEN and whip-token= in the
 * file. A SECRET also has --whip-token-file / MEDIA_TREE_WHIP_TOKEN_FILE. An unknown key,
 * a value out of bounds or a bad unit is an error that says which line.
 * The file is the value of the key "config" (PATH) when the table has it: the
 * default may be missing, a file that was asked for may not. "" unsets a text
 * or list that has no default. min = max = 0: no bounds.
 * Owner:  main. Immutable after load, so any thread may read.
 */
#pragma once

#include <glib.h>

typedef enum {
  BASE_SETTING_STRING,
  BASE_SETTING_SECRET,   /* never printed; may come from a file */
  BASE_SETTING_PATH,
  BASE_SETTING_BOOL,     /* yes/no, true/false, on/off, 1/0; alone = yes */
  BASE_SETTING_INT,      /* plain number in [min,max] */
  BASE_SETTING_DURATION, /* "30 s", "200 ms", "5 min"; get_duration_us */
  BASE_SETTING_SIZE,     /* "16 MB", "64 KiB", bytes */
  BASE_SETTING_RATE,     /* "2.5 Mbit/s", "600 kbit/s", bits per second */
  BASE_SETTING_ENUM,     /* one of @choices, '|' separated */
  BASE_SETTING_LIST,     /* comma separated strings */
  BASE_SETTING_RANGE,    /* "10000-10999", bounds in [min,max] */
} BaseSettingType;

typedef struct {
  const char *key;
  BaseSettingType type;
  gint64 min, max;      /* in the base unit: us, bytes, bit/s or plain */
  const char *def;      /* default as a user would write it; NULL = unset */
  const char *choices;  /* ENUM only */
  const char *group;    /* heading in --help, e.g. "HTTP"; NULL: command line
                           and environment only (--config, --help, …) */
  const char *help;     /* one sentence */
} BaseSettingSpec;

typedef enum {
  BASE_SETTINGS_ERROR_UNKNOWN_KEY,
  BASE_SETTINGS_ERROR_BAD_VALUE,
  BASE_SETTINGS_ERROR_FILE,
} BaseSettingsError;
#define BASE_SETTINGS_ERROR (base_settings_error_quark ())
GQuark base_settings_error_quark (void);

typedef struct _BaseSettings BaseSettings;

/* base_settings_new: @specs: (transfer none): static table */
BaseSettings *base_settings_new (const BaseSettingSpec *specs, guint n_specs);
void base_settings_free (BaseSettings *self);

/* base_settings_add: more rows, after the ones that are there; before load */
void base_settings_add (BaseSettings *self, const BaseSettingSpec *specs,
                        guint n_specs);
/* base_settings_add_env_alias: a second name of a setting in the environment,
 * for what others have always called it: "METRICS_PORT" for metrics-port.
 * MEDIA_TREE_… wins over it, "" is as if it were not there; it is shown in
 * --help. Before load. No key may have two.
 * @key: of the table; @env: static, without the prefix MEDIA_TREE_
 * @unit: (nullable): static: put after a plain number, e.g. "s" */
void base_settings_add_env_alias (BaseSettings *self, const char *key,
                                  const char *env, const char *unit);

/* base_settings_load:
 * @argv: (array zero-terminated=1): command line without the program's name
 * @env: (array zero-terminated=1): as from g_get_environ()
 * Returns: %FALSE with @error (message names the source and line) */
gboolean base_settings_load (BaseSettings *self, char **argv, char **env,
                             GError **error);

/* base_settings_set_default: what @key is when nobody has set it, after load:
 * for defaults that depend on other settings.
 * @origin: where it comes from, for @error */
gboolean base_settings_set_default (BaseSettings *self, const char *key,
                                    const char *text, const char *origin,
                                    GError **error);

/* Getters: a key that the table lacks, or of another type, is a caller's bug.
 * get_string: STRING, SECRET, PATH, ENUM; (nullable): NULL when unset.
 * get_int: INT, SIZE, RATE; 0 when unset. */
const char *base_settings_get_string (BaseSettings *self, const char *key);
gboolean base_settings_get_bool (BaseSettings *self, const char *key);
gint64 base_settings_get_int (BaseSettings *self, const char *key);
gint64 base_settings_get_duration_us (BaseSettings *self, const char *key);
/* (transfer none) (array zero-terminated=1), empty when unset */
const char *const *base_settings_get_list (BaseSettings *self,
                                           const char *key);
void base_settings_get_range (BaseSettings *self, const char *key,
                              gint64 *ret_low, gint64 *ret_high);

/* base_settings_dup_environment: what somebody has set here (file, environment,
 * command line), for another program of ours; secrets as they are, or left out.
 * @except: (array zero-terminated=1): keys that are left out
 * Returns: (transfer full): "MEDIA_TREE_KEY=value", … NULL */
char **base_settings_dup_environment (BaseSettings *self,
                                      const char *const *except,
                                      gboolean with_secrets);

/* (transfer full): text for --help, --print-config (secrets as ***), the
 * sample file (every key, commented) and the man page's OPTIONS (roff) */
char *base_settings_to_help (BaseSettings *self);
char *base_settings_to_config (BaseSettings *self);
char *base_settings_to_sample (BaseSettings *self);
char *base_settings_to_man (BaseSettings *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (BaseSettings, base_settings_free)
