/* board.c - scalars, pictures and histograms of a run as events. */
#include "train/board.h"

#include <math.h>
#include <stdio.h>

#include "base/fs.h"
#include "base/mem.h"
#include "io/events.h"

enum { CODES_OF = 16, PICTURE_MAX = 1 << 28 }; /* images; bytes */

void ct_board_begin(ct_board *board, const csctrl_config *config, int64_t first_step)
{
    board->on = csctrl_config_bool(config, "train.tensorboard") && ct_events_built();
    board->first_step = first_step;
}

static csctrl_status append(ct_board *board, const char *run_dir, int64_t step,
                            const ct_event_value *values, size_t count)
{
    if (count == 0)
        return CSCTRL_OK;
    if (board->path == NULL)
        CT_TRY(ct_events_create(run_dir, board->first_step, &board->path));
    return ct_events_write(board->path, step, values, count);
}

csctrl_status ct_board_metrics(ct_board *board, const char *run_dir, const ct_metrics *metrics)
{
    const ct_event_value all[] = {
        {.tag = "objective/max_value", .scalar = metrics->max_value},
        {.tag = "objective/min_value", .scalar = metrics->min_value},
        {.tag = "learning_rate/encoder", .scalar = metrics->encoder_lr},
        {.tag = "learning_rate/decoder", .scalar = metrics->decoder_lr},
        {.tag = "speed/images_per_second", .scalar = metrics->images_per_second},
        {.tag = "held_out/psnr", .scalar = metrics->psnr},
        {.tag = "held_out/cosine", .scalar = metrics->cosine},
    };
    ct_event_value known[sizeof all / sizeof all[0]];
    size_t count = 0;

    if (!board->on)
        return CSCTRL_OK;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (isfinite(all[i].scalar))
            known[count++] = all[i];
    return append(board, run_dir, metrics->step, known, count);
}

csctrl_status ct_board_picture(ct_board *board, const char *run_dir, int64_t step,
                               const char *picture)
{
    unsigned char *png = NULL;
    size_t size = 0;

    if (!board->on)
        return CSCTRL_OK;
    CT_TRY(ct_fs_read(picture, PICTURE_MAX, &png, &size));
    const ct_event_value value = {.tag = "held_out/regenerations", .png = png, .png_size = size};
    const csctrl_status status = append(board, run_dir, step, &value, 1);
    ct_free(png);
    return status;
}

/* What is said of one layer; `rows` is memory for its dictionary and for its codes. */
typedef struct layer_events {
    char tags[4][48];
    ct_histogram histograms[4];
    ct_event_value values[4];
    size_t count;
    float *rows;
} layer_events;

static void add(layer_events *e, const char *what, int layer, size_t count, double scalar)
{
    const size_t i = e->count++;

    snprintf(e->tags[i], sizeof e->tags[i], "%s/layer_%d", what, layer + 1);
    e->values[i] = (ct_event_value){.tag = e->tags[i], .scalar = scalar};
    if (count > 0) {
        ct_histogram_fill(&e->histograms[i], e->rows, count);
        e->values[i].histogram = &e->histograms[i];
    }
}

static csctrl_status add_dictionary(layer_events *e, csctrl_model *model, const ct_tensor *W,
                                    const char *what, int layer)
{
    const int64_t count = csctrl_tensor_count(W);

    CT_TRY(ct_get(model, W, count, e->rows));
    add(e, what, layer, (size_t)count, 0.0);
    return CSCTRL_OK;
}

static csctrl_status add_codes(layer_events *e, csctrl_model *model, const ct_tensor *x, int layer)
{
    const ct_geom *g = &model->layers[layer].conv.geom;
    ct_tensor codes = CT_SHAPE(CSCTRL_F32, x->shape[0], g->atoms, g->oh, g->ow);
    const int64_t count = csctrl_tensor_count(&codes);
    int64_t zeros = 0;

    codes.data = e->rows;
    CT_TRY(csctrl_model_encode_layer(model, x, layer, &codes));
    for (int64_t i = 0; i < count; i++)
        zeros += e->rows[i] == 0.0f;
    add(e, "codes", layer, (size_t)count, 0.0);
    add(e, "zero_codes", layer, 0, (double)zeros / (double)count);
    return CSCTRL_OK;
}

static csctrl_status fill_layer(layer_events *e, csctrl_model *model, const ct_tensor *x, int layer)
{
    const ct_layer *l = &model->layers[layer];
    const ct_geom *g = &l->conv.geom;
    const int64_t codes = x->shape[0] * g->atoms * g->oh * g->ow;
    const int64_t dictionary = csctrl_tensor_count(&l->W);

    e->rows = ct_calloc((size_t)(codes > dictionary ? codes : dictionary), sizeof(float));
    if (e->rows == NULL)
        return CSCTRL_E_NOMEM;
    CT_TRY(add_dictionary(e, model, &l->W, "dictionary", layer));
    if (!model->arch.tied)
        CT_TRY(add_dictionary(e, model, &l->decoder_W, "decoder_dictionary", layer));
    return add_codes(e, model, x, layer);
}

csctrl_status ct_board_layers(ct_board *board, const char *run_dir, csctrl_model *model,
                              const ct_monitor *monitor)
{
    const int64_t n = monitor->count < CODES_OF ? monitor->count : CODES_OF;

    if (!board->on || n == 0)
        return CSCTRL_OK;
    const ct_tensor x = ct_tensor_head(&monitor->x, n);
    for (int layer = 0; layer < model->arch.depth; layer++) {
        layer_events *e = ct_calloc(1, sizeof *e);
        if (e == NULL)
            return CSCTRL_E_NOMEM;
        csctrl_status status = fill_layer(e, model, &x, layer);
        if (status == CSCTRL_OK)
            status = append(board, run_dir, model->step, e->values, e->count);
        ct_free(e->rows);
        ct_free(e);
        CT_TRY(status);
    }
    return CSCTRL_OK;
}

void ct_board_close(ct_board *board)
{
    ct_free(board->path);
    *board = (ct_board){0};
}
