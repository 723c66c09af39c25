/* raw.c - reading items of sets that lie in memory as pixels. */
#define _GNU_SOURCE
#include "data/raw.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/mem.h"

void ct_raw_free(ct_raw *raw)
{
    ct_free(raw->block);
    ct_free(raw->labels);
    *raw = (ct_raw){0};
}

static csctrl_status read_item(const ct_source *source, int64_t item, const ct_geometry *geometry,
                               ct_workspace *work, uint8_t *planes)
{
    const ct_raw *parts = source->data;
    const bool test = item >= parts[0].count;
    const ct_raw *raw = &parts[test];
    const int64_t index = item - (test ? parts[0].count : 0);
    const ct_pixels pixels = {
        .width = raw->width,
        .height = raw->height,
        .channels = raw->channels,
        .data = raw->pixels + index * raw->width * raw->height * raw->channels,
    };

    return ct_source_fit_raw(&pixels, geometry, work, planes);
}

static void name_item(const ct_source *source, int64_t item, char out[CT_NAME_MAX])
{
    const bool test = item >= source->count[0];

    snprintf(out, CT_NAME_MAX, "%s: %s image %" PRId64, source->path, test ? "test" : "training",
             item - (test ? source->count[0] : 0));
}

static void close_raw(ct_source *source)
{
    ct_raw *parts = source->data;

    ct_raw_free(&parts[0]);
    ct_raw_free(&parts[1]);
    ct_free(parts);
}

csctrl_status ct_raw_into_source(ct_raw parts[2], int classes, ct_source *source)
{
    static const ct_source_ops ops = {.read = read_item, .name = name_item, .close = close_raw};
    const int64_t total = parts[0].count + parts[1].count;
    ct_raw *own = ct_calloc(2, sizeof *own);

    if (own == NULL) {
        ct_raw_free(&parts[0]);
        ct_raw_free(&parts[1]);
        return CSCTRL_E_NOMEM;
    }
    source->data = own;
    source->ops = &ops;
    source->fingerprint = CT_FNV_START;
    for (int p = 0; p < 2; p++) {
        const ct_raw *raw = &parts[p];
        const size_t plane = (size_t)raw->width * (size_t)raw->height;
        const int64_t shape[4] = {raw->count, raw->height, raw->width, raw->channels};
        own[p] = *raw;
        source->count[p] = raw->count;
        source->memory += raw->bytes;
        if (raw->channels == 3 && plane > source->scratch)
            source->scratch = plane;
        source->fingerprint = ct_fnv(source->fingerprint, shape, sizeof shape);
        if (raw->count > 0) {
            source->fingerprint = ct_fnv(source->fingerprint, raw->pixels,
                                         (size_t)raw->count * plane * (size_t)raw->channels);
            source->fingerprint = ct_fnv(source->fingerprint, raw->labels, (size_t)raw->count);
        }
        parts[p] = (ct_raw){0};
    }
    source->labels = ct_alloc((size_t)total * sizeof *source->labels);
    if (source->labels == NULL)
        return CSCTRL_E_NOMEM;
    source->memory += (size_t)total * sizeof *source->labels;
    for (int64_t i = 0; i < total; i++)
        source->labels[i] = i < own[0].count ? own[0].labels[i] : own[1].labels[i - own[0].count];
    return ct_source_number_classes(source, classes);
}
