/* image.c - the public face of the pixel code: image files to tensors and back. */
#include "csctrl/image.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "io/pixels.h"
#include "tensor/tensor.h"

enum { FILE_MAX_BYTES = 256 << 20, GAP = 2, GAP_GREY = 255 };

/* ---- reading */

static csctrl_status check_target(const csctrl_tensor *image)
{
    CT_TRY(ct_tensor_expect(image, "image", CSCTRL_F32, 3, (const int64_t[]){-1, -1, -1}));
    if ((image->shape[0] == 1 || image->shape[0] == 3) && image->shape[1] == image->shape[2] &&
        image->shape[1] >= 1 && image->shape[1] <= CT_PIXELS_MAX / image->shape[2])
        return CSCTRL_OK;
    char text[96];
    return ct_fail(CSCTRL_E_SHAPE, "image: expected f32[1 or 3, size, size], found %s",
                   ct_tensor_text(image, text));
}

csctrl_status csctrl_image_read(const char *path, csctrl_tensor *image)
{
    unsigned char *file = NULL;
    uint8_t *planes = NULL;
    size_t bytes;
    ct_pixels pixels = {0};
    csctrl_status status;

    CT_GOTO(status, check_target(image));
    const int channels = (int)image->shape[0], size = (int)image->shape[1];
    const ct_decoding how = {
        .channels = channels, .at_least = ct_pixels_at_least(size), .square = true};
    CT_GOTO(status, ct_fs_read(path, FILE_MAX_BYTES, &file, &bytes));
    CT_GOTO(status, ct_pixels_decode(file, bytes, path, &how, &pixels));
    planes = ct_alloc((size_t)csctrl_tensor_count(image));
    if (planes == NULL) {
        status = CSCTRL_E_NOMEM;
        goto done;
    }
    CT_GOTO(status, ct_pixels_fit(&pixels, size, planes));
    ct_pixels_normalise(planes, csctrl_tensor_count(image), image->data);
done:
    ct_free(planes);
    ct_pixels_free(&pixels);
    ct_free(file);
    return status;
}

/* ---- writing */

/* [-1, 1] to 0..255, rounded; what is outside is clamped, NaN is black. */
static uint8_t to_byte(float value)
{
    if (!(value > -1.0f))
        return 0;
    if (value >= 1.0f)
        return 255;
    return (uint8_t)((value + 1.0f) * 127.5f + 0.5f);
}

/* Image `index` of images into the canvas, its first pixel at (left, top). */
static void draw(const csctrl_tensor *images, int64_t index, int scale, int left, int top,
                 const ct_pixels *canvas)
{
    const int channels = canvas->channels;
    const int height = (int)images->shape[2], width = (int)images->shape[3];
    const size_t plane = (size_t)height * (size_t)width;
    const float *source = (const float *)images->data + (size_t)index * (size_t)channels * plane;

    for (int y = 0; y < height * scale; y++)
        for (int x = 0; x < width * scale; x++) {
            const size_t from = (size_t)(y / scale) * (size_t)width + (size_t)(x / scale);
            const size_t to =
                ((size_t)(top + y) * (size_t)canvas->width + (size_t)(left + x)) * (size_t)channels;
            for (int c = 0; c < channels; c++)
                canvas->data[to + (size_t)c] = to_byte(source[(size_t)c * plane + from]);
        }
}

/* Pixels along one side of the grid; 0 when beyond what a picture may have. */
static int64_t grid_side(int64_t cells, int64_t extent, int scale)
{
    int64_t side;

    if (__builtin_mul_overflow(extent, scale, &side) || __builtin_add_overflow(side, GAP, &side) ||
        __builtin_mul_overflow(side, cells, &side))
        return 0;
    return side - GAP <= CT_PIXELS_MAX ? side - GAP : 0;
}

static csctrl_status check_images(const csctrl_tensor *images, int columns, int scale)
{
    char text[96];

    CT_TRY(ct_tensor_expect(images, "images", CSCTRL_F32, 4, (const int64_t[]){-1, -1, -1, -1}));
    if (columns < 1 || scale < 1)
        return ct_fail(CSCTRL_E_INVALID,
                       "images: expected columns and scale of at least 1, found %d and %d", columns,
                       scale);
    if (images->shape[0] < 1 || (images->shape[1] != 1 && images->shape[1] != 3) ||
        images->shape[2] < 1 || images->shape[3] < 1)
        return ct_fail(CSCTRL_E_SHAPE, "images: expected f32[n, 1 or 3, h, w], found %s",
                       ct_tensor_text(images, text));
    return CSCTRL_OK;
}

static csctrl_status write_png(const char *path, const ct_pixels *canvas)
{
    uint8_t *data;
    size_t size;

    CT_TRY(ct_pixels_encode_png(canvas, &data, &size));
    const csctrl_status status = ct_fs_write_atomic(path, data, size);
    ct_free(data);
    return status;
}

csctrl_status csctrl_image_write_grid(const char *path, const csctrl_tensor *images, int columns,
                                      int scale)
{
    CT_TRY(check_images(images, columns, scale));
    const int64_t count = images->shape[0], across = count < columns ? count : columns;
    const int64_t width = grid_side(across, images->shape[3], scale);
    const int64_t height = grid_side((count + across - 1) / across, images->shape[2], scale);
    if (width == 0 || height == 0 || width > CT_PIXELS_MAX / height) {
        char text[96];
        return ct_fail(CSCTRL_E_SHAPE,
                       "%s: expected a picture of at most %d pixels, found %s at scale %d", path,
                       CT_PIXELS_MAX, ct_tensor_text(images, text), scale);
    }
    const size_t bytes = (size_t)width * (size_t)height * (size_t)images->shape[1];
    ct_pixels canvas = {.width = (int)width,
                        .height = (int)height,
                        .channels = (int)images->shape[1],
                        .data = ct_alloc(bytes)};
    if (canvas.data == NULL)
        return CSCTRL_E_NOMEM;
    memset(canvas.data, GAP_GREY, bytes);
    for (int64_t i = 0; i < count; i++)
        draw(images, i, scale, (int)((i % across) * (images->shape[3] * scale + GAP)),
             (int)((i / across) * (images->shape[2] * scale + GAP)), &canvas);
    const csctrl_status status = write_png(path, &canvas);
    ct_pixels_free(&canvas);
    return status;
}

csctrl_status csctrl_image_write(const char *path, const csctrl_tensor *image)
{
    CT_TRY(ct_tensor_expect(image, "image", CSCTRL_F32, 3, (const int64_t[]){-1, -1, -1}));
    const csctrl_tensor one = csctrl_tensor_view(
        CSCTRL_F32, 4, (const int64_t[]){1, image->shape[0], image->shape[1], image->shape[2]},
        image->data);
    return csctrl_image_write_grid(path, &one, 1, 1);
}
