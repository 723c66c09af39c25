/* mt19937.c - Mersenne Twister (Matsumoto, Nishimura 1998) and NumPy's permutation with it. */
#include "eval/mt19937.h"

enum { N = CT_MT19937_WORDS, M = 397 };

void ct_mt19937_seed(ct_mt19937 *r, uint32_t seed)
{
    r->state[0] = seed;
    for (uint32_t i = 1; i < N; i++)
        r->state[i] = 1812433253U * (r->state[i - 1] ^ (r->state[i - 1] >> 30)) + i;
    r->at = N;
}

static void refill(ct_mt19937 *r)
{
    for (int i = 0; i < N; i++) {
        const uint32_t y = (r->state[i] & 0x80000000U) | (r->state[(i + 1) % N] & 0x7fffffffU);

        r->state[i] = r->state[(i + M) % N] ^ (y >> 1) ^ ((y & 1U) != 0 ? 0x9908b0dfU : 0U);
    }
    r->at = 0;
}

uint32_t ct_mt19937_next(ct_mt19937 *r)
{
    if (r->at == N)
        refill(r);
    uint32_t y = r->state[r->at++];
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680U;
    y ^= (y << 15) & 0xefc60000U;
    return y ^ (y >> 18);
}

/* A number in 0..most: masked bits until one fits. */
static uint32_t interval(ct_mt19937 *r, uint32_t most)
{
    uint32_t mask = most, value;

    for (int shift = 1; shift < 32; shift *= 2)
        mask |= mask >> shift;
    do
        value = ct_mt19937_next(r) & mask;
    while (value > most);
    return value;
}

void ct_mt19937_permutation(ct_mt19937 *r, int64_t n, int64_t *order)
{
    for (int64_t i = 0; i < n; i++)
        order[i] = i;
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t j = interval(r, (uint32_t)i), kept = order[i];

        order[i] = order[j];
        order[j] = kept;
    }
}
