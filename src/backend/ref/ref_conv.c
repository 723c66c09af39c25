/* ref_conv.c - the convolutional dictionary (SPEC 1): A* img (analysis), A code (synthesis) and the
 * gradient of <code, A* img> with respect to the dictionary.
 *
 * All three are one trilinear form: code pixel (oy, ox) and image pixel (iy, ix) meet under the tap
 * (ky, kx) when iy = oy stride + ky - pad, and likewise in x. The packed dictionary P is
 * [k, k, atoms, c], so that the channels a tap touches lie side by side. */
#include <math.h>
#include <string.h>

#include "backend/ref/ref.h"

static csctrl_status conv_create(ct_exec *ex, const ct_geom *geom, ct_conv *conv)
{
    const size_t weights =
        (size_t)geom->kernel * (size_t)geom->kernel * (size_t)geom->atoms * (size_t)geom->c;

    (void)ex;
    *conv = (ct_conv){
        .geom = *geom,
        .packed_bytes = weights * sizeof(real),
        .scratch_bytes = weights * sizeof(double),
        .products = ct_geom_products(geom),
    };
    return CSCTRL_OK;
}

static void conv_destroy(ct_exec *ex, ct_conv *conv)
{
    (void)ex;
    *conv = (ct_conv){0};
}

/* W[a, c, ky, kx] and P[ky, kx, a, :]. */
static int64_t w_index(const ct_geom *g, int a, int c, int ky, int kx)
{
    return (((int64_t)a * g->c + c) * g->kernel + ky) * g->kernel + kx;
}

static int64_t p_index(const ct_geom *g, int ky, int kx, int a)
{
    return (((int64_t)ky * g->kernel + kx) * g->atoms + a) * g->c;
}

static csctrl_status conv_pack(ct_exec *ex, ct_conv *conv, const ct_tensor *W)
{
    const ct_geom *g = &conv->geom;
    real *P = conv->packed;

    (void)ex;
    for (int ky = 0; ky < g->kernel; ky++)
        for (int kx = 0; kx < g->kernel; kx++)
            for (int a = 0; a < g->atoms; a++)
                for (int c = 0; c < g->c; c++)
                    P[p_index(g, ky, kx, a) + c] = in(W)[w_index(g, a, c, ky, kx)];
    return CSCTRL_OK;
}

/* Pixels of one image; NULL outside it. */
static const real *image_pixel(const ct_geom *g, const real *image, int iy, int ix)
{
    if (iy < 0 || iy >= g->h || ix < 0 || ix >= g->w)
        return NULL;
    return image + ((int64_t)iy * g->w + ix) * g->c;
}

/* Code pixel that meets image pixel (iy, ix) under tap (ky, kx); NULL when there is none. */
static const real *code_pixel(const ct_geom *g, const real *code, int iy, int ix, int ky, int kx)
{
    const int y = iy + g->pad - ky, x = ix + g->pad - kx;

    if (y < 0 || x < 0 || y % g->stride != 0 || x % g->stride != 0)
        return NULL;
    if (y / g->stride >= g->oh || x / g->stride >= g->ow)
        return NULL;
    return code + ((int64_t)(y / g->stride) * g->ow + x / g->stride) * g->atoms;
}

static double dot(int n, const real *a, const real *b)
{
    double sum = 0;

#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* code[oy, ox, a] = sum over ky, kx, c of img[iy, ix, c] W[a, c, ky, kx] */
static void analyse_pixel(const ct_geom *g, const real *P, const real *image, int oy, int ox,
                          real *code)
{
    for (int a = 0; a < g->atoms; a++) {
        double sum = 0;
        for (int ky = 0; ky < g->kernel; ky++)
            for (int kx = 0; kx < g->kernel; kx++) {
                const real *pixel = image_pixel(g, image, oy * g->stride + ky - g->pad,
                                                ox * g->stride + kx - g->pad);
                if (pixel != NULL)
                    sum += dot(g->c, pixel, P + p_index(g, ky, kx, a));
            }
        code[a] = (real)sum;
    }
}

static csctrl_status analysis(ct_exec *ex, ct_conv *conv, const ct_tensor *img, ct_tensor *code)
{
    const ct_geom *g = &conv->geom;
    real *pixel = out(code);

    (void)ex;
    for (int n = 0; n < g->n; n++) {
        const real *image = in(img) + (int64_t)n * g->h * g->w * g->c;
        for (int oy = 0; oy < g->oh; oy++)
            for (int ox = 0; ox < g->ow; ox++, pixel += g->atoms)
                analyse_pixel(g, conv->packed, image, oy, ox, pixel);
    }
    return CSCTRL_OK;
}

/* img[iy, ix, c] = sum over ky, kx, a of code[oy, ox, a] W[a, c, ky, kx] */
static void synthesise_pixel(const ct_geom *g, const real *P, const real *code, int iy, int ix,
                             double *sum)
{
    memset(sum, 0, (size_t)g->c * sizeof *sum);
    for (int ky = 0; ky < g->kernel; ky++)
        for (int kx = 0; kx < g->kernel; kx++) {
            const real *pixel = code_pixel(g, code, iy, ix, ky, kx);
            for (int a = 0; pixel != NULL && a < g->atoms; a++) {
                const real *weights = P + p_index(g, ky, kx, a);
                for (int c = 0; c < g->c; c++)
                    sum[c] += (double)pixel[a] * (double)weights[c];
            }
        }
}

static csctrl_status synthesis(ct_exec *ex, ct_conv *conv, const ct_tensor *code, ct_tensor *img)
{
    const ct_geom *g = &conv->geom;
    real *pixel = out(img);
    double *sum = conv->scratch;

    (void)ex;
    for (int n = 0; n < g->n; n++) {
        const real *codes = in(code) + (int64_t)n * g->oh * g->ow * g->atoms;
        for (int iy = 0; iy < g->h; iy++)
            for (int ix = 0; ix < g->w; ix++, pixel += g->c) {
                synthesise_pixel(g, conv->packed, codes, iy, ix, sum);
                for (int c = 0; c < g->c; c++)
                    pixel[c] = (real)sum[c];
            }
    }
    return CSCTRL_OK;
}

/* dP[ky, kx, a, c] += code[oy, ox, a] img[iy, ix, c] for the taps of one code pixel */
static void gather_dict_grad(const ct_geom *g, const real *image, const real *code, int oy, int ox,
                             double *dP)
{
    for (int ky = 0; ky < g->kernel; ky++)
        for (int kx = 0; kx < g->kernel; kx++) {
            const real *pixel =
                image_pixel(g, image, oy * g->stride + ky - g->pad, ox * g->stride + kx - g->pad);
            for (int a = 0; pixel != NULL && a < g->atoms; a++) {
                double *to = dP + p_index(g, ky, kx, a);
                for (int c = 0; c < g->c; c++)
                    to[c] += (double)code[a] * (double)pixel[c];
            }
        }
}

static csctrl_status dict_grad(ct_exec *ex, ct_conv *conv, double scale, const ct_tensor *img,
                               const ct_tensor *code, ct_tensor *dW)
{
    const ct_geom *g = &conv->geom;
    const real *pixel = in(code);
    double *dP = conv->scratch;

    (void)ex;
    memset(dP, 0, conv->scratch_bytes);
    for (int n = 0; n < g->n; n++) {
        const real *image = in(img) + (int64_t)n * g->h * g->w * g->c;
        for (int oy = 0; oy < g->oh; oy++)
            for (int ox = 0; ox < g->ow; ox++, pixel += g->atoms)
                gather_dict_grad(g, image, pixel, oy, ox, dP);
    }
    for (int a = 0; a < g->atoms; a++)
        for (int c = 0; c < g->c; c++)
            for (int ky = 0; ky < g->kernel; ky++)
                for (int kx = 0; kx < g->kernel; kx++) {
                    real *to = out(dW) + w_index(g, a, c, ky, kx);
                    *to = (real)((double)*to + scale * dP[p_index(g, ky, kx, a) + c]);
                }
    return CSCTRL_OK;
}

static csctrl_status unit_atoms(ct_exec *ex, ct_tensor *W)
{
    const int64_t size = csctrl_tensor_count(W) / W->shape[0];

    (void)ex;
    for (int64_t a = 0; a < W->shape[0]; a++) {
        real *atom = out(W) + a * size;
        double squares = 0;
        for (int64_t i = 0; i < size; i++)
            squares += (double)atom[i] * (double)atom[i];
        const double norm = squares <= 1e-24 ? 1e-12 : sqrt(squares);
        for (int64_t i = 0; i < size; i++)
            atom[i] = (real)((double)atom[i] / norm);
    }
    return CSCTRL_OK;
}

static csctrl_status unit(ct_exec *ex, const ct_tensor *v, ct_tensor *u, double scale, double *eta)
{
    const int64_t count = csctrl_tensor_count(v);
    double squares = 0;

    CT_TRY(ex->ops->sum_squares(ex, v, &squares));
    const double norm = sqrt(squares);
    for (int64_t i = 0; i < count && u != NULL; i++)
        out(u)[i] = (real)(squares == 0 ? 1 / sqrt((double)count) : (double)in(v)[i] / norm);
    if (eta != NULL)
        *eta = scale / norm;
    return CSCTRL_OK;
}

void REF(fill_conv)(ct_ops *ops)
{
    ops->conv_create = conv_create;
    ops->conv_destroy = conv_destroy;
    ops->conv_pack = conv_pack;
    ops->analysis = analysis;
    ops->synthesis = synthesis;
    ops->dict_grad = dict_grad;
    ops->unit_atoms = unit_atoms;
    ops->unit = unit;
}
