/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BaseSketchBrief: a sketch as a heartbeat carries it: a plain value with at
 * most BASE_SKETCH_BRIEF_N_BUCKETS buckets that are not empty. Where there are
 * more, the lowest are counted in the lowest that is kept (as DDSketch does):
 * high quantiles stay right, low ones come out too large. 192 buckets reach
 * from a value to 46 times it without a gap.
 *   As text: a letter for the scale, then base64 of whole numbers in groups of
 * 7 bits, low ones first (LEB128): sum, min, max, then for each bucket how far
 * it is from the one before, and its count. Nothing at all is "".
 * Thread: any.
 */
#pragma once

#include "base/sketch.h"

#define BASE_SKETCH_BRIEF_N_BUCKETS 192
/* 1 + base64 of 3 numbers of 9 bytes and 192 pairs of 2 and 5 */
#define BASE_SKETCH_BRIEF_MAX_CHARS 1836

/* n_buckets = 0: empty, and all else 0. Plain: may be copied. */
typedef struct
{
  gint64 sum, min, max;
  guint n_buckets;
  guint16 index[BASE_SKETCH_BRIEF_N_BUCKETS]; /* ascending */
  guint32 count[BASE_SKETCH_BRIEF_N_BUCKETS]; /* 1 or more */
} BaseSketchBrief;

/* @ret: (out) */
void base_sketch_brief_init (BaseSketchBrief *ret, const BaseSketch *sketch);
/* base_sketch_brief_shrink: to @n_buckets at most, 1 or more */
void base_sketch_brief_shrink (BaseSketchBrief *self, guint n_buckets);
guint64 base_sketch_brief_get_n (const BaseSketchBrief *self);
/* base_sketch_brief_merge: adds what it holds to @into */
void base_sketch_brief_merge (const BaseSketchBrief *self, BaseSketch *into);

/* (transfer full) */
char *base_sketch_brief_to_text (const BaseSketchBrief *self);
/* base_sketch_brief_from_text: @text may come from anybody.
 * @ret: (out): empty when it is refused
 * Returns: %FALSE with BASE_SKETCH_ERROR_INVALID */
gboolean base_sketch_brief_from_text (const char *text, BaseSketchBrief *ret,
                                      GError **error);
