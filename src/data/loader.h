/* loader.h - training batches: seeded order and crops, decoding threads and a bounded prefetch
 * ring.
 *
 * Batch `i` of the run is a pure function of (seed, i): epoch = i / per_epoch, the epoch's order is
 * a seeded permutation of the usable images, batch b of it takes images b*n .. b*n+n-1; the last
 * incomplete batch of an epoch is dropped. Neither the number of threads nor where the run was
 * resumed matters. */
#ifndef CT_DATA_LOADER_H
#define CT_DATA_LOADER_H

#include "csctrl/data.h"
#include "tensor/crop.h"
#include "tensor/tensor.h"

typedef struct ct_loader ct_loader;

/* What the game is played with. */
typedef struct ct_batch {
    ct_tensor images;      /* [n, c, size, size] */
    const ct_crop *crops;  /* [n] of u8 images; NULL: as they are */
    const int64_t *labels; /* [n] */
} ct_batch;

typedef struct ct_loader_options {
    uint64_t seed;
    int batch;
    int share;     /* the batch is this one of `shares` equal parts of that of the run, */
    int shares;    /* the only one where 0 */
    int threads;   /* >= 1 */
    int prefetch;  /* batches decoded ahead, >= 1 */
    bool flip;     /* horizontal flip with probability 1/2 */
    int crop_pad;  /* random crop after padding with that many reflected pixels; 0 = none */
    int64_t start; /* first batch to give: 0, or the step to resume at */
} ct_loader_options;

/* E_CONFIG when the data set has fewer images than one batch; E_INVALID for options out of range.
 */
csctrl_status ct_loader_expect(const csctrl_dataset *dataset, const ct_loader_options *options);

/* Borrows the data set. E_CONFIG as above. */
csctrl_status ct_loader_create(ct_loader **out, csctrl_dataset *dataset,
                               const ct_loader_options *options);
void ct_loader_destroy(ct_loader **loader); /* joins the threads */

int64_t ct_loader_batches_per_epoch(const ct_loader *loader);
/* Bytes of the ring and of the order, all taken at create. */
size_t ct_loader_memory(const csctrl_dataset *dataset, const ct_loader_options *options);

/* Next batch, its images u8 as they were decoded and, with flip or crop_pad, their crops. It stays
 * valid until the next call. A broken file met now (the open found none) is logged by name,
 * counted, and replaced by the next usable image of the epoch's order. Waits for the decoders.
 * E_FORMAT when no usable image is left. Allocates: nothing on the calling thread; decoding a JPEG
 * or PNG takes buffers in the loader's threads, given back at once. */
csctrl_status ct_loader_next(ct_loader *loader, ct_batch *batch);
bool ct_loader_ready(ct_loader *loader); /* the next one is decoded */

/* The memory that all batches of images lie in, until the loader is destroyed. */
void *ct_loader_ring(const ct_loader *loader, size_t *bytes);

/* Broken files met so far. */
int64_t ct_loader_broken(const ct_loader *loader);

#endif
