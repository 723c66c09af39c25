/* test_golden.c - every fixture of $CSCTRL_FIXTURES (default tests/golden/) against every backend:
 * double ref to 1e-9, float backends to 2e-4 (layers, rates) and 2e-3 (games), as |a - b| / |b| of
 * each tensor. The fixtures are reference.py's. */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "io/safetensors.h"
#include "support/measure.h"
#include "support/tiny.h"
#include "train/maximin.h"
#include "train/optim.h"

typedef struct target {
    const char *name, *device, *isa;
    csctrl_dtype dtype;
    double tolerance, game_tolerance;
} target;

static const target targets[] = {
    {"ref f64", "ref", "auto", CSCTRL_F64, 1e-9, 1e-9},
    {"ref f32", "ref", "auto", CSCTRL_F32, 2e-4, 2e-3},
    {"cpu", "cpu", "auto", CSCTRL_F32, 2e-4, 2e-3},
    {"cpu avx2", "cpu", "avx2", CSCTRL_F32, 2e-4, 2e-3},
    {"cpu portable", "cpu", "portable", CSCTRL_F32, 2e-4, 2e-3},
    {"cuda", "cuda", "auto", CSCTRL_F32, 2e-4, 2e-3},
};

#define OK(call)                                                                                   \
    do {                                                                                           \
        if ((call) != CSCTRL_OK)                                                                   \
            fail_msg("%s: %s", #call, csctrl_last_error());                                        \
    } while (0)

/* ---- a fixture and comparisons */

typedef struct fixture {
    ct_safetensors *file;
    const char *name;
    const target *on;
    size_t compared;
} fixture;

static const char *meta(const fixture *f, const char *key)
{
    const char *text = ct_safetensors_metadata(f->file, key);

    if (text == NULL)
        fail_msg("%s: no metadata '%s'", f->name, key);
    return text;
}

static double meta_real(const fixture *f, const char *key)
{
    return strtod(meta(f, key), NULL);
}

static bool meta_true(const fixture *f, const char *key)
{
    return strcmp(meta(f, key), "True") == 0;
}

static ct_tensor find(const fixture *f, const char *name)
{
    ct_tensor t;

    OK(ct_safetensors_find(f->file, name, &t));
    return t;
}

/* A number of a tensor in host memory. */
static double element(const ct_tensor *t, int64_t i)
{
    return t->dtype == CSCTRL_F64 ? ((const double *)t->data)[i]
                                  : (double)((const float *)t->data)[i];
}

static void compare_host(fixture *f, const char *name, const ct_tensor *got, double tolerance)
{
    const ct_tensor want = find(f, name);
    double error = 0.0, size = 0.0;

    assert_int_equal(csctrl_tensor_count(&want), csctrl_tensor_count(got));
    for (int64_t i = 0; i < csctrl_tensor_count(&want); i++) {
        const double a = element(got, i), b = element(&want, i);
        error += (a - b) * (a - b);
        size += b * b;
    }
    /* A gradient that is zero in exact arithmetic (a class of one image) is compared absolutely. */
    const double relative = sqrt(error) / (size > 1e-16 ? sqrt(size) : 1.0);
    if (!(relative <= tolerance))
        fail_msg("%s on %s: '%s' differs by %.3g, at most %.1g is allowed", f->name, f->on->name,
                 name, relative, tolerance);
    f->compared++;
}

/* A copy in host memory, to be freed. */
static ct_tensor fetch(ct_exec *ex, const ct_tensor *t)
{
    ct_tensor host = *t;

    host.data = ct_alloc(ct_tensor_bytes(t) + 1);
    assert_non_null(host.data);
    OK(ex->ops->download(ex, host.data, t->data, ct_tensor_bytes(t)));
    return host;
}

static void compare(fixture *f, ct_exec *ex, const char *name, const ct_tensor *got,
                    double tolerance)
{
    const ct_tensor host = fetch(ex, got);

    compare_host(f, name, &host, tolerance);
    ct_free(host.data);
}

static void compare_value(fixture *f, const char *name, double got, double tolerance)
{
    ct_tensor t = CT_SHAPE(CSCTRL_F64, 1);

    t.data = &got;
    compare_host(f, name, &t, tolerance);
}

/* ---- tensors of the exec's dtype */

static ct_tensor make(ct_exec *ex, ct_tensor t)
{
    t.dtype = ex->dtype;
    OK(ex->ops->mem_alloc(ex, ct_tensor_bytes(&t), &t.data));
    return t;
}

static void copy_in(ct_exec *ex, const ct_tensor *from, ct_tensor *to)
{
    void *const host = ct_alloc(ct_tensor_bytes(to) + 1);

    assert_non_null(host);
    assert_int_equal(csctrl_tensor_count(from), csctrl_tensor_count(to));
    for (int64_t i = 0; i < csctrl_tensor_count(from); i++) {
        if (to->dtype == CSCTRL_F64)
            ((double *)host)[i] = element(from, i);
        else
            ((float *)host)[i] = (float)element(from, i);
    }
    OK(ex->ops->upload(ex, to->data, host, ct_tensor_bytes(to)));
    ct_free(host);
}

static ct_tensor load(const fixture *f, ct_exec *ex, const char *name)
{
    const ct_tensor from = find(f, name);
    ct_tensor t = make(ex, from);

    copy_in(ex, &from, &t);
    return t;
}

/* [n, c, h, w] -> [n, h, w, c] into `nhwc`, and back into a new tensor. */
static void load_nhwc(const fixture *f, ct_exec *ex, const char *name, ct_tensor *nhwc)
{
    ct_tensor nchw = load(f, ex, name);

    OK(ex->ops->to_nhwc(ex, &nchw, nhwc));
    ex->ops->mem_free(ex, nchw.data);
}

static void compare_nhwc(fixture *f, ct_exec *ex, const char *name, const ct_tensor *nhwc,
                         double tolerance)
{
    ct_tensor nchw = make(ex, *nhwc);

    OK(ex->ops->to_nchw(ex, nhwc, &nchw));
    compare(f, ex, name, &nchw, tolerance);
    ex->ops->mem_free(ex, nchw.data);
}

/* ---- one CSC layer */

static ct_geom layer_geometry(const fixture *f)
{
    const ct_tensor x = find(f, "in.x"), W = find(f, "in.W");
    ct_geom g = {
        .n = (int)x.shape[0], .h = (int)x.shape[2], .w = (int)x.shape[3], .c = (int)x.shape[1]};

    g.atoms = (int)W.shape[0];
    g.kernel = (int)W.shape[2];
    g.stride = (int)meta_real(f, "stride");
    g.pad = (int)meta_real(f, "pad");
    g.oh = (g.h + 2 * g.pad - g.kernel) / g.stride + 1;
    g.ow = (g.w + 2 * g.pad - g.kernel) / g.stride + 1;
    return g;
}

/* The value the layer minimises, from its codes. */
static double layer_objective(const fixture *f, ct_exec *ex, ct_conv *conv, const ct_tensor *x,
                              const ct_tensor *z)
{
    ct_tensor r = make(ex, *x);
    double squares = 0.0, codes = 0.0, l1 = 0.0;

    OK(ex->ops->synthesis(ex, conv, z, &r));
    OK(ex->ops->axpby(ex, 1.0, x, -1.0, &r));
    OK(ex->ops->sum_squares(ex, &r, &squares));
    OK(ex->ops->sum_squares(ex, z, &codes));
    const ct_tensor host = fetch(ex, z);
    for (int64_t i = 0; i < csctrl_tensor_count(z); i++)
        l1 += fabs(element(&host, i));
    ct_free(host.data);
    ex->ops->mem_free(ex, r.data);
    return meta_real(f, "lam") * l1 + 0.5 * meta_real(f, "mu") * codes + 0.5 * squares;
}

static csctrl_status alloc_arena(void *user, size_t bytes, void **block)
{
    return ((ct_exec *)user)->ops->mem_alloc(user, bytes, block);
}

static void free_arena(void *user, void *block)
{
    ((ct_exec *)user)->ops->mem_free(user, block);
}

static void check_layer(fixture *f, ct_exec *ex)
{
    const double tolerance = f->on->tolerance;
    const ct_geom g = layer_geometry(f);
    const double eta = meta_real(f, "eta");
    ct_tensor step = CT_SHAPE(CSCTRL_F64, 1);
    ct_prox prox = {
        .lambda = meta_real(f, "lam"), .mu = meta_real(f, "mu"), .nonneg = meta_true(f, "nonneg")};
    ct_conv conv = {0};
    ct_csc layer;
    ct_csc_pass pass;
    ct_csc_grad grad;
    ct_plan *plan = NULL;
    ct_tensor W = load(f, ex, "in.W"), dW = make(ex, W);
    ct_tensor x = ct_image_shape(ex->dtype, &g), dx = x;

    OK(ex->ops->mem_alloc(ex, sizeof eta, &step.data));
    OK(ex->ops->upload(ex, step.data, &eta, sizeof eta));
    prox.eta = step.data;
    OK(ct_plan_create(&plan));
    OK(ex->ops->conv_create(ex, &g, &conv));
    ct_plan_bytes(plan, CT_PARAM, &conv.packed, conv.packed_bytes, CT_FOREVER);
    ct_plan_bytes(plan, CT_SCRATCH, &conv.scratch, conv.scratch_bytes, CT_FOREVER);
    OK(ct_csc_create(&layer, &conv, (int)meta_real(f, "steps"), &prox, meta_true(f, "momentum")));
    OK(ct_csc_pass_create(&pass, &layer, ex->dtype, true, plan, 0, 2, 2));
    ct_csc_grad_declare(&grad, &layer, ex->dtype, plan, 0, 0, 2);
    ct_plan_tensor(plan, CT_IO, &x, CT_FOREVER);
    ct_plan_tensor(plan, CT_IO, &dx, CT_FOREVER);
    OK(ct_plan_finish(plan));
    OK(ct_plan_allocate(plan, &(ct_plan_memory){alloc_arena, free_arena, ex}));
    ct_csc_pass_bind(&pass, &layer);

    load_nhwc(f, ex, "in.x", &x);
    OK(ex->ops->conv_pack(ex, &conv, &W));
    OK(ct_csc_forward(ex, &layer, &x, &pass));
    const ct_tensor *z = &pass.z[layer.steps - 1];
    compare_nhwc(f, ex, "out.z", z, tolerance);
    compare_value(f, "out.objective", layer_objective(f, ex, &conv, &x, z), tolerance);
    load_nhwc(f, ex, "in.dz", &grad.dz);
    OK(ct_csc_backward(ex, &layer, &x, &pass, &grad, &dW, &dx));
    compare(f, ex, "grad.W", &dW, tolerance);
    compare_nhwc(f, ex, "grad.x", &dx, tolerance);

    ct_csc_pass_destroy(&pass);
    ct_csc_destroy(&layer);
    ex->ops->conv_destroy(ex, &conv);
    ct_plan_destroy(&plan);
    ex->ops->mem_free(ex, step.data);
    ex->ops->mem_free(ex, W.data);
    ex->ops->mem_free(ex, dW.data);
}

/* ---- coding rates */

static void check_rate_of(fixture *f, ct_exec *ex, ct_objective *objective, const char *name,
                          ct_objective_kind kind, const ct_tensor *F, ct_tensor *dF)
{
    const ct_tensor labels = find(f, "in.labels");
    char key[64];
    double value = 0.0;

    OK(measure_objective(ex, objective, kind, F, labels.data, &value, dF));
    snprintf(key, sizeof key, "out.%s", name);
    compare_value(f, key, value, f->on->tolerance);
    ct_tensor half = ct_tensor_head(dF, F->shape[0] / 2);
    snprintf(key, sizeof key, "grad.%s.Z", name);
    compare(f, ex, key, &half, f->on->tolerance);
    half.data = (unsigned char *)dF->data + ct_tensor_bytes(&half);
    snprintf(key, sizeof key, "grad.%s.Zhat", name);
    compare(f, ex, key, &half, f->on->tolerance);
}

static void check_rate(fixture *f, ct_exec *ex)
{
    static const double gamma[3] = {1.0, 1.0, 1.0};
    const ct_tensor Z = find(f, "in.Z"), Zhat = find(f, "in.Zhat");
    ct_tensor F = make(ex, CT_SHAPE(ex->dtype, 2 * Z.shape[0], Z.shape[1])), dF = make(ex, F);
    ct_tensor half = ct_tensor_head(&F, Z.shape[0]);
    ct_objective objective;

    copy_in(ex, &Z, &half);
    half.data = (unsigned char *)F.data + ct_tensor_bytes(&half);
    copy_in(ex, &Zhat, &half);
    OK(ct_objective_create(ex, &objective, (int)Z.shape[0], (int)Z.shape[1],
                           (int)meta_real(f, "classes"), meta_real(f, "eps2"), gamma));
    OK(ex->ops->mem_alloc(ex, objective.scratch_bytes + 1, &objective.scratch));
    check_rate_of(f, ex, &objective, "binary", CT_OBJECTIVE_BINARY, &F, &dF);
    check_rate_of(f, ex, &objective, "multi", CT_OBJECTIVE_MULTI, &F, &dF);
    check_rate_of(f, ex, &objective, "reduction", CT_OBJECTIVE_REDUCTION, &F, &dF);
    ex->ops->mem_free(ex, objective.scratch);
    ct_objective_destroy(&objective);
    ex->ops->mem_free(ex, F.data);
    ex->ops->mem_free(ex, dF.data);
}

/* ---- the game */

static void set(csctrl_config *config, const char *key, const char *format, ...)
{
    char text[256];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    OK(csctrl_config_set(config, key, text));
}

static csctrl_config *game_config(const fixture *f, int batch)
{
    csctrl_config *config = NULL;
    json_t *shape = json_loads(meta(f, "in_shape"), 0, NULL),
           *layers = json_loads(meta(f, "geometry"), 0, NULL), *one = NULL;
    char text[256] = "";
    size_t i = 0;

    OK(csctrl_config_create(&config));
    json_array_foreach(layers, i, one)
    {
        const size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%dx%ds%dp%d ",
                 (int)json_integer_value(json_array_get(one, 0)),
                 (int)json_integer_value(json_array_get(one, 1)),
                 (int)json_integer_value(json_array_get(one, 2)),
                 (int)json_integer_value(json_array_get(one, 3)));
    }
    set(config, "model.layers", "%s", text);
    set(config, "data.channels", "%d", (int)json_integer_value(json_array_get(shape, 0)));
    set(config, "data.size", "%d", (int)json_integer_value(json_array_get(shape, 1)));
    set(config, "model.steps", "%s", meta(f, "steps"));
    set(config, "model.lambda", "%s", meta(f, "lam"));
    set(config, "model.mu", "%s", meta(f, "mu"));
    set(config, "model.nonneg", "%s", meta_true(f, "nonneg") ? "true" : "false");
    set(config, "objective.kind", "%s", meta(f, "objective"));
    set(config, "objective.eps2", "%s", meta(f, "eps2"));
    set(config, "optim.beta1", "%s", meta(f, "beta1"));
    set(config, "optim.beta2", "%s", meta(f, "beta2"));
    set(config, "train.batch", "%d", batch);
    set(config, "device", "%s", f->on->device);
    set(config, "isa", "%s", f->on->isa);
    set(config, "precision", "%s", f->on->dtype == CSCTRL_F64 ? "f64" : "f32");
    json_decref(shape);
    json_decref(layers);
    return config;
}

/* Our name of a parameter -> the fixture's: "encoder.1.norm.scale" is "enc_bn.1.scale",
 * "decoder.2.norm.shift" is "dec_bn.1.shift", "encoder.0.dictionary" is "W.0". */
static void fixture_name(const char *ours, const char *prefix, char out[96])
{
    const int layer = atoi(ours + strlen("encoder."));
    const bool encoder = strncmp(ours, "encoder", 7) == 0;

    if (strstr(ours, "dictionary") != NULL)
        snprintf(out, 96, "%sW.%d", prefix, layer);
    else
        snprintf(out, 96, "%s%s_bn.%d.%s", prefix, encoder ? "enc" : "dec",
                 encoder ? layer : layer - 1, strrchr(ours, '.') + 1);
}

static void set_parameters(const fixture *f, csctrl_model *m)
{
    json_t *etas = json_loads(meta(f, "eta"), 0, NULL);
    char name[96];

    m->fixed_eta = true;
    for (int l = 0; l < m->arch.depth; l++) {
        const double eta = json_real_value(json_array_get(etas, (size_t)l));
        OK(m->ex->ops->upload(m->ex, m->layers[l].eta.data, &eta, sizeof eta));
    }
    json_decref(etas);
    for (size_t i = 0; i < m->param_count; i++) {
        if (m->params[i].grad == NULL)
            continue;
        fixture_name(m->params[i].name, "in.", name);
        const ct_tensor value = find(f, name);
        copy_in(m->ex, &value, m->params[i].value);
    }
    OK(ct_model_refresh(m, 0));
}

static void compare_parameters(fixture *f, const csctrl_model *m, const char *prefix,
                               ct_player player, bool grads)
{
    char name[96];

    for (size_t i = 0; i < m->param_count; i++) {
        const ct_param *p = &m->params[i];
        if (p->grad == NULL || (grads && !p->played_by[player]))
            continue;
        fixture_name(p->name, prefix, name);
        compare(f, m->ex, name, grads ? p->grad : p->value, f->on->game_tolerance);
    }
}

static void compare_move(fixture *f, const ct_game *game, const char *move, double value)
{
    const double tolerance = f->on->game_tolerance;
    ct_tensor half = ct_tensor_head(&game->F, game->model->batch);
    char name[64];

    snprintf(name, sizeof name, "out.%s.value", move);
    compare_value(f, name, value, tolerance);
    snprintf(name, sizeof name, "out.%s.Z", move);
    compare(f, game->model->ex, name, &half, tolerance);
    half.data = (unsigned char *)half.data + ct_tensor_bytes(&half);
    snprintf(name, sizeof name, "out.%s.Zhat", move);
    compare(f, game->model->ex, name, &half, tolerance);
    snprintf(name, sizeof name, "out.%s.xhat", move);
    compare_nhwc(f, game->model->ex, name, &game->xhat, tolerance);
}

/* Batch i with its labels; past the public entry, which is f32 only. */
static void load_batch(const fixture *f, ct_game *game, int i)
{
    char name[32];

    snprintf(name, sizeof name, "in.x.%d", i);
    load_nhwc(f, game->model->ex, name, &game->x);
    snprintf(name, sizeof name, "in.labels.%d", i);
    OK(ct_game_load_labels(game, find(f, name).data));
}

static void play_game(fixture *f, ct_game *game, ct_optim *optim)
{
    const double lr = meta_real(f, "lr");
    double values[6];

    set_parameters(f, game->model);
    for (int i = 0; i < 3; i++) {
        load_batch(f, game, i);
        OK(tiny_max_move(game, false, &values[2 * i]));
        OK(tiny_update(optim, CT_ENCODER, lr));
        OK(tiny_min_move(game, &values[2 * i + 1]));
        OK(tiny_update(optim, CT_DECODER, lr));
    }
    ct_tensor got = CT_SHAPE(CSCTRL_F64, 6);
    got.data = values;
    compare_host(f, "out.game.values", &got, f->on->game_tolerance);
    compare_parameters(f, game->model, "out.game.", CT_ENCODER, false);
}

static void check_game(fixture *f)
{
    csctrl_config *config = game_config(f, (int)find(f, "in.x.0").shape[0]);
    csctrl_model *m = NULL;
    ct_game game;
    ct_optim optim;
    double value = 0.0;

    OK(ct_model_begin(&m, config, (int)find(f, "in.x.0").shape[0], true, false, NULL));
    OK(ct_game_create(&game, m, NULL, (int)meta_real(f, "classes")));
    OK(ct_optim_create(&optim, m));
    OK(ct_model_finish(m));
    ct_game_bind(&game);
    set_parameters(f, m);
    load_batch(f, &game, 0);
    OK(tiny_max_move(&game, false, &value));
    compare_move(f, &game, "max", value);
    compare_parameters(f, m, "grad.max.", CT_ENCODER, true);
    OK(tiny_min_move(&game, &value));
    compare_move(f, &game, "min", value);
    compare_parameters(f, m, "grad.min.", CT_DECODER, true);
    play_game(f, &game, &optim);
    ct_optim_destroy(&optim);
    ct_game_destroy(&game);
    csctrl_model_destroy(&m);
    csctrl_config_destroy(&config);
}

/* ---- all fixtures of the folder */

static void check_file(const char *folder, const char *name, const target *on)
{
    char *path = ct_path_join(folder, name);
    const ct_exec_options options = {.device = on->device, .dtype = on->dtype};
    fixture f = {.name = name, .on = on};
    ct_exec_options chosen = options;
    ct_exec *ex = NULL;

    assert_true(ct_isa_from_name(on->isa, &chosen.isa));
    OK(ct_safetensors_open(&f.file, path));
    OK(ct_exec_create(&ex, &chosen));
    const char *kind = meta(&f, "kind");
    if (strcmp(kind, "csc_layer") == 0)
        check_layer(&f, ex);
    else if (strcmp(kind, "rate") == 0)
        check_rate(&f, ex);
    else if (strcmp(kind, "game") == 0)
        check_game(&f);
    else
        fail_msg("%s: unknown kind of fixture '%s'", name, kind);
    assert_true(f.compared > 0);
    ct_exec_destroy(&ex);
    ct_safetensors_close(&f.file);
    ct_free(path);
}

/* A GPU need not be there, but for a test of it. */
static bool usable(const target *on)
{
    ct_exec *ex = NULL;
    const ct_exec_options options = {.device = on->device, .dtype = on->dtype};
    const bool there = ct_exec_create(&ex, &options) == CSCTRL_OK;

    ct_exec_destroy(&ex);
    const bool may_lack = strcmp(on->device, "cuda") == 0
                              ? getenv("CSCTRL_TEST_CUDA") == NULL
                              : strstr(csctrl_last_error(), "was not built") != NULL;
    if (!there && !may_lack)
        fail_msg("%s: %s", on->name, csctrl_last_error());
    if (!there)
        print_message("%s: skipped: %s\n", on->name, csctrl_last_error());
    return there;
}

static void test_fixtures(void **state)
{
    const target *on = *state;
    const char *folder = getenv("CSCTRL_FIXTURES");
    ct_name_list list;
    ct_isa isa = CT_ISA_AUTO;
    size_t seen = 0;

    assert_true(ct_isa_from_name(on->isa, &isa));
    if (isa > ct_isa_best() || !usable(on))
        skip();
    if (folder == NULL)
        folder = SOURCE_DIR "/tests/golden";
    OK(ct_fs_list(folder, &list));
    for (size_t i = 0; i < list.count; i++) {
        const char *dot = strrchr(list.names[i], '.');
        if (dot == NULL || strcmp(dot, ".safetensors") != 0)
            continue;
        check_file(folder, list.names[i], on);
        seen++;
    }
    ct_fs_list_free(&list);
    printf("%s: %zu fixtures of %s\n", on->name, seen, folder);
    assert_true(seen > 0);
}

int main(void)
{
    struct CMUnitTest tests[sizeof targets / sizeof targets[0]];
    target mutable_targets[sizeof targets / sizeof targets[0]];

    memcpy(mutable_targets, targets, sizeof targets);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        tests[i] = (struct CMUnitTest){.name = targets[i].name,
                                       .test_func = test_fixtures,
                                       .initial_state = &mutable_targets[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
