/* checkpoint.h - a checkpoint is a directory: config.yaml, model.safetensors, state.safetensors,
 * manifest.json with the size and CRC of each. RUN/checkpoints holds them; the text files `latest`
 * and `best` name one each. */
#ifndef CT_MODEL_CHECKPOINT_H
#define CT_MODEL_CHECKPOINT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "csctrl/config.h"

#define CT_CHECKPOINT_FOLDER "checkpoints"
#define CT_CHECKPOINT_CONFIG "config.yaml"
#define CT_CHECKPOINT_MODEL "model.safetensors"
#define CT_CHECKPOINT_STATE "state.safetensors"
#define CT_CHECKPOINT_MANIFEST "manifest.json"
#define CT_CHECKPOINT_FORMAT "csctrl-checkpoint-1"

/* What the manifest says of the other three files, in this order: config, model, state. */
enum { CT_CHECKPOINT_FILES = 3 };
typedef struct ct_manifest {
    int64_t bytes[CT_CHECKPOINT_FILES];
    uint32_t crc32[CT_CHECKPOINT_FILES];
} ct_manifest;
const char *ct_checkpoint_file(int index);

/* Path (owned: ct_free) of the checkpoint meant by `path`: itself, or what
 * RUN/checkpoints/`pointers` names, the first that exists, or else the last finished one. pointers:
 * NULL-terminated, e.g. {"best", "latest", NULL}. One that is named and gone is warned of.
 * E_NOT_FOUND says what was looked for. */
csctrl_status ct_checkpoint_locate(const char *path, const char *const *pointers,
                                   char **checkpoint);

/* The number of a checkpoint by its name, step-N; -1: it has another. */
int64_t ct_checkpoint_step(const char *path);

/* What the pointer file RUN/checkpoints/`pointer` names, be it there or not; owned: ct_free.
 * E_NOT_FOUND: there is no such file. */
csctrl_status ct_checkpoint_pointed(const char *run, const char *pointer, char **checkpoint);

/* From memory; `name` is for messages. E_FORMAT: not JSON, another format, a file without its size
 * or CRC. */
csctrl_status ct_manifest_parse(ct_manifest *manifest, const void *text, size_t size,
                                const char *name);

/* The checkpoint's name in the text of a pointer file, which is cut to it. `name` is for messages.
 * E_FORMAT: anything but one file name. */
csctrl_status ct_pointer_parse(char *text, size_t size, const char *name);

/* Compare the files with the manifest: config and model, and the state when `with_state` (using a
 * model does not need it). E_FORMAT names the file, expected and found size or CRC, and checkpoints
 * before this one. */
csctrl_status ct_checkpoint_verify(const char *checkpoint, bool with_state);

/* The checkpoint's config with "a.b=c" strings over it; owned: csctrl_config_destroy. */
csctrl_status ct_checkpoint_config(const char *checkpoint, const char *const *overrides,
                                   size_t count, csctrl_config **config);

/* CRC-32 (zlib) of a file. */
csctrl_status ct_file_crc32(const char *path, int64_t *bytes, uint32_t *crc32);

#endif
