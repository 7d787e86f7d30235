/* SPDX-License-Identifier: Apache-2.0 */
/* ScalingSimulation as a picture: SVG, for a browser or a report. */
#include <math.h>

#include "scaling/simulate.h"

#define WIDTH 1000
#define HEIGHT 560
#define LEFT 84
#define RIGHT 24
#define TOP 92
#define BOTTOM 104
#define N_COLUMNS (WIDTH - LEFT - RIGHT) /* a pixel each */
#define ROWS (HEIGHT - TOP - BOTTOM)
#define N_TICKS_MAX 9

#define COLOR_VIEWERS "#2166ac"
#define COLOR_SLOTS "#1b7837"
#define COLOR_WANTED "#b58900"
#define COLOR_OUTSIDE "#c0392b"
#define COLOR_TEXT "#222222"
#define COLOR_GRID "#dddddd"

typedef struct
{
  const ScalingSimulation *simulation; /* borrowed */
  GString *text;                       /* borrowed */
  double most, seconds;                /* at the ends of the axes */
} Chart;

/* g_string_append_printf would write commas for points in some languages */
static void
add_number (GString *text, double value)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append (text,
                   g_ascii_formatd (buffer, sizeof buffer, "%.1f", value));
}

static double
get_x (const Chart *chart, double at_s)
{
  return LEFT
         + (at_s - chart->simulation->first_s) / chart->seconds * N_COLUMNS;
}

static double
get_y (const Chart *chart, double value)
{
  return TOP + ROWS * (1 - value / chart->most);
}

/* --- axes --------------------------------------------------------------- */

static void
add_line (Chart *chart, double x1, double y1, double x2, double y2,
          const char *color)
{
  GString *text = chart->text;

  g_string_append (text, "<line x1=\"");
  add_number (text, x1);
  g_string_append (text, "\" y1=\"");
  add_number (text, y1);
  g_string_append (text, "\" x2=\"");
  add_number (text, x2);
  g_string_append (text, "\" y2=\"");
  add_number (text, y2);
  g_string_append_printf (text, "\" stroke=\"%s\"/>\n", color);
}

static void
add_text (Chart *chart, double x, double y, const char *anchor,
          const char *extra, const char *words)
{
  GString *text = chart->text;
  g_autofree char *escaped = g_markup_escape_text (words, -1);

  g_string_append (text, "<text x=\"");
  add_number (text, x);
  g_string_append (text, "\" y=\"");
  add_number (text, y);
  g_string_append_printf (text, "\" text-anchor=\"%s\"%s>%s</text>\n", anchor,
                          extra, escaped);
}

/* dup_count: (transfer full): 1200000 → "1.2 M" */
static char *
dup_count (double value)
{
  static const struct
  {
    double unit;
    const char *sign;
  } units[] = { { 1e9, " G" }, { 1e6, " M" }, { 1e3, " k" }, { 1, "" } };
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  for (guint i = 0; i < G_N_ELEMENTS (units); i++)
    if (value >= units[i].unit)
      return g_strconcat (g_ascii_formatd (buffer, sizeof buffer, "%.4g",
                                           value / units[i].unit),
                          units[i].sign, NULL);
  return g_strdup ("0");
}

/* 1, 2 or 5 times a power of ten, so that there are few ticks up to @most */
static double
find_tick (double most)
{
  double tick = pow (10, floor (log10 (MAX (most, 1) / N_TICKS_MAX)));

  if (most / tick > N_TICKS_MAX)
    tick *= most / (2 * tick) <= N_TICKS_MAX   ? 2
            : most / (5 * tick) <= N_TICKS_MAX ? 5
                                               : 10;
  return MAX (tick, 1);
}

static void
add_value_axis (Chart *chart)
{
  double tick = find_tick (chart->most);
  g_autofree char *turned =
      g_strdup_printf (" transform=\"rotate(-90 20 %d)\"", TOP + ROWS / 2);

  for (double value = 0; value <= chart->most; value += tick)
    {
      g_autofree char *label = dup_count (value);

      add_line (chart, LEFT, get_y (chart, value), WIDTH - RIGHT,
                get_y (chart, value), COLOR_GRID);
      add_text (chart, LEFT - 8, get_y (chart, value) + 4, "end", "", label);
    }
  add_text (chart, 20, TOP + ROWS / 2, "middle", turned, "viewers, slots");
}

static void
add_time_axis (Chart *chart)
{
  static const double steps_s[] = { 1,    2,    5,     10,    15,    30,
                                    60,   120,  300,   600,   900,   1800,
                                    3600, 7200, 14400, 21600, 43200, 86400 };
  double unit_s = chart->seconds <= 300     ? 1
                  : chart->seconds <= 10800 ? 60
                                            : 3600;
  double step_s = steps_s[G_N_ELEMENTS (steps_s) - 1];
  double first_s = chart->simulation->first_s;

  for (guint i = G_N_ELEMENTS (steps_s); i-- > 0;)
    if (chart->seconds / steps_s[i] <= 12)
      step_s = steps_s[i];
  for (double at_s = ceil (first_s / step_s) * step_s;
       at_s <= first_s + chart->seconds; at_s += step_s)
    {
      char label[G_ASCII_DTOSTR_BUF_SIZE];

      g_ascii_formatd (label, sizeof label, "%.4g", at_s / unit_s);
      add_line (chart, get_x (chart, at_s), TOP + ROWS, get_x (chart, at_s),
                TOP + ROWS + 5, COLOR_TEXT);
      add_text (chart, get_x (chart, at_s), TOP + ROWS + 19, "middle", "",
                label);
    }
  add_line (chart, LEFT, TOP + ROWS, WIDTH - RIGHT, TOP + ROWS, COLOR_TEXT);
  add_text (chart, LEFT + N_COLUMNS / 2, TOP + ROWS + 38, "middle", "",
            unit_s == 1    ? "time, seconds"
            : unit_s == 60 ? "time, minutes"
                           : "time, hours");
}

/* --- curves ------------------------------------------------------------- */

static double
get_value (const ScalingSimulateStep *step, guint curve)
{
  const double values[] = { step->n_viewers, step->n_slots, step->n_wanted,
                            step->n_outside };

  return values[curve];
}

static void
add_point (Chart *chart, double at_s, double value)
{
  add_number (chart->text, get_x (chart, at_s));
  g_string_append_c (chart->text, ',');
  add_number (chart->text, get_y (chart, value));
  g_string_append_c (chart->text, ' ');
}

/* add_points: what changes, and per pixel its least and its most */
static void
add_points (Chart *chart, guint curve)
{
  const GArray *steps = chart->simulation->steps;
  double first_s = chart->simulation->first_s;
  guint width = MAX (1, steps->len / N_COLUMNS);

  for (guint i = 0; i < steps->len; i += width)
    {
      double least = HUGE_VAL, most = -HUGE_VAL, first, last = 0;
      guint end = MIN (i + width, steps->len);

      first = get_value (&g_array_index (steps, ScalingSimulateStep, i), curve);
      for (guint k = i; k < end; k++)
        {
          last =
              get_value (&g_array_index (steps, ScalingSimulateStep, k), curve);
          least = MIN (least, last);
          most = MAX (most, last);
        }
      add_point (chart, first_s + i, first);
      if (least < most)
        {
          add_point (chart, first_s + i, least);
          add_point (chart, first_s + i, most);
          add_point (chart, first_s + end - 1, last);
        }
    }
}

static void
add_curve (Chart *chart, guint curve, const char *style)
{
  g_string_append_printf (chart->text,
                          "<polyline fill=\"none\" stroke-linejoin=\"round\" "
                          "%s points=\"",
                          style);
  add_points (chart, curve);
  g_string_append (chart->text, "\"/>\n");
}

static void
add_viewers (Chart *chart)
{
  double end_s = chart->simulation->first_s + chart->seconds;

  g_string_append (chart->text, "<polygon fill=\"" COLOR_VIEWERS
                                "\" fill-opacity=\"0.18\" points=\"");
  add_point (chart, chart->simulation->first_s, 0);
  add_points (chart, 0);
  add_point (chart, end_s, 0);
  g_string_append (chart->text, "\"/>\n");
  add_curve (chart, 0, "stroke=\"" COLOR_VIEWERS "\" stroke-width=\"1.5\"");
}

/* add_mark: a triangle that points up or down, its tip at the slots wanted */
static void
add_mark (Chart *chart, const ScalingSimulateMove *move)
{
  guint second = (guint)(move->at_s - chart->simulation->first_s);
  const ScalingSimulateStep *step =
      &g_array_index (chart->simulation->steps, ScalingSimulateStep,
                      MIN (second + 1, chart->simulation->steps->len - 1));
  double x = get_x (chart, move->at_s), y = get_y (chart, step->n_wanted);
  double side = move->to > move->from ? 8 : -8;
  g_autofree char *reason = g_markup_escape_text (move->reason, -1);
  GString *text = chart->text;

  g_string_append (text, "<path d=\"M");
  add_number (text, x);
  g_string_append_c (text, ' ');
  add_number (text, y);
  g_string_append (text, "l4.5 ");
  add_number (text, side);
  g_string_append_printf (
      text,
      "h-9z\" fill=\"%s\" stroke=\"white\" stroke-width=\"0.7\">"
      "<title>%.0f s: %s (%s)</title></path>\n",
      move->to > move->from ? COLOR_SLOTS : COLOR_OUTSIDE, move->at_s, reason,
      scaling_urgency_get_name (move->urgency));
}

/* --- words -------------------------------------------------------------- */

static void
add_legend (Chart *chart)
{
  static const struct
  {
    const char *mark, *label;
  } rows[] = {
    { "<path d=\"M0 0h22\" stroke=\"" COLOR_VIEWERS "\" stroke-width=\"3\"/>",
      "viewers" },
    { "<path d=\"M0 0h22\" stroke=\"" COLOR_SLOTS "\" stroke-width=\"3\"/>",
      "slots" },
    { "<path d=\"M0 0h22\" stroke=\"" COLOR_WANTED
      "\" stroke-width=\"2\" stroke-dasharray=\"5 3\"/>",
      "slots wanted" },
    { "<path d=\"M0 0h22\" stroke=\"" COLOR_OUTSIDE "\" stroke-width=\"3\"/>",
      "refused, waiting" },
    { "<path d=\"M11 -5l4.5 8h-9z\" fill=\"" COLOR_SLOTS "\"/>", "out" },
    { "<path d=\"M11 5l4.5 -8h-9z\" fill=\"" COLOR_OUTSIDE "\"/>", "in" },
  };
  double x = LEFT;

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_string_append_printf (chart->text,
                              "<g transform=\"translate(%.0f 60)\">%s</g>\n", x,
                              rows[i].mark);
      add_text (chart, x + 28, 64, "start", "", rows[i].label);
      x += i < 3 ? 130 : i == 3 ? 160 : 80;
    }
}

static void
add_figures (Chart *chart)
{
  const ScalingSimulation *self = chart->simulation;
  g_autofree char *peak = dup_count (self->peak_viewers);
  g_autofree char *first = g_strdup_printf (
      "peak %s viewers; %u times out, %u in; at most %u subtrees; changes of "
      "direction in 10 min: %u",
      peak, self->n_out, self->n_in, self->n_most, self->n_turns_10min);
  g_autofree char *second = g_strdup_printf (
      "slots missing %.2f %% (in %.2f %% of the time), without a viewer %.1f "
      "%% of those with one; %.2f s of refusal a viewer",
      100 * self->under_ratio, 100 * self->under_time_ratio,
      100 * self->over_ratio, self->wait_s);

  add_text (chart, LEFT, HEIGHT - 34, "start", "", first);
  add_text (chart, LEFT, HEIGHT - 14, "start", "", second);
}

static void
add_head (Chart *chart, const char *title)
{
  g_autofree char *escaped = g_markup_escape_text (title, -1);

  g_string_append_printf (
      chart->text,
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
      "width=\"%d\" height=\"%d\" font-family=\"sans-serif\" "
      "font-size=\"13\" fill=\"" COLOR_TEXT "\" role=\"img\" "
      "aria-label=\"%s\">\n<rect width=\"%d\" height=\"%d\" "
      "fill=\"white\"/>\n",
      WIDTH, HEIGHT, WIDTH, HEIGHT, escaped, WIDTH, HEIGHT);
  add_text (chart, LEFT, 32, "start", " font-size=\"18\"", title);
}

char *
scaling_simulation_to_svg (const ScalingSimulation *self, const char *title)
{
  GString *text = g_string_new (NULL);
  Chart chart = { .simulation = self,
                  .text = text,
                  .most = 1,
                  .seconds = MAX (1, (double)self->steps->len - 1) };

  for (guint i = 0; i < self->steps->len; i++)
    for (guint curve = 0; curve < 4; curve++)
      chart.most =
          MAX (chart.most,
               get_value (&g_array_index (self->steps, ScalingSimulateStep, i),
                          curve));
  chart.most *= 1.05;
  add_head (&chart, title);
  add_legend (&chart);
  add_value_axis (&chart);
  add_viewers (&chart);
  add_curve (&chart, 2,
             "stroke=\"" COLOR_WANTED
             "\" stroke-width=\"1.5\" stroke-dasharray=\"5 3\"");
  add_curve (&chart, 1, "stroke=\"" COLOR_SLOTS "\" stroke-width=\"2\"");
  add_curve (&chart, 3, "stroke=\"" COLOR_OUTSIDE "\" stroke-width=\"1.5\"");
  for (guint i = 0; i < self->moves->len; i++)
    add_mark (&chart, &g_array_index (self->moves, ScalingSimulateMove, i));
  add_time_axis (&chart);
  add_figures (&chart);
  g_string_append (text, "</svg>\n");
  return g_string_free (text, FALSE);
}
