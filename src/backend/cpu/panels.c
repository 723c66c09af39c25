/* panels.c - the product of matrices in panels. A block of C stays in registers while A is
 * broadcast and B is read by vectors, both in the order in which they lie. */
#include "backend/cpu/panels.h"
#include "backend/cpu/operand.h"
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
enum { VECTORS = CT_LANES / WIDTH, UNITS = CT_LANES / DEEP };

/* With few rows, which read B once, it comes straight from memory: units of a panel that are
 * fetched ahead. */
enum { AHEAD = 64 };

/* Depth of A^T B that is summed before C is written: so much of A and B stays in the first cache.
 */
enum { DEPTH = 256 };

/* The left factor by units: (i, k) is at a + i row + k / length segment + k % length step. */
typedef struct left {
    const unit *a;
    int64_t row, segment, step;
    int segments, length;
} left;

/* The right factor: unit k of a panel begins at b + k CT_LANES. */
typedef struct right {
    const unit *b;
    int64_t panel;
} right;

typedef struct result {
    float *c;
    int64_t panel;
    bool accumulate;
} result;

/* sum += a b, the outer product of one unit of depth; the units `ahead` of it are fetched. */
CT_INLINE void add_unit(vec sum[][2 * PANELS * VECTORS], const left *A, const unit *a, right B,
                        int64_t ahead, const int rows, const int panels)
{
    for (int p = 0; p < panels && ahead > 0; p++)
        __builtin_prefetch(B.b + p * B.panel + ahead, 0, 3);
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < panels * VECTORS; v++)
            sum[i][v] = multiply_add(sum[i][v], a[i * A->row],
                                     B.b + v / VECTORS * B.panel + v % VECTORS * WIDTH);
}

/* The units of a segment of A B are unrolled: the end of so short a loop would be mispredicted time
 * and again. */
CT_INLINE void block(const left *A, right B, result C, const int rows, const int panels,
                     const bool few)
{
    vec sum[ROWS][2 * PANELS * VECTORS] = {0};

    if (C.accumulate)
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < panels * VECTORS; v++)
                sum[i][v] = load(C.c + i * CT_LANES + v / VECTORS * C.panel + v % VECTORS * WIDTH);
    for (int s = 0; s < A->segments; s++) {
        const unit *a = A->a + s * A->segment;
        /* Beyond the end of these panels: of the panels that come next. */
        const int64_t next = A->segments - s > AHEAD / UNITS ? 0 : (panels - 1) * B.panel;
        const int64_t ahead = few && A->step == 1 ? AHEAD * CT_LANES + next : 0;
        if (A->length == UNITS && A->step == 1) {
#pragma GCC unroll 16
            for (int t = 0; t < UNITS; t++, B.b += CT_LANES)
                add_unit(sum, A, a + t, B, ahead, rows, panels);
            continue;
        }
        for (int t = 0; t < A->length; t++, a += A->step, B.b += CT_LANES)
            add_unit(sum, A, a, B, ahead, rows, panels);
    }
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < panels * VECTORS; v++)
            store(C.c + i * CT_LANES + v / VECTORS * C.panel + v % VECTORS * WIDTH, sum[i][v]);
}

/* `rows` rows of C, `panels` panels; more of these at a time where there are few rows. */
CT_INLINE void block_row(const left *A, right B, result C, int panels, const int rows,
                         const bool few)
{
    const int step = rows <= 2 ? 2 * PANELS : PANELS;

    for (; panels >= step; panels -= step, B.b += step * B.panel, C.c += step * C.panel)
        block(A, B, C, rows, step, few);
    for (; panels > 0; panels--, B.b += B.panel, C.c += C.panel)
        block(A, B, C, rows, 1, few);
}

/* `rows` rows of C in blocks of ROWS, what is left by 4, 2 and 1. */
CT_INLINE void all_rows(left A, right B, result C, int rows, int panels)
{
    int step = 0;

    if (rows == ROWS) {
        block_row(&A, B, C, panels, ROWS, true);
        return;
    }
    for (; rows > 0; rows -= step, A.a += step * A.row, C.c += step * CT_LANES) {
        if (rows >= ROWS)
            block_row(&A, B, C, panels, step = ROWS, false);
        else if (rows >= 4 && ROWS > 4)
            block_row(&A, B, C, panels, step = 4, true);
        else if (rows >= 2)
            block_row(&A, B, C, panels, step = 2, true);
        else
            block_row(&A, B, C, panels, step = 1, true);
    }
}

CT_INLINE const operand *operands(const ct_stack *s, int matrix, int panel, int64_t row)
{
    return (const operand *)s->data + matrix * s->stride + (panel * s->pitch + row) * CT_LANES;
}

CT_INLINE const unit *units(const operand *o)
{
    return (const unit *)(const void *)o;
}

CT_INLINE result result_at(const ct_product *p, const ct_product_part *part)
{
    return (result){.c = (float *)p->c.data + part->matrix * p->c.stride +
                         (part->panel * p->c.pitch + part->row) * CT_LANES,
                    .panel = p->c.pitch * CT_LANES,
                    .accumulate = p->accumulate};
}

/* ---- A^T B, where the sum goes along rows */

#ifdef CT_BF16
/* Rows 2k and 2k + 1 of a panel become row k of units; an odd last row is paired with 0. */
CT_INLINE const unit *along_rows(const operand *from, int rows, unit *to)
{
    unit *at = to;

    for (int k = 0; k + 1 < rows; k += 2, from += 2 * CT_LANES, at += CT_LANES)
        for (int l = 0; l < CT_LANES; l++)
            at[l] = from[l] | (unit)from[CT_LANES + l] << 16;
    for (int l = 0; rows % 2 == 1 && l < CT_LANES; l++)
        at[l] = from[l];
    return to;
}
#else
CT_INLINE const unit *along_rows(const operand *from, int rows, CT_UNUSED unit *to)
{
    (void)rows;
    return from;
}
#endif

/* Rows first..first+depth-1 of A and B. */
CT_INLINE void add_depth(const ct_product *p, const ct_product_part *part, int first, int depth)
{
    enum { BLOCK = DEPTH / DEEP * CT_LANES };
    unit left_block[BLOCK], right_block[CT_PRODUCT_PANELS * BLOCK];
    right B = {.panel = DEEP == 1 ? p->b.pitch * CT_LANES : BLOCK};
    result C = result_at(p, part);

    C.accumulate |= first > 0;
    for (int j = part->panels; j-- > 0;)
        B.b = along_rows(operands(&p->b, part->matrix, part->panel + j, first), depth,
                         right_block + j * BLOCK);
    for (int row = part->row; row < part->row + part->rows; row += CT_LANES) {
        const operand *a = operands(&p->a, part->matrix, row / CT_LANES, first);
        const left A = {.a = along_rows(a, depth, left_block),
                        .row = 1,
                        .step = CT_LANES,
                        .segments = 1,
                        .length = (depth + DEEP - 1) / DEEP};
        all_rows(A, B, C, CT_LANES, part->panels);
        C.c += CT_LANES * CT_LANES;
    }
}

void CT_ISA_NAME(ct_product_)(const ct_product *p, const ct_product_part *part)
{
    if (p->transposed) {
        for (int first = 0; first < p->depth; first += DEPTH)
            add_depth(p, part, first, p->depth - first < DEPTH ? p->depth - first : DEPTH);
        return;
    }
    const left A = {.a = units(operands(&p->a, part->matrix, 0, part->row)),
                    .row = UNITS,
                    .segment = p->a.pitch * UNITS,
                    .step = 1,
                    .segments = p->depth / CT_LANES,
                    .length = UNITS};
    const right B = {.b = units(operands(&p->b, part->matrix, part->panel, 0)),
                     .panel = p->b.pitch * UNITS};
    all_rows(A, B, result_at(p, part), part->rows, part->panels);
}
