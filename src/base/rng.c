/* rng.c - Philox4x32-10: counter = (index, stream, sub), key = seed. */
#include "base/rng.h"

#include <Random123/philox.h>
#include <math.h>

ct_rng ct_rng_make(uint64_t seed, ct_rng_stream stream, uint32_t sub)
{
    return (ct_rng){.seed = seed, .stream = (uint32_t)stream, .sub = sub};
}

void ct_rng_block(const ct_rng *rng, uint64_t index, uint32_t out[4])
{
    const philox4x32_ctr_t counter = {
        {(uint32_t)index, (uint32_t)(index >> 32), rng->stream, rng->sub}};
    const philox4x32_key_t key = {{(uint32_t)rng->seed, (uint32_t)(rng->seed >> 32)}};
    const philox4x32_ctr_t block = philox4x32(counter, key);

    for (int i = 0; i < 4; i++)
        out[i] = block.v[i];
}

double ct_rng_uniform(const ct_rng *rng, uint64_t index)
{
    uint32_t word[4];

    ct_rng_block(rng, index, word);
    return (double)(word[0] >> 8) * 0x1p-24;
}

uint64_t ct_rng_below(const ct_rng *rng, uint64_t index, uint64_t bound)
{
    uint32_t word[4];

    ct_rng_block(rng, index, word);
    /* 64 random bits: the bias of the remainder is below bound / 2^64. */
    return (((uint64_t)word[0] << 32) | word[1]) % bound;
}

double ct_rng_normal(const ct_rng *rng, uint64_t index)
{
    uint32_t word[4];

    ct_rng_block(rng, index, word);
    const double u = ((double)word[0] + 1.0) * 0x1p-32; /* (0, 1]: the logarithm is finite */
    const double v = (double)word[1] * 0x1p-32;
    return sqrt(-2.0 * log(u)) * cos(2.0 * 3.14159265358979323846 * v);
}
