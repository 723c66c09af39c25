/* measure.h - an objective at given features, without the plan of a game. */
#ifndef TESTS_MEASURE_H
#define TESTS_MEASURE_H

#include "objective/rate_reduction.h"

/* Value of a kind at F [2n, d] and its gradient dF (NULL: not wanted). objective->scratch is set.
 */
csctrl_status measure_objective(ct_exec *ex, ct_objective *objective, ct_objective_kind kind,
                                const ct_tensor *F, const int64_t *labels, double *value,
                                ct_tensor *dF);

#endif
