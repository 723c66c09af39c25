/* resample.h - antialiased resizing of 8-bit images. */
#ifndef CT_IO_RESAMPLE_H
#define CT_IO_RESAMPLE_H

#include "io/pixels.h"

/* A rectangle of an interleaved image, and the square in it that is wanted, in pixels: its edges
 * need not lie between two pixels. Nothing outside of the rectangle is looked at. */
typedef struct ct_region {
    const uint8_t *data; /* first pixel */
    int width, height, channels;
    size_t stride; /* bytes from row to row */
    double left, top, side;
} ct_region;

/* Resizing to planes[channels, size, size]. Keys' cubic filter with a = -0.5, widened
 * by the scale when it reduces, horizontally and then vertically, each pass rounded to 8 bits with
 * 22-bit fixed-point weights: equal bit for bit to Pillow's BICUBIC.
 * Source: R. Keys, "Cubic convolution interpolation for digital image processing", 1981.
 *
 * Weights and memory are kept from call to call: once a pair of sizes was met, it costs no
 * allocation. E_NOMEM. Zero-initialise; one thread at a time. */
typedef struct ct_resample_kernel {
    int in, out, taps;
    double start, extent; /* what of the input becomes the output */
    int *first, *count;   /* input positions [first, first + count) */
    int32_t *weight;      /* [out, taps] */
} ct_resample_kernel;

typedef struct ct_resampler {
    ct_resample_kernel across, down;
    int32_t *wide;   /* rows of the input, wide_room apart; owns the memory of the next two */
    int32_t *sum;    /* rows of the output */
    uint8_t *narrow; /* [in height, width, channels] */
    size_t room, wide_room;
} ct_resampler;

csctrl_status ct_resampler_run(ct_resampler *resampler, const ct_region *in, int size,
                               uint8_t *planes);
void ct_resampler_free(ct_resampler *resampler);

/* The weights themselves: of output `position` of an axis of `in` pixels, of which the part that
 * begins at `start` is reduced by `scale`. They add up to 1, belong to the pixels from *first on,
 * and are at most ct_resample_taps(scale); returns how many. */
int ct_resample_weights(int in, double start, double scale, int position, int *first,
                        double *weights);
int ct_resample_taps(double scale);

#endif
