/* augment.c - one block of random numbers an image: of flip, dx and dy. */
#include "data/augment.h"

#include "base/rng.h"

static int shift(uint32_t word, int pad)
{
    return (int)(((uint64_t)word * (uint64_t)(2 * pad + 1)) >> 32) - pad;
}

ct_crop ct_augment(const ct_augmentation *augmentation, uint32_t epoch, int64_t image)
{
    const ct_rng rng = ct_rng_make(augmentation->seed, CT_RNG_AUGMENT, epoch);
    uint32_t word[4];

    ct_rng_block(&rng, (uint64_t)image, word);
    return (ct_crop){.dx = shift(word[1], augmentation->crop_pad),
                     .dy = shift(word[2], augmentation->crop_pad),
                     .flip = augmentation->flip && (word[0] >> 31) != 0};
}
