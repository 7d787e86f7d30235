/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EsFile: an elementary stream made by tests/e2e/lib/media.py, in memory, and
 * its packetization as OBS does it (H264 RFC 6184 FU-A without STAP-A, H265
 * RFC 7798 FU, AV1 one OBU an element; VP8 RFC 7741; Opus as it is).
 * Written apart from rtc/payload on purpose: a test must not share the
 * server's mistakes.
 * Thread: any; immutable after load.
 */
#pragma once

#include <glib.h>

#define ES_MAX_PAYLOAD_BYTES 1200

typedef struct {
  const guint8 *data; /* borrowed from the file's contents */
  guint32 len;
  gboolean is_key;
} EsUnit;

typedef struct {
  char codec[5];   /* "H264", "H265", "AV1", "VP8", "OPUS" */
  guint32 unit_us; /* duration of one access unit */
  guint n_units;
  EsUnit *units;   /* owned */
  char *contents;  /* owned */
} EsFile;

EsFile *es_file_load (const char *path, GError **error);
void es_file_free (EsFile *self);

typedef void (*EsPayloadFunc) (const guint8 *payload, gsize len,
                               gboolean marker, gpointer user_data);
/* es_packetize: calls @func for each RTP payload of the unit, in order */
void es_packetize (const EsFile *self, const EsUnit *unit, EsPayloadFunc func,
                   gpointer user_data);

/* es_is_keyframe_start: does this payload begin a keyframe (or carry its
 * parameter sets)? For the viewers' books. */
gboolean es_is_keyframe_start (const char *codec, const guint8 *payload,
                               gsize len);

/* CRC-32 of all bytes so far; begins with 0 */
guint32 es_crc32 (guint32 crc, const guint8 *data, gsize len);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EsFile, es_file_free)
