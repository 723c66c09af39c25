/* pixels.h - JPEG and PNG to and from 8-bit pixels, and the path from pixels to a model's input. */
#ifndef CT_IO_PIXELS_H
#define CT_IO_PIXELS_H

#include <stdbool.h>
#include <stdint.h>

#include "tensor/tensor.h"

enum { CT_PIXELS_MAX = 64000000 }; /* width * height that a decoder accepts */

/* 8-bit interleaved image [height, width, channels]; data owned, released by ct_pixels_free. A
 * JPEG's may have been scaled down by the decoder, and may be only a part of it. */
typedef struct ct_pixels {
    int width, height, channels; /* channels 1 or 3 */
    uint8_t *data;
    int reduction;               /* 2, 4 or 8 when the decoder scaled a JPEG down; else 0 */
    int full_width, full_height; /* size in the file, the last pixels may cover less; 0: as above */
    int left, top;               /* where the first pixel lies in the picture, scaled as it is */
} ct_pixels;

/* What is wanted of a picture. */
typedef struct ct_decoding {
    int channels; /* 1 or 3 (converted) */
    int at_least; /* the smaller side may be scaled down while decoding (JPEG DCT scaling 1/2, 1/4,
                   * 1/8) so long as it stays >= at_least; 0: never */
    bool square;  /* only what ct_pixels_fit looks at is needed: a JPEG's pixels outside of the
                   * centre square are left out, and damage below it is not seen */
} ct_decoding;

/* Decode a JPEG or PNG from memory, told by its first bytes. `name` is for messages. E_FORMAT,
 * E_UNSUPPORTED (CMYK by name, too many pixels, not JPEG or PNG), E_NOMEM. Threads: any. */
csctrl_status ct_pixels_decode(const void *data, size_t size, const char *name,
                               const ct_decoding *how, ct_pixels *out);
void ct_pixels_free(ct_pixels *pixels);

/* at_least for an image that will be fitted to `size`, wherever it is read: the same file has to
 * give the same input. A quarter more than the size leaves the last part of the reduction to the
 * better filter: photos come out at a PSNR of about 40 dB to those reduced by that filter alone. */
static inline int ct_pixels_at_least(int size)
{
    return size + (size + 3) / 4;
}

/* PNG into memory (owned: ct_free). */
csctrl_status ct_pixels_encode_png(const ct_pixels *pixels, uint8_t **data, size_t *size);

/* Centre-crop to a square, resize with antialiasing (Keys bicubic a = -0.5 with support scaled for
 * reduction, as Pillow), result in 0..255 as u8 planes [channels, size, size]. The square is the
 * one of the file, also where a JPEG was scaled down or cut while decoding. */
csctrl_status ct_pixels_fit(const ct_pixels *pixels, int size, uint8_t *planes);

/* The same for many images on one thread: weights and working memory are kept, so that further
 * images of the same size cost no allocation. */
typedef struct ct_fitter ct_fitter;
csctrl_status ct_fitter_create(ct_fitter **out);
csctrl_status ct_fitter_run(ct_fitter *fitter, const ct_pixels *pixels, int size, uint8_t *planes);
void ct_fitter_destroy(ct_fitter **fitter);

/* u8 in 0..255 to [-1, 1]: value / 127.5 - 1. */
void ct_pixels_normalise(const uint8_t *planes, int64_t count, float *out);

/* Libraries that read and write images, and their versions. */
void ct_images_report(void (*fact)(void *user, const char *key, const char *value), void *user);

#endif
