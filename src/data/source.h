/* source.h - what every format gives: labelled items in a train and perhaps a test part, each read
 * into 8-bit planes. dataset.c picks a split from a source and knows nothing of formats. */
#ifndef CT_DATA_SOURCE_H
#define CT_DATA_SOURCE_H

#include <stdbool.h>

#include "csctrl/data.h"
#include "io/pixels.h"

enum {
    CT_IMAGE_BYTES_MAX = 512 << 20, /* a compressed image larger than this is called broken */
    CT_NAME_MAX = 4608              /* path of the set and name of the member, for messages */
};

/* What reading gives: u8 planes [channels, size, size]. */
typedef struct ct_geometry {
    int channels, size;
    bool whole; /* decode all of a file, also what the planes do not show, to find damage in it */
} ct_geometry;

/* Working memory of one reading thread. */
typedef struct ct_workspace {
    uint8_t *scratch; /* source->scratch bytes */
    ct_fitter *fitter;
} ct_workspace;

typedef struct ct_source ct_source;

typedef struct ct_source_ops {
    /* Item -> planes. Threads: any number, each with a workspace of its own. */
    csctrl_status (*read)(const ct_source *source, int64_t item, const ct_geometry *geometry,
                          ct_workspace *work, uint8_t *planes);
    /* File (and member) of an item, for messages. */
    void (*name)(const ct_source *source, int64_t item, char out[CT_NAME_MAX]);
    /* Only these items will be read: drop what the others take. NULL: nothing to drop. On error the
     * source can only be closed. */
    csctrl_status (*retain)(ct_source *source, const uint32_t *items, int64_t count);
    void (*close)(ct_source *source); /* releases `data` */
    bool sorted_by_class; /* items come class by class, so that the order has to be mixed */
} ct_source_ops;

struct ct_source {
    const ct_source_ops *ops;
    const char *kind;
    char *path;
    int64_t count[2]; /* items 0 .. count[0]-1 are the train part; count[1] test items follow */
    bool has_test;    /* the set has a test part of its own (also when it was not asked for) */
    int64_t skipped[2];
    int32_t *labels; /* [count[0] + count[1]] */
    int classes;
    char **class_names; /* [classes]; one line each */
    uint64_t fingerprint;
    size_t memory, scratch;
    void *data; /* of the format */
};

/* What is asked of a format. A part that is not wanted may be left empty; a set without a test part
 * gives its train part when only test is wanted. With nothing wanted only the classes count. */
typedef struct ct_source_request {
    const csctrl_config *config;
    const char *path;
    bool want[2];
    bool quiet;              /* what is amiss is logged by another opening of the same files */
    csctrl_broken_fn broken; /* NULL: broken files are logged */
    void *user;
} ct_source_request;

/* Open `request->path` as the kind that data.kind names, or as what it looks like. On error
 * `source` is empty. */
csctrl_status ct_source_open(ct_source *source, const ct_source_request *request);
void ct_source_close(ct_source *source);

/* The formats. Each fills a zeroed source and leaves what it has made to ct_source_close. */
csctrl_status ct_idx_open(ct_source *source, const ct_source_request *request);
csctrl_status ct_cifar10_open(ct_source *source, const ct_source_request *request);
csctrl_status ct_cifar100_open(ct_source *source, const ct_source_request *request);
csctrl_status ct_folder_open(ct_source *source, const ct_source_request *request);
csctrl_status ct_archive_open(ct_source *source, const ct_source_request *request);
csctrl_status ct_synthetic_open(ct_source *source, const ct_source_request *request);

/* Shared by the formats. */
csctrl_status ct_source_number_classes(ct_source *source, int classes); /* "0", "1", ... */
csctrl_status ct_source_fit_raw(const ct_pixels *pixels, const ct_geometry *geometry,
                                ct_workspace *work, uint8_t *planes);
csctrl_status ct_source_fit_encoded(const void *data, size_t size, const char *name,
                                    const ct_geometry *geometry, ct_workspace *work,
                                    uint8_t *planes);
csctrl_status ct_workspace_create(ct_workspace *work, const ct_source *source);
void ct_workspace_destroy(ct_workspace *work);
/* Tell the caller of open, or the log, about a broken file; control characters become '?'. */
void ct_source_report(const ct_source_request *request, const char *name, const char *reason);

/* Names. */
bool ct_image_extension(const char *name);                 /* jpg, jpeg, png in any case */
bool ct_image_signature(const uint8_t *data, size_t size); /* JPEG or PNG by the first bytes */

/* FNV-1a, 64 bits. */
static const uint64_t CT_FNV_START = 0xcbf29ce484222325U;
uint64_t ct_fnv(uint64_t hash, const void *data, size_t size);

#endif
