/* psnr.c - peak signal-to-noise ratio of images in [-1, 1]: 10 log10(2^2 / mse). */
#include <math.h>

#include "csctrl/eval.h"
#include "eval/measures.h"

enum { PSNR_IDENTICAL = 100 }; /* dB; the limit is infinite */

csctrl_status ct_eval_expect_pair(const ct_tensor *a, const ct_tensor *b, int64_t side)
{
    const int64_t any[4] = {-1, -1, -1, -1};

    CT_TRY(ct_tensor_expect(a, "first images", CSCTRL_F32, 4, any));
    CT_TRY(ct_tensor_expect(b, "second images", CSCTRL_F32, 4, a->shape));
    if (a->shape[1] < 1 || a->shape[2] < side || a->shape[3] < side) {
        char have[96];
        return ct_fail(CSCTRL_E_SHAPE,
                       "images: expected at least one channel of %lld x %lld pixels, found %s",
                       (long long)side, (long long)side, ct_tensor_text(a, have));
    }
    return CSCTRL_OK;
}

csctrl_status csctrl_psnr(const csctrl_tensor *a, const csctrl_tensor *b, double *psnr)
{
    CT_TRY(ct_eval_expect_pair(a, b, 1));

    const int64_t pixels = a->shape[1] * a->shape[2] * a->shape[3];
    for (int64_t i = 0; i < a->shape[0]; i++) {
        const float *x = (const float *)a->data + i * pixels;
        const float *y = (const float *)b->data + i * pixels;
        double sum = 0;

        for (int64_t j = 0; j < pixels; j++) {
            const double difference = (double)x[j] - (double)y[j];
            sum += difference * difference;
        }
        const double db = 10.0 * log10(4.0 * (double)pixels / sum);
        /* Not fmin: pixels that are not finite must not look perfect. */
        psnr[i] = db > PSNR_IDENTICAL ? PSNR_IDENTICAL : db;
    }
    return CSCTRL_OK;
}
