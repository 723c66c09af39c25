/* csctrl_bench.c - one workload, repeated on request and timed from inside.
 *
 *   csctrl_bench WORKLOAD CLASSES [KEY=VALUE ...]     keys are those of the config
 *
 * After one repetition to warm up it prints a line of JSON: images, floating-point operations (as
 * written, as executed) and bytes a repetition, the resident memory before the workload, and the
 * backend's memory as planned. Then every number on its standard input is answered by so many
 * repetitions and a line with their seconds and the peak of resident memory. A repetition ends when
 * its results are there, also where the device works in its own time.
 */
#define _DEFAULT_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "fma_peak.h"
#include "train/trainer.h"

/* One workload's state; nothing is released: the process ends with it. */
typedef struct bench {
    csctrl_config *config;
    int classes;
    csctrl_model *model;
    int64_t images; /* a repetition */
    double flops;   /* a repetition: products and sums of the convolutions as SPEC.md writes them */
    double executed; /* the same as they are computed: Winograd needs fewer */
    double bytes;    /* image, codes and dictionary of each of these convolutions, once */
    void *record;    /* of a repetition, where the backend keeps one */

    ct_tensor x, z; /* images f32[n, c, h, w]; features; owned */
    int64_t *labels;

    ct_game game;
    ct_optim optim;

    ct_encoder_pass real, again; /* the training move, whose passes are all alive at once */
    ct_decoder_pass decoded;
    ct_encoder_grad encoder_grad;
    ct_decoder_grad decoder_grad;
    ct_tensor zhat, dz, dzhat, dcode, xhat, dxhat; /* of the plan */

    csctrl_dataset *dataset;
    ct_loader_options loading;
    int64_t batches;
    ct_exec *host;
    ct_tensor pixels; /* a batch as the trainer has it */

    ct_isa isa; /* of the peak */
    int threads;
} bench;

typedef struct workload {
    const char *name;
    csctrl_status (*open)(bench *b);
    csctrl_status (*run)(bench *b);
} workload;

/* ---- shared by the workloads */

static csctrl_status make_random(ct_tensor *t, bool normal)
{
    const ct_rng rng = ct_rng_make(0, CT_RNG_TEST, 1);
    float *values = ct_alloc(ct_tensor_bytes(t));

    if (values == NULL)
        return CSCTRL_E_NOMEM;
    for (int64_t i = 0; i < csctrl_tensor_count(t); i++)
        values[i] = (float)(normal ? ct_rng_normal(&rng, (uint64_t)i)
                                   : 2.0 * ct_rng_uniform(&rng, (uint64_t)i) - 1.0);
    t->data = values;
    return CSCTRL_OK;
}

/* Images and labels of a batch. */
static csctrl_status make_batch(bench *b)
{
    const ct_arch *arch = &b->model->arch;

    b->images = b->model->batch;
    b->x = CT_SHAPE(CSCTRL_F32, b->images, arch->channels, arch->size, arch->size);
    CT_TRY(make_random(&b->x, false));
    b->labels = ct_calloc((size_t)b->images, sizeof *b->labels);
    if (b->labels == NULL)
        return CSCTRL_E_NOMEM;
    for (int64_t i = 0; i < b->images; i++)
        b->labels[i] = i % b->classes;
    return CSCTRL_OK;
}

static csctrl_status begin_model(bench *b)
{
    const int batch = (int)csctrl_config_int(b->config, "train.batch");

    return ct_model_begin(&b->model, b->config, batch, true, false, NULL);
}

/* Numbers that a convolution reads and writes when it touches nothing twice. */
static double operands(const ct_geom *g)
{
    return (double)g->n * g->h * g->w * g->c + (double)g->n * g->oh * g->ow * g->atoms +
           (double)g->atoms * g->c * g->kernel * g->kernel;
}

/* So many convolutions of a layer more: as SPEC.md writes them, and as the backend computes them.
 */
static void add_convolutions(bench *b, int l, int count)
{
    const ct_conv *conv = &b->model->layers[l].conv;
    const ct_exec *ex = b->model->ex;
    const double number = ex->bf16 ? 2.0 : ex->dtype == CSCTRL_F64 ? 8.0 : 4.0;

    b->flops += 2.0 * count * ct_geom_products(&conv->geom);
    b->executed += 2.0 * count * conv->products;
    b->bytes += number * count * operands(&conv->geom);
}

/* So many of every layer. */
static void add_decodings(bench *b, int count)
{
    for (int l = 0; l < b->model->arch.depth; l++)
        add_convolutions(b, l, count);
}

/* Of so many encodings: 2 T - 1 in each layer. */
static void add_encodings(bench *b, int count)
{
    for (int l = 0; l < b->model->arch.depth; l++)
        add_convolutions(b, l, count * (2 * b->model->layers[l].csc.steps - 1));
}

/* ---- move: z = f(x), xhat = g(z), zhat = f(xhat), and the gradient of |z - zhat|^2 + |xhat|^2 for
 * every parameter */

static csctrl_status move_open(bench *b)
{
    CT_TRY(begin_model(b));
    csctrl_model *m = b->model;
    const ct_geom *first = &m->layers[0].conv.geom, *last = &m->layers[m->arch.depth - 1].conv.geom;
    if (last->oh != 1)
        return ct_fail(CSCTRL_E_UNSUPPORTED,
                       "move: expected a last layer of 1x1 codes, found %dx%d", last->oh, last->ow);
    b->zhat = b->dz = b->dzhat = CT_SHAPE(m->ex->dtype, m->batch, m->arch.features);
    b->dcode = ct_code_shape(m->ex->dtype, last);
    b->xhat = b->dxhat = ct_image_shape(m->ex->dtype, first);
    ct_plan_tensor(m->plan, CT_SAVED, &b->zhat, CT_FOREVER);
    ct_plan_tensor(m->plan, CT_SAVED, &b->dzhat, CT_FOREVER);
    ct_plan_tensor(m->plan, CT_SAVED, &b->dcode, CT_FOREVER);
    ct_plan_tensor(m->plan, CT_SAVED, &b->xhat, CT_FOREVER);
    ct_plan_tensor(m->plan, CT_SAVED, &b->dxhat, CT_FOREVER);
    CT_TRY(ct_encoder_pass_create(m, &b->real, true, CT_FOREVER));
    CT_TRY(ct_encoder_pass_create(m, &b->again, true, CT_FOREVER));
    CT_TRY(ct_decoder_pass_create(m, &b->decoded, true, CT_FOREVER));
    ct_encoder_grad_declare(m, &b->encoder_grad);
    ct_decoder_grad_declare(m, &b->decoder_grad);
    CT_TRY(ct_model_finish(m));
    ct_encoder_pass_bind(m, &b->real);
    ct_encoder_pass_bind(m, &b->again);
    ct_decoder_pass_bind(m, &b->decoded);
    b->dz.data = b->dcode.data; /* 1x1 codes are rows */
    CT_TRY(make_batch(b));
    CT_TRY(m->ex->ops->upload(m->ex, m->x_nchw.data, b->x.data, ct_tensor_bytes(&b->x)));
    CT_TRY(m->ex->ops->to_nhwc(m->ex, &m->x_nchw, &m->x_nhwc));
    add_encodings(b, 2 * 3);
    add_decodings(b, 3);
    add_convolutions(b, 0, -1); /* nobody asks for dx of the images */
    return CSCTRL_OK;
}

static csctrl_status move_play(void *user)
{
    bench *b = user;
    csctrl_model *m = b->model;
    const ct_ops *ops = m->ex->ops;
    const int last = m->arch.depth - 1;
    const ct_tensor *dlast = last > 0 ? &b->decoder_grad.d[last] : &b->dxhat;

    CT_TRY(ct_encoder_forward(m, &b->real, CT_MODE_TRAIN, &m->x_nhwc, &m->z, NULL));
    CT_TRY(ct_decoder_forward(m, &b->decoded, CT_MODE_TRAIN, &m->z, &b->xhat));
    CT_TRY(ct_encoder_forward(m, &b->again, CT_MODE_TRAIN, &b->xhat, &b->zhat, NULL));
    for (size_t i = 0; i < m->param_count; i++)
        if (m->params[i].grad != NULL)
            CT_TRY(ops->fill(m->ex, 0.0, m->params[i].grad));
    CT_TRY(ops->axpby(m->ex, 2.0, &b->zhat, 0.0, &b->dzhat));
    CT_TRY(ops->axpby(m->ex, -2.0, &m->z, 1.0, &b->dzhat));
    CT_TRY(ct_encoder_backward(m, &b->again, &b->encoder_grad, &b->zhat, &b->dzhat, true, &b->dxhat,
                               NULL, NULL));
    CT_TRY(ops->axpby(m->ex, 2.0, &b->xhat, 1.0, &b->dxhat));
    CT_TRY(ct_decoder_backward(m, &b->decoded, &b->decoder_grad, &b->xhat, &b->dxhat, NULL));
    /* The game never needs the decoder's gradient for z; here z has its share of the loss. */
    CT_TRY(
        ops->analysis(m->ex, ct_layer_synthesis(&m->layers[last], m->arch.tied), dlast, &b->dcode));
    CT_TRY(ops->axpby(m->ex, -1.0, &b->dzhat, 1.0, &b->dz));
    return ct_encoder_backward(m, &b->real, &b->encoder_grad, &m->z, &b->dz, true, NULL, NULL,
                               NULL);
}

static csctrl_status move_run(bench *b)
{
    ct_exec *ex = b->model->ex;
    double squares;

    CT_TRY(ex->ops->repeat(ex, &b->record, move_play, b));
    /* A number on the host, so that the clock stops when the gradients are there. */
    return ex->deferred ? ex->ops->sum_squares(ex, &b->model->layers[0].dW, &squares) : CSCTRL_OK;
}

/* ---- game: a whole batch, from the images to the moved parameters and their new step sizes */

static csctrl_status open_game(bench *b)
{
    CT_TRY(begin_model(b));
    CT_TRY(ct_game_create(&b->game, b->model, NULL, b->classes));
    CT_TRY(ct_optim_create(&b->optim, b->model));
    CT_TRY(ct_model_finish(b->model));
    ct_game_bind(&b->game);
    return make_batch(b);
}

/* Max move: both encodings forth and back, a decoding; min move: two encodings and a decoding, back
 * through one encoding without its parameters and through the decoding. */
static csctrl_status game_open(bench *b)
{
    ct_exec *ex = NULL;

    CT_TRY(open_game(b));
    ex = b->model->ex;
    (void)ex->ops->pin(ex, b->x.data, ct_tensor_bytes(&b->x)); /* as the trainer's are */
    add_encodings(b, 2 * 3 + 3);
    add_decodings(b, 1 + 3);
    add_convolutions(b, 0, -2);
    add_convolutions(b, b->model->arch.depth - 1, -1);
    return CSCTRL_OK;
}

static csctrl_status game_look_at(bench *b, int i)
{
    double value;

    CT_TRY(ct_optim_check(&b->optim, i));
    return ct_game_value(&b->game, b->optim.players[i], &value);
}

static csctrl_status game_play(void *user)
{
    bench *b = user;

    for (int i = 0; i < 2; i++) {
        CT_TRY(i == 0 ? ct_game_max_move(&b->game, false) : ct_game_min_move(&b->game));
        CT_TRY(ct_optim_step(&b->optim, i));
        if (!b->model->ex->deferred)
            CT_TRY(game_look_at(b, i));
        CT_TRY(ct_game_follow(&b->game, b->optim.players[i]));
    }
    return CSCTRL_OK;
}

/* In the order of trainer.c. */
static csctrl_status game_run(bench *b)
{
    const ct_move moves[] = {{CT_ENCODER, csctrl_config_real(b->config, "optim.encoder_lr")},
                             {CT_DECODER, csctrl_config_real(b->config, "optim.decoder_lr")}};
    ct_exec *ex = b->model->ex;

    CT_TRY(ct_game_load(&b->game, &(ct_batch){.images = b->x, .labels = b->labels}));
    CT_TRY(ct_optim_load(&b->optim, moves, 2));
    CT_TRY(ex->ops->repeat(ex, &b->record, game_play, b));
    for (int i = 0; i < 2 && ex->deferred; i++)
        CT_TRY(game_look_at(b, i));
    return CSCTRL_OK;
}

/* ---- rate: value and gradient of the multi objective at random features on the sphere */

static csctrl_status rate_open(bench *b)
{
    CT_TRY(csctrl_config_set(b->config, "objective.kind", "multi"));
    CT_TRY(open_game(b));
    ct_tensor *F = &b->game.F;
    ct_tensor lengths = CT_SHAPE(CSCTRL_F32, F->shape[0]), features = *F;
    CT_TRY(make_random(&features, true));
    CT_TRY(make_random(&lengths, true));
    const csctrl_status status = b->model->ex->ops->sphere(b->model->ex, &features, F, &lengths);
    ct_free(features.data);
    ct_free(lengths.data);
    return status;
}

static csctrl_status rate_run(bench *b)
{
    ct_exec *ex = b->model->ex;
    ct_game *game = &b->game;
    double value;

    CT_TRY(ct_game_load_labels(game, b->labels));
    CT_TRY(ct_objective_eval(ex, &game->objective, game->kind, &game->F,
                             game->values[CT_ENCODER].data, &game->dF));
    return ct_objective_value(ex, &game->objective, game->kind, game->values[CT_ENCODER].data,
                              &value);
}

/* ---- encode: the public call */

static csctrl_status encode_open(bench *b)
{
    csctrl_model_info info;

    CT_TRY(
        csctrl_model_create(&b->model, b->config, (int)csctrl_config_int(b->config, "eval.batch")));
    CT_TRY(make_batch(b));
    csctrl_model_get_info(b->model, &info);
    add_encodings(b, 1);
    b->z = CT_SHAPE(CSCTRL_F32, b->images, info.features);
    return make_random(&b->z, false);
}

static csctrl_status encode_run(bench *b)
{
    return csctrl_model_encode(b->model, &b->x, &b->z);
}

/* ---- loader: train.batches batches, flips and crops made, by a loader made anew, so that none was
 * decoded while nobody looked at the clock */

static csctrl_status loader_open(bench *b)
{
    csctrl_dataset_info info;

    CT_TRY(csctrl_dataset_open(&b->dataset, b->config, CSCTRL_SPLIT_TRAIN));
    ct_loader_options_read(&b->loading, b->config, &ct_comm_alone, 0);
    b->batches = csctrl_config_int(b->config, "train.batches");
    b->images = b->batches * b->loading.batch;
    csctrl_dataset_get_info(b->dataset, &info);
    b->pixels = CT_SHAPE(CSCTRL_F32, b->loading.batch, info.size, info.size, info.channels);
    b->pixels.data = ct_alloc(ct_tensor_bytes(&b->pixels));
    if (b->pixels.data == NULL)
        return CSCTRL_E_NOMEM;
    return ct_exec_create(&b->host, &(ct_exec_options){.device = "cpu", .threads = 1});
}

static csctrl_status loader_run(bench *b)
{
    ct_loader *loader = NULL;
    ct_batch batch;
    csctrl_status status = ct_loader_create(&loader, b->dataset, &b->loading);

    for (int64_t i = 0; i < b->batches && status == CSCTRL_OK; i++) {
        status = ct_loader_next(loader, &batch);
        if (status == CSCTRL_OK)
            status = b->host->ops->from_bytes(b->host, &batch.images, batch.crops, &b->pixels);
    }
    ct_loader_destroy(&loader);
    return status;
}

/* ---- peak: what multiply-adds in registers reach */

static csctrl_status peak_open(bench *b)
{
    if (!ct_isa_from_name(csctrl_config_text(b->config, "isa"), &b->isa))
        return ct_fail(CSCTRL_E_CONFIG, "peak: unknown instruction set");
    if (b->isa == CT_ISA_AUTO)
        b->isa = ct_isa_best();
    b->threads = (int)csctrl_config_int(b->config, "threads");
    return CSCTRL_OK;
}

static csctrl_status peak_run(bench *b)
{
    b->flops = fma_peak_run(b->isa, false, b->threads);
    return CSCTRL_OK;
}

static csctrl_status peak_bf16_run(bench *b)
{
    b->flops = fma_peak_run(b->isa, true, b->threads);
    return b->flops > 0.0 ? CSCTRL_OK
                          : ct_fail(CSCTRL_E_UNSUPPORTED,
                                    "peak-bf16: this processor has no vdpbf16ps with isa %s",
                                    ct_isa_name(b->isa));
}

/* ---- the process */

static const workload workloads[] = {
    {"move", move_open, move_run},           {"game", game_open, game_run},
    {"rate", rate_open, rate_run},           {"encode", encode_open, encode_run},
    {"loader", loader_open, loader_run},     {"peak", peak_open, peak_run},
    {"peak-bf16", peak_open, peak_bf16_run},
};

static const workload *find_workload(const char *name)
{
    for (size_t i = 0; i < sizeof workloads / sizeof *workloads; i++)
        if (strcmp(workloads[i].name, name) == 0)
            return &workloads[i];
    return NULL;
}

/* Not getrusage(): its peak begins with what the parent had. */
static long peak_kib(void)
{
    FILE *status = fopen("/proc/self/status", "r");
    char line[256];
    long kib = 0;

    while (status != NULL && fgets(line, sizeof line, status) != NULL)
        if (strncmp(line, "VmHWM:", 6) == 0)
            kib = strtol(line + 6, NULL, 10);
    if (status != NULL)
        (void)fclose(status);
    return kib;
}

/* Of the backend's device; 0 for a workload without a model. */
static size_t plan_kib(const bench *b)
{
    size_t bytes = 0;

    for (int k = 0; k < CT_CLASSES && b->model != NULL; k++)
        bytes += ct_plan_size(b->model->plan, (ct_class)k);
    return bytes / 1024;
}

static csctrl_status answer(bench *b, const workload *w, long repetitions)
{
    printf("{\"seconds\": [");
    for (long i = 0; i < repetitions; i++) {
        const double start = ct_now();
        CT_TRY(w->run(b));
        printf("%s%.9f", i > 0 ? ", " : "", ct_now() - start);
    }
    printf("], \"peak_kib\": %ld}\n", peak_kib());
    return CSCTRL_OK;
}

static csctrl_status serve(bench *b, const workload *w)
{
    const long base = peak_kib();
    char line[64];

    CT_TRY(w->open(b));
    CT_TRY(w->run(b));
    printf("{\"images\": %lld, \"flops\": %.17g, \"executed\": %.17g, \"bytes\": %.17g, "
           "\"base_kib\": %ld, \"plan_kib\": %zu}\n",
           (long long)b->images, b->flops, b->executed, b->bytes, base, plan_kib(b));
    fflush(stdout);
    while (fgets(line, sizeof line, stdin) != NULL) {
        CT_TRY(answer(b, w, strtol(line, NULL, 10)));
        fflush(stdout);
    }
    return CSCTRL_OK;
}

int main(int argc, char **argv)
{
    bench b = {0};
    const workload *w = argc >= 3 ? find_workload(argv[1]) : NULL;
    csctrl_status status;

    if (w == NULL) {
        fputs("usage: csctrl_bench move|game|rate|encode|loader|peak|peak-bf16 CLASSES "
              "[KEY=VALUE ...]\n",
              stderr);
        return 2;
    }
    b.classes = (int)strtol(argv[2], NULL, 10);
    CT_GOTO(status, csctrl_config_create(&b.config));
    for (int i = 3; i < argc; i++)
        CT_GOTO(status, csctrl_config_assign(b.config, argv[i]));
    status = serve(&b, w);
done:
    if (status != CSCTRL_OK)
        fprintf(stderr, "csctrl_bench: %s\n", csctrl_last_error());
    return status == CSCTRL_OK ? 0 : 1;
}
