/* cli_pairs.h - images of the same names in two sets, compared pixel by pixel. */
#ifndef CLI_PAIRS_H
#define CLI_PAIRS_H

#include "cli_scores.h"

/* PSNR, SSIM and MS-SSIM of the pairs. Where the two sets do not hold images of the same names (but
 * for the ending) and sizes, nothing is added and `why` says so; it is "" otherwise. */
int cli_pairs_compare(cli_scores *scores, const csctrl_image_set *a, const csctrl_image_set *b,
                      char why[192]);

#endif
