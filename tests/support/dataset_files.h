/* dataset_files.h - small data sets on disk, and configs that name them. */
#ifndef TESTS_DATASET_FILES_H
#define TESTS_DATASET_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "csctrl/data.h"
#include "csctrl/log.h"

/* Config from "a.b=c" texts, ended by NULL. */
csctrl_config *config_make(const char *first, ...);

/* Same with data.path = the test's directory / name. */
csctrl_config *config_at(void **state, const char *name, const char *first, ...);

/* "a/b/c" in the test's directory, with its folders. */
const char *put_file(void **state, const char *name, const void *data, size_t size);
void put_folder(void **state, const char *name);

/* PNG and JPEG of the tests' pattern. */
void put_png(void **state, const char *name, int width, int height, int channels);
void put_jpeg(void **state, const char *name, int width, int height);

/* IDX file, gzipped when the name ends in .gz. Header and values are given apart; `cut` bytes are
 * left off the end (negative: as many zeros are added). */
void put_idx(void **state, const char *name, int ndim, const uint32_t *shape, const uint8_t *values,
             size_t count, int cut);

/* Both files of `part` ("train" or "t10k"), count images of side x side. Pixel p of image i is
 * idx_pixel(i, p), its label i % classes. */
uint8_t idx_pixel(int64_t image, int64_t pixel);
void put_idx_part(void **state, const char *folder, const char *part, const char *suffix, int count,
                  int side, int classes);

/* CIFAR records from number `first` on: pixel p of plane c of record r is cifar_pixel(r, c, p). The
 * label is r % 10, or r % 20 and r % 100. Owned: free(). */
uint8_t cifar_pixel(int64_t record, int channel, int64_t pixel);
uint8_t *cifar_records(int first, int count, bool fine, size_t *size);

/* A tar being written; gzipped when the name ends in gz. */
typedef struct tar_file tar_file;
tar_file *tar_begin(void **state, const char *name);
void tar_add(tar_file *tar, const char *name, const void *data, size_t size);
void tar_add_folder(tar_file *tar, const char *name);
void tar_add_link(tar_file *tar, const char *name, const char *target);
void tar_add_png(tar_file *tar, const char *name, int width, int height, int channels);
void tar_end(tar_file *tar);

/* Collects what verify reports. */
typedef struct broken_list {
    int count;
    char names[16][512], reasons[16][512];
} broken_list;
void broken_collect(void *user, const char *name, const char *reason);

/* Collects log messages; install with csctrl_log_set(log_collect, &list). */
typedef struct log_list {
    int count;
    char messages[64][1024];
} log_list;
void log_collect(void *user, csctrl_log_level level, const char *message);
int log_count(const log_list *list, const char *part); /* messages that contain `part` */

/* Path of a real data file, NULL when it is not there ($CSCTRL_DATA, or ../shared/data). */
const char *real_data(const char *name);

#endif
