/* sweep.h - inverse and determinant of a symmetric positive definite matrix. */
#ifndef CT_BACKEND_CPU_SWEEP_H
#define CT_BACKEND_CPU_SWEEP_H

#include <stddef.h>
#include <stdint.h>

/* Pivots of one pass at most; a matrix is filled up to a multiple of it. */
enum { CT_SWEEP_DEPTH = 8 };

static inline int ct_sweep_rows(int s)
{
    return (s + CT_SWEEP_DEPTH - 1) / CT_SWEEP_DEPTH * CT_SWEEP_DEPTH;
}

/* Numbers from one row of an s x s matrix to the next: whole vectors, and an odd number of lines,
 * because the places of a column would otherwise compete for few lines of the cache. */
static inline int64_t ct_sweep_pitch(int s)
{
    return ((int64_t)s + 15) / 16 * 16 + 8;
}

/* Numbers of an s x s matrix, the rest of its last block, and two sets of columns behind it. */
static inline size_t ct_sweep_count(int s)
{
    return (size_t)((ct_sweep_rows(s) + 2 * CT_SWEEP_DEPTH) * ct_sweep_pitch(s));
}

/* The lower triangle of G becomes that of -G^-1; returns logdet G, not finite if G is not. What
 * lies above the diagonal may be anything, and is overwritten. Rows s..ct_sweep_rows(s)-1 are those
 * of the unit matrix. No eigenvalue of G is below `least`, so no pivot is: rounding may not make it
 * less. */
typedef double ct_sweep_kernel(double *G, int s, double least);

extern ct_sweep_kernel ct_sweep_portable, ct_sweep_avx2, ct_sweep_avx512;

#endif
