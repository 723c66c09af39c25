/* frechet.c - Frechet distance of two Gaussians. With S1 = V^T D V (rows of V are the eigenvectors)
 * and B = D^1/2 V, the matrix B S2 B^T is S1^1/2 S2 S1^1/2 up to a rotation: symmetric, its
 * eigenvalues real and, but for rounding, not negative. */
#include <cblas.h>
#include <float.h>
#include <lapacke.h>
#include <math.h>

#include "base/mem.h"
#include "eval/moments.h"

typedef struct frechet_work {
    lapack_int d, lwork, liwork;
    double *mean[2], *covariance[2]; /* [d], [d, d] */
    double *product;                 /* [d, d] */
    double *values, *lapack;
    lapack_int *ilapack;
} frechet_work;

static csctrl_status work_create(frechet_work *w, int64_t features)
{
    const size_t d = (size_t)features;

    w->d = (lapack_int)features;
    if (features > 26000) /* whose working memory an int of LAPACK can count */
        return ct_fail(CSCTRL_E_INVALID,
                       "Frechet distance: expected at most 26000 features, found "
                       "%lld",
                       (long long)features);
    w->lwork = 1 + 6 * w->d + 2 * w->d * w->d; /* what dsyevd asks for with vectors */
    w->liwork = 3 + 5 * w->d;
    for (int i = 0; i < 2; i++) {
        w->mean[i] = ct_calloc(d, sizeof(double));
        w->covariance[i] = ct_calloc(d, d * sizeof(double));
        if (w->mean[i] == NULL || w->covariance[i] == NULL)
            return CSCTRL_E_NOMEM;
    }
    w->product = ct_calloc(d, d * sizeof(double));
    w->values = ct_calloc(d, sizeof(double));
    w->lapack = ct_calloc((size_t)w->lwork, sizeof(double));
    w->ilapack = ct_calloc((size_t)w->liwork, sizeof(lapack_int));
    return w->product != NULL && w->values != NULL && w->lapack != NULL && w->ilapack != NULL
               ? CSCTRL_OK
               : CSCTRL_E_NOMEM;
}

static void work_destroy(frechet_work *w)
{
    for (int i = 0; i < 2; i++) {
        ct_free(w->mean[i]);
        ct_free(w->covariance[i]);
    }
    ct_free(w->product);
    ct_free(w->values);
    ct_free(w->lapack);
    ct_free(w->ilapack);
}

/* Ascending eigenvalues of a symmetric matrix, of which rounding alone is set to 0; with vectors,
 * they replace the matrix, a row each. */
static csctrl_status eigenvalues(frechet_work *w, char job, double *matrix)
{
    const lapack_int info =
        LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, job, 'U', w->d, matrix, w->d, w->values, w->lapack,
                            w->lwork, w->ilapack, w->liwork);

    if (info != 0)
        return ct_fail(CSCTRL_E_NUMERIC,
                       "Frechet distance: eigenvalues were not found (dsyevd gave %d)", (int)info);
    for (lapack_int i = 0; i < w->d; i++)
        if (!isfinite(w->values[i]))
            return ct_fail(CSCTRL_E_NUMERIC, "Frechet distance: eigenvalue %d is not finite",
                           (int)i);
    const double least = DBL_EPSILON * w->d * w->values[w->d - 1];
    for (lapack_int i = 0; i < w->d; i++)
        if (!(w->values[i] > least))
            w->values[i] = 0;
    return CSCTRL_OK;
}

/* tr (S1 S2)^1/2; the covariances are used up. */
static csctrl_status root_trace(frechet_work *w, double *trace)
{
    double *V = w->covariance[0];
    const int d = w->d;

    CT_TRY(eigenvalues(w, 'V', V));
    for (int i = 0; i < d; i++)
        cblas_dscal(d, sqrt(w->values[i]), V + (size_t)i * (size_t)d, 1);
    cblas_dsymm(CblasRowMajor, CblasRight, CblasLower, d, d, 1.0, w->covariance[1], d, V, d, 0.0,
                w->product, d);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, d, d, d, 1.0, w->product, d, V, d, 0.0,
                w->covariance[1], d);
    CT_TRY(eigenvalues(w, 'N', w->covariance[1]));
    *trace = 0;
    for (int i = 0; i < d; i++)
        *trace += sqrt(w->values[i]);
    return CSCTRL_OK;
}

csctrl_status csctrl_frechet_distance(const csctrl_moments *a, const csctrl_moments *b,
                                      double *distance)
{
    frechet_work w = {0};
    csctrl_status st;
    double sum = 0, root;

    if (a->d != b->d)
        return ct_fail(CSCTRL_E_SHAPE,
                       "Frechet distance: expected as many features, found %lld and %lld",
                       (long long)a->d, (long long)b->d);
    CT_GOTO(st, work_create(&w, a->d));
    CT_GOTO(st, ct_moments_final(a, w.mean[0], w.covariance[0]));
    CT_GOTO(st, ct_moments_final(b, w.mean[1], w.covariance[1]));
    for (int64_t i = 0; i < a->d; i++) {
        const double t = w.mean[0][i] - w.mean[1][i];
        sum += t * t + w.covariance[0][i * a->d + i] + w.covariance[1][i * a->d + i];
    }
    CT_GOTO(st, root_trace(&w, &root));
    const double found = sum - 2 * root;
    CT_GOTO(st, isfinite(found) ? CSCTRL_OK
                                : ct_fail(CSCTRL_E_NUMERIC,
                                          "Frechet distance: means or covariances are too large: "
                                          "their squares are not finite"));
    *distance = found < 0 ? 0 : found;
done:
    work_destroy(&w);
    return st;
}
