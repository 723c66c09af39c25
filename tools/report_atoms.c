/* report_atoms.c - the dictionaries as pictures: the first layer's atoms as they are, deeper ones
 * as what the decoder makes of them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"

enum { COLUMNS = 16, WIDTH = 960, ATOMS_MAX = 128, MEAN_OF = 256 };

/* Each image by its own largest absolute value, 0 in the middle. */
static void scale_each(csctrl_tensor *x)
{
    const int64_t n = x->shape[0], width = n > 0 ? csctrl_tensor_count(x) / n : 0;

    for (int64_t i = 0; i < n; i++) {
        float *row = (float *)x->data + i * width, most = 0.0f;
        for (int64_t j = 0; j < width; j++)
            most = fmaxf(most, fabsf(row[j]));
        for (int64_t j = 0; j < width && most > 0.0f; j++)
            row[j] /= most;
    }
}

/* The dictionary that layer 0 of the decoder synthesises with. */
static int first_atoms(const report *r, csctrl_tensor *atoms)
{
    const char *wanted = r->info.tied ? "encoder.0.dictionary" : "decoder.0.dictionary";
    csctrl_parameter p;

    for (size_t i = 0; i < csctrl_model_parameter_count(r->model); i++) {
        if (csctrl_model_get_parameter(r->model, i, &p) != CSCTRL_OK || strcmp(p.name, wanted) != 0)
            continue;
        const int64_t count = csctrl_tensor_count(&p.value);
        const size_t bytes = (size_t)count * csctrl_dtype_size(p.value.dtype);
        double *values = malloc(bytes);
        int code = cli_tensor_alloc(atoms, 4, p.value.shape);
        if (values == NULL)
            return cli_fail_memory();
        const csctrl_status status = csctrl_model_read_parameter(r->model, i, values, bytes);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
        for (int64_t j = 0; j < count && code == CLI_OK; j++)
            ((float *)atoms->data)[j] = p.value.dtype == CSCTRL_F64
                                            ? (float)values[j]
                                            : ((const float *)(const void *)values)[j];
        free(values);
        return code;
    }
    return cli_fail(CLI_MACHINE, "report: the model has no tensor %s", wanted);
}

/* The mean over held-out images of what the decoder's layer is given, with its root mean square. */
static int mean_codes(report *r, int layer, const csctrl_layer_info *l, csctrl_tensor *mean,
                      double *rms)
{
    const int64_t n = r->held.count < MEAN_OF ? r->held.count : MEAN_OF;
    const csctrl_tensor z = cli_tensor_rows(&r->held.z, 0, n);
    csctrl_tensor codes = {.data = NULL};
    int code =
        cli_tensor_alloc(&codes, 4, (const int64_t[]){n, l->atoms, l->out_size, l->out_size});

    if (code == CLI_OK)
        code = cli_tensor_alloc(mean, 4, (const int64_t[]){1, l->atoms, l->out_size, l->out_size});
    if (code == CLI_OK) {
        const csctrl_status status = csctrl_model_decode_to_layer(r->model, &z, layer, &codes);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
    }
    const int64_t width = code == CLI_OK ? csctrl_tensor_count(mean) : 0;
    double squares = 0.0;
    for (int64_t i = 0; i < n * width; i++) {
        const float v = ((const float *)codes.data)[i];
        ((float *)mean->data)[i % width] += v / (float)n;
        squares += (double)v * (double)v;
    }
    *rms = width > 0 ? sqrt(squares / (double)(n * width)) : 0.0;
    cli_tensor_free(&codes);
    return code;
}

/* Where in the image the atom in the middle of a layer's codes reaches: [at, at + side). */
static void reach(const report *r, int layer, int middle, int *at, int *side)
{
    csctrl_layer_info l;

    *at = middle;
    *side = 1;
    for (int i = layer; i >= 0 && csctrl_model_get_layer(r->model, i, &l) == CSCTRL_OK; i--) {
        *side = (*side - 1) * l.stride + l.kernel;
        *at = *at * l.stride - l.pad;
    }
    if (*side > r->info.size)
        *side = r->info.size;
    *at = *at < 0 ? 0 : *at + *side > r->info.size ? r->info.size - *side : *at;
}

/* patches[a] <- what atom a changes in the image that the mean codes give, cut to its reach. */
static int project(report *r, int layer, const csctrl_layer_info *l, int shown,
                   csctrl_tensor *patches)
{
    const int64_t area = (int64_t)l->out_size * l->out_size, width = l->atoms * area;
    const int middle = l->out_size / 2, size = r->info.size, channels = r->info.channels;
    csctrl_tensor mean = {.data = NULL}, codes = {.data = NULL}, x = {.data = NULL};
    double rms = 0.0;
    int at, side;

    reach(r, layer, middle, &at, &side);
    int code = mean_codes(r, layer, l, &mean, &rms);
    if (code == CLI_OK)
        code = cli_tensor_alloc(&codes, 4,
                                (const int64_t[]){shown + 1, l->atoms, l->out_size, l->out_size});
    if (code == CLI_OK)
        code = report_images_alloc(r, &x, shown + 1);
    if (code == CLI_OK)
        code = cli_tensor_alloc(patches, 4, (const int64_t[]){shown, channels, side, side});
    for (int64_t a = 0; a <= shown && code == CLI_OK; a++) {
        float *row = (float *)codes.data + a * width;
        memcpy(row, mean.data, (size_t)width * sizeof(float));
        if (a < shown)
            row[a * area + middle * l->out_size + middle] += (float)rms;
    }
    if (code == CLI_OK) {
        const csctrl_status status = csctrl_model_decode_from_layer(r->model, layer, &codes, &x);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
    }
    for (int64_t i = 0; i < (int64_t)shown * channels * side * side && code == CLI_OK; i++) {
        const int64_t column = i % side, row = i / side % side, plane = i / side / side;
        const int64_t pixel = (at + row) * size + at + column;
        const float *images = x.data;
        ((float *)patches->data)[i] =
            images[plane * size * size + pixel] -
            images[((int64_t)shown * channels + plane % channels) * size * size + pixel];
    }
    cli_tensor_free(&mean);
    cli_tensor_free(&codes);
    cli_tensor_free(&x);
    return code;
}

static int show_layer(report *r, int layer)
{
    csctrl_tensor tiles = {.data = NULL};
    csctrl_layer_info l;
    char name[32];
    int code = CLI_OK;

    const csctrl_status known = csctrl_model_get_layer(r->model, layer, &l);
    if (known != CSCTRL_OK)
        return cli_fail_status(known);
    const int shown = l.atoms < ATOMS_MAX ? l.atoms : ATOMS_MAX;
    if (layer == 0)
        code = first_atoms(r, &tiles);
    else
        code = project(r, layer, &l, shown, &tiles);
    if (code == CLI_OK) {
        tiles.shape[0] = shown;
        scale_each(&tiles);
        snprintf(name, sizeof name, "atoms-%d", layer + 1);
        report_raw(r, "<h3>Layer %d</h3>", layer + 1);
        report_figure(r);
        const int side = (int)tiles.shape[3], whole = WIDTH / COLUMNS - 2;
        const int scale = side <= whole / 2    ? whole / side
                          : side < REPORT_TILE ? REPORT_TILE / side
                                               : 1;
        const int fitting = WIDTH / (side * scale + 2);
        const int columns = fitting > COLUMNS ? COLUMNS : fitting > 1 ? fitting : 1;
        code = report_show(r, &(report_grid){name, &tiles, columns, scale, NULL, NULL});
        report_caption(r, "%d of %d atoms, %d x %d pixels each%s.", shown, l.atoms, side, side,
                       layer == 0 ? ", as they are in the dictionary"
                                  : ", projected to pixels through the decoder");
    }
    cli_tensor_free(&tiles);
    return code;
}

int report_atoms(report *r)
{
    int code = CLI_OK;

    report_section(r, "atoms", "Dictionary atoms");
    report_raw(r,
               "<p>Each atom is scaled by its own largest absolute value; 0 is mid grey, brighter "
               "is positive. Deeper than layer 1 an atom is shown as the change of the decoded "
               "image when its code in the middle is raised by one root mean square of the "
               "layer's codes, from the mean codes of %lld held-out images, in the part of the "
               "image that it reaches. An atom that stays mid grey changes nothing there.</p>\n",
               (long long)(r->held.count < MEAN_OF ? r->held.count : MEAN_OF));
    for (int layer = 0; layer < r->info.layers && code == CLI_OK; layer++)
        code = show_layer(r, layer);
    report_section_end(r);
    return code;
}
