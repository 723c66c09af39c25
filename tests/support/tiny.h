/* tiny.h - networks and runs so small that a test can afford thousands of steps of them. */
#ifndef TESTS_TINY_H
#define TESTS_TINY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "csctrl/csctrl.h"
#include "train/trainer.h"

enum { TINY_BATCH = 8, TINY_SIZE = 8, TINY_CLASSES = 3, TINY_PER_EPOCH = 8 };

/* Synthetic 8 x 8 images, two layers, 8 features, batches of 8, 8 of them an epoch; then the texts
 * "a.b=c", ended by NULL, over it. */
csctrl_config *tiny_config(const char *first, ...);

/* The same from a list that NULL ends. */
csctrl_config *tiny_config_list(const char *const *texts);

/* A game without data, to be moved by hand. */
typedef struct tiny_game {
    csctrl_config *config;
    csctrl_model *model;
    ct_game game;
    ct_optim optim;
    int64_t labels[TINY_BATCH];
} tiny_game;

/* Owns config. Images are random numbers in [-1, 1], labels i % TINY_CLASSES of `classes`. */
void tiny_game_open(tiny_game *g, csctrl_config *config, int classes);
void tiny_game_close(tiny_game *g);

/* One move of a game with its objective; one update with its check. */
csctrl_status tiny_max_move(ct_game *game, bool rate_only, double *value);
csctrl_status tiny_min_move(ct_game *game, double *value);
csctrl_status tiny_update(ct_optim *optim, ct_player player, double lr);

/* Step size of a layer. */
double tiny_eta(const csctrl_model *model, int layer);

/* f32[n, channels, 8, 8] of random numbers in [-1, 1]; n x d zeros; owned: tiny_free. */
csctrl_tensor tiny_images(int64_t n, int channels, uint32_t seed);
csctrl_tensor tiny_features(int64_t n, int64_t d);
void tiny_free(csctrl_tensor *t);

/* Values of all parameters of a model at one time. */
typedef struct tiny_snapshot {
    const csctrl_model *model;
    void *values[8 * CSCTRL_MAX_LAYERS];
} tiny_snapshot;
void tiny_take(tiny_snapshot *s, const csctrl_model *model);
bool tiny_changed(const tiny_snapshot *s, size_t index); /* in any bit */
void tiny_forget(tiny_snapshot *s);

/* Parameter by name; fails the test when there is none. */
ct_param *tiny_param(csctrl_model *model, const char *name);

/* Element of an f32 or f64 tensor. */
double tiny_get(const ct_tensor *t, int64_t i);
void tiny_set(const ct_tensor *t, int64_t i, double value);

/* As temp_make(), where files are in memory if the system has such a place: for tests that save
 * hundreds of times. Ends with temp_remove(). */
int tiny_memory_folder(void **state);

/* Pass only on equal bytes; on the same names with equal bytes below two folders. */
void expect_same_file(const char *a, const char *b);
void expect_same_folder(const char *a, const char *b);

/* Text of a file; owned: free(). Fails the test when there is none. */
char *tiny_text(const char *path);

/* This program again with other arguments, ended by NULL; a process of its own before any thread.
 * tiny_wait: its exit status, 128 + signal when killed. */
pid_t tiny_spawn(const char *first, const char *second);
int tiny_wait(pid_t pid);

#endif
