/* shrink.h - the proximal step of one number (SPEC 1), for the loops. */
#ifndef CT_BACKEND_CPU_SHRINK_H
#define CT_BACKEND_CPU_SHRINK_H

/* z = prox(y + eta grad), y_next = z + beta (z - z_prev). */
typedef struct ct_shrink {
    float eta, scale, threshold;
    float lower; /* v in [-lower, threshold] gives 0: infinite for non-negative codes */
    float beta;
} ct_shrink;

/* A NaN fails the comparisons and so passes through. */
static inline float ct_shrink_value(const ct_shrink *p, float v)
{
    const float below = v >= -p->lower ? 0 : (v + p->threshold) * p->scale;

    return v <= p->threshold ? below : (v - p->threshold) * p->scale;
}

#endif
