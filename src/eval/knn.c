/* knn.c - class by the majority of the nearest neighbours. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "csctrl/score.h"
#include "eval/measures.h"
#include "eval/products.h"

typedef struct neighbour {
    double distance;
    int64_t label;
} neighbour;

csctrl_status ct_eval_expect_labels(const int64_t *labels, int64_t n, int classes)
{
    for (int64_t i = 0; i < n; i++)
        if (labels[i] < 0 || labels[i] >= classes)
            return ct_fail(CSCTRL_E_INVALID, "expected labels in 0..%d, found %lld at feature %lld",
                           classes - 1, (long long)labels[i], (long long)i);
    return CSCTRL_OK;
}

/* Of rows at one distance the first stays. */
static void insert(neighbour *near, int k, double distance, int64_t label)
{
    int i = k - 1;

    if (!(distance < near[i].distance))
        return;
    for (; i > 0 && near[i - 1].distance > distance; i--)
        near[i] = near[i - 1];
    near[i] = (neighbour){distance, label};
}

/* Most votes; of as many votes the class of the nearest. */
static int64_t elect(const neighbour *near, int k, int64_t *votes)
{
    int64_t best = near[0].label;

    for (int i = 0; i < k; i++)
        votes[near[i].label]++;
    for (int i = 0; i < k; i++)
        if (votes[near[i].label] > votes[best])
            best = near[i].label;
    for (int i = 0; i < k; i++)
        votes[near[i].label] = 0;
    return best;
}

csctrl_status csctrl_knn_classify(const csctrl_tensor *z, const int64_t *labels, int classes, int k,
                                  const csctrl_tensor *x, int64_t *predicted)
{
    ct_pairs p = {0};
    csctrl_status st;

    CT_TRY(ct_expect_features(z, "features", x, "features to classify"));
    CT_TRY(ct_eval_expect_labels(labels, z->shape[0], classes));
    if (k < 1 || k > z->shape[0])
        return ct_fail(CSCTRL_E_INVALID, "nearest neighbours: expected 1..%lld, found %d",
                       (long long)z->shape[0], k);
    neighbour *near = ct_calloc((size_t)k, sizeof *near);
    int64_t *votes = ct_calloc((size_t)classes, sizeof *votes);
    CT_GOTO(st, near != NULL && votes != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM);
    CT_GOTO(st, ct_pairs_create(&p, x, z));
    while (ct_pairs_next(&p))
        for (int64_t i = 0; i < p.rows; i++) {
            for (int j = 0; j < k; j++)
                near[j] = (neighbour){HUGE_VAL, labels[0]};
            for (int64_t j = 0; j < p.nb; j++)
                insert(near, k, ct_pairs_distance(&p, i, j), labels[j]);
            predicted[p.first + i] = elect(near, k, votes);
        }
done:
    ct_pairs_destroy(&p);
    ct_free(near);
    ct_free(votes);
    return st;
}
