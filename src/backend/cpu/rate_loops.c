/* rate_loops.c - dense matrices of coding rates. They are small: a BLAS spends a good part of its
 * time on copies and on checking its arguments, and computes more than a triangle. */
#include "backend/cpu/rate_loops.h"

#include "backend/cpu/sweep.h"
#include "backend/cpu/transpose.h"

/* Rows and vectors of a tile of C, as in panels.c. */
#if defined(__AVX512F__)
enum { ROWS = 8, VECTORS = 2 };
CT_DEFINE_TRANSPOSE(transpose_vectors, vec, 16)
#elif defined(__AVX__)
enum { ROWS = 6, VECTORS = 2 };
CT_DEFINE_TRANSPOSE(transpose_vectors, vec, 8)
#else
enum { ROWS = 4, VECTORS = 2 };
CT_DEFINE_TRANSPOSE(transpose_vectors, vec, 4)
#endif

/* Depth that is summed before C is written: so much of A and B stays in the first cache. */
enum { DEPTH = 128 };

/* ---- products */

/* Adds `depth` products to a tile of C, which begins with 0 unless `accumulate`. */
CT_INLINE void tile(const ct_rate_product *p, const float *a, const float *b, float *c, int depth,
                    bool accumulate, const int rows, const int vectors)
{
    vec sum[ROWS][VECTORS] = {0};

    if (accumulate)
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < vectors; v++)
                sum[i][v] = load(c + i * p->c_pitch + v * WIDTH);
    for (int k = 0; k < depth; k++, a += p->step, b += p->b_pitch)
        for (int i = 0; i < rows; i++)
            for (int v = 0; v < vectors; v++)
                sum[i][v] += a[i * p->row] * load(b + v * WIDTH);
    for (int i = 0; i < rows; i++)
        for (int v = 0; v < vectors; v++)
            store(c + i * p->c_pitch + v * WIDTH, sum[i][v]);
}

/* A tile at (i, j), as wide as it has to be. */
CT_INLINE void tile_at(const ct_rate_product *p, int i, int j, int first, const int rows)
{
    const int cols = p->lower && i + rows < p->cols ? i + rows : p->cols;
    const int depth = p->depth - first < DEPTH ? p->depth - first : DEPTH;
    const float *a = p->a + i * p->row + first * p->step, *b = p->b + first * p->b_pitch + j;
    float *c = p->c + i * p->c_pitch + j;

    if (j + WIDTH < cols)
        tile(p, a, b, c, depth, first > 0, rows, VECTORS);
    else if (j < cols)
        tile(p, a, b, c, depth, first > 0, rows, 1);
}

static void product(const ct_rate_product *p, int begin, int end)
{
    for (int first = 0; first < p->depth; first += DEPTH)
        for (int j = 0; j < p->cols; j += VECTORS * WIDTH) {
            int i = p->lower && j > begin ? begin + (j - begin) / ROWS * ROWS : begin;
            for (; i + ROWS <= end; i += ROWS)
                tile_at(p, i, j, first, ROWS);
            for (; ROWS > 4 && i + 4 <= end; i += 4)
                tile_at(p, i, j, first, 4);
            for (; i + 2 <= end; i += 2)
                tile_at(p, i, j, first, 2);
            if (i < end)
                tile_at(p, i, j, first, 1);
        }
}

/* ---- transposed tiles */

CT_INLINE void transpose_tile(const float *from, int64_t from_pitch, float *to, int64_t to_pitch)
{
    vec m[WIDTH];

    for (int i = 0; i < WIDTH; i++)
        m[i] = load(from + i * from_pitch);
    transpose_vectors(m);
    for (int i = 0; i < WIDTH; i++)
        store(to + i * to_pitch, m[i]);
}

static void transpose(const float *from, int rows, int cols, int64_t from_pitch, float *to,
                      int64_t to_pitch)
{
    for (int i = 0; i < rows; i += WIDTH)
        for (int j = 0; j < cols; j += WIDTH)
            transpose_tile(from + i * from_pitch + j, from_pitch, to + j * to_pitch + i, to_pitch);
}

static void mirror(float *M, int s, int64_t pitch)
{
    for (int i = 0; i < s; i += WIDTH) {
        for (int j = 0; j < i; j += WIDTH)
            transpose_tile(M + i * pitch + j, pitch, M + j * pitch + i, pitch);
        for (int r = i; r < i + WIDTH; r++)
            for (int c = i; c < r; c++)
                M[c * pitch + r] = M[r * pitch + c];
    }
}

/* ---- between float and double */

static double invert(const float *gram, int s, int64_t pitch, double alpha, double *G)
{
    const int64_t to = ct_sweep_pitch(s);

    for (int i = 0; i < s; i++) {
        for (int j = 0; j <= i; j++)
            G[i * to + j] = alpha * (double)gram[i * pitch + j];
        G[i * to + i] += 1;
    }
    for (int i = s; i < ct_sweep_rows(s); i++)
        for (int j = 0; j <= i; j++)
            G[i * to + j] = i == j;
    return CT_ISA_NAME(ct_sweep_)(G, s, 1);
}

static void subtract(const double *G, int s, double scale, float *M, int64_t pitch)
{
    const int64_t from = ct_sweep_pitch(s);

    for (int i = 0; i < s; i++)
        for (int j = 0; j <= i; j++)
            M[i * pitch + j] -= (float)(scale * G[i * from + j]);
}

static void add(const float *x, int64_t n, float *y)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += x[i];
}

const ct_rate_loops CT_ISA_NAME(ct_rate_loops_) = {
    .product = product,
    .transpose = transpose,
    .mirror = mirror,
    .invert = invert,
    .subtract = subtract,
    .add = add,
};
