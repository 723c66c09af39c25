/* cpu_flat.c - W as a matrix P [atoms, k k c], its columns in the order of the image: A* x = P x,
 * A z = P^T z, by BLAS. A* A is the matrix P P^T of atoms x atoms. */
#include "backend/cpu/cpu_flat.h"

#include <cblas.h>
#include <string.h>

#include "base/mem.h"

struct ct_flat {
    ct_geom g;
    int rows, length; /* pixels of all codes; columns of P */
    bool gram_made;   /* since the last pack */
};

bool ct_flat_fits(const ct_geom *g)
{
    if (g->pad != 0)
        return false;
    return (g->kernel == g->h && g->kernel == g->w) || (g->kernel == 1 && g->stride == 1);
}

ct_flat *ct_flat_create(const ct_geom *g)
{
    ct_flat *f = ct_calloc(1, sizeof *f);

    if (f != NULL)
        *f = (ct_flat){
            .g = *g, .rows = g->n * g->oh * g->ow, .length = g->kernel * g->kernel * g->c};
    return f;
}

void ct_flat_destroy(ct_flat **flat)
{
    ct_free(*flat);
    *flat = NULL;
}

static size_t dictionary_size(const ct_flat *f)
{
    return (size_t)f->g.atoms * (size_t)f->length;
}

/* Where it is no larger than P, so that reading it is quicker and A* x has room in an image. */
bool ct_flat_has_gram(const ct_flat *f)
{
    return f->g.atoms <= f->length;
}

static float *gram(const ct_flat *f, const ct_conv *conv)
{
    return (float *)conv->packed + dictionary_size(f);
}

size_t ct_flat_packed_bytes(const ct_flat *f)
{
    const size_t atoms = (size_t)f->g.atoms;

    return (dictionary_size(f) + (ct_flat_has_gram(f) ? atoms * atoms : 0)) * sizeof(float);
}

size_t ct_flat_scratch_bytes(const ct_flat *f)
{
    return dictionary_size(f) * sizeof(float);
}

/* [atoms, c, k, k] -> [atoms, k, k, c] */
void ct_flat_pack(ct_flat *f, const ct_conv *conv, const float *W)
{
    const ct_geom *g = &f->g;
    const int taps = g->kernel * g->kernel;
    float *P = conv->packed;

    for (int a = 0; a < g->atoms; a++)
        for (int c = 0; c < g->c; c++)
            for (int k = 0; k < taps; k++)
                P[((int64_t)a * taps + k) * g->c + c] = *W++;
    f->gram_made = false;
}

void ct_flat_analysis(const ct_flat *f, const ct_conv *conv, const float *img, float *code)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, f->rows, f->g.atoms, f->length, 1, img,
                f->length, conv->packed, f->length, 0, code, f->g.atoms);
}

void ct_flat_synthesis(const ct_flat *f, const ct_conv *conv, const float *code, float *img)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, f->rows, f->length, f->g.atoms, 1, code,
                f->g.atoms, conv->packed, f->length, 0, img, f->length);
}

void ct_flat_dict_grad(const ct_flat *f, const ct_conv *conv, double scale, const float *img,
                       const float *code, float *dW)
{
    const ct_geom *g = &f->g;
    const int taps = g->kernel * g->kernel;
    float *dP = conv->scratch;

    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, g->atoms, f->length, f->rows, 1, code,
                g->atoms, img, f->length, 0, dP, f->length);
    for (int a = 0; a < g->atoms; a++)
        for (int c = 0; c < g->c; c++)
            for (int k = 0; k < taps; k++)
                *dW++ += (float)(scale * (double)dP[((int64_t)a * taps + k) * g->c + c]);
}

static const float *make_gram(ct_flat *f, const ct_conv *conv)
{
    float *G = gram(f, conv);

    if (!f->gram_made)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, f->g.atoms, f->g.atoms, f->length, 1,
                    conv->packed, f->length, conv->packed, f->length, 0, G, f->g.atoms);
    f->gram_made = true;
    return G;
}

csctrl_status ct_flat_step(ct_exec *ex, ct_flat *f, const ct_conv *conv, const ct_csc_step *s)
{
    const int atoms = f->g.atoms;
    const size_t bytes = (size_t)f->rows * (size_t)atoms * sizeof(float);

    if (s->y == NULL) {
        ct_flat_analysis(f, conv, s->x->data, s->z->data);
        memcpy(s->r->data, s->z->data, bytes);
    } else {
        memcpy(s->z->data, s->r->data, bytes);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, f->rows, atoms, atoms, -1,
                    s->y->data, atoms, make_gram(f, conv), atoms, 1, s->z->data, atoms);
    }
    return ex->ops->csc_update(ex, &s->prox, s->beta, s->z, s->y, s->z_prev, s->z, s->y_next);
}
