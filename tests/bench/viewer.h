/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BenchViewer: one viewer at its cheapest: a UDP socket, ICE (controlling: one
 * check, a nomination, then consent each 5 s), DTLS until the keys are there,
 * then counting SRTP packets by the clear part of their headers. A sampled
 * viewer decrypts each packet and takes its age from the stamp inside.
 * Owner:  the load. Thread: made by the one that signs in, then the media one.
 */
#pragma once

#include <glib.h>
#include <netinet/in.h>

typedef struct _BenchViewer BenchViewer;

#define BENCH_VIDEO_PT 102

typedef struct
{
  guint64 n_packets, n_bytes; /* SRTP, RTCP left out */
  guint64 n_lost;             /* gaps that stayed */
  guint64 n_overrun;          /* our own socket's */
  guint64 n_rtcp;
  guint64 n_opened, n_bad; /* of sampled viewers */
} BenchCounts;

typedef struct
{
  gboolean gro, is_sampled;
  gboolean is_timed; /* the kernel's times of arrival */
  gint64 due_us;     /* monotonic: when the join was due */
} BenchViewerOptions;

typedef struct
{
  /* from when the join was due; 0 = not yet */
  gint64 signed_us;  /* HTTP is over */
  gint64 connect_us; /* DTLS is over */
  gint64 media_us;   /* a first packet */
  gint64 heard_us;   /* monotonic: the last one */
} BenchTimes;

BenchViewer *bench_viewer_new (const BenchViewerOptions *options);
void bench_viewer_free (BenchViewer *self);
int bench_viewer_get_fd (BenchViewer *self);
const char *bench_viewer_get_ufrag (BenchViewer *self);
const char *bench_viewer_get_pwd (BenchViewer *self);

/* bench_viewer_set_remote: from the server's SDP, before the media thread has
 * it. @is_dtls_client: we send the ClientHello */
void bench_viewer_set_remote (BenchViewer *self, const char *ip, guint port,
                              const char *ufrag, const char *pwd,
                              gboolean is_dtls_client);

/* (transfer full): what follows a=candidate:, once the remote is set */
char *bench_viewer_dup_candidate (BenchViewer *self);

/* media: what has come, what is due */
void bench_viewer_receive (BenchViewer *self, gint64 now_us);
void bench_viewer_tick (BenchViewer *self, gint64 now_us);
gboolean bench_viewer_is_connected (BenchViewer *self);
gboolean bench_viewer_is_seated (BenchViewer *self); /* media comes */
const BenchTimes *bench_viewer_get_times (BenchViewer *self);
/* its video (payload type BENCH_VIDEO_PT) is not older than the other's of the
 * same stream */
gboolean bench_viewer_is_as_far (BenchViewer *self, BenchViewer *other);

/* media: counts begin anew; latencies go to @latencies (element-type guint32,
 * us; nullable), borrowed */
void bench_viewer_start_window (BenchViewer *self, GArray *latencies);
/* adds to @sum */
void bench_viewer_add_counts (BenchViewer *self, BenchCounts *sum);
