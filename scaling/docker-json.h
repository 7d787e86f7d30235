/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scaling/docker-json: what is said to Docker's Engine and what it says, as
 * JSON (Engine API 1.25 to 1.47, docs.docker.com/reference/api/engine).
 * Pure. Thread: main. Errors: SCALING_PROVISION_ERROR.
 */
#pragma once

#include "scaling/provision-docker.h"
#include "scaling/provisioner-private.h"

#define SCALING_DOCKER_MIN_MINOR 25 /* of API 1.x: all we use is there */
#define SCALING_DOCKER_MAX_MINOR                                               \
  47 /* known to be what this was written for                                  \
      */

/* scaling_docker_read_version: of GET /version: the highest that both speak.
 * Returns: its minor; 0 with @error: there is none (REFUSED), GARBAGE */
guint scaling_docker_read_version (const char *text, gsize n_bytes,
                                   GError **error);

typedef enum
{
  SCALING_DOCKER_CREATED, /* and never started */
  SCALING_DOCKER_RUNNING,
  SCALING_DOCKER_EXITED,
  SCALING_DOCKER_REMOVING,
} ScalingDockerState;

typedef struct
{
  char *id;      /* owned: hexadecimal: it goes into paths */
  char **labels; /* owned: key, value, … */
  ScalingDockerState state;
  gint64 exit_code;
} ScalingDockerContainer;
void scaling_docker_container_free (ScalingDockerContainer *self);

/* (transfer full) (nullable): of GET /containers/{name}/json */
ScalingDockerContainer *
scaling_docker_read_container (const char *text, gsize n_bytes, GError **error);
/* (transfer full) (element-type ScalingInstance) (nullable): of GET
 * /containers/json. Containers that are not ours are left out. */
GPtrArray *scaling_docker_read_list (const char *text, gsize n_bytes,
                                     const char *host, GError **error);
/* (transfer full) (nullable): the Id of POST /containers/create */
char *scaling_docker_read_id (const char *text, gsize n_bytes, GError **error);
/* scaling_docker_read_pull: of POST /images/create, a JSON object a line: a
 * pull that failed says so at the end of an answer with status 200 */
gboolean scaling_docker_read_pull (const char *text, gsize n_bytes,
                                   GError **error);
/* (transfer full): {"message":…} for people */
char *scaling_docker_dup_message (const char *text, gsize n_bytes);
/* of a start that was refused: another process has a port of its k */
gboolean scaling_docker_is_port_taken (const char *text, gsize n_bytes);
/* who is numbered among the instances of its machine, for its ports */
gboolean scaling_docker_has_number (const ScalingDockerConfig *config,
                                    const char *role);

/* (transfer full): the body of POST /containers/create.
 * @k: number of the machine's instance; 0: it has none */
char *scaling_docker_write_create (const ScalingDockerConfig *config,
                                   const ScalingDockerEngine *engine,
                                   ScalingProvisionCall *call, guint k);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingDockerContainer,
                               scaling_docker_container_free)
