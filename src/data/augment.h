/* augment.h - random flips and crops of training images. */
#ifndef CT_DATA_AUGMENT_H
#define CT_DATA_AUGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "data/source.h"

typedef struct ct_augmentation {
    uint64_t seed;
    bool flip;    /* left to right with probability 1/2 */
    int crop_pad; /* shift by -pad..pad in both directions, the border filled by reflection */
} ct_augmentation;

/* out <- augmented planes; no overlap. A pure function of (seed, epoch, image). */
void ct_augment(const ct_augmentation *augmentation, uint32_t epoch, int64_t image,
                const ct_geometry *geometry, const uint8_t *planes, uint8_t *out);

#endif
