/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ScalingProcessFiles: what scaling/provision-process writes down: the
 * directory of instances, its lock and its token. See provision-process.h.
 * Owner:  the provisioner. Thread: main.
 */
#pragma once

#include "scaling/process.h"
#include "scaling/token.h"

#define SCALING_PROCESS_MAX_RECORDS 256

typedef struct
{
  char *name;    /* owned */
  char **labels; /* owned: key, value, … */
  guint k;
  gint64 started_wall_us;
  ScalingProcess process; /* pid 0: none is known */
  gboolean is_alive;
  gboolean is_foreign; /* of another pid namespace: nobody knows */
} ScalingProcessRecord;
void scaling_process_record_free (ScalingProcessRecord *self);

typedef struct _ScalingProcessFiles ScalingProcessFiles;

ScalingProcessFiles *scaling_process_files_new (const char *directory,
                                                GError **error);
void scaling_process_files_free (ScalingProcessFiles *self);
const char *scaling_process_files_get_directory (ScalingProcessFiles *self);
/* (transfer full) */
char *scaling_process_files_dup_path (ScalingProcessFiles *self,
                                      const char *name, const char *file);

/* scaling_process_files_lock: a descriptor to close; -1: another has it */
int scaling_process_files_lock (ScalingProcessFiles *self);
/* scaling_process_files_pass: under the lock: %FALSE: @token is older than
 * @ret_highest; else it is the highest now */
gboolean scaling_process_files_pass (ScalingProcessFiles *self,
                                     const ScalingToken *token,
                                     ScalingToken *ret_highest, GError **error);

/* (transfer full) (nullable): NULL: nothing readable is there */
ScalingProcessRecord *scaling_process_files_read (ScalingProcessFiles *self,
                                                  const char *name);
/* (transfer full) (element-type ScalingProcessRecord) */
GPtrArray *scaling_process_files_read_all (ScalingProcessFiles *self);
/* the intent, before there is a process */
gboolean scaling_process_files_write (ScalingProcessFiles *self,
                                      const ScalingProcessRecord *record,
                                      GError **error);
gboolean scaling_process_files_write_process (ScalingProcessFiles *self,
                                              const char *name,
                                              const ScalingProcess *process,
                                              GError **error);
/* its directory with all that is in it */
gboolean scaling_process_files_remove (ScalingProcessFiles *self,
                                       const char *name, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingProcessRecord,
                               scaling_process_record_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ScalingProcessFiles, scaling_process_files_free)
