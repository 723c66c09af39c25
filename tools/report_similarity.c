/* report_similarity.c - |Z^T Z| of held-out images in the order of their classes, alone and with
 * the features of their regenerations. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

enum { MOST = 360, LEFT = 84, TOP = 8, BOTTOM = 44 };

/* Positions in r->held, class by class, at most `most` of them. */
typedef struct ordered {
    int64_t position[MOST];
    int64_t label[MOST];
    int count;
    int scale; /* of the picture on the page: few images are shown larger */
} ordered;

static int by_label(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;

    return x[0] != y[0] ? (x[0] < y[0] ? -1 : 1) : x[1] < y[1] ? -1 : 1;
}

static int order(const report *r, ordered *o)
{
    const int64_t n = r->held.count;
    const int count = n < MOST ? (int)n : MOST;
    int64_t(*rows)[2] = calloc((size_t)count, sizeof *rows);

    if (rows == NULL)
        return cli_fail_memory();
    for (int64_t i = 0; i < count; i++) {
        const int64_t at = i * n / count;
        rows[i][0] = r->held.labels[at];
        rows[i][1] = at;
    }
    qsort(rows, (size_t)count, sizeof *rows, by_label);
    for (int i = 0; i < count; i++) {
        o->label[i] = rows[i][0];
        o->position[i] = rows[i][1];
    }
    o->count = count;
    o->scale = MOST / count;
    free(rows);
    return CLI_OK;
}

/* 0..1 to a colour that grows lighter evenly, for the colour-blind too. */
static void paint(double value, float *image, int64_t plane)
{
    static const float stops[][3] = {
        {68, 1, 84}, {59, 82, 139}, {33, 145, 140}, {94, 201, 98}, {253, 231, 37}};
    const double at = 4.0 * fmin(fmax(value, 0.0), 1.0);
    const int low = at < 4.0 ? (int)at : 3;
    const float share = (float)(at - low);

    for (int c = 0; c < 3; c++) {
        const float byte = stops[low][c] + share * (stops[low + 1][c] - stops[low][c]);
        image[c * plane] = byte / 127.5f - 1.0f;
    }
}

/* Means of |<a_i, b_j>| over pairs of one class (no image with itself, unless b is another set) and
 * of two. */
typedef struct means {
    double within, between;
} means;

static means fill(const report *r, const ordered *o, const float *a, const float *b,
                  csctrl_tensor *picture)
{
    const int64_t d = r->info.features, n = o->count;
    double sums[2] = {0.0, 0.0}, pairs[2] = {0.0, 0.0};

    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < n; j++) {
            const float *x = a + o->position[i] * d, *y = b + o->position[j] * d;
            double dot = 0.0;
            for (int64_t k = 0; k < d; k++)
                dot += (double)x[k] * (double)y[k];
            const int same = o->label[i] == o->label[j];
            if (i != j) {
                sums[same] += fabs(dot);
                pairs[same] += 1.0;
            }
            paint(fabs(dot), (float *)picture->data + i * n + j, n * n);
        }
    }
    return (means){sums[1] / fmax(pairs[1], 1.0), sums[0] / fmax(pairs[0], 1.0)};
}

/* Names and borders of the classes: at most about 12 names. */
static void put_classes(report *r, const ordered *o)
{
    const int n = o->count, s = o->scale;
    int classes = 1, index = 0;

    for (int i = 1; i < n; i++)
        classes += o->label[i] != o->label[i - 1];
    const int every = (classes + 11) / 12;
    for (int first = 0, last; first < n; first = last, index++) {
        for (last = first; last < n && o->label[last] == o->label[first];)
            last++;
        if (last < n && classes <= 40)
            report_raw(r,
                       "<path d=\"M%d %dh%dM%d %dv%d\" stroke=\"#fff\" stroke-opacity=\".5\" "
                       "stroke-width=\".6\"/>",
                       LEFT, TOP + last * s, n * s, LEFT + last * s, TOP, n * s);
        if (index % every != 0)
            continue;
        report_raw(r, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\" font-size=\"11\">", LEFT - 6,
                   TOP + 0.5 * (first + last) * s + 4.0);
        char name[REPORT_LABEL];
        report_class_label(r, (int)o->label[first], 12, name);
        report_text(r, name);
        report_raw(r, "</text>");
    }
}

static void put_scale(report *r, int n)
{
    const int y = TOP + n + 10;

    report_raw(r, "<defs><linearGradient id=\"scale\"><stop offset=\"0\" stop-color=\"#440154\"/>"
                  "<stop offset=\".25\" stop-color=\"#3b528b\"/><stop offset=\".5\" "
                  "stop-color=\"#21918c\"/><stop offset=\".75\" stop-color=\"#5ec962\"/>"
                  "<stop offset=\"1\" stop-color=\"#fde725\"/></linearGradient></defs>");
    report_raw(r, "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"10\" fill=\"url(#scale)\"/>", LEFT,
               y, n);
    for (int i = 0; i <= 2; i++)
        report_raw(r, "<text x=\"%d\" y=\"%d\" text-anchor=\"%s\">%g</text>", LEFT + i * n / 2,
                   y + 24,
                   i == 0   ? "start"
                   : i == 1 ? "middle"
                            : "end",
                   0.5 * i);
}

static int show(report *r, const ordered *o, const char *name, const char *title, const float *a,
                const float *b, means *mean)
{
    const int n = o->count, side = n * o->scale;
    csctrl_tensor picture;
    const char *path = report_new_picture(r, name);
    int code = cli_tensor_alloc(&picture, 3, (const int64_t[]){3, n, n});

    if (path == NULL)
        code = cli_fail_memory();
    if (code == CLI_OK) {
        *mean = fill(r, o, a, b, &picture);
        const csctrl_status status = csctrl_image_write(path, &picture);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
    }
    if (code == CLI_OK) {
        report_raw(r,
                   "<div><h3>%s</h3><div class=\"wide\"><svg width=\"%d\" height=\"%d\" "
                   "viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\"><image x=\"%d\" y=\"%d\" "
                   "width=\"%d\" height=\"%d\" href=\"",
                   title, LEFT + side + 4, TOP + side + BOTTOM, LEFT + side + 4,
                   TOP + side + BOTTOM, name, LEFT, TOP, side, side);
        code = report_embed(r, path);
        report_raw(r, "\"/>");
        put_classes(r, o);
        put_scale(r, side);
        report_raw(r, "</svg></div></div>\n");
        r->pictures++;
    }
    cli_tensor_free(&picture);
    return code;
}

int report_similarity(report *r)
{
    static const char *const titles[] = {"|Z&#7488; Z|", "|Z&#7488; Z&#770;|",
                                         "|Z&#770;&#7488; Z&#770;|"};
    static const char *const names[] = {"similarity-z", "similarity-z-zhat", "similarity-zhat"};
    const float *z = r->held.z.data, *zhat = r->held.zhat.data;
    const float *const pairs[][2] = {{z, z}, {z, zhat}, {zhat, zhat}};
    means mean[3] = {{0.0, 0.0}};
    ordered *o = calloc(1, sizeof *o);
    int code = o != NULL ? order(r, o) : cli_fail_memory();

    report_section(r, "similarity", "Similarity of features");
    report_figure(r);
    report_raw(r, "<div class=\"row\">");
    for (int i = 0; i < 3 && code == CLI_OK; i++)
        code = show(r, o, names[i], titles[i], pairs[i][0], pairs[i][1], &mean[i]);
    report_raw(r, "</div>");
    if (code == CLI_OK)
        report_caption(r,
                       "Absolute cosines (0 to 1) of the features of %d held-out images, in the "
                       "order of their classes: z = f(x) with one another, with zhat = f(g(z)), "
                       "and zhat with one another.",
                       o->count);
    report_raw(r, "<table><tr><th>mean |cosine|</th><th>within a class</th><th>between classes</th>"
                  "</tr>");
    for (int i = 0; i < 3; i++)
        report_raw(r, "<tr><td>%s</td><td>%.3f</td><td>%.3f</td></tr>", titles[i], mean[i].within,
                   mean[i].between);
    report_raw(r, "</table>\n<p>Of two different images each.</p>\n");
    report_section_end(r);
    free(o);
    return code;
}
