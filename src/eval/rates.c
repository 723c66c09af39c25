/* rates.c - coding rates of host features in double: R(Z) = 1/2 logdet(I + d/(n eps2) Z^T Z) by
 * Cholesky of the smaller Gram matrix (SPEC 3). A set of features is a list of pointers to rows, so
 * classes and unions need no copies. */
#include <cblas.h>
#include <lapacke.h>
#include <math.h>

#include "base/mem.h"
#include "eval/measures.h"

enum { BLOCK = 256 }; /* rows widened to double at once */

typedef struct rate_work {
    int d;
    double eps2;
    const float **row;    /* the rows of the set at hand */
    double *block, *gram; /* [max(BLOCK, min(rows, d)), d], [min(rows, d), min(rows, d)] */
} rate_work;

static csctrl_status work_create(rate_work *work, int64_t rows, int64_t d, double eps2)
{
    const int64_t side = rows < d ? rows : d;
    const int64_t block = side > BLOCK ? side : BLOCK;

    *work = (rate_work){.d = (int)d, .eps2 = eps2};
    work->row = ct_calloc((size_t)rows, sizeof *work->row);
    work->block = ct_calloc((size_t)block, (size_t)d * sizeof(double));
    work->gram = ct_calloc((size_t)side, (size_t)side * sizeof(double));
    return work->row != NULL && work->block != NULL && work->gram != NULL ? CSCTRL_OK
                                                                          : CSCTRL_E_NOMEM;
}

static void work_destroy(rate_work *work)
{
    ct_free(work->row);
    ct_free(work->block);
    ct_free(work->gram);
}

static void widen(const rate_work *work, int64_t first, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        for (int j = 0; j < work->d; j++)
            work->block[i * work->d + j] = (double)work->row[first + i][j];
}

/* gram <- alpha Z^T Z, lower triangle. */
static void tall_gram(const rate_work *work, int64_t n, double alpha)
{
    const int d = work->d;

    for (int64_t i = 0; i < n; i += BLOCK) {
        const int64_t count = n - i < BLOCK ? n - i : BLOCK;
        widen(work, i, count);
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, d, (int)count, alpha, work->block, d,
                    i == 0 ? 0.0 : 1.0, work->gram, d);
    }
}

/* gram <- alpha Z Z^T, lower triangle: the same determinant. */
static void wide_gram(const rate_work *work, int64_t n, double alpha)
{
    widen(work, 0, n);
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasNoTrans, (int)n, work->d, alpha, work->block,
                work->d, 0.0, work->gram, (int)n);
}

/* Rate of the first n rows of work->row. */
static csctrl_status rate_of_rows(const rate_work *work, int64_t n, double *rate)
{
    if (n == 0) {
        *rate = 0;
        return CSCTRL_OK;
    }
    const int side = n < work->d ? (int)n : work->d;
    const double alpha = work->d / ((double)n * work->eps2);
    double half_logdet = 0;

    if (n < work->d)
        wide_gram(work, n, alpha);
    else
        tall_gram(work, n, alpha);
    for (int i = 0; i < side; i++)
        work->gram[(int64_t)i * side + i] += 1.0;
    /* Row-major lower is column-major upper. */
    const int info = LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'U', side, work->gram, side);
    for (int i = 0; i < side; i++)
        half_logdet += log(work->gram[(int64_t)i * side + i]);
    if (info != 0 || !isfinite(half_logdet))
        return ct_fail(CSCTRL_E_NUMERIC,
                       "coding rate: a feature is not finite or too large; check the model");
    *rate = half_logdet;
    return CSCTRL_OK;
}

static int64_t add_rows(rate_work *work, int64_t at, const ct_tensor *z)
{
    for (int64_t i = 0; i < z->shape[0]; i++)
        work->row[at + i] = (const float *)z->data + i * work->d;
    return at + z->shape[0];
}

static csctrl_status expect_features(const ct_tensor *z, const char *name)
{
    CT_TRY(ct_tensor_expect(z, name, CSCTRL_F32, 2, (const int64_t[]){-1, -1}));
    if (z->shape[1] < 1 || z->shape[1] > INT32_MAX)
        return ct_fail(CSCTRL_E_SHAPE, "%s: expected features of at least one number, found %lld",
                       name, (long long)z->shape[1]);
    return CSCTRL_OK;
}

csctrl_status ct_eval_rate(const ct_tensor *z, double eps2, double *rate)
{
    rate_work work = {0};
    csctrl_status st;

    CT_GOTO(st, expect_features(z, "features"));
    CT_GOTO(st, work_create(&work, z->shape[0], z->shape[1], eps2));
    CT_GOTO(st, rate_of_rows(&work, add_rows(&work, 0, z), rate));
done:
    work_destroy(&work);
    return st;
}

static csctrl_status expect_labels(const int64_t *labels, int64_t n, int classes)
{
    for (int64_t i = 0; i < n; i++)
        if (labels[i] < 0 || labels[i] >= classes)
            return ct_fail(CSCTRL_E_INVALID,
                           "rate reduction: expected labels in 0..%d, found %lld at image %lld",
                           classes - 1, (long long)labels[i], (long long)i);
    return CSCTRL_OK;
}

/* sum_k n_k/n R(Z_k) */
static csctrl_status class_rates(rate_work *work, const ct_tensor *z, const int64_t *labels,
                                 int classes, double *sum)
{
    *sum = 0;
    for (int k = 0; k < classes; k++) {
        int64_t count = 0;
        double rate;

        for (int64_t i = 0; i < z->shape[0]; i++)
            if (labels[i] == k)
                work->row[count++] = (const float *)z->data + i * work->d;
        CT_TRY(rate_of_rows(work, count, &rate));
        if (count > 0)
            *sum += rate * (double)count / (double)z->shape[0];
    }
    return CSCTRL_OK;
}

csctrl_status ct_eval_rate_reduction(const ct_tensor *z, const int64_t *labels, int classes,
                                     double eps2, double *reduction)
{
    rate_work work = {0};
    csctrl_status st;
    double whole, parts;

    CT_GOTO(st, expect_features(z, "features"));
    CT_GOTO(st, expect_labels(labels, z->shape[0], classes));
    CT_GOTO(st, work_create(&work, z->shape[0], z->shape[1], eps2));
    CT_GOTO(st, rate_of_rows(&work, add_rows(&work, 0, z), &whole));
    CT_GOTO(st, class_rates(&work, z, labels, classes, &parts));
    *reduction = whole - parts;
done:
    work_destroy(&work);
    return st;
}

csctrl_status ct_eval_rate_distance(const ct_tensor *z, const ct_tensor *zhat, double eps2,
                                    double *distance)
{
    rate_work work = {0};
    csctrl_status st;
    double first, second, both;

    CT_GOTO(st, expect_features(z, "features"));
    CT_GOTO(st, ct_tensor_expect(zhat, "regenerated features", CSCTRL_F32, 2, z->shape));
    CT_GOTO(st, work_create(&work, 2 * z->shape[0], z->shape[1], eps2));
    CT_GOTO(st, rate_of_rows(&work, add_rows(&work, 0, zhat), &second));
    CT_GOTO(st, rate_of_rows(&work, add_rows(&work, 0, z), &first));
    CT_GOTO(st, rate_of_rows(&work, add_rows(&work, z->shape[0], zhat), &both));
    *distance = both - 0.5 * (first + second);
done:
    work_destroy(&work);
    return st;
}
