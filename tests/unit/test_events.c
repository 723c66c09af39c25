/* test_events.c - records with their checksums, histograms, event files. That TensorBoard reads
 * them is shown by the test tensorboard.read. */
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
#include "io/tfrecord.h"
#include "support/expect.h"
#include "support/temp.h"

/* RFC 3720, B.4, and the check value of the catalogue of CRCs. */
static void test_known_crcs(void **state)
{
    uint8_t data[32];

    (void)state;
    assert_int_equal(ct_crc32c("", 0), 0);
    assert_int_equal(ct_crc32c("123456789", 9), 0xe3069283);
    memset(data, 0, sizeof data);
    assert_int_equal(ct_crc32c(data, sizeof data), 0x8a9136aa);
    memset(data, 0xff, sizeof data);
    assert_int_equal(ct_crc32c(data, sizeof data), 0x62a8ab43);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)i;
    assert_int_equal(ct_crc32c(data, sizeof data), 0x46dd794e);
    for (size_t i = 0; i < sizeof data; i++)
        data[i] = (uint8_t)(31 - i);
    assert_int_equal(ct_crc32c(data, sizeof data), 0x113fdb5c);
}

static uint32_t get(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

static uint32_t unmasked(uint32_t value)
{
    value -= 0xa282ead8u;
    return value << 15 | value >> 17;
}

static void test_a_record(void **state)
{
    uint8_t record[CT_TFRECORD_HEAD + 9 + CT_TFRECORD_TAIL + 1];

    (void)state;
    memset(record, 0xee, sizeof record);
    memcpy(record + CT_TFRECORD_HEAD, "123456789", 9);
    ct_tfrecord_seal(record, 9);
    assert_memory_equal(record, "\x09\0\0\0\0\0\0\0", 8);
    assert_int_equal(unmasked(get(record + 8)), ct_crc32c(record, 8));
    assert_memory_equal(record + CT_TFRECORD_HEAD, "123456789", 9);
    assert_int_equal(unmasked(get(record + CT_TFRECORD_HEAD + 9)), 0xe3069283);
    assert_int_equal(record[sizeof record - 1], 0xee);
}

static void test_histograms(void **state)
{
    static const float values[] = {-1.0f, 0.0f, 0.0f, NAN, 3.0f, INFINITY, 1.0f};
    static const float same[] = {2.0f, 2.0f};
    ct_histogram h;
    double all = 0.0;

    (void)state;
    ct_histogram_fill(&h, values, sizeof values / sizeof values[0]);
    assert_true(h.min == -1.0 && h.max == 3.0 && h.count == 5.0 && h.sum == 3.0);
    assert_true(h.squares == 11.0);
    for (int b = 0; b < CT_HISTOGRAM_BUCKETS; b++) {
        all += h.buckets[b];
        assert_true(b == 0 || h.limits[b] > h.limits[b - 1]);
    }
    assert_true(all == 5.0 && h.limits[CT_HISTOGRAM_BUCKETS - 1] == 3.0);
    assert_true(h.buckets[0] == 1.0 && h.buckets[CT_HISTOGRAM_BUCKETS - 1] == 1.0);
    assert_true(h.buckets[CT_HISTOGRAM_BUCKETS / 4] == 2.0); /* the zeros */
    ct_histogram_fill(&h, same, 2);
    assert_true(h.min == 2.0 && h.max == 2.0 && h.buckets[0] == 2.0);
    ct_histogram_fill(&h, values + 3, 1);
    assert_true(h.count == 0.0 && h.min == 0.0 && h.max == 0.0);
}

/* Number of whole, sound records in a file, which holds nothing else. */
static int records_in(const char *path)
{
    unsigned char *data = NULL;
    size_t size = 0, at = 0;
    int count = 0;

    expect_ok(ct_fs_read(path, 1 << 20, &data, &size));
    while (at < size) {
        assert_true(size - at > CT_TFRECORD_HEAD + CT_TFRECORD_TAIL);
        const size_t length = get(data + at);
        assert_true(length <= size - at - CT_TFRECORD_HEAD - CT_TFRECORD_TAIL);
        assert_int_equal(unmasked(get(data + at + 8)), ct_crc32c(data + at, 8));
        at += CT_TFRECORD_HEAD;
        assert_int_equal(unmasked(get(data + at + length)), ct_crc32c(data + at, length));
        at += length + CT_TFRECORD_TAIL;
        count++;
    }
    ct_free(data);
    return count;
}

static void test_files(void **state)
{
    const ct_event_value one = {.tag = "a", .scalar = 1.5};
    ct_event_value many[CT_EVENT_VALUES + 1];
    char *first = NULL, *second = NULL;

    if (!ct_events_built())
        skip();
    for (int i = 0; i <= CT_EVENT_VALUES; i++)
        many[i] = one;
    expect_ok(ct_events_create(*state, 1, &first));
    expect_ok(ct_events_create(*state, 5, &second));
    assert_true(strcmp(first, second) < 0); /* read in this order */
    assert_non_null(strstr(first, "/events.out.tfevents."));
    assert_int_equal(records_in(first), 2);
    expect_ok(ct_events_write(first, 1, &one, 1));
    expect_ok(ct_events_write(first, 1, many, CT_EVENT_VALUES));
    expect_ok(ct_events_write(first, 1, &one, 0));
    assert_int_equal(records_in(first), 4);
    expect_fail(ct_events_write(first, 1, many, CT_EVENT_VALUES + 1), CSCTRL_E_INVALID,
                "at most 16 values, found 17");
    expect_fail(ct_events_write(temp_path(state, "none"), 1, &one, 1), CSCTRL_E_IO, "none");
    ct_fs_fail_writes_from(1);
    expect_fail(ct_events_write(first, 1, &one, 1), CSCTRL_E_IO, "cannot write");
    ct_fs_fail_writes_from(0);
    assert_int_equal(records_in(first), 4);
    ct_free(first);
    ct_free(second);
    expect_fail(ct_events_create(temp_path(state, "no/folder"), 1, &first), CSCTRL_E_NOT_FOUND,
                "no/folder");
    assert_null(first);
}

/* The clock was set back since: the new file is still read last. */
static void test_a_file_of_the_future(void **state)
{
    static const char *const odd[] = {"events.out.tfevents.txt", "events.out.tfevents.99999999999",
                                      "events.out.tfevents.9999999999.csctrl"};
    const char *future = temp_path(state, "events.out.tfevents.4000000000.csctrl.000");
    char *path = NULL;

    if (!ct_events_built())
        skip();
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++)
        temp_file(state, odd[i], "x", 1);
    temp_file(state, "events.out.tfevents.4000000000.csctrl.000", "x", 1);
    for (int i = 1; i <= 2; i++) {
        char name[64];
        expect_ok(ct_events_create(*state, 1, &path));
        snprintf(name, sizeof name, "events.out.tfevents.400000000%d.csctrl", i);
        assert_string_equal(path, temp_path(state, name));
        assert_true(strcmp(future, path) < 0);
        ct_free(path);
    }
}

static void test_every_failing_allocation_is_reported(void **state)
{
    const ct_event_value one = {.tag = "a", .scalar = 1.5};
    csctrl_status status = CSCTRL_E_NOMEM;
    int tries = 0;

    if (!ct_events_built())
        skip();
    while (status != CSCTRL_OK && tries < 100) {
        char *path = NULL, name[16];
        snprintf(name, sizeof name, "%d", ++tries);
        const char *folder = temp_path(state, name);
        expect_ok(ct_fs_mkdir(folder));
        ct_mem_fail_from((uint64_t)tries);
        status = ct_events_create(folder, 1, &path);
        if (status == CSCTRL_OK)
            status = ct_events_write(path, 1, &one, 1);
        ct_mem_fail_from(0);
        ct_free(path);
        assert_true(status == CSCTRL_OK || status == CSCTRL_E_NOMEM);
    }
    assert_int_equal(status, CSCTRL_OK);
    assert_true(tries > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_crcs),
        cmocka_unit_test(test_a_record),
        cmocka_unit_test(test_histograms),
        cmocka_unit_test_setup_teardown(test_files, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_a_file_of_the_future, temp_make, temp_remove),
        cmocka_unit_test_setup_teardown(test_every_failing_allocation_is_reported, temp_make,
                                        temp_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
