/* cli_pairs.c - means of PSNR, SSIM and MS-SSIM over the pairs of two sets of images. */
#include "cli_pairs.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SSIM_LEAST = 11 }; /* pixels: the window of SSIM */

typedef struct sums {
    double psnr, ssim, ms_ssim;
    int64_t pairs;
    int64_t least, smallest; /* shorter side of the smallest image; its place */
} sums;

/* Length of a path without its ending; all names have one. */
static size_t stem(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot != NULL ? (size_t)(dot - name) : strlen(name);
}

/* Both are sorted, so that pairs stand at the same places. */
static bool same_names(const csctrl_image_set *a, const csctrl_image_set *b, char why[192])
{
    const int64_t n = csctrl_image_set_count(a), m = csctrl_image_set_count(b);

    if (n != m) {
        snprintf(why, 192, "%lld images against %lld", (long long)n, (long long)m);
        return false;
    }
    for (int64_t i = 0; i < n; i++) {
        const char *x = csctrl_image_set_name(a, i), *y = csctrl_image_set_name(b, i);
        if (stem(x) != stem(y) || memcmp(x, y, stem(x)) != 0) {
            snprintf(why, 192, "names differ: %.70s and %.70s", x, y);
            return false;
        }
    }
    return true;
}

/* u8[3, h, w] to f32[1, 3, h, w] in [-1, 1]. */
static int widen(const csctrl_tensor *image, csctrl_tensor *out)
{
    const int64_t count = csctrl_tensor_count(image);
    const int code =
        cli_tensor_alloc(out, 4, (const int64_t[]){1, 3, image->shape[1], image->shape[2]});

    for (int64_t i = 0; code == CLI_OK && i < count; i++)
        ((float *)out->data)[i] = (float)((const uint8_t *)image->data)[i] / 127.5F - 1.0F;
    return code;
}

static int measure(const csctrl_tensor *x, const csctrl_tensor *y, int64_t i, sums *s)
{
    const int64_t least = x->shape[2] < x->shape[3] ? x->shape[2] : x->shape[3];
    double psnr = 0, ssim = NAN, ms_ssim = NAN;
    csctrl_status status = csctrl_psnr(x, y, &psnr);

    if (status == CSCTRL_OK && least >= SSIM_LEAST)
        status = csctrl_ssim(x, y, &ssim);
    if (status == CSCTRL_OK && least >= CSCTRL_MS_SSIM_LEAST)
        status = csctrl_ms_ssim(x, y, &ms_ssim);
    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    s->psnr += psnr;
    s->ssim += ssim;
    s->ms_ssim += ms_ssim;
    if (s->pairs == 0 || least < s->least) {
        s->least = least;
        s->smallest = i;
    }
    s->pairs++;
    return CLI_OK;
}

static int compare(const csctrl_image_set *a, const csctrl_image_set *b, int64_t i, sums *s,
                   char why[192])
{
    csctrl_tensor image[2] = {{.data = NULL}, {.data = NULL}};
    csctrl_tensor wide[2] = {{.data = NULL}, {.data = NULL}};
    csctrl_status status = csctrl_image_set_read(a, i, &image[0]);
    int code = CLI_OK;

    if (status == CSCTRL_OK)
        status = csctrl_image_set_read(b, i, &image[1]);
    if (status == CSCTRL_E_NOMEM) {
        code = cli_fail_status(status);
    } else if (status != CSCTRL_OK) {
        snprintf(why, 192, "%.180s", csctrl_last_error());
    } else if (image[0].shape[1] != image[1].shape[1] || image[0].shape[2] != image[1].shape[2]) {
        snprintf(why, 192, "sizes differ: %.100s", csctrl_image_set_name(a, i));
    } else {
        for (int j = 0; j < 2 && code == CLI_OK; j++)
            code = widen(&image[j], &wide[j]);
        if (code == CLI_OK)
            code = measure(&wide[0], &wide[1], i, s);
    }
    for (int j = 0; j < 2; j++) {
        csctrl_npy_free(&image[j]);
        cli_tensor_free(&wide[j]);
    }
    return code;
}

/* Means over all pairs; what one image is too small for is not given, and why. */
static void add_means(cli_scores *scores, const csctrl_image_set *a, const sums *s,
                      cli_pairs_gap *gap)
{
    const double n = (double)s->pairs;

    cli_scores_add(scores, "psnr", s->psnr / n, NAN, 2, "PSNR of pairs, dB");
    if (!isnan(s->ssim))
        cli_scores_add(scores, "ssim", s->ssim / n, NAN, 4, "SSIM of pairs");
    if (!isnan(s->ms_ssim)) {
        cli_scores_add(scores, "ms_ssim", s->ms_ssim / n, NAN, 4, "MS-SSIM of pairs");
        return;
    }
    gap->what = isnan(s->ssim) ? "SSIM, MS-SSIM (images in pairs)" : "MS-SSIM (images in pairs)";
    snprintf(gap->why, sizeof gap->why, "images too small: %.100s has a side of %lld, less than %d",
             csctrl_image_set_name(a, s->smallest), (long long)s->least,
             isnan(s->ssim) ? SSIM_LEAST : CSCTRL_MS_SSIM_LEAST);
}

int cli_pairs_compare(cli_scores *scores, const csctrl_image_set *a, const csctrl_image_set *b,
                      cli_pairs_gap *gap)
{
    sums s = {.pairs = 0};
    char *why = gap->why;
    int code = CLI_OK;

    *gap = (cli_pairs_gap){.what = "PSNR, SSIM, MS-SSIM (images in pairs)"};
    if (!same_names(a, b, why))
        return CLI_OK;
    for (int64_t i = 0; i < csctrl_image_set_count(a) && code == CLI_OK && why[0] == '\0'; i++)
        code = compare(a, b, i, &s, why);
    if (code == CLI_OK && why[0] == '\0')
        add_means(scores, a, &s, gap);
    return code;
}
