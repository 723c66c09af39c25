/** @file score.h
 * Scores of one set of images against another: Frechet, kernel and manifold distances of features,
 * classifiers on features, and the Inception network whose features FID is defined on.
 *
 * A Frechet distance is an FID only when its features come from the Inception network of 2015 with
 * its published weights (csctrl_inception_info.pinned).
 */
#ifndef CSCTRL_SCORE_H
#define CSCTRL_SCORE_H

#include <stddef.h>
#include <stdint.h>

#include "csctrl/status.h"
#include "csctrl/tensor.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- mean and covariance of features */

/** Mean and covariance, summed up in double as batches come: memory does not grow with images. */
typedef struct csctrl_moments csctrl_moments;

/** Facts about moments. */
typedef struct csctrl_moments_info {
    int64_t features;   /**< d */
    int64_t count;      /**< features added; 0: read from a file that does not say */
    const char *recipe; /**< how the features were made; "" when not known. Lives as long as the
                           moments and until it is set again */
} csctrl_moments_info;

/** Start with nothing. @param out Owned: release with csctrl_moments_destroy(). @param features
 * 1..46340. @return CSCTRL_OK; CSCTRL_E_INVALID; CSCTRL_E_NOMEM. Threading: any thread. */
CSCTRL_API csctrl_status csctrl_moments_create(csctrl_moments **out, int64_t features);

/** Release and null. Threading: no other call on it at the same time. */
CSCTRL_API void csctrl_moments_destroy(csctrl_moments **moments);

/** Add a batch of features.
 *
 * @param features  Borrowed. f32[n, d].
 * @return CSCTRL_OK; CSCTRL_E_SHAPE; CSCTRL_E_DTYPE; CSCTRL_E_STATE (the moments were read from a
 * file); CSCTRL_E_NUMERIC (a feature is not finite: nothing of the batch was added);
 * CSCTRL_E_NOMEM.
 * Threading: one call at a time.
 */
CSCTRL_API csctrl_status csctrl_moments_add(csctrl_moments *moments, const csctrl_tensor *features);

/** Facts. @param info Written. Threading: any number of threads. */
CSCTRL_API void csctrl_moments_get_info(const csctrl_moments *moments, csctrl_moments_info *info);

/** Say how the features were made; kept by csctrl_moments_write(). @param recipe Borrowed, at most
 * 255 bytes (more is cut). Threading: one call at a time. */
CSCTRL_API void csctrl_moments_set_recipe(csctrl_moments *moments, const char *recipe);

/** Write statistics as .npz: `mu` f64[d] and `sigma` f64[d, d] (divided by n - 1), which
 * pytorch-fid and clean-fid read; besides `count` i64[] and `recipe` u8[length].
 *
 * @return CSCTRL_OK; CSCTRL_E_STATE (fewer than two features); CSCTRL_E_NOT_FOUND (no such folder);
 * CSCTRL_E_IO (the target is unchanged); CSCTRL_E_UNSUPPORTED (built without archives);
 * CSCTRL_E_NOMEM. Threading: any number of threads.
 */
CSCTRL_API csctrl_status csctrl_moments_write(const csctrl_moments *moments, const char *path);

/** Read statistics from .npz, compressed or not: `mu` and `sigma`, f8 or f4.
 *
 * @param out  Owned: release with csctrl_moments_destroy().
 * @return CSCTRL_OK; CSCTRL_E_NOT_FOUND; CSCTRL_E_IO; CSCTRL_E_FORMAT (no zip, no such arrays,
 * shapes that do not belong together, d not in 1..46340, a value that is not finite);
 * CSCTRL_E_UNSUPPORTED; CSCTRL_E_NOMEM. Threading: any thread.
 */
CSCTRL_API csctrl_status csctrl_moments_read(csctrl_moments **out, const char *path);

/** Squared Frechet distance of the two Gaussians: |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2).
 *
 * The trace of the root is the sum of the roots of the eigenvalues of S1^1/2 S2 S1^1/2, which is
 * symmetric: real for any covariance, singular ones too. Everything in double.
 *
 * @param distance  Written. >= 0.
 * @return CSCTRL_OK; CSCTRL_E_SHAPE (not as many features); CSCTRL_E_STATE (fewer than two
 * features); CSCTRL_E_NUMERIC (no eigenvalues found, or numbers so large that the distance
 * is not finite); CSCTRL_E_UNSUPPORTED (built without LAPACK); CSCTRL_E_NOMEM.
 * Threading: any number of threads.   Source: Heusel et al. 2017, equation 6.
 */
CSCTRL_API csctrl_status csctrl_frechet_distance(const csctrl_moments *a, const csctrl_moments *b,
                                                 double *distance);

/* ---- features against features */

/** Kernel distance: unbiased squared MMD with the kernel (x.y / d + 1)^3. */
typedef struct csctrl_kernel_distance {
    double mean, deviation; /**< over the subsets */
    double all;             /**< of all features at once */
    int subsets;
    int64_t subset_size; /**< as asked for, or all features where there are not as many */
} csctrl_kernel_distance;

/** Kernel distance (KID where the features are Inception's) of a and b.
 *
 * Subsets are drawn without replacement as torch-fidelity draws them (NumPy's MT19937
 * permutations), so that the same features and seed give the same subsets.
 *
 * @param a,b          Borrowed. f32[n, d], f32[m, d]; n and m at least 2, d at least 1.
 * @param subsets      >= 1; usual 100.
 * @param subset_size  >= 2; usual 1000.
 * @param seed         torch-fidelity's default is 2020.
 * @param result       Written.
 * @return CSCTRL_OK; CSCTRL_E_SHAPE; CSCTRL_E_DTYPE; CSCTRL_E_INVALID; CSCTRL_E_NUMERIC (a feature
 * of a or b is not finite); CSCTRL_E_NOMEM. Threading: any thread.   Source: Binkowski et al. 2018.
 */
CSCTRL_API csctrl_status csctrl_kernel_distance_compute(const csctrl_tensor *a,
                                                        const csctrl_tensor *b, int subsets,
                                                        int64_t subset_size, uint32_t seed,
                                                        csctrl_kernel_distance *result);

/** Inception score of class logits: exp of the mean divergence of p(y|x) from p(y), over splits.
 *
 * @param logits          Borrowed. f32[n, classes].
 * @param splits          1..n; usual 10. Images are permuted first, as torch-fidelity does.
 * @param seed            torch-fidelity's default is 2020.
 * @param mean,deviation  Written. Over the splits.
 * @return CSCTRL_OK; CSCTRL_E_SHAPE; CSCTRL_E_DTYPE; CSCTRL_E_INVALID; CSCTRL_E_NUMERIC (a logit is
 * not finite); CSCTRL_E_NOMEM. Threading: any thread.   Source: Salimans et al. 2016.
 */
CSCTRL_API csctrl_status csctrl_inception_score(const csctrl_tensor *logits, int splits,
                                                uint32_t seed, double *mean, double *deviation);

/** How far the samples lie in the manifold of the reference and cover it. */
typedef struct csctrl_manifold {
    double precision; /**< share of samples in the k-neighbour ball of some reference feature */
    double recall;    /**< share of references in the k-neighbour ball of some sample */
    double density;   /**< balls of references that a sample lies in, over k, mean; may exceed 1 */
    double coverage;  /**< share of references whose ball holds a sample */
} csctrl_manifold;

/** Precision and recall (Kynkaanniemi et al. 2019), density and coverage (Naeem et al. 2020).
 *
 * @param samples    Borrowed. f32[n, d]. Samples come first: they are what is judged.
 * @param reference  Borrowed. f32[m, d], d at least 1.
 * @param k          Neighbours, 1..min(n, m) - 1; usual 5 (torch-fidelity: 3).
 * @param result     Written.
 * @return CSCTRL_OK; CSCTRL_E_SHAPE; CSCTRL_E_DTYPE; CSCTRL_E_INVALID; CSCTRL_E_NUMERIC (a feature
 * of either is not finite); CSCTRL_E_NOMEM. Threading: any thread.
 */
CSCTRL_API csctrl_status csctrl_manifold_compute(const csctrl_tensor *samples,
                                                 const csctrl_tensor *reference, int k,
                                                 csctrl_manifold *result);

/* ---- classifiers on features */

/** Class of each row of x by the majority of its k nearest rows of z (Euclidean); of classes with
 * as many votes the one with the nearest neighbour.
 *
 * @param z          Borrowed. f32[n, d], d at least 1.
 * @param labels     Borrowed. n class numbers in 0..classes-1.
 * @param k          1..n.
 * @param x          Borrowed. f32[m, d].
 * @param predicted  Written. m class numbers.
 * @return CSCTRL_OK; CSCTRL_E_SHAPE; CSCTRL_E_DTYPE; CSCTRL_E_INVALID; CSCTRL_E_NUMERIC (a feature
 * of z or x is not finite); CSCTRL_E_NOMEM. Threading: any thread.
 */
CSCTRL_API csctrl_status csctrl_knn_classify(const csctrl_tensor *z, const int64_t *labels,
                                             int classes, int k, const csctrl_tensor *x,
                                             int64_t *predicted);

/** Class of each row of x by multinomial logistic regression fitted on z: the mean cross-entropy
 * plus l2 / 2 times the squared weights (not the biases), minimised by L-BFGS from zero in double
 * until no derivative exceeds 1e-5. Where 500 steps do not suffice, or no step decreases it any
 * more, a warning is logged and the weights found so far classify.
 *
 * @param z          Borrowed. f32[n, d], d at least 1.
 * @param labels     Borrowed. n class numbers in 0..classes-1.
 * @param l2         > 0.
 * @param x          Borrowed. f32[m, d].
 * @param predicted  Written. m class numbers.
 * @return CSCTRL_OK; CSCTRL_E_SHAPE; CSCTRL_E_DTYPE; CSCTRL_E_INVALID; CSCTRL_E_NUMERIC (a feature
 * of z or x is not finite); CSCTRL_E_NOMEM. Threading: any thread.
 */
CSCTRL_API csctrl_status csctrl_linear_probe_classify(const csctrl_tensor *z, const int64_t *labels,
                                                      int classes, double l2,
                                                      const csctrl_tensor *x, int64_t *predicted);

/* ---- images */

/** Smallest side for which MS-SSIM is defined: five scales, a window of 11 at the last. */
#define CSCTRL_MS_SSIM_LEAST 161

/** Multi-scale SSIM of two equally shaped batches, five scales (Wang, Simoncelli, Bovik 2003).
 *
 * With fewer scales it would be another number: smaller images are refused.
 *
 * @param a,b      Borrowed. f32[n, c, h, w] in [-1, 1], both sides at least CSCTRL_MS_SSIM_LEAST.
 * @param ms_ssim  Written. n doubles, mean over channels.
 * @return CSCTRL_OK; CSCTRL_E_SHAPE; CSCTRL_E_DTYPE; CSCTRL_E_NOMEM. Threading: any thread.
 */
CSCTRL_API csctrl_status csctrl_ms_ssim(const csctrl_tensor *a, const csctrl_tensor *b,
                                        double *ms_ssim);

/** The image files (JPEG, PNG) of a folder at any depth, or of a .tar or .tar.gz, sorted by name.
 */
typedef struct csctrl_image_set csctrl_image_set;

/** Open. What is no image by its name, or hidden, is passed over. The files of a folder or .tar are
 * read when they are asked for; those of a .tar.gz are kept in memory, as they are there, until the
 * set is closed.
 *
 * @param out  Owned: release with csctrl_image_set_close().
 * @return CSCTRL_OK; CSCTRL_E_NOT_FOUND; CSCTRL_E_IO; CSCTRL_E_FORMAT (no image, a broken archive);
 * CSCTRL_E_UNSUPPORTED (built without archives); CSCTRL_E_NOMEM. Threading: any thread.
 */
CSCTRL_API csctrl_status csctrl_image_set_open(csctrl_image_set **out, const char *path);

/** Release and null. Threading: no other call on it at the same time. */
CSCTRL_API void csctrl_image_set_close(csctrl_image_set **set);

/** Number of images. Threading: any number of threads. */
CSCTRL_API int64_t csctrl_image_set_count(const csctrl_image_set *set);

/** Path of image `index` below the root; lives as long as the set. NULL when there is none.
 * Threading: any number of threads. */
CSCTRL_API const char *csctrl_image_set_name(const csctrl_image_set *set, int64_t index);

/** Read image `index` in colour at its own size: grey is repeated, alpha composed over black.
 *
 * @param image  Written. u8[3, h, w], data owned by the caller: release with csctrl_npy_free(). On
 * error its data are NULL.
 * @return CSCTRL_OK; CSCTRL_E_INVALID (index); CSCTRL_E_FORMAT, CSCTRL_E_UNSUPPORTED, CSCTRL_E_IO
 * or CSCTRL_E_NOT_FOUND when the file is broken or gone; CSCTRL_E_NOMEM. Threading: any number of
 * threads.
 */
CSCTRL_API csctrl_status csctrl_image_set_read(const csctrl_image_set *set, int64_t index,
                                               csctrl_tensor *image);

/* ---- the Inception network */

/** Extents of what goes into the network and comes out of it. */
#define CSCTRL_INCEPTION_SIDE 299
#define CSCTRL_INCEPTION_FEATURES 2048
#define CSCTRL_INCEPTION_CLASSES 1008

/** The Inception network of 2015, as FID is defined on it. */
typedef struct csctrl_inception csctrl_inception;

/** How an image comes to the network's size and range. */
typedef enum csctrl_resize {
    CSCTRL_RESIZE_CLEAN = 0,  /**< clean-fid: Pillow's antialiased bicubic in float, clipped to
                                 0..255; then (x - 128) / 128 */
    CSCTRL_RESIZE_PYTORCH = 1 /**< pytorch-fid: bilinear without antialiasing; then 2 x / 255 - 1 */
} csctrl_resize;

/** Facts about a network. Strings belong to it. */
typedef struct csctrl_inception_info {
    int pinned;         /**< 1: made from the published weights. Only then is a score an FID */
    const char *source; /**< SHA-256 of the file it was made from, or what its maker calls it */
    int batch;          /**< images that run takes at once */
} csctrl_inception_info;

/** Read a network from a safetensors file made by scripts/convert_inception.py.
 *
 * @param out      Owned: release with csctrl_inception_destroy().
 * @param path     Borrowed.
 * @param threads  >= 1, or 0 for all processors of the process.
 * @return CSCTRL_OK; CSCTRL_E_NOT_FOUND; CSCTRL_E_IO; CSCTRL_E_FORMAT; CSCTRL_E_SHAPE;
 * CSCTRL_E_INVALID; CSCTRL_E_UNSUPPORTED (built without oneDNN); CSCTRL_E_BACKEND; CSCTRL_E_NOMEM.
 * Threading: any thread.
 */
CSCTRL_API csctrl_status csctrl_inception_create(csctrl_inception **out, const char *path,
                                                 int threads);

/** Release and null. Threading: no other call on it at the same time. */
CSCTRL_API void csctrl_inception_destroy(csctrl_inception **inception);

/** Facts. @param info Written. Threading: any number of threads. */
CSCTRL_API void csctrl_inception_get_info(const csctrl_inception *inception,
                                          csctrl_inception_info *info);

/** One image as the network wants it.
 *
 * @param image   Borrowed. u8[c, h, w], c is 1 or 3 (grey is repeated); or f32[c, h, w] in [-1, 1],
 * which is rounded to 8 bits first, as an image file would be.
 * @param resize  How.
 * @param input   Written. f32[3, 299, 299].
 * @return CSCTRL_OK; CSCTRL_E_SHAPE; CSCTRL_E_DTYPE; CSCTRL_E_INVALID; CSCTRL_E_NOMEM. Threading:
 * any thread.
 */
CSCTRL_API csctrl_status csctrl_inception_prepare(const csctrl_tensor *image, csctrl_resize resize,
                                                  csctrl_tensor *input);

/** Run the network.
 *
 * @param input     Borrowed. f32[n, 3, 299, 299], n >= 0.
 * @param features  Written. f32[n, 2048], the last average pooling.
 * @param logits    Written. f32[n, 1008] without bias, as the Inception score takes them; may be
 * NULL.
 * @return CSCTRL_OK; CSCTRL_E_SHAPE; CSCTRL_E_DTYPE; CSCTRL_E_BACKEND. Threading: one call a
 * network at a time.   Allocates: nothing.
 */
CSCTRL_API csctrl_status csctrl_inception_run(csctrl_inception *inception,
                                              const csctrl_tensor *input, csctrl_tensor *features,
                                              csctrl_tensor *logits);

#ifdef __cplusplus
}
#endif
#endif
