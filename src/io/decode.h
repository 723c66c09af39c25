/* decode.h - the two decoders behind ct_pixels_decode, with its contract. */
#ifndef CT_IO_DECODE_H
#define CT_IO_DECODE_H

#include "io/pixels.h"

csctrl_status ct_jpeg_decode(const void *data, size_t size, const char *name,
                             const ct_decoding *how, ct_pixels *out);
csctrl_status ct_png_decode(const void *data, size_t size, const char *name, int channels,
                            ct_pixels *out);

/* E_UNSUPPORTED with both figures when the image is larger than CT_PIXELS_MAX. */
csctrl_status ct_pixels_check_size(const char *name, uint64_t width, uint64_t height);

/* Where the middle `side` of an axis of `length` lies in pixels that each stand for `by`. */
typedef struct ct_middle {
    double start;   /* its edge, within pixel `first` */
    int first, end; /* the pixels [first, end) that it touches */
} ct_middle;

ct_middle ct_pixels_middle(int length, int side, int by);

/* `out` becomes a copy of raw[height, width, raw_channels] with `channels` (1 or 3): alpha over
 * black, Rec. 601 luma, grey repeated. raw_channels 1 to 4: grey, grey + alpha, RGB, RGB + alpha.
 */
csctrl_status ct_pixels_convert(const uint8_t *raw, int width, int height, int raw_channels,
                                int channels, ct_pixels *out);

#endif
