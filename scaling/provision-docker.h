/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingProvisionDocker: instances as containers of one Docker Engine or
 * several. A name is unique per Engine only, so each name has its Engine: the
 * one asked for, else by rendezvous hashing over the Engines' names; an Engine
 * that is away takes nothing, and nothing of its goes elsewhere.
 *   With network "host" an instance gets the ports of a number k as DESIGN.md
 * fixes them (label mt.k; the lowest that no other container of the Engine
 * has); one that ended with 69, a port is taken, is made anew with another, and
 * the number rests for a while. With any other network it has the default ports
 * at an address of its own; where that is not for viewers, nodes other than
 * relays have a k too, and their HTTP and RTC ports are published as they are.
 *   A container that has ended is started again by ensure, and not by Docker:
 * restarts are the leader's. Secrets are in the container's environment: who
 * may ask the Engine sees them (docker inspect).
 *   Versions are negotiated; TLS as Docker's own client takes it (ca.pem,
 * cert.pem, key.pem). Pulls have a time limit of their own, the image wanted is
 * then there for the next ensure.
 */
#pragma once

#include "scaling/provisioner.h"

#define SCALING_DOCKER_MAX_ENGINES 64

typedef struct
{
  const char *name;            /* as in "host" of a spec; of each its own */
  const char *url;             /* "unix:///var/run/docker.sock", or
                                * "tcp://host:2376" (TLS unless loopback) */
  const char *cert_directory;  /* (nullable): ca.pem, cert.pem, key.pem */
  const char *public_base;     /* (nullable): "https://edge-1.example.org": of
                                * --public-url of instances that have a k */
  const char *public_address;  /* (nullable): of --public-address likewise */
  const char *cluster_address; /* (nullable): of --cluster-address with network
                                * "host" */
} ScalingDockerEngine;

typedef enum
{
  SCALING_PULL_MISSING,
  SCALING_PULL_ALWAYS,
  SCALING_PULL_NEVER,
} ScalingPull;

typedef struct
{
  guint n_engines;
  const ScalingDockerEngine *engines; /* copied */
  const char *image;
  ScalingPull pull;
  const char *network;          /* (nullable): "host" */
  gboolean is_published;        /* ports, on another network than "host" */
  gint64 memory_bytes;          /* 0: no limit */
  gint64 memory_reserved_bytes; /* 0: none */
  gint64 cpu_milli;             /* thousandths of a processor; 0: no limit */
  gint64 max_pids;              /* 0: 4096 */
  guint first_k;                /* 0: 1 */
  guint max_per_engine;         /* that have a k; 0: 29 */
  /* (nullable) (array zero-terminated=1): of all instances; labels:
   * "key=value"; mounts: "/path here:/path there", read-only */
  const char *const *args, *const *env, *const *labels, *const *mounts;
  gint64 answer_us; /* for one answer of an Engine; 0: 10 s */
  gint64 pull_us;   /* for a pull; 0: 10 min */
} ScalingDockerConfig;

/* Returns: (nullable): NULL with @error: what is wrong about which Engine */
ScalingProvisioner *
scaling_provision_docker_new (const ScalingDockerConfig *config,
                              GError **error);
