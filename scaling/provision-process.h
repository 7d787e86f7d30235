/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingProvisionProcess: instances as processes of this machine, the same
 * program. Instance k has the ports that DESIGN.md fixes: HTTP 7070+k, relay
 * 7100+k, RTC 7200+32k with one worker, pool 10000+500k. The lowest k from
 * first_k on whose ports nobody has is taken.
 *   They outlive the leader that started them, and its restart: each is in a
 * session of its own, and @directory says what there is, for all provisioners
 * of this machine and user: {name}/instance (labels, k), {name}/process (pid,
 * start time, boot, pid namespace; process.h), {name}/state (its --state-dir)
 * and {name}/log (of its last start). A leader that died between start and
 * note left no process file: it is then looked for by its --state-dir, of
 * which only one process can be (node exit code 78). @directory/token is the
 * highest token seen; @directory/lock is held while any of this is changed.
 *   In a systemd unit they are of its control group and end with it; in a
 * container they end with the container. A machine's boot, or another pid
 * namespace, ends what was before: an instance of another namespace under the
 * same boot cannot be seen and is CONFLICT.
 *   Files are small and on a local disk or in memory; they are read on main.
 * Limits: max_instances; memory that must stay available.
 */
#pragma once

#include "scaling/provisioner.h"

typedef struct
{
  const char *directory;       /* made when missing, for this user alone */
  const char *binary;          /* (nullable): /proc/self/exe */
  const char *http_address;    /* (nullable): of --http-listen; 127.0.0.1 */
  const char *public_base;     /* (nullable): "http://127.0.0.1": of
                                * --public-url, the port is added */
  const char *cluster_address; /* (nullable): 127.0.0.1 */
  guint first_k;               /* 0: 1 */
  guint max_instances;         /* 0: 29, then HTTP meets
                                * relay ports */
  guint64 min_available_bytes; /* memory left to others; 0: not asked */
  guint16 http_port, relay_port, rtc_port, pool_port; /* of k = 0; 0: as
                                                       * DESIGN.md has them */
  /* (nullable) (array zero-terminated=1): "--key=value", "NAME=value" of all
   * instances; secrets in env alone */
  const char *const *args, *const *env;
} ScalingProcessConfig;

/* Returns: (nullable): NULL with @error (G_FILE_ERROR, G_IO_ERROR) when the
 * directory cannot be had or is another's */
ScalingProvisioner *
scaling_provision_process_new (const ScalingProcessConfig *config,
                               GError **error);
