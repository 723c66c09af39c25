#define _GNU_SOURCE
#include "support/tiny.h"

#include <setjmp.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/rng.h"
#include "support/expect.h"
#include "support/temp.h"

static const char *const defaults[] = {
    "data.kind=synthetic",     "data.size=8",
    "data.synthetic_count=64", "data.synthetic_classes=3",
    "data.prefetch=2",         "model.layers=6x4s2p1 8x4s1p0",
    "train.batch=8",           "train.batches=4",
    "train.log_every=1",       "train.eval_every=4",
    "train.eval_images=8",     "train.pictures=4",
    "train.picture_every=0",   "train.checkpoint_every=4",
    "eval.components=2",       "threads=1",
};

static csctrl_config *start(void)
{
    csctrl_config *config = NULL;

    expect_ok(csctrl_config_create(&config));
    for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
        expect_ok(csctrl_config_assign(config, defaults[i]));
    return config;
}

csctrl_config *tiny_config(const char *first, ...)
{
    csctrl_config *config = start();
    va_list more;

    va_start(more, first);
    for (const char *text = first; text != NULL; text = va_arg(more, const char *))
        expect_ok(csctrl_config_assign(config, text));
    va_end(more);
    return config;
}

csctrl_config *tiny_config_list(const char *const *texts)
{
    csctrl_config *config = start();

    for (; *texts != NULL; texts++)
        expect_ok(csctrl_config_assign(config, *texts));
    return config;
}

void tiny_game_open(tiny_game *g, csctrl_config *config, int classes)
{
    *g = (tiny_game){.config = config};
    expect_ok(ct_model_begin(&g->model, config, (int)csctrl_config_int(config, "train.batch"), true,
                             csctrl_config_real(config, "optim.ema") > 0.0, NULL));
    expect_ok(ct_game_create(&g->game, g->model, NULL, classes));
    expect_ok(ct_optim_create(&g->optim, g->model));
    expect_ok(ct_model_finish(g->model));
    ct_game_bind(&g->game);
    for (int i = 0; i < TINY_BATCH; i++)
        g->labels[i] = i % TINY_CLASSES;
    csctrl_tensor images = tiny_images(TINY_BATCH, g->model->arch.channels, 1);
    expect_ok(ct_game_load(&g->game, &(ct_batch){.images = images, .labels = g->labels}));
    tiny_free(&images);
}

csctrl_status tiny_max_move(ct_game *game, bool rate_only, double *value)
{
    CT_TRY(ct_game_max_move(game, rate_only));
    return ct_game_value(game, CT_ENCODER, value);
}

csctrl_status tiny_min_move(ct_game *game, double *value)
{
    CT_TRY(ct_game_min_move(game));
    return ct_game_value(game, CT_DECODER, value);
}

csctrl_status tiny_update(ct_optim *optim, ct_player player, double lr)
{
    CT_TRY(ct_optim_load(optim, &(ct_move){player, lr}, 1));
    CT_TRY(ct_optim_step(optim, 0));
    return ct_optim_check(optim, 0);
}

double tiny_eta(const csctrl_model *model, int layer)
{
    double eta = 0.0;

    expect_ok(ct_model_get_eta(model, layer, &eta));
    return eta;
}

void tiny_game_close(tiny_game *g)
{
    ct_optim_destroy(&g->optim);
    ct_game_destroy(&g->game);
    csctrl_model_destroy(&g->model);
    csctrl_config_destroy(&g->config);
}

csctrl_tensor tiny_images(int64_t n, int channels, uint32_t seed)
{
    const ct_rng rng = ct_rng_make(seed, CT_RNG_TEST, 1);
    csctrl_tensor x = CT_SHAPE(CSCTRL_F32, n, channels, TINY_SIZE, TINY_SIZE);
    float *values = malloc(ct_tensor_bytes(&x));

    assert_non_null(values);
    for (int64_t i = 0; i < csctrl_tensor_count(&x); i++)
        values[i] = (float)(2.0 * ct_rng_uniform(&rng, (uint64_t)i) - 1.0);
    x.data = values;
    return x;
}

csctrl_tensor tiny_features(int64_t n, int64_t d)
{
    csctrl_tensor z = CT_SHAPE(CSCTRL_F32, n, d);

    z.data = calloc(1, ct_tensor_bytes(&z));
    assert_non_null(z.data);
    return z;
}

void tiny_free(csctrl_tensor *t)
{
    free(t->data);
    t->data = NULL;
}

void tiny_take(tiny_snapshot *s, const csctrl_model *model)
{
    s->model = model;
    for (size_t i = 0; i < model->param_count; i++) {
        const size_t bytes = ct_tensor_bytes(model->params[i].value);
        s->values[i] = malloc(bytes);
        assert_non_null(s->values[i]);
        memcpy(s->values[i], model->params[i].value->data, bytes);
    }
}

bool tiny_changed(const tiny_snapshot *s, size_t index)
{
    const ct_tensor *now = s->model->params[index].value;

    return memcmp(s->values[index], now->data, ct_tensor_bytes(now)) != 0;
}

void tiny_forget(tiny_snapshot *s)
{
    for (size_t i = 0; i < s->model->param_count; i++)
        free(s->values[i]);
}

ct_param *tiny_param(csctrl_model *model, const char *name)
{
    for (size_t i = 0; i < model->param_count; i++)
        if (strcmp(model->params[i].name, name) == 0)
            return &model->params[i];
    fail_msg("no parameter '%s'", name);
    return NULL;
}

double tiny_get(const ct_tensor *t, int64_t i)
{
    return t->dtype == CSCTRL_F64 ? ((const double *)t->data)[i]
                                  : (double)((const float *)t->data)[i];
}

void tiny_set(const ct_tensor *t, int64_t i, double value)
{
    if (t->dtype == CSCTRL_F64)
        ((double *)t->data)[i] = value;
    else
        ((float *)t->data)[i] = (float)value;
}

/* ---- files */

int tiny_memory_folder(void **state)
{
    char *path = strdup("/dev/shm/csctrl-test-XXXXXX");

    if (path == NULL)
        return -1;
    if (mkdtemp(path) == NULL) {
        free(path);
        return temp_make(state);
    }
    *state = path;
    return 0;
}

void expect_same_file(const char *a, const char *b)
{
    unsigned char *data_a = NULL, *data_b = NULL;
    size_t size_a = 0, size_b = 0;

    expect_ok(ct_fs_read(a, SIZE_MAX / 2, &data_a, &size_a));
    expect_ok(ct_fs_read(b, SIZE_MAX / 2, &data_b, &size_b));
    if (size_a != size_b || memcmp(data_a, data_b, size_a) != 0)
        fail_msg("%s and %s differ", a, b);
    ct_free(data_a);
    ct_free(data_b);
}

void expect_same_folder(const char *a, const char *b)
{
    ct_name_list in_a, in_b;

    expect_ok(ct_fs_list(a, &in_a));
    expect_ok(ct_fs_list(b, &in_b));
    for (size_t i = 0; i < in_a.count && i < in_b.count; i++) /* the first that differs, by name */
        assert_string_equal(in_a.names[i], in_b.names[i]);
    if (in_a.count != in_b.count)
        fail_msg("%s has %zu entries, %s has %zu; the last is %s", a, in_a.count, b, in_b.count,
                 in_b.count > 0 ? in_b.names[in_b.count - 1] : "none");
    for (size_t i = 0; i < in_a.count; i++) {
        char *path_a = ct_path_join(a, in_a.names[i]), *path_b = ct_path_join(b, in_b.names[i]);
        assert_string_equal(in_a.names[i], in_b.names[i]);
        if (ct_fs_is_dir(path_a))
            expect_same_folder(path_a, path_b);
        else
            expect_same_file(path_a, path_b);
        ct_free(path_a);
        ct_free(path_b);
    }
    ct_fs_list_free(&in_a);
    ct_fs_list_free(&in_b);
}

char *tiny_text(const char *path)
{
    unsigned char *data = NULL;
    size_t size = 0;

    expect_ok(ct_fs_read(path, 1 << 24, &data, &size));
    char *text = strdup((char *)data);
    ct_free(data);
    assert_non_null(text);
    return text;
}

/* ---- processes */

pid_t tiny_spawn(const char *first, const char *second)
{
    char path[4096], *arguments[4];
    pid_t pid = 0;
    const ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);

    assert_true(length > 0);
    path[length] = '\0';
    arguments[0] = path;
    arguments[1] = strdup(first);
    arguments[2] = second != NULL ? strdup(second) : NULL;
    arguments[3] = NULL;
    assert_int_equal(posix_spawn(&pid, path, NULL, NULL, arguments, environ), 0);
    free(arguments[1]);
    free(arguments[2]);
    return pid;
}

int tiny_wait(pid_t pid)
{
    int status = 0;

    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
