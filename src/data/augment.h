/* augment.h - random flips and crops of training images. */
#ifndef CT_DATA_AUGMENT_H
#define CT_DATA_AUGMENT_H

#include <stdint.h>

#include "tensor/crop.h"

typedef struct ct_augmentation {
    uint64_t seed;
    bool flip;    /* left to right with probability 1/2 */
    int crop_pad; /* shift by -pad..pad in both directions */
} ct_augmentation;

/* A pure function of (seed, epoch, image). */
ct_crop ct_augment(const ct_augmentation *augmentation, uint32_t epoch, int64_t image);

#endif
