/* moments.c - mean and covariance in double, a batch at a time; statistics files. */
#include "eval/moments.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "csctrl/npy.h"
#include "eval/products.h"
#include "io/npz.h"

enum { BLOCK = 256, FEATURES_MAX = 46340 }; /* whose square is what an int can index */

void csctrl_moments_destroy(csctrl_moments **moments)
{
    if (moments == NULL || *moments == NULL)
        return;
    csctrl_moments *m = *moments;
    ct_free(m->shift);
    ct_free(m->sum);
    ct_free(m->scatter);
    ct_free(m->block);
    ct_free(m);
    *moments = NULL;
}

csctrl_status csctrl_moments_create(csctrl_moments **out, int64_t features)
{
    const size_t d = (size_t)features;

    *out = NULL;
    if (features < 1 || features > FEATURES_MAX)
        return ct_fail(CSCTRL_E_INVALID, "moments: expected 1..%d features, found %lld",
                       FEATURES_MAX, (long long)features);
    csctrl_moments *m = ct_calloc(1, sizeof *m);
    if (m == NULL)
        return CSCTRL_E_NOMEM;
    m->d = features;
    m->shift = ct_calloc(d, sizeof(double));
    m->sum = ct_calloc(d, sizeof(double));
    m->scatter = ct_calloc(d, d * sizeof(double));
    m->block = ct_calloc(BLOCK, d * sizeof(double));
    if (m->shift == NULL || m->sum == NULL || m->scatter == NULL || m->block == NULL) {
        csctrl_moments_destroy(&m);
        return CSCTRL_E_NOMEM;
    }
    *out = m;
    return CSCTRL_OK;
}

static csctrl_status expect_finite(const ct_tensor *t, const char *name)
{
    for (int64_t i = 0; i < csctrl_tensor_count(t); i++) {
        const double x =
            t->dtype == CSCTRL_F32 ? (double)((float *)t->data)[i] : ((double *)t->data)[i];
        if (!isfinite(x))
            return ct_fail(CSCTRL_E_NUMERIC, "%s: number %lld is not finite", name, (long long)i);
    }
    return CSCTRL_OK;
}

/* The mean of the first batch; later ones need not be near it, only nearer than 0 is. */
static void set_shift(csctrl_moments *m, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < m->d; j++)
            m->shift[j] += (double)x[i * m->d + j];
    for (int64_t j = 0; j < m->d; j++)
        m->shift[j] /= (double)n;
}

csctrl_status csctrl_moments_add(csctrl_moments *moments, const csctrl_tensor *features)
{
    csctrl_moments *m = moments;

    CT_TRY(ct_tensor_expect(features, "features", CSCTRL_F32, 2, (const int64_t[]){-1, m->d}));
    CT_TRY(expect_finite(features, "features"));
    if (m->fixed)
        return ct_fail(CSCTRL_E_STATE, "moments: expected moments that were summed up, found ones "
                                       "read from a file; begin new ones");
    const int64_t n = features->shape[0];
    const float *x = features->data;

    if (m->count == 0 && n > 0)
        set_shift(m, x, n);
    for (int64_t first = 0; first < n; first += BLOCK) {
        const int64_t rows = n - first < BLOCK ? n - first : BLOCK;
        for (int64_t i = 0; i < rows; i++)
            for (int64_t j = 0; j < m->d; j++) {
                const double t = (double)x[(first + i) * m->d + j] - m->shift[j];
                m->block[i * m->d + j] = t;
                m->sum[j] += t;
            }
        ct_gram_add(m->block, rows, m->d, m->scatter);
    }
    m->count += n;
    return CSCTRL_OK;
}

void csctrl_moments_get_info(const csctrl_moments *moments, csctrl_moments_info *info)
{
    *info = (csctrl_moments_info){
        .features = moments->d, .count = moments->count, .recipe = moments->recipe};
}

void csctrl_moments_set_recipe(csctrl_moments *moments, const char *recipe)
{
    snprintf(moments->recipe, sizeof moments->recipe, "%s", recipe);
}

csctrl_status ct_moments_final(const csctrl_moments *m, double *mean, double *covariance)
{
    const int64_t d = m->d;
    const double n = (double)m->count;

    if (!m->fixed && m->count < 2)
        return ct_fail(CSCTRL_E_STATE,
                       "moments: expected at least 2 images for a covariance, found %lld",
                       (long long)m->count);
    for (int64_t i = 0; i < d; i++)
        mean[i] = m->fixed ? m->shift[i] : m->shift[i] + m->sum[i] / n;
    for (int64_t i = 0; i < d; i++)
        for (int64_t j = 0; j <= i; j++) {
            const double s = m->scatter[i * d + j];
            const double c = m->fixed ? s : (s - m->sum[i] * m->sum[j] / n) / (n - 1);
            covariance[i * d + j] = covariance[j * d + i] = c;
        }
    return CSCTRL_OK;
}

csctrl_status csctrl_moments_write(const csctrl_moments *moments, const char *path)
{
    const size_t d = (size_t)moments->d;
    double *mean = ct_calloc(d, sizeof(double)), *covariance = ct_calloc(d, d * sizeof(double));
    int64_t count = moments->count;
    char recipe[CT_RECIPE_MAX];
    ct_named_tensor arrays[] = {
        {"mu.npy", CT_SHAPE(CSCTRL_F64, moments->d)},
        {"sigma.npy", CT_SHAPE(CSCTRL_F64, moments->d, moments->d)},
        {"count.npy", csctrl_tensor_view(CSCTRL_I64, 0, NULL, &count)},
        {"recipe.npy", CT_SHAPE(CSCTRL_U8, (int64_t)strlen(moments->recipe))},
    };
    csctrl_status st;

    CT_GOTO(st, mean != NULL && covariance != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM);
    CT_GOTO(st, ct_moments_final(moments, mean, covariance));
    memcpy(recipe, moments->recipe, sizeof recipe);
    arrays[0].value.data = mean;
    arrays[1].value.data = covariance;
    arrays[3].value.data = recipe;
    st = ct_npz_write(path, arrays, sizeof arrays / sizeof arrays[0]);
done:
    ct_free(mean);
    ct_free(covariance);
    return st;
}

static double number_at(const ct_tensor *t, int64_t i)
{
    return t->dtype == CSCTRL_F32 ? (double)((float *)t->data)[i] : ((double *)t->data)[i];
}

static csctrl_status expect_statistics(const char *path, const ct_tensor *mu,
                                       const ct_tensor *sigma)
{
    char a[96], b[96];
    const bool real = (mu->dtype == CSCTRL_F32 || mu->dtype == CSCTRL_F64) &&
                      (sigma->dtype == CSCTRL_F32 || sigma->dtype == CSCTRL_F64);

    if (!real || mu->ndim != 1 || sigma->ndim != 2 || sigma->shape[0] != mu->shape[0] ||
        sigma->shape[1] != mu->shape[0])
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: expected mu [d] and sigma [d, d] of real numbers, found %s and %s",
                       path, ct_tensor_text(mu, a), ct_tensor_text(sigma, b));
    if (mu->shape[0] < 1 || mu->shape[0] > FEATURES_MAX)
        return ct_fail(CSCTRL_E_FORMAT, "%s: expected statistics of 1..%d features, found %lld",
                       path, FEATURES_MAX, (long long)mu->shape[0]);
    if (expect_finite(mu, "mu") != CSCTRL_OK || expect_finite(sigma, "sigma") != CSCTRL_OK)
        return ct_fail_context(CSCTRL_E_FORMAT, "%s", path);
    return CSCTRL_OK;
}

/* What files of other tools do not have. */
static void read_extras(csctrl_moments *m, const ct_tensor *count, const ct_tensor *recipe)
{
    if (count->data != NULL && count->dtype == CSCTRL_I64 && csctrl_tensor_count(count) == 1 &&
        *(int64_t *)count->data > 0)
        m->count = *(int64_t *)count->data;
    if (recipe->data != NULL && recipe->dtype == CSCTRL_U8 && recipe->ndim == 1)
        snprintf(m->recipe, sizeof m->recipe, "%.*s",
                 recipe->shape[0] < CT_RECIPE_MAX ? (int)recipe->shape[0] : CT_RECIPE_MAX - 1,
                 (const char *)recipe->data);
    ct_one_line(m->recipe);
}

csctrl_status csctrl_moments_read(csctrl_moments **out, const char *path)
{
    enum { MU, SIGMA, COUNT, RECIPE, ARRAYS };
    const int64_t most = FEATURES_MAX;
    ct_npz_item items[ARRAYS] = {
        [MU] = {.name = "mu", .most = most},
        [SIGMA] = {.name = "sigma", .most = most * most},
        [COUNT] = {.name = "count", .optional = true, .most = most},
        [RECIPE] = {.name = "recipe", .optional = true, .most = most},
    };
    csctrl_moments *m = NULL;
    csctrl_status st;

    *out = NULL;
    CT_GOTO(st, ct_npz_read(path, items, ARRAYS));
    CT_GOTO(st, expect_statistics(path, &items[MU].value, &items[SIGMA].value));
    CT_GOTO(st, csctrl_moments_create(&m, items[MU].value.shape[0]));
    for (int64_t i = 0; i < m->d; i++)
        m->shift[i] = number_at(&items[MU].value, i);
    for (int64_t i = 0; i < m->d * m->d; i++)
        m->scatter[i] = number_at(&items[SIGMA].value, i);
    m->fixed = true;
    read_extras(m, &items[COUNT].value, &items[RECIPE].value);
    *out = m;
    m = NULL;
done:
    for (int i = 0; i < ARRAYS; i++)
        csctrl_npy_free(&items[i].value);
    csctrl_moments_destroy(&m);
    return st;
}
