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
/* Pixels beside a cut are made without what lies behind it, where chroma is interpolated. */
enum { MARGIN = 2 };

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

/* Leave out columns beside `across`, as far as blocks allow; the first column that stays. */
static int crop_columns(decoder *d, ct_middle across)
{
    const int width = (int)d->info.output_width;
    const int right = across.end + MARGIN < width ? across.end + MARGIN : width;
    JDIMENSION left = (JDIMENSION)(across.first > MARGIN ? across.first - MARGIN : 0);
    JDIMENSION count = (JDIMENSION)right - left;

    /* Of the rarer samplings, libjpeg-turbo 2.1 takes scaled chroma for narrower than it is; and
     * what a progressive file lacks is guessed from blocks around. */
    if ((int)count == width || d->info.max_h_samp_factor > 2 || d->info.max_v_samp_factor > 2 ||
        d->info.progressive_mode)
        return 0;
    jpeg_crop_scanline(&d->info, &left, &count);
    return (int)left;
}

/* Which pixels of the scaled picture to make: all, or rows and columns of the square. */
static void choose_part(decoder *d, bool square)
{
    const int width = (int)d->info.image_width, height = (int)d->info.image_height;
    const int side = width < height ? width : height, by = (int)d->info.scale_denom;
    const ct_middle across = ct_pixels_middle(width, square ? side : width, by);
    const ct_middle down = ct_pixels_middle(height, square ? side : height, by);
    const int left = crop_columns(d, across);

    d->pixels = (ct_pixels){.width = (int)d->info.output_width,
                            .height = down.end - down.first,
                            .channels = d->info.output_components,
                            .reduction = by > 1 ? by : 0,
                            .full_width = width,
                            .full_height = height,
                            .left = left,
                            .top = down.first};
}

static csctrl_status decode(decoder *d, const void *data, size_t size, const ct_decoding *how)
{
    jpeg_create_decompress(&d->info);
    d->info.progress = &d->progress;
    jpeg_mem_src(&d->info, data, (unsigned long)size);
    (void)jpeg_read_header(&d->info, TRUE);
    CT_TRY(ct_pixels_check_size(d->name, d->info.image_width, d->info.image_height));
    CT_TRY(check_colour(d));
    d->info.out_color_space = how->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    d->info.dct_method = JDCT_ISLOW;
    d->info.scale_num = 1;
    d->info.scale_denom = reduction(d, how->at_least);
    (void)jpeg_start_decompress(&d->info);
    choose_part(d, how->square);

    const size_t stride = (size_t)d->pixels.width * (size_t)d->pixels.channels;
    d->pixels.data = ct_alloc(stride * (size_t)d->pixels.height);
    if (d->pixels.data == NULL)
        return CSCTRL_E_NOMEM;
    if (d->pixels.top > 0)
        (void)jpeg_skip_scanlines(&d->info, (JDIMENSION)d->pixels.top);
    for (int y = 0; y < d->pixels.height; y++) {
        JSAMPROW row = d->pixels.data + (size_t)y * stride;
        (void)jpeg_read_scanlines(&d->info, &row, 1);
    }
    if (d->info.output_scanline == d->info.output_height)
        (void)jpeg_finish_decompress(&d->info);
    return CSCTRL_OK;
}

csctrl_status ct_jpeg_decode(const void *data, size_t size, const char *name,
                             const ct_decoding *how, ct_pixels *out)
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
        d->status = decode(d, data, size, how);
    jpeg_destroy_decompress(&d->info);
    const csctrl_status status = d->status;
    if (status == CSCTRL_OK)
        *out = d->pixels;
    else
        ct_pixels_free(&d->pixels);
    ct_free(d);
    return status;
}
