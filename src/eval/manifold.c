/* manifold.c - precision and recall by balls that reach to the k-th neighbour (Kynkaanniemi et al.
 * 2019), density and coverage by the same balls of the reference (Naeem et al. 2020). */
#include <math.h>

#include "base/mem.h"
#include "csctrl/score.h"
#include "eval/products.h"

/* Keep the k least values, ascending. */
static void insert(double *least, int k, double value)
{
    int i = k - 1;

    if (value >= least[i])
        return;
    for (; i > 0 && least[i - 1] > value; i--)
        least[i] = least[i - 1];
    least[i] = value;
}

/* Squared distance of each row to its k-th neighbour, itself not counted. */
static csctrl_status radii(const ct_tensor *x, int k, double *least, double *radius)
{
    ct_pairs p;
    csctrl_status st;

    CT_GOTO(st, ct_pairs_create(&p, x, x));
    while (ct_pairs_next(&p))
        for (int64_t i = 0; i < p.rows; i++) {
            for (int j = 0; j < k; j++)
                least[j] = HUGE_VAL;
            for (int64_t j = 0; j < p.nb; j++)
                if (j != p.first + i)
                    insert(least, k, ct_pairs_distance(&p, i, j));
            radius[p.first + i] = least[k - 1];
        }
done:
    ct_pairs_destroy(&p);
    return st;
}

typedef struct balls {
    double *samples, *reference; /* squared radii */
    double *least;               /* [k] */
    double *nearest;             /* squared distance of each reference to its nearest sample */
    bool *inside;                /* is the reference in a sample's ball? */
} balls;

static csctrl_status balls_create(balls *b, int64_t samples, int64_t reference, int k)
{
    b->samples = ct_calloc((size_t)samples, sizeof(double));
    b->reference = ct_calloc((size_t)reference, sizeof(double));
    b->nearest = ct_calloc((size_t)reference, sizeof(double));
    b->inside = ct_calloc((size_t)reference, sizeof(bool));
    b->least = ct_calloc((size_t)k, sizeof(double));
    for (int64_t i = 0; b->nearest != NULL && i < reference; i++)
        b->nearest[i] = HUGE_VAL;
    return b->samples != NULL && b->reference != NULL && b->nearest != NULL && b->inside != NULL &&
                   b->least != NULL
               ? CSCTRL_OK
               : CSCTRL_E_NOMEM;
}

static void balls_destroy(balls *b)
{
    ct_free(b->samples);
    ct_free(b->reference);
    ct_free(b->nearest);
    ct_free(b->inside);
    ct_free(b->least);
}

/* Every sample against every reference. */
static csctrl_status compare(const ct_tensor *samples, const ct_tensor *reference, balls *b,
                             int64_t *precise, int64_t *hits)
{
    ct_pairs p;
    csctrl_status st;

    CT_GOTO(st, ct_pairs_create(&p, samples, reference));
    while (ct_pairs_next(&p))
        for (int64_t i = 0; i < p.rows; i++) {
            int64_t in = 0;
            for (int64_t j = 0; j < p.nb; j++) {
                const double square = ct_pairs_distance(&p, i, j);
                in += square <= b->reference[j];
                b->inside[j] = b->inside[j] || square <= b->samples[p.first + i];
                b->nearest[j] = square < b->nearest[j] ? square : b->nearest[j];
            }
            *hits += in;
            *precise += in > 0;
        }
done:
    ct_pairs_destroy(&p);
    return st;
}

csctrl_status csctrl_manifold_compute(const csctrl_tensor *samples, const csctrl_tensor *reference,
                                      int k, csctrl_manifold *result)
{
    balls b = {0};
    csctrl_status st;
    int64_t precise = 0, hits = 0, recalled = 0, covered = 0;

    CT_TRY(ct_expect_features(samples, "samples", reference, "reference"));
    const int64_t n = samples->shape[0], m = reference->shape[0];
    if (k < 1 || k >= n || k >= m)
        return ct_fail(CSCTRL_E_INVALID,
                       "precision and recall: expected more images than the %d neighbours, found "
                       "%lld samples and %lld references",
                       k, (long long)n, (long long)m);
    CT_GOTO(st, balls_create(&b, n, m, k));
    CT_GOTO(st, radii(samples, k, b.least, b.samples));
    CT_GOTO(st, radii(reference, k, b.least, b.reference));
    CT_GOTO(st, compare(samples, reference, &b, &precise, &hits));
    for (int64_t j = 0; j < m; j++) {
        recalled += b.inside[j];
        covered += b.nearest[j] <= b.reference[j];
    }
    *result = (csctrl_manifold){.precision = (double)precise / (double)n,
                                .recall = (double)recalled / (double)m,
                                .density = (double)hits / ((double)k * (double)n),
                                .coverage = (double)covered / (double)m};
done:
    balls_destroy(&b);
    return st;
}
