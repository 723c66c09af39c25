/** @file model.h
 * A trained or fresh autoencoder: encoder f, decoder g, parameters by name.
 */
#ifndef CSCTRL_MODEL_H
#define CSCTRL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "csctrl/config.h"
#include "csctrl/status.h"
#include "csctrl/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct csctrl_model csctrl_model;

/** Most layers that model.layers may name. */
#define CSCTRL_MAX_LAYERS 32

/** Facts about a model. */
typedef struct csctrl_model_info {
    const char *arch;    /**< "csc" or "generic" */
    const char *backend; /**< "cpu", "ref" or "cuda" */
    int layers;          /**< of the encoder; the decoder has as many */
    int channels, size;  /**< images are c x size x size */
    int features;        /**< d, length of one row of Z */
    int classes;         /**< of the data it was trained on; 0 when unknown */
    int64_t step;        /**< batches trained; 0 for a fresh model */
    int64_t parameters;  /**< trainable numbers, a shared dictionary counted once */
    int64_t encode_macs; /**< multiply-accumulates of f for one image */
    int64_t decode_macs; /**< multiply-accumulates of g for one image */
    bool tied;           /**< decoder uses the encoder's dictionaries */
} csctrl_model_info;

/** Facts about one encoder layer. */
typedef struct csctrl_layer_info {
    const char *kind;                         /**< "csc" or "conv" */
    int atoms, channels, kernel, stride, pad; /**< dictionary atoms x channels x kernel x kernel */
    int in_size, out_size;  /**< spatial extent of its input image and of its codes */
    int steps;              /**< T, unrolled FISTA steps; 1 for conv */
    double lambda, mu, eta; /**< sparsity, ridge and the present step size */
    bool nonneg;            /**< codes are >= 0; false for conv */
    int64_t parameters, encode_macs, decode_macs; /**< of this layer, decoder side included */
} csctrl_layer_info;

/** One named tensor of a model. */
typedef struct csctrl_parameter {
    const char *name;    /**< e.g. "encoder.0.dictionary"; valid while the model lives */
    bool trainable;      /**< false for running statistics */
    csctrl_tensor value; /**< view of the model's memory; do not write. On a GPU without data:
                          * csctrl_model_read_parameter() copies it */
} csctrl_parameter;

/** Bytes a training run (batch > 0) takes, by class. */
typedef struct csctrl_memory_plan {
    size_t param;    /**< parameters, gradients, running statistics, packed dictionaries */
    size_t state;    /**< optimizer moments, averages, power-iteration vectors */
    size_t saved;    /**< activations kept for the backward pass */
    size_t scratch;  /**< buffers reused within a step */
    size_t io;       /**< batches in flight, pictures */
    size_t data;     /**< the data set as held in memory */
    size_t total;    /**< sum of the above */
    size_t resident; /**< predicted peak resident set of the whole process: total, the prefetch ring
                        and the runtime */
} csctrl_memory_plan;

/** Fresh model with random parameters (a pure function of `seed`).
 *
 * @param out     Owned: release with csctrl_model_destroy().
 * @param config  Borrowed. Keys `model.*`, `data.size`, `data.channels`, `seed`, `device`,
 * `threads`, `precision`, `isa`, `tune`.
 * @param batch   Images processed at once by encode and decode, >= 1; larger inputs are taken in
 * pieces.
 * @return CSCTRL_OK; CSCTRL_E_CONFIG (bad layers text or geometry); CSCTRL_E_UNSUPPORTED;
 * CSCTRL_E_NOMEM; CSCTRL_E_FORMAT or CSCTRL_E_IO of the file that `tune` names.
 * Threading: any thread while no call changes the config.
 */
CSCTRL_API csctrl_status csctrl_model_create(csctrl_model **out, const csctrl_config *config,
                                             int batch);

/** Load from a run directory (its latest checkpoint) or from one checkpoint.
 *
 * The weights are the averaged ones where the run kept an average (optim.ema).
 *
 * @param out        Owned.
 * @param path       Borrowed. RUN, RUN/checkpoints/step-N or RUN/checkpoints/best.
 * @param overrides  Borrowed. "a.b=c" strings applied over the saved config, e.g. "model.steps=10";
 * may be NULL.
 * @param count      Number of overrides.
 * @param batch      As in csctrl_model_create().
 * @return CSCTRL_OK; CSCTRL_E_NOT_FOUND; CSCTRL_E_IO; CSCTRL_E_FORMAT (damaged); CSCTRL_E_MISMATCH
 * (tensor by tensor: expected and found shape); CSCTRL_E_CONFIG; CSCTRL_E_NOMEM.
 * Threading: any thread.
 */
CSCTRL_API csctrl_status csctrl_model_load(csctrl_model **out, const char *path,
                                           const char *const *overrides, size_t count, int batch);

/** Which checkpoint csctrl_model_load() takes: of a run the latest, or where that is gone the best
 * or the last finished one, with a warning. (Training goes on from the latest or the last finished
 * one, never from the best.) What is in it is not looked at.
 *
 * @param path   Borrowed. As in csctrl_model_load().
 * @param found  Written: the path of its directory; not touched on errors.
 * @param size   Bytes at `found`.
 * @param step   Written: N of a directory step-N, -1 of another; likewise; may be NULL.
 * @return CSCTRL_OK; CSCTRL_E_NOT_FOUND; CSCTRL_E_IO; CSCTRL_E_FORMAT (a pointer that names no
 * checkpoint); CSCTRL_E_INVALID when `size` is too small; CSCTRL_E_NOMEM.
 * Threading: any thread.
 */
CSCTRL_API csctrl_status csctrl_checkpoint_find(const char *path, char *found, size_t size,
                                                int64_t *step);

/** Release and null. @param model May be NULL or point to NULL. Threading: no other call on it at
 * the same time. */
CSCTRL_API void csctrl_model_destroy(csctrl_model **model);

/** Facts. @param info Written. Threading: any number of threads while no other call uses the model.
 * Allocates: nothing. */
CSCTRL_API void csctrl_model_get_info(const csctrl_model *model, csctrl_model_info *info);

/** Facts about encoder layer `index`. @return CSCTRL_OK; CSCTRL_E_INVALID; CSCTRL_E_IO when a
 * device fails. Threading: as csctrl_model_get_info(). */
CSCTRL_API csctrl_status csctrl_model_get_layer(const csctrl_model *model, int index,
                                                csctrl_layer_info *info);

/** The config the model was made with (its checkpoint's, with overrides). Borrowed: lives as long
 * as the model. Threading: any thread. */
CSCTRL_API const csctrl_config *csctrl_model_config(const csctrl_model *model);

/** Number of named tensors. Threading: any thread. */
CSCTRL_API size_t csctrl_model_parameter_count(const csctrl_model *model);

/** Named tensor `index`: dictionaries as [atoms, channels, kernel, kernel], norms as [channels].
 * @return CSCTRL_OK; CSCTRL_E_INVALID. Threading: any thread; read values as
 * csctrl_model_get_info(). */
CSCTRL_API csctrl_status csctrl_model_get_parameter(const csctrl_model *model, size_t index,
                                                    csctrl_parameter *parameter);

/** Copy named tensor `index` to the host, wherever it lies.
 *
 * @param values  Written: as many numbers as the tensor has, of its type (f32; f64 with precision
 *                f64).
 * @param bytes   Size of `values`.
 * @return CSCTRL_OK; CSCTRL_E_INVALID for an index out of range; CSCTRL_E_SHAPE when `bytes` is not
 *         the tensor's size; CSCTRL_E_IO when a device fails. On error values are unspecified.
 * Threading: as csctrl_model_get_info(). Allocates: nothing. */
CSCTRL_API csctrl_status csctrl_model_read_parameter(const csctrl_model *model, size_t index,
                                                     void *values, size_t bytes);

/** Encode: z = f(x), features on the unit sphere, in eval mode (running statistics).
 *
 * @param model  Borrowed.
 * @param x      Borrowed. f32[n, c, h, w], contiguous, pixels in [-1, 1]; any n >= 1.
 * @param z      Written. f32[n, d], each row of Euclidean norm 1. No overlap with x.
 * @return CSCTRL_OK; CSCTRL_E_SHAPE or CSCTRL_E_DTYPE if x or z does not match the model;
 * CSCTRL_E_NUMERIC if a feature is not finite. On error z is unspecified and the model unchanged.
 * Threading: one call a model at a time; distinct models are independent.   Allocates: nothing.
 * Source: SPEC 2.
 */
CSCTRL_API csctrl_status csctrl_model_encode(csctrl_model *model, const csctrl_tensor *x,
                                             csctrl_tensor *z);

/** Decode: x = g(z), in eval mode.
 *
 * @param z  Borrowed. f32[n, d].
 * @param x  Written. f32[n, c, h, w] in [-1, 1].
 * @return, Threading, Allocates as csctrl_model_encode().   Source: SPEC 2.
 */
CSCTRL_API csctrl_status csctrl_model_decode(csctrl_model *model, const csctrl_tensor *z,
                                             csctrl_tensor *x);

/** Codes of one encoder layer: what the sparse coding of its input gives, before the layer's norm.
 *
 * @param x      Borrowed. f32[n, c, h, w], as in csctrl_model_encode().
 * @param layer  0..layers-1, from the image.
 * @param codes  Written. f32[n, atoms, out_size, out_size] of csctrl_layer_info.
 * @return CSCTRL_OK; CSCTRL_E_INVALID (no such layer); CSCTRL_E_SHAPE or CSCTRL_E_DTYPE if x or
 * codes does not match the model; CSCTRL_E_NUMERIC if a code is not finite; CSCTRL_E_NOMEM. On
 * error codes is unspecified and the model unchanged. Threading: as csctrl_model_encode().
 * Allocates: one batch of codes, freed before return. Source: SPEC 1.
 */
CSCTRL_API csctrl_status csctrl_model_encode_layer(csctrl_model *model, const csctrl_tensor *x,
                                                   int layer, csctrl_tensor *codes);

/** Decode down to one layer: the codes that the decoder's layer `layer` is given when it decodes z.
 *
 * Those of the last layer are z itself.
 *
 * @param z      Borrowed. f32[n, d].
 * @param layer  0..layers-1, from the image.
 * @param codes  Written. f32[n, atoms, out_size, out_size] of csctrl_layer_info.
 * @return, Threading, Allocates as csctrl_model_encode_layer().   Source: SPEC 2.
 */
CSCTRL_API csctrl_status csctrl_model_decode_to_layer(csctrl_model *model, const csctrl_tensor *z,
                                                      int layer, csctrl_tensor *codes);

/** Decode from one layer on: the image that the decoder's layers `layer` to 0 make of these codes.
 *
 * After csctrl_model_decode_to_layer() of the same layer it gives what csctrl_model_decode() does.
 *
 * @param layer  0..layers-1, from the image.
 * @param codes  Borrowed. f32[n, atoms, out_size, out_size] of csctrl_layer_info.
 * @param x      Written. f32[n, c, h, w] in [-1, 1].
 * @return, Threading, Allocates as csctrl_model_encode_layer().   Source: SPEC 2.
 */
CSCTRL_API csctrl_status csctrl_model_decode_from_layer(csctrl_model *model, int layer,
                                                        const csctrl_tensor *codes,
                                                        csctrl_tensor *x);

/** Regenerate an image file: read x, then z = f(x), then write g(z) as PNG.
 *
 * @param model     Borrowed.
 * @param path      Borrowed. A JPEG or PNG of any size, taken as by csctrl_image_read() at the
 * model's channels and size.
 * @param out_path  Borrowed. Replaced atomically; may be `path`.
 * @return CSCTRL_OK; errors of csctrl_image_read() (not CSCTRL_E_SHAPE) and csctrl_image_write();
 * CSCTRL_E_NUMERIC if a value is not finite. On error out_path and the model are unchanged.
 * Threading: as csctrl_model_encode().   Allocates: the image, its features and what decoding
 * takes, freed before return.   Source: SPEC 2.
 */
CSCTRL_API csctrl_status csctrl_model_reconstruct_file(csctrl_model *model, const char *path,
                                                       const char *out_path);

/** Share of zero codes of every encoder layer over the last csctrl_model_encode() call.
 *
 * @param zeros  Written. `layers` doubles in [0, 1].
 * @return CSCTRL_OK; CSCTRL_E_STATE when nothing was encoded yet.
 * Threading: as csctrl_model_get_info().
 */
CSCTRL_API csctrl_status csctrl_model_sparsity(const csctrl_model *model, double *zeros);

#ifdef __cplusplus
}
#endif
#endif
