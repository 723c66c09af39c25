/* cpu_tune.h - ways measured on this machine instead of chosen by rule (option `tune`).
 *
 * A file keeps choices, a line for each geometry:
 *
 *   avx512 f32 threads=2 n=128 32x32x3 atoms=64 k4 s2 p1: direct
 *
 * Every way is compared with the reference on a few images first, and left out when it differs. */
#ifndef CT_BACKEND_CPU_TUNE_H
#define CT_BACKEND_CPU_TUNE_H

#include "backend/cpu/cpu_conv.h"

typedef struct ct_tune ct_tune;

/* *out = NULL when `setting` is NULL or "off". "on" measures; all else is the path of a file, read
 * when it is there and written when a geometry was measured (a warning when it cannot be).
 * E_FORMAT with file and line. */
csctrl_status ct_tune_create(ct_tune **out, const char *setting);
void ct_tune_destroy(ct_tune **tune);

/* The way of a geometry: from the file, or the fastest of those that fit. */
csctrl_status ct_tune_choose(ct_exec *ex, const ct_geom *geom, ct_way *way);

#endif
