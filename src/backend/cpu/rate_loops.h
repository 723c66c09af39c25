/* rate_loops.h - what a coding rate needs of dense matrices: products in float, the inverse in
 * double. Matrices lie row by row, ct_rate_pitch(columns) numbers apart, and have memory for
 * ct_rate_rows(rows) rows: kernels read and write whole vectors and whole tiles. */
#ifndef CT_BACKEND_CPU_RATE_LOOPS_H
#define CT_BACKEND_CPU_RATE_LOOPS_H

#include <stdbool.h>
#include <stdint.h>

enum { CT_RATE_TILE = 16 };

static inline int64_t ct_rate_rows(int rows)
{
    return ((int64_t)rows + CT_RATE_TILE - 1) / CT_RATE_TILE * CT_RATE_TILE;
}

/* An odd number of cache lines: the places of a column shall not compete for few of the cache. */
static inline int64_t ct_rate_pitch(int columns)
{
    return (ct_rate_rows(columns) / CT_RATE_TILE | 1) * CT_RATE_TILE;
}

/* C = A B, of which only the lower triangle is wanted when `lower`. A(i, k) is at a + i row + k
 * step, so that A may be a transposed matrix. */
typedef struct ct_rate_product {
    const float *a, *b;
    float *c;
    int64_t row, step, b_pitch, c_pitch;
    int cols, depth;
    bool lower;
} ct_rate_product;

typedef struct ct_rate_loops {
    /* Rows begin..end-1 of C. */
    void (*product)(const ct_rate_product *p, int begin, int end);
    /* to = from^T. */
    void (*transpose)(const float *from, int rows, int cols, int64_t from_pitch, float *to,
                      int64_t to_pitch);
    /* The upper triangle becomes that of a symmetric matrix. */
    void (*mirror)(float *M, int s, int64_t pitch);
    /* G <- -(I + alpha gram)^-1, a matrix of the sweep; returns logdet(I + alpha gram). Lower
     * triangles. */
    double (*invert)(const float *gram, int s, int64_t pitch, double alpha, double *G);
    /* M -= scale G, lower triangles. */
    void (*subtract)(const double *G, int s, double scale, float *M, int64_t pitch);
    /* y += x. */
    void (*add)(const float *x, int64_t n, float *y);
} ct_rate_loops;

extern const ct_rate_loops ct_rate_loops_portable, ct_rate_loops_avx2, ct_rate_loops_avx512;

#endif
