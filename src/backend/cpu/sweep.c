/* sweep.c - the symmetric sweep: Gauss-Jordan elimination within the lower triangle, a few pivots
 * at a time. LAPACK needs two to three times as long for the few dozen rows of a class.
 *
 * With K the pivots, C = G[:, K], D = G[K, K] and X = C D^-1, a sweep is
 *   G -= X C^T,  G[:, K] = X,  G[K, :] = X^T,  G[K, K] = -D^-1.
 * All of it is the first of these when G is 0 in K and C[K] is -I. */
#include "backend/cpu/sweep.h"

#include <math.h>

#include "backend/cpu/transpose.h"

/* Vectors of four: longer ones are no faster, and the triangle cuts more of them in two. */
enum { DEPTH = CT_SWEEP_DEPTH, LANES = WIDTH < 8 ? 2 : 4, ROWS = 4, VECTORS = 2, LOGS = 4 };

typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), aligned(8), may_alias));

#if defined(__AVX__)
CT_DEFINE_TRANSPOSE(transpose, lanes, 4)
#else
CT_DEFINE_TRANSPOSE(transpose, lanes, 2)
#endif

/* C <- columns k..k+depth-1, their rows K moved to D and replaced by -I. G becomes 0 there. */
CT_INLINE void take_columns(double *G, int rows, int64_t pitch, int k, const int depth, double *C,
                            double D[DEPTH][DEPTH])
{
    for (int q = 0; q < depth; q++) {
        double *row = G + (k + q) * pitch, *c = C + q * pitch;
        for (int t = 0; t <= q; t++)
            D[q][t] = row[k + t];
        for (int j = 0; j < k + depth; j += LANES) {
            *(lanes *)(c + j) = j < k ? *(lanes *)(row + j) : (lanes){0};
            *(lanes *)(row + j) = (lanes){0};
        }
        c[k + q] = -1;
    }
    for (int j = k + depth; j < rows; j += LANES)
        for (int q = 0; q < depth; q += LANES) {
            double *from = G + j * pitch + k + q;
            lanes m[LANES];
            for (int i = 0; i < LANES; i++) {
                m[i] = *(lanes *)(from + i * pitch);
                *(lanes *)(from + i * pitch) = (lanes){0};
            }
            transpose(m);
            for (int i = 0; i < LANES; i++)
                *(lanes *)(C + (q + i) * pitch + j) = m[i];
        }
}

/* D <- D^-1, from its lower triangle to both; returns logdet D. */
CT_INLINE double invert(double D[DEPTH][DEPTH], const int depth, double least)
{
    double product = 1, logdet = 0;

#pragma GCC unroll 8
    for (int p = 0; p < depth; p++) {
        const double pivot = D[p][p] < least ? least : D[p][p], inverse = 1 / pivot;
        double column[DEPTH];
        product *= pivot;
#pragma GCC unroll 8
        for (int t = 0; t < depth; t++)
            column[t] = t == p ? -1 : t < p ? D[p][t] : D[t][p];
#pragma GCC unroll 8
        for (int t = 0; t < depth; t++) {
            const double factor = column[t] * inverse;
#pragma GCC unroll 8
            for (int u = 0; u <= t; u++)
                D[t][u] = (t == p || u == p ? 0 : D[t][u]) - factor * column[u];
        }
        if (p % LOGS == LOGS - 1) { /* of so few, because more could overflow */
            logdet += log(product);
            product = 1;
        }
    }
    for (int t = 0; t < depth; t++)
        for (int u = 0; u <= t; u++)
            D[u][t] = D[t][u] = -D[t][u];
    return logdet;
}

/* X = C D^-1. */
CT_INLINE void divide(const double *C, int rows, int64_t pitch, double D[DEPTH][DEPTH],
                      const int depth, double *X)
{
    for (int v = 0; v < rows; v += LANES) {
        lanes x[DEPTH] = {0};
#pragma GCC unroll 8
        for (int t = 0; t < depth; t++)
            for (int q = 0; q < depth; q++)
                x[q] += D[t][q] * *(const lanes *)(C + t * pitch + v);
        for (int q = 0; q < depth; q++)
            *(lanes *)(X + q * pitch + v) = x[q];
    }
}

/* ROWS rows and `vectors` vectors of G -= X C^T. */
CT_INLINE void block(double *G, int64_t pitch, const double *X, const double *C, const int depth,
                     const int vectors)
{
    lanes sum[ROWS][VECTORS];

    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < vectors; v++)
            sum[r][v] = *(lanes *)(G + r * pitch + v * LANES);
#pragma GCC unroll 8
    for (int q = 0; q < depth; q++)
        for (int r = 0; r < ROWS; r++)
            for (int v = 0; v < vectors; v++)
                sum[r][v] -= X[q * pitch + r] * *(const lanes *)(C + q * pitch + v * LANES);
    for (int r = 0; r < ROWS; r++)
        for (int v = 0; v < vectors; v++)
            *(lanes *)(G + r * pitch + v * LANES) = sum[r][v];
}

CT_INLINE double sweep(double *G, int s, double least, const int depth)
{
    const int64_t pitch = ct_sweep_pitch(s);
    const int rows = (s + depth - 1) / depth * depth;
    double *C = G + ct_sweep_rows(s) * pitch, *X = C + DEPTH * pitch;
    double D[DEPTH][DEPTH], logdet = 0;

    for (int k = 0; k < s; k += depth) {
        take_columns(G, rows, pitch, k, depth, C, D);
        logdet += invert(D, depth, least);
        divide(C, rows, pitch, D, depth, X);
        for (int i = 0; i < s; i += ROWS) { /* lower triangle of G -= X C^T */
            int j = 0;
            for (; j + LANES < i + ROWS; j += VECTORS * LANES)
                block(G + i * pitch + j, pitch, X + i, C + j, depth, VECTORS);
            for (; j < i + ROWS; j += LANES)
                block(G + i * pitch + j, pitch, X + i, C + j, depth, 1);
        }
    }
    return logdet;
}

/* More pivots need fewer passes over a matrix that the first cache does not hold. */
double CT_ISA_NAME(ct_sweep_)(double *G, int s, double least)
{
    return s < 80 ? sweep(G, s, least, DEPTH / 2) : sweep(G, s, least, DEPTH);
}
