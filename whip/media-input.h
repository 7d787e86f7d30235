/* SPDX-License-Identifier: Apache-2.0 */
/*
 * WhipMediaInput: a stream fed through GStreamer: an RTSP camera that is
 * pulled, or a file in real time, nothing encoded again. GStreamer brings RTP
 * (rtspsrc's own, or a payloader's), which goes into the stream's publication
 * as an encoder's would (whip/rtp-input.h), in bursts by mail.
 *   RTSP: a source that goes away is pulled again, 1 to 30 s apart.
 *   Files: loop (live), or begin when the first receiver of the stream is
 * there, and end (ondemand); codecs: H264, H265, VP8, VP9, AV1 where Debian's
 * GStreamer has a payloader, Opus; others are refused by name. Owner:  its
 * maker; inside ref-counted. Thread: main; pipeline: GStreamer's; packets:
 * media of the stream's home.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "relay/hub.h"

#define WHIP_MEDIA_INPUTS_MAX 256 /* on a node */
#define WHIP_MEDIA_INPUT_OPEN_US (10 * G_USEC_PER_SEC)

typedef enum
{
  WHIP_MEDIA_INPUT_ERROR_OPEN,  /* no such file, nobody answers, 401 */
  WHIP_MEDIA_INPUT_ERROR_CODEC, /* nothing that browsers play; text says what */
  WHIP_MEDIA_INPUT_ERROR_LIMIT,
} WhipMediaInputError;
#define WHIP_MEDIA_INPUT_ERROR (whip_media_input_error_quark ())
GQuark whip_media_input_error_quark (void);

typedef enum
{
  WHIP_MEDIA_RTSP,
  WHIP_MEDIA_FILE_LOOP,
  WHIP_MEDIA_FILE_ONCE,
} WhipMediaKind;

typedef struct
{
  const char *name; /* of the stream */
  WhipMediaKind kind;
  const char *source;          /* URL, or a file's path */
  const char *user, *password; /* (nullable) */
  gboolean wants[RTC_MEDIA_N_KINDS];
} WhipMediaInputConfig;

typedef struct _WhipMediaInput WhipMediaInput;

/* @info: what it carries; NULL with @error: it is over (free it). An RTSP
 * source that is not there yet is an error too: the caller says whether it
 * goes on (retry) */
typedef void (*WhipMediaInputOpened) (WhipMediaInput *self,
                                      const RelayStreamInfo *info,
                                      const GError *error, gpointer data);

/* @config: copied; @opened: main, once, later. NULL with LIMIT, RELAY_ERROR */
WhipMediaInput *whip_media_input_new (RelayHub *hub,
                                      const WhipMediaInputConfig *config,
                                      WhipMediaInputOpened opened,
                                      gpointer data, GError **error);
/* nothing runs after it */
void whip_media_input_free (WhipMediaInput *self);
/* whip_media_inputs_join: main, at the program's end: waits for the pipelines
 * of those that were freed. Returns: %FALSE: some still stop */
gboolean whip_media_inputs_join (gint64 timeout_us);
/* main, once: of pipelines that ended with an error, a camera that is away each
 * time it was asked. @counter: borrowed, for ever */
void whip_media_inputs_count_failures (BaseCounter *counter);
/* FALSE: what comes is dropped, the stream stays */
void whip_media_input_set_enabled (WhipMediaInput *self, gboolean is_enabled);
/* any: since the last packet; FALSE: none yet */
gboolean whip_media_input_get_age (WhipMediaInput *self, RtcMediaKind kind,
                                   gint64 now_us, gint64 *ret_age_us);
JsonNode *whip_media_input_describe (WhipMediaInput *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (WhipMediaInput, whip_media_input_free)
