/* test_configs.c - every shipped config loads, its model can be made, and its layers take the image
 * down to one code a feature. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <glob.h>
#include <stdio.h>
#include <string.h>

#include "csctrl/csctrl.h"

static void expect_ok(csctrl_status status, const char *path)
{
    if (status != CSCTRL_OK)
        fail_msg("%s: %s", path, csctrl_last_error());
}

static void check_config(const char *path)
{
    csctrl_config *config = NULL;
    csctrl_model *model = NULL;
    csctrl_model_info info;
    csctrl_memory_plan plan;

    expect_ok(csctrl_config_create(&config), path);
    expect_ok(csctrl_config_load(config, path), path);
    assert_string_equal(csctrl_config_text(config, "model.arch"), "csc");
    if (strcmp(csctrl_config_text(config, "data.kind"), "synthetic") != 0)
        assert_true(csctrl_config_text(config, "data.path")[0] != '\0');

    expect_ok(csctrl_model_create(&model, config, 1), path);
    csctrl_model_get_info(model, &info);
    assert_int_equal(info.size, csctrl_config_int(config, "data.size"));
    assert_int_equal(info.channels, csctrl_config_int(config, "data.channels"));
    assert_true(info.tied);

    /* The last layer takes what is left of the image to 1 x 1: the features are its atoms. */
    csctrl_layer_info last;
    expect_ok(csctrl_model_get_layer(model, info.layers - 1, &last), path);
    assert_int_equal(last.out_size, 1);
    assert_int_equal(info.features, last.atoms);

    expect_ok(csctrl_trainer_plan(config, &plan), path);
    assert_true(plan.total > plan.param && plan.saved > 0 && plan.state > 0);
    csctrl_model_destroy(&model);
    csctrl_config_destroy(&config);
}

static void test_every_config(void **state)
{
    (void)state;
    glob_t found;

    assert_int_equal(glob(SOURCE_DIR "/configs/*.yaml", 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 8);
    for (size_t i = 0; i < found.gl_pathc; i++)
        check_config(found.gl_pathv[i]);
    globfree(&found);
}

static void test_promised_names(void **state)
{
    (void)state;
    static const char *const names[] = {"fashion-mnist", "mnist",      "cifar10",     "stl10",
                                        "celeba64",      "imagenet64", "imagenet128", "synthetic"};
    char path[512];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        FILE *file;
        snprintf(path, sizeof path, "%s/configs/%s.yaml", SOURCE_DIR, names[i]);
        file = fopen(path, "r");
        if (file == NULL)
            fail_msg("%s is missing", path);
        else
            fclose(file);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_config),
        cmocka_unit_test(test_promised_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
