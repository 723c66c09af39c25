/* report_components.c - the principal components of each class's features: images along each, and
 * the training images that lie farthest along it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

enum { COMPONENTS = 4, SIGMAS = 3, WALK = 2 * SIGMAS + 1, NEAREST = 5, GAP_TILE = 1 };
enum { COLUMNS = WALK + GAP_TILE + NEAREST };

/* One component: its walk's features and the positions in r->fit of its nearest images. */
typedef struct component {
    double deviation;
    int64_t nearest[NEAREST];
    int count;
} component;

/* mean + k sigma direction on the unit sphere, k = -SIGMAS..SIGMAS. */
static void walk(const float *mean, const float *direction, double deviation, int64_t d, float *out)
{
    for (int i = 0; i < WALK; i++) {
        double norm2 = 0.0;
        for (int64_t j = 0; j < d; j++) {
            const double v = (double)mean[j] + (i - SIGMAS) * deviation * (double)direction[j];
            out[i * d + j] = (float)v;
            norm2 += v * v;
        }
        for (int64_t j = 0; j < d; j++)
            out[i * d + j] /= (float)fmax(sqrt(norm2), 1e-12);
    }
}

/* Images of class k with the largest (z - mean) . direction, largest first. */
static void find_nearest(const report *r, int k, const float *mean, const float *direction,
                         component *c)
{
    const int64_t d = r->info.features;
    double found[NEAREST];

    c->count = 0;
    for (int64_t i = 0; i < r->fit.count; i++) {
        const float *z = (const float *)r->fit.z.data + i * d;
        double along = 0.0;
        if (r->fit.labels[i] != k)
            continue;
        for (int64_t j = 0; j < d; j++)
            along += ((double)z[j] - (double)mean[j]) * (double)direction[j];
        int at = c->count < NEAREST ? c->count++ : NEAREST;
        while (at > 0 && along > found[at - 1]) {
            if (at < NEAREST) {
                found[at] = found[at - 1];
                c->nearest[at] = c->nearest[at - 1];
            }
            at--;
        }
        if (at < NEAREST) {
            found[at] = along;
            c->nearest[at] = i;
        }
    }
}

/* The components of class k and their walks, z f32[count * WALK, d]. */
static int take(report *r, int k, int count, component *c, csctrl_tensor *z)
{
    const int64_t d = r->info.features;
    csctrl_tensor mean, direction = {.data = NULL};
    int code = cli_tensor_alloc(&mean, 1, &d);

    if (code == CLI_OK)
        code = cli_tensor_alloc(&direction, 1, &d);
    if (code == CLI_OK)
        code = cli_tensor_alloc(z, 2, (const int64_t[]){(int64_t)count * WALK, d});
    for (int i = 0; i < count && code == CLI_OK; i++) {
        const csctrl_status status =
            csctrl_subspaces_component(r->subspaces, k, i, &mean, &direction, &c[i].deviation);
        if (status != CSCTRL_OK) {
            code = cli_fail_status(status);
            break;
        }
        walk(mean.data, direction.data, c[i].deviation, d,
             (float *)z->data + (int64_t)i * WALK * d);
        find_nearest(r, k, mean.data, direction.data, &c[i]);
    }
    cli_tensor_free(&mean);
    cli_tensor_free(&direction);
    return code;
}

/* Row i of tiles: the walk, a white gap, the nearest images. */
static int put_row(const report *r, const component *c, const csctrl_tensor *walks, int i,
                   csctrl_tensor *tiles)
{
    const size_t image = (size_t)csctrl_tensor_count(tiles) / (size_t)tiles->shape[0];
    float *row = (float *)tiles->data + (size_t)i * COLUMNS * image;
    csctrl_tensor x = {.data = NULL};
    const int code = report_read(r, &r->fit, c->nearest, c->count, &x);

    for (size_t j = 0; j < COLUMNS * image; j++)
        row[j] = 1.0f;
    memcpy(row, (const float *)walks->data + (size_t)i * WALK * image,
           WALK * image * sizeof(float));
    if (code == CLI_OK)
        memcpy(row + (WALK + GAP_TILE) * image, x.data, (size_t)c->count * image * sizeof(float));
    cli_tensor_free(&x);
    return code;
}

static int show_class(report *r, int k)
{
    const int kept = csctrl_subspaces_count(r->subspaces, k);
    const int count = kept < COMPONENTS ? kept : COMPONENTS;
    char columns[COLUMNS][REPORT_LABEL] = {{0}}, rows[COMPONENTS][REPORT_LABEL], name[48];
    csctrl_tensor z = {.data = NULL}, walks = {.data = NULL}, tiles = {.data = NULL};
    component c[COMPONENTS];

    report_raw(r, "<h3>Class ");
    report_text(r, report_class(r, k));
    report_raw(r, "</h3>");
    if (count <= 0) {
        report_raw(r, "<p>Too few images for a component.</p>");
        return CLI_OK;
    }
    int code = take(r, k, count, c, &z);
    if (code == CLI_OK)
        code = report_decode(r, &z, &walks);
    if (code == CLI_OK)
        code = report_images_alloc(r, &tiles, (int64_t)count * COLUMNS);
    for (int i = 0; i < count && code == CLI_OK; i++) {
        code = put_row(r, &c[i], &walks, i, &tiles);
        snprintf(rows[i], REPORT_LABEL, "%d: sigma %.3f", i + 1, c[i].deviation);
    }
    for (int i = 0; i < WALK; i++)
        snprintf(columns[i], REPORT_LABEL, i == SIGMAS ? "mean" : "%+d sigma", i - SIGMAS);
    for (int i = 0; i < NEAREST; i++)
        snprintf(columns[WALK + GAP_TILE + i], REPORT_LABEL, "nearest %d", i + 1);
    snprintf(name, sizeof name, "components-%d", k);
    if (code == CLI_OK)
        code = report_show(r, &(report_grid){name, &tiles, COLUMNS, 0, columns, rows});
    cli_tensor_free(&z);
    cli_tensor_free(&walks);
    cli_tensor_free(&tiles);
    return code;
}

int report_components(report *r)
{
    int code = CLI_OK;

    report_section(r, "components", "Principal components of each class");
    report_figure(r);
    for (int i = 0; i < r->shown_count && code == CLI_OK; i++)
        code = show_class(r, r->shown[i]);
    report_caption(r,
                   "A row a component, the leading %d at most. Left: g of the class's mean feature "
                   "moved by -%d to +%d standard deviations (sigma) along the component, on the "
                   "unit sphere. Right: the training images of the class whose features lie "
                   "farthest along it. Fitted on %lld training images; %d of %d classes.",
                   COMPONENTS, SIGMAS, SIGMAS, (long long)r->fit.count, r->shown_count, r->classes);
    report_section_end(r);
    return code;
}
