/* rng.h - counter-based random numbers (Philox4x32-10 of Random123): a pure function of (seed,
 * stream, index), so the same on any number of threads and on any device. */
#ifndef CT_BASE_RNG_H
#define CT_BASE_RNG_H

#include <stdint.h>

/* One stream a purpose: no two purposes share numbers. `sub` numbers the instances of a purpose
 * (layer, epoch, ...). */
typedef enum ct_rng_stream {
    CT_RNG_INIT = 1,    /* initial parameters; sub = tensor */
    CT_RNG_ORDER = 2,   /* order of the training images; sub = epoch */
    CT_RNG_AUGMENT = 3, /* flips and crops; sub = epoch, index = image */
    CT_RNG_HOLDOUT = 4, /* which images are held out; index = image */
    CT_RNG_SYNTHETIC = 5,
    CT_RNG_SAMPLE = 6,
    CT_RNG_TUNE = 7, /* images that ways are measured with; sub = tensor */
    CT_RNG_TEST = 100
} ct_rng_stream;

typedef struct ct_rng {
    uint64_t seed;
    uint32_t stream, sub;
} ct_rng;

ct_rng ct_rng_make(uint64_t seed, ct_rng_stream stream, uint32_t sub);

/* Block `index` of four independent 32-bit words. */
void ct_rng_block(const ct_rng *rng, uint64_t index, uint32_t out[4]);

/* First word of block `index` as a number in [0, 1) with 24 bits, or in 0..bound-1 (bound >= 1). */
double ct_rng_uniform(const ct_rng *rng, uint64_t index);
uint64_t ct_rng_below(const ct_rng *rng, uint64_t index, uint64_t bound);

/* Standard normal number `index` (Box-Muller on one block). */
double ct_rng_normal(const ct_rng *rng, uint64_t index);

#endif
