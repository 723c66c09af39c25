#include "support/encode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jpeglib.h>
#include <png.h>

uint8_t encode_pattern(int x, int y, int c)
{
    return (uint8_t)(x * 37 + y * 91 + c * 53 + x * y * 7);
}

static void set_kind(struct jpeg_compress_struct *info, const encode_kind *kind)
{
    info->image_width = (JDIMENSION)kind->width;
    info->image_height = (JDIMENSION)kind->height;
    info->input_components = kind->components;
    info->in_color_space = kind->components == 1   ? JCS_GRAYSCALE
                           : kind->components == 3 ? JCS_RGB
                           : kind->components == 4 ? JCS_CMYK
                                                   : JCS_UNKNOWN;
    jpeg_set_defaults(info);
    jpeg_set_quality(info, kind->quality > 0 ? kind->quality : 95, TRUE);
    if (kind->across > 0) {
        info->comp_info[0].h_samp_factor = kind->across;
        info->comp_info[0].v_samp_factor = kind->down;
    }
    info->restart_interval = (unsigned)kind->restart;
    info->optimize_coding = kind->optimised != 0;
    if (kind->progressive)
        jpeg_simple_progression(info);
}

static void fill_samples(uint8_t *row, int y, const encode_kind *kind, uint32_t *random)
{
    for (int i = 0; i < kind->width * kind->components; i++) {
        int value = 100 * (i / kind->components) / kind->width + 100 * y / kind->height +
                    20 * (i % kind->components);
        *random = *random * 1664525u + 1013904223u;
        if (kind->noise > 0)
            value += (int)(*random >> 16) % (2 * kind->noise + 1) - kind->noise;
        row[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

uint8_t *encode_jpeg_kind(const encode_kind *kind, size_t *size)
{
    struct jpeg_compress_struct info;
    struct jpeg_error_mgr errors;
    unsigned char *data = NULL;
    unsigned long length = 0;
    uint32_t random = 1;
    uint8_t *row = malloc((size_t)kind->width * (size_t)kind->components);

    assert_non_null(row);
    info.err = jpeg_std_error(&errors);
    jpeg_create_compress(&info);
    jpeg_mem_dest(&info, &data, &length);
    set_kind(&info, kind);
    jpeg_start_compress(&info, TRUE);
    for (int y = 0; y < kind->height; y++) {
        JSAMPROW rows = row;
        fill_samples(row, y, kind, &random);
        jpeg_write_scanlines(&info, &rows, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    free(row);
    *size = length;
    return data;
}

uint8_t *encode_jpeg(int width, int height, int components, int progressive, size_t *size)
{
    const encode_kind kind = {
        .width = width, .height = height, .components = components, .progressive = progressive};

    return encode_jpeg_kind(&kind, size);
}

typedef struct sink {
    uint8_t *data;
    size_t size;
} sink;

static void collect(png_structp png, png_bytep data, size_t size)
{
    sink *s = png_get_io_ptr(png);

    s->data = realloc(s->data, s->size + size);
    assert_non_null(s->data);
    memcpy(s->data + s->size, data, size);
    s->size += size;
}

static void flush(png_structp png)
{
    (void)png;
}

static void fill_row(uint8_t *row, int width, int y, int channels, int depth, int palette)
{
    memset(row, 0, (size_t)width * 8);
    for (int x = 0; x < width; x++)
        for (int c = 0; c < channels; c++) {
            const uint8_t value = encode_pattern(x, y, c);
            const int i = x * channels + c;
            if (depth == 16)
                row[2 * i] = value;
            else if (depth == 8)
                row[i] = palette ? value % 4 : value;
            else /* the highest bits, or an index, several to a byte */
                row[i * depth / 8] |= (uint8_t)((palette ? value % 4 : value >> (8 - depth))
                                                << (8 - depth - i * depth % 8));
        }
}

uint8_t *encode_png(int width, int height, int colour, int depth, int interlaced, size_t *size)
{
    static const png_color palette[4] = {{0, 0, 0}, {255, 0, 0}, {0, 255, 0}, {10, 20, 250}};
    static const png_byte alphas[2] = {255, 128};
    sink s = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    uint8_t *row = malloc((size_t)width * 8);

    assert_non_null(row);
    png_set_write_fn(png, &s, collect, flush);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, depth, colour,
                 interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (colour == PNG_COLOR_TYPE_PALETTE) {
        png_set_PLTE(png, info, palette, 4);
        png_set_tRNS(png, info, alphas, 2, NULL);
    }
    png_write_info(png, info);
    const int passes = png_set_interlace_handling(png);
    for (int pass = 0; pass < passes; pass++)
        for (int y = 0; y < height; y++) {
            fill_row(row, width, y, png_get_channels(png, info), depth,
                     colour == PNG_COLOR_TYPE_PALETTE);
            png_write_row(png, row);
        }
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    free(row);
    *size = s.size;
    return s.data;
}
