/* test_checkpoint.c - finding checkpoints, and refusing those that are not whole. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "csctrl/log.h"
#include "model/checkpoint.h"
#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"

enum { WARNING_MAX = 512 };

static const char *const latest[] = {"latest", NULL}, *const best_first[] = {"best", "latest",
                                                                             NULL};

/* RUN with checkpoints of steps 0, 2 and 4; `best` names one of the last two. */
static void make_run(void **state)
{
    csctrl_config *config =
        tiny_config("train.checkpoint_every=2", "train.eval_every=2", "train.keep_last=9", NULL);
    csctrl_trainer *t = NULL;

    expect_ok(csctrl_trainer_create(&t, config, temp_path(state, "run")));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
    temp_file(state, "run/checkpoints/best", "step-00000002\n", 14);
}

static void expect_located(const char *path, const char *const *pointers, const char *end)
{
    char *checkpoint = NULL;

    expect_ok(ct_checkpoint_locate(path, pointers, &checkpoint));
    assert_non_null(checkpoint);
    const char *at = strstr(checkpoint, end);
    assert_true(at != NULL && strlen(at) == strlen(end));
    ct_free(checkpoint);
}

static void test_locate(void **state)
{
    char here[512];

    make_run(state);
    expect_located(temp_path(state, "run"), latest, "run/checkpoints/step-00000004");
    expect_located(temp_path(state, "run/"), latest, "run/checkpoints/step-00000004");
    expect_located(temp_path(state, "run"), best_first, "run/checkpoints/step-00000002");
    expect_located(temp_path(state, "run/checkpoints/step-00000000"), best_first,
                   "run/checkpoints/step-00000000");
    expect_located(temp_path(state, "run/checkpoints/step-00000000//"), latest,
                   "run/checkpoints/step-00000000");
    expect_located(temp_path(state, "run/checkpoints/best"), latest,
                   "run/checkpoints/step-00000002");
    expect_located(temp_path(state, "run/checkpoints/latest"), best_first,
                   "run/checkpoints/step-00000004");
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(temp_path(state, "run/checkpoints")), 0);
    expect_located("best", latest, "./step-00000002");
    expect_located("step-00000002", latest, "step-00000002");
    assert_int_equal(chdir(here), 0);
}

/* By number, also where that has outgrown its zeros. */
static void test_last_finished(void **state)
{
    static const char *const more[] = {"run/checkpoints/step-99999999",
                                       "run/checkpoints/step-100000000"};

    make_run(state);
    for (int i = 0; i < 2; i++) {
        expect_ok(ct_fs_mkdir(temp_path(state, more[i])));
        char file[80];
        snprintf(file, sizeof file, "%s/manifest.json", more[i]);
        temp_file(state, file, "{}", 2);
    }
    expect_ok(ct_fs_remove_tree(temp_path(state, "run/checkpoints/latest")));
    expect_ok(ct_fs_remove_tree(temp_path(state, "run/checkpoints/best")));
    expect_located(temp_path(state, "run"), latest, "run/checkpoints/step-100000000");
}

static void test_public_find(void **state)
{
    char found[512], small[8];
    int64_t step = 0;

    make_run(state);
    expect_ok(csctrl_checkpoint_find(temp_path(state, "run"), found, sizeof found, &step));
    assert_int_equal(step, 4);
    assert_string_equal(found, temp_path(state, "run/checkpoints/step-00000004"));
    assert_int_equal(rename(found, temp_path(state, "other")), 0);
    expect_ok(csctrl_checkpoint_find(temp_path(state, "other"), found, sizeof found, &step));
    assert_int_equal(step, -1);
    expect_fail(csctrl_checkpoint_find(temp_path(state, "run"), small, sizeof small, NULL),
                CSCTRL_E_INVALID, "expected room for a path of");
    expect_ok(csctrl_checkpoint_find(temp_path(state, "run/checkpoints/best"), found, sizeof found,
                                     &step));
    assert_int_equal(step, 2);
    temp_file(state, "run/checkpoints/best", "step-00000009\n", 14);
    expect_fail(csctrl_checkpoint_find(temp_path(state, "run/checkpoints/best"), found,
                                       sizeof found, &step),
                CSCTRL_E_NOT_FOUND, "which is not there");
    assert_int_equal(step, 2);
    expect_fail(csctrl_checkpoint_find(temp_path(state, "none"), found, sizeof found, NULL),
                CSCTRL_E_NOT_FOUND, "no such run or checkpoint directory");
}

static void expect_lost(const char *path, const char *const *pointers, csctrl_status status,
                        const char *message)
{
    char *checkpoint = (char *)(uintptr_t)path;

    expect_fail(ct_checkpoint_locate(path, pointers, &checkpoint), status, message);
    assert_null(checkpoint);
}

static void keep_warning(void *user, csctrl_log_level level, const char *message)
{
    if (level == CSCTRL_LOG_WARNING)
        snprintf(user, WARNING_MAX, "%s", message);
}

static void test_not_located(void **state)
{
    char warning[WARNING_MAX] = "";

    make_run(state);
    expect_lost(temp_path(state, "none"), latest, CSCTRL_E_NOT_FOUND,
                "none: no such run or checkpoint directory");
    expect_lost(temp_path(state, "run/pictures"), latest, CSCTRL_E_NOT_FOUND,
                "neither a checkpoint (no model.safetensors in it) nor a run with a finished "
                "checkpoint in checkpoints/");
    /* a pointer to what is gone: the next one counts */
    temp_file(state, "run/checkpoints/best", "step-00000009\n", 14);
    expect_located(temp_path(state, "run"), best_first, "step-00000004");
    /* all of them: the last that is finished */
    expect_ok(ct_fs_remove_tree(temp_path(state, "run/checkpoints/latest")));
    expect_located(temp_path(state, "run"), best_first, "step-00000004");
    temp_file(state, "run/checkpoints/latest", "step-00000004\n", 14);
    expect_ok(ct_fs_remove_tree(temp_path(state, "run/checkpoints/step-00000004")));
    expect_ok(ct_fs_mkdir(temp_path(state, "run/checkpoints/step-00000005")));
    expect_ok(ct_fs_mkdir(temp_path(state, "run/checkpoints/.unfinished")));
    csctrl_log_set(keep_warning, warning);
    expect_located(temp_path(state, "run"), latest, "run/checkpoints/step-00000002");
    csctrl_log_set(NULL, NULL);
    assert_non_null(strstr(warning, "step-00000004 is not there any more: "));
    assert_non_null(strstr(warning, "step-00000002 is taken"));
    expect_ok(ct_fs_remove_tree(temp_path(state, "run/checkpoints/step-00000002")));
    expect_located(temp_path(state, "run"), latest, "run/checkpoints/step-00000000");
    expect_ok(ct_fs_remove_tree(temp_path(state, "run/checkpoints/step-00000000")));
    expect_lost(temp_path(state, "run"), best_first, CSCTRL_E_NOT_FOUND, "neither a checkpoint");
    static const char *const bad[] = {
        "", "\n", "../elsewhere\n", "a/b\n", ".unfinished\n", "step-1\nstep-2\n", ".."};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        temp_file(state, "run/checkpoints/latest", bad[i], strlen(bad[i]));
        expect_lost(temp_path(state, "run"), latest, CSCTRL_E_FORMAT,
                    "latest: expected one line with the name of a checkpoint");
    }
    temp_file(state, "run/checkpoints/latest", "step\0-1\n", 8);
    expect_lost(temp_path(state, "run"), latest, CSCTRL_E_FORMAT, "expected one line");
    char large[1000];
    memset(large, 'a', sizeof large);
    temp_file(state, "run/checkpoints/latest", large, sizeof large);
    expect_lost(temp_path(state, "run"), latest, CSCTRL_E_FORMAT, "larger than");
}

/* ---- the manifest */

static void test_manifest(void **state)
{
    static const char good[] =
        "{\"format\": \"csctrl-checkpoint-1\", \"step\": 2, \"files\": {"
        "\"config.yaml\": {\"bytes\": 1, \"crc32\": 2}, \"model.safetensors\": {\"bytes\": 3, "
        "\"crc32\": 4294967295}, \"state.safetensors\": {\"bytes\": 5, \"crc32\": 6}}}";
    static const char *const bad[][2] = {
        {"", "m: line 1:"},
        {"{", "m: line 1:"},
        {"[1]", "expected format 'csctrl-checkpoint-1', found 'none'"},
        {"{}", "found 'none'"},
        {"{\"format\": 1}", "found 'none'"},
        {"{\"format\": \"csctrl-checkpoint-2\"}", "found 'csctrl-checkpoint-2'"},
        {"{\"format\": \"csctrl-checkpoint-1\"}", "m: expected bytes and crc32 of config.yaml"},
        {"{\"format\": \"csctrl-checkpoint-1\", \"files\": []}", "of config.yaml"},
        {"{\"format\": \"csctrl-checkpoint-1\", \"files\": {\"config.yaml\": 3}}",
         "of config.yaml"},
        {"{\"format\": \"csctrl-checkpoint-1\", \"files\": {\"config.yaml\": {\"bytes\": 1, "
         "\"crc32\": 2}}}",
         "m: expected bytes and crc32 of model.safetensors"},
        {"{\"format\": \"csctrl-checkpoint-1\", \"files\": {\"config.yaml\": {\"bytes\": 1, "
         "\"crc32\": -2}}}",
         "of config.yaml"},
        {"{\"format\": \"csctrl-checkpoint-1\", \"files\": {\"config.yaml\": {\"bytes\": 1, "
         "\"crc32\": 4294967296}}}",
         "of config.yaml"},
        {"{\"format\": \"csctrl-checkpoint-1\", \"files\": {\"config.yaml\": {\"bytes\": 1.5, "
         "\"crc32\": 2}}}",
         "of config.yaml"},
    };
    ct_manifest manifest;

    (void)state;
    expect_ok(ct_manifest_parse(&manifest, good, strlen(good), "m"));
    assert_int_equal(manifest.bytes[1], 3);
    assert_true(manifest.crc32[1] == UINT32_MAX);
    assert_int_equal(manifest.crc32[2], 6);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_fail(ct_manifest_parse(&manifest, bad[i][0], strlen(bad[i][0]), "m"),
                    CSCTRL_E_FORMAT, bad[i][1]);
}

/* ---- damage */

static unsigned char *read_bytes(const char *path, size_t *size)
{
    unsigned char *data = NULL;

    expect_ok(ct_fs_read(path, 1 << 24, &data, size));
    return data;
}

static void expect_damaged(void **state, const char *name, const char *message)
{
    csctrl_model *m = NULL;
    csctrl_trainer *t = NULL;

    expect_fail(ct_checkpoint_verify(temp_path(state, "run/checkpoints/step-00000004"), true),
                CSCTRL_E_FORMAT, message);
    expect_fail(csctrl_trainer_resume(&t, temp_path(state, "run"), NULL, 0), CSCTRL_E_FORMAT, name);
    assert_null(t);
    if (strcmp(name, CT_CHECKPOINT_STATE) == 0) { /* a model does without it */
        expect_ok(csctrl_model_load(&m, temp_path(state, "run"), NULL, 0, 2));
        csctrl_model_destroy(&m);
        return;
    }
    expect_fail(csctrl_model_load(&m, temp_path(state, "run"), NULL, 0, 2), CSCTRL_E_FORMAT, name);
    assert_null(m);
}

static void test_damaged_files(void **state)
{
    char name[128], message[160];

    make_run(state);
    for (int i = 0; i < CT_CHECKPOINT_FILES; i++) {
        size_t size = 0;
        snprintf(name, sizeof name, "run/checkpoints/step-00000004/%s", ct_checkpoint_file(i));
        unsigned char *data = read_bytes(temp_path(state, name), &size);
        temp_file(state, name, data, size - 3);
        snprintf(message, sizeof message, "%s: damaged: expected %zu bytes, found %zu",
                 ct_checkpoint_file(i), size, size - 3);
        expect_damaged(state, ct_checkpoint_file(i), message);
        data[size / 2] ^= 0x10;
        temp_file(state, name, data, size);
        snprintf(message, sizeof message, "%s: damaged: expected CRC ", ct_checkpoint_file(i));
        expect_damaged(state, ct_checkpoint_file(i), message);
        expect_damaged(state, ct_checkpoint_file(i), "; older ones: ");
        expect_damaged(state, ct_checkpoint_file(i), "/run/checkpoints/step-00000002, ");
        data[size / 2] ^= 0x10;
        temp_file(state, name, data, size);
        ct_free(data);
        expect_ok(ct_checkpoint_verify(temp_path(state, "run/checkpoints/step-00000004"), true));
    }
    temp_file(state, "run/checkpoints/step-00000004/manifest.json", "{\"files\": {", 11);
    expect_damaged(state, "manifest.json", "manifest.json: line 1:");
    /* the one before is whole: it can be named */
    csctrl_model *m = NULL;
    expect_ok(csctrl_model_load(&m, temp_path(state, "run/checkpoints/best"), NULL, 0, 2));
    assert_int_equal(m->step, 2);
    csctrl_model_destroy(&m);
}

static void test_missing_files(void **state)
{
    csctrl_model *m = NULL;
    csctrl_trainer *t = NULL;

    make_run(state);
    expect_ok(
        ct_fs_remove_tree(temp_path(state, "run/checkpoints/step-00000004/state.safetensors")));
    expect_fail(csctrl_trainer_resume(&t, temp_path(state, "run"), NULL, 0), CSCTRL_E_NOT_FOUND,
                "state.safetensors");
    expect_ok(ct_fs_remove_tree(temp_path(state, "run/checkpoints/step-00000004/config.yaml")));
    expect_fail(csctrl_model_load(&m, temp_path(state, "run"), NULL, 0, 2), CSCTRL_E_NOT_FOUND,
                "config.yaml");
    expect_ok(ct_fs_remove_tree(temp_path(state, "run/checkpoints/step-00000004/manifest.json")));
    expect_fail(csctrl_model_load(&m, temp_path(state, "run"), NULL, 0, 2), CSCTRL_E_NOT_FOUND,
                "manifest.json");
    assert_null(m);
    assert_null(t);
}

/* ---- config of a checkpoint */

static void test_overrides(void **state)
{
    static const char *const more[] = {"model.steps=[5, 6]", "model.lambda=0.2"};
    static const char *const other[] = {"model.layers=6x4s2p1 9x4s1p0"};
    static const char *const unknown[] = {"model.lamda=0.2"};
    csctrl_model *m = NULL;
    csctrl_layer_info layer;

    make_run(state);
    expect_ok(csctrl_model_load(&m, temp_path(state, "run"), more, 2, 2));
    expect_ok(csctrl_model_get_layer(m, 1, &layer));
    assert_int_equal(layer.steps, 6);
    assert_true(layer.lambda == 0.2);
    assert_string_equal(csctrl_config_text(csctrl_model_config(m), "model.steps"), "[5, 6]");
    csctrl_model_destroy(&m);
    expect_fail(csctrl_model_load(&m, temp_path(state, "run"), other, 1, 2), CSCTRL_E_MISMATCH,
                "tensor 'encoder.1.dictionary': the model expects f32[9, 6, 4, 4], the file has "
                "f32[8, 6, 4, 4]");
    expect_fail(csctrl_model_load(&m, temp_path(state, "run"), unknown, 1, 2), CSCTRL_E_CONFIG,
                "model.lambda");
    expect_fail(csctrl_model_load(&m, temp_path(state, "run"), NULL, 0, 0), CSCTRL_E_INVALID,
                "at least 1 image");
    assert_null(m);
}

static void test_crc(void **state)
{
    int64_t bytes = 0;
    uint32_t crc = 0;

    expect_ok(ct_file_crc32(temp_file(state, "t", "123456789", 9), &bytes, &crc));
    assert_int_equal(bytes, 9);
    assert_true(crc == 0xcbf43926u); /* the check value of CRC-32 */
    expect_fail(ct_file_crc32(temp_path(state, "none"), &bytes, &crc), CSCTRL_E_NOT_FOUND, "none");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_locate, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_not_located, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_last_finished, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_public_find, tiny_memory_folder, temp_remove),
        cmocka_unit_test(test_manifest),
        cmocka_unit_test_setup_teardown(test_damaged_files, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_missing_files, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_overrides, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_crc, tiny_memory_folder, temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
