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
#include "model/arch.h"

static void expect_ok(csctrl_status status, const char *path)
{
    if (status != CSCTRL_OK)
        fail_msg("%s: %s", path, csctrl_last_error());
}

static void check_model(const csctrl_config *config, const char *path)
{
    csctrl_model *model = NULL;
    csctrl_model_info info;

    expect_ok(csctrl_model_create(&model, config, 1), path);
    csctrl_model_get_info(model, &info);
    assert_int_equal(info.size, csctrl_config_int(config, "data.size"));
    assert_int_equal(info.channels, csctrl_config_int(config, "data.channels"));
    csctrl_model_destroy(&model);
}

static void check_config(const char *path)
{
    csctrl_config *config = NULL;
    csctrl_memory_plan plan;
    ct_arch arch;

    expect_ok(csctrl_config_create(&config), path);
    expect_ok(csctrl_config_load(config, path), path);
    if (strcmp(csctrl_config_text(config, "data.kind"), "synthetic") != 0)
        assert_true(csctrl_config_text(config, "data.path")[0] != '\0');

    /* The last layer takes what is left of the image to 1 x 1: the features are its atoms. */
    expect_ok(ct_arch_read(&arch, config), path);
    assert_int_equal(arch.kind, CT_ARCH_CSC);
    assert_int_equal(arch.layers[arch.depth - 1].geom.oh, 1);
    assert_int_equal(arch.features, arch.layers[arch.depth - 1].geom.atoms);

    /* All are planned; the large ones are not made, since that takes seconds each. */
    expect_ok(csctrl_trainer_plan(config, &plan), path);
    assert_true(plan.total > plan.param && plan.saved > 0 && plan.state > 0);
    if (arch.size <= 32)
        check_model(config, path);
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
    static const char *const names[] = {
        "fashion-mnist", "fashion-mnist-multi", "mnist",       "cifar10",  "stl10",
        "celeba64",      "imagenet64",          "imagenet128", "synthetic"};
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
