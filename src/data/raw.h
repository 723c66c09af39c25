/* raw.h - images of one size held in memory as they are (IDX, CIFAR). */
#ifndef CT_DATA_RAW_H
#define CT_DATA_RAW_H

#include "data/source.h"

typedef struct ct_raw {
    int width, height, channels;
    int64_t count;
    uint8_t *block;  /* owned */
    uint8_t *pixels; /* [count, height, width, channels], inside block */
    uint8_t *labels; /* [count], owned */
    size_t bytes;    /* of block and labels */
} ct_raw;

void ct_raw_free(ct_raw *raw);

/* Hand both parts over to the source (also when this fails) and fill its counts, labels,
 * fingerprint and ops. A part without images is fine. `classes` is checked by the caller. */
csctrl_status ct_raw_into_source(ct_raw parts[2], int classes, ct_source *source);

#endif
