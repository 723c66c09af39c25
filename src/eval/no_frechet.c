/* no_frechet.c - in the place of frechet.c where the library is built without LAPACK. */
#include "base/error.h"
#include "csctrl/score.h"

csctrl_status csctrl_frechet_distance(const csctrl_moments *a, const csctrl_moments *b,
                                      double *distance)
{
    (void)a;
    (void)b;
    (void)distance;
    return ct_fail(CSCTRL_E_UNSUPPORTED, "Frechet distance: this csctrl was built without LAPACK: "
                                         "build with CSCTRL_WITH_LAPACK=ON");
}
