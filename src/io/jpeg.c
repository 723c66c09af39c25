/* jpeg.c - JPEG through libjpeg's API, with errors that return instead of ending the process. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

#include "base/mem.h"
#include "io/decode.h"

/* Progressive files have about ten scans. A small file can hold thousands, each as slow as a whole
 * image. */
enum { SCANS_MAX = 100 };

typedef struct decoder {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    const char *name;
    csctrl_status status;
    ct_pixels pixels; /* in here, not in a local variable: it outlives longjmp */
} decoder;

static void fail_decoding(j_common_ptr info)
{
    decoder *d = info->client_data;
    char message[JMSG_LENGTH_MAX];

    d->errors.format_message(info, message);
    d->status = ct_fail(d->errors.msg_code == JERR_OUT_OF_MEMORY ? CSCTRL_E_NOMEM : CSCTRL_E_FORMAT,
                        "%s: expected a sound JPEG, found: %s", d->name, message);
    longjmp(d->escape, 1);
}

/* Level -1 is a warning. Those that mean lost image data fail; libjpeg would go on with grey. */
static void on_message(j_common_ptr info, int level)
{
    if (level >= 0)
        return;
    switch (info->err->msg_code) {
    case JWRN_ARITH_BAD_CODE:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC:
        fail_decoding(info);
        break;
    default:
        break;
    }
}

static void on_output(j_common_ptr info)
{
    (void)info;
}

static void on_progress(j_common_ptr info)
{
    decoder *d = info->client_data;

    if (d->info.input_scan_number <= SCANS_MAX)
        return;
    d->status = ct_fail(CSCTRL_E_UNSUPPORTED, "%s: expected a JPEG of at most %d scans, found more",
                        d->name, SCANS_MAX);
    longjmp(d->escape, 1);
}

static csctrl_status check_colour(const decoder *d)
{
    switch (d->info.jpeg_color_space) {
    case JCS_GRAYSCALE:
    case JCS_YCbCr:
    case JCS_RGB:
        return CSCTRL_OK;
    case JCS_CMYK:
    case JCS_YCCK:
        return ct_fail(CSCTRL_E_UNSUPPORTED,
                       "%s: expected a grey or RGB JPEG, found CMYK; convert it to RGB", d->name);
    default:
        return ct_fail(CSCTRL_E_UNSUPPORTED,
                       "%s: expected a grey or RGB JPEG, found one of %d components", d->name,
                       d->info.num_components);
    }
}

/* The strongest of 1/8, 1/4, 1/2 that leaves the smaller side >= at_least (sides round up). */
static unsigned reduction(const decoder *d, int at_least)
{
    const unsigned side =
        d->info.image_width < d->info.image_height ? d->info.image_width : d->info.image_height;
    unsigned factor = 8;

    while (factor > 1 && (at_least <= 0 || (side + factor - 1) / factor < (unsigned)at_least))
        factor /= 2;
    return factor;
}

static csctrl_status decode(decoder *d, const void *data, size_t size, int channels, int at_least)
{
    jpeg_create_decompress(&d->info);
    d->info.progress = &d->progress;
    jpeg_mem_src(&d->info, data, (unsigned long)size);
    (void)jpeg_read_header(&d->info, TRUE);
    CT_TRY(ct_pixels_check_size(d->name, d->info.image_width, d->info.image_height));
    CT_TRY(check_colour(d));
    d->info.out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    d->info.dct_method = JDCT_ISLOW;
    d->info.scale_num = 1;
    d->info.scale_denom = reduction(d, at_least);
    (void)jpeg_start_decompress(&d->info);

    const size_t stride = (size_t)d->info.output_width * (size_t)channels;
    d->pixels = (ct_pixels){.width = (int)d->info.output_width,
                            .height = (int)d->info.output_height,
                            .channels = channels,
                            .data = ct_alloc(stride * d->info.output_height)};
    if (d->info.scale_denom > 1) {
        d->pixels.reduction = (int)d->info.scale_denom;
        d->pixels.full_width = (int)d->info.image_width;
        d->pixels.full_height = (int)d->info.image_height;
    }
    if (d->pixels.data == NULL)
        return CSCTRL_E_NOMEM;
    while (d->info.output_scanline < d->info.output_height) {
        JSAMPROW row = d->pixels.data + d->info.output_scanline * stride;
        (void)jpeg_read_scanlines(&d->info, &row, 1);
    }
    (void)jpeg_finish_decompress(&d->info);
    return CSCTRL_OK;
}

csctrl_status ct_jpeg_decode(const void *data, size_t size, const char *name, int channels,
                             int at_least, ct_pixels *out)
{
    decoder *d = ct_calloc(1, sizeof *d);

    if (d == NULL)
        return CSCTRL_E_NOMEM;
    d->name = name;
    d->info.err = jpeg_std_error(&d->errors);
    d->info.client_data = d;
    d->errors.error_exit = fail_decoding;
    d->errors.emit_message = on_message;
    d->errors.output_message = on_output;
    d->progress.progress_monitor = on_progress;
    if (setjmp(d->escape) == 0)
        d->status = decode(d, data, size, channels, at_least);
    jpeg_destroy_decompress(&d->info);
    const csctrl_status status = d->status;
    if (status == CSCTRL_OK)
        *out = d->pixels;
    else
        ct_pixels_free(&d->pixels);
    ct_free(d);
    return status;
}
