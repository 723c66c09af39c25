/* test_board.c - what a run tells TensorBoard: what of it is void, and what a failure means. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "io/events.h"
#include "support/dataset_files.h"
#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"

static int event_files(const char *run)
{
    ct_name_list list;
    int count = 0;

    expect_ok(ct_fs_list(run, &list));
    for (size_t i = 0; i < list.count; i++)
        count += strncmp(list.names[i], CT_EVENTS_NAME, strlen(CT_EVENTS_NAME)) == 0;
    ct_fs_list_free(&list);
    return count;
}

/* A resume that ends before anything is logged still voids what metrics.jsonl has lost. */
static void test_resumed_and_stopped(void **state)
{
    csctrl_config *config = tiny_config("train.batches=5", "train.log_every=1", NULL);
    csctrl_trainer *t = NULL;
    const char *run = temp_path(state, "run");

    if (!ct_events_built())
        skip();
    expect_ok(csctrl_trainer_create(&t, config, run));
    assert_int_equal(event_files(run), 0);
    csctrl_trainer_destroy(&t);
    expect_ok(csctrl_trainer_resume(&t, run, NULL, 0)); /* there is nothing to make void */
    assert_int_equal(event_files(run), 0);
    expect_ok(csctrl_trainer_run(t, NULL, NULL));
    csctrl_trainer_destroy(&t);
    assert_int_equal(event_files(run), 1);
    expect_ok(csctrl_trainer_resume(&t, run, NULL, 0));
    csctrl_trainer_destroy(&t);
    assert_int_equal(event_files(run), 2);
    csctrl_config_destroy(&config);
}

/* Nothing but a full disk ends the training. */
static void test_failures(void **state)
{
    csctrl_config *config = tiny_config("train.batches=2", NULL);
    const ct_metrics metrics = {.step = 1, .psnr = NAN, .cosine = NAN};
    const char *run = temp_path(state, "run");
    csctrl_trainer *t = NULL;
    static log_list log;

    if (!ct_events_built())
        skip();
    expect_ok(csctrl_trainer_create(&t, config, run));
    csctrl_log_set(log_collect, &log);
    expect_ok(ct_board_metrics(&t->board, run, &metrics));
    ct_fs_fail_writes_from(1);
    expect_fail(ct_board_metrics(&t->board, run, &metrics), CSCTRL_E_IO, "cannot write");
    ct_fs_fail_writes_from(0);
    assert_true(t->board.on);
    assert_int_equal(log_count(&log, "TensorBoard"), 0);
    ct_mem_fail_from(1);
    expect_ok(ct_board_metrics(&t->board, run, &metrics));
    ct_mem_fail_from(0);
    assert_false(t->board.on);
    expect_ok(ct_board_picture(&t->board, run, 1, temp_path(state, "no.png")));
    t->board.on = true;
    expect_ok(ct_board_picture(&t->board, run, 1, temp_path(state, "no.png")));
    assert_int_equal(log_count(&log, "no more events for TensorBoard: "), 2);
    csctrl_log_set(NULL, NULL);
    csctrl_trainer_destroy(&t);
    csctrl_config_destroy(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_resumed_and_stopped, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_failures, tiny_memory_folder, temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
