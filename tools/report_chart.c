/* report_chart.c - curves over the steps of a run, as SVG. */
#include <math.h>

#include "report.h"

enum { WIDTH = 360, HEIGHT = 220, LEFT = 72, RIGHT = 14, TOP = 26, BOTTOM = 40 };
enum { TICKS = 5, POINTS_MAX = 1000 };

typedef struct axis {
    double low, high, step;
} axis;

/* 1, 2 or 5 times a power of ten, so that about TICKS of them cover the range. */
static double nice_step(double range)
{
    const double raw = range / TICKS, power = pow(10.0, floor(log10(raw)));
    const double share = raw / power;

    return (share <= 1.0 ? 1.0 : share <= 2.0 ? 2.0 : share <= 5.0 ? 5.0 : 10.0) * power;
}

static axis axis_of(const report_chart *chart, bool vertical)
{
    axis a = {INFINITY, -INFINITY, 1.0};

    for (size_t s = 0; s < chart->count; s++) {
        for (size_t i = 0; i < chart->series[s].count; i++) {
            const double y = chart->series[s].y[i];
            const double value = vertical ? y : chart->series[s].x[i];
            if (isfinite(y)) {
                a.low = fmin(a.low, value);
                a.high = fmax(a.high, value);
            }
        }
    }
    if (!(a.low <= a.high))
        return (axis){0.0, 1.0, 0.2};
    if (a.high - a.low < 1e-9 * fmax(fabs(a.high), 1e-30)) {
        const double margin = vertical && a.high != 0.0 ? 0.1 * fabs(a.high) : 1.0;
        a.low -= margin;
        a.high += margin;
    }
    a.step = nice_step(a.high - a.low);
    if (!vertical) {
        a.step = fmax(a.step, 1.0); /* there is no half step */
        return a;
    }
    a.low = floor(a.low / a.step) * a.step;
    a.high = fmin(ceil(a.high / a.step) * a.step, chart->most);
    return a;
}

/* The last x of the chart, which an axis that was widened goes beyond. */
static double last_x(const report_chart *chart)
{
    double last = -INFINITY;

    for (size_t s = 0; s < chart->count; s++)
        for (size_t i = 0; i < chart->series[s].count; i++)
            last = fmax(last, chart->series[s].x[i]);
    return last;
}

static double place_x(const axis *a, double x)
{
    return LEFT + (WIDTH - LEFT - RIGHT) * (x - a->low) / (a->high - a->low);
}

static double place_y(const axis *a, double y)
{
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - a->low) / (a->high - a->low);
}

static void draw_axes(report *r, const axis *x, const axis *y)
{
    const int rows = (int)lround((y->high - y->low) / y->step);
    const double first = ceil(x->low / x->step);
    const int columns = (int)floor(x->high / x->step * (1.0 + 1e-12)) - (int)first;

    for (int i = 0; i <= rows; i++) {
        const double v = y->low + i * y->step, at = place_y(y, v);
        report_raw(r,
                   "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"var(--line)\"/>"
                   "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%.6g</text>",
                   LEFT, WIDTH - RIGHT, at, at, LEFT - 6, at + 4.0,
                   fabs(v) < 1e-9 * y->step ? 0.0 : v);
    }
    for (int i = 0; i <= columns; i++) {
        const double v = (first + i) * x->step;
        report_raw(r,
                   "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"currentColor\"/>"
                   "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.6g</text>",
                   place_x(x, v), place_x(x, v), HEIGHT - BOTTOM, HEIGHT - BOTTOM + 4,
                   place_x(x, v), HEIGHT - BOTTOM + 17, v);
    }
}

/* `upper` is drawn over another series and is dashed and thinner, so that one that lies exactly
 * below it shows. */
static void draw_series(report *r, const report_series *s, const axis *x, const axis *y,
                        const char *colour, bool upper)
{
    const size_t every = s->count / POINTS_MAX + 1;
    size_t drawn = 0;
    double last[2] = {0.0, 0.0};

    report_raw(r, "<polyline fill=\"none\" stroke-width=\"%s\" stroke=\"%s\"%s points=\"",
               upper ? "1.4" : "2", colour, upper ? " stroke-dasharray=\"4 4\"" : "");
    for (size_t i = 0; i < s->count; i++) {
        if (!isfinite(s->y[i]) || (i % every != 0 && i + 1 != s->count))
            continue;
        last[0] = place_x(x, s->x[i]);
        last[1] = place_y(y, s->y[i]);
        report_raw(r, "%.1f,%.1f ", last[0], last[1]);
        drawn++;
    }
    report_raw(r, "\"/>");
    if (drawn > 0)
        report_raw(r, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%s\" fill=\"%s\"/>", last[0], last[1],
                   upper ? "2.5" : "4", colour);
}

static void draw_names(report *r, const report_chart *chart, const char *const *colours)
{
    int x = WIDTH - RIGHT;

    report_raw(r, "<text x=\"4\" y=\"14\" font-weight=\"600\">");
    report_text(r, chart->title);
    report_raw(r, "</text>");
    for (size_t s = chart->count; s-- > 0 && chart->count > 1;) {
        report_raw(r, "<text x=\"%d\" y=\"14\" text-anchor=\"end\" fill=\"%s\">", x,
                   colours[s % 2]);
        report_text(r, chart->series[s].name);
        report_raw(r, "</text>");
        x -= 62;
    }
    report_raw(r, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\" fill=\"var(--faint)\">",
               (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6);
    report_text(r, chart->x_label);
    report_raw(r,
               "</text><text transform=\"translate(11 %d) rotate(-90)\" text-anchor=\"middle\" "
               "fill=\"var(--faint)\">",
               (TOP + HEIGHT - BOTTOM) / 2);
    report_text(r, chart->y_label);
    report_raw(r, "</text>");
}

void report_draw(report *r, const report_chart *chart)
{
    static const char *const colours[] = {"var(--one)", "var(--two)"};
    const axis x = axis_of(chart, false), y = axis_of(chart, true);

    report_raw(r, "<svg class=\"chart\" viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"", WIDTH,
               HEIGHT);
    report_text(r, chart->title);
    report_raw(r, "\">");
    draw_axes(r, &x, &y);
    if (chart->mark >= x.low && chart->mark < last_x(chart))
        report_raw(r,
                   "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\" stroke=\"currentColor\" "
                   "stroke-dasharray=\"3 3\"/>",
                   place_x(&x, chart->mark), place_x(&x, chart->mark), TOP, HEIGHT - BOTTOM);
    for (size_t s = 0; s < chart->count; s++)
        draw_series(r, &chart->series[s], &x, &y, colours[s % 2], s % 2 == 1);
    draw_names(r, chart, colours);
    report_raw(r, "</svg>\n");
}
