/* board.c - scalars, pictures and histograms of a run as events. */
#include "train/board.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/events.h"

enum { CODES_OF = 16, PICTURE_MAX = 1 << 28 }; /* images; bytes */

/* What is said of one layer; `rows` is memory for its dictionary and for its codes. */
typedef struct ct_board_layer {
    char tags[4][48];
    ct_histogram histograms[4];
    ct_event_value values[4];
    size_t count;
    float rows[];
} layer_events;

static bool wanted(const csctrl_config *config)
{
    return csctrl_config_bool(config, "train.tensorboard") && ct_events_built();
}

size_t ct_board_memory(const csctrl_model *model, int64_t available)
{
    const int64_t watched = csctrl_config_int(model->config, "train.eval_images");
    const int64_t readable = watched < available ? watched : available;
    const int64_t n = readable < CODES_OF ? readable : CODES_OF;
    int64_t most = 0;

    if (!wanted(model->config) || n == 0 ||
        csctrl_config_int(model->config, "train.eval_every") == 0)
        return 0;
    for (int i = 0; i < model->arch.depth; i++) {
        const ct_geom *g = &model->layers[i].conv.geom;
        const int64_t codes = n * g->atoms * g->oh * g->ow;
        const int64_t dictionary = csctrl_tensor_count(&model->layers[i].W);
        most = codes > most ? codes : most;
        most = dictionary > most ? dictionary : most;
    }
    return sizeof(layer_events) + (size_t)most * sizeof(float);
}

/* A full disk is an error as for metrics.jsonl. Anything else is no reason to end the training:
 * said once, then no more is written. */
static csctrl_status settle(ct_board *board, csctrl_status status)
{
    if (status == CSCTRL_OK || status == CSCTRL_E_IO)
        return status;
    ct_log(CSCTRL_LOG_WARNING, "no more events for TensorBoard: %s", csctrl_last_error());
    board->on = false;
    return CSCTRL_OK;
}

void ct_board_begin(ct_board *board, const csctrl_model *model, int64_t available)
{
    const size_t bytes = ct_board_memory(model, available);

    board->on = wanted(model->config);
    board->first_step = model->step + 1;
    if (bytes > 0)
        board->layer = ct_calloc(1, bytes);
    if (bytes > 0 && board->layer == NULL)
        (void)settle(board, CSCTRL_E_NOMEM);
}

static csctrl_status create(ct_board *board, const char *run_dir)
{
    return ct_events_create(run_dir, board->first_step, &board->path);
}

csctrl_status ct_board_resume(ct_board *board, const char *run_dir)
{
    ct_name_list list = {0};
    bool found = false;

    if (!ct_events_built() || board->path != NULL)
        return CSCTRL_OK;
    csctrl_status status = ct_fs_list(run_dir, &list);
    for (size_t i = 0; i < list.count && status == CSCTRL_OK; i++)
        found = found || strncmp(list.names[i], CT_EVENTS_NAME, strlen(CT_EVENTS_NAME)) == 0;
    ct_fs_list_free(&list);
    if (status == CSCTRL_OK && found)
        status = create(board, run_dir);
    return settle(board, status);
}

static csctrl_status append(ct_board *board, const char *run_dir, int64_t step,
                            const ct_event_value *values, size_t count)
{
    if (count == 0)
        return CSCTRL_OK;
    if (board->path == NULL)
        CT_TRY(create(board, run_dir));
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
    return settle(board, append(board, run_dir, metrics->step, known, count));
}

static csctrl_status add_picture(ct_board *board, const char *run_dir, int64_t step,
                                 const char *picture)
{
    unsigned char *png = NULL;
    size_t size = 0;

    CT_TRY(ct_fs_read(picture, PICTURE_MAX, &png, &size));
    const ct_event_value value = {.tag = "held_out/regenerations", .png = png, .png_size = size};
    const csctrl_status status = append(board, run_dir, step, &value, 1);
    ct_free(png);
    return status;
}

csctrl_status ct_board_picture(ct_board *board, const char *run_dir, int64_t step,
                               const char *picture)
{
    return board->on ? settle(board, add_picture(board, run_dir, step, picture)) : CSCTRL_OK;
}

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

    e->count = 0;
    CT_TRY(add_dictionary(e, model, &l->W, "dictionary", layer));
    if (!model->arch.tied)
        CT_TRY(add_dictionary(e, model, &l->decoder_W, "decoder_dictionary", layer));
    return add_codes(e, model, x, layer);
}

csctrl_status ct_board_layers(ct_board *board, const char *run_dir, csctrl_model *model,
                              const ct_monitor *monitor)
{
    const int64_t n = monitor->count < CODES_OF ? monitor->count : CODES_OF;
    csctrl_status status = CSCTRL_OK;

    if (!board->on || board->layer == NULL || n == 0)
        return CSCTRL_OK;
    const ct_tensor x = ct_tensor_head(&monitor->x, n);
    for (int i = 0; i < model->arch.depth && status == CSCTRL_OK; i++) {
        status = fill_layer(board->layer, model, &x, i);
        if (status == CSCTRL_OK)
            status = append(board, run_dir, model->step, board->layer->values, board->layer->count);
    }
    return settle(board, status);
}

void ct_board_close(ct_board *board)
{
    ct_free(board->path);
    ct_free(board->layer);
    *board = (ct_board){0};
}
