/** @file data.h
 * Labelled image data sets: IDX, CIFAR binary, class folders or tar archives of JPEG/PNG,
 * synthetic.
 */
#ifndef CSCTRL_DATA_H
#define CSCTRL_DATA_H

#include <stddef.h>
#include <stdint.h>

#include "csctrl/config.h"
#include "csctrl/status.h"
#include "csctrl/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct csctrl_dataset csctrl_dataset;

typedef enum csctrl_split { CSCTRL_SPLIT_TRAIN = 0, CSCTRL_SPLIT_TEST = 1 } csctrl_split;

/** Facts about an open data set. Strings belong to the data set. */
typedef struct csctrl_dataset_info {
    const char *kind;     /**< "idx", "cifar10", "cifar100", "folder", "tar", "synthetic" */
    const char *path;     /**< "" for synthetic */
    int64_t count;        /**< images in this split */
    int64_t skipped;      /**< files found broken at open and left out */
    int classes;          /**< number of classes, >= 1 */
    int channels, size;   /**< what read gives: c x size x size */
    uint64_t fingerprint; /**< hash of names, sizes and labels (headers and contents for IDX and
                             CIFAR): same data, same value */
    size_t memory;        /**< bytes held while open */
    int divided; /**< 1: without a test split of its own, by data.holdout and seed; else 0 */
} csctrl_dataset_info;

/** Called for each broken item. `name` says file (and member). Both are one line: control
 * characters are given as '?'. */
typedef void (*csctrl_broken_fn)(void *user, const char *name, const char *reason);

/** Open one split of the data set that `config` describes (its section `data`).
 *
 * Without a test split of its own, the data set is divided by `data.holdout`: which images are held
 * out is a pure function of the image's index and `seed`, so train and test never overlap.
 *
 * @param out     Owned: release with csctrl_dataset_close().
 * @param config  Borrowed. `data.size` and `data.channels` are the geometry that read gives.
 * @param split   Which part.
 * @return CSCTRL_OK; CSCTRL_E_NOT_FOUND, CSCTRL_E_IO, CSCTRL_E_FORMAT (path, offset and reason),
 * CSCTRL_E_CONFIG, CSCTRL_E_NOMEM.
 * Threading: any thread while no call changes the config.
 */
CSCTRL_API csctrl_status csctrl_dataset_open(csctrl_dataset **out, const csctrl_config *config,
                                             csctrl_split split);

/** Release and null. @param dataset May be NULL or point to NULL. Threading: no other call on it at
 * the same time. */
CSCTRL_API void csctrl_dataset_close(csctrl_dataset **dataset);

/** Facts. @param info Written; its strings live as long as the data set. Threading: any number of
 * threads on one data set. */
CSCTRL_API void csctrl_dataset_get_info(const csctrl_dataset *dataset, csctrl_dataset_info *info);

/** Name of class `label`: the folder's name (control characters as '?'), or the number. Valid while
 * the data set is open. Threading: any number of threads on one data set. */
CSCTRL_API const char *csctrl_dataset_class_name(const csctrl_dataset *dataset, int label);

/** Read image `index`, without augmentation: centre-cropped to a square, resized with antialiasing,
 * grey or colour.
 *
 * @param image  Written. f32[c, size, size] in [-1, 1].
 * @param label  Written. 0..classes-1. May be NULL.
 * @return CSCTRL_OK; CSCTRL_E_FORMAT, CSCTRL_E_UNSUPPORTED, CSCTRL_E_IO or CSCTRL_E_NOT_FOUND when
 * the file is broken or gone; CSCTRL_E_SHAPE; CSCTRL_E_DTYPE; CSCTRL_E_INVALID (index);
 * CSCTRL_E_NOMEM. Threading: any number of threads on one data set.   Allocates: decoding
 * buffers.
 */
CSCTRL_API csctrl_status csctrl_dataset_read(csctrl_dataset *dataset, int64_t index,
                                             csctrl_tensor *image, int64_t *label);

/** Decode every image of both splits of `path` and report what is broken.
 *
 * @param config  Borrowed. `data.*` says what and where.
 * @param broken  Called once for every broken item; may be NULL.
 * @param good    Written. Number of images that decode.
 * @param bad     Written. Number that do not.
 * @return CSCTRL_OK also when bad > 0; an error only when the data set as a whole cannot be opened.
 * Threading: any thread; `broken` is called on the calling thread.
 */
CSCTRL_API csctrl_status csctrl_dataset_verify(const csctrl_config *config, csctrl_broken_fn broken,
                                               void *user, int64_t *good, int64_t *bad);

#ifdef __cplusplus
}
#endif
#endif
