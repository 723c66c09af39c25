/* ms_ssim.c - multi-scale SSIM (Wang, Simoncelli, Bovik 2003): contrast and structure at five
 * scales to the powers of the paper, luminance at the last. Between scales means of 2 x 2; the last
 * pixel of an odd side counts twice. */
#include <math.h>

#include "base/mem.h"
#include "csctrl/score.h"
#include "eval/ssim.h"

enum { SCALES = 5 };

static const double powers[SCALES] = {0.0448, 0.2856, 0.3001, 0.2363, 0.1333};

/* Memory of every scale; scale 0 is read in place. */
typedef struct pyramid {
    ct_ssim_work work[SCALES];
    float *x[SCALES], *y[SCALES];
} pyramid;

static csctrl_status pyramid_create(pyramid *p, int64_t height, int64_t width)
{
    for (int s = 0; s < SCALES; s++) {
        CT_TRY(ct_ssim_work_create(&p->work[s], height, width));
        if (s > 0) {
            p->x[s] = ct_calloc((size_t)(height * width), sizeof(float));
            p->y[s] = ct_calloc((size_t)(height * width), sizeof(float));
            if (p->x[s] == NULL || p->y[s] == NULL)
                return CSCTRL_E_NOMEM;
        }
        height = (height + 1) / 2;
        width = (width + 1) / 2;
    }
    return CSCTRL_OK;
}

static void pyramid_destroy(pyramid *p)
{
    for (int s = 0; s < SCALES; s++) {
        ct_ssim_work_destroy(&p->work[s]);
        ct_free(p->x[s]);
        ct_free(p->y[s]);
    }
}

static void halve(const float *in, int64_t height, int64_t width, float *out)
{
    for (int64_t r = 0; r < height; r += 2)
        for (int64_t c = 0; c < width; c += 2) {
            const int64_t below = r + 1 < height ? width : 0, beside = c + 1 < width ? 1 : 0;
            const float *at = in + r * width + c;
            *out++ = 0.25f * ((at[0] + at[beside]) + (at[below] + at[below + beside]));
        }
}

/* A structure that is negative on the whole counts as 0: it has no such power. */
static double power(double base, double exponent)
{
    return base > 0 ? pow(base, exponent) : base <= 0 ? 0 : base;
}

static double plane_ms_ssim(const pyramid *p, const float *x, const float *y)
{
    double product = 1;

    for (int s = 0; s < SCALES; s++) {
        const ct_ssim_work *work = &p->work[s];
        const ct_similarity found = ct_ssim_plane(work, x, y);
        product *= power(s + 1 < SCALES ? found.structure : found.ssim, powers[s]);
        if (s + 1 < SCALES) {
            halve(x, work->height, work->width, p->x[s + 1]);
            halve(y, work->height, work->width, p->y[s + 1]);
            x = p->x[s + 1];
            y = p->y[s + 1];
        }
    }
    return product;
}

csctrl_status csctrl_ms_ssim(const csctrl_tensor *a, const csctrl_tensor *b, double *ms_ssim)
{
    pyramid p = {0};
    csctrl_status st;

    CT_TRY(ct_eval_expect_pair(a, b, CSCTRL_MS_SSIM_LEAST));
    const int64_t channels = a->shape[1], plane = a->shape[2] * a->shape[3];
    CT_GOTO(st, pyramid_create(&p, a->shape[2], a->shape[3]));
    for (int64_t i = 0; i < a->shape[0]; i++) {
        ms_ssim[i] = 0;
        for (int64_t c = 0; c < channels; c++) {
            const int64_t at = (i * channels + c) * plane;
            ms_ssim[i] +=
                plane_ms_ssim(&p, (const float *)a->data + at, (const float *)b->data + at);
        }
        ms_ssim[i] /= (double)channels;
    }
done:
    pyramid_destroy(&p);
    return st;
}
