/* ssim.h - SSIM of one plane, and its part without luminance, which MS-SSIM takes at every scale.
 */
#ifndef CT_EVAL_SSIM_H
#define CT_EVAL_SSIM_H

#include "eval/measures.h"

typedef struct ct_similarity {
    double ssim, structure; /* means over all windows; structure: contrast and structure alone */
} ct_similarity;

typedef struct ct_ssim_work {
    int64_t height, width, valid; /* valid = width - CT_SSIM_WINDOW + 1 */
    double window[CT_SSIM_WINDOW];
    double *rows; /* [5, height, valid] */
} ct_ssim_work;

/* Both sides at least CT_SSIM_WINDOW. E_NOMEM. */
csctrl_status ct_ssim_work_create(ct_ssim_work *work, int64_t height, int64_t width);
void ct_ssim_work_destroy(ct_ssim_work *work);

ct_similarity ct_ssim_plane(const ct_ssim_work *work, const float *x, const float *y);

#endif
