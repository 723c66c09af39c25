/* patches.h - convolution with few channels, whose patches are read in place. */
#ifndef CT_BACKEND_CPU_PATCHES_H
#define CT_BACKEND_CPU_PATCHES_H

#include <stdbool.h>
#include <stdint.h>

/* C[i, j] = sum over segments s and steps t of A[a_rows[i] + s a_segment + t a_step] *
 * B[s length + t, j], or added to C: a convolution that reads its patches in place. cols is a
 * multiple of CT_LANES. A and B hold operands (operand.h); B lies as
 * [segments length / deep][cols][deep]. With deep 2, a_step is 1, and length, a_rows and a_segment
 * are even, so that pairs stay together. */
typedef struct ct_patch_args {
    int rows, cols, segments, length;
    const void *a, *b;
    const int64_t *a_rows;
    int64_t a_segment, a_step;
    float *c;
    bool accumulate;
} ct_patch_args;

/* Adds `count` patches of `segments` pieces, `length` (a multiple of 4) numbers each, into an
 * image: piece s of patch i goes to `to` + i stride + s pitch. Patches `phases` apart do not
 * overlap. */
typedef struct ct_scatter_args {
    int count, segments, length, phases;
    int64_t from_stride, stride, pitch;
    const float *from;
    float *to;
} ct_scatter_args;

typedef struct ct_patch_kernels {
    int deep; /* operands that are multiplied together: 1 float or 2 of bfloat16 */
    void (*gemm)(const ct_patch_args *args);
    void (*scatter)(const ct_scatter_args *args);
    /* `count` (whole vectors) floats become operands; `to` may be `from`. */
    void (*to_operands)(const float *from, int64_t count, void *to);
} ct_patch_kernels;

extern const ct_patch_kernels ct_patches_portable, ct_patches_avx2, ct_patches_avx512;
extern const ct_patch_kernels ct_patches_portable_bf16, ct_patches_avx2_bf16,
    ct_patches_avx512_bf16;

#endif
