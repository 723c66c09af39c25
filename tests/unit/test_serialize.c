/* test_serialize.c - a model to safetensors and back: bit for bit, across types, or refused by
 * name. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "io/safetensors.h"
#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"

static csctrl_model *model_of(csctrl_config *config, bool averages)
{
    csctrl_model *m = NULL;

    expect_ok(ct_model_begin(&m, config, 2, false, averages, NULL));
    expect_ok(ct_model_finish(m));
    csctrl_config_destroy(&config);
    return m;
}

/* Different numbers everywhere, also in statistics, averages and step sizes. */
static void fill(csctrl_model *m, double offset)
{
    for (size_t i = 0; i < m->param_count; i++)
        for (int64_t j = 0; j < csctrl_tensor_count(m->params[i].value); j++) {
            const double value = offset + 0.1 * (double)i + 1.0 / (double)(j + 3);
            tiny_set(m->params[i].value, j, value);
            if (m->averaged)
                tiny_set(&m->params[i].average, j, -value);
        }
    for (int l = 0; l < m->arch.depth && m->arch.kind == CT_ARCH_CSC; l++)
        tiny_set(&m->layers[l].eta, 0, (1.0 + l) / 7.0);
    m->step = 123;
    m->classes = 5;
}

static void expect_equal(const ct_tensor *a, const ct_tensor *b, double sign)
{
    assert_int_equal(csctrl_tensor_count(a), csctrl_tensor_count(b));
    for (int64_t i = 0; i < csctrl_tensor_count(a); i++)
        assert_true((float)tiny_get(a, i) == (float)(sign * tiny_get(b, i)));
}

static void test_round_trip(void **state)
{
    static const char *const settings[][3] = {
        {NULL},
        {"model.tied=false"},
        {"model.arch=generic", "data.channels=3"},
        {"device=ref", "precision=f64"},
    };

    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        const char *path = temp_path(state, "m.safetensors"),
                   *again = temp_path(state, "again.safetensors");
        csctrl_model *a = model_of(tiny_config_list(settings[i]), true);
        csctrl_model *b = model_of(tiny_config_list(settings[i]), true);
        fill(a, 1.0);
        expect_ok(ct_model_write(a, path));
        expect_ok(ct_model_read(b, path, false));
        for (size_t p = 0; p < a->param_count; p++) {
            const ct_param *from = &a->params[p], *to = &b->params[p];
            const size_t bytes = ct_tensor_bytes(from->value);
            assert_memory_equal(from->value->data, to->value->data, bytes);
            assert_memory_equal(from->average.data, to->average.data, bytes);
        }
        for (int l = 0; l < a->arch.depth && a->arch.kind == CT_ARCH_CSC; l++)
            assert_true(tiny_eta(a, l) == tiny_eta(b, l));
        assert_int_equal(b->step, 123);
        assert_int_equal(b->classes, 5);
        expect_ok(ct_model_write(b, again));
        expect_same_file(path, again);
        csctrl_model_destroy(&a);
        csctrl_model_destroy(&b);
    }
}

/* A file of either type into a model of the other. */
static void test_other_type(void **state)
{
    const char *path = temp_path(state, "m.safetensors");
    csctrl_model *f32 = model_of(tiny_config("device=ref", NULL), false);
    csctrl_model *f64 = model_of(tiny_config("device=ref", "precision=f64", NULL), false);

    fill(f32, 1.0);
    expect_ok(ct_model_write(f32, path));
    expect_ok(ct_model_read(f64, path, false));
    for (size_t p = 0; p < f32->param_count; p++)
        for (int64_t i = 0; i < csctrl_tensor_count(f32->params[p].value); i++)
            assert_true(tiny_get(f32->params[p].value, i) == tiny_get(f64->params[p].value, i));
    fill(f64, 2.0);
    expect_ok(ct_model_write(f64, path));
    expect_ok(ct_model_read(f32, path, false));
    for (size_t p = 0; p < f32->param_count; p++)
        expect_equal(f32->params[p].value, f64->params[p].value, 1.0);
    csctrl_model_destroy(&f32);
    csctrl_model_destroy(&f64);
}

/* Averages stand in for the values when asked for; a file without them gives its values twice. */
static void test_averages(void **state)
{
    const char *path = temp_path(state, "m.safetensors");
    csctrl_model *with = model_of(tiny_config(NULL), true);
    csctrl_model *without = model_of(tiny_config(NULL), false);

    fill(with, 1.0);
    expect_ok(ct_model_write(with, path));
    expect_ok(ct_model_read(without, path, true));
    for (size_t p = 0; p < with->param_count; p++)
        expect_equal(without->params[p].value, with->params[p].value, -1.0);
    expect_ok(ct_model_read(without, path, false));
    for (size_t p = 0; p < with->param_count; p++)
        expect_equal(without->params[p].value, with->params[p].value, 1.0);
    fill(without, 3.0);
    expect_ok(ct_model_write(without, path));
    expect_ok(ct_model_read(with, path, true));
    for (size_t p = 0; p < with->param_count; p++) {
        expect_equal(with->params[p].value, without->params[p].value, 1.0);
        expect_equal(&with->params[p].average, without->params[p].value, 1.0);
    }
    csctrl_model_destroy(&with);
    csctrl_model_destroy(&without);
}

/* ---- of another architecture */

static void expect_refused(void **state, const char *written, const char *read, const char *message)
{
    const char *path = temp_path(state, "other.safetensors");
    csctrl_model *a = model_of(tiny_config(written, NULL), false);
    csctrl_model *b = model_of(tiny_config(read, NULL), false);

    expect_ok(ct_model_write(a, path));
    expect_fail(ct_model_read(b, path, false), CSCTRL_E_MISMATCH, message);
    csctrl_model_destroy(&a);
    csctrl_model_destroy(&b);
}

static void test_mismatch(void **state)
{
    expect_refused(state, "model.layers=6x4s2p1 8x4s1p0", "model.layers=5x4s2p1 8x4s1p0",
                   "tensor 'encoder.0.dictionary': the model expects f32[5, 1, 4, 4], the file has "
                   "f32[6, 1, 4, 4]; the checkpoint is of another architecture");
    expect_refused(state, "data.channels=3", "data.channels=1",
                   "expects f32[6, 1, 4, 4], the file has f32[6, 3, 4, 4]");
    expect_refused(state, "model.tied=true", "model.tied=false",
                   "tensor 'decoder.0.dictionary' f32[6, 1, 4, 4] is missing");
    expect_refused(state, "model.tied=false", "model.tied=true",
                   "tensor 'decoder.0.dictionary' is not part of this model");
    expect_refused(state, "model.arch=csc", "model.arch=generic",
                   "tensor 'encoder.0.norm.scale' is not part of this model");
    expect_refused(state, "model.arch=generic", "model.arch=csc",
                   "tensor 'decoder.0.dictionary' is not part of this model");
    expect_refused(state, "model.layers=6x4s2p1 8x4s1p0", "model.layers=6x4s2p1",
                   "tensor 'encoder.1.dictionary' is not part of this model");
}

/* ---- damaged files, made of a good one tensor by tensor */

enum { MOST = 64 };

typedef struct doctored {
    ct_safetensors *file;
    ct_named_tensor tensors[MOST];
    size_t count;
    ct_named_text metadata[5];
} doctored;

static void open_good(void **state, doctored *d)
{
    static const char *const keys[] = {"format", "arch", "layers", "step", "classes"};
    const char *path = temp_path(state, "good.safetensors");
    csctrl_model *m = model_of(tiny_config(NULL), false);

    expect_ok(ct_model_write(m, path));
    csctrl_model_destroy(&m);
    expect_ok(ct_safetensors_open(&d->file, path));
    d->count = ct_safetensors_count(d->file);
    for (size_t i = 0; i < d->count; i++)
        d->tensors[i] = (ct_named_tensor){.name = ct_safetensors_name(d->file, i),
                                          .value = ct_safetensors_at(d->file, i)};
    for (size_t i = 0; i < 5; i++)
        d->metadata[i] =
            (ct_named_text){.key = keys[i], .text = ct_safetensors_metadata(d->file, keys[i])};
}

static void expect_doctored(void **state, const doctored *d, csctrl_status want,
                            const char *message)
{
    const char *path = temp_path(state, "doctored.safetensors");
    csctrl_model *m = model_of(tiny_config(NULL), false);

    expect_ok(ct_safetensors_write(path, d->tensors, d->count, d->metadata, 5));
    if (want == CSCTRL_OK)
        expect_ok(ct_model_read(m, path, false));
    else
        expect_fail(ct_model_read(m, path, false), want, message);
    csctrl_model_destroy(&m);
}

static size_t index_of(const doctored *d, const char *name)
{
    for (size_t i = 0; i < d->count; i++)
        if (strcmp(d->tensors[i].name, name) == 0)
            return i;
    fail_msg("no tensor '%s'", name);
    return 0;
}

static void leave_out(doctored *d, const char *name)
{
    d->tensors[index_of(d, name)] = d->tensors[d->count - 1];
    d->count--;
}

static void test_doctored_tensors(void **state)
{
    doctored good, d;
    double eta = NAN;
    int64_t whole[6] = {0};

    open_good(state, &good);
    expect_doctored(state, &good, CSCTRL_OK, "");
    d = good;
    leave_out(&d, "encoder.1.norm.var");
    expect_doctored(state, &d, CSCTRL_E_MISMATCH, "tensor 'encoder.1.norm.var' f32[8] is missing");
    d = good;
    leave_out(&d, "encoder.1.eta");
    expect_doctored(state, &d, CSCTRL_E_MISMATCH, "tensor 'encoder.1.eta' f64[1] is missing");
    for (int i = 0; i < 4; i++) {
        static const double bad[] = {0.0, -1.0, NAN, INFINITY};
        d = good;
        eta = bad[i];
        d.tensors[index_of(&d, "encoder.0.eta")].value.data = &eta;
        expect_doctored(state, &d, CSCTRL_E_FORMAT,
                        "tensor 'encoder.0.eta': a step size must be positive and finite");
    }
    d = good;
    d.tensors[index_of(&d, "encoder.0.norm.scale")].value =
        csctrl_tensor_view(CSCTRL_I64, 1, (const int64_t[]){6}, whole);
    expect_doctored(state, &d, CSCTRL_E_MISMATCH,
                    "tensor 'encoder.0.norm.scale': the model expects f32[6], the file has i64[6]");
    static const char *const strangers[] = {"encoder.7.eta", "extra", "average.extra",
                                            "encoder.0.dictionary.more", "average.encoder.0.eta"};
    for (size_t i = 0; i < sizeof strangers / sizeof strangers[0]; i++) {
        char message[96];
        d = good;
        d.tensors[d.count] = d.tensors[0];
        d.tensors[d.count++].name = strangers[i];
        snprintf(message, sizeof message, "tensor '%s' is not part of this model", strangers[i]);
        expect_doctored(state, &d, CSCTRL_E_MISMATCH, message);
    }
    ct_safetensors_close(&good.file);
}

static void test_doctored_metadata(void **state)
{
    static const char *const numbers[] = {"", "-1", "1.5", "many", "99999999999999999999"};
    doctored good, d;

    open_good(state, &good);
    d = good;
    d.metadata[0].text = "csctrl-model-9";
    expect_doctored(state, &d, CSCTRL_E_FORMAT,
                    "expected metadata format 'csctrl-model-1', found 'csctrl-model-9'");
    d.metadata[0].key = "author";
    expect_doctored(state, &d, CSCTRL_E_FORMAT, "found 'none'");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        d = good;
        d.metadata[3].text = numbers[i];
        expect_doctored(state, &d, CSCTRL_E_FORMAT, "metadata step: expected a number in 0..");
        d = good;
        d.metadata[4].text = numbers[i];
        expect_doctored(state, &d, CSCTRL_E_FORMAT, "metadata classes: expected a number in 0..");
    }
    ct_safetensors_close(&good.file);
}

static void test_no_file(void **state)
{
    csctrl_model *m = model_of(tiny_config(NULL), false);

    expect_fail(ct_model_read(m, temp_path(state, "none"), false), CSCTRL_E_NOT_FOUND, "none");
    expect_fail(ct_model_write(m, temp_path(state, "no/such/folder")), CSCTRL_E_IO,
                "no/such/folder");
    csctrl_model_destroy(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_other_type, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_averages, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_mismatch, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_doctored_tensors, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_doctored_metadata, tiny_memory_folder, temp_remove),
        cmocka_unit_test_setup_teardown(test_no_file, tiny_memory_folder, temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
