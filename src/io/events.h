/* events.h - TensorBoard's event files: scalars, pictures and histograms of a step. */
#ifndef CT_IO_EVENTS_H
#define CT_IO_EVENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum { CT_HISTOGRAM_BUCKETS = 32 };

/* Equal buckets from min to max; limits are their upper ends. */
typedef struct ct_histogram {
    double min, max, count, sum, squares;
    double limits[CT_HISTOGRAM_BUCKETS], buckets[CT_HISTOGRAM_BUCKETS];
} ct_histogram;

/* Of finite numbers; count 0 when there are none. */
void ct_histogram_fill(ct_histogram *histogram, const float *values, size_t count);

/* What belongs to a tag at a step: one of three. All pointers borrowed. */
typedef struct ct_event_value {
    const char *tag;
    double scalar;
    const uint8_t *png; /* NULL: none */
    size_t png_size;
    const ct_histogram *histogram; /* NULL: none */
} ct_event_value;

/* Whether this csctrl was built with it. */
bool ct_events_built(void);

#define CT_EVENTS_NAME "events.out.tfevents." /* how every event file's name begins */

/* A new file in `folder`, behind those that are there in the order of their names, whatever the
 * clock says; *path owned: ct_free. first_step: of this start. What earlier files of the folder
 * have from that step on does not count any more: TensorBoard drops it when it comes to this one.
 * E_NOT_FOUND, E_IO; E_UNSUPPORTED when not built. */
csctrl_status ct_events_create(const char *folder, int64_t first_step, char **path);

/* Append one event of up to CT_EVENT_VALUES values, as a whole. */
enum { CT_EVENT_VALUES = 16 };
csctrl_status ct_events_write(const char *path, int64_t step, const ct_event_value *values,
                              size_t count);

/* The library that encodes, and its version. */
void ct_events_report(void (*fact)(void *user, const char *key, const char *value), void *user);

#endif
