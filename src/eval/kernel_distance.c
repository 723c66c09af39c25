/* kernel_distance.c - unbiased squared MMD with the cubic kernel (Binkowski et al. 2018), of all
 * features and over random subsets as torch-fidelity draws them. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "csctrl/score.h"
#include "eval/mt19937.h"
#include "eval/products.h"

/* Sum of (x.y / d + 1)^3 over pairs, without a row's pair with itself `within` one set. */
static csctrl_status kernel_sum(const ct_tensor *a, const ct_tensor *b, bool within, double *sum)
{
    const double scale = 1.0 / (double)a->shape[1];
    ct_pairs p;
    csctrl_status st;

    *sum = 0;
    CT_GOTO(st, ct_pairs_create(&p, a, b));
    while (ct_pairs_next(&p))
        for (int64_t i = 0; i < p.rows; i++) {
            double row = 0;
            for (int64_t j = 0; j < p.nb; j++) {
                const double t = p.out[i * p.nb + j] * scale + 1;
                if (!within || p.first + i != j)
                    row += t * t * t;
            }
            *sum += row;
        }
done:
    ct_pairs_destroy(&p);
    return st;
}

static csctrl_status discrepancy(const ct_tensor *a, const ct_tensor *b, double *result)
{
    const double n = (double)a->shape[0], m = (double)b->shape[0];
    double aa, bb, ab;

    CT_TRY(kernel_sum(a, a, true, &aa));
    CT_TRY(kernel_sum(b, b, true, &bb));
    CT_TRY(kernel_sum(a, b, false, &ab));
    *result = aa / (n * (n - 1)) + bb / (m * (m - 1)) - 2 * ab / (n * m);
    return CSCTRL_OK;
}

/* `to` gets rows of `from` in the order of a fresh permutation. */
static void draw(ct_mt19937 *random, const ct_tensor *from, int64_t *order, ct_tensor *to)
{
    const size_t row = (size_t)from->shape[1] * sizeof(float);

    ct_mt19937_permutation(random, from->shape[0], order);
    for (int64_t i = 0; i < to->shape[0]; i++)
        memcpy((char *)to->data + (size_t)i * row,
               (const char *)from->data + (size_t)order[i] * row, row);
}

static csctrl_status over_subsets(const ct_tensor *a, const ct_tensor *b, uint32_t seed,
                                  csctrl_kernel_distance *r)
{
    const size_t bytes = (size_t)a->shape[1] * sizeof(float), rows = (size_t)r->subset_size;
    const int64_t longer = a->shape[0] > b->shape[0] ? a->shape[0] : b->shape[0];
    ct_mt19937 random;
    csctrl_status st;
    ct_tensor x = CT_SHAPE(CSCTRL_F32, r->subset_size, a->shape[1]), y = x;
    int64_t *order = ct_calloc((size_t)longer, sizeof *order);
    double *values = ct_calloc((size_t)r->subsets, sizeof *values);

    x.data = ct_calloc(rows, bytes);
    y.data = ct_calloc(rows, bytes);
    CT_GOTO(st, order != NULL && values != NULL && x.data != NULL && y.data != NULL
                    ? CSCTRL_OK
                    : CSCTRL_E_NOMEM);
    ct_mt19937_seed(&random, seed);
    for (int s = 0; s < r->subsets; s++) {
        draw(&random, a, order, &x);
        draw(&random, b, order, &y);
        CT_GOTO(st, discrepancy(&x, &y, &values[s]));
        r->mean += values[s] / r->subsets;
    }
    for (int s = 0; s < r->subsets; s++)
        r->deviation += (values[s] - r->mean) * (values[s] - r->mean) / r->subsets;
    r->deviation = sqrt(r->deviation);
done:
    ct_free(order);
    ct_free(values);
    ct_free(x.data);
    ct_free(y.data);
    return st;
}

csctrl_status csctrl_kernel_distance_compute(const csctrl_tensor *a, const csctrl_tensor *b,
                                             int subsets, int64_t subset_size, uint32_t seed,
                                             csctrl_kernel_distance *result)
{
    CT_TRY(ct_expect_features(a, "first features", b, "second features"));
    const int64_t fewer = a->shape[0] < b->shape[0] ? a->shape[0] : b->shape[0];
    if (fewer < 2)
        return ct_fail(CSCTRL_E_SHAPE,
                       "kernel distance: expected at least 2 features each, found "
                       "%lld and %lld",
                       (long long)a->shape[0], (long long)b->shape[0]);
    if (subsets < 1 || subset_size < 2)
        return ct_fail(CSCTRL_E_INVALID,
                       "kernel distance: expected at least one subset of at least 2, found %d of "
                       "%lld",
                       subsets, (long long)subset_size);
    csctrl_kernel_distance r = {.subsets = subsets,
                                .subset_size = subset_size < fewer ? subset_size : fewer};
    CT_TRY(discrepancy(a, b, &r.all));
    CT_TRY(over_subsets(a, b, seed, &r));
    *result = r;
    return CSCTRL_OK;
}
