/* mt19937.h - the generator of numpy.random.RandomState: other tools draw subsets with it, and the
 * same subsets are wanted here. Everything of our own uses base/rng.h. */
#ifndef CT_EVAL_MT19937_H
#define CT_EVAL_MT19937_H

#include <stdint.h>

enum { CT_MT19937_WORDS = 624 };

typedef struct ct_mt19937 {
    uint32_t state[CT_MT19937_WORDS];
    int at;
} ct_mt19937;

void ct_mt19937_seed(ct_mt19937 *r, uint32_t seed);
uint32_t ct_mt19937_next(ct_mt19937 *r);

/* RandomState.permutation(n): order[0..n-1]; n below 2^32. */
void ct_mt19937_permutation(ct_mt19937 *r, int64_t n, int64_t *order);

#endif
