/* order.h - the seeded order of the images in each epoch. */
#ifndef CT_DATA_ORDER_H
#define CT_DATA_ORDER_H

#include <stdint.h>

/* Random permutation of 0..count-1: a pure function of (seed, epoch, count). */
void ct_order_fill(uint64_t seed, uint32_t epoch, uint32_t *order, int64_t count);

/* Epochs that `batches` consecutive batches can touch. */
int64_t ct_order_epochs(int64_t batches, int64_t per_epoch);

#endif
