/* patches.c - the products of a convolution that reads its patches in place. */
#include "backend/cpu/patches.h"

#include "backend/cpu/operand.h"
#include "backend/cpu/panels.h"
#include "backend/cpu/simd.h"

/* A block of C in registers: rows, and column blocks of CT_LANES. */
#if defined(__AVX512F__)
enum { ROWS = 8, BLOCKS = 2 };
#else
enum { ROWS = 8 * WIDTH / CT_LANES, BLOCKS = 1 };
#endif
enum { VECTORS = CT_LANES / WIDTH };

CT_INLINE unit unit_at(const operand *at)
{
    return *(const unit *)(const void *)at;
}

CT_INLINE void patch_block(const ct_patch_args *p, int i, int j, const int rows, const int blocks)
{
    const unit *b = (const unit *)p->b + j;
    vec sum[ROWS][BLOCKS * VECTORS] = {0};

    for (int s = 0; s < p->segments; s++) {
        const operand *a[ROWS];
        for (int r = 0; r < rows; r++)
            a[r] = (const operand *)p->a + p->a_rows[i + r] + s * p->a_segment;
        for (int t = 0; t < p->length; t += DEEP, b += p->cols)
            for (int v = 0; v < blocks * VECTORS; v++)
                for (int r = 0; r < rows; r++)
                    sum[r][v] =
                        multiply_add(sum[r][v], unit_at(a[r] + t * p->a_step), b + v * WIDTH);
    }
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < blocks * VECTORS; v++) {
            float *c = p->c + (int64_t)(i + r) * p->cols + j + v * WIDTH;
            if (p->accumulate)
                sum[r][v] += load(c);
            store(c, sum[r][v]);
        }
}

CT_INLINE void patch_columns(const ct_patch_args *p, int j, const int blocks)
{
    int i = 0;

    for (; i + ROWS <= p->rows; i += ROWS)
        patch_block(p, i, j, ROWS, blocks);
    for (; i < p->rows; i++)
        patch_block(p, i, j, 1, blocks);
}

static void patch_gemm(const ct_patch_args *p)
{
    int j = 0;

    for (; j + BLOCKS * CT_LANES <= p->cols; j += BLOCKS * CT_LANES)
        patch_columns(p, j, BLOCKS);
    for (; j < p->cols; j += CT_LANES)
        patch_columns(p, j, 1);
}

/* Phase by phase, so that a load never meets a store still on its way to the cache. */
static void scatter(const ct_scatter_args *p)
{
    typedef float quad __attribute__((vector_size(16), aligned(4), may_alias));

    for (int phase = 0; phase < p->phases; phase++)
        for (int i = phase; i < p->count; i += p->phases)
            for (int s = 0; s < p->segments; s++) {
                const float *from = p->from + i * p->from_stride + s * p->length;
                float *to = p->to + i * p->stride + s * p->pitch;
                for (int t = 0; t < p->length; t += 4)
                    *(quad *)(to + t) += *(const quad *)(from + t);
            }
}

/* Every vector is read before the place is written where it goes. */
static void to_operands(const float *from, int64_t count, void *to)
{
    for (int64_t i = 0; i < count; i += WIDTH)
        store_operand((operand *)to + i, load(from + i));
}

const ct_patch_kernels CT_ISA_NAME(ct_patches_) = {
    .deep = DEEP,
    .gemm = patch_gemm,
    .scatter = scatter,
    .to_operands = to_operands,
};
