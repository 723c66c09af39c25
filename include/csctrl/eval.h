/** @file eval.h
 * Figures of a trained model on held-out data (SPEC 5), and samples from its feature space.
 */
#ifndef CSCTRL_EVAL_H
#define CSCTRL_EVAL_H

#include <stddef.h>
#include <stdint.h>

#include "csctrl/config.h"
#include "csctrl/data.h"
#include "csctrl/model.h"
#include "csctrl/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/** Figures on held-out images, in eval mode. Rates in nats over all held-out features, eps2 of the
 * config. */
typedef struct csctrl_figures {
    int64_t images;  /**< held-out images used */
    double psnr;     /**< dB; mean over images of 10 log10(4 / mse), pixels in [-1, 1] */
    double ssim;     /**< mean over images and channels; Gaussian window 11, sigma 1.5 (Wang et al.
                        2004); NaN when images are smaller than the window */
    double ms_ssim;  /**< MS-SSIM (csctrl_ms_ssim()), mean over images and channels; NaN when images
                        are smaller than CSCTRL_MS_SSIM_LEAST */
    double cosine;   /**< mean of <z, f(g(z))> */
    double accuracy; /**< nearest subspace, components fitted on training features only */
    double knn;      /**< accuracy of `eval.neighbours` nearest training features */
    double probe;    /**< accuracy of logistic regression fitted on training features */
    double rate_z;   /**< R(Z) */
    double rate_zhat;                   /**< R(Zhat) */
    double reduction_z;                 /**< dR(Z | labels) */
    double reduction_zhat;              /**< dR(Zhat | labels) */
    double distance;                    /**< dR(Z, Zhat) */
    int layers;                         /**< entries of sparsity */
    double sparsity[CSCTRL_MAX_LAYERS]; /**< share of zero codes of each encoder layer */
} csctrl_figures;

/** A Gaussian in each class's principal subspace, fitted on features. */
typedef struct csctrl_subspaces csctrl_subspaces;

/** Fit the mean and the `components` leading principal directions of every class's features.
 *
 * @param out         Owned: release with csctrl_subspaces_destroy().
 * @param z           Borrowed. f32[n, d], rows of unit length.
 * @param labels      Borrowed. n class numbers in 0..classes-1.
 * @param components  1..d; a class of m images keeps at most m - 1, and none along which it does
 * not vary.
 * @return CSCTRL_OK; CSCTRL_E_INVALID (a label or `components` out of range, every class empty);
 * CSCTRL_E_SHAPE; CSCTRL_E_DTYPE; CSCTRL_E_NUMERIC (a feature is not finite); CSCTRL_E_NOMEM.
 * Threading: any thread.
 */
CSCTRL_API csctrl_status csctrl_subspaces_fit(csctrl_subspaces **out, const csctrl_tensor *z,
                                              const int64_t *labels, int classes, int components);

/** Release and null. Threading: no other call on it at the same time. */
CSCTRL_API void csctrl_subspaces_destroy(csctrl_subspaces **subspaces);

/** Nearest class of each row: smallest residual |(I - U U^T)(z - mean)| (SPEC 5).
 *
 * @param z       Borrowed. f32[n, d].
 * @param labels  Written. n class numbers; an empty class is never given.
 * @return CSCTRL_OK; CSCTRL_E_SHAPE; CSCTRL_E_DTYPE; CSCTRL_E_NUMERIC (a feature is not finite);
 * CSCTRL_E_NOMEM.
 * Threading: any number of threads on one fit.
 */
CSCTRL_API csctrl_status csctrl_subspaces_classify(const csctrl_subspaces *subspaces,
                                                   const csctrl_tensor *z, int64_t *labels);

/** Draw features: mean + U diag(deviation) N(0, I), put on the unit sphere.
 *
 * @param class_label  0..classes-1, or -1 for the classes that have images in turn.
 * @param seed         Same seed, same features.
 * @param z            Written. f32[n, d].
 * @return CSCTRL_OK; CSCTRL_E_INVALID (an empty class, no such class); CSCTRL_E_SHAPE;
 * CSCTRL_E_DTYPE; CSCTRL_E_NOMEM.
 * Threading: any number of threads on one fit.
 */
CSCTRL_API csctrl_status csctrl_subspaces_sample(const csctrl_subspaces *subspaces, int class_label,
                                                 uint64_t seed, csctrl_tensor *z);

/** Components kept of a class, at most as many as were asked for; -1 for an empty class and for one
 * that does not exist. Threading: any number of threads on one fit. Allocates: nothing. */
CSCTRL_API int csctrl_subspaces_count(const csctrl_subspaces *subspaces, int class_label);

/** One principal component of a class, the leading one first.
 *
 * @param component  0..csctrl_subspaces_count() - 1.
 * @param mean       Written. f32[d], the mean of the class's features. May be NULL.
 * @param direction  Written. f32[d], of unit length; its sign means nothing. May be NULL.
 * @param deviation  Written. Standard deviation of the features along the direction. May be NULL.
 * @return CSCTRL_OK; CSCTRL_E_INVALID (an empty class, no such class or component);
 * CSCTRL_E_SHAPE; CSCTRL_E_DTYPE.
 * Threading: any number of threads on one fit.   Allocates: nothing.   Source: SPEC 5.
 */
CSCTRL_API csctrl_status csctrl_subspaces_component(const csctrl_subspaces *subspaces,
                                                    int class_label, int component,
                                                    csctrl_tensor *mean, csctrl_tensor *direction,
                                                    double *deviation);

/** Encode a whole data set (or `limit` images; 0 = all).
 *
 * With a limit, images are drawn from all over the data set (one from each of `limit` equal
 * stretches, always the same ones), since data sets are often sorted by class.
 *
 * @param z       Written. f32[n, d], data owned by the caller: release with csctrl_npy_free().
 * @param labels  Written. n labels, owned: release with csctrl_labels_free().
 * @return CSCTRL_OK; CSCTRL_E_SHAPE when the data set does not fit the model; errors of read and
 * encode; CSCTRL_E_FORMAT when no image could be read; CSCTRL_E_NOMEM. Broken images are left
 * out, each with a warning. On error z->data and *labels are NULL.
 * Threading: as csctrl_model_encode().
 */
CSCTRL_API csctrl_status csctrl_model_encode_dataset(csctrl_model *model, csctrl_dataset *dataset,
                                                     int64_t limit, csctrl_tensor *z,
                                                     int64_t **labels);

/** Release the labels and null the pointer. @param labels May be NULL or point to NULL. Threading:
 * no other call on it at the same time. */
CSCTRL_API void csctrl_labels_free(int64_t **labels);

/** All figures.
 *
 * @param model    Borrowed.
 * @param train    Borrowed. Components and classifiers are fitted on its features (at most
 * `eval.fit_count` images).
 * @param test     Borrowed. Held-out images (at most `eval.count`).
 * @param figures  Written.
 * @return CSCTRL_OK; CSCTRL_E_SHAPE when a data set does not fit the model; CSCTRL_E_MISMATCH when
 * the two do not have as many classes; CSCTRL_E_CONFIG when `eval.components` is not below the
 * model's features or `eval.fit_count` below the number of classes; errors of read and encode;
 * CSCTRL_E_FORMAT when no image could be read; CSCTRL_E_NUMERIC (a feature is not finite);
 * CSCTRL_E_NOMEM. Broken images are left out, each with a warning. On error the figures are
 * unspecified. Source: SPEC 5.
 * Threading: as csctrl_model_encode().
 */
CSCTRL_API csctrl_status csctrl_evaluate(csctrl_model *model, csctrl_dataset *train,
                                         csctrl_dataset *test, csctrl_figures *figures);

/** PSNR of two equally shaped batches. @param a,b Borrowed. f32[n, c, h, w] in [-1, 1].
 *  @param psnr Written. n doubles, dB, at most 100 (identical images). @return CSCTRL_OK;
 * CSCTRL_E_SHAPE; CSCTRL_E_DTYPE. Threading: any thread. */
CSCTRL_API csctrl_status csctrl_psnr(const csctrl_tensor *a, const csctrl_tensor *b, double *psnr);

/** SSIM of two equally shaped batches. @param ssim Written. n doubles, mean over channels.
 *  @return CSCTRL_OK; CSCTRL_E_SHAPE (also when smaller than the 11 x 11 window); CSCTRL_E_DTYPE;
 * CSCTRL_E_NOMEM. Threading: any thread. */
CSCTRL_API csctrl_status csctrl_ssim(const csctrl_tensor *a, const csctrl_tensor *b, double *ssim);

#ifdef __cplusplus
}
#endif
#endif
