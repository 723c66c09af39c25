/* decoder.h - g: layers in reverse, [A z -> norm -> ReLU], the first layer's A z -> tanh (SPEC 2),
 * forward and backward. */
#ifndef CT_MODEL_DECODER_H
#define CT_MODEL_DECODER_H

#include "model/model.h"

/* What one layer keeps of a forward pass: s = A z. h = relu(norm(s)), the codes of the layer
 * before, is not kept: it lies where s of the model's inference pass does, and the backward pass
 * computes it again. */
typedef struct ct_decoder_layer_pass {
    ct_tensor s, h;
    ct_batchnorm_pass norm;
} ct_decoder_layer_pass;

typedef struct ct_decoder_pass {
    ct_decoder_layer_pass layers[CSCTRL_MAX_LAYERS]; /* [0] is not used: its output is xhat */
    ct_tensor code; /* z as the last layer's codes [n, oh, ow, atoms] */
} ct_decoder_pass;

typedef struct ct_decoder_grad {
    ct_tensor d[CSCTRL_MAX_LAYERS]; /* gradient of layer l's h, then of its s; [0] is not used */
    ct_tensor h[CSCTRL_MAX_LAYERS]; /* of the pass, once more; likewise */
} ct_decoder_grad;

csctrl_status ct_decoder_pass_create(csctrl_model *model, ct_decoder_pass *pass, bool saved,
                                     int first, int last);
void ct_decoder_pass_bind(const csctrl_model *model, ct_decoder_pass *pass);
void ct_decoder_grad_declare(csctrl_model *model, ct_decoder_grad *grad);

/* xhat [n, h, w, c] <- g(z), z [n, d]; z must stay until the backward pass. */
csctrl_status ct_decoder_forward(csctrl_model *model, ct_decoder_pass *pass, ct_mode mode,
                                 const ct_tensor *z, ct_tensor *xhat);

/* Its three parts. z to the last layer's codes, pass->code; the codes of layer `from` to those of
 * layer `to` <= from, in the pass; those of layer 0 to the image. */
csctrl_status ct_decoder_code(csctrl_model *model, ct_decoder_pass *pass, const ct_tensor *z);
csctrl_status ct_decoder_down(csctrl_model *model, ct_decoder_pass *pass, ct_mode mode, int from,
                              int to, const ct_tensor *code, const ct_tensor **below);
csctrl_status ct_decoder_image(csctrl_model *model, const ct_tensor *code, ct_tensor *xhat);

/* From dxhat (destroyed) and the forward's xhat: gradients of the decoder's parameters accumulate.
 * z is a constant. done (NULL: none) is called after each layer. */
csctrl_status ct_decoder_backward(csctrl_model *model, ct_decoder_pass *pass, ct_decoder_grad *grad,
                                  const ct_tensor *xhat, ct_tensor *dxhat,
                                  const ct_layer_done *done);

/* The running statistics follow the batch of a pass in CT_MODE_TRAIN. */
csctrl_status ct_decoder_follow(csctrl_model *model, const ct_decoder_pass *pass);

/* The dictionary in its synthesising role. */
ct_conv *ct_layer_synthesis(ct_layer *layer, bool tied);
ct_tensor *ct_layer_synthesis_grad(ct_layer *layer, bool tied);

#endif
