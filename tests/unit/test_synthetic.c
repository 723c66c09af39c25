/* test_synthetic.c - the set that needs no files: reproducible, disjoint, with separable classes.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "support/dataset_files.h"
#include "support/expect.h"

enum { SIDE = 16, PLANE = SIDE * SIDE, MANY = 64 };

/* Images and labels 0..MANY-1 of a split; returns the count of the split. */
static int64_t read_images(csctrl_config *config, csctrl_split split, int channels,
                           float images[][3 * PLANE], int64_t *labels, csctrl_dataset_info *info)
{
    csctrl_dataset *set;

    expect_ok(csctrl_dataset_open(&set, config, split));
    csctrl_dataset_get_info(set, info);
    for (int64_t i = 0; i < MANY && i < info->count; i++) {
        csctrl_tensor view =
            csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){channels, SIDE, SIDE}, images[i]);
        expect_ok(csctrl_dataset_read(set, i, &view, &labels[i]));
    }
    const int64_t count = info->count;
    assert_string_equal(info->kind, "synthetic");
    assert_string_equal(info->path, "");
    csctrl_dataset_close(&set);
    return count;
}

static float first[MANY][3 * PLANE], second[MANY][3 * PLANE];

static void test_reproducible(void **state)
{
    csctrl_config *config =
        config_make("data.kind=synthetic", "data.size=16", "data.synthetic_count=300",
                    "data.synthetic_classes=7", NULL);
    int64_t labels[2][MANY];
    csctrl_dataset_info info[3];

    (void)state;
    assert_int_equal(read_images(config, CSCTRL_SPLIT_TRAIN, 1, first, labels[0], &info[0]), 300);
    assert_int_equal(read_images(config, CSCTRL_SPLIT_TRAIN, 1, second, labels[1], &info[1]), 300);
    assert_memory_equal(first, second, sizeof first);
    assert_memory_equal(labels[0], labels[1], sizeof labels[0]);
    assert_int_equal(info[0].classes, 7);
    assert_true(info[0].fingerprint == info[1].fingerprint);
    expect_ok(csctrl_config_set(config, "seed", "5"));
    read_images(config, CSCTRL_SPLIT_TRAIN, 1, second, labels[1], &info[2]);
    assert_memory_not_equal(first, second, sizeof first);
    assert_true(info[0].fingerprint != info[2].fingerprint);
    csctrl_config_destroy(&config);
}

static void test_splits_differ(void **state)
{
    csctrl_config *config =
        config_make("data.kind=synthetic", "data.size=16", "data.synthetic_count=64", NULL);
    int64_t labels[MANY];
    csctrl_dataset_info info;

    (void)state;
    assert_int_equal(read_images(config, CSCTRL_SPLIT_TRAIN, 1, first, labels, &info), 64);
    const int64_t test = read_images(config, CSCTRL_SPLIT_TEST, 1, second, labels, &info);
    assert_int_equal(test, 16);
    for (int64_t i = 0; i < 64; i++)
        for (int64_t j = 0; j < test; j++)
            assert_memory_not_equal(first[i], second[j], PLANE * sizeof(float));
    csctrl_config_destroy(&config);
}

static void test_pixels(void **state)
{
    csctrl_config *config = config_make("data.kind=synthetic", "data.size=16", "data.channels=3",
                                        "data.synthetic_classes=6", NULL);
    int64_t labels[MANY], held[6] = {0};
    csctrl_dataset_info info;

    (void)state;
    read_images(config, CSCTRL_SPLIT_TRAIN, 3, first, labels, &info);
    for (int i = 0; i < MANY; i++) {
        double sum = 0.0, square = 0.0, colour = 0.0;
        for (int p = 0; p < 3 * PLANE; p++) {
            assert_true(first[i][p] >= -1.0f && first[i][p] <= 1.0f);
            sum += (double)first[i][p];
            square += (double)first[i][p] * (double)first[i][p];
            colour += fabs((double)first[i][p] - (double)first[i][p % PLANE]);
        }
        const double mean = sum / (3 * PLANE);
        assert_true(square / (3 * PLANE) - mean * mean > 0.001); /* something is in it */
        assert_true(colour > 0.0);
        held[labels[i]]++;
    }
    for (int k = 0; k < 6; k++)
        assert_true(held[k] >= MANY / 6);
    csctrl_config_destroy(&config);
}

/* Classes have structure: the image that matches best is of the same class far more often than
 * chance would have it. */
static void test_classes_separable(void **state)
{
    csctrl_config *config =
        config_make("data.kind=synthetic", "data.size=16", "data.synthetic_classes=2", NULL);
    int64_t labels[MANY];
    csctrl_dataset_info info;
    int right = 0;

    (void)state;
    read_images(config, CSCTRL_SPLIT_TRAIN, 1, first, labels, &info);
    for (int i = 0; i < MANY; i++) {
        double best = -1.0;
        int64_t found = -1;
        for (int j = 0; j < MANY; j++) {
            double dot = 0.0, norm = 0.0;
            for (int p = 0; p < PLANE; p++) {
                dot += (double)first[i][p] * (double)first[j][p];
                norm += (double)first[j][p] * (double)first[j][p];
            }
            if (j != i && fabs(dot) / sqrt(norm) > best) {
                best = fabs(dot) / sqrt(norm);
                found = labels[j];
            }
        }
        right += found == labels[i];
    }
    assert_true(right > MANY * 3 / 4); /* chance: half */
    csctrl_config_destroy(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reproducible),
        cmocka_unit_test(test_splits_differ),
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_classes_separable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
