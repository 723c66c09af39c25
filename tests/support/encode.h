/* encode.h - image files in memory, for tests that decode. */
#ifndef TESTS_ENCODE_H
#define TESTS_ENCODE_H

#include <stddef.h>
#include <stdint.h>

/* The image that the tests use: value of channel c at (x, y). */
uint8_t encode_pattern(int x, int y, int c);

/* What test JPEGs differ in; 0 is what libjpeg does by itself. */
typedef struct encode_kind {
    int width, height, components; /* as in encode_jpeg */
    int across, down;              /* luma samples to one of chroma; 0: 2 and 2 */
    int quality;                   /* 0: 95 */
    int restart;                   /* MCUs from marker to marker */
    int progressive, optimised;
    int noise; /* the smooth image with noise of up to so much */
} encode_kind;

uint8_t *encode_jpeg_kind(const encode_kind *kind, size_t *size);

/* JPEG of a smooth image, components 1 (grey), 3 (RGB), 4 (CMYK) or 2 (of no known
 * meaning); owned: free(). */
uint8_t *encode_jpeg(int width, int height, int components, int progressive, size_t *size);

/* PNG of encode_pattern. colour: a PNG_COLOR_TYPE, depth: bits (16: the pattern in the high byte,
 * 0 in the low one). Palette images use the pattern mod 4 as index of 4 colours. Alpha is channel
 * 1 or 3 of the pattern. Owned: free(). */
uint8_t *encode_png(int width, int height, int colour, int depth, int interlaced, size_t *size);

#endif
