/* cpu_rate.c - coding rates (SPEC 3): products in float with BLAS, the matrix between them in
 * double.
 *
 * As in ref_rate.c the smaller of I + alpha Z^T Z and I + alpha Z Z^T is G. One sweep gives both
 * logdet G and G^-1, so that dR/dZ = alpha Z G^-1 or alpha G^-1 Z is one product. */
#include <cblas.h>
#include <math.h>
#include <string.h>

#include "backend/cpu/cpu.h"
#include "backend/cpu/sweep.h"

/* Of m rows: the matrix in double, Z and its gradient, the Gram matrix and M. */
static size_t rate_scratch(ct_exec *ex, int m, int d)
{
    const int s = m < d ? m : d;

    (void)ex;
    return ct_sweep_count(s) * sizeof(double) +
           2 * ((size_t)m * (size_t)d + (size_t)s * (size_t)s) * sizeof(float);
}

/* Adds to M the part of dR/dF that `term` has, M Z or Z M; returns R. gram and M: the places of the
 * term's rows in s x s matrices, lower triangles only. M NULL: not wanted. */
static double invert(ct_sweep_kernel *sweep, const ct_rate_term *term, int d, double eps2,
                     const float *gram, float *M, int64_t s, double *G)
{
    const int size = term->count < d ? term->count : d;
    const int64_t pitch = ct_sweep_pitch(size);
    const double alpha = d / (term->count * eps2);

    for (int i = 0; i < size; i++) {
        for (int j = 0; j <= i; j++)
            G[i * pitch + j] = alpha * (double)gram[i * s + j];
        G[i * pitch + i] += 1;
    }
    const double logdet = sweep(G, size, 1);
    for (int i = 0; M != NULL && i < size; i++)
        for (int j = 0; j <= i; j++)
            M[i * s + j] -= (float)(term->weight * alpha * G[i * pitch + j]);
    return 0.5 * logdet;
}

/* Two terms and their union, as a class of the objective has them, need one Gram matrix, one
 * product, and their rows once. By the Gram matrix of rows only: the others have no such blocks. */
static int group_size(const ct_rate_term *terms, int left, int d)
{
    if (left < 3 || terms[2].count >= d || terms[0].count == 0 || terms[1].count == 0 ||
        terms[0].count + terms[1].count != terms[2].count)
        return 1;
    const size_t first = (size_t)terms[0].count, second = (size_t)terms[1].count;
    const int32_t *rows = terms[2].rows;
    return memcmp(rows, terms[0].rows, first * sizeof *rows) == 0 &&
                   memcmp(rows + first, terms[1].rows, second * sizeof *rows) == 0
               ? 3
               : 1;
}

/* A group of terms; the last one has all rows. */
static void rate_group(ct_sweep_kernel *sweep, const float *F, int d, double eps2,
                       const ct_rate_term *terms, int size, double *values, float *dF, double *G)
{
    const ct_rate_term *all = &terms[size - 1];
    const int count = all->count, s = count < d ? count : d;
    const bool by_row = count < d;
    float *Z = (float *)(G + ct_sweep_count(s)), *dZ = Z + (int64_t)count * d;
    float *gram = dZ + (int64_t)count * d, *M = dF == NULL ? NULL : gram + (int64_t)s * s;

    for (int i = 0; i < count; i++)
        memcpy(Z + (int64_t)i * d, F + (int64_t)all->rows[i] * d, (size_t)d * sizeof *Z);
    cblas_ssyrk(CblasRowMajor, CblasLower, by_row ? CblasNoTrans : CblasTrans, s,
                by_row ? d : count, 1, Z, d, 0, gram, s);
    if (M != NULL)
        memset(M, 0, (size_t)s * (size_t)s * sizeof *M);
    for (int j = 0; j < size; j++) {
        const int64_t at = j == 1 ? (int64_t)terms[0].count * (s + 1) : 0;
        values[j] = invert(sweep, &terms[j], d, eps2, gram + at, M == NULL ? NULL : M + at, s, G);
    }
    if (M == NULL)
        return;
    cblas_ssymm(CblasRowMajor, by_row ? CblasLeft : CblasRight, CblasLower, count, d, 1, M, s, Z, d,
                0, dZ, d);
    for (int i = 0; i < count; i++)
        for (int j = 0; j < d; j++)
            dF[(int64_t)all->rows[i] * d + j] += dZ[(int64_t)i * d + j];
}

static csctrl_status check_finite(ct_exec *ex, const ct_tensor *F)
{
    const int64_t d = F->shape[F->ndim - 1];
    const float *features = F->data;
    double sum;

    CT_TRY(ex->ops->sum_squares(ex, F, &sum));
    if (isfinite(sum))
        return CSCTRL_OK;
    for (int64_t i = 0; i < csctrl_tensor_count(F); i++)
        if (!isfinite(features[i]))
            return ct_fail(CSCTRL_E_NUMERIC,
                           "coding rate: feature %lld of row %lld is %g, expected a finite number",
                           (long long)(i % d), (long long)(i / d), (double)features[i]);
    return CSCTRL_OK;
}

static csctrl_status rate_terms(ct_exec *ex, const ct_tensor *F, double eps2,
                                const ct_rate_term *terms, int count, double *values, ct_tensor *dF,
                                void *scratch)
{
    const int d = (int)F->shape[F->ndim - 1];

    CT_TRY(check_finite(ex, F));
    ct_cpu_use_threads(ex);
    for (int j = 0, size = 1; j < count; j += size) {
        size = group_size(terms + j, count - j, d);
        values[j] = 0;
        if (terms[j].count > 0)
            rate_group(((const ct_cpu *)ex->state)->sweep, F->data, d, eps2, terms + j, size,
                       values + j, dF == NULL ? NULL : dF->data, scratch);
        for (int i = j; i < j + size; i++)
            if (!isfinite(values[i]))
                return ct_fail(
                    CSCTRL_E_NUMERIC,
                    "coding rate: term %d has no finite value: its features are too large", i);
    }
    return CSCTRL_OK;
}

void ct_cpu_fill_rate(ct_ops *ops)
{
    ops->rate_scratch = rate_scratch;
    ops->rate_terms = rate_terms;
}
