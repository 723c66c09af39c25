/* fma_peak.h - what the processor's multipliers can do, measured. */
#ifndef BENCH_FMA_PEAK_H
#define BENCH_FMA_PEAK_H

#include <stdbool.h>

#include "backend/backend.h"

/* Multiply and add in registers on `threads` threads with the vectors of `isa`; returns the
 * floating-point operations done. bf16: products of bf16 pairs summed in fp32 (vdpbf16ps); 0 when
 * the processor has no such instruction. */
double fma_peak_run(ct_isa isa, bool bf16, int threads);

#endif
