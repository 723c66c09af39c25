/* images.c - the libraries behind jpeg.c and png.c. */
#include <stdio.h>

#include <jpeglib.h>
#include <png.h>

#include "io/pixels.h"

void ct_images_report(void (*fact)(void *user, const char *key, const char *value), void *user)
{
    char text[64];

    snprintf(text, sizeof text, "%d.%d.%d", LIBJPEG_TURBO_VERSION_NUMBER / 1000000,
             LIBJPEG_TURBO_VERSION_NUMBER / 1000 % 1000, LIBJPEG_TURBO_VERSION_NUMBER % 1000);
    fact(user, "libjpeg-turbo", text);
    fact(user, "libpng", png_get_libpng_ver(NULL));
}
