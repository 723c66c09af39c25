/* encode.h - image files in memory, for tests that decode. */
#ifndef TESTS_ENCODE_H
#define TESTS_ENCODE_H

#include <stddef.h>
#include <stdint.h>

/* The image that the tests use: value of channel c at (x, y). */
uint8_t encode_pattern(int x, int y, int c);

/* JPEG of a smooth image, components 1 (grey), 3 (RGB), 4 (CMYK) or 2 (of no known
 * meaning); owned: free(). */
uint8_t *encode_jpeg(int width, int height, int components, int progressive, size_t *size);

/* PNG of encode_pattern. colour: a PNG_COLOR_TYPE, depth: bits (16: the pattern in the high byte,
 * 0 in the low one). Palette images use the pattern mod 4 as index of 4 colours. Alpha is channel
 * 1 or 3 of the pattern. Owned: free(). */
uint8_t *encode_png(int width, int height, int colour, int depth, int interlaced, size_t *size);

#endif
