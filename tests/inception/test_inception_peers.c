/* test_inception_peers.c - the Inception network, its input, FID, KID and the Inception score
 * against what peers.py had PyTorch, Pillow, pytorch-fid and torch-fidelity compute. Started by
 * peers.sh, in the folder of their files. */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "csctrl/csctrl.h"
#include "support/expect.h"

static const double feature_tolerance = 1e-4, score_tolerance = 1e-6;

static csctrl_tensor read_array(const char *name)
{
    csctrl_tensor t;

    expect_ok(csctrl_npy_read(name, &t));
    assert_int_equal(t.dtype, CSCTRL_F32);
    return t;
}

static csctrl_tensor array_of(int64_t n, int64_t d)
{
    csctrl_tensor t = csctrl_tensor_view(CSCTRL_F32, 2, (const int64_t[]){n, d}, NULL);

    t.data = calloc((size_t)(n * d), sizeof(float));
    assert_non_null(t.data);
    return t;
}

/* Largest difference. */
static double apart(const csctrl_tensor *a, const csctrl_tensor *b)
{
    double most = 0;

    assert_int_equal(csctrl_tensor_count(a), csctrl_tensor_count(b));
    for (int64_t i = 0; i < csctrl_tensor_count(a); i++) {
        const double d = fabs((double)((float *)a->data)[i] - (double)((float *)b->data)[i]);
        most = d <= most ? most : d; /* also where it is no number */
    }
    return most;
}

static void test_network_gives_the_features_of_pytorch(void **state)
{
    csctrl_tensor inputs = read_array("inputs.npy"), features = read_array("features.npy");
    csctrl_tensor logits = read_array("logits.npy");
    csctrl_tensor found = array_of(inputs.shape[0], CSCTRL_INCEPTION_FEATURES);
    csctrl_tensor classes = array_of(inputs.shape[0], CSCTRL_INCEPTION_CLASSES);
    csctrl_inception *net = NULL;
    csctrl_inception_info info;

    (void)state;
    expect_ok(csctrl_inception_create(&net, "network.safetensors", 0));
    csctrl_inception_get_info(net, &info);
    assert_int_equal(info.pinned, 0);
    assert_non_null(strstr(info.source, "unpinned random"));
    assert_true(inputs.shape[0] % info.batch != 0); /* a last batch that is not full */
    expect_ok(csctrl_inception_run(net, &inputs, &found, &classes));
    print_message("features: at most %.3g apart; logits: %.3g\n", apart(&found, &features),
                  apart(&classes, &logits));
    assert_true(apart(&found, &features) <= feature_tolerance);
    assert_true(apart(&classes, &logits) <= feature_tolerance);
    /* An image has the same features in whatever company. */
    csctrl_tensor one = inputs, alone = array_of(1, CSCTRL_INCEPTION_FEATURES), row = found;
    one.shape[0] = row.shape[0] = 1;
    expect_ok(csctrl_inception_run(net, &one, &alone, NULL));
    assert_true(apart(&alone, &row) <= 0);
    /* And on one thread, but for rounding. */
    csctrl_inception_destroy(&net);
    expect_ok(csctrl_inception_create(&net, "network.safetensors", 1));
    expect_ok(csctrl_inception_run(net, &one, &alone, NULL));
    assert_true(apart(&alone, &row) <= feature_tolerance);
    one.shape[2] = 298;
    expect_fail(csctrl_inception_run(net, &one, &alone, NULL), CSCTRL_E_SHAPE, "299, 299");
    csctrl_inception_destroy(&net);
    csctrl_npy_free(&inputs);
    csctrl_npy_free(&features);
    csctrl_npy_free(&logits);
    free(found.data);
    free(classes.data);
    free(alone.data);
}

/* Every size of peers.py, both ways. */
static void test_input_is_that_of_pillow_and_torch(void **state)
{
    static const char *const ways[] = {"clean", "bilinear"};
    csctrl_image_set *set = NULL;
    csctrl_tensor input = csctrl_tensor_view(
        CSCTRL_F32, 3, (const int64_t[]){3, CSCTRL_INCEPTION_SIDE, CSCTRL_INCEPTION_SIDE}, NULL);
    char name[64];
    int sizes = 0;

    (void)state;
    input.data = calloc((size_t)csctrl_tensor_count(&input), sizeof(float));
    assert_non_null(input.data);
    expect_ok(csctrl_image_set_open(&set, "."));
    for (int64_t i = 0; i < csctrl_image_set_count(set); i++) {
        csctrl_tensor image;
        if (sscanf(csctrl_image_set_name(set, i), "size%63[0-9].png", name) != 1)
            continue;
        expect_ok(csctrl_image_set_read(set, i, &image));
        for (int way = 0; way < 2; way++) {
            char file[128];
            snprintf(file, sizeof file, "%s%s.npy", ways[way], name);
            csctrl_tensor expected = read_array(file);
            expect_ok(csctrl_inception_prepare(
                &image, way == 0 ? CSCTRL_RESIZE_CLEAN : CSCTRL_RESIZE_PYTORCH, &input));
            print_message("%s: at most %.3g apart\n", file, apart(&input, &expected));
            /* torch places its samples in float: 1e-4 of a pixel is what that leaves. */
            assert_true(apart(&input, &expected) <= (way == 0 ? 1e-6 : 1e-4));
            csctrl_npy_free(&expected);
        }
        csctrl_npy_free(&image);
        sizes++;
    }
    assert_true(sizes >= 8);
    csctrl_image_set_close(&set);
    free(input.data);
}

static void close_to(const char *what, double found, const json_t *expected, const char *key)
{
    const double wanted = json_number_value(json_object_get(expected, key));

    print_message("%s: %.12g, %s %.12g: %.2g apart\n", what, found, key, wanted,
                  fabs(found / wanted - 1));
    assert_true(fabs(found / wanted - 1) <= score_tolerance);
}

static csctrl_moments *moments_of(const csctrl_tensor *features)
{
    csctrl_moments *m = NULL;

    expect_ok(csctrl_moments_create(&m, features->shape[1]));
    expect_ok(csctrl_moments_add(m, features));
    return m;
}

static void test_scores_are_those_of_the_peers(void **state)
{
    csctrl_tensor a = read_array("a.npy"), b = read_array("b.npy");
    csctrl_tensor logits = read_array("class_logits.npy");
    json_t *expected = json_load_file("expected.json", 0, NULL);
    csctrl_moments *p = moments_of(&a), *q = moments_of(&b), *file = NULL;
    csctrl_kernel_distance kid;
    csctrl_manifold manifold;
    double fid = 0, mean, deviation;

    (void)state;
    assert_non_null(expected);
    expect_ok(csctrl_frechet_distance(p, q, &fid));
    close_to("FID", fid, expected, "pytorch_fid");
    close_to("FID", fid, expected, "fidelity_fid");
    expect_ok(csctrl_moments_read(&file, "b_statistics.npz"));
    expect_ok(csctrl_frechet_distance(p, file, &fid));
    close_to("FID with a file of NumPy's", fid, expected, "pytorch_fid");
    expect_ok(csctrl_kernel_distance_compute(&a, &b, 20, 500, 2020, &kid));
    close_to("KID", kid.mean, expected, "kid_mean");
    close_to("KID", kid.deviation, expected, "kid_std");
    expect_ok(csctrl_inception_score(&logits, 10, 2020, &mean, &deviation));
    close_to("Inception score", mean, expected, "isc_mean");
    close_to("Inception score", deviation, expected, "isc_std");
    expect_ok(csctrl_manifold_compute(&a, &b, 3, &manifold));
    close_to("precision", manifold.precision, expected, "precision");
    close_to("recall", manifold.recall, expected, "recall");
    expect_ok(csctrl_moments_write(p, "written.npz"));
    csctrl_moments_destroy(&p);
    csctrl_moments_destroy(&q);
    csctrl_moments_destroy(&file);
    csctrl_npy_free(&a);
    csctrl_npy_free(&b);
    csctrl_npy_free(&logits);
    json_decref(expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network_gives_the_features_of_pytorch),
        cmocka_unit_test(test_input_is_that_of_pillow_and_torch),
        cmocka_unit_test(test_scores_are_those_of_the_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
