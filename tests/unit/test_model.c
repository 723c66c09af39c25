/* test_model.c - creating, encoding, decoding and the facts of a model. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/decoder.h"
#include "model/encoder.h"
#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"

static csctrl_model *model_of(csctrl_config *config, int batch)
{
    csctrl_model *m = NULL;

    expect_ok(csctrl_model_create(&m, config, batch));
    csctrl_config_destroy(&config);
    return m;
}

/* Running statistics other than the initial ones, so that eval mode has something to use. */
static void unsettle(csctrl_model *m)
{
    for (size_t i = 0; i < m->param_count; i++) {
        const ct_tensor *value = m->params[i].value;
        if (m->params[i].grad == NULL || value->ndim == 1)
            for (int64_t j = 0; j < csctrl_tensor_count(value); j++)
                tiny_set(value, j, 0.5 + 0.07 * (double)(j % 7) + 0.01 * (double)i);
    }
}

/* ---- shapes and types */

static void test_round(void **state)
{
    static const char *const settings[][4] = {
        {NULL},
        {"device=ref"},
        {"device=ref", "precision=f64"},
        {"model.arch=generic", "model.tied=false"},
        {"model.layers=6x4s2p1 3x3s1p1", "data.channels=3"},
        {"model.steps=6", "model.nonneg=false"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        csctrl_model *m = model_of(tiny_config_list(settings[i]), 4);
        csctrl_model_info info;
        csctrl_model_get_info(m, &info);
        csctrl_tensor x = tiny_images(5, info.channels, 1), xhat = tiny_images(5, info.channels, 2);
        csctrl_tensor z = tiny_features(5, info.features);
        unsettle(m);
        expect_ok(csctrl_model_encode(m, &x, &z));
        for (int64_t row = 0; row < 5; row++) {
            double squares = 0.0;
            for (int64_t j = 0; j < info.features; j++)
                squares += pow(tiny_get(&z, row * info.features + j), 2.0);
            assert_true(fabs(squares - 1.0) < 1e-5);
        }
        expect_ok(csctrl_model_decode(m, &z, &xhat));
        for (int64_t j = 0; j < csctrl_tensor_count(&xhat); j++)
            assert_true(fabs(tiny_get(&xhat, j)) <= 1.0);
        csctrl_model_destroy(&m);
        tiny_free(&x);
        tiny_free(&xhat);
        tiny_free(&z);
    }
}

/* The same picture as step by step; on failure the old file stays. */
static void test_files(void **state)
{
    static const char *const settings[] = {"data.channels=1", "data.channels=3"};

    for (int i = 0; i < 2; i++) {
        csctrl_model *m = model_of(tiny_config(settings[i], NULL), 4);
        csctrl_model_info info;
        csctrl_model_get_info(m, &info);
        csctrl_tensor x = tiny_images(1, info.channels, 1), z = tiny_features(1, info.features);
        const csctrl_tensor image = csctrl_tensor_view(CSCTRL_F32, 3, x.shape + 1, x.data);
        const char *in = temp_path(state, "in.png"), *out = temp_path(state, "out.png");
        const char *want = temp_path(state, "want.png");

        unsettle(m);
        expect_ok(csctrl_image_write_grid(in, &x, 1, 3)); /* not of the model's size */
        expect_ok(csctrl_model_reconstruct_file(m, in, out));
        csctrl_tensor read = image;
        expect_ok(csctrl_image_read(in, &read));
        expect_ok(csctrl_model_encode(m, &x, &z));
        expect_ok(csctrl_model_decode(m, &z, &x));
        expect_ok(csctrl_image_write(want, &image));
        expect_same_file(out, want);
        expect_fail(csctrl_model_reconstruct_file(m, temp_path(state, "none"), out),
                    CSCTRL_E_NOT_FOUND, "none");
        tiny_set(&m->layers[1].norm.scale, 0, NAN);
        expect_fail(csctrl_model_reconstruct_file(m, in, out), CSCTRL_E_NUMERIC, "encode");
        expect_same_file(out, want);
        csctrl_model_destroy(&m);
        tiny_free(&x);
        tiny_free(&z);
    }
}

static void test_refused_tensors(void **state)
{
    csctrl_model *m = model_of(tiny_config(NULL), 4);
    csctrl_tensor x = tiny_images(4, 1, 1), z = tiny_features(4, 8), bad;

    (void)state;
    bad = x;
    bad.shape[2] = 4;
    expect_fail(csctrl_model_encode(m, &bad, &z), CSCTRL_E_SHAPE, "images x");
    bad = x;
    bad.shape[1] = 3;
    expect_fail(csctrl_model_encode(m, &bad, &z), CSCTRL_E_SHAPE, "f32[4, 3, 8, 8]");
    bad = x;
    bad.ndim = 3;
    expect_fail(csctrl_model_decode(m, &z, &bad), CSCTRL_E_SHAPE, "images x");
    bad = x;
    bad.dtype = CSCTRL_F64;
    expect_fail(csctrl_model_encode(m, &bad, &z), CSCTRL_E_DTYPE, "f64");
    bad = z;
    bad.dtype = CSCTRL_I64;
    expect_fail(csctrl_model_decode(m, &bad, &x), CSCTRL_E_DTYPE, "features z");
    bad = z;
    bad.shape[1] = 7;
    expect_fail(csctrl_model_encode(m, &x, &bad), CSCTRL_E_SHAPE, "features z");
    bad = z;
    bad.shape[0] = 3;
    expect_fail(csctrl_model_encode(m, &x, &bad), CSCTRL_E_SHAPE, "found 4 images and 3 features");
    expect_fail(csctrl_model_decode(m, &bad, &x), CSCTRL_E_SHAPE, "found 4 images and 3 features");
    csctrl_tensor none_x = x, none_z = z;
    none_x.shape[0] = none_z.shape[0] = 0;
    expect_fail(csctrl_model_encode(m, &none_x, &none_z), CSCTRL_E_SHAPE, "at least 1");
    csctrl_model_destroy(&m);
    tiny_free(&x);
    tiny_free(&z);
}

static void test_values_not_finite(void **state)
{
    csctrl_model *m = model_of(tiny_config(NULL), 4);
    csctrl_tensor x = tiny_images(6, 1, 1), z = tiny_features(6, 8);

    (void)state;
    expect_ok(csctrl_model_encode(m, &x, &z));
    tiny_set(&z, 5 * 8 + 3, NAN);
    expect_fail(csctrl_model_decode(m, &z, &x), CSCTRL_E_NUMERIC, "decode: a value of image 5");
    tiny_set(&m->layers[1].norm.scale, 0, NAN);
    expect_fail(csctrl_model_encode(m, &x, &z), CSCTRL_E_NUMERIC, "encode: a value of image 0");
    csctrl_model_destroy(&m);
    tiny_free(&x);
    tiny_free(&z);
}

static void test_refused_models(void **state)
{
    csctrl_config *config = tiny_config(NULL);
    csctrl_model *m = (csctrl_model *)config;

    (void)state;
    expect_fail(csctrl_model_create(&m, config, 0), CSCTRL_E_INVALID,
                "expected a batch of at least 1 image, found 0");
    assert_null(m);
    expect_ok(csctrl_config_assign(config, "device=cpu"));
    expect_ok(csctrl_config_assign(config, "precision=f64"));
    expect_fail(csctrl_model_create(&m, config, 1), CSCTRL_E_UNSUPPORTED, "f32");
    expect_ok(csctrl_config_assign(config, "model.layers=4x9s1p0"));
    expect_fail(csctrl_model_create(&m, config, 1), CSCTRL_E_CONFIG, "model.layers: layer 1");
    assert_null(m);
    csctrl_model_destroy(&m);
    csctrl_model_destroy(NULL);
    csctrl_config_destroy(&config);
}

/* ---- any number of images */

/* One by one, in pieces that do not come out even, all at once: the same rows. */
static void test_any_number(void **state)
{
    enum { N = 11, D = 8 };
    static const int batches[] = {1, 4, 11, 64};
    csctrl_tensor x = tiny_images(N, 1, 3), one = x, xhat = tiny_images(N, 1, 4);
    csctrl_tensor want = tiny_features(N, D), got = tiny_features(N, D), row = want;

    (void)state;
    csctrl_model *single = model_of(tiny_config(NULL), 1);
    unsettle(single);
    one.shape[0] = row.shape[0] = 1;
    for (int i = 0; i < N; i++) {
        one.data = (float *)x.data + i * 64;
        row.data = (float *)want.data + i * D;
        expect_ok(csctrl_model_encode(single, &one, &row));
    }
    for (size_t b = 0; b < sizeof batches / sizeof batches[0]; b++) {
        csctrl_model *m = model_of(tiny_config(NULL), batches[b]);
        unsettle(m);
        expect_ok(csctrl_model_encode(m, &x, &got));
        expect_ok(csctrl_model_decode(m, &got, &xhat));
        for (int i = 0; i < N * D; i++)
            assert_true(fabs(tiny_get(&got, i) - tiny_get(&want, i)) < 1e-5);
        for (int i = 0; i < N; i++) {
            float pixels[64];
            csctrl_tensor image = one, code = row;
            image.data = pixels;
            code.data = (float *)want.data + i * D;
            expect_ok(csctrl_model_decode(single, &code, &image));
            for (int j = 0; j < 64; j++)
                assert_true(fabs(tiny_get(&xhat, i * 64 + j) - (double)pixels[j]) < 1e-5);
        }
        csctrl_model_destroy(&m);
    }
    csctrl_model_destroy(&single);
    tiny_free(&x);
    tiny_free(&xhat);
    tiny_free(&want);
    tiny_free(&got);
}

/* ---- eval mode */

/* Encoding uses the running statistics, not the batch's, and leaves the model as it was. */
static void test_eval_mode(void **state)
{
    csctrl_model *m = model_of(tiny_config("device=ref", "precision=f64", NULL), 6);
    csctrl_tensor x = tiny_images(6, 1, 1), z = tiny_features(6, 8), other = tiny_features(6, 8);
    tiny_snapshot s;

    (void)state;
    unsettle(m);
    tiny_take(&s, m);
    expect_ok(csctrl_model_encode(m, &x, &z));
    /* the second image among others, whose statistics differ */
    csctrl_tensor second = x;
    second.shape[0] = 1;
    second.data = (float *)x.data + 64;
    csctrl_tensor alone = other;
    alone.shape[0] = 1;
    expect_ok(csctrl_model_encode(m, &second, &alone));
    for (int j = 0; j < 8; j++)
        assert_true(tiny_get(&z, 8 + j) == tiny_get(&other, j));
    for (size_t i = 0; i < m->param_count; i++)
        assert_false(tiny_changed(&s, i));
    tiny_set(&m->layers[0].norm.mean, 0, 3.0);
    expect_ok(csctrl_model_encode(m, &x, &other));
    assert_memory_not_equal(z.data, other.data, ct_tensor_bytes(&z));
    tiny_forget(&s);
    csctrl_model_destroy(&m);
    tiny_free(&x);
    tiny_free(&z);
    tiny_free(&other);
}

/* ---- facts */

/* Tied: 6*16 + 8*6*16 dictionary, 2*6 + 2*8 encoder norms, 2*6 decoder norm. */
static void test_info(void **state)
{
    csctrl_model *m = model_of(tiny_config("model.lambda=[0.1, 0.2]", NULL), 2);
    csctrl_model_info info;
    csctrl_layer_info layer;

    (void)state;
    csctrl_model_get_info(m, &info);
    assert_string_equal(info.arch, "csc");
    assert_int_equal(info.layers, 2);
    assert_int_equal(info.channels, 1);
    assert_int_equal(info.size, 8);
    assert_int_equal(info.features, 8);
    assert_int_equal(info.classes, 0);
    assert_int_equal(info.step, 0);
    assert_true(info.tied);
    assert_int_equal(info.parameters, 96 + 768 + 12 + 16 + 12);
    assert_int_equal(info.decode_macs, 96 * 16 + 768);
    assert_int_equal(info.encode_macs, 3 * info.decode_macs);
    expect_ok(csctrl_model_get_layer(m, 1, &layer));
    assert_string_equal(layer.kind, "csc");
    assert_int_equal(layer.atoms, 8);
    assert_int_equal(layer.channels, 6);
    assert_int_equal(layer.kernel, 4);
    assert_int_equal(layer.stride, 1);
    assert_int_equal(layer.pad, 0);
    assert_int_equal(layer.in_size, 4);
    assert_int_equal(layer.out_size, 1);
    assert_int_equal(layer.steps, 2);
    assert_true(layer.lambda == 0.2 && layer.mu == 0.0 && layer.eta > 0.0);
    assert_int_equal(layer.parameters, 768 + 16 + 12);
    expect_fail(csctrl_model_get_layer(m, 2, &layer), CSCTRL_E_INVALID, "layer 2: expected 0..1");
    expect_fail(csctrl_model_get_layer(m, -1, &layer), CSCTRL_E_INVALID, "layer -1");
    csctrl_model_destroy(&m);
    m = model_of(tiny_config("model.tied=false", NULL), 2);
    csctrl_model_get_info(m, &info);
    assert_false(info.tied);
    assert_int_equal(info.parameters, 2 * (96 + 768) + 12 + 16 + 12);
    csctrl_model_destroy(&m);
    /* generic: no norm in the encoder's first and last layer; here it has no other */
    m = model_of(tiny_config("model.arch=generic", NULL), 2);
    csctrl_model_get_info(m, &info);
    assert_string_equal(info.arch, "generic");
    assert_int_equal(info.parameters, 2 * (96 + 768) + 12);
    assert_int_equal(info.encode_macs, 96 * 16 + 768);
    expect_ok(csctrl_model_get_layer(m, 0, &layer));
    assert_string_equal(layer.kind, "conv");
    assert_int_equal(layer.steps, 1);
    assert_true(layer.lambda == 0.0 && layer.eta == 0.0);
    csctrl_model_destroy(&m);
}

/* Names, shapes and sum of the trainable ones. */
static void test_parameters(void **state)
{
    static const char *const names[] = {
        "encoder.0.dictionary", "encoder.0.norm.scale", "encoder.0.norm.shift",
        "encoder.0.norm.mean",  "encoder.0.norm.var",   "encoder.1.dictionary",
        "encoder.1.norm.scale", "encoder.1.norm.shift", "encoder.1.norm.mean",
        "encoder.1.norm.var",   "decoder.1.norm.scale", "decoder.1.norm.shift",
        "decoder.1.norm.mean",  "decoder.1.norm.var"};
    csctrl_model *m = model_of(tiny_config(NULL), 2);
    csctrl_model_info info;
    csctrl_parameter p;
    int64_t trainable = 0;

    (void)state;
    assert_int_equal(csctrl_model_parameter_count(m), 14);
    for (size_t i = 0; i < 14; i++) {
        expect_ok(csctrl_model_get_parameter(m, i, &p));
        assert_string_equal(p.name, names[i]);
        const char *last = strrchr(p.name, '.');
        assert_true(p.trainable == (strcmp(last, ".mean") != 0 && strcmp(last, ".var") != 0));
        trainable += p.trainable ? csctrl_tensor_count(&p.value) : 0;
        float values[1024];
        const size_t bytes = (size_t)csctrl_tensor_count(&p.value) * sizeof(float);
        expect_ok(csctrl_model_read_parameter(m, i, values, bytes));
        assert_memory_equal(values, p.value.data, bytes);
        expect_fail(csctrl_model_read_parameter(m, i, values, bytes - 1), CSCTRL_E_SHAPE, p.name);
    }
    expect_fail(csctrl_model_read_parameter(m, 14, NULL, 0), CSCTRL_E_INVALID, "parameter 14");
    csctrl_model_get_info(m, &info);
    assert_int_equal(trainable, info.parameters);
    expect_fail(csctrl_model_get_parameter(m, 14, &p), CSCTRL_E_INVALID, "parameter 14");
    csctrl_model_destroy(&m);
}

static void test_seed(void **state)
{
    csctrl_model *a = model_of(tiny_config("seed=1", NULL), 2);
    csctrl_model *b = model_of(tiny_config("seed=1", NULL), 5);
    csctrl_model *c = model_of(tiny_config("seed=2", NULL), 2);
    const size_t bytes = ct_tensor_bytes(&a->layers[1].W);

    (void)state;
    assert_memory_equal(a->layers[1].W.data, b->layers[1].W.data, bytes);
    assert_memory_not_equal(a->layers[1].W.data, c->layers[1].W.data, bytes);
    csctrl_model_destroy(&a);
    csctrl_model_destroy(&b);
    csctrl_model_destroy(&c);
}

static void test_sparsity(void **state)
{
    csctrl_model *m = model_of(tiny_config(NULL), 4);
    csctrl_model *all = model_of(tiny_config("model.lambda=[0.1, 1000]", NULL), 4);
    csctrl_tensor x = tiny_images(7, 1, 1), z = tiny_features(7, 8);
    double zeros[2];

    (void)state;
    expect_fail(csctrl_model_sparsity(m, zeros), CSCTRL_E_STATE, "nothing was encoded yet");
    expect_ok(csctrl_model_encode(m, &x, &z));
    expect_ok(csctrl_model_sparsity(m, zeros));
    for (int l = 0; l < 2; l++)
        assert_true(zeros[l] > 0.05 && zeros[l] < 0.95);
    /* a threshold above all: no codes at all in that layer, counted over 7 of 8 planned images */
    expect_ok(csctrl_model_encode(all, &x, &z));
    expect_ok(csctrl_model_sparsity(all, zeros));
    assert_true(zeros[0] < 0.95 && zeros[1] == 1.0);
    csctrl_model_destroy(&m);
    csctrl_model_destroy(&all);
    tiny_free(&x);
    tiny_free(&z);
}

/* As many layers as there may be, with all the parameters they can have, for both players. */
static void test_most_layers(void **state)
{
    static const char *const tied[] = {"model.tied=true", "model.tied=false"};
    char layers[16 * CSCTRL_MAX_LAYERS] = "model.layers=";
    double value = 0.0;

    (void)state;
    for (int l = 0; l < CSCTRL_MAX_LAYERS; l++)
        snprintf(layers + strlen(layers), sizeof layers - strlen(layers), "2x3s1p1 ");
    for (int i = 0; i < 2; i++) {
        tiny_game g;
        tiny_game_open(&g, tiny_config("data.size=8", layers, tied[i], "model.lambda=0.001", NULL),
                       3);
        assert_int_equal(g.model->param_count, (size_t)(9 + i) * CSCTRL_MAX_LAYERS - 4);
        expect_ok(tiny_max_move(&g.game, false, &value));
        expect_ok(tiny_update(&g.optim, CT_ENCODER, 0.001));
        expect_ok(tiny_min_move(&g.game, &value));
        expect_ok(tiny_update(&g.optim, CT_DECODER, 0.001));
        tiny_game_close(&g);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_most_layers),
        cmocka_unit_test(test_round),
        cmocka_unit_test(test_refused_tensors),
        cmocka_unit_test(test_values_not_finite),
        cmocka_unit_test(test_refused_models),
        cmocka_unit_test(test_any_number),
        cmocka_unit_test(test_eval_mode),
        cmocka_unit_test(test_info),
        cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_seed),
        cmocka_unit_test(test_sparsity),
        cmocka_unit_test_setup_teardown(test_files, temp_make, temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
