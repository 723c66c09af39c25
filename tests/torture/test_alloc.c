/* test_alloc.c - the n-th allocation of a public call fails, and all after it, for every n until
 * the call succeeds: it says so, gives back all it took, and leaves no result. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"
#include "torture/torture.h"

/* ---- config */

typedef struct config_case {
    csctrl_config *config;
    const char *path;
} config_case;

/* A config of its own each time, since success changes what it holds. */
static csctrl_status load_config(void *user)
{
    config_case *c = user;
    csctrl_config *config = NULL;
    csctrl_status status = csctrl_config_create(&config);

    if (status != CSCTRL_OK)
        return status;
    status = csctrl_config_load(config, c->path);
    assert_string_equal(csctrl_config_text(config, "train.batch"),
                        status == CSCTRL_OK ? "24" : "256");
    csctrl_config_destroy(&config);
    return status;
}

static csctrl_status new_config(void *user)
{
    config_case *c = user;
    csctrl_config *made = (csctrl_config *)c, *copied = (csctrl_config *)c;

    csctrl_status status = csctrl_config_create(&made);
    assert_true((status == CSCTRL_OK) == (made != NULL));
    if (status == CSCTRL_OK) {
        status = csctrl_config_copy(&copied, c->config);
        assert_true((status == CSCTRL_OK) == (copied != NULL));
        csctrl_config_destroy(&copied);
    }
    csctrl_config_destroy(&made);
    return status;
}

static csctrl_status set_text(void *user)
{
    config_case *c = user;
    const csctrl_status status = csctrl_config_set(c->config, "data.path", "/some/where/else");

    assert_string_equal(csctrl_config_text(c->config, "data.path"),
                        status == CSCTRL_OK ? "/some/where/else" : "");
    return status;
}

static void unset_text(void *user)
{
    config_case *c = user;

    expect_ok(csctrl_config_set(c->config, "data.path", ""));
}

static csctrl_status save_config(void *user)
{
    config_case *c = user;

    return csctrl_config_save(c->config, c->path);
}

static void test_config(void **state)
{
    static const char yaml[] = "seed: 7\ntrain:\n  batch: 24\nmodel:\n  lambda: [0.1, 0.2]\n";
    config_case c = {.config = tiny_config(NULL),
                     .path = temp_file(state, "c.yaml", yaml, sizeof yaml - 1)};

    assert_true(torture("config_create, copy", new_config, NULL, &c) > 0);
    assert_true(torture("config_set", set_text, unset_text, &c) > 0);
    assert_true(torture("config_load", load_config, NULL, &c) > 0);
    c.path = temp_path(state, "out.yaml");
    assert_true(torture("config_save", save_config, NULL, &c) > 0);
    csctrl_config_destroy(&c.config);
}

/* ---- model */

typedef struct model_case {
    csctrl_config *config;
    const char *path;
    csctrl_model *model;
} model_case;

static csctrl_status create_model(void *user)
{
    model_case *c = user;

    c->model = (csctrl_model *)c;
    const csctrl_status status = csctrl_model_create(&c->model, c->config, 4);
    assert_true((status == CSCTRL_OK) == (c->model != NULL));
    return status;
}

static csctrl_status load_model(void *user)
{
    model_case *c = user;
    static const char *const overrides[] = {"model.steps=3"};

    c->model = (csctrl_model *)c;
    const csctrl_status status = csctrl_model_load(&c->model, c->path, overrides, 1, 4);
    assert_true((status == CSCTRL_OK) == (c->model != NULL));
    return status;
}

static void drop_model(void *user)
{
    csctrl_model_destroy(&((model_case *)user)->model);
}

typedef struct file_case {
    csctrl_model *model;
    const char *in, *out;
} file_case;

static csctrl_status reconstruct_file(void *user)
{
    file_case *c = user;

    return csctrl_model_reconstruct_file(c->model, c->in, c->out);
}

static void test_reconstruct_file(void **state)
{
    csctrl_config *config = tiny_config(NULL);
    csctrl_tensor x = tiny_images(1, 1, 1);
    file_case c = {.in = temp_path(state, "in.png"), .out = temp_path(state, "out.png")};

    expect_ok(csctrl_image_write_grid(c.in, &x, 1, 1));
    expect_ok(csctrl_model_create(&c.model, config, 4));
    assert_true(torture("model_reconstruct_file", reconstruct_file, NULL, &c) > 4);
    csctrl_model_destroy(&c.model);
    csctrl_config_destroy(&config);
    tiny_free(&x);
}

/* Down to a layer, on from there, and the same layer's codes. */
typedef struct layer_case {
    csctrl_model *model;
    csctrl_tensor x, z, codes;
} layer_case;

static csctrl_status through_layer(void *user)
{
    layer_case *c = user;
    csctrl_status status = csctrl_model_decode_to_layer(c->model, &c->z, 0, &c->codes);

    if (status == CSCTRL_OK)
        status = csctrl_model_decode_from_layer(c->model, 0, &c->codes, &c->x);
    return status == CSCTRL_OK ? csctrl_model_encode_layer(c->model, &c->x, 0, &c->codes) : status;
}

static void test_layer(void **state)
{
    csctrl_config *config = tiny_config(NULL);
    layer_case c = {.x = tiny_images(3, 1, 1), .z = tiny_features(3, 8)};
    csctrl_layer_info l;

    (void)state;
    expect_ok(csctrl_model_create(&c.model, config, 4));
    expect_ok(csctrl_model_get_layer(c.model, 0, &l));
    c.codes = tiny_features(3, (int64_t)l.atoms * l.out_size * l.out_size);
    c.codes = csctrl_tensor_view(
        CSCTRL_F32, 4, (const int64_t[]){3, l.atoms, l.out_size, l.out_size}, c.codes.data);
    assert_true(torture("model_decode_to_layer, from, encode_layer", through_layer, NULL, &c) > 2);
    csctrl_model_destroy(&c.model);
    csctrl_config_destroy(&config);
    tiny_free(&c.x);
    tiny_free(&c.z);
    tiny_free(&c.codes);
}

static void make_run(const csctrl_config *config, const char *run)
{
    csctrl_trainer *t = NULL;

    expect_ok(csctrl_trainer_create(&t, config, run));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    csctrl_trainer_destroy(&t);
}

static void test_model(void **state)
{
    static const char *const settings[][4] = {
        {NULL},
        {"device=ref", "precision=f64", "model.tied=false", "model.steps=5"},
        {"model.arch=generic", "model.layers=6x4s2p1 3x3s1p1"},
    };
    char run[16];

    for (int i = 0; i < 3; i++) {
        csctrl_config *config = tiny_config(settings[i][0], settings[i][1], settings[i][2],
                                            settings[i][3], "optim.ema=0.9", NULL);
        model_case c = {.config = config};
        assert_true(torture("model_create", create_model, drop_model, &c) > 10);
        snprintf(run, sizeof run, "run%d", i);
        c.path = temp_path(state, run);
        make_run(config, c.path);
        assert_true(torture("model_load", load_model, drop_model, &c) > 20);
        csctrl_config_destroy(&config);
    }
}

/* ---- training */

typedef struct train_case {
    csctrl_config *config;
    void **state;
    char run[512];
    int number;
    csctrl_trainer *trainer;
} train_case;

/* Every attempt in a directory of its own. */
static csctrl_status create_step_save(void *user)
{
    train_case *c = user;
    char name[32];

    snprintf(name, sizeof name, "run%d", c->number++);
    snprintf(c->run, sizeof c->run, "%s", temp_path(c->state, name));
    c->trainer = (csctrl_trainer *)c;
    csctrl_status status = csctrl_trainer_create(&c->trainer, c->config, c->run);
    assert_true((status == CSCTRL_OK) == (c->trainer != NULL));
    if (status == CSCTRL_OK)
        status = csctrl_trainer_step(c->trainer, NULL);
    if (status == CSCTRL_OK)
        status = csctrl_trainer_save(c->trainer);
    if (status != CSCTRL_OK)
        csctrl_trainer_destroy(&c->trainer);
    ct_mem_fail_from(0);
    expect_ok(ct_fs_remove_tree(c->run));
    return status;
}

static void drop_trainer(void *user)
{
    csctrl_trainer_destroy(&((train_case *)user)->trainer);
}

static csctrl_status resume_run(void *user)
{
    train_case *c = user;

    c->trainer = (csctrl_trainer *)c;
    csctrl_status status = csctrl_trainer_resume(&c->trainer, c->run, NULL, 0);
    assert_true((status == CSCTRL_OK) == (c->trainer != NULL));
    return status;
}

static csctrl_status plan_run(void *user)
{
    train_case *c = user;
    csctrl_memory_plan plan;

    const csctrl_status status = csctrl_trainer_plan(c->config, &plan);
    assert_true(status != CSCTRL_OK || plan.resident > plan.total);
    return status;
}

static void test_trainer(void **state)
{
    train_case c = {.config = tiny_config("optim.ema=0.9", "data.loader_threads=2",
                                          "train.picture_every=2", NULL),
                    .state = state};

    assert_true(torture("trainer_create, step, save", create_step_save, drop_trainer, &c) > 60);
    snprintf(c.run, sizeof c.run, "%s", temp_path(state, "kept"));
    make_run(c.config, c.run);
    assert_true(torture("trainer_resume", resume_run, drop_trainer, &c) > 60);
    assert_true(torture("trainer_plan", plan_run, NULL, &c) > 60);
    csctrl_config_destroy(&c.config);
}

/* What a finished step writes: line, picture, checkpoint, rotation. A run that meets a lack of
 * memory there keeps its checkpoints, and goes on when there is memory again. */
static void test_run(void **state)
{
    csctrl_config *config =
        tiny_config("train.keep_last=1", "train.checkpoint_every=1", "train.eval_every=1",
                    "train.picture_every=1", "optim.ema=0.9", NULL);
    const char *const loadable[] = {strdup(temp_path(state, "run")),
                                    strdup(temp_path(state, "run/checkpoints/best"))};
    csctrl_status status = CSCTRL_E_NOMEM;
    csctrl_trainer *t = NULL;
    csctrl_model *m = NULL;
    int failures = -1;

    expect_ok(csctrl_trainer_create(&t, config, loadable[0]));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    for (int n = 1; n < MOST && status != CSCTRL_OK; n++, failures++) {
        const size_t before = held();
        t->steps = t->model->step + 1;
        ct_mem_fail_from((uint64_t)n);
        status = csctrl_trainer_run(t, NULL, NULL);
        ct_mem_fail_from(0);
        assert_int_equal(held(), before);
        if (status != CSCTRL_OK)
            expect_fail(status, CSCTRL_E_NOMEM, "out of memory");
        for (int i = 0; i < 2; i++) {
            expect_ok(csctrl_model_load(&m, loadable[i], NULL, 0, 4));
            csctrl_model_destroy(&m);
        }
        expect_ok(csctrl_trainer_save(t)); /* rotates what was left over */
    }
    print_message("trainer_run: %d allocations\n", failures);
    assert_true(failures > 60);
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
    for (int i = 0; i < 2; i++)
        free((void *)(uintptr_t)loadable[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_config, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_model, tiny_memory_folder, temp_remove),
        cmocka_unit_test(test_layer),
        cmocka_unit_test_setup_teardown(test_reconstruct_file, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_trainer, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_run, tiny_memory_folder, temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
