/* test_alloc_score.c - as test_alloc.c, for the scores of features and images and for statistics.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "csctrl/csctrl.h"
#include "support/dataset_files.h"
#include "support/expect.h"
#include "support/feature_pair.h"
#include "support/temp.h"
#include "torture/torture.h"

typedef struct score_case {
    feature_pair f;
    csctrl_tensor a, b, image, input;
    csctrl_moments *p, *q;
    csctrl_image_set *set;
    const char *path;
    int64_t labels[NA], found[NB];
} score_case;

static csctrl_status make_moments(void *user)
{
    score_case *c = user;

    c->q = (csctrl_moments *)c;
    const csctrl_status status = csctrl_moments_create(&c->q, D);
    assert_true((status == CSCTRL_OK) == (c->q != NULL));
    return status;
}

static csctrl_status read_moments(void *user)
{
    score_case *c = user;

    c->q = (csctrl_moments *)c;
    const csctrl_status status = csctrl_moments_read(&c->q, c->path);
    assert_true((status == CSCTRL_OK) == (c->q != NULL));
    return status;
}

static void drop_moments(void *user)
{
    csctrl_moments_destroy(&((score_case *)user)->q);
}

static csctrl_status write_moments(void *user)
{
    score_case *c = user;

    return csctrl_moments_write(c->p, c->path);
}

static csctrl_status frechet(void *user)
{
    score_case *c = user;
    double distance;

    return csctrl_frechet_distance(c->p, c->p, &distance);
}

static csctrl_status kernel(void *user)
{
    score_case *c = user;
    csctrl_kernel_distance k;

    return csctrl_kernel_distance_compute(&c->a, &c->b, 2, 10, 1, &k);
}

static csctrl_status manifold(void *user)
{
    score_case *c = user;
    csctrl_manifold m;

    return csctrl_manifold_compute(&c->a, &c->b, 3, &m);
}

static csctrl_status inception_score(void *user)
{
    score_case *c = user;
    double mean, deviation;

    return csctrl_inception_score(&c->a, 2, 1, &mean, &deviation);
}

static csctrl_status knn(void *user)
{
    score_case *c = user;

    return csctrl_knn_classify(&c->a, c->labels, 3, 2, &c->b, c->found);
}

static csctrl_status probe(void *user)
{
    score_case *c = user;

    return csctrl_linear_probe_classify(&c->a, c->labels, 3, 1, &c->b, c->found);
}

static csctrl_status ms_ssim(void *user)
{
    score_case *c = user;
    double value;

    return csctrl_ms_ssim(&c->image, &c->image, &value);
}

static csctrl_status prepare(void *user)
{
    score_case *c = user;
    csctrl_tensor one = csctrl_tensor_view(CSCTRL_F32, 3, c->image.shape + 1, c->image.data);

    return csctrl_inception_prepare(&one, CSCTRL_RESIZE_CLEAN, &c->input);
}

static csctrl_status open_set(void *user)
{
    score_case *c = user;

    c->set = (csctrl_image_set *)c;
    const csctrl_status status = csctrl_image_set_open(&c->set, c->path);
    assert_true((status == CSCTRL_OK) == (c->set != NULL));
    return status;
}

static void close_set(void *user)
{
    csctrl_image_set_close(&((score_case *)user)->set);
}

static csctrl_status read_image(void *user)
{
    score_case *c = user;
    csctrl_tensor image;
    const csctrl_status status = csctrl_image_set_read(c->set, 0, &image);

    assert_true((status == CSCTRL_OK) == (image.data != NULL));
    csctrl_npy_free(&image);
    return status;
}

static score_case *case_make(void)
{
    enum { SIDE = CSCTRL_MS_SSIM_LEAST, NET = CSCTRL_INCEPTION_SIDE };
    score_case *c = calloc(1, sizeof *c);

    assert_non_null(c);
    fill_features(&c->f);
    c->a = rows_of(c->f.a, NA);
    c->b = rows_of(c->f.b, NB);
    c->image = csctrl_tensor_view(CSCTRL_F32, 4, (const int64_t[]){1, 1, SIDE, SIDE},
                                  calloc((size_t)SIDE * SIDE, sizeof(float)));
    c->input = csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){3, NET, NET},
                                  calloc((size_t)3 * NET * NET, sizeof(float)));
    assert_true(c->image.data != NULL && c->input.data != NULL);
    expect_ok(csctrl_moments_create(&c->p, D));
    expect_ok(csctrl_moments_add(c->p, &c->a));
    return c;
}

static void case_free(score_case *c)
{
    csctrl_moments_destroy(&c->p);
    free(c->image.data);
    free(c->input.data);
    free(c);
}

static void test_scores(void **state)
{
    score_case *c = case_make();

    (void)state;
    assert_true(torture("moments_create", make_moments, drop_moments, c) > 0);
    assert_true(torture("frechet_distance", frechet, NULL, c) > 0);
    assert_true(torture("kernel_distance", kernel, NULL, c) > 0);
    assert_true(torture("manifold", manifold, NULL, c) > 0);
    assert_true(torture("inception_score", inception_score, NULL, c) > 0);
    assert_true(torture("knn_classify", knn, NULL, c) > 0);
    assert_true(torture("linear_probe_classify", probe, NULL, c) > 0);
    assert_true(torture("ms_ssim", ms_ssim, NULL, c) > 0);
    assert_true(torture("inception_prepare", prepare, NULL, c) > 0);
    case_free(c);
}

static void test_files(void **state)
{
    score_case *c = case_make();

    c->path = temp_path(state, "a.npz");
    assert_true(torture("moments_write", write_moments, NULL, c) > 0);
    assert_true(torture("moments_read", read_moments, drop_moments, c) > 0);
    put_png(state, "set/a.png", 9, 7, 3);
    put_png(state, "set/below/b.png", 9, 7, 1);
    c->path = temp_path(state, "set");
    assert_true(torture("image_set_open", open_set, close_set, c) > 0);
    tar_file *tar = tar_begin(state, "set.tar.gz");
    tar_add_png(tar, "a.png", 9, 7, 3);
    tar_end(tar);
    c->path = temp_path(state, "set.tar.gz");
    assert_true(torture("image_set_open tar.gz", open_set, close_set, c) > 0);
    expect_ok(csctrl_image_set_open(&c->set, c->path));
    assert_true(torture("image_set_read", read_image, NULL, c) > 0);
    csctrl_image_set_close(&c->set);
    case_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scores),
        cmocka_unit_test_setup_teardown(test_files, temp_make, temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
