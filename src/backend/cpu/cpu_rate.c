/* cpu_rate.c - coding rates (SPEC 3) in double with BLAS and LAPACK.
 *
 * As in ref_rate.c the smaller of I + alpha Z^T Z and I + alpha Z Z^T is factored, G = L L^T, and
 * dR/dZ = alpha Z G^-1 or alpha G^-1 Z comes from two triangular solves in place. Row-major lower
 * is column-major upper, which spares LAPACK a copy. */
#include <cblas.h>
#include <lapacke.h>
#include <math.h>

#include "backend/cpu/cpu.h"

static size_t rate_scratch(ct_exec *ex, int m, int d)
{
    const size_t small = (size_t)(m < d ? m : d);

    (void)ex;
    return ((size_t)m * (size_t)d + small * small) * sizeof(double);
}

/* Lower factor of I + alpha Gram in G; 1/2 logdet. */
static csctrl_status factor(const double *Z, int count, int d, double alpha, double *G,
                            double *rate)
{
    const int s = count < d ? count : d;

    cblas_dsyrk(CblasRowMajor, CblasLower, count < d ? CblasNoTrans : CblasTrans, s,
                count < d ? d : count, alpha, Z, d, 0, G, s);
    for (int i = 0; i < s; i++)
        G[(int64_t)i * s + i] += 1;
    if (LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', s, G, s) != 0)
        return CSCTRL_E_NUMERIC;
    *rate = 0;
    for (int i = 0; i < s; i++)
        *rate += log(G[(int64_t)i * s + i]);
    return isfinite(*rate) ? CSCTRL_OK : CSCTRL_E_NUMERIC;
}

/* Z <- G^-1 Z or Z G^-1. */
static void solve(const double *G, int count, int d, double *Z)
{
    if (count < d) {
        cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, count, d, 1,
                    G, count, Z, d);
        cblas_dtrsm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, count, d, 1, G,
                    count, Z, d);
    } else {
        cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, count, d, 1, G,
                    d, Z, d);
        cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, count, d, 1,
                    G, d, Z, d);
    }
}

static csctrl_status rate_term(const float *F, int d, double eps2, const ct_rate_term *term,
                               double *value, float *dF, double *Z)
{
    const int count = term->count;
    const double alpha = d / (count * eps2);
    double *G = Z + (int64_t)count * d;
    double rate;

    for (int i = 0; i < count; i++)
        for (int j = 0; j < d; j++)
            Z[(int64_t)i * d + j] = (double)F[(int64_t)term->rows[i] * d + j];
    CT_TRY(factor(Z, count, d, alpha, G, &rate));
    *value = rate;
    if (dF == NULL)
        return CSCTRL_OK;
    solve(G, count, d, Z);
    for (int i = 0; i < count; i++)
        for (int j = 0; j < d; j++)
            dF[(int64_t)term->rows[i] * d + j] +=
                (float)(term->weight * alpha * Z[(int64_t)i * d + j]);
    return CSCTRL_OK;
}

static csctrl_status rate_terms(ct_exec *ex, const ct_tensor *F, double eps2,
                                const ct_rate_term *terms, int count, double *values, ct_tensor *dF,
                                void *scratch)
{
    const int d = (int)F->shape[F->ndim - 1];
    const float *features = F->data;

    for (int64_t i = 0; i < csctrl_tensor_count(F); i++)
        if (!isfinite(features[i]))
            return ct_fail(CSCTRL_E_NUMERIC,
                           "coding rate: feature %lld of row %lld is %g, expected a finite number",
                           (long long)(i % d), (long long)(i / d), (double)features[i]);
    ct_cpu_use_threads(ex);
    for (int j = 0; j < count; j++) {
        csctrl_status status = CSCTRL_OK;
        values[j] = 0;
        if (terms[j].count > 0)
            status = rate_term(features, d, eps2, &terms[j], &values[j],
                               dF == NULL ? NULL : dF->data, scratch);
        if (status != CSCTRL_OK)
            return ct_fail(
                status, "coding rate: term %d has no finite value: its features are too large", j);
    }
    return CSCTRL_OK;
}

void ct_cpu_fill_rate(ct_ops *ops)
{
    ops->rate_scratch = rate_scratch;
    ops->rate_terms = rate_terms;
}
