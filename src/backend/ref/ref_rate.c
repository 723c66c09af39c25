/* ref_rate.c - coding rates of subsets of rows and their gradients (SPEC 3), in double throughout.
 *
 * With Z the term's rows (count x d) and alpha = d / (count eps2), R = 1/2 logdet(I + alpha Z^T Z)
 * = 1/2 logdet(I + alpha Z Z^T) and dR/dZ = alpha Z (I + alpha Z^T Z)^-1 = alpha (I + alpha Z
 * Z^T)^-1 Z. The smaller matrix is factored. */
#include <math.h>

#include "backend/ref/ref.h"

static void rate_bytes(ct_exec *ex, int m, int d, int terms, int64_t rows, size_t *loaded,
                       size_t *scratch)
{
    const size_t small = (size_t)(m < d ? m : d);

    (void)ex;
    (void)terms;
    (void)rows;
    *loaded = 0;
    *scratch = ((size_t)m * (size_t)d + small * small) * sizeof(double);
}

/* They are read from the caller's list each time. */
static csctrl_status rate_load(ct_exec *ex, int m, int d, double eps2, const ct_rate_terms *terms)
{
    (void)ex;
    (void)m;
    (void)d;
    (void)eps2;
    (void)terms;
    return CSCTRL_OK;
}

/* G = I + alpha V V^T for s vectors of n numbers; vector i starts at Z[i * step], its numbers are
 * `stride` apart. */
static void gram(const double *Z, int s, int n, int64_t step, int64_t stride, double alpha,
                 double *G)
{
    for (int i = 0; i < s; i++)
        for (int j = 0; j <= i; j++) {
            double sum = 0;
            for (int k = 0; k < n; k++)
                sum += Z[i * step + k * stride] * Z[j * step + k * stride];
            G[(int64_t)i * s + j] = alpha * sum + (i == j);
        }
}

/* Lower Cholesky factor in place; 1/2 logdet, NaN when G is not positive definite. */
static double factor(double *G, int s)
{
    double half_logdet = 0;

    for (int i = 0; i < s; i++) {
        double *row = G + (int64_t)i * s;
        for (int j = 0; j <= i; j++) {
            const double *other = G + (int64_t)j * s;
            double sum = row[j];
            for (int k = 0; k < j; k++)
                sum -= row[k] * other[k];
            row[j] = i == j ? sqrt(sum) : sum / other[j];
        }
        half_logdet += log(row[i]);
    }
    return half_logdet;
}

/* v <- G^-1 v with G = L L^T. */
static void solve(const double *L, int s, double *v, int64_t stride)
{
    for (int i = 0; i < s; i++) {
        double sum = v[i * stride];
        for (int k = 0; k < i; k++)
            sum -= L[(int64_t)i * s + k] * v[k * stride];
        v[i * stride] = sum / L[(int64_t)i * s + i];
    }
    for (int i = s - 1; i >= 0; i--) {
        double sum = v[i * stride];
        for (int k = i + 1; k < s; k++)
            sum -= L[(int64_t)k * s + i] * v[k * stride];
        v[i * stride] = sum / L[(int64_t)i * s + i];
    }
}

static double rate_term(const ct_tensor *F, double eps2, const ct_rate_term *term, ct_tensor *dF,
                        double *Z)
{
    const int d = (int)row_length(F), count = term->count, s = count < d ? count : d;
    const double alpha = d / (count * eps2);
    double *G = Z + (int64_t)count * d;

    for (int i = 0; i < count; i++)
        for (int j = 0; j < d; j++)
            Z[(int64_t)i * d + j] = (double)in(F)[(int64_t)term->rows[i] * d + j];
    if (count < d)
        gram(Z, s, d, d, 1, alpha, G);
    else
        gram(Z, s, count, 1, d, alpha, G);
    const double rate = factor(G, s);
    if (dF == NULL || !isfinite(rate))
        return rate;
    for (int v = 0; v < (count < d ? d : count); v++) {
        if (count < d)
            solve(G, s, Z + v, d);
        else
            solve(G, s, Z + (int64_t)v * d, 1);
    }
    for (int i = 0; i < count; i++)
        for (int j = 0; j < d; j++) {
            real *to = out(dF) + (int64_t)term->rows[i] * d + j;
            *to = (real)((double)*to + term->weight * alpha * Z[(int64_t)i * d + j]);
        }
    return rate;
}

static csctrl_status rate_terms(ct_exec *ex, const ct_tensor *F, double eps2,
                                const ct_rate_terms *terms, double *values, ct_tensor *dF,
                                void *scratch)
{
    (void)ex;
    for (int64_t i = 0; i < csctrl_tensor_count(F); i++)
        if (!isfinite((double)in(F)[i]))
            return ct_fail(CSCTRL_E_NUMERIC,
                           "coding rate: feature %lld of row %lld is %g, expected a finite number",
                           (long long)(i % row_length(F)), (long long)(i / row_length(F)),
                           (double)in(F)[i]);
    for (int j = 0; j < terms->count; j++) {
        const ct_rate_term *term = &terms->list[j];
        const double rate = term->count == 0 ? 0 : rate_term(F, eps2, term, dF, (double *)scratch);
        if (!isfinite(rate))
            return ct_fail(CSCTRL_E_NUMERIC,
                           "coding rate: term %d has no finite value: its features are too large",
                           j);
        values[j] = rate;
    }
    return CSCTRL_OK;
}

void REF(fill_rate)(ct_ops *ops)
{
    ops->rate_bytes = rate_bytes;
    ops->rate_load = rate_load;
    ops->rate_terms = rate_terms;
}
