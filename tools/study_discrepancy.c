/* study_discrepancy.c - how much to shrink a noisy image, told without the clean one. */
#include "study.h"

/* A regeneration that is nearer to the noisy image than the noise is strong has kept noise; one
 * that is farther away has lost image (Morozov's discrepancy principle). */
int study_choose(const double *residuals, int count, double sigma)
{
    for (int i = 0; i < count; i++)
        if (residuals[i] >= sigma)
            return i;
    return count - 1;
}
