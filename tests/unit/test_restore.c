/* test_restore.c - a state.safetensors that is whole but says something else than a state. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "io/safetensors.h"
#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"

static const char *const keys[] = {
    "format",    "encoder_moves", "decoder_moves", "data_fingerprint",
    "best_psnr", "device",        "ranks",         "threads",
    "isa"};
enum { KEYS = sizeof keys / sizeof keys[0], TENSORS_MAX = 64 };

static const char checkpoint[] = "checkpoints/step-00000000";
static const char state_file[] = "checkpoints/step-00000000/state.safetensors";

/* A game and its checkpoint; the caller's folder is the run directory. */
static ct_train_state open_game(void **state, tiny_game *g)
{
    tiny_game_open(g, tiny_config(NULL), TINY_CLASSES);
    g->optim.moves[CT_ENCODER] = 5;
    g->optim.moves[CT_DECODER] = 4;
    ct_train_state s = {
        .model = g->model, .optim = &g->optim, .data_fingerprint = 0xfeedf00d, .best_psnr = 17.5};
    expect_ok(ct_fs_mkdir(temp_path(state, "checkpoints")));
    expect_ok(ct_save(*state, &s, false));
    return s;
}

/* The saved state with one metadata text replaced (NULL: kept out), and without its last `drop`
 * tensors, the first of which is `first` (NULL: as saved). */
static void rewrite(void **state, const char *key, const char *text, size_t drop,
                    const ct_tensor *first)
{
    ct_named_text metadata[KEYS];
    ct_named_tensor tensors[TENSORS_MAX];
    ct_safetensors *file = NULL;
    size_t texts = 0;

    expect_ok(ct_safetensors_open(&file, temp_path(state, "saved")));
    assert_in_range(ct_safetensors_count(file), drop + 1, TENSORS_MAX);
    for (int i = 0; i < KEYS; i++) {
        const bool edited = key != NULL && strcmp(keys[i], key) == 0;
        metadata[texts].key = keys[i];
        metadata[texts].text = edited ? text : ct_safetensors_metadata(file, keys[i]);
        assert_true(edited || metadata[texts].text != NULL);
        texts += metadata[texts].text != NULL;
    }
    const size_t kept = ct_safetensors_count(file) - drop;
    for (size_t i = 0; i < kept; i++)
        tensors[i] = (ct_named_tensor){ct_safetensors_name(file, i), ct_safetensors_at(file, i)};
    if (first != NULL)
        tensors[0].value = *first;
    expect_ok(ct_safetensors_write(temp_path(state, state_file), tensors, kept, metadata, texts));
    ct_safetensors_close(&file);
}

static void keep_saved(void **state)
{
    assert_int_equal(rename(temp_path(state, state_file), temp_path(state, "saved")), 0);
}

/* Every text on its own: the message names the file, the key and what was found. */
static void test_metadata(void **state)
{
    static const struct {
        const char *key, *text;
        csctrl_status status;
        const char *message;
    } cases[] = {
        {"format", NULL, CSCTRL_E_FORMAT, "metadata 'format': expected csctrl-state-1, found ''"},
        {"format", "csctrl-state-2", CSCTRL_E_FORMAT, "found 'csctrl-state-2'"},
        {"encoder_moves", NULL, CSCTRL_E_FORMAT, "metadata 'encoder_moves': expected a number"},
        {"encoder_moves", "-1", CSCTRL_E_FORMAT, "found '-1'"},
        {"encoder_moves", "5 ", CSCTRL_E_FORMAT, "found '5 '"},
        {"encoder_moves", "9223372036854775808", CSCTRL_E_FORMAT, "found '9223372036854775808'"},
        {"decoder_moves", "", CSCTRL_E_FORMAT, "metadata 'decoder_moves': expected a number"},
        {"decoder_moves", "4.5", CSCTRL_E_FORMAT, "found '4.5'"},
        {"best_psnr", NULL, CSCTRL_E_FORMAT, "metadata 'best_psnr': expected a number, found ''"},
        {"best_psnr", "17.5 dB", CSCTRL_E_FORMAT, "found '17.5 dB'"},
        {"best_psnr", "nan", CSCTRL_E_FORMAT, "found 'nan'"},
        {"data_fingerprint", NULL, CSCTRL_E_MISMATCH, "fingerprint ''"},
        {"data_fingerprint", "00000000feedf00e", CSCTRL_E_MISMATCH, "00000000feedf00e"},
        {"data_fingerprint", "00000000feedf00d!", CSCTRL_E_MISMATCH, "00000000feedf00d!"},
    };
    tiny_game g;
    ct_train_state s = open_game(state, &g);

    keep_saved(state);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        rewrite(state, cases[i].key, cases[i].text, 0, NULL);
        expect_fail(ct_restore(temp_path(state, checkpoint), &s), cases[i].status,
                    cases[i].message);
        expect_fail(ct_restore(temp_path(state, checkpoint), &s), cases[i].status,
                    "state.safetensors: ");
    }
    /* Nothing else was wrong. */
    rewrite(state, NULL, NULL, 0, NULL);
    g.optim.moves[CT_ENCODER] = g.optim.moves[CT_DECODER] = 0;
    s.best_psnr = 0;
    expect_ok(ct_restore(temp_path(state, checkpoint), &s));
    assert_int_equal(g.optim.moves[CT_ENCODER], 5);
    assert_int_equal(g.optim.moves[CT_DECODER], 4);
    assert_true(s.best_psnr == 17.5);
    tiny_game_close(&g);
}

static void count_warning(void *user, csctrl_log_level level, const char *message)
{
    *(int *)user += level == CSCTRL_LOG_WARNING && strstr(message, "last bits") != NULL;
}

/* Another machine is no error. */
static void test_another_machine_is_told(void **state)
{
    static const char *const other[][2] = {
        {"threads", "x"}, {"threads", NULL}, {"threads", "4097"}, {"isa", "abacus"},
        {"isa", NULL},    {"ranks", "2"},    {"device", "loom"}};
    tiny_game g;
    ct_train_state s = open_game(state, &g);
    int warnings = 0;

    keep_saved(state);
    csctrl_log_set(count_warning, &warnings);
    for (int i = 0; i < 7; i++) {
        rewrite(state, other[i][0], other[i][1], 0, NULL);
        expect_ok(ct_restore(temp_path(state, checkpoint), &s));
        assert_int_equal(warnings, i + 1);
    }
    csctrl_log_set(NULL, NULL);
    tiny_game_close(&g);
}

static void test_tensors(void **state)
{
    float numbers[3] = {0};
    const ct_tensor other = csctrl_tensor_view(CSCTRL_F32, 1, (const int64_t[]){3}, numbers);
    tiny_game g;
    ct_train_state s = open_game(state, &g);

    keep_saved(state);
    rewrite(state, NULL, NULL, 1, NULL);
    expect_fail(ct_restore(temp_path(state, checkpoint), &s), CSCTRL_E_MISMATCH,
                "is missing; the checkpoint is of another configuration");
    rewrite(state, NULL, NULL, 0, &other);
    expect_fail(ct_restore(temp_path(state, checkpoint), &s), CSCTRL_E_MISMATCH, "found f32[3]");
    tiny_game_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_metadata, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_another_machine_is_told, tiny_memory_folder,
                                        temp_remove),
        cmocka_unit_test_setup_teardown(test_tensors, tiny_memory_folder, temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
