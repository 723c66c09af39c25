/* test_npy.c - NumPy files: equal to NumPy's own bytes, and every way a header can lie. */
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
#include "io/npy.h"
#include "support/expect.h"
#include "support/temp.h"

static void test_round_trip(void **state)
{
    float f[6] = {1, 2, 3, 4, 5, 6};
    double d = 0.1;
    uint8_t u[3] = {1, 2, 255};
    int64_t i[4] = {INT64_MIN, -1, 0, 7};
    const csctrl_tensor all[] = {{CSCTRL_F32, 2, {2, 3, 1, 1}, f},
                                 {CSCTRL_F64, 0, {1, 1, 1, 1}, &d},
                                 {CSCTRL_U8, 1, {3, 1, 1, 1}, u},
                                 {CSCTRL_I64, 4, {1, 2, 1, 2}, i},
                                 {CSCTRL_F32, 3, {4, 0, 2, 1}, NULL}};

    for (size_t k = 0; k < sizeof all / sizeof all[0]; k++) {
        const char *path = temp_path(state, "t.npy");
        csctrl_tensor t;
        expect_ok(csctrl_npy_write(path, &all[k]));
        expect_ok(csctrl_npy_read(path, &t));
        assert_int_equal(t.dtype, all[k].dtype);
        assert_int_equal(t.ndim, all[k].ndim);
        assert_memory_equal(t.shape, all[k].shape, sizeof t.shape);
        assert_non_null(t.data);
        if (all[k].data != NULL)
            assert_memory_equal(t.data, all[k].data, ct_tensor_bytes(&t));
        csctrl_npy_free(&t);
        assert_null(t.data);
        csctrl_npy_free(&t);
    }
    csctrl_npy_free(NULL);
}

/* numpy.save of numpy.array([[1, 2]], "<f4"). */
static void test_bytes_equal_numpys(void **state)
{
    float f[2] = {1, 2};
    const csctrl_tensor t = {CSCTRL_F32, 2, {1, 2, 1, 1}, f};
    unsigned char want[136] = "\x93NUMPY\x01\x00v\x00{'descr': '<f4', 'fortran_order': False, "
                              "'shape': (1, 2), }";
    unsigned char *file;
    size_t size;

    for (size_t i = 10 + strlen((const char *)want + 10); i < 127; i++)
        want[i] = ' ';
    want[127] = '\n';
    memcpy(want + 128, f, 8);
    expect_ok(csctrl_npy_write(temp_path(state, "t.npy"), &t));
    expect_ok(ct_fs_read(temp_path(state, "t.npy"), 1000, &file, &size));
    assert_int_equal(size, 136);
    assert_memory_equal(file, want, 136);
    ct_free(file);
}

/* A file of the given version, header text and payload size, of exact length. */
static csctrl_status parse(int major, const char *header, size_t payload, ct_tensor *t)
{
    const size_t length = strlen(header), start = major == 1 ? 10 : 12;
    unsigned char *file = calloc(1, start + length + payload);
    size_t offset = 0;

    assert_non_null(file);
    memcpy(file, "\x93NUMPY", 6);
    file[6] = (unsigned char)major;
    file[8] = (unsigned char)length;
    file[9] = (unsigned char)(length >> 8);
    memcpy(file + start, header, length);
    const csctrl_status status = ct_npy_parse(file, start + length + payload, "x.npy", t, &offset);
    if (status == CSCTRL_OK)
        assert_int_equal(offset, start + length);
    assert_null(t->data);
    free(file);
    return status;
}

static void test_headers_that_are_fine(void **state)
{
    const struct {
        const char *header;
        size_t payload;
        int ndim;
        int64_t shape[4];
    } cases[] = {
        {"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }  \n", 24, 2, {2, 3, 1, 1}},
        {"{\"shape\":(3,),\"descr\":\"|u1\",\"fortran_order\":False}", 3, 1, {3, 1, 1, 1}},
        {"{'descr':'<i8','fortran_order':False,'shape':()}", 8, 0, {1, 1, 1, 1}},
        {"{'descr':'<f8','fortran_order':False,'shape':(1,2,1,2)}", 32, 4, {1, 2, 1, 2}},
        {"{'descr':'<f8','fortran_order':False,'shape':(0,5,)}", 0, 2, {0, 5, 1, 1}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int major = 1; major <= 3; major++) {
            ct_tensor t;
            expect_ok(parse(major, cases[i].header, cases[i].payload, &t));
            assert_int_equal(t.ndim, cases[i].ndim);
            assert_memory_equal(t.shape, cases[i].shape, sizeof t.shape);
        }
}

#define F4 "{'descr': '<f4', 'fortran_order': False, 'shape': "

static const struct {
    const char *header;
    size_t payload;
    csctrl_status status;
    const char *part;
} bad_headers[] = {
    {"", 0, CSCTRL_E_FORMAT, "expected a dict"},
    {"{}", 0, CSCTRL_E_FORMAT, "found no descr"},
    {"{'descr': '<f4'}", 0, CSCTRL_E_FORMAT, "found no fortran_order"},
    {"{'descr': '<f4', 'fortran_order': False}", 0, CSCTRL_E_FORMAT, "found no shape"},
    {"{'descr': '<f4', 'descr': '<f4'}", 0, CSCTRL_E_FORMAT, "repeated key \"descr\""},
    {"{'other': 1}", 0, CSCTRL_E_FORMAT, "unknown key \"other\""},
    {"{'descr' '<f4'}", 0, CSCTRL_E_FORMAT, "expected a colon"},
    {"{descr: '<f4'}", 0, CSCTRL_E_FORMAT, "expected a quoted word"},
    {"{'descr", 0, CSCTRL_E_FORMAT, "expected a quoted word"},
    {"{'descr': '<f4'; }", 0, CSCTRL_E_FORMAT, "expected a comma or the end of the dict"},
    {"{'descr': '<f4',", 0, CSCTRL_E_FORMAT, "expected a quoted word"},
    {F4 "(2,)} x", 8, CSCTRL_E_FORMAT, "expected nothing behind the dict"},
    {F4 "(2)}", 8, CSCTRL_E_FORMAT, "expected a comma"},
    {F4 "2}", 8, CSCTRL_E_FORMAT, "expected a tuple"},
    {F4 "(-2,)}", 8, CSCTRL_E_FORMAT, "expected an extent"},
    {F4 "(2,,)}", 8, CSCTRL_E_FORMAT, "expected an extent"},
    {F4 "(,)}", 8, CSCTRL_E_FORMAT, "expected an extent"},
    {F4 "(2 2)}", 8, CSCTRL_E_FORMAT, "expected a comma"},
    {F4 "(2,", 8, CSCTRL_E_FORMAT, "expected an extent"},
    {F4 "(99999999999999999999,)}", 8, CSCTRL_E_FORMAT, "below 2^63"},
    {F4 "(4611686018427387904,)}", 8, CSCTRL_E_FORMAT, "more elements than memory"},
    {F4 "(4294967296, 4294967296)}", 0, CSCTRL_E_FORMAT, "more elements than memory"},
    {F4 "(4294967296, 4294967296, 0)}", 0, CSCTRL_E_FORMAT, "more elements than memory"},
    {F4 "(2,)}", 7, CSCTRL_E_FORMAT,
     "expected 8 bytes of elements from the npy header, found 7: "
     "the file is truncated"},
    {F4 "(2,)}", 9, CSCTRL_E_FORMAT, "found 9: the file is too long"},
    {F4 "(1, 1, 1, 1, 1)}", 4, CSCTRL_E_UNSUPPORTED, "at most 4 dimensions"},
    {"{'descr': '>f4', 'fortran_order': False, 'shape': ()}", 4, CSCTRL_E_UNSUPPORTED,
     "expected dtype <f4, <f8, |u1 or <i8, found >f4"},
    {"{'descr': '|O', 'fortran_order': False, 'shape': ()}", 8, CSCTRL_E_UNSUPPORTED, "found |O"},
    {"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': ()}", 4, CSCTRL_E_UNSUPPORTED,
     "found records"},
    {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 2)}", 16, CSCTRL_E_UNSUPPORTED,
     "found Fortran order"},
    {"{'descr': '<f4', 'fortran_order': 0, 'shape': ()}", 4, CSCTRL_E_FORMAT, "True or False"},
};

static void test_headers_that_are_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_headers / sizeof bad_headers[0]; i++) {
        ct_tensor t;
        expect_fail(parse(1, bad_headers[i].header, bad_headers[i].payload, &t),
                    bad_headers[i].status, bad_headers[i].part);
        assert_non_null(strstr(csctrl_last_error(), "x.npy"));
    }
}

static void test_prefix(void **state)
{
    unsigned char file[16] = "\x93NUMPY\x01\x00\x06\x00";
    ct_tensor t;
    size_t offset;

    (void)state;
    for (size_t n = 0; n < 10; n++)
        expect_fail(ct_npy_parse(file, n, "x", &t, &offset), CSCTRL_E_FORMAT,
                    "expected an npy file");
    expect_fail(ct_npy_parse(file, 15, "x", &t, &offset), CSCTRL_E_FORMAT,
                "inside a file of 15 bytes, found one of 6");
    file[6] = 2;
    expect_fail(ct_npy_parse(file, 11, "x", &t, &offset), CSCTRL_E_FORMAT, "inside a file of 11");
    file[11] = 0xFF;
    expect_fail(ct_npy_parse(file, 16, "x", &t, &offset), CSCTRL_E_FORMAT,
                "found one of 4278190086");
    file[6] = 4;
    expect_fail(ct_npy_parse(file, 16, "x", &t, &offset), CSCTRL_E_UNSUPPORTED, "found 4.0");
    file[6] = 0;
    expect_fail(ct_npy_parse(file, 16, "x", &t, &offset), CSCTRL_E_UNSUPPORTED, "found 0.0");
    file[6] = 1;
    file[7] = 1;
    expect_fail(ct_npy_parse(file, 16, "x", &t, &offset), CSCTRL_E_UNSUPPORTED, "found 1.1");
    file[0] = 'N';
    expect_fail(ct_npy_parse(file, 16, "x", &t, &offset), CSCTRL_E_FORMAT, "expected an npy file");
}

static void test_files(void **state)
{
    float f[3] = {1, 2, 3};
    csctrl_tensor t = {CSCTRL_F32, 1, {3, 1, 1, 1}, f}, back;
    const char *path = temp_path(state, "t.npy");
    unsigned char *file;
    size_t size;

    expect_fail(csctrl_npy_read(path, &back), CSCTRL_E_NOT_FOUND, "t.npy");
    assert_null(back.data);
    expect_fail(csctrl_npy_read(*state, &back), CSCTRL_E_IO, "directory");
    expect_ok(csctrl_npy_write(path, &t));
    ct_fs_fail_writes_from(1);
    const csctrl_status status = csctrl_npy_write(path, &t);
    ct_fs_fail_writes_from(0);
    expect_fail(status, CSCTRL_E_IO, "No space left");
    expect_ok(ct_fs_read(path, 1000, &file, &size));
    for (size_t n = 0; n < size; n++) {
        expect_fail(csctrl_npy_read(temp_file(state, "cut.npy", file, n), &back), CSCTRL_E_FORMAT,
                    "cut.npy");
        assert_null(back.data);
    }
    ct_free(file);
    t.data = NULL;
    expect_fail(csctrl_npy_write(path, &t), CSCTRL_E_INVALID, "found f32[3]");
    t = (csctrl_tensor){(csctrl_dtype)9, 0, {1, 1, 1, 1}, f};
    expect_fail(csctrl_npy_write(path, &t), CSCTRL_E_INVALID, "expected a tensor with data");
}

static void test_out_of_memory(void **state)
{
    float f[3] = {1, 2, 3};
    const csctrl_tensor t = {CSCTRL_F32, 1, {3, 1, 1, 1}, f};
    const char *path = temp_path(state, "t.npy");
    csctrl_tensor back;

    expect_ok(csctrl_npy_write(path, &t));
    ct_mem_fail_from(1);
    const csctrl_status written = csctrl_npy_write(path, &t), read = csctrl_npy_read(path, &back);
    ct_mem_fail_from(0);
    assert_int_equal(written, CSCTRL_E_NOMEM);
    assert_int_equal(read, CSCTRL_E_NOMEM);
    assert_null(back.data);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, temp_make, temp_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_round_trip),
        CASE(test_bytes_equal_numpys),
        cmocka_unit_test(test_headers_that_are_fine),
        cmocka_unit_test(test_headers_that_are_not),
        cmocka_unit_test(test_prefix),
        CASE(test_files),
        CASE(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
