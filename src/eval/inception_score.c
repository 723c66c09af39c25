/* inception_score.c - exp E KL(p(y|x) || p(y)) over splits (Salimans et al. 2016), permuted as
 * torch-fidelity does. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "csctrl/score.h"
#include "eval/mt19937.h"
#include "tensor/tensor.h"

/* Log-probabilities of one row. */
static csctrl_status log_softmax(const float *logits, int64_t classes, double *log_p)
{
    double most = -HUGE_VAL, sum = 0;

    for (int64_t j = 0; j < classes; j++) {
        if (!isfinite(logits[j]))
            return ct_fail(CSCTRL_E_NUMERIC, "inception score: a logit is not finite");
        most = fmax(most, (double)logits[j]);
    }
    for (int64_t j = 0; j < classes; j++)
        sum += exp((double)logits[j] - most);
    for (int64_t j = 0; j < classes; j++)
        log_p[j] = (double)logits[j] - most - log(sum);
    return CSCTRL_OK;
}

/* Score of the images order[0..n-1]. mean and log_p: [classes]. */
static csctrl_status split_score(const ct_tensor *logits, const int64_t *order, int64_t n,
                                 double *mean, double *log_p, double *score)
{
    const int64_t classes = logits->shape[1];
    const float *rows = logits->data;
    double negative_entropy = 0, cross = 0;

    memset(mean, 0, (size_t)classes * sizeof *mean);
    for (int64_t i = 0; i < n; i++) {
        CT_TRY(log_softmax(rows + order[i] * classes, classes, log_p));
        for (int64_t j = 0; j < classes; j++) {
            const double p = exp(log_p[j]);
            mean[j] += p / (double)n;
            negative_entropy += p * log_p[j] / (double)n;
        }
    }
    for (int64_t j = 0; j < classes; j++)
        cross += mean[j] > 0 ? mean[j] * log(mean[j]) : 0;
    *score = exp(negative_entropy - cross);
    return CSCTRL_OK;
}

csctrl_status csctrl_inception_score(const csctrl_tensor *logits, int splits, uint32_t seed,
                                     double *mean, double *deviation)
{
    ct_mt19937 random;
    csctrl_status st;
    double sum = 0, squares = 0;

    CT_TRY(ct_tensor_expect(logits, "logits", CSCTRL_F32, 2, (const int64_t[]){-1, -1}));
    const int64_t n = logits->shape[0], classes = logits->shape[1];
    if (splits < 1 || splits > n || classes < 1)
        return ct_fail(CSCTRL_E_INVALID,
                       "inception score: expected 1..%lld splits of the images, found %d",
                       (long long)n, splits);
    int64_t *order = ct_calloc((size_t)n, sizeof *order);
    double *q = ct_calloc((size_t)classes, sizeof *q), *p = ct_calloc((size_t)classes, sizeof *p);
    double *scores = ct_calloc((size_t)splits, sizeof *scores);
    CT_GOTO(st,
            order != NULL && q != NULL && p != NULL && scores != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM);
    ct_mt19937_seed(&random, seed);
    ct_mt19937_permutation(&random, n, order);
    for (int s = 0; s < splits; s++) {
        const int64_t first = s * n / splits, last = (s + 1) * n / splits;
        CT_GOTO(st, split_score(logits, order + first, last - first, q, p, &scores[s]));
        sum += scores[s];
    }
    *mean = sum / splits;
    for (int s = 0; s < splits; s++)
        squares += (scores[s] - *mean) * (scores[s] - *mean);
    *deviation = sqrt(squares / splits);
done:
    ct_free(order);
    ct_free(q);
    ct_free(p);
    ct_free(scores);
    return st;
}
