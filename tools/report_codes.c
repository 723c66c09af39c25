/* report_codes.c - codes as maps, how sparse they are, and what one layer alone remembers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

enum { IMAGES = 6, MAPS = 11, ALONE = 10, CELL_WIDTH = 5, CELL_HEIGHT = 20 };

static int encode_layer(report *r, const csctrl_tensor *x, int layer, const csctrl_layer_info *l,
                        csctrl_tensor *codes)
{
    int code = cli_tensor_alloc(codes, 4,
                                (const int64_t[]){x->shape[0], l->atoms, l->out_size, l->out_size});

    if (code == CLI_OK) {
        const csctrl_status status = csctrl_model_encode_layer(r->model, x, layer, codes);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
    }
    return code;
}

static float most_of(const float *values, int64_t n)
{
    float most = 0.0f;

    for (int64_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(values[i]));
    return most;
}

/* The atoms with the largest mean absolute code, largest first. */
static int strongest(const csctrl_tensor *codes, int *atoms)
{
    const int64_t n = codes->shape[0], all = codes->shape[1],
                  area = codes->shape[2] * codes->shape[3];
    const int count = all < MAPS ? (int)all : MAPS;
    double *sums = calloc((size_t)all, sizeof *sums);

    if (sums == NULL)
        return -1;
    for (int64_t i = 0; i < n * all * area; i++)
        sums[i / area % all] += fabs((double)((const float *)codes->data)[i]);
    for (int k = 0; k < count; k++) {
        int best = 0;
        for (int a = 1; a < (int)all; a++)
            if (sums[a] > sums[best])
                best = a;
        atoms[k] = best;
        sums[best] = -1.0;
    }
    free(sums);
    return count;
}

/* A map of out x out codes enlarged to size x size, in all channels. With codes of both signs 0 is
 * mid grey, otherwise black. */
static void put_map(const float *map, int64_t out, float most, bool is_signed, csctrl_tensor *tiles,
                    int64_t tile)
{
    const int64_t size = tiles->shape[2], plane = size * size, channels = tiles->shape[1];
    float *to = (float *)tiles->data + tile * channels * plane;

    for (int64_t i = 0; i < channels * plane; i++) {
        const int64_t y = i / size % size * out / size, x = i % size * out / size;
        const float share = most > 0.0f ? map[y * out + x] / most : 0.0f;
        to[i] = is_signed ? share : 2.0f * share - 1.0f;
    }
}

/* Rows of [input | maps of the strongest atoms]. */
static int show_maps(report *r, const csctrl_tensor *x, const csctrl_tensor *codes, int layer,
                     bool is_signed)
{
    const int64_t n = x->shape[0], out = codes->shape[2], area = out * out;
    const size_t image = (size_t)csctrl_tensor_count(x) / (size_t)n;
    char labels[MAPS + 1][REPORT_LABEL] = {"input"}, name[32];
    int atoms[MAPS];
    csctrl_tensor tiles = {.data = NULL};
    const int maps = strongest(codes, atoms);

    if (maps < 0)
        return cli_fail_memory();
    for (int k = 0; k < maps; k++)
        snprintf(labels[k + 1], REPORT_LABEL, "atom %d", atoms[k] + 1);
    int code = report_images_alloc(r, &tiles, n * (maps + 1));
    for (int64_t i = 0; i < n && code == CLI_OK; i++) {
        const float *of = (const float *)codes->data + i * codes->shape[1] * area;
        const float most = most_of(of, codes->shape[1] * area);
        memcpy((float *)tiles.data + (size_t)(i * (maps + 1)) * image,
               (const float *)x->data + (size_t)i * image, image * sizeof(float));
        for (int k = 0; k < maps; k++)
            put_map(of + atoms[k] * area, out, most, is_signed, &tiles, i * (maps + 1) + k + 1);
    }
    snprintf(name, sizeof name, "codes-%d", layer + 1);
    if (code == CLI_OK)
        code = report_show(r, &(report_grid){name, &tiles, maps + 1, 0, labels, NULL});
    cli_tensor_free(&tiles);
    return code;
}

/* Codes without extent: one row of cells an image. */
static int show_cells(report *r, const csctrl_tensor *codes, const int64_t *positions, int layer,
                      bool is_signed)
{
    const int64_t n = codes->shape[0], atoms = codes->shape[1], width = atoms * CELL_WIDTH;
    char labels[IMAGES][REPORT_LABEL], name[32];
    csctrl_tensor rows;
    int code = cli_tensor_alloc(&rows, 4, (const int64_t[]){n, 1, CELL_HEIGHT, width});

    for (int64_t i = 0; i < n && code == CLI_OK; i++) {
        const float *of = (const float *)codes->data + i * atoms;
        const float most = most_of(of, atoms);
        for (int64_t j = 0; j < CELL_HEIGHT * width; j++) {
            const float share = most > 0.0f ? of[j % width / CELL_WIDTH] / most : 0.0f;
            ((float *)rows.data)[i * CELL_HEIGHT * width + j] =
                is_signed ? share : 2.0f * share - 1.0f;
        }
        report_class_label(r, (int)r->held.labels[positions[i]], 14, labels[i]);
    }
    snprintf(name, sizeof name, "codes-%d", layer + 1);
    if (code == CLI_OK)
        code = report_show(r, &(report_grid){name, &rows, 1, 1, NULL, labels});
    cli_tensor_free(&rows);
    return code;
}

static int show_codes(report *r, const csctrl_tensor *x, const int64_t *positions, int layer)
{
    csctrl_layer_info l;
    csctrl_tensor codes = {.data = NULL};
    const double zeros = r->figures.sparsity[layer];

    const csctrl_status known = csctrl_model_get_layer(r->model, layer, &l);
    if (known != CSCTRL_OK)
        return cli_fail_status(known);
    const char *const greys =
        l.nonneg ? "Black is 0 and white the largest code of an image."
                 : "They have a sign: mid grey is 0, black and white are minus and plus the "
                   "largest absolute code of an image.";
    int code = encode_layer(r, x, layer, &l, &codes);
    report_raw(r, "<h3>Layer %d</h3>", layer + 1);
    report_figure(r);
    if (code == CLI_OK)
        code = l.out_size > 1 ? show_maps(r, x, &codes, layer, !l.nonneg)
                              : show_cells(r, &codes, positions, layer, !l.nonneg);
    if (l.out_size > 1)
        report_caption(r,
                       "%lld held-out images and their codes, %d x %d each, of the atoms with the "
                       "largest mean absolute code. %.1f%% of this layer's codes are zero. %s",
                       (long long)x->shape[0], l.out_size, l.out_size, 100.0 * zeros, greys);
    else
        report_caption(r,
                       "Codes of all %d atoms, one a column, of the same %lld images, with their "
                       "classes. %.1f%% of this layer's codes are zero. %s",
                       l.atoms, (long long)x->shape[0], 100.0 * zeros, greys);
    cli_tensor_free(&codes);
    return code;
}

static void sparsity_table(report *r)
{
    report_raw(r, "<table><tr><th>layer</th><th>zero codes</th><th></th></tr>");
    for (int i = 0; i < r->figures.layers; i++)
        report_raw(r,
                   "<tr><td>%d</td><td>%.1f%%</td><td style=\"text-align:left\"><span "
                   "class=\"bar\" style=\"width:%.1frem\"></span></td></tr>",
                   i + 1, 100.0 * r->figures.sparsity[i], 12.0 * r->figures.sparsity[i]);
    report_raw(r,
               "</table>\n<p>Share of exact zeros among the codes of each layer, %lld held-out "
               "images.</p>\n",
               (long long)r->figures.images);
}

int report_codes(report *r)
{
    int64_t positions[IMAGES];
    csctrl_tensor x = {.data = NULL};
    const int n = report_pick(r, IMAGES, positions);
    int code = n > 0 ? report_read(r, &r->held, positions, n, &x) : CLI_OK;

    report_section(r, "codes", "Codes");
    sparsity_table(r);
    if (n == 0)
        report_no_image(r);
    for (int layer = 0; layer < r->info.layers && n > 0 && code == CLI_OK; layer++)
        code = show_codes(r, &x, positions, layer);
    report_section_end(r);
    cli_tensor_free(&x);
    return code;
}

/* ---- one layer alone */

/* Codes scaled to the root mean square of those that the decoder's layer is given. */
static csctrl_status rescale(report *r, const csctrl_tensor *z, int layer, csctrl_tensor *codes)
{
    csctrl_tensor given = *codes;
    const int64_t n = csctrl_tensor_count(codes);
    double have = 0.0, want = 0.0;

    given.data = calloc((size_t)n, sizeof(float));
    if (given.data == NULL)
        return CSCTRL_E_NOMEM;
    const csctrl_status status = csctrl_model_decode_to_layer(r->model, z, layer, &given);
    for (int64_t i = 0; i < n && status == CSCTRL_OK; i++) {
        have += pow((double)((float *)codes->data)[i], 2.0);
        want += pow((double)((float *)given.data)[i], 2.0);
    }
    for (int64_t i = 0; i < n && have > 0.0 && status == CSCTRL_OK; i++)
        ((float *)codes->data)[i] *= (float)sqrt(want / have);
    free(given.data);
    return status;
}

/* Row `layer + 1` of tiles, and the mean PSNR of it. */
static int regenerate(report *r, const csctrl_tensor *x, const csctrl_tensor *z, int layer,
                      csctrl_tensor *row, double *psnr)
{
    csctrl_layer_info l;
    csctrl_tensor codes = {.data = NULL};
    double each[ALONE] = {0.0};

    const csctrl_status known = csctrl_model_get_layer(r->model, layer, &l);
    if (known != CSCTRL_OK)
        return cli_fail_status(known);
    int code = encode_layer(r, x, layer, &l, &codes);
    if (code == CLI_OK) {
        csctrl_status status = rescale(r, z, layer, &codes);
        if (status == CSCTRL_OK)
            status = csctrl_model_decode_from_layer(r->model, layer, &codes, row);
        if (status == CSCTRL_OK)
            status = csctrl_psnr(x, row, each);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
    }
    *psnr = 0.0;
    for (int64_t i = 0; i < x->shape[0] && code == CLI_OK; i++)
        *psnr += each[i] / (double)x->shape[0];
    cli_tensor_free(&codes);
    return code;
}

int report_alone(report *r)
{
    char labels[CSCTRL_MAX_LAYERS + 1][REPORT_LABEL] = {"input"};
    int64_t positions[ALONE];
    csctrl_tensor x = {.data = NULL}, z = {.data = NULL}, tiles = {.data = NULL};
    const int n = report_pick(r, ALONE, positions);

    report_section(r, "alone", "What each layer alone regenerates");
    if (n == 0) {
        report_no_image(r);
        report_section_end(r);
        return CLI_OK;
    }
    int code = report_read(r, &r->held, positions, n, &x);
    if (code == CLI_OK)
        code = report_features(r, &r->held, positions, n, &z);
    if (code == CLI_OK)
        code = report_images_alloc(r, &tiles, (int64_t)n * (r->info.layers + 1));
    if (code == CLI_OK)
        memcpy(tiles.data, x.data, (size_t)csctrl_tensor_count(&x) * sizeof(float));
    for (int layer = 0; layer < r->info.layers && code == CLI_OK; layer++) {
        csctrl_tensor row = cli_tensor_rows(&tiles, (int64_t)(layer + 1) * n, n);
        double psnr = 0.0;
        code = regenerate(r, &x, &z, layer, &row, &psnr);
        snprintf(labels[layer + 1], REPORT_LABEL, "layer %d, %.1f dB", layer + 1, psnr);
    }
    report_figure(r);
    if (code == CLI_OK)
        code = report_show(r, &(report_grid){"layers-alone", &tiles, n, 0, NULL, labels});
    report_caption(r,
                   "Row l: the sparse codes of encoder layer l, and nothing else, given to the "
                   "decoder's layer l and decoded from there on; scaled by one number to the root "
                   "mean square of the codes that layer is given in the full decoder. %d held-out "
                   "images, with the mean PSNR of each row. A row that is white on black has not "
                   "failed to be drawn: the decoder's norms were fitted to the codes that the "
                   "whole decoder makes, these are spread otherwise, and its closing tanh then "
                   "saturates. The pictures are what was decoded, unscaled, as is the PSNR.",
                   n);
    report_section_end(r);
    cli_tensor_free(&x);
    cli_tensor_free(&z);
    cli_tensor_free(&tiles);
    return code;
}
