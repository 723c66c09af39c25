/* panels.c - the product of matrices in panels. A block of C stays in registers while A is
 * broadcast and B is read by vectors, both in the order in which they lie. */
#include "backend/cpu/panels.h"
#include "backend/cpu/simd.h"

/* Rows and panels of a block of C: as many accumulators as hide the latency of the FMA and leave
 * registers for B and A (32 registers with AVX-512, 16 without). */
#if defined(__AVX512F__)
enum { ROWS = 8, PANELS = 2 };
#elif defined(__AVX__)
enum { ROWS = 6, PANELS = 1 };
#else
enum { ROWS = 2, PANELS = 1 };
#endif
enum { VECTORS = CT_LANES / WIDTH };

/* Depth of A^T B that is summed before C is written: so much of A and B stays in the first cache.
 */
enum { DEPTH = 256 };

/* Element (i, k) of A is at a + i row + k / length segment + k % length step. */
typedef struct left {
    const float *a;
    int64_t row, segment, step;
    int segments, length;
} left;

CT_INLINE void block(const left *A, const float *b, int64_t b_panel, float *c, int64_t c_panel,
                     bool accumulate, const int rows, const int panels)
{
    vec sum[ROWS][PANELS * VECTORS] = {0};

    if (accumulate)
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < panels * VECTORS; v++)
                sum[i][v] = load(c + i * CT_LANES + v / VECTORS * c_panel + v % VECTORS * WIDTH);
    for (int s = 0; s < A->segments; s++) {
        const float *a = A->a + s * A->segment;
        for (int t = 0; t < A->length; t++, a += A->step, b += CT_LANES) {
            vec row[PANELS * VECTORS];
            for (int v = 0; v < panels * VECTORS; v++)
                row[v] = load(b + v / VECTORS * b_panel + v % VECTORS * WIDTH);
            for (int i = 0; i < rows; i++)
                for (int v = 0; v < panels * VECTORS; v++)
                    sum[i][v] += a[i * A->row] * row[v];
        }
    }
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < panels * VECTORS; v++)
            store(c + i * CT_LANES + v / VECTORS * c_panel + v % VECTORS * WIDTH, sum[i][v]);
}

/* The panels of one block of rows: `row` is where it begins in A (already in place) and C. */
CT_INLINE void block_row(const ct_product *p, const left *A, int matrix, int row, int depth,
                         bool accumulate, int begin, int end, const int rows)
{
    const int64_t b_panel = p->b.pitch * CT_LANES, c_panel = p->c.pitch * CT_LANES;
    const float *b = p->b.data + matrix * p->b.stride + (int64_t)depth * CT_LANES;
    float *c = p->c.data + matrix * p->c.stride + (int64_t)row * CT_LANES;
    int j = begin;

    for (; j + PANELS <= end; j += PANELS)
        block(A, b + j * b_panel, b_panel, c + j * c_panel, c_panel, accumulate, rows, PANELS);
    for (; j < end; j++)
        block(A, b + j * b_panel, b_panel, c + j * c_panel, c_panel, accumulate, rows, 1);
}

/* Blocks of ROWS rows, what is left by 4, 2 and 1. In A^T a block must not leave its panel. */
CT_INLINE void all_rows(const ct_product *p, int matrix, int depth, int length, bool accumulate,
                        int begin, int end, const bool transposed)
{
    const float *a = p->a.data + matrix * p->a.stride;
    const int64_t a_panel = p->a.pitch * CT_LANES;
    int step = 0;

    for (int row = 0; row < p->rows; row += step) {
        const int panel = transposed ? CT_LANES - row % CT_LANES : p->rows - row;
        const int left_over = panel < p->rows - row ? panel : p->rows - row;
        left A = {.a = a + (int64_t)row * CT_LANES + depth / CT_LANES * a_panel,
                  .row = CT_LANES,
                  .segment = a_panel,
                  .step = 1,
                  .segments = length / CT_LANES,
                  .length = CT_LANES};
        if (transposed)
            A = (left){.a = a + row / CT_LANES * a_panel + row % CT_LANES +
                            (int64_t)depth * CT_LANES,
                       .row = 1,
                       .step = CT_LANES,
                       .segments = 1,
                       .length = length};
        if (left_over >= ROWS)
            block_row(p, &A, matrix, row, depth, accumulate, begin, end, step = ROWS);
        else if (left_over >= 4 && ROWS > 4)
            block_row(p, &A, matrix, row, depth, accumulate, begin, end, step = 4);
        else if (left_over >= 2)
            block_row(p, &A, matrix, row, depth, accumulate, begin, end, step = 2);
        else
            block_row(p, &A, matrix, row, depth, accumulate, begin, end, step = 1);
    }
}

void CT_ISA_NAME(ct_product_)(const ct_product *p, int matrix, int begin, int end)
{
    if (!p->transposed) {
        all_rows(p, matrix, 0, p->depth, p->accumulate, begin, end, false);
        return;
    }
    for (int depth = 0; depth < p->depth; depth += DEPTH) {
        const int length = p->depth - depth < DEPTH ? p->depth - depth : DEPTH;
        all_rows(p, matrix, depth, length, p->accumulate || depth > 0, begin, end, true);
    }
}
