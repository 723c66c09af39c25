/* test_rundir.c - the run directory: made once, logged to, rewound. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"
#include "train/rundir.h"

static csctrl_status create_run(csctrl_config *config, const char *path)
{
    const ct_exec_options options = {.device = "ref", .dtype = CSCTRL_F32, .threads = 3};
    ct_run_facts facts = {.config = config,
                          .data_fingerprint = 0xfeedbeefcafe0123u,
                          .train_images = 60000,
                          .test_images = 10000};
    ct_exec *ex = NULL;
    int lock;

    expect_ok(ct_exec_create(&ex, &options));
    facts.ex = ex;
    const csctrl_status status = ct_rundir_create(path, &facts, &lock);
    assert_true((lock >= 0) == (status == CSCTRL_OK));
    ct_rundir_unlock(&lock);
    assert_int_equal(lock, -1);
    ct_exec_destroy(&ex);
    return status;
}

static void test_create(void **state)
{
    csctrl_config *config = tiny_config("seed=77", NULL), *read = NULL;

    expect_ok(create_run(config, temp_path(state, "a/b/run")));
    assert_true(ct_fs_is_dir(temp_path(state, "a/b/run/pictures")));
    assert_true(ct_fs_is_dir(temp_path(state, "a/b/run/checkpoints")));
    expect_ok(csctrl_config_create(&read));
    expect_ok(csctrl_config_load(read, temp_path(state, "a/b/run/config.yaml")));
    for (size_t i = 0; i < csctrl_option_count(); i++) {
        const char *key = csctrl_option_at(i)->key;
        assert_string_equal(csctrl_config_text(read, key), csctrl_config_text(config, key));
    }
    json_t *manifest = json_load_file(temp_path(state, "a/b/run/manifest.json"), 0, NULL);
    assert_non_null(manifest);
    assert_string_equal(json_string_value(json_object_get(manifest, "csctrl")), csctrl_version());
    assert_string_equal(json_string_value(json_object_get(manifest, "data_fingerprint")),
                        "feedbeefcafe0123");
    assert_string_equal(json_string_value(json_object_get(manifest, "backend")), "ref");
    assert_int_equal(json_integer_value(json_object_get(manifest, "threads")), 3);
    assert_int_equal(json_integer_value(json_object_get(manifest, "seed")), 77);
    assert_int_equal(json_integer_value(json_object_get(manifest, "train_images")), 60000);
    assert_int_equal(json_integer_value(json_object_get(manifest, "test_images")), 10000);
    const char *started = json_string_value(json_object_get(manifest, "started"));
    assert_int_equal(strlen(started), strlen("2026-01-02T03:04:05Z"));
    assert_non_null(json_object_get(json_object_get(manifest, "system"), "isa"));
    json_decref(manifest);
    csctrl_config_destroy(&config);
    csctrl_config_destroy(&read);
}

static void test_existing(void **state)
{
    csctrl_config *config = tiny_config(NULL);

    expect_ok(ct_fs_mkdir(temp_path(state, "empty")));
    expect_ok(create_run(config, temp_path(state, "empty")));
    expect_fail(create_run(config, temp_path(state, "empty")), CSCTRL_E_EXISTS,
                "empty: the directory exists and is not empty; choose another, or 'csctrl resume' "
                "it");
    temp_file(state, "file", "x", 1);
    expect_fail(create_run(config, temp_path(state, "file")), CSCTRL_E_EXISTS,
                "file: a file of that name exists");
    expect_fail(create_run(config, temp_path(state, "file/run")), CSCTRL_E_IO, "file");
    csctrl_config_destroy(&config);
}

/* What was made goes; the message of the failure stays. */
static void test_undo(void **state)
{
    csctrl_config *config = tiny_config(NULL);
    ct_name_list list;

    expect_ok(create_run(config, temp_path(state, "run")));
    expect_fail(ct_fail(CSCTRL_E_IO, "the disk is full"), CSCTRL_E_IO, "full");
    expect_fail(ct_rundir_undo(temp_path(state, "run"), CSCTRL_E_IO), CSCTRL_E_IO,
                "the disk is full");
    expect_ok(ct_fs_list(temp_path(state, "run"), &list));
    assert_int_equal(list.count, 0);
    ct_fs_list_free(&list);
    expect_ok(create_run(config, temp_path(state, "run")));
    csctrl_config_destroy(&config);
}

static void test_lock(void **state)
{
    int first, second;

    expect_ok(ct_rundir_lock(*state, &first));
    assert_true(first >= 0);
    expect_fail(ct_rundir_lock(*state, &second), CSCTRL_E_STATE,
                ": another process is training in this run directory");
    assert_int_equal(second, -1);
    ct_rundir_unlock(&first);
    expect_ok(ct_rundir_lock(*state, &second));
    ct_rundir_unlock(&second);
    ct_rundir_unlock(&second);
    expect_fail(ct_rundir_lock(temp_path(state, "none"), &first), CSCTRL_E_IO, "none");
    assert_int_equal(first, -1);
}

/* ---- metrics */

static ct_metrics metrics_of(int64_t step)
{
    return (ct_metrics){.step = step,
                        .epoch = 0.125,
                        .max_value = 2.5,
                        .min_value = 1e-7,
                        .encoder_lr = 0.001,
                        .decoder_lr = 0.002,
                        .images_per_second = 1234.56,
                        .seconds = 1.23456,
                        .psnr = NAN,
                        .cosine = NAN};
}

static void test_log(void **state)
{
    ct_metrics metrics = metrics_of(3);

    expect_ok(ct_rundir_log(*state, &metrics));
    metrics = metrics_of(4);
    metrics.psnr = 14.5;
    metrics.cosine = 0.25;
    metrics.images_per_second = INFINITY;
    expect_ok(ct_rundir_log(*state, &metrics));
    char *text = tiny_text(temp_path(state, "metrics.jsonl"));
    assert_string_equal(
        text, "{\"step\": 3, \"epoch\": 0.125, \"max_value\": 2.5, \"min_value\": 1e-07, "
              "\"encoder_lr\": 0.001, \"decoder_lr\": 0.002, \"images_per_second\": 1234.6, "
              "\"seconds\": 1.235}\n"
              "{\"step\": 4, \"epoch\": 0.125, \"max_value\": 2.5, \"min_value\": 1e-07, "
              "\"encoder_lr\": 0.001, \"decoder_lr\": 0.002, \"seconds\": 1.235, \"psnr\": 14.5, "
              "\"cosine\": 0.25}\n");
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        json_t *object = json_loads(line, 0, NULL);
        assert_true(json_is_object(object));
        json_decref(object);
    }
    free(text);
    metrics = metrics_of(5);
    expect_fail(ct_rundir_log(temp_path(state, "none"), &metrics), CSCTRL_E_IO, "metrics.jsonl");
}

/* ---- rewinding */

static void make_folders(void **state)
{
    expect_ok(ct_fs_mkdirs(temp_path(state, "run/checkpoints")));
    expect_ok(ct_fs_mkdirs(temp_path(state, "run/pictures")));
}

static void expect_rewound(void **state, const char *before, int64_t step, const char *after)
{
    temp_file(state, "run/metrics.jsonl", before, strlen(before));
    expect_ok(ct_rundir_rewind(temp_path(state, "run"), step));
    char *text = tiny_text(temp_path(state, "run/metrics.jsonl"));
    assert_string_equal(text, after);
    free(text);
}

static void test_rewind_metrics(void **state)
{
    make_folders(state);
    expect_ok(ct_rundir_rewind(temp_path(state, "run"), 3)); /* nothing logged yet */
    assert_false(ct_fs_exists(temp_path(state, "run/metrics.jsonl")));
    expect_rewound(state, "", 3, "");
    expect_rewound(state, "{\"step\": 1}\n{\"step\": 3}\n", 3, "{\"step\": 1}\n{\"step\": 3}\n");
    expect_rewound(state, "{\"step\": 1}\n{\"step\": 3}\n{\"step\": 4}\n", 3,
                   "{\"step\": 1}\n{\"step\": 3}\n");
    expect_rewound(state, "{\"step\": 1}\n{\"step\": 3, \"ep", 3, "{\"step\": 1}\n");
    expect_rewound(state, "{\"step\": 1}\n{\"st", 3, "{\"step\": 1}\n");
    expect_rewound(state, "{\"step\": 1}\n{\"step\": 2}", 3, "{\"step\": 1}\n");
    expect_rewound(state, "{\"step\": 1}\n", 0, "");
}

static void test_rewind_files(void **state)
{
    static const char *const gone[] = {"checkpoints/.unfinished/model.safetensors",
                                       "checkpoints/.replaced/model.safetensors",
                                       "checkpoints/latest.a1b2c3",
                                       "checkpoints/best.000fff",
                                       "metrics.jsonl.00c0de",
                                       "pictures/step-00000002.png.abcdef",
                                       "pictures/step-00000003.png",
                                       "pictures/step-00001000.png"};
    static const char *const kept[] = {"checkpoints/latest",
                                       "checkpoints/best",
                                       "checkpoints/step-00000002/model.safetensors",
                                       "checkpoints/notes.txt",
                                       "checkpoints/.hidden",
                                       "pictures/step-00000001.png",
                                       "pictures/step-00000002.png",
                                       "pictures/step-00000003.png.txt",
                                       "metrics.jsonl.backup",
                                       "pictures/step-00000003.jpg",
                                       "pictures/mine.png",
                                       "my.notes",
                                       "config.yaml"};
    char name[128];

    make_folders(state);
    expect_ok(ct_fs_mkdirs(temp_path(state, "run/checkpoints/.unfinished")));
    expect_ok(ct_fs_mkdirs(temp_path(state, "run/checkpoints/.replaced")));
    expect_ok(ct_fs_mkdirs(temp_path(state, "run/checkpoints/step-00000002")));
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        snprintf(name, sizeof name, "run/%s", gone[i]);
        temp_file(state, name, "x", 1);
    }
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        snprintf(name, sizeof name, "run/%s", kept[i]);
        temp_file(state, name, "x", 1);
    }
    expect_ok(ct_rundir_rewind(temp_path(state, "run"), 2));
    for (size_t i = 0; i < sizeof gone / sizeof gone[0]; i++) {
        snprintf(name, sizeof name, "run/%s", gone[i]);
        assert_false(ct_fs_exists(temp_path(state, name)));
    }
    assert_false(ct_fs_exists(temp_path(state, "run/checkpoints/.unfinished")));
    assert_false(ct_fs_exists(temp_path(state, "run/checkpoints/.replaced")));
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        snprintf(name, sizeof name, "run/%s", kept[i]);
        assert_true(ct_fs_exists(temp_path(state, name)));
    }
}

static void test_picture_name(void **state)
{
    char *path = ct_rundir_picture("run", 123);

    (void)state;
    assert_string_equal(path, "run/pictures/step-00000123.png");
    ct_free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_create, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_existing, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_undo, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_lock, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_log, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_rewind_metrics, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_rewind_files, tiny_memory_folder, temp_remove),
        cmocka_unit_test(test_picture_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
