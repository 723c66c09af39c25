/* test_inception.c - what is no Inception weights is refused by name; images of wrong shapes and
 * types. That features are right is compared with PyTorch in tests/inception. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "csctrl/csctrl.h"
#include "io/safetensors.h"
#include "support/expect.h"
#include "support/temp.h"

enum { SIDE = CSCTRL_INCEPTION_SIDE, KERNEL = 32 * 3 * 3 * 3 };

static float numbers[KERNEL];

/* One tensor under one name, and the metadata. */
static const char *put(void **state, const char *format, const char *name, int64_t out)
{
    const char *path = temp_path(state, "net.safetensors");
    ct_named_tensor tensor = {name, CT_SHAPE(CSCTRL_F32, out, 3, 3, 3)};
    const ct_named_text texts[] = {{"format", format}, {"source", "unpinned test"}};

    tensor.value.data = numbers;
    expect_ok(ct_safetensors_write(path, &tensor, 1, texts, 2));
    return path;
}

static void test_other_files_are_refused(void **state)
{
    static const char ours[] = "csctrl-inception-1", first[] = "Conv2d_1a_3x3.conv.weight";
    csctrl_inception *net = (csctrl_inception *)numbers;
    const csctrl_status tried = csctrl_inception_create(&net, temp_path(state, "none"), 1);

    if (tried == CSCTRL_E_UNSUPPORTED)
        skip();
    assert_int_equal(tried, CSCTRL_E_NOT_FOUND);
    assert_null(net);
    expect_fail(csctrl_inception_create(&net, put(state, "csctrl-model-1", first, 32), 1),
                CSCTRL_E_FORMAT, "made by scripts/convert_inception.py");
    expect_fail(csctrl_inception_create(&net, put(state, ours, "fc.weight", 32), 1),
                CSCTRL_E_NOT_FOUND, first);
    expect_fail(csctrl_inception_create(&net, put(state, ours, first, 16), 1), CSCTRL_E_SHAPE,
                "expected f32[32, 3, 3, 3], found f32[16, 3, 3, 3]");
    expect_fail(csctrl_inception_create(&net, put(state, ours, first, 32), 1), CSCTRL_E_NOT_FOUND,
                "Conv2d_1a_3x3.bn.weight");
    expect_fail(csctrl_inception_create(&net, "x", -1), CSCTRL_E_INVALID, "found -1");
    assert_null(net);
    csctrl_inception_destroy(&net);
    csctrl_inception_destroy(NULL);
}

static csctrl_tensor input_of(void)
{
    csctrl_tensor t = csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){3, SIDE, SIDE}, NULL);

    t.data = calloc((size_t)csctrl_tensor_count(&t), sizeof(float));
    assert_non_null(t.data);
    return t;
}

/* A flat image stays flat in any way; floats are rounded as an image file would be; grey is
 * repeated. */
static void test_flat_images_stay_flat(void **state)
{
    uint8_t grey[6] = {200, 200, 200, 200, 200, 200};
    float floats[6];
    csctrl_tensor u8 = csctrl_tensor_view(CSCTRL_U8, 3, (const int64_t[]){1, 2, 3}, grey);
    csctrl_tensor f32 = csctrl_tensor_view(CSCTRL_F32, 3, (const int64_t[]){1, 2, 3}, floats);
    csctrl_tensor input = input_of();
    const float *x = input.data;

    (void)state;
    for (int i = 0; i < 6; i++)
        floats[i] = 200.3F / 127.5F - 1.0F; /* nearest level: 200 */
    for (int which = 0; which < 2; which++) {
        expect_ok(csctrl_inception_prepare(which ? &f32 : &u8, CSCTRL_RESIZE_CLEAN, &input));
        for (int i = 0; i < 3 * SIDE * SIDE; i++)
            assert_true(x[i] == (200.0F - 128) / 128);
        expect_ok(csctrl_inception_prepare(which ? &f32 : &u8, CSCTRL_RESIZE_PYTORCH, &input));
        for (int i = 0; i < 3 * SIDE * SIDE; i++)
            assert_float_equal(x[i], 2 * 200.0F / 255 - 1, 1e-6);
    }
    floats[0] = 7; /* out of range: as white */
    floats[1] = floats[2] = floats[3] = floats[4] = floats[5] = 1;
    expect_ok(csctrl_inception_prepare(&f32, CSCTRL_RESIZE_CLEAN, &input));
    assert_true(x[0] == (255.0F - 128) / 128 && x[SIDE * SIDE - 1] == x[0]);
    free(input.data);
}

static void test_misuse_is_told(void **state)
{
    uint8_t pixels[12] = {0};
    csctrl_tensor image = csctrl_tensor_view(CSCTRL_U8, 3, (const int64_t[]){2, 2, 3}, pixels);
    csctrl_tensor input = input_of();

    (void)state;
    expect_fail(csctrl_inception_prepare(&image, CSCTRL_RESIZE_CLEAN, &input), CSCTRL_E_SHAPE,
                "1 or 3 channels");
    image.shape[0] = 1;
    expect_fail(csctrl_inception_prepare(&image, (csctrl_resize)7, &input), CSCTRL_E_INVALID,
                "no such way to resize: 7");
    image.dtype = CSCTRL_F64;
    expect_fail(csctrl_inception_prepare(&image, CSCTRL_RESIZE_CLEAN, &input), CSCTRL_E_DTYPE,
                "image");
    image.dtype = CSCTRL_U8;
    input.shape[1] = 298;
    expect_fail(csctrl_inception_prepare(&image, CSCTRL_RESIZE_CLEAN, &input), CSCTRL_E_SHAPE,
                "299, 299");
    free(input.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_other_files_are_refused, temp_make, temp_remove),
        cmocka_unit_test(test_flat_images_stay_flat),
        cmocka_unit_test(test_misuse_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
