/* order.c - Fisher-Yates with counter-based random numbers. */
#include "data/order.h"

#include "base/rng.h"

void ct_order_fill(uint64_t seed, uint32_t epoch, uint32_t *order, int64_t count)
{
    const ct_rng rng = ct_rng_make(seed, CT_RNG_ORDER, epoch);

    for (int64_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    for (int64_t i = count - 1; i > 0; i--) {
        const uint64_t j = ct_rng_below(&rng, (uint64_t)i, (uint64_t)i + 1);
        const uint32_t swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

int64_t ct_order_epochs(int64_t batches, int64_t per_epoch)
{
    return (batches - 1 + per_epoch - 1) / per_epoch + 1;
}
