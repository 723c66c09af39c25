/* test_loader.c - batches are a pure function of seed and number, whatever the threads do. */
#define _DEFAULT_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/augment.h"
#include "data/loader.h"
#include "data/order.h"
#include "data/source.h"
#include "support/dataset_files.h"
#include "support/expect.h"
#include "support/temp.h"

enum { SIDE = 4, PLANE = SIDE * SIDE };

static csctrl_dataset *open_set(csctrl_config *config)
{
    csctrl_dataset *set;

    expect_ok(csctrl_dataset_open(&set, config, CSCTRL_SPLIT_TRAIN));
    csctrl_config_destroy(&config);
    return set;
}

/* `count` IDX images, number i filled with the value i (count <= 256), label i % 3. */
static csctrl_dataset *numbered_set(void **state, int count)
{
    uint8_t values[256 * PLANE];

    for (int i = 0; i < count * PLANE; i++)
        values[i] = (uint8_t)(i / PLANE);
    put_idx_part(state, "set", "train", "", count, SIDE, 3);
    put_idx(state, "set/train-images-idx3-ubyte", 3,
            (const uint32_t[]){(uint32_t)count, SIDE, SIDE}, values, (size_t)count * PLANE, 0);
    return open_set(config_at(state, "set", "data.size=4", "data.holdout=0", NULL));
}

/* Images that change from pixel to pixel. */
static csctrl_dataset *textured_set(void **state, int count)
{
    put_idx_part(state, "set", "train", "", count, SIDE, 3);
    return open_set(config_at(state, "set", "data.size=4", "data.holdout=0", NULL));
}

static int number_of(const ct_tensor *images, int64_t index)
{
    return ((const uint8_t *)images->data)[index * PLANE];
}

static void expect_crop(ct_crop crop, ct_crop expected)
{
    assert_int_equal(crop.dx, expected.dx);
    assert_int_equal(crop.dy, expected.dy);
    assert_int_equal(crop.flip, expected.flip);
}

static ct_loader *start(csctrl_dataset *set, const ct_loader_options *options)
{
    ct_loader *loader;

    expect_ok(ct_loader_create(&loader, set, options));
    return loader;
}

/* FNV of `batches` batches, pixels, labels and crops; per batch in hashes when that is not NULL. */
static uint64_t run(csctrl_dataset *set, const ct_loader_options *options, int batches,
                    uint64_t *hashes)
{
    ct_loader *loader = start(set, options);
    uint64_t all = CT_FNV_START;

    for (int b = 0; b < batches; b++) {
        ct_batch batch;
        expect_ok(ct_loader_next(loader, &batch));
        const size_t n = (size_t)batch.images.shape[0];
        uint64_t hash = ct_fnv(CT_FNV_START, batch.images.data, ct_tensor_bytes(&batch.images));
        hash = ct_fnv(hash, batch.labels, n * sizeof *batch.labels);
        for (size_t i = 0; i < n && batch.crops != NULL; i++) {
            const ct_crop *v = &batch.crops[i];
            hash = ct_fnv(hash, (const int[]){v->dx, v->dy, v->flip}, 3 * sizeof(int));
        }
        all = ct_fnv(all, &hash, sizeof hash);
        if (hashes != NULL)
            hashes[b] = hash;
    }
    ct_loader_destroy(&loader);
    assert_null(loader);
    return all;
}

static void test_every_image_once(void **state)
{
    csctrl_dataset *set = numbered_set(state, 50);
    ct_loader *loader =
        start(set, &(ct_loader_options){.seed = 1, .batch = 10, .threads = 2, .prefetch = 3});
    int orders[3][50];

    assert_int_equal(ct_loader_batches_per_epoch(loader), 5);
    for (int epoch = 0; epoch < 3; epoch++) {
        bool seen[50] = {false};
        for (int b = 0; b < 5; b++) {
            ct_batch batch;
            expect_ok(ct_loader_next(loader, &batch));
            assert_int_equal(batch.images.dtype, CSCTRL_U8);
            assert_int_equal(batch.images.ndim, 4);
            assert_int_equal(batch.images.shape[0], 10);
            assert_int_equal(batch.images.shape[1], 1);
            assert_int_equal(batch.images.shape[2], SIDE);
            assert_int_equal(batch.images.shape[3], SIDE);
            for (int i = 0; i < 10; i++) {
                const int number = number_of(&batch.images, i);
                assert_in_range(number, 0, 49);
                assert_false(seen[number]);
                seen[number] = true;
                assert_int_equal(batch.labels[i], number % 3);
                orders[epoch][10 * b + i] = number;
            }
        }
    }
    assert_memory_not_equal(orders[0], orders[1], sizeof orders[0]);
    assert_memory_not_equal(orders[1], orders[2], sizeof orders[0]);
    assert_int_equal(ct_loader_broken(loader), 0);
    ct_loader_destroy(&loader);
    csctrl_dataset_close(&set);
}

static void test_threads_and_prefetch_do_not_matter(void **state)
{
    static const struct {
        int threads, prefetch;
    } ways[] = {{1, 1}, {4, 1}, {2, 4}, {4, 4}, {8, 40}};
    csctrl_dataset *set = textured_set(state, 47);
    ct_loader_options options = {.seed = 9, .batch = 9, .flip = true, .crop_pad = 2};
    uint64_t first = 0;

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        options.threads = ways[i].threads;
        options.prefetch = ways[i].prefetch;
        const uint64_t hash = run(set, &options, 23, NULL); /* 4 epochs and a bit */
        first = i == 0 ? hash : first;
        assert_true(hash == first);
    }
    options.seed = 10;
    assert_true(run(set, &options, 23, NULL) != first);
    options.seed = 9;
    options.flip = false;
    assert_true(run(set, &options, 23, NULL) != first);
    csctrl_dataset_close(&set);
}

/* Batches as large as the set: many epochs are in flight at once. */
static void test_small_set(void **state)
{
    csctrl_dataset *set = numbered_set(state, 9);
    ct_loader_options options = {.seed = 2, .batch = 9, .threads = 1, .prefetch = 1};
    const uint64_t first = run(set, &options, 60, NULL);

    options.threads = 4;
    options.prefetch = 16;
    assert_true(run(set, &options, 60, NULL) == first);
    csctrl_dataset_close(&set);
}

static void test_start_in_the_middle(void **state)
{
    csctrl_dataset *set = textured_set(state, 40);
    ct_loader_options options = {
        .seed = 3, .batch = 7, .threads = 2, .prefetch = 3, .flip = true, .crop_pad = 1};
    uint64_t whole[20], part[20];

    run(set, &options, 20, whole);
    for (int k = 1; k < 20; k += 3) {
        options.start = k;
        run(set, &options, 20 - k, part);
        assert_memory_equal(whole + k, part, (size_t)(20 - k) * sizeof *part);
    }
    csctrl_dataset_close(&set);
}

/* Stopping while threads decode, wait, or have not begun. */
static void test_shutdown_at_any_moment(void **state)
{
    csctrl_dataset *set = numbered_set(state, 60);

    for (int i = 0; i < 60; i++) {
        const ct_loader_options options = {
            .seed = 4, .batch = 8, .threads = 1 + i % 4, .prefetch = 1 + i % 3};
        ct_loader *loader = start(set, &options);
        for (int b = 0; b < i % 5; b++) {
            ct_batch batch;
            expect_ok(ct_loader_next(loader, &batch));
        }
        ct_loader_destroy(&loader);
        ct_loader_destroy(&loader);
    }
    ct_loader_destroy(NULL);
    csctrl_dataset_close(&set);
}

static void test_no_allocation_after_create(void **state)
{
    csctrl_memory_stats before, after;
    ct_batch batch;

    put_idx_part(state, "set", "train", "", 100, 7, 3); /* 7 -> 4 pixels: resized on the way */
    csctrl_dataset *set =
        open_set(config_at(state, "set", "data.size=4", "data.channels=3", "data.holdout=0", NULL));
    const ct_loader_options options = {
        .seed = 5, .batch = 10, .threads = 1, .prefetch = 2, .flip = true, .crop_pad = 1};
    csctrl_memory_get_stats(&before);
    ct_loader *loader = start(set, &options);
    expect_ok(ct_loader_next(loader, &batch));
    csctrl_memory_get_stats(&after);
    const size_t held = after.bytes - before.bytes, promised = ct_loader_memory(set, &options);
    assert_true(held >= promised && held < promised + 4096);
    before = after;
    for (int b = 0; b < 50; b++)
        expect_ok(ct_loader_next(loader, &batch));
    csctrl_memory_get_stats(&after);
    assert_int_equal(after.allocations, before.allocations);
    ct_loader_destroy(&loader);
    csctrl_dataset_close(&set);
}

/* A file with the signature of a PNG and nothing else: the open takes it, decoding fails. */
static csctrl_dataset *partly_broken_set(void **state, int count, int broken_every)
{
    char name[64];

    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "set/%c/%02d.png", "ab"[i % 2], i);
        if (i % broken_every == 0)
            put_file(state, name, "\x89PNG\r\n\x1a\n broken", 15);
        else
            put_png(state, name, 4 + i % 5, 6, 1);
    }
    return open_set(config_at(state, "set", "data.size=4", "data.holdout=0", NULL));
}

static void test_broken_files_are_replaced(void **state)
{
    csctrl_dataset *set = partly_broken_set(state, 30, 6); /* 5 of 30 */
    ct_loader_options options = {.seed = 6, .batch = 6, .threads = 1, .prefetch = 2};
    static log_list log;
    ct_batch batch;

    const uint64_t first = run(set, &options, 20, NULL);
    for (int threads = 2; threads <= 4; threads++) {
        options.threads = threads;
        assert_true(run(set, &options, 20, NULL) == first);
    }
    csctrl_log_set(log_collect, &log);
    ct_loader *loader = start(set, &options);
    for (int b = 0; b < 20; b++)
        expect_ok(ct_loader_next(loader, &batch));
    assert_int_equal(ct_loader_broken(loader), 5);
    ct_loader_destroy(&loader);
    csctrl_log_set(NULL, NULL);
    assert_int_equal(log.count, 5); /* each named once */
    for (int i = 0; i < 30; i += 6) {
        char name[64];
        snprintf(name, sizeof name, "set/a/%02d.png", i);
        assert_int_equal(log_count(&log, name), 1);
    }
    csctrl_dataset_close(&set);
}

/* The replacement is the next usable image of the epoch's order, with that one's crop. The bytes
 * are those of the file, whatever the crop. */
static void test_replacement_rule(void **state)
{
    uint8_t good[30] = {0};
    uint32_t order[10];
    csctrl_dataset *set = partly_broken_set(state, 10, 5);
    const ct_augmentation augmentation = {.seed = 7, .flip = true, .crop_pad = 2};
    ct_batch batch;

    for (int64_t i = 0; i < 10; i++) {
        float pixels[PLANE];
        csctrl_tensor view =
            csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){1, SIDE, SIDE}, pixels);
        good[i] = csctrl_dataset_read(set, i, &view, NULL) == CSCTRL_OK;
    }
    ct_order_fill(7, 0, order, 10);
    ct_loader *loader = start(
        set, &(ct_loader_options){
                 .seed = 7, .batch = 10, .threads = 1, .prefetch = 1, .flip = true, .crop_pad = 2});
    expect_ok(ct_loader_next(loader, &batch));
    for (int64_t i = 0; i < 10; i++) {
        float pixels[PLANE];
        int64_t label, at = i;
        csctrl_tensor view =
            csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){1, SIDE, SIDE}, pixels);
        while (!good[order[at % 10]])
            at++;
        expect_ok(csctrl_dataset_read(set, order[at % 10], &view, &label));
        for (int p = 0; p < PLANE; p++)
            assert_true(pixels[p] ==
                        ct_tensor_pixel(((const uint8_t *)batch.images.data)[i * PLANE + p]));
        assert_int_equal(batch.labels[i], label);
        expect_crop(batch.crops[i], ct_augment(&augmentation, 0, order[at % 10]));
    }
    ct_loader_destroy(&loader);
    csctrl_dataset_close(&set);
}

static void test_all_files_broken(void **state)
{
    csctrl_dataset *set = partly_broken_set(state, 8, 1);
    ct_loader *loader =
        start(set, &(ct_loader_options){.seed = 1, .batch = 4, .threads = 3, .prefetch = 2});
    ct_batch batch;

    for (int i = 0; i < 3; i++)
        expect_fail(ct_loader_next(loader, &batch), CSCTRL_E_FORMAT,
                    "all of the 8 training images are broken");
    assert_int_equal(ct_loader_broken(loader), 8);
    ct_loader_destroy(&loader);
    csctrl_dataset_close(&set);
}

/* Files that vanish after the open are as good as broken. */
static void test_files_vanish(void **state)
{
    csctrl_dataset *set = partly_broken_set(state, 12, 100);
    ct_batch batch;

    expect_ok(ct_fs_remove_tree(temp_path(state, "set/b")));
    ct_loader *loader =
        start(set, &(ct_loader_options){.seed = 1, .batch = 12, .threads = 2, .prefetch = 1});
    expect_ok(ct_loader_next(loader, &batch));
    for (int i = 0; i < 12; i++)
        assert_int_equal(batch.labels[i], 0);
    assert_int_equal(ct_loader_broken(loader), 7); /* number 0 is broken, 1, 3 ... 11 are gone */
    ct_loader_destroy(&loader);
    csctrl_dataset_close(&set);
}

static void test_options(void **state)
{
    csctrl_dataset *set = numbered_set(state, 20);
    ct_loader *loader = (ct_loader *)1;
    const ct_loader_options good = {.batch = 20, .threads = 1, .prefetch = 1};
    ct_loader_options options = good;

    options.batch = 21;
    expect_fail(ct_loader_create(&loader, set, &options), CSCTRL_E_CONFIG,
                "expected at least one batch of 21 images, found 20; lower train.batch");
    assert_null(loader);
    options = good;
    options.threads = 0;
    expect_fail(ct_loader_create(&loader, set, &options), CSCTRL_E_INVALID, "found 20, 0 and 1");
    options = good;
    options.start = -1;
    expect_fail(ct_loader_create(&loader, set, &options), CSCTRL_E_INVALID, "no negative");
    for (uint64_t n = 1;; n++) { /* each allocation fails once */
        ct_mem_fail_from(n);
        const csctrl_status status = ct_loader_create(&loader, set, &good);
        ct_mem_fail_from(0);
        if (status == CSCTRL_OK)
            break;
        assert_int_equal(status, CSCTRL_E_NOMEM);
        assert_null(loader);
        assert_true(n < 50);
    }
    ct_loader_destroy(&loader);
    csctrl_dataset_close(&set);
}

/* Memory that runs out in a decoding thread is an error of next, not a broken file. */
static void test_failing_memory_in_threads(void **state)
{
    csctrl_dataset *set = partly_broken_set(state, 8, 100);
    ct_batch batch;
    csctrl_status status = CSCTRL_OK;
    ct_loader *loader =
        start(set, &(ct_loader_options){.seed = 1, .batch = 4, .threads = 2, .prefetch = 1});

    ct_mem_fail_from(1);
    for (int i = 0; i < 10 && status == CSCTRL_OK; i++)
        status = ct_loader_next(loader, &batch);
    ct_mem_fail_from(0);
    expect_fail(status, CSCTRL_E_NOMEM, "out of memory");
    assert_true(ct_loader_broken(loader) <= 1);
    ct_loader_destroy(&loader);
    csctrl_dataset_close(&set);
}

static void test_order(void **state)
{
    uint32_t order[100], again[100];
    bool seen[100] = {false};

    (void)state;
    ct_order_fill(1, 0, order, 100);
    for (int i = 0; i < 100; i++) {
        assert_in_range(order[i], 0, 99);
        assert_false(seen[order[i]]);
        seen[order[i]] = true;
    }
    ct_order_fill(1, 0, again, 100);
    assert_memory_equal(order, again, sizeof order);
    ct_order_fill(1, 1, again, 100);
    assert_memory_not_equal(order, again, sizeof order);
    ct_order_fill(1, 0, again, 1);
    assert_int_equal(again[0], 0);
    assert_int_equal(ct_order_epochs(1, 10), 1);
    assert_int_equal(ct_order_epochs(2, 10), 2);
    assert_int_equal(ct_order_epochs(11, 10), 2);
    assert_int_equal(ct_order_epochs(12, 10), 3);
    assert_int_equal(ct_order_epochs(5, 1), 5);
}

/* Every shift, mirrored and not, about as often as any other. */
static void test_augmentation(void **state)
{
    const ct_augmentation augmentation = {.seed = 1, .flip = true, .crop_pad = 2};
    int met[2][5][5] = {0};

    (void)state;
    for (int64_t image = 0; image < 5000; image++) {
        const ct_crop crop = ct_augment(&augmentation, 0, image);
        assert_in_range(crop.dx + 2, 0, 4);
        assert_in_range(crop.dy + 2, 0, 4);
        met[crop.flip][crop.dy + 2][crop.dx + 2]++;
    }
    for (int way = 0; way < 50; way++)
        assert_in_range(met[way / 25][way / 5 % 5][way % 5], 60, 140);
    expect_crop(ct_augment(&(ct_augmentation){.seed = 1}, 3, 5), (ct_crop){0});
}

/* A run that is resumed goes on with the crops that it began with. */
static void test_augmentation_is_pinned(void **state)
{
    const ct_augmentation augmentation = {.seed = 12, .flip = true, .crop_pad = 4};
    static const ct_crop expected[2][4] = {
        {{2, -4, true}, {4, -4, false}, {-2, -4, false}, {0, -3, true}},
        {{-1, 0, true}, {2, -2, false}, {3, 1, true}, {1, -3, false}}};

    (void)state;
    for (uint32_t epoch = 0; epoch < 2; epoch++)
        for (int64_t image = 0; image < 4; image++)
            expect_crop(ct_augment(&augmentation, epoch, 1000 * image), expected[epoch][image]);
}

/* Each is of the image and of the epoch; without flips and crops there are none. */
/* What is said to be ready is there; the one in use is not the next. */
static void test_ready(void **state)
{
    csctrl_dataset *set = numbered_set(state, 40);
    ct_loader *loader = start(set, &(ct_loader_options){.batch = 4, .threads = 2, .prefetch = 1});
    ct_batch batch;

    for (int i = 0; i < 30; i++) {
        while (!ct_loader_ready(loader))
            usleep(100);
        expect_ok(ct_loader_next(loader, &batch));
    }
    ct_loader_destroy(&loader);
    csctrl_dataset_close(&set);
}

static void test_crops(void **state)
{
    csctrl_dataset *set = numbered_set(state, 30);
    ct_loader_options options = {
        .seed = 8, .batch = 10, .threads = 2, .prefetch = 2, .flip = true, .crop_pad = 3};
    const ct_augmentation augmentation = {.seed = 8, .flip = true, .crop_pad = 3};
    ct_batch batch;

    ct_loader *loader = start(set, &options);
    for (uint32_t b = 0; b < 9; b++) {
        expect_ok(ct_loader_next(loader, &batch));
        for (int i = 0; i < 10; i++)
            expect_crop(batch.crops[i],
                        ct_augment(&augmentation, b / 3, number_of(&batch.images, i)));
    }
    ct_loader_destroy(&loader);
    options.flip = false;
    options.crop_pad = 0;
    loader = start(set, &options);
    expect_ok(ct_loader_next(loader, &batch));
    assert_null(batch.crops);
    ct_loader_destroy(&loader);
    csctrl_dataset_close(&set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_image_once, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_threads_and_prefetch_do_not_matter, temp_make,
                                        temp_remove),
        cmocka_unit_test_setup_teardown(test_small_set, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_start_in_the_middle, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_shutdown_at_any_moment, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_no_allocation_after_create, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_broken_files_are_replaced, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_replacement_rule, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_all_files_broken, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_files_vanish, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_options, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_failing_memory_in_threads, temp_make, temp_remove),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_augmentation),
        cmocka_unit_test(test_augmentation_is_pinned),
        cmocka_unit_test_setup_teardown(test_ready, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_crops, temp_make, temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
