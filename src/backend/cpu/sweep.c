/* sweep.c - the symmetric sweep: Gauss-Jordan elimination within the lower triangle, DEPTH pivots
 * at a time. LAPACK needs two to three times as long for the few dozen rows of a class.
 *
 * With K the pivots, C = G[:, K] and D = G[K, K] = L P L^T, P diagonal, a sweep is
 *   G -= C D^-1 C^T,  G[:, K] = C D^-1,  G[K, K] = -D^-1,
 * the last two being one when C[K] is replaced by -I. */
#include "backend/cpu/sweep.h"

#include <math.h>

#include "backend/cpu/simd.h"

enum { DEPTH = CT_SWEEP_DEPTH, ROWS = CT_SWEEP_ROWS, LANES = 8 };

typedef double lanes __attribute__((vector_size(LANES * sizeof(double)), aligned(8), may_alias));

/* y -= a x over n vectors. */
CT_INLINE void subtract(double *y, double a, const double *x, int64_t n)
{
    for (int64_t v = 0; v < n; v += LANES)
        *(lanes *)(y + v) -= a * *(const lanes *)(x + v);
}

/* C <- columns k..k+depth-1, their rows K moved to D and replaced by -I. */
CT_INLINE void take_columns(const double *G, int s, int64_t pitch, int k, int depth, double *C,
                            double D[DEPTH][DEPTH])
{
    for (int q = 0; q < depth; q++) {
        double *c = C + q * pitch;
        for (int j = 0; j < k; j++)
            c[j] = G[(k + q) * pitch + j];
        for (int t = 0; t < depth; t++) {
            D[t][q] = G[(k + (t > q ? t : q)) * pitch + k + (t > q ? q : t)];
            c[k + t] = t == q ? -1 : 0;
        }
    }
    for (int j = k + depth; j < s; j++)
        for (int q = 0; q < depth; q++)
            C[q * pitch + j] = G[j * pitch + k + q];
}

CT_INLINE void put_columns(double *G, int s, int64_t pitch, int k, int depth, const double *X)
{
    for (int q = 0; q < depth; q++)
        for (int j = 0; j <= k + q; j++)
            G[(k + q) * pitch + j] = X[q * pitch + j];
    for (int j = k + depth; j < s; j++)
        for (int q = 0; q < depth; q++)
            G[j * pitch + k + q] = X[q * pitch + j];
}

/* C <- C L^-T, X <- C P^-1; log of the product of the pivots. D's lower triangle becomes L. */
CT_INLINE double eliminate(double D[DEPTH][DEPTH], int depth, double least, double *C, double *X,
                           int64_t pitch)
{
    double product = 1;

    for (int q = 0; q < depth; q++) {
        const double pivot = D[q][q] < least ? least : D[q][q];
        double *c = C + q * pitch, *x = X + q * pitch;
        product *= pivot;
        for (int64_t v = 0; v < pitch; v += LANES)
            *(lanes *)(x + v) = *(lanes *)(c + v) * (1 / pivot);
        for (int t = q + 1; t < depth; t++) {
            const double factor = D[t][q] / pivot;
            for (int u = q + 1; u <= t; u++)
                D[t][u] -= factor * D[u][q];
            subtract(C + t * pitch, factor, c, pitch);
        }
        for (int t = q + 1; t < depth; t++)
            D[t][q] /= pivot;
    }
    return log(product);
}

/* Lower triangle of G -= C X^T, in blocks of ROWS rows. */
CT_INLINE void update(double *G, int s, int64_t pitch, const double *C, const double *X)
{
    for (int i = 0; i < s; i += ROWS) {
        double *to = G + i * pitch;
        for (int64_t v = 0; v < i + ROWS; v += LANES) {
            lanes sum[ROWS];
            for (int r = 0; r < ROWS; r++)
                sum[r] = *(lanes *)(to + r * pitch + v);
            for (int q = 0; q < DEPTH; q++)
                for (int r = 0; r < ROWS; r++)
                    sum[r] -= X[q * pitch + i + r] * *(const lanes *)(C + q * pitch + v);
            for (int r = 0; r < ROWS; r++)
                *(lanes *)(to + r * pitch + v) = sum[r];
        }
    }
}

double CT_ISA_NAME(ct_sweep_)(double *G, int s, double least)
{
    const int64_t pitch = ct_sweep_pitch(s);
    double *C = G + (s + ROWS - 1) * pitch, *X = C + DEPTH * pitch;
    double D[DEPTH][DEPTH], logdet = 0;

    for (int64_t i = 0; i < 2 * DEPTH * pitch; i++)
        C[i] = 0; /* beyond s it stays so */
    for (int k = 0; k < s; k += DEPTH) {
        const int depth = s - k < DEPTH ? s - k : DEPTH;
        for (int64_t i = depth * pitch; i < DEPTH * pitch; i++)
            C[i] = X[i] = 0;
        take_columns(G, s, pitch, k, depth, C, D);
        logdet += eliminate(D, depth, least, C, X, pitch);
        update(G, s, pitch, C, X);
        for (int q = depth - 1; q >= 0; q--)
            for (int t = q + 1; t < depth; t++)
                subtract(X + q * pitch, D[t][q], X + t * pitch, pitch);
        put_columns(G, s, pitch, k, depth, X);
    }
    return logdet;
}
