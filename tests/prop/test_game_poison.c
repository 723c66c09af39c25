/* test_game_poison.c - a value that is not finite stops the move it takes part in: named, nothing
 * updated by that move, nothing saved over what was good. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"

static void expect_unmoved(tiny_snapshot *s, const char *prefix)
{
    for (size_t i = 0; i < s->model->param_count; i++)
        if (strncmp(s->model->params[i].name, prefix, strlen(prefix)) == 0 && tiny_changed(s, i))
            fail_msg("%s was updated", s->model->params[i].name);
}

/* A parameter that is not finite stops the first move it takes part in; that move updates nothing.
 */
static void poison_parameter(const char *const device[2], const char *arch, size_t index,
                             double poison)
{
    csctrl_config *config = tiny_config(device[0], arch, "model.tied=false", NULL);
    csctrl_trainer *t = NULL;
    tiny_snapshot s;
    char part[96];

    expect_ok(csctrl_trainer_create(&t, config, NULL));
    expect_ok(csctrl_trainer_step(t, NULL));
    const ct_param *p = &t->model->params[index % t->model->param_count];
    if (p->grad != NULL) {
        const bool of_encoder = strncmp(p->name, "encoder.", 8) == 0;
        tiny_set(p->value, 0, poison);
        expect_ok(ct_model_refresh(t->model, 0));
        tiny_take(&s, t->model);
        snprintf(part, sizeof part, "step 2: parameter '%s' is not finite", p->name);
        expect_fail(csctrl_trainer_step(t, NULL), CSCTRL_E_NUMERIC, part);
        assert_int_equal(t->model->step, 1);
        expect_fail(csctrl_trainer_step(t, NULL), CSCTRL_E_STATE, "failed half-way");
        expect_unmoved(&s, of_encoder ? "" : "decoder.");
        tiny_forget(&s);
    }
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
}

static void test_poisoned_parameter(void **state)
{
    static const char *const on[][2] = {{"device=ref"}, {"device=auto"}};

    (void)state;
    for (size_t d = 0; d < 2; d++)
        for (size_t i = 0; i < 12; i++) {
            poison_parameter(on[d], "model.arch=csc", i, NAN);
            poison_parameter(on[d], "model.arch=csc", i, INFINITY);
            poison_parameter(on[d], "model.arch=generic", i, NAN);
        }
}

static void poison_image(const char *device, const char *arch, double poison)
{
    tiny_game g;
    tiny_snapshot s;
    double value;

    tiny_game_open(&g, tiny_config(device, arch, NULL), 3);
    csctrl_tensor images = tiny_images(TINY_BATCH, 1, 2);
    tiny_set(&images, 100, poison);
    expect_ok(ct_game_load(&g.game, &(ct_batch){.images = images, .labels = g.labels}));
    tiny_take(&s, g.model);
    csctrl_status status = tiny_max_move(&g.game, false, &value);
    if (status == CSCTRL_OK) /* thresholds pass over a NaN; its gradient does not */
        status = tiny_update(&g.optim, CT_ENCODER, 0.01);
    assert_int_equal(status, CSCTRL_E_NUMERIC);
    expect_fail(ct_game_check(&g.game, CT_ENCODER), CSCTRL_E_NUMERIC,
                "the images of the batch are not finite");
    expect_unmoved(&s, "");
    tiny_forget(&s);
    tiny_free(&images);
    tiny_game_close(&g);
}

static void test_poisoned_image(void **state)
{
    (void)state;
    poison_image("device=ref", "model.arch=csc", NAN);
    poison_image("device=ref", "model.arch=csc", -INFINITY);
    poison_image("device=auto", "model.arch=csc", NAN);
    poison_image("device=auto", "model.arch=generic", NAN);
}

/* The run ends with the error; what was saved before is as it was and can be resumed. */
static void test_poisoned_run_keeps_its_checkpoint(void **state)
{
    csctrl_config *config = tiny_config("train.batches=6", "train.checkpoint_every=2", NULL);
    const char *run = temp_path(state, "run");
    char *latest = NULL;
    csctrl_trainer *t = NULL;
    csctrl_model *m = NULL;
    csctrl_model_info info;

    expect_ok(csctrl_trainer_create(&t, config, run));
    expect_ok(csctrl_trainer_step(t, NULL));
    expect_ok(csctrl_trainer_step(t, NULL));
    expect_ok(csctrl_trainer_save(t));
    tiny_set(tiny_param(t->model, "encoder.1.norm.scale")->value, 2, NAN);
    expect_fail(csctrl_trainer_run(t, NULL, NULL), CSCTRL_E_NUMERIC,
                "step 3: parameter 'encoder.1.norm.scale' is not finite");
    csctrl_trainer_destroy(&t);
    latest = tiny_text(temp_path(state, "run/checkpoints/latest"));
    assert_string_equal(latest, "step-00000002\n");
    expect_ok(csctrl_model_load(&m, run, NULL, 0, 4));
    csctrl_model_get_info(m, &info);
    assert_int_equal(info.step, 2);
    expect_ok(csctrl_trainer_resume(&t, run, NULL, 0));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    assert_int_equal(t->model->step, 6);
    csctrl_trainer_destroy(&t);
    csctrl_model_destroy(&m);
    csctrl_config_destroy(&config);
    free(latest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_poisoned_parameter),
        cmocka_unit_test(test_poisoned_image),
        cmocka_unit_test_setup_teardown(test_poisoned_run_keeps_its_checkpoint, tiny_memory_folder,
                                        temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
