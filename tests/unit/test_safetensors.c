/* test_safetensors.c - bytes out equal bytes in, and every way a file can lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "io/safetensors.h"
#include "support/expect.h"
#include "support/temp.h"
#include "support/tiny.h"

static float floats[6] = {1.0f, -2.5f, 3.25f, 0.0f, 1e-30f, 7.0f};
static double doubles[3] = {0.1, 1e300, -0.0};
static uint8_t bytes[3] = {0, 128, 255};
static int64_t integers[2] = {INT64_MIN, 42};

/* 3 bytes of u8 before the doubles: those are not aligned in the file. */
static const ct_named_tensor four[] = {
    {"layer.0/W", {CSCTRL_F32, 2, {2, 3, 1, 1}, floats}},
    {"bytes", {CSCTRL_U8, 1, {3, 1, 1, 1}, bytes}},
    {"empty", {CSCTRL_F32, 2, {0, 5, 1, 1}, NULL}},
    {"d", {CSCTRL_F64, 4, {1, 1, 3, 1}, doubles}},
    {"step", {CSCTRL_I64, 0, {1, 1, 1, 1}, integers}},
};
enum { FOUR = sizeof four / sizeof four[0] };

static const ct_named_text notes[] = {{"format", "csctrl"}, {"a", "\"quoted\"\n\xC3\xA9"}};

static void test_write_and_read_back(void **state)
{
    const char *path = temp_path(state, "t.safetensors");
    ct_safetensors *f;

    expect_ok(ct_safetensors_write(path, four, FOUR, notes, 2));
    expect_ok(ct_safetensors_open(&f, path));
    assert_int_equal(ct_safetensors_count(f), FOUR);
    for (size_t i = 0; i < FOUR; i++) {
        const ct_tensor t = ct_safetensors_at(f, i), *want = &four[i].value;
        assert_string_equal(ct_safetensors_name(f, i), four[i].name);
        assert_int_equal(t.dtype, want->dtype);
        assert_int_equal(t.ndim, want->ndim);
        assert_memory_equal(t.shape, want->shape, sizeof t.shape);
        assert_int_equal((uintptr_t)t.data % csctrl_dtype_size(t.dtype), 0);
        if (want->data != NULL)
            assert_memory_equal(t.data, want->data, ct_tensor_bytes(want));
    }
    ct_tensor t;
    expect_ok(ct_safetensors_find(f, "step", &t));
    assert_true(*(const int64_t *)t.data == INT64_MIN);
    expect_fail(ct_safetensors_find(f, "stop", &t), CSCTRL_E_NOT_FOUND, "\"stop\"");
    assert_string_equal(ct_safetensors_metadata(f, "format"), "csctrl");
    assert_string_equal(ct_safetensors_metadata(f, "a"), notes[1].text);
    assert_null(ct_safetensors_metadata(f, "b"));
    ct_safetensors_close(&f);
    assert_null(f);
    ct_safetensors_close(&f);
}

static void test_file_is_as_specified(void **state)
{
    const char *path = temp_path(state, "t.safetensors");
    const char *want =
        "{\"__metadata__\":{\"format\":\"csctrl\"},\"bytes\":{\"dtype\":\"U8\",\"shape\":"
        "[3],\"data_offsets\":[0,3]},\"step\":{\"dtype\":\"I64\",\"shape\":[],"
        "\"data_offsets\":[3,11]}}";
    const ct_named_tensor two[] = {four[1], four[4]};
    unsigned char *file;
    size_t size;

    expect_ok(ct_safetensors_write(path, two, 2, notes, 1));
    expect_ok(ct_fs_read(path, 10000, &file, &size));
    const size_t length = (strlen(want) + 7) / 8 * 8;
    assert_int_equal(file[0] | file[1] << 8, length);
    assert_int_equal(size, 8 + length + 11);
    assert_memory_equal(file + 8, want, strlen(want));
    for (size_t i = strlen(want); i < length; i++)
        assert_int_equal(file[8 + i], ' ');
    assert_memory_equal(file + 8 + length, bytes, 3);
    ct_free(file);
}

static void test_order_is_kept_and_bytes_repeat(void **state)
{
    const ct_named_tensor swapped[] = {four[4], four[0]}, other[] = {four[0], four[4]};
    ct_safetensors *f;

    expect_ok(ct_safetensors_write(temp_path(state, "a"), swapped, 2, notes, 2));
    expect_ok(ct_safetensors_write(temp_path(state, "b"), swapped, 2, notes, 2));
    expect_ok(ct_safetensors_write(temp_path(state, "c"), other, 2, notes, 2));
    expect_same_file(temp_path(state, "a"), temp_path(state, "b"));
    expect_ok(ct_safetensors_open(&f, temp_path(state, "a")));
    assert_string_equal(ct_safetensors_name(f, 0), "step");
    ct_safetensors_close(&f);
    expect_ok(ct_safetensors_open(&f, temp_path(state, "c")));
    assert_string_equal(ct_safetensors_name(f, 0), "layer.0/W");
    ct_safetensors_close(&f);
}

static void test_nothing_at_all(void **state)
{
    ct_safetensors *f;

    expect_ok(ct_safetensors_write(temp_path(state, "none"), NULL, 0, NULL, 0));
    expect_ok(ct_safetensors_open(&f, temp_path(state, "none")));
    assert_int_equal(ct_safetensors_count(f), 0);
    assert_null(ct_safetensors_metadata(f, "format"));
    ct_safetensors_close(&f);
}

static void test_what_cannot_be_written(void **state)
{
    const char *path = temp_path(state, "t");
    const ct_named_tensor twice[] = {four[0], four[0]},
                          no_data = {"x", {CSCTRL_F32, 1, {1, 1, 1, 1}, NULL}},
                          latin = {"\xE9", four[0].value},
                          reserved = {"__metadata__", four[0].value},
                          typeless = {"x", {(csctrl_dtype)9, 1, {1, 1, 1, 1}, floats}};
    const ct_named_text same[] = {notes[0], notes[0]}, bad_text[] = {{"k", "\xFF"}};

    expect_fail(ct_safetensors_write(path, twice, 2, NULL, 0), CSCTRL_E_INVALID,
                "found \"layer.0/W\" twice");
    expect_fail(ct_safetensors_write(path, &no_data, 1, NULL, 0), CSCTRL_E_INVALID, "\"x\"");
    expect_fail(ct_safetensors_write(path, &typeless, 1, NULL, 0), CSCTRL_E_INVALID, "\"x\"");
    expect_fail(ct_safetensors_write(path, &latin, 1, NULL, 0), CSCTRL_E_INVALID, "UTF-8");
    expect_fail(ct_safetensors_write(path, &reserved, 1, NULL, 0), CSCTRL_E_INVALID,
                "no name for a tensor");
    expect_fail(ct_safetensors_write(path, NULL, 0, same, 2), CSCTRL_E_INVALID, "\"format\" twice");
    expect_fail(ct_safetensors_write(path, NULL, 0, bad_text, 1), CSCTRL_E_INVALID, "UTF-8");
    assert_false(ct_fs_exists(path));
    expect_fail(ct_safetensors_write(temp_path(state, "no/t"), four, 1, NULL, 0), CSCTRL_E_IO,
                "cannot create");
}

static void test_full_disk_leaves_no_file(void **state)
{
    const char *path = temp_path(state, "t");

    for (uint64_t n = 1; n <= 5; n++) {
        ct_fs_fail_writes_from(n);
        const csctrl_status status = ct_safetensors_write(path, four, FOUR, notes, 2);
        ct_fs_fail_writes_from(0);
        expect_fail(status, CSCTRL_E_IO, "No space left");
        assert_false(ct_fs_exists(path));
    }
    expect_ok(ct_safetensors_write(path, four, FOUR, notes, 2)); /* header and four parts */
}

/* ---- hostile files: a header text and a number of data bytes */

static csctrl_status parse_text(const char *json, size_t data_size)
{
    const size_t length = strlen(json), size = 8 + length + data_size;
    unsigned char *file = calloc(1, size); /* exact size: a sanitizer sees reads behind it */
    ct_safetensors *f = NULL;

    assert_non_null(file);
    for (int i = 0; i < 8; i++)
        file[i] = (unsigned char)((uint64_t)length >> (8 * i));
    memcpy(file + 8, json, length);
    const csctrl_status status = ct_safetensors_parse(&f, file, size, "x.st");
    assert_true((f != NULL) == (status == CSCTRL_OK));
    ct_safetensors_close(&f);
    free(file);
    return status;
}

static const struct {
    const char *json;
    size_t data;
    const char *part;
} lies[] = {
    {"", 0, "expected a JSON object"},
    {"[]", 0, "found: other JSON"},
    {"{\"a\":1}", 0, "\"a\": expected dtype, shape and data_offsets"},
    {"{\"a\":{}}", 0, "expected dtype, shape and data_offsets"},
    {"{} {}", 0, "expected a JSON object"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1}}", 1,
     "expected dtype, shape and data_offsets"},
    {"{\"a\":{\"dtype\":3,\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "expected a dtype"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":1,\"data_offsets\":[0,1]}}", 1, "expected a shape"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,1]}}", 1,
     "expected a shape of 0 to 4"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,1]}}", 1, "extents >= 0"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1.0],\"data_offsets\":[0,1]}}", 1, "extents >= 0"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
     "below 2^63"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[2305843009213693952],\"data_offsets\":[0,0]}}", 0,
     "below 2^63"},
    {"{\"a\":{\"dtype\":\"F64\",\"shape\":[0,4294967296,4294967296],\"data_offsets\":[0,0]}}", 0,
     "below 2^63"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[9223372036854775808],\"data_offsets\":[0,0]}}", 0,
     "expected a JSON object"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1, "expected data_offsets"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,0]}}", 1, "expected data_offsets"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]}}", 1,
     "expected data_offsets"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":\"01\"}}", 1,
     "expected data_offsets"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 1,
     "\"a\" ends at byte 2 of the data, but the file has only 1"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
     "expected 8 bytes from its shape, found 4"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 2,
     "expected 1 bytes of data, found 2: the file is too long"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2,
     "expected it to begin at byte 0 of the data, found 1: tensors leave a gap"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},"
     "\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[1,3]}}",
     3, "\"b\": expected it to begin at byte 2 of the data, found 1: tensors overlap"},
    {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},"
     "\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}",
     2, "duplicate"},
    {"{\"__metadata__\":[]}", 0, "__metadata__ to be an object"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "expected text for \"k\""},
    {"{\"a\\n\":1}", 0, "\"a?\""},
};

static void test_lies_are_found(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        const csctrl_status status = parse_text(lies[i].json, lies[i].data);
        expect_fail(status, CSCTRL_E_FORMAT, lies[i].part);
        assert_non_null(strstr(csctrl_last_error(), "x.st"));
    }
    expect_fail(parse_text("{\"a\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2),
                CSCTRL_E_UNSUPPORTED, "expected dtype F32, F64, U8 or I64, found BF16");
    expect_ok(parse_text("{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}  ", 1));
}

static void test_header_length_is_checked(void **state)
{
    const uint64_t lengths[] = {3, 100, 100000001, UINT64_MAX, UINT64_MAX - 7, (uint64_t)1 << 63};
    unsigned char file[10] = {2, 0, 0, 0, 0, 0, 0, 0, '{', '}'};
    ct_safetensors *f = NULL;

    (void)state;
    expect_ok(ct_safetensors_parse(&f, file, 10, "x"));
    ct_safetensors_close(&f);
    for (size_t k = 0; k < sizeof lengths / sizeof lengths[0]; k++) {
        for (int i = 0; i < 8; i++)
            file[i] = (unsigned char)(lengths[k] >> (8 * i));
        expect_fail(ct_safetensors_parse(&f, file, 10, "x"), CSCTRL_E_FORMAT,
                    "expected a header of at most 2 bytes");
    }
    for (size_t size = 0; size < 8; size++)
        expect_fail(ct_safetensors_parse(&f, file, size, "x"), CSCTRL_E_FORMAT, "at least 8 bytes");
}

static void test_deep_json(void **state)
{
    enum { DEEP = 1000000 };
    char *json = malloc(DEEP + 1);

    (void)state;
    assert_non_null(json);
    memset(json, '[', DEEP);
    json[DEEP] = '\0';
    expect_fail(parse_text(json, 0), CSCTRL_E_FORMAT, "depth");
    free(json);
}

static void test_every_truncation_is_found(void **state)
{
    const char *path = temp_path(state, "t");
    unsigned char *file;
    size_t size;
    ct_safetensors *f;

    expect_ok(ct_safetensors_write(path, four, FOUR, notes, 2));
    expect_ok(ct_fs_read(path, 10000, &file, &size));
    for (size_t n = 0; n < size; n++) {
        unsigned char *part = malloc(n + 1);
        assert_non_null(part);
        memcpy(part, file, n);
        expect_fail(ct_safetensors_parse(&f, part, n, "cut"), CSCTRL_E_FORMAT, "cut");
        assert_null(f);
        free(part);
    }
    ct_free(file);
    expect_fail(ct_safetensors_open(&f, temp_path(state, "none")), CSCTRL_E_NOT_FOUND, "none");
    expect_fail(ct_safetensors_open(&f, *state), CSCTRL_E_IO, "directory");
}

static void test_out_of_memory(void **state)
{
    const char *path = temp_path(state, "t");
    csctrl_memory_stats before, after;
    ct_safetensors *f;
    int failures = 0;

    csctrl_memory_get_stats(&before);
    for (uint64_t n = 1; n <= 8; n++) {
        ct_mem_fail_from(n);
        const csctrl_status written = ct_safetensors_write(path, four, FOUR, notes, 2);
        ct_mem_fail_from(0);
        assert_true(written == CSCTRL_OK || written == CSCTRL_E_NOMEM);
        expect_ok(ct_safetensors_write(path, four, FOUR, notes, 2));
        ct_mem_fail_from(n);
        const csctrl_status opened = ct_safetensors_open(&f, path);
        ct_mem_fail_from(0);
        assert_true(opened == CSCTRL_OK || opened == CSCTRL_E_NOMEM);
        failures += (written != CSCTRL_OK) + (opened != CSCTRL_OK);
        ct_safetensors_close(&f);
    }
    csctrl_memory_get_stats(&after);
    assert_in_range(failures, 4, 12);
    assert_int_equal(after.bytes, before.bytes);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, temp_make, temp_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_write_and_read_back),
        CASE(test_file_is_as_specified),
        CASE(test_order_is_kept_and_bytes_repeat),
        CASE(test_nothing_at_all),
        CASE(test_what_cannot_be_written),
        CASE(test_full_disk_leaves_no_file),
        cmocka_unit_test(test_lies_are_found),
        cmocka_unit_test(test_header_length_is_checked),
        cmocka_unit_test(test_deep_json),
        CASE(test_every_truncation_is_found),
        CASE(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
