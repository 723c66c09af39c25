/* tfevents.c - events as protocol buffers, by protobuf-c, one record each. */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <tfevents.pb-c.h>

#include "base/fs.h"
#include "base/mem.h"
#include "io/events.h"
#include "io/tfrecord.h"

enum { PNG_WIDTH_AT = 16, PNG_COLOUR_AT = 25 };
static const long long SECONDS_MAX = 9999999999; /* ten digits are in order */

bool ct_events_built(void)
{
    return true;
}

void ct_events_report(void (*fact)(void *user, const char *key, const char *value), void *user)
{
    fact(user, "protobuf-c", protobuf_c_version());
}

static csctrl_status append(const char *path, int flags, const void *data, size_t size)
{
    const int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | flags, 0666);
    const bool wrote = fd >= 0 && ct_fs_write_all(fd, data, size) == 0;
    const int error = errno;

    if (fd >= 0)
        close(fd);
    return wrote ? CSCTRL_OK : ct_fail(CSCTRL_E_IO, "cannot write %s: %s", path, strerror(error));
}

static double wall_time(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static csctrl_status write_event(const char *path, int flags, const Tfevents__Event *event)
{
    const size_t size = tfevents__event__get_packed_size(event);
    uint8_t *record = ct_alloc(CT_TFRECORD_HEAD + size + CT_TFRECORD_TAIL);

    if (record == NULL)
        return CSCTRL_E_NOMEM;
    tfevents__event__pack(event, record + CT_TFRECORD_HEAD);
    ct_tfrecord_seal(record, size);
    const csctrl_status status =
        append(path, flags, record, CT_TFRECORD_HEAD + size + CT_TFRECORD_TAIL);
    ct_free(record);
    return status;
}

/* SECONDS in the name of an event file; 0 when it is none. */
static long long seconds_of(const char *name)
{
    long long seconds = 0;

    return sscanf(name, CT_EVENTS_NAME "%10lld", &seconds) == 1 && seconds < SECONDS_MAX ? seconds
                                                                                         : 0;
}

/* The name that TensorBoard looks for; its readers take files in the order of their names. So a
 * clock that was set back must not put this file before another. */
static csctrl_status free_name(const char *folder, double now, char **free_path)
{
    long long seconds = (long long)now;
    ct_name_list list;
    char name[64];

    CT_TRY(ct_fs_list(folder, &list));
    for (size_t i = 0; i < list.count; i++)
        if (seconds_of(list.names[i]) >= seconds)
            seconds = seconds_of(list.names[i]) + 1;
    ct_fs_list_free(&list);
    snprintf(name, sizeof name, CT_EVENTS_NAME "%010lld.csctrl", seconds);
    *free_path = ct_path_join(folder, name);
    return *free_path != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM;
}

csctrl_status ct_events_create(const char *folder, int64_t first_step, char **path)
{
    static char version[] = "brain.Event:2"; /* protobuf-c's strings are not const */
    Tfevents__SessionLog log = TFEVENTS__SESSION_LOG__INIT;
    Tfevents__Event event = TFEVENTS__EVENT__INIT;

    event.wall_time = wall_time();
    *path = NULL;
    CT_TRY(free_name(folder, event.wall_time, path));
    event.what_case = TFEVENTS__EVENT__WHAT_FILE_VERSION;
    event.file_version = version;
    csctrl_status status = write_event(*path, O_CREAT | O_EXCL, &event);
    log.status = TFEVENTS__SESSION_LOG__SESSION_STATUS__START;
    event.step = first_step;
    event.what_case = TFEVENTS__EVENT__WHAT_SESSION_LOG;
    event.session_log = &log;
    if (status == CSCTRL_OK)
        status = write_event(*path, 0, &event);
    if (status == CSCTRL_OK)
        return CSCTRL_OK;
    ct_free(*path);
    *path = NULL;
    return status;
}

/* One value with the messages that it may need. */
typedef struct parts {
    Tfevents__Value value;
    Tfevents__Image image;
    Tfevents__HistogramProto histogram;
} parts;

static int32_t big_endian(const uint8_t *bytes)
{
    return (int32_t)((uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
                     bytes[3]);
}

static void put_image(parts *p, const ct_event_value *v)
{
    tfevents__image__init(&p->image);
    if (v->png_size > PNG_COLOUR_AT) {
        p->image.width = big_endian(v->png + PNG_WIDTH_AT);
        p->image.height = big_endian(v->png + PNG_WIDTH_AT + 4);
        p->image.colorspace = v->png[PNG_COLOUR_AT] == 0 ? 1 : 3; /* channels: grey, RGB */
    }
    p->image.encoded_image_string.len = v->png_size;
    memcpy(&p->image.encoded_image_string.data, &v->png, sizeof v->png); /* not const there */
    p->value.value_case = TFEVENTS__VALUE__VALUE_IMAGE;
    p->value.image = &p->image;
}

static void put_histogram(parts *p, const ct_histogram *h)
{
    Tfevents__HistogramProto *m = &p->histogram;
    const double *limits = h->limits, *buckets = h->buckets;

    tfevents__histogram_proto__init(m);
    m->min = h->min;
    m->max = h->max;
    m->num = h->count;
    m->sum = h->sum;
    m->sum_squares = h->squares;
    m->n_bucket_limit = m->n_bucket = CT_HISTOGRAM_BUCKETS;
    memcpy(&m->bucket_limit, &limits, sizeof limits); /* not const there */
    memcpy(&m->bucket, &buckets, sizeof buckets);
    p->value.value_case = TFEVENTS__VALUE__VALUE_HISTO;
    p->value.histo = m;
}

static void put_value(parts *p, const ct_event_value *v)
{
    tfevents__value__init(&p->value);
    memcpy(&p->value.tag, &v->tag, sizeof v->tag); /* not const there */
    if (v->png != NULL) {
        put_image(p, v);
    } else if (v->histogram != NULL) {
        put_histogram(p, v->histogram);
    } else {
        p->value.value_case = TFEVENTS__VALUE__VALUE_SIMPLE_VALUE;
        p->value.simple_value = (float)v->scalar;
    }
}

csctrl_status ct_events_write(const char *path, int64_t step, const ct_event_value *values,
                              size_t count)
{
    Tfevents__Value *list[CT_EVENT_VALUES];
    Tfevents__Summary summary = TFEVENTS__SUMMARY__INIT;
    Tfevents__Event event = TFEVENTS__EVENT__INIT;

    if (count == 0)
        return CSCTRL_OK;
    if (count > CT_EVENT_VALUES)
        return ct_fail(CSCTRL_E_INVALID, "event: expected at most %d values, found %zu",
                       CT_EVENT_VALUES, count);
    parts *p = ct_calloc(count, sizeof *p);
    if (p == NULL)
        return CSCTRL_E_NOMEM;
    for (size_t i = 0; i < count; i++) {
        put_value(&p[i], &values[i]);
        list[i] = &p[i].value;
    }
    summary.n_value = count;
    summary.value = list;
    event.wall_time = wall_time();
    event.step = step;
    event.what_case = TFEVENTS__EVENT__WHAT_SUMMARY;
    event.summary = &summary;
    const csctrl_status status = write_event(path, 0, &event);
    ct_free(p);
    return status;
}
