/* histogram.c - the spread of many numbers in a few. */
#include <math.h>

#include "io/events.h"

void ct_histogram_fill(ct_histogram *histogram, const float *values, size_t count)
{
    ct_histogram h = {.min = INFINITY, .max = -INFINITY};

    for (size_t i = 0; i < count; i++) {
        const double v = (double)values[i];
        if (!isfinite(v))
            continue;
        h.min = fmin(h.min, v);
        h.max = fmax(h.max, v);
        h.sum += v;
        h.squares += v * v;
        h.count += 1.0;
    }
    if (!(h.count > 0.0))
        h.min = h.max = 0.0;
    const double width = (h.max - h.min) / CT_HISTOGRAM_BUCKETS;
    for (int b = 0; b < CT_HISTOGRAM_BUCKETS; b++)
        h.limits[b] = b + 1 < CT_HISTOGRAM_BUCKETS ? h.min + (b + 1) * width : h.max;
    for (size_t i = 0; i < count; i++) {
        const double v = (double)values[i];
        const double at = width > 0.0 ? (v - h.min) / width : 0.0;
        if (isfinite(v))
            h.buckets[at < CT_HISTOGRAM_BUCKETS ? (int)at : CT_HISTOGRAM_BUCKETS - 1] += 1.0;
    }
    *histogram = h;
}
