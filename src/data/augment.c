/* augment.c - one pass over the pixels for flip and crop together. */
#include "data/augment.h"

#include "base/rng.h"

/* Fold a coordinate back into 0..size-1, the border pixel not repeated. */
static int reflect(int x, int size)
{
    const int period = 2 * (size - 1);

    if (x >= 0 && x < size)
        return x;
    x = x % period;
    x = x < 0 ? x + period : x;
    return x < size ? x : period - x;
}

static int shift(uint32_t word, int pad)
{
    return (int)(((uint64_t)word * (uint64_t)(2 * pad + 1)) >> 32) - pad;
}

void ct_augment(const ct_augmentation *augmentation, uint32_t epoch, int64_t image,
                const ct_geometry *geometry, const uint8_t *planes, uint8_t *out)
{
    const ct_rng rng = ct_rng_make(augmentation->seed, CT_RNG_AUGMENT, epoch);
    const int size = geometry->size, pad = augmentation->crop_pad;
    uint32_t word[4];

    ct_rng_block(&rng, (uint64_t)image, word);
    const bool flip = augmentation->flip && (word[0] >> 31) != 0;
    const int dx = shift(word[1], pad), dy = shift(word[2], pad);
    for (int c = 0; c < geometry->channels; c++)
        for (int y = 0; y < size; y++) {
            const uint8_t *row = planes + (c * size + reflect(y + dy, size)) * size;
            uint8_t *to = out + (c * size + y) * size;
            if (dx == 0) /* no fold */
                for (int x = 0; x < size; x++)
                    to[x] = row[flip ? size - 1 - x : x];
            else
                for (int x = 0; x < size; x++)
                    to[x] = row[reflect((flip ? size - 1 - x : x) + dx, size)];
        }
}
