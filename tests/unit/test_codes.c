/* test_codes.c - the codes of one layer from either side, and the image that the decoder makes of
 * them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/tiny.h"

enum { N = 5, BATCH = 4 };

static csctrl_model *model_of(const char *const *settings)
{
    csctrl_config *config = tiny_config_list(settings);
    csctrl_model *m = NULL;

    expect_ok(csctrl_model_create(&m, config, BATCH));
    csctrl_config_destroy(&config);
    for (size_t i = 0; i < m->param_count; i++) { /* norms that do something */
        const ct_tensor *value = m->params[i].value;
        if (m->params[i].grad == NULL || value->ndim == 1)
            for (int64_t j = 0; j < csctrl_tensor_count(value); j++)
                tiny_set(value, j, 0.5 + 0.07 * (double)(j % 7) + 0.01 * (double)i);
    }
    return m;
}

static csctrl_tensor codes_of(const csctrl_model *m, int layer, int64_t n)
{
    csctrl_layer_info l;

    expect_ok(csctrl_model_get_layer(m, layer, &l));
    csctrl_tensor codes = tiny_features(n, (int64_t)l.atoms * l.out_size * l.out_size);
    return csctrl_tensor_view(CSCTRL_F32, 4, (const int64_t[]){n, l.atoms, l.out_size, l.out_size},
                              codes.data);
}

static const char *const settings[][4] = {
    {"device=ref"},
    {"device=ref", "precision=f64"},
    {NULL},
    {"device=ref", "model.arch=generic", "model.tied=false"},
    {"device=ref", "model.layers=6x4s2p1 3x3s1p1", "data.channels=3"},
    {"device=ref", "model.steps=4", "model.nonneg=false"},
    {"device=ref", "model.layers=6x4s2p1 3x3s1p1", "model.nonneg=[true, false]"},
};

enum { SETTINGS = sizeof settings / sizeof settings[0] };

/* Down to a layer and on from there is decoding, bit for bit. */
static void test_decoding_in_two_parts(void **state)
{
    (void)state;
    for (size_t s = 0; s < SETTINGS; s++) {
        csctrl_model *m = model_of(settings[s]);
        csctrl_model_info info;
        csctrl_model_get_info(m, &info);
        csctrl_tensor x = tiny_images(N, info.channels, 1),
                      whole = tiny_images(N, info.channels, 2);
        csctrl_tensor parts = tiny_images(N, info.channels, 3), z = tiny_features(N, info.features);
        expect_ok(csctrl_model_encode(m, &x, &z));
        expect_ok(csctrl_model_decode(m, &z, &whole));
        for (int layer = 0; layer < info.layers; layer++) {
            csctrl_tensor codes = codes_of(m, layer, N);
            expect_ok(csctrl_model_decode_to_layer(m, &z, layer, &codes));
            if (layer + 1 == info.layers)
                assert_memory_equal(codes.data, z.data,
                                    (size_t)csctrl_tensor_count(&z) * sizeof(float));
            memset(parts.data, 0, (size_t)csctrl_tensor_count(&parts) * sizeof(float));
            expect_ok(csctrl_model_decode_from_layer(m, layer, &codes, &parts));
            for (int64_t i = 0; i < csctrl_tensor_count(&whole); i++)
                assert_true(fabs(tiny_get(&parts, i) - tiny_get(&whole, i)) < 1e-6);
            tiny_free(&codes);
        }
        csctrl_model_destroy(&m);
        tiny_free(&x);
        tiny_free(&whole);
        tiny_free(&parts);
        tiny_free(&z);
    }
}

/* What is counted as zero while encoding is zero in the codes. */
static void test_codes_are_those_of_encoding(void **state)
{
    (void)state;
    for (size_t s = 0; s < SETTINGS; s++) {
        csctrl_model *m = model_of(settings[s]);
        csctrl_model_info info;
        double share[CSCTRL_MAX_LAYERS];
        csctrl_model_get_info(m, &info);
        csctrl_tensor x = tiny_images(N, info.channels, 1), z = tiny_features(N, info.features);
        expect_ok(csctrl_model_encode(m, &x, &z));
        expect_ok(csctrl_model_sparsity(m, share));
        for (int layer = 0; layer < info.layers; layer++) {
            csctrl_tensor codes = codes_of(m, layer, N);
            const int64_t count = csctrl_tensor_count(&codes);
            int64_t zeros = 0, others = 0;
            expect_ok(csctrl_model_encode_layer(m, &x, layer, &codes));
            for (int64_t i = 0; i < count; i++) {
                zeros += tiny_get(&codes, i) == 0.0;
                others += tiny_get(&codes, i) != 0.0;
            }
            assert_true(others > 0);
            assert_true(fabs((double)zeros / (double)count - share[layer]) < 1e-12);
            tiny_free(&codes);
        }
        csctrl_model_destroy(&m);
        tiny_free(&x);
        tiny_free(&z);
    }
}

/* Signed where the config says so, and only there. */
static void test_signs(void **state)
{
    static const char *const mixed[] = {"model.layers=6x4s2p1 5x4s2p1 3x3s1p1",
                                        "model.nonneg=[true, false, true]", NULL};
    csctrl_model *m = model_of(mixed);
    csctrl_tensor x = tiny_images(N, 1, 1);

    (void)state;
    for (int layer = 0; layer < 3; layer++) {
        csctrl_layer_info l;
        csctrl_tensor codes = codes_of(m, layer, N);
        int64_t below = 0;
        expect_ok(csctrl_model_get_layer(m, layer, &l));
        expect_ok(csctrl_model_encode_layer(m, &x, layer, &codes));
        for (int64_t i = 0; i < csctrl_tensor_count(&codes); i++)
            below += tiny_get(&codes, i) < 0.0;
        assert_true(l.nonneg == (layer != 1));
        assert_true(l.nonneg ? below == 0 : below > 0);
        tiny_free(&codes);
    }
    csctrl_model_destroy(&m);
    tiny_free(&x);
}

/* The last layer's codes, put through its norm and on the sphere, are the features: so their planes
 * are where they should be. */
static void test_last_codes_give_the_features(void **state)
{
    static const char *const spatial[] = {"device=ref", "model.layers=6x4s2p1 3x3s1p1", NULL};
    csctrl_model *m = model_of(spatial);
    csctrl_tensor x = tiny_images(N, 1, 1), z, codes = codes_of(m, 1, N);
    const int64_t area = codes.shape[2] * codes.shape[3], d = codes.shape[1] * area;
    const ct_param *scale = tiny_param(m, "encoder.1.norm.scale");
    const ct_param *shift = tiny_param(m, "encoder.1.norm.shift");
    const ct_param *mean = tiny_param(m, "encoder.1.norm.mean");
    const ct_param *var = tiny_param(m, "encoder.1.norm.var");

    (void)state;
    z = tiny_features(N, d);
    expect_ok(csctrl_model_encode(m, &x, &z));
    expect_ok(csctrl_model_encode_layer(m, &x, 1, &codes));
    for (int64_t i = 0; i < N; i++) {
        double h[512], norm2 = 0.0;
        assert_true(d <= 512);
        for (int64_t j = 0; j < d; j++) {
            const int64_t a = j / area;
            h[j] = (tiny_get(&codes, i * d + j) - tiny_get(mean->value, a)) /
                       sqrt(tiny_get(var->value, a) + 1e-5) * tiny_get(scale->value, a) +
                   tiny_get(shift->value, a);
            norm2 += h[j] * h[j];
        }
        for (int64_t j = 0; j < d; j++)
            assert_true(fabs(h[j] / sqrt(norm2) - tiny_get(&z, i * d + j)) < 1e-5);
    }
    csctrl_model_destroy(&m);
    tiny_free(&x);
    tiny_free(&z);
    tiny_free(&codes);
}

static void test_bad_arguments(void **state)
{
    static const char *const ref[] = {"device=ref", NULL};
    csctrl_model *m = model_of(ref);
    csctrl_tensor x = tiny_images(N, 1, 1), codes = codes_of(m, 0, N), few = codes;
    csctrl_tensor z = tiny_features(N, 8);

    (void)state;
    few.shape[0] = N - 1;
    expect_fail(csctrl_model_encode_layer(m, &x, 2, &codes), CSCTRL_E_INVALID,
                "expected a layer in 0..1, found 2");
    expect_fail(csctrl_model_decode_to_layer(m, &z, -1, &codes), CSCTRL_E_INVALID, "found -1");
    expect_fail(csctrl_model_decode_from_layer(m, 2, &codes, &x), CSCTRL_E_INVALID, "found 2");
    expect_fail(csctrl_model_encode_layer(m, &x, 1, &codes), CSCTRL_E_SHAPE, "codes: expected");
    expect_fail(csctrl_model_encode_layer(m, &x, 0, &few), CSCTRL_E_SHAPE,
                "found 5 images and codes of 4");
    expect_fail(csctrl_model_decode_from_layer(m, 0, &few, &x), CSCTRL_E_SHAPE, "codes of 4");
    z.ndim = 1;
    expect_fail(csctrl_model_decode_to_layer(m, &z, 0, &codes), CSCTRL_E_SHAPE, "features z");
    x.dtype = CSCTRL_F64;
    expect_fail(csctrl_model_encode_layer(m, &x, 0, &codes), CSCTRL_E_DTYPE, "images x");
    x.dtype = CSCTRL_F32;
    ((float *)codes.data)[3] = NAN;
    expect_fail(csctrl_model_decode_from_layer(m, 0, &codes, &x), CSCTRL_E_NUMERIC, "decode");
    csctrl_model_destroy(&m);
    tiny_free(&x);
    tiny_free(&codes);
    tiny_free(&z);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decoding_in_two_parts),
        cmocka_unit_test(test_codes_are_those_of_encoding),
        cmocka_unit_test(test_signs),
        cmocka_unit_test(test_last_codes_give_the_features),
        cmocka_unit_test(test_bad_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
