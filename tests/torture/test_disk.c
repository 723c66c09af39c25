/* test_disk.c - the n-th write fails as on a full disk, and all after it, for every n: what was
 * there before stays whole, and nothing half-written is left. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "model/checkpoint.h"
#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"

enum { MOST = 200 };

static int64_t step_of(const char *path)
{
    csctrl_model *m = NULL;
    csctrl_model_info info;

    expect_ok(csctrl_model_load(&m, path, NULL, 0, 4));
    csctrl_model_get_info(m, &info);
    csctrl_model_destroy(&m);
    return info.step;
}

/* No file but whole ones, under their own names. */
static void expect_tidy(const char *folder)
{
    ct_name_list list;

    expect_ok(ct_fs_list(folder, &list));
    for (size_t i = 0; i < list.count; i++)
        if (strcmp(list.names[i], "latest") != 0 && strcmp(list.names[i], "best") != 0 &&
            (strncmp(list.names[i], "step-", 5) != 0 || strlen(list.names[i]) != 13))
            fail_msg("%s/%s was left behind", folder, list.names[i]);
    ct_fs_list_free(&list);
}

/* ---- checkpoints */

/* After a save that failed, `latest` and `best` name whole checkpoints of the old step or, when
 * only a pointer could not be written, of the new one. */
static void expect_loadable(void **state, int64_t before, int64_t now)
{
    const int64_t latest = step_of(temp_path(state, "run"));
    const int64_t best = step_of(temp_path(state, "run/checkpoints/best"));

    assert_true(latest == before || latest == now);
    assert_true(best >= 1 && best <= now);
    expect_tidy(temp_path(state, "run/checkpoints"));
}

static void test_save(void **state)
{
    csctrl_config *config = tiny_config("train.batches=1", "train.eval_every=1",
                                        "train.checkpoint_every=1", "optim.ema=0.5", NULL);
    csctrl_trainer *t = NULL;
    csctrl_status status = CSCTRL_E_IO;
    int failures = -1;

    expect_ok(csctrl_trainer_create(&t, config, temp_path(state, "run")));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    for (int n = 1; n < MOST && status != CSCTRL_OK; n++, failures++) {
        const int64_t before = step_of(temp_path(state, "run"));
        expect_ok(csctrl_trainer_step(t, NULL));
        ct_fs_fail_writes_from((uint64_t)n);
        status = csctrl_trainer_save(t);
        ct_fs_fail_writes_from(0);
        if (status != CSCTRL_OK)
            expect_fail(status, CSCTRL_E_IO, "No space left on device");
        expect_loadable(state, before, t->model->step);
    }
    assert_true(failures >= 5); /* config, model, state, manifest, pointer */
    assert_int_equal(step_of(temp_path(state, "run")), t->model->step);
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
}

/* The message of a save says which checkpoint and which file. */
static void test_save_message(void **state)
{
    csctrl_config *config = tiny_config(NULL);
    csctrl_trainer *t = NULL;

    expect_ok(csctrl_trainer_create(&t, config, temp_path(state, "run")));
    expect_ok(csctrl_trainer_step(t, NULL));
    ct_fs_fail_writes_from(2);
    expect_fail(csctrl_trainer_save(t), CSCTRL_E_IO, "checkpoint step-00000001 was not saved");
    ct_fs_fail_writes_from(2);
    expect_fail(csctrl_trainer_save(t), CSCTRL_E_IO, "model.safetensors");
    ct_fs_fail_writes_from(0);
    assert_int_equal(step_of(temp_path(state, "run")), 0);
    expect_ok(csctrl_trainer_save(t));
    assert_int_equal(step_of(temp_path(state, "run")), 1);
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
}

/* In place of the C library's: a file system that cannot exchange names, and one that loses the
 * n-th rename. */
static int exchange_error, rename_fails_at, exchanges;

int renameat2(int oldfd, const char *old, int newfd, const char *new, unsigned flags)
{
    exchanges += flags != 0;
    errno = flags != 0 ? exchange_error : 0;
    if (errno == 0 && rename_fails_at > 0 && --rename_fails_at == 0)
        errno = EIO;
    return errno != 0 ? -1 : (int)syscall(SYS_renameat2, oldfd, old, newfd, new, flags);
}

/* The same step saved again replaces the checkpoint also there, and a failure keeps the old one. */
static void test_no_exchange(void **state)
{
    static const int errors[] = {EINVAL, ENOSYS, 0};
    csctrl_config *config = tiny_config(NULL);
    csctrl_trainer *t = NULL;

    expect_ok(csctrl_trainer_create(&t, config, temp_path(state, "run")));
    for (int i = 0; i < 3; i++) {
        temp_file(state, "run/checkpoints/step-00000000/mine", "old", 3);
        exchange_error = errors[i];
        exchanges = 0;
        for (int n = 1; n <= 2 && errors[i] != 0; n++) {
            rename_fails_at = n;
            expect_fail(csctrl_trainer_save(t), CSCTRL_E_IO, "step-00000000 was not saved");
            assert_true(ct_fs_exists(temp_path(state, "run/checkpoints/step-00000000/mine")));
            assert_int_equal(step_of(temp_path(state, "run")), 0);
            expect_tidy(temp_path(state, "run/checkpoints"));
        }
        expect_ok(csctrl_trainer_save(t));
        assert_true(exchanges > 0);
        assert_false(ct_fs_exists(temp_path(state, "run/checkpoints/step-00000000/mine")));
        assert_int_equal(step_of(temp_path(state, "run")), 0);
        expect_tidy(temp_path(state, "run/checkpoints"));
    }
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
}

/* A whole run with lines, pictures and checkpoints: it ends at the first write that fails, and goes
 * on from what it has; nothing of it is lost or wrong in the end. */
static void test_run_and_resume(void **state)
{
    csctrl_config *config =
        tiny_config("train.batches=2", "train.eval_every=2", "train.checkpoint_every=2",
                    "train.picture_every=2", "train.keep_last=9", NULL);
    char *run = strdup(temp_path(state, "run"));
    csctrl_trainer *t = NULL;
    int failures = 0;

    expect_ok(csctrl_trainer_create(&t, config, temp_path(state, "whole")));
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    csctrl_trainer_destroy(&t);
    for (int n = 1; n < MOST; n++) {
        expect_ok(ct_fs_remove_tree(run));
        ct_fs_fail_writes_from((uint64_t)n);
        csctrl_status status = csctrl_trainer_create(&t, config, run);
        if (status == CSCTRL_OK)
            status = csctrl_trainer_run(t, NULL, NULL);
        ct_fs_fail_writes_from(0);
        csctrl_trainer_destroy(&t);
        if (status == CSCTRL_OK)
            break;
        failures++;
        expect_fail(status, CSCTRL_E_IO, "No space left on device");
        /* from the latest checkpoint; a run that did not begin is begun again in the same place */
        char *first = ct_path_join(run, "checkpoints/step-00000000");
        if (ct_fs_exists(first))
            expect_ok(csctrl_trainer_resume(&t, run, NULL, 0));
        else
            expect_ok(csctrl_trainer_create(&t, config, run));
        ct_free(first);
        expect_ok(csctrl_trainer_run(t, NULL, NULL));
        csctrl_trainer_destroy(&t);
        expect_same_folder(temp_path(state, "whole/checkpoints"),
                           temp_path(state, "run/checkpoints"));
        expect_same_folder(temp_path(state, "whole/pictures"), temp_path(state, "run/pictures"));
    }
    assert_true(failures > 12);
    csctrl_config_destroy(&config);
    free(run);
}

/* Directories and files that were not the run's are not its to take back. */
static void test_create_keeps_what_is_there(void **state)
{
    csctrl_config *config = tiny_config(NULL);
    csctrl_trainer *t = NULL;

    expect_ok(ct_fs_mkdir(temp_path(state, "run")));
    temp_file(state, "run/manifest.json", "mine", 4);
    expect_fail(csctrl_trainer_create(&t, config, temp_path(state, "run")), CSCTRL_E_EXISTS,
                "not empty");
    char *text = tiny_text(temp_path(state, "run/manifest.json"));
    assert_string_equal(text, "mine");
    free(text);
    csctrl_config_destroy(&config);
}

/* ---- single files: the target keeps its bytes */

typedef csctrl_status write_fn(const char *path);

static csctrl_status write_config(const char *path)
{
    csctrl_config *config = tiny_config(NULL);
    const csctrl_status status = csctrl_config_save(config, path);

    csctrl_config_destroy(&config);
    return status;
}

static csctrl_status write_npy(const char *path)
{
    csctrl_tensor x = tiny_images(2, 1, 1);
    const csctrl_status status = csctrl_npy_write(path, &x);

    tiny_free(&x);
    return status;
}

static csctrl_status write_grid(const char *path)
{
    csctrl_tensor x = tiny_images(3, 3, 1);
    const csctrl_status status = csctrl_image_write_grid(path, &x, 2, 1);

    tiny_free(&x);
    return status;
}

static void test_files(void **state)
{
    static write_fn *const writers[] = {write_config, write_npy, write_grid};

    for (size_t i = 0; i < sizeof writers / sizeof writers[0]; i++) {
        const char *path = temp_file(state, "target", "former", 6);
        ct_name_list list;
        char *text = NULL;
        ct_fs_fail_writes_from(1);
        expect_fail(writers[i](path), CSCTRL_E_IO, "No space left on device");
        ct_fs_fail_writes_from(0);
        text = tiny_text(path);
        assert_string_equal(text, "former");
        free(text);
        expect_ok(ct_fs_list(*state, &list));
        assert_int_equal(list.count, 1);
        ct_fs_list_free(&list);
        expect_ok(writers[i](path));
        text = tiny_text(path);
        assert_string_not_equal(text, "former");
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_save, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_save_message, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_no_exchange, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_run_and_resume, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_create_keeps_what_is_there, tiny_memory_folder,
                                        temp_remove),
        cmocka_unit_test_setup_teardown(test_files, tiny_memory_folder, temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
