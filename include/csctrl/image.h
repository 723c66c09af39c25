/** @file image.h
 * JPEG and PNG files to tensors and back; pictures made of several images.
 */
#ifndef CSCTRL_IMAGE_H
#define CSCTRL_IMAGE_H

#include "csctrl/status.h"
#include "csctrl/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Read a JPEG or PNG file, centre-crop to a square, resize with antialiasing.
 *
 * Grey to colour repeats the channel; colour to grey is Rec. 601 luma; alpha is composed over
 * black; 16-bit PNG is reduced to 8 bits; CMYK JPEG is refused by name. A JPEG that is damaged only
 * below the square is read.
 *
 * @param path   Borrowed. The format is told from the contents, not the name.
 * @param image  Written. f32[c, size, size] in [-1, 1], c is 1 or 3.
 * @return CSCTRL_OK; CSCTRL_E_NOT_FOUND; CSCTRL_E_IO; CSCTRL_E_FORMAT; CSCTRL_E_UNSUPPORTED (CMYK,
 * more than 64 million pixels); CSCTRL_E_SHAPE; CSCTRL_E_NOMEM. Threading: any thread.   Allocates:
 * decoding buffers, freed before return.
 */
CSCTRL_API csctrl_status csctrl_image_read(const char *path, csctrl_tensor *image);

/** Write one image as PNG. @param image Borrowed. f32[c, h, w] in [-1, 1] (clamped), c is 1 or 3.
 *  @return CSCTRL_OK; CSCTRL_E_NOT_FOUND (no such folder); CSCTRL_E_IO (the target is unchanged);
 * CSCTRL_E_SHAPE; CSCTRL_E_NOMEM. Threading: any thread. */
CSCTRL_API csctrl_status csctrl_image_write(const char *path, const csctrl_tensor *image);

/** Write n images as one PNG grid, row-major, with a gap of 2 pixels, each enlarged by a whole
 * number.
 *
 * @param images   Borrowed. f32[n, c, h, w] in [-1, 1].
 * @param columns  >= 1.
 * @param scale    >= 1, nearest-neighbour enlargement.
 * @return as csctrl_image_write().
 * Threading: any thread.
 */
CSCTRL_API csctrl_status csctrl_image_write_grid(const char *path, const csctrl_tensor *images,
                                                 int columns, int scale);

#ifdef __cplusplus
}
#endif
#endif
