/* subspaces.c - the principal subspace of every class's features: fit, nearest-subspace
 * classification and sampling (SPEC 5). Everything in double. */
#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "csctrl/eval.h"
#include "tensor/tensor.h"

enum { BLOCK = 256 }; /* rows widened to double at once */

/* Directions of less than this share of the leading variance are rounding, not structure. */
static const double null_share = 1e-12;

struct csctrl_subspaces {
    int classes, d, components;
    int64_t *count;    /* [classes] features seen; 0: an empty class */
    int *kept;         /* [classes] directions kept, <= components */
    double *mean;      /* [classes, d] */
    double *basis;     /* [classes, components, d], orthonormal rows, leading first */
    double *deviation; /* [classes, components], along each direction */
};

/* Memory of one fit, reused by all classes. */
typedef struct fit_work {
    double *block;                     /* [BLOCK, d] */
    double *covariance;                /* [d, d] */
    double *values, *vectors, *lapack; /* [d], [components, d], [lwork] */
    lapack_int *support, *ilapack;     /* [2 d], [10 d] */
    lapack_int lwork;
} fit_work;

void csctrl_subspaces_destroy(csctrl_subspaces **subspaces)
{
    if (subspaces == NULL || *subspaces == NULL)
        return;
    csctrl_subspaces *s = *subspaces;
    ct_free(s->count);
    ct_free(s->kept);
    ct_free(s->mean);
    ct_free(s->basis);
    ct_free(s->deviation);
    ct_free(s);
    *subspaces = NULL;
}

static csctrl_status subspaces_create(csctrl_subspaces **out, int classes, int d, int components)
{
    csctrl_subspaces *s = ct_calloc(1, sizeof *s);
    const size_t all = (size_t)classes * (size_t)components;

    if (s == NULL)
        return CSCTRL_E_NOMEM;
    s->classes = classes;
    s->d = d;
    s->components = components;
    s->count = ct_calloc((size_t)classes, sizeof *s->count);
    s->kept = ct_calloc((size_t)classes, sizeof *s->kept);
    s->mean = ct_calloc((size_t)classes, (size_t)d * sizeof(double));
    s->basis = ct_calloc(all, (size_t)d * sizeof(double));
    s->deviation = ct_calloc(all, sizeof(double));
    if (s->count == NULL || s->kept == NULL || s->mean == NULL || s->basis == NULL ||
        s->deviation == NULL) {
        csctrl_subspaces_destroy(&s);
        return CSCTRL_E_NOMEM;
    }
    *out = s;
    return CSCTRL_OK;
}

static csctrl_status work_create(fit_work *work, int d, int components)
{
    const size_t n = (size_t)d;

    work->lwork = 26 * d; /* the least that dsyevr takes */
    work->block = ct_calloc(BLOCK, n * sizeof(double));
    work->covariance = ct_calloc(n, n * sizeof(double));
    work->values = ct_calloc(n, sizeof(double));
    work->vectors = ct_calloc((size_t)components, n * sizeof(double));
    work->lapack = ct_calloc((size_t)work->lwork, sizeof(double));
    work->support = ct_calloc(2 * n, sizeof(lapack_int));
    work->ilapack = ct_calloc(10 * n, sizeof(lapack_int));
    return work->block != NULL && work->covariance != NULL && work->values != NULL &&
                   work->vectors != NULL && work->lapack != NULL && work->support != NULL &&
                   work->ilapack != NULL
               ? CSCTRL_OK
               : CSCTRL_E_NOMEM;
}

static void work_destroy(fit_work *work)
{
    ct_free(work->block);
    ct_free(work->covariance);
    ct_free(work->values);
    ct_free(work->vectors);
    ct_free(work->lapack);
    ct_free(work->support);
    ct_free(work->ilapack);
}

/* Count and mean of every class. */
static csctrl_status fit_means(csctrl_subspaces *s, const ct_tensor *z, const int64_t *labels)
{
    for (int64_t i = 0; i < z->shape[0]; i++) {
        const float *row = (const float *)z->data + i * s->d;
        const int64_t k = labels[i];

        if (k < 0 || k >= s->classes)
            return ct_fail(CSCTRL_E_INVALID,
                           "subspaces: expected labels in 0..%d, found %lld at feature %lld",
                           s->classes - 1, (long long)k, (long long)i);
        for (int j = 0; j < s->d; j++) {
            if (!isfinite(row[j]))
                return ct_fail(CSCTRL_E_NUMERIC,
                               "subspaces: feature %lld is not finite; check the"
                               " model that encoded it",
                               (long long)i);
            s->mean[k * s->d + j] += (double)row[j];
        }
        s->count[k]++;
    }
    for (int k = 0; k < s->classes; k++)
        for (int j = 0; j < s->d && s->count[k] > 0; j++)
            s->mean[(int64_t)k * s->d + j] /= (double)s->count[k];
    if (z->shape[0] == 0)
        return ct_fail(CSCTRL_E_INVALID, "subspaces: every class is empty; give features to fit");
    return CSCTRL_OK;
}

/* block[at] <- row - mean of class k */
static void centre(const csctrl_subspaces *s, int k, const float *row, double *centred)
{
    const double *mean = s->mean + (int64_t)k * s->d;

    for (int j = 0; j < s->d; j++)
        centred[j] = (double)row[j] - mean[j];
}

/* Lower triangle of the covariance of class k. */
static void fit_covariance(const csctrl_subspaces *s, int k, const ct_tensor *z,
                           const int64_t *labels, fit_work *work)
{
    const double scale = 1.0 / (double)s->count[k];
    int64_t filled = 0;

    memset(work->covariance, 0, (size_t)s->d * (size_t)s->d * sizeof(double));
    for (int64_t i = 0; i <= z->shape[0]; i++) {
        if (filled == BLOCK || i == z->shape[0]) {
            cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, s->d, (int)filled, scale,
                        work->block, s->d, 1.0, work->covariance, s->d);
            filled = 0;
        }
        if (i < z->shape[0] && labels[i] == k)
            centre(s, k, (const float *)z->data + i * s->d, work->block + filled++ * s->d);
    }
}

/* Leading directions of class k; its mean is known. */
static csctrl_status fit_class(csctrl_subspaces *s, int k, const ct_tensor *z,
                               const int64_t *labels, fit_work *work)
{
    const int d = s->d;
    const int wanted = s->count[k] - 1 < s->components ? (int)s->count[k] - 1 : s->components;
    lapack_int found = 0;

    if (wanted <= 0)
        return CSCTRL_OK; /* one image: the mean alone */
    fit_covariance(s, k, z, labels, work);
    /* Row-major lower is column-major upper; eigenvalues ascend, eigenvectors are columns. */
    const lapack_int info =
        LAPACKE_dsyevr_work(LAPACK_COL_MAJOR, 'V', 'I', 'U', d, work->covariance, d, 0, 0,
                            d - wanted + 1, d, 0, &found, work->values, work->vectors, d,
                            work->support, work->lapack, work->lwork, work->ilapack, 10 * d);
    if (info != 0 || found != wanted)
        return ct_fail(CSCTRL_E_NUMERIC,
                       "subspaces: the eigenvectors of class %d were not found (dsyevr gave %d)", k,
                       (int)info);
    for (int c = 0; c < wanted; c++) {
        const int from = wanted - 1 - c;
        const int64_t to = (int64_t)k * s->components + c;

        if (work->values[from] <= null_share * work->values[wanted - 1])
            break;
        memcpy(s->basis + to * d, work->vectors + (int64_t)from * d, (size_t)d * sizeof(double));
        s->deviation[to] = sqrt(work->values[from]);
        s->kept[k]++;
    }
    return CSCTRL_OK;
}

static csctrl_status expect_fit(const ct_tensor *z, int classes, int components)
{
    CT_TRY(ct_tensor_expect(z, "features", CSCTRL_F32, 2, (const int64_t[]){-1, -1}));
    /* 46340^2 is the largest covariance that an int of LAPACK can index. */
    if (z->shape[1] < 1 || z->shape[1] > 46340)
        return ct_fail(CSCTRL_E_SHAPE, "features: expected 1..46340 numbers each, found %lld",
                       (long long)z->shape[1]);
    if (classes < 1)
        return ct_fail(CSCTRL_E_INVALID, "subspaces: expected at least one class, found %d",
                       classes);
    if (components < 1 || components > z->shape[1])
        return ct_fail(CSCTRL_E_INVALID, "subspaces: expected 1..%lld components, found %d",
                       (long long)z->shape[1], components);
    return CSCTRL_OK;
}

csctrl_status csctrl_subspaces_fit(csctrl_subspaces **out, const csctrl_tensor *z,
                                   const int64_t *labels, int classes, int components)
{
    csctrl_subspaces *s = NULL;
    fit_work work = {0};
    csctrl_status st;

    *out = NULL;
    CT_GOTO(st, expect_fit(z, classes, components));
    CT_GOTO(st, subspaces_create(&s, classes, (int)z->shape[1], components));
    CT_GOTO(st, work_create(&work, s->d, components));
    CT_GOTO(st, fit_means(s, z, labels));
    for (int k = 0; k < classes; k++)
        CT_GOTO(st, fit_class(s, k, z, labels, &work));
    *out = s;
    s = NULL;
done:
    work_destroy(&work);
    csctrl_subspaces_destroy(&s);
    return st;
}

/* Where a row is nearer to class k than to any before, take k. centred [rows, d] and within
 * [rows, components] are scratch. */
static void classify_block(const csctrl_subspaces *s, int k, const float *rows, int count,
                           double *centred, double *within, double *best, int64_t *labels)
{
    const double *basis = s->basis + (int64_t)k * s->components * s->d;
    const int kept = s->kept[k];

    for (int i = 0; i < count; i++)
        centre(s, k, rows + (int64_t)i * s->d, centred + (int64_t)i * s->d);
    if (kept > 0) {
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, count, kept, s->d, 1.0, centred, s->d,
                    basis, s->d, 0.0, within, s->components);
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, count, s->d, kept, -1.0, within,
                    s->components, basis, s->d, 1.0, centred, s->d);
    }
    for (int i = 0; i < count; i++) {
        const double *residual = centred + (int64_t)i * s->d;
        const double distance = cblas_ddot(s->d, residual, 1, residual, 1);

        if (distance < best[i]) {
            best[i] = distance;
            labels[i] = k;
        }
    }
}

static csctrl_status expect_features(const csctrl_subspaces *s, const ct_tensor *z)
{
    return ct_tensor_expect(z, "features", CSCTRL_F32, 2, (const int64_t[]){-1, s->d});
}

csctrl_status csctrl_subspaces_classify(const csctrl_subspaces *subspaces, const csctrl_tensor *z,
                                        int64_t *labels)
{
    const csctrl_subspaces *s = subspaces;
    double *centred = NULL, *within = NULL;
    csctrl_status st;

    CT_GOTO(st, expect_features(s, z));
    centred = ct_calloc(BLOCK, (size_t)s->d * sizeof(double));
    within = ct_calloc(BLOCK, (size_t)s->components * sizeof(double));
    CT_GOTO(st, centred != NULL && within != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM);
    for (int64_t i = 0; i < z->shape[0]; i += BLOCK) {
        const int count = z->shape[0] - i < BLOCK ? (int)(z->shape[0] - i) : BLOCK;
        double best[BLOCK];

        for (int j = 0; j < count; j++) {
            best[j] = HUGE_VAL;
            labels[i + j] = -1;
        }
        for (int k = 0; k < s->classes; k++)
            if (s->count[k] > 0)
                classify_block(s, k, (const float *)z->data + i * s->d, count, centred, within,
                               best, labels + i);
        for (int j = 0; j < count; j++)
            if (labels[i + j] < 0)
                CT_GOTO(st, ct_fail(CSCTRL_E_NUMERIC,
                                    "feature %lld is not finite; check the model"
                                    " that encoded it",
                                    (long long)(i + j)));
    }
done:
    ct_free(centred);
    ct_free(within);
    return st;
}

/* Class of sample i: the one asked for, or the non-empty ones in turn. */
static int class_of(const csctrl_subspaces *s, int class_label, int previous)
{
    int k = class_label;

    if (class_label < 0)
        do
            k = ++previous % s->classes;
        while (s->count[k] == 0);
    return k;
}

/* mean + U diag(deviation) N(0, I) on the unit sphere, in `sample` [d]; then to float. */
static void draw(const csctrl_subspaces *s, int k, const ct_rng *rng, int64_t index, double *sample,
                 float *z)
{
    memcpy(sample, s->mean + (int64_t)k * s->d, (size_t)s->d * sizeof(double));
    for (int c = 0; c < s->kept[k]; c++) {
        const int64_t at = (int64_t)k * s->components + c;
        const double t = ct_rng_normal(rng, (uint64_t)(index * s->components + c));
        cblas_daxpy(s->d, t * s->deviation[at], s->basis + at * s->d, 1, sample, 1);
    }
    const double norm = fmax(cblas_dnrm2(s->d, sample, 1), 1e-12);
    for (int j = 0; j < s->d; j++)
        z[j] = (float)(sample[j] / norm);
}

csctrl_status csctrl_subspaces_sample(const csctrl_subspaces *subspaces, int class_label,
                                      uint64_t seed, csctrl_tensor *z)
{
    const csctrl_subspaces *s = subspaces;
    const ct_rng rng = ct_rng_make(seed, CT_RNG_SAMPLE, 0);

    CT_TRY(expect_features(s, z));
    if (class_label < -1 || class_label >= s->classes)
        return ct_fail(CSCTRL_E_INVALID, "sample: expected a class in -1..%d, found %d",
                       s->classes - 1, class_label);
    if (class_label >= 0 && s->count[class_label] == 0)
        return ct_fail(CSCTRL_E_INVALID,
                       "sample: class %d had no images when the subspaces were fitted",
                       class_label);
    double *sample = ct_calloc((size_t)s->d, sizeof(double));
    if (sample == NULL)
        return CSCTRL_E_NOMEM;
    for (int64_t i = 0, k = -1; i < z->shape[0]; i++) {
        k = class_of(s, class_label, (int)k);
        draw(s, (int)k, &rng, i, sample, (float *)z->data + i * s->d);
    }
    ct_free(sample);
    return CSCTRL_OK;
}

int csctrl_subspaces_count(const csctrl_subspaces *subspaces, int class_label)
{
    if (class_label < 0 || class_label >= subspaces->classes || subspaces->count[class_label] == 0)
        return -1;
    return subspaces->kept[class_label];
}

static csctrl_status give(const double *row, int d, const char *what, csctrl_tensor *out)
{
    if (out == NULL)
        return CSCTRL_OK;
    CT_TRY(ct_tensor_expect(out, what, CSCTRL_F32, 1, (const int64_t[]){d}));
    for (int j = 0; j < d; j++)
        ((float *)out->data)[j] = (float)row[j];
    return CSCTRL_OK;
}

csctrl_status csctrl_subspaces_component(const csctrl_subspaces *subspaces, int class_label,
                                         int component, csctrl_tensor *mean,
                                         csctrl_tensor *direction, double *deviation)
{
    const csctrl_subspaces *s = subspaces;
    const int kept = csctrl_subspaces_count(s, class_label);
    const int64_t at = (int64_t)class_label * s->components + component;

    if (component < 0 || component >= kept)
        return ct_fail(CSCTRL_E_INVALID,
                       "component: expected one of the %d of class %d, found number %d",
                       kept < 0 ? 0 : kept, class_label, component);
    CT_TRY(give(s->mean + (int64_t)class_label * s->d, s->d, "mean", mean));
    CT_TRY(give(s->basis + at * s->d, s->d, "direction", direction));
    if (deviation != NULL)
        *deviation = s->deviation[at];
    return CSCTRL_OK;
}
