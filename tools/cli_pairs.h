/* cli_pairs.h - images of the same names in two sets, compared pixel by pixel. */
#ifndef CLI_PAIRS_H
#define CLI_PAIRS_H

#include "cli_scores.h"

/* What is not given, and why; why is "" where all is. */
typedef struct cli_pairs_gap {
    const char *what;
    char why[192];
} cli_pairs_gap;

/* PSNR, SSIM and MS-SSIM of the pairs. Nothing where the two sets do not hold images of the same
 * names (but for the ending) and sizes; no SSIM or MS-SSIM where an image is too small for it. */
int cli_pairs_compare(cli_scores *scores, const csctrl_image_set *a, const csctrl_image_set *b,
                      cli_pairs_gap *gap);

#endif
