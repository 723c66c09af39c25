/* panels.h - stacks of matrices in panels, and their product.
 *
 * A stack holds `count` matrices of one size, `stride` numbers apart. Each lies in panels of
 * CT_LANES columns, [cols / CT_LANES][pitch][CT_LANES] with pitch >= rows: a kernel that walks
 * along rows or along columns reads memory in order either way, so that nothing is packed for a
 * product. Numbers are floats or operands (operand.h).
 *
 * Operands of bfloat16 are read two at a time along the sum. In the left factor of A B that is how
 * they lie. The right one is made for it, [cols / CT_LANES][pitch / 2][CT_LANES][2]. For A^T B,
 * where the sum goes along the rows of both, the kernel brings blocks of them into that order. */
#ifndef CT_BACKEND_CPU_PANELS_H
#define CT_BACKEND_CPU_PANELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Columns of a panel, and the panels that a kernel computes at most. */
enum { CT_LANES = 16, CT_PRODUCT_PANELS = 4 };

typedef struct ct_stack {
    void *data;
    int64_t pitch, stride;
} ct_stack;

/* Numbers of `size` bytes from one matrix to the next: some lines more than a matrix, because the
 * same place of all matrices would otherwise compete for the same lines of the cache. */
static inline int64_t ct_stack_stride(int64_t rows, int64_t cols, size_t size)
{
    enum { LINE = 64, LINES = 5 };

    return rows * cols + LINES * LINE / (int64_t)size;
}

static inline ct_stack ct_stack_at(void *memory, int64_t rows, int64_t cols, size_t size)
{
    return (ct_stack){.data = memory, .pitch = rows, .stride = ct_stack_stride(rows, cols, size)};
}

static inline size_t ct_stack_bytes(int count, int64_t rows, int64_t cols, size_t size)
{
    return (size_t)(count * ct_stack_stride(rows, cols, size)) * size;
}

/* The columns from a multiple of CT_LANES on, of numbers of `size` bytes. */
static inline ct_stack ct_stack_from(ct_stack s, int column, size_t size)
{
    s.data = (unsigned char *)s.data + (size_t)(column * s.pitch) * size;
    return s;
}

/* C = A B, or C = A^T B; added to C when accumulate. C (of floats) is rows x cols, the sums are
 * over depth. cols is a multiple of CT_LANES; so is depth (A B) or rows (A^T B). */
typedef struct ct_product {
    ct_stack a, b, c;
    int rows, cols, depth;
    bool transposed, accumulate;
} ct_product;

/* What of C a kernel computes: any rows (of A^T B from a multiple of CT_LANES on), panels
 * CT_PRODUCT_PANELS at most. */
typedef struct ct_product_part {
    int matrix, row, rows, panel, panels;
} ct_product_part;

typedef void ct_product_kernel(const ct_product *product, const ct_product_part *part);

extern ct_product_kernel ct_product_portable, ct_product_avx2, ct_product_avx512;
extern ct_product_kernel ct_product_portable_bf16, ct_product_avx2_bf16, ct_product_avx512_bf16;

#endif
