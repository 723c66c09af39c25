/* encoder.h - f: layers of [codes -> norm (-> activation)], then the unit sphere (SPEC 2), forward
 * and backward. */
#ifndef CT_MODEL_ENCODER_H
#define CT_MODEL_ENCODER_H

#include "model/model.h"

/* What one layer keeps of a forward pass. h, the norm of the codes and the next layer's input, is
 * not kept: it lies where the codes of the model's inference pass do, and the backward pass
 * computes it again. */
typedef struct ct_encoder_layer_pass {
    ct_csc_pass csc;
    ct_tensor h;
    ct_batchnorm_pass norm;
} ct_encoder_layer_pass;

typedef struct ct_encoder_pass {
    ct_encoder_layer_pass layers[CSCTRL_MAX_LAYERS];
    ct_tensor flat;   /* last h as [n, d] in channel-first order */
    ct_tensor length; /* [n] norms before the sphere */
    const ct_tensor *x;
} ct_encoder_pass;

/* Outputs h of some layers, which a forward pass keeps and the backward pass of another compares
 * its own with. */
typedef struct ct_encoder_goal {
    ct_tensor h[CSCTRL_MAX_LAYERS];   /* declared and bound by the owner where there is a weight */
    double weight[CSCTRL_MAX_LAYERS]; /* w of w sum (h - goal)^2; 0: the layer is passed over */
} ct_encoder_goal;

/* What else a forward pass tells; nothing where NULL. */
typedef struct ct_encoder_watch {
    double *zeros; /* zero codes of the first `count` images are added a layer */
    int count;
    ct_encoder_goal *keep; /* h of layers with a weight are copied there */
} ct_encoder_watch;

/* Scratch of the backward pass, one for all passes of a model. */
typedef struct ct_encoder_grad {
    ct_csc_grad layers[CSCTRL_MAX_LAYERS];
    ct_tensor h[CSCTRL_MAX_LAYERS]; /* of the pass, once more; of all layers but the last */
    ct_tensor flat;
} ct_encoder_grad;

/* saved: buffers are CT_SAVED and alive [first, last]; otherwise scratch, and first and last are
 * not used. */
csctrl_status ct_encoder_pass_create(csctrl_model *model, ct_encoder_pass *pass, bool saved,
                                     int first, int last);
void ct_encoder_pass_bind(const csctrl_model *model,
                          ct_encoder_pass *pass); /* after the plan was allocated */
void ct_encoder_pass_destroy(const csctrl_model *model, ct_encoder_pass *pass);
void ct_encoder_grad_declare(csctrl_model *model, ct_encoder_grad *grad);

/* z [n, d] <- f(x), x [n, h, w, c]; x must stay until the backward pass. watch: may be NULL. */
csctrl_status ct_encoder_forward(csctrl_model *model, ct_encoder_pass *pass, ct_mode mode,
                                 const ct_tensor *x, ct_tensor *z, const ct_encoder_watch *watch);

/* The codes of one layer in eval mode; *found lies in the pass until its next use. */
csctrl_status ct_encoder_codes(csctrl_model *model, ct_encoder_pass *pass, const ct_tensor *x,
                               int layer, const ct_tensor **found);

/* From dz [n, d] and the forward's z. learn: gradients of the encoder's parameters accumulate. dx:
 * written; NULL: not wanted. goal (NULL: none), of all layers but the last, adds its own gradient.
 * done (NULL: none) is called after each layer. */
csctrl_status ct_encoder_backward(csctrl_model *model, ct_encoder_pass *pass, ct_encoder_grad *grad,
                                  const ct_tensor *z, const ct_tensor *dz, bool learn,
                                  ct_tensor *dx, const ct_encoder_goal *goal,
                                  const ct_layer_done *done);

/* The running statistics follow the batch of a pass in CT_MODE_TRAIN. */
csctrl_status ct_encoder_follow(csctrl_model *model, const ct_encoder_pass *pass);

#endif
