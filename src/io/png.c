/* png.c - PNG through libpng, with errors that return instead of ending the process. */
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "base/mem.h"
#include "io/decode.h"

enum { ANCILLARY_MAX_BYTES = 8 << 20, ANCILLARY_MAX_CHUNKS = 256 };

/* All that changes between setjmp and longjmp lives in one of these, not in local variables. */
typedef struct codec {
    png_structp png;
    png_infop info;
    jmp_buf escape;
    const char *name;
    csctrl_status status;
    const uint8_t *data; /* decoding: what is left */
    size_t size;
    uint8_t *raw;     /* decoding: rows as libpng gives them */
    uint8_t *encoded; /* encoding: grows */
    size_t length, capacity;
} codec;

static PNG_NORETURN void on_error(png_structp png, png_const_charp message)
{
    codec *c = png_get_error_ptr(png);

    if (c->status == CSCTRL_OK)
        c->status =
            ct_fail(CSCTRL_E_FORMAT, "%s: expected a sound PNG, found: %s", c->name, message);
    longjmp(c->escape, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

/* ---- decoding */

static void take(png_structp png, png_bytep out, size_t size)
{
    codec *c = png_get_io_ptr(png);

    if (size > c->size)
        png_error(png, "the end of the file, too early");
    memcpy(out, c->data, size);
    c->data += size;
    c->size -= size;
}

static csctrl_status decode(codec *c, int channels, ct_pixels *out)
{
    c->info = png_create_info_struct(c->png);
    if (c->info == NULL)
        return ct_fail(CSCTRL_E_NOMEM, "%s: out of memory in libpng", c->name);
    png_set_user_limits(c->png, PNG_UINT_31_MAX,
                        PNG_UINT_31_MAX); /* ct_pixels_check_size says no */
    png_set_chunk_malloc_max(c->png, ANCILLARY_MAX_BYTES);
    png_set_chunk_cache_max(c->png, ANCILLARY_MAX_CHUNKS);
    png_set_read_fn(c->png, c, take);
    png_read_info(c->png, c->info);
    const png_uint_32 width = png_get_image_width(c->png, c->info);
    const png_uint_32 height = png_get_image_height(c->png, c->info);
    CT_TRY(ct_pixels_check_size(c->name, width, height));
    png_set_expand(c->png);
    png_set_scale_16(c->png);
    const int passes = png_set_interlace_handling(c->png);
    png_read_update_info(c->png, c->info);

    const size_t stride = png_get_rowbytes(c->png, c->info);
    c->raw = ct_calloc(height, stride);
    if (c->raw == NULL)
        return CSCTRL_E_NOMEM;
    for (int pass = 0; pass < passes; pass++)
        for (png_uint_32 y = 0; y < height; y++)
            png_read_row(c->png, c->raw + y * stride, NULL);
    png_read_end(c->png, NULL);
    return ct_pixels_convert(c->raw, (int)width, (int)height, png_get_channels(c->png, c->info),
                             channels, out);
}

csctrl_status ct_png_decode(const void *data, size_t size, const char *name, int channels,
                            ct_pixels *out)
{
    codec *c = ct_calloc(1, sizeof *c);

    if (c == NULL)
        return CSCTRL_E_NOMEM;
    *c = (codec){.name = name, .data = data, .size = size};
    if (setjmp(c->escape) == 0) {
        c->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, c, on_error, on_warning);
        c->status = c->png != NULL ? decode(c, channels, out)
                                   : ct_fail(CSCTRL_E_NOMEM, "%s: out of memory in libpng", name);
    }
    png_destroy_read_struct(&c->png, &c->info, NULL);
    const csctrl_status status = c->status;
    ct_free(c->raw);
    ct_free(c);
    return status;
}

/* ---- encoding */

static void give(png_structp png, png_bytep data, size_t size)
{
    codec *c = png_get_io_ptr(png);

    if (size > c->capacity - c->length) {
        const size_t capacity = 2 * c->capacity + size + 4096;
        uint8_t *encoded = ct_realloc(c->encoded, capacity);
        if (encoded == NULL) {
            c->status = CSCTRL_E_NOMEM;
            png_error(png, "out of memory");
        }
        c->encoded = encoded;
        c->capacity = capacity;
    }
    memcpy(c->encoded + c->length, data, size);
    c->length += size;
}

static void on_flush(png_structp png)
{
    (void)png;
}

static csctrl_status encode(codec *c, const ct_pixels *pixels)
{
    const size_t stride = (size_t)pixels->width * (size_t)pixels->channels;

    c->info = png_create_info_struct(c->png);
    if (c->info == NULL)
        return ct_fail(CSCTRL_E_NOMEM, "out of memory in libpng");
    png_set_user_limits(c->png, CT_PIXELS_MAX, CT_PIXELS_MAX);
    png_set_write_fn(c->png, c, give, on_flush);
    png_set_IHDR(c->png, c->info, (png_uint_32)pixels->width, (png_uint_32)pixels->height, 8,
                 pixels->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(c->png, c->info);
    for (int y = 0; y < pixels->height; y++)
        png_write_row(c->png, pixels->data + (size_t)y * stride);
    png_write_end(c->png, NULL);
    return CSCTRL_OK;
}

csctrl_status ct_pixels_encode_png(const ct_pixels *pixels, uint8_t **data, size_t *size)
{
    codec *c = ct_calloc(1, sizeof *c);

    *data = NULL;
    *size = 0;
    if (c == NULL)
        return CSCTRL_E_NOMEM;
    c->name = "PNG encoder";
    if (setjmp(c->escape) == 0) {
        c->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, c, on_error, on_warning);
        c->status =
            c->png != NULL ? encode(c, pixels) : ct_fail(CSCTRL_E_NOMEM, "out of memory in libpng");
    }
    png_destroy_write_struct(&c->png, &c->info);
    const csctrl_status status = c->status;
    if (status == CSCTRL_OK) {
        *data = c->encoded;
        *size = c->length;
    } else {
        ct_free(c->encoded);
    }
    ct_free(c);
    return status;
}
