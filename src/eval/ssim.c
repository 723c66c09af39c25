/* ssim.c - structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004): Gaussian window 11 x 11 of
 * sigma 1.5, K1 = 0.01, K2 = 0.03, dynamic range 2, windows wholly inside the image. The window is
 * separable: rows first into `rows`, then columns. */
#include <math.h>

#include "base/mem.h"
#include "csctrl/eval.h"
#include "eval/ssim.h"

enum { WINDOW = CT_SSIM_WINDOW, MOMENTS = 5 }; /* moments: x, y, x^2, y^2, xy */

typedef ct_ssim_work ssim_work;

static void make_window(double window[WINDOW])
{
    double sum = 0;

    for (int i = 0; i < WINDOW; i++) {
        const int offset = i - WINDOW / 2;
        const double t = offset / 1.5;
        window[i] = exp(-0.5 * t * t);
        sum += window[i];
    }
    for (int i = 0; i < WINDOW; i++)
        window[i] /= sum;
}

static void filter_rows(const ssim_work *work, const float *x, const float *y)
{
    const int64_t plane = work->height * work->valid;

    for (int64_t r = 0; r < work->height; r++)
        for (int64_t c = 0; c < work->valid; c++) {
            double m[MOMENTS] = {0};

            for (int k = 0; k < WINDOW; k++) {
                const double w = work->window[k];
                const double u = (double)x[r * work->width + c + k];
                const double v = (double)y[r * work->width + c + k];
                m[0] += w * u;
                m[1] += w * v;
                m[2] += w * u * u;
                m[3] += w * v * v;
                m[4] += w * u * v;
            }
            for (int i = 0; i < MOMENTS; i++)
                work->rows[i * plane + r * work->valid + c] = m[i];
        }
}

/* Contrast and structure at one place, and all with luminance. */
static ct_similarity similarity(const double m[MOMENTS])
{
    const double c1 = (0.01 * 2) * (0.01 * 2), c2 = (0.03 * 2) * (0.03 * 2);
    const double xx = m[2] - m[0] * m[0], yy = m[3] - m[1] * m[1], xy = m[4] - m[0] * m[1];
    const double luminance = 2 * m[0] * m[1] + c1, structure = 2 * xy + c2;
    const double means = m[0] * m[0] + m[1] * m[1] + c1, spread = xx + yy + c2;

    return (ct_similarity){.ssim = (luminance * structure) / (means * spread),
                           .structure = structure / spread};
}

csctrl_status ct_ssim_work_create(ct_ssim_work *work, int64_t height, int64_t width)
{
    *work = (ssim_work){.height = height, .width = width, .valid = width - WINDOW + 1};
    make_window(work->window);
    work->rows = ct_calloc((size_t)(MOMENTS * work->height * work->valid), sizeof(double));
    return work->rows != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
}

void ct_ssim_work_destroy(ct_ssim_work *work)
{
    ct_free(work->rows);
    work->rows = NULL;
}

ct_similarity ct_ssim_plane(const ct_ssim_work *work, const float *x, const float *y)
{
    const int64_t plane = work->height * work->valid, down = work->height - WINDOW + 1;
    ct_similarity sum = {0};

    filter_rows(work, x, y);
    for (int64_t r = 0; r < down; r++)
        for (int64_t c = 0; c < work->valid; c++) {
            double m[MOMENTS] = {0};

            for (int k = 0; k < WINDOW; k++)
                for (int i = 0; i < MOMENTS; i++)
                    m[i] += work->window[k] * work->rows[i * plane + (r + k) * work->valid + c];
            const ct_similarity here = similarity(m);
            sum.ssim += here.ssim;
            sum.structure += here.structure;
        }
    const double places = (double)(down * work->valid);
    return (ct_similarity){.ssim = sum.ssim / places, .structure = sum.structure / places};
}

static double image_ssim(const ssim_work *work, const float *x, const float *y, int64_t channels)
{
    const int64_t plane = work->height * work->width;
    double sum = 0;

    for (int64_t c = 0; c < channels; c++)
        sum += ct_ssim_plane(work, x + c * plane, y + c * plane).ssim;
    return sum / (double)channels;
}

csctrl_status csctrl_ssim(const csctrl_tensor *a, const csctrl_tensor *b, double *ssim)
{
    CT_TRY(ct_eval_expect_pair(a, b, WINDOW));

    const int64_t channels = a->shape[1], image = channels * a->shape[2] * a->shape[3];
    ssim_work work;
    CT_TRY(ct_ssim_work_create(&work, a->shape[2], a->shape[3]));
    for (int64_t i = 0; i < a->shape[0]; i++)
        ssim[i] = image_ssim(&work, (const float *)a->data + i * image,
                             (const float *)b->data + i * image, channels);
    ct_ssim_work_destroy(&work);
    return CSCTRL_OK;
}
