/* clock.h - monotonic time in seconds. */
#ifndef CT_BASE_CLOCK_H
#define CT_BASE_CLOCK_H

double ct_now(void);

#endif
