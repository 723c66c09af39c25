/* test_plans.c - cuDNN has plans for the convolutions of the presets on GPUs that are not there: it
 * is asked with a description of each, and compiles the fused ones. What they compute only a GPU
 * can tell (tests/ops). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "backend/cuda/cuda_device.h"
#include "backend/cuda/cuda_driver.h"

#if CUDNN_VERSION < 90800

int main(void)
{
    puts("skipped: before 9.8 cuDNN knows of no GPU but those that are there");
    return 77;
}

#else

/* ---- the module's surroundings */

static char message[512];

static csctrl_status tell(csctrl_status status, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return status;
}

static const char *last_error(void)
{
    return message;
}

static const ct_cuda_services services = {
    .fail = tell, .last_error = last_error, .calloc = calloc, .free = free};
const ct_cuda_services *ct_cuda_library = &services;

ct_cuda_device *ct_cuda_enter(ct_cuda_device *device)
{
    return device;
}

/* Descriptors that exist: of all calls, by the linker's --wrap. */
static int descriptors;

cudnnStatus_t __real_cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                                  cudnnBackendDescriptor_t *descriptor);
cudnnStatus_t __wrap_cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                                  cudnnBackendDescriptor_t *descriptor);
cudnnStatus_t __real_cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor);
cudnnStatus_t __wrap_cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor);

cudnnStatus_t __wrap_cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                                  cudnnBackendDescriptor_t *descriptor)
{
    const cudnnStatus_t status = __real_cudnnBackendCreateDescriptor(type, descriptor);

    descriptors += status == CUDNN_STATUS_SUCCESS;
    return status;
}

cudnnStatus_t __wrap_cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor)
{
    descriptors--;
    return __real_cudnnBackendDestroyDescriptor(descriptor);
}

/* Every engine config of which a plan is to be made is looked at. */
static ct_cuda_type type_now;
static int looked_at;

static void look_at_notes(cudnnBackendDescriptor_t config)
{
    cudnnBackendNumericalNote_t notes[32];
    cudnnBackendDescriptor_t engine = NULL;
    int64_t count = 0;

    assert_int_equal(cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine), 0);
    assert_int_equal(cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE,
                                              CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine),
                     0);
    assert_int_equal(cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE,
                                              CUDNN_TYPE_NUMERICAL_NOTE, 32, &count, notes),
                     0);
    for (int64_t i = 0; i < count; i++) {
        assert_int_not_equal(notes[i], CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
        if (type_now == CT_CUDA_F32)
            assert_int_not_equal(notes[i], CUDNN_NUMERICAL_NOTE_TENSOR_CORE);
    }
    cudnnBackendDestroyDescriptor(engine);
    looked_at++;
}

cudnnStatus_t __real_cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                              cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, int64_t count,
                                              const void *values);
cudnnStatus_t __wrap_cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                              cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, int64_t count,
                                              const void *values);

cudnnStatus_t __wrap_cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                              cudnnBackendAttributeName_t name,
                                              cudnnBackendAttributeType_t type, int64_t count,
                                              const void *values)
{
    if (name == CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG)
        look_at_notes(*(const cudnnBackendDescriptor_t *)values);
    return __real_cudnnBackendSetAttribute(descriptor, name, type, count, values);
}

/* ---- GPUs, as cuDNN describes them */

#define DESCRIPTION(name, version, processors, shared, l2, clock)                                  \
    "{\"deviceName\": \"" name "\", \"deviceVer\": " version                                       \
    ", \"multiProcessorCount\": " processors ", \"maxSharedMemoryPerBlockOptin\": " shared         \
    ", \"l2CacheSize\": " l2 ", \"smClockRateKHz\": " clock                                        \
    ", \"cudaDeviceId\": 0, \"driverVer\": 13000, \"totalGlobalMem\": 80000000000, "               \
    "\"memClockRateKHz\": 2600000, \"maxGridSize\": [2147483647, 65535, 65535], "                  \
    "\"maxBlockSize\": [1024, 1024, 64], \"regsPerBlock\": 65536, \"warpSize\": 32, "              \
    "\"maxSharedMemoryPerBlock\": 49152, \"reservedSharedMemoryPerBlock\": 1024, "                 \
    "\"maxRegistersPerSM\": 65536, \"maxCtasPerSM\": 32, \"maxThreadsPerBlock\": 1024, "           \
    "\"maxThreadsPerSM\": 2048, \"pciDeviceId\": 0, \"isTccDriver\": 0, "                          \
    "\"supportCoopLaunch\": 1}"

static const char *const gpus[] = {
    DESCRIPTION("A100", "800", "108", "166912", "41943040", "1410000"),
    DESCRIPTION("H200", "900", "132", "232448", "62914560", "1980000"),
};
enum { GPUS = 2 };

static ct_cuda_device describe(const char *gpu)
{
    ct_cuda_device d = {0};
    cudnnBackendDescriptor_t *const p = &d.dnn.properties;

    assert_int_equal(cudnnBackendCreateDescriptor(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR, p), 0);
    assert_int_equal(cudnnBackendSetAttribute(*p, CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
                                              CUDNN_TYPE_CHAR, (int64_t)strlen(gpu) + 1, gpu),
                     0);
    assert_int_equal(cudnnBackendFinalize(*p), 0);
    return d;
}

static void forget(ct_cuda_device *d)
{
    cudnnBackendDestroyDescriptor(d->dnn.properties);
    assert_int_equal(descriptors, 0);
}

/* ---- layers: the default stack, those of the largest preset, and odd ones */

static ct_geom layer(int n, int c, int size, int atoms, int kernel, int stride, int pad)
{
    const int out = (size + 2 * pad - kernel) / stride + 1;

    return (ct_geom){.n = n,
                     .h = size,
                     .w = size,
                     .c = c,
                     .oh = out,
                     .ow = out,
                     .atoms = atoms,
                     .kernel = kernel,
                     .stride = stride,
                     .pad = pad};
}

static ct_cuda_conv *open_conv(ct_cuda_device *d, const ct_geom *g, ct_cuda_type type)
{
    ct_cuda_conv *conv = NULL;
    size_t workspace = 0;

    message[0] = '\0';
    type_now = type;
    const csctrl_status status = ct_cuda_conv_open(d, g, type, &conv, &workspace);
    if (status != CSCTRL_OK)
        print_message("%d channels of %dx%d, type %d: %s\n", g->c, g->h, g->w, (int)type, message);
    assert_int_equal(status, CSCTRL_OK);
    assert_true(workspace <= (size_t)1 << 30);
    return conv;
}

static void test_products(void **state)
{
    const ct_geom layers[] = {
        layer(1024, 3, 32, 16, 4, 2, 1),   layer(1024, 16, 16, 32, 4, 2, 1),
        layer(1024, 32, 8, 64, 4, 2, 1),   layer(1024, 64, 4, 64, 4, 1, 0),
        layer(256, 3, 128, 64, 4, 2, 1),   layer(256, 64, 64, 128, 4, 2, 1),
        layer(256, 512, 8, 1024, 4, 2, 1), layer(256, 1024, 4, 128, 4, 1, 0),
        layer(64, 1, 32, 16, 4, 2, 1),     layer(7, 3, 9, 5, 3, 1, 1),
        layer(1, 3, 32, 32, 5, 1, 2),
    };
    const ct_cuda_type types[] = {CT_CUDA_F32, CT_CUDA_TF32, CT_CUDA_BF16};

    (void)state;
    for (int gpu = 0; gpu < GPUS; gpu++) {
        ct_cuda_device d = describe(gpus[gpu]);
        for (size_t l = 0; l < sizeof layers / sizeof *layers; l++)
            for (size_t t = 0; t < 3; t++) {
                ct_cuda_conv *conv = open_conv(&d, &layers[l], types[t]);
                ct_cuda_conv_close(&d, &conv);
                assert_null(conv);
            }
        forget(&d);
    }
    assert_true(looked_at >= 2 * (int)(sizeof layers / sizeof *layers) * 3 * 3);
}

static void test_fused(void **state)
{
    const ct_geom first = layer(1024, 3, 32, 16, 4, 2, 1), middle = layer(1024, 32, 8, 64, 4, 2, 1);

    (void)state;
    for (int gpu = 0; gpu < GPUS; gpu++) {
        ct_cuda_device d = describe(gpus[gpu]);
        ct_cuda_conv *conv = open_conv(&d, &middle, CT_CUDA_BF16);
        for (int what = 0; what < CT_CUDA_FUSED_COUNT; what++) {
            assert_true(ct_cuda_conv_fuses(&d, conv, (ct_cuda_fused)what));
            assert_true(ct_cuda_conv_fuses(&d, conv, (ct_cuda_fused)what)); /* not made again */
        }
        ct_cuda_conv_close(&d, &conv);
        conv = open_conv(&d, &first, CT_CUDA_BF16);
        print_message("residual of three channels fused: %d\n",
                      ct_cuda_conv_fuses(&d, conv, CT_CUDA_RESIDUAL));
        assert_true(ct_cuda_conv_fuses(&d, conv, CT_CUDA_SHRINK_FIRST));
        ct_cuda_conv_close(&d, &conv);
        conv = open_conv(&d, &middle, CT_CUDA_TF32);
        assert_true(ct_cuda_conv_fuses(&d, conv, CT_CUDA_RESIDUAL));
        assert_true(ct_cuda_conv_fuses(&d, conv, CT_CUDA_STEP_BACKWARD));
        ct_cuda_conv_close(&d, &conv);
        conv = open_conv(&d, &middle, CT_CUDA_F32);
        for (int what = 0; what < CT_CUDA_FUSED_COUNT; what++)
            assert_false(ct_cuda_conv_fuses(&d, conv, (ct_cuda_fused)what));
        ct_cuda_conv_close(&d, &conv);
        forget(&d);
    }
}

static void test_too_large(void **state)
{
    ct_cuda_device d = describe(gpus[1]);
    const ct_geom g = layer(70000, 64, 32, 64, 3, 1, 1);
    ct_cuda_conv *conv = NULL;
    size_t workspace = 0;

    (void)state;
    assert_int_equal(ct_cuda_conv_open(&d, &g, CT_CUDA_BF16, &conv, &workspace), CSCTRL_E_CONFIG);
    assert_non_null(strstr(message, "lower train.batch"));
    assert_null(conv);
    forget(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_fused),
        cmocka_unit_test(test_too_large),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
