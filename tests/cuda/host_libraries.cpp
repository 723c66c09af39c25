/* host_libraries.cpp - what cuDNN, cuBLAS and cuSOLVER do, as loops. */
#include <math.h>
#include <string.h>

#include <limits>
#include <vector>

#include "host_cuda.h"
#include "host_driver.h"

enum : size_t { WORKSPACE = 1000 };

struct ct_cuda_conv {
    ct_geom geom;
    ct_cuda_type type;
    bool asked[CT_CUDA_FUSED_COUNT];
};

/* ---- convolutions */

static float to_tf32(float x)
{
    uint32_t bits;

    if (!isfinite(x))
        return x;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x1000) & ~(uint32_t)0x1fff; /* ties away from zero, as cvt.rna */
    memcpy(&x, &bits, sizeof x);
    return x;
}

static std::vector<float> decode(ct_cuda_type type, const void *from, size_t count)
{
    std::vector<float> to(count);

    for (size_t i = 0; i < count; i++)
        to[i] = type == CT_CUDA_BF16   ? __bfloat162float(((const __nv_bfloat16 *)from)[i])
                : type == CT_CUDA_TF32 ? to_tf32(((const float *)from)[i])
                                       : ((const float *)from)[i];
    return to;
}

static void encode(ct_cuda_type type, const std::vector<double> &from, void *to)
{
    for (size_t i = 0; i < from.size(); i++)
        if (type == CT_CUDA_BF16)
            ((__nv_bfloat16 *)to)[i] = __float2bfloat16((float)from[i]);
        else
            ((float *)to)[i] = (float)from[i];
}

static size_t img_count(const ct_geom &g)
{
    return (size_t)g.n * g.h * g.w * g.c;
}

static size_t code_count(const ct_geom &g)
{
    return (size_t)g.n * g.oh * g.ow * g.atoms;
}

static size_t weight_count(const ct_geom &g)
{
    return (size_t)g.atoms * g.kernel * g.kernel * g.c;
}

/* visit(first atom of a code, first channel of the pixel, tap) where the tap meets a pixel. */
template <typename Visit> static void each_tap(const ct_geom &g, Visit visit)
{
    for (int n = 0; n < g.n; n++)
        for (int oy = 0; oy < g.oh; oy++)
            for (int ox = 0; ox < g.ow; ox++)
                for (int tap = 0; tap < g.kernel * g.kernel; tap++) {
                    const int y = oy * g.stride + tap / g.kernel - g.pad;
                    const int x = ox * g.stride + tap % g.kernel - g.pad;
                    if (y >= 0 && y < g.h && x >= 0 && x < g.w)
                        visit((((size_t)n * g.oh + oy) * g.ow + ox) * g.atoms,
                              (((size_t)n * g.h + y) * g.w + x) * g.c, (size_t)tap);
                }
}

/* [atoms, taps, c] <-> [taps, c, atoms] */
template <typename T>
static std::vector<T> atoms_last(const ct_geom &g, const std::vector<T> &P, bool back)
{
    const size_t atoms = (size_t)g.atoms, rest = P.size() / atoms;
    std::vector<T> out(P.size());

    for (size_t a = 0; a < atoms; a++)
        for (size_t i = 0; i < rest; i++)
            if (back)
                out[a * rest + i] = P[i * atoms + a];
            else
                out[i * atoms + a] = P[a * rest + i];
    return out;
}

/* to[i] += factor * x[i] */
static inline void add(size_t n, float factor, const float *__restrict__ x, double *__restrict__ to)
{
    for (size_t i = 0; i < n; i++)
        to[i] += (double)factor * (double)x[i];
}

static std::vector<double> analysis(const ct_geom &g, const std::vector<float> &img,
                                    const std::vector<float> &weights)
{
    const size_t c = (size_t)g.c, atoms = (size_t)g.atoms;
    const std::vector<float> P = atoms_last(g, weights, false);
    std::vector<double> code(code_count(g));

    each_tap(g, [&](size_t at, size_t pixel, size_t tap) {
        for (size_t i = 0; i < c; i++)
            add(atoms, img[pixel + i], &P[(tap * c + i) * atoms], &code[at]);
    });
    return code;
}

static std::vector<double> synthesis(const ct_geom &g, const std::vector<float> &code,
                                     const std::vector<float> &P)
{
    const size_t c = (size_t)g.c, taps = (size_t)g.kernel * g.kernel;
    std::vector<double> img(img_count(g));

    each_tap(g, [&](size_t at, size_t pixel, size_t tap) {
        for (size_t a = 0; a < (size_t)g.atoms; a++)
            add(c, code[at + a], &P[(a * taps + tap) * c], &img[pixel]);
    });
    return img;
}

static std::vector<double> dict_grad(const ct_geom &g, const std::vector<float> &img,
                                     const std::vector<float> &code)
{
    const size_t c = (size_t)g.c, atoms = (size_t)g.atoms;
    std::vector<double> dP(weight_count(g));

    each_tap(g, [&](size_t at, size_t pixel, size_t tap) {
        for (size_t i = 0; i < c; i++)
            add(atoms, img[pixel + i], &code[at], &dP[(tap * c + i) * atoms]);
    });
    return atoms_last(g, dP, true);
}

/* Every byte is used: NaN of every type, first and last, spoils whatever shares the memory. */
static void use(void *workspace)
{
    memset(workspace, 0xff, WORKSPACE);
}

typedef std::vector<double> product(const ct_geom &g, const std::vector<float> &a,
                                    const std::vector<float> &b);

/* out <- f(a, b) of so many elements each */
static csctrl_status multiply(ct_cuda_device *device, const ct_cuda_conv *conv, product *f,
                              const void *a, size_t a_count, const void *b, size_t b_count,
                              void *out, size_t out_count, void *workspace)
{
    const ct_geom geom = conv->geom;
    const ct_cuda_type type = conv->type;
    const size_t size = ct_cuda_type_size(type);

    CT_TRY(on_device(device, "first operand of a product", a, a_count * size));
    CT_TRY(on_device(device, "second operand of a product", b, b_count * size));
    CT_TRY(on_device(device, "result of a product", out, out_count * size));
    CT_TRY(on_device(device, "workspace of a product", workspace, WORKSPACE));
    return queue(device, {a, b, out, workspace}, [=]() {
        use(workspace);
        encode(type, f(geom, decode(type, a, a_count), decode(type, b, b_count)), out);
        use(workspace);
    });
}

csctrl_status ct_cuda_conv_open(ct_cuda_device *device, const ct_geom *geom, ct_cuda_type type,
                                ct_cuda_conv **out, size_t *workspace)
{
    const ct_geom g = *geom;

    *out = NULL;
    CT_TRY(not_recorded(device, "conv_open"));
    if (g.n < 1 || g.c < 1 || g.atoms < 1 || g.kernel < 1 || g.stride < 1 || g.pad < 0 ||
        g.oh != (g.h + 2 * g.pad - g.kernel) / g.stride + 1 ||
        g.ow != (g.w + 2 * g.pad - g.kernel) / g.stride + 1)
        return FAIL(CSCTRL_E_IO, "not the geometry of a convolution");
    /* So that what then follows is seen: cuDNN need not have all. */
    if (type == CT_CUDA_BF16 && g.c == 5)
        return FAIL(CSCTRL_E_UNSUPPORTED, "no algorithm for five channels");
    *out = new ct_cuda_conv{g, type, {}};
    *workspace = WORKSPACE;
    return CSCTRL_OK;
}

void ct_cuda_conv_close(ct_cuda_device *, ct_cuda_conv **conv)
{
    delete *conv;
    *conv = NULL;
}

csctrl_status ct_cuda_conv_analysis(ct_cuda_device *device, const ct_cuda_conv *conv,
                                    const void *img, const void *P, void *code, void *workspace)
{
    const ct_geom &g = conv->geom;

    return multiply(device, conv, analysis, img, img_count(g), P, weight_count(g), code,
                    code_count(g), workspace);
}

csctrl_status ct_cuda_conv_synthesis(ct_cuda_device *device, const ct_cuda_conv *conv,
                                     const void *code, const void *P, void *img, void *workspace)
{
    const ct_geom &g = conv->geom;

    return multiply(device, conv, synthesis, code, code_count(g), P, weight_count(g), img,
                    img_count(g), workspace);
}

csctrl_status ct_cuda_conv_dict_grad(ct_cuda_device *device, const ct_cuda_conv *conv,
                                     const void *img, const void *code, void *dP, void *workspace)
{
    const ct_geom &g = conv->geom;

    return multiply(device, conv, dict_grad, img, img_count(g), code, code_count(g), dP,
                    weight_count(g), workspace);
}

/* ---- products with what follows them: not as the kernels of csc.cu do it, but as the graphs of
 * cuda_product.c */

/* What cuDNN has for the presets: all, but for residuals of few channels in bfloat16. */
bool ct_cuda_conv_fuses(ct_cuda_device *device, ct_cuda_conv *conv, ct_cuda_fused what)
{
    if (!conv->asked[what] && device->recording)
        die("a fused product is made while work is recorded");
    conv->asked[what] = true;
    return conv->type != CT_CUDA_F32 &&
           !(what == CT_CUDA_RESIDUAL && conv->type == CT_CUDA_BF16 && conv->geom.c < 8);
}

/* v - max(min(v, threshold), -threshold), or without the max. */
static float shrink(float v, float threshold, bool nonneg)
{
    const float low = threshold < v ? threshold : v; /* v where it is not a number */

    return v - (nonneg || low > -threshold || isnan(low) ? low : -threshold);
}

typedef std::function<float(size_t i, float product)> epilogue;

/* result[i] <- f(i, a product's element i), and a copy of it as an operand. */
static void finish(const std::vector<double> &product, const epilogue &f, float *result,
                   void *narrow)
{
    for (size_t i = 0; i < product.size(); i++) {
        result[i] = f(i, (float)product[i]);
        if (narrow != NULL)
            ((__nv_bfloat16 *)narrow)[i] = __float2bfloat16(result[i]);
    }
}

static csctrl_status fused_residual(ct_cuda_device *device, const ct_cuda_conv *conv,
                                    const ct_cuda_fused_args &a)
{
    const ct_geom g = conv->geom;
    const ct_cuda_type type = conv->type;
    void *const narrow = type == CT_CUDA_BF16 ? a.narrow : NULL;

    CT_TRY(on_device(device, "x of a residual", a.other, img_count(g) * sizeof *a.other));
    CT_TRY(on_device(device, "a residual", a.result, img_count(g) * sizeof *a.result));
    return queue(device, {a.code, a.P, a.other, a.result, narrow, a.workspace}, [=]() {
        use(a.workspace);
        const std::vector<double> Ay =
            synthesis(g, decode(type, a.code, code_count(g)), decode(type, a.P, weight_count(g)));
        finish(
            Ay, [=](size_t i, float product) { return a.other[i] - product; }, a.result, narrow);
    });
}

/* other: the code that the product is put together with, or NULL. */
static csctrl_status fused_analysis(ct_cuda_device *device, const ct_cuda_conv *conv,
                                    const ct_cuda_fused_args &a, const float *other,
                                    const std::function<epilogue(float eta)> &at)
{
    const ct_geom g = conv->geom;
    const ct_cuda_type type = conv->type;

    CT_TRY(on_device(device, "a step size", a.eta, sizeof *a.eta));
    CT_TRY(on_device(device, "a fused result", a.result, code_count(g) * sizeof *a.result));
    if (other != NULL)
        CT_TRY(on_device(device, "a fused operand", other, code_count(g) * sizeof *other));
    return queue(device, {a.image, a.P, a.eta, other, a.result, a.workspace}, [=]() {
        use(a.workspace);
        finish(analysis(g, decode(type, a.image, img_count(g)), decode(type, a.P, weight_count(g))),
               at(*a.eta), a.result, NULL);
    });
}

csctrl_status ct_cuda_conv_fused(ct_cuda_device *device, const ct_cuda_conv *conv,
                                 ct_cuda_fused what, const ct_cuda_fused_args *args)
{
    const ct_cuda_fused_args a = *args;
    const bool first = what == CT_CUDA_SHRINK_FIRST || what == CT_CUDA_SHRINK_FIRST_NONNEG;
    const bool nonneg = what == CT_CUDA_SHRINK_NONNEG || what == CT_CUDA_SHRINK_FIRST_NONNEG;

    if (!conv->asked[what])
        die("a fused product is used before it is asked for");
    if (a.result == a.other)
        die("a fused product in place");
    if (what == CT_CUDA_RESIDUAL)
        return fused_residual(device, conv, a);
    if (what == CT_CUDA_STEP_BACKWARD)
        return fused_analysis(device, conv, a, a.other, [=](float eta) -> epilogue {
            return [=](size_t i, float product) { return a.other[i] / eta - product; };
        });
    return fused_analysis(device, conv, a, first ? NULL : a.other, [=](float eta) -> epilogue {
        const float threshold = eta * (float)a.lambda;
        return [=](size_t i, float product) {
            return shrink(product * eta + (first ? 0 : a.other[i]), threshold, nonneg);
        };
    });
}

/* ---- matrices, column-major: element (i, j) at i + j s */

static size_t matrices(int s, int count)
{
    return (size_t)count * (size_t)s * (size_t)s * sizeof(double);
}

static void point(double **pointers, double *first, size_t s, int count)
{
    for (int m = 0; m < count; m++)
        pointers[m] = first + (size_t)m * s * s;
}

/* 0, or the order of the leading minor that is not positive. */
static int factor(double *G, size_t s)
{
    for (size_t j = 0; j < s; j++) {
        double pivot = G[j + j * s];
        for (size_t k = 0; k < j; k++)
            pivot -= G[j + k * s] * G[j + k * s];
        if (!(pivot > 0))
            return (int)j + 1;
        G[j + j * s] = sqrt(pivot);
        for (size_t i = j + 1; i < s; i++) {
            double sum = G[i + j * s];
            for (size_t k = 0; k < j; k++)
                sum -= G[i + k * s] * G[j + k * s];
            G[i + j * s] = (sum / G[j + j * s]);
        }
    }
    return 0;
}

csctrl_status ct_cuda_cholesky(ct_cuda_device *device, double *G, int s, int count,
                               double **pointers, int *info)
{
    const size_t n = (size_t)s;

    CT_TRY(on_device(device, "cholesky", G, matrices(s, count)));
    CT_TRY(on_device(device, "pointers of cholesky", pointers, (size_t)count * sizeof *pointers));
    CT_TRY(on_device(device, "info of cholesky", info, (size_t)count * sizeof *info));
    return queue(device, {G, pointers, info}, [=]() {
        point(pointers, G, n, count);
        for (int m = 0; m < count; m++) {
            info[m] = factor(pointers[m], n);
            /* Nobody may read the upper triangle. */
            for (size_t j = 0; j < n; j++)
                for (size_t i = 0; i < j; i++)
                    pointers[m][i + j * n] = std::numeric_limits<double>::quiet_NaN();
        }
    });
}

csctrl_status ct_cuda_solve_lower(ct_cuda_device *device, const double *L, double *X, int s,
                                  int count, double **pointers)
{
    const size_t n = (size_t)s;

    CT_TRY(on_device(device, "solve_lower", L, matrices(s, count)));
    CT_TRY(on_device(device, "result of solve_lower", X, matrices(s, count)));
    CT_TRY(on_device(device, "pointers of solve_lower", pointers,
                     2 * (size_t)count * sizeof *pointers));
    return queue(device, {L, X, pointers}, [=]() {
        double **const to = pointers + count;
        point(pointers, (double *)L, n, count);
        point(to, X, n, count);
        for (int m = 0; m < count; m++) {
            const double *const l = pointers[m];
            for (size_t j = 0; j < n; j++) {
                double *const x = to[m] + j * n;
                for (size_t i = 0; i < n; i++) {
                    double sum = x[i];
                    for (size_t k = 0; k < i; k++)
                        sum -= l[i + k * n] * x[k];
                    x[i] = (sum / l[i + i * n]);
                }
            }
        }
    });
}

csctrl_status ct_cuda_gram(ct_cuda_device *device, const double *X, double *C, int s, int count)
{
    const size_t n = (size_t)s;

    CT_TRY(on_device(device, "gram", X, matrices(s, count)));
    CT_TRY(on_device(device, "result of gram", C, matrices(s, count)));
    return queue(device, {X, C}, [=]() {
        for (size_t m = 0; m < (size_t)count; m++)
            for (size_t j = 0; j < n; j++)
                for (size_t i = 0; i < n; i++) {
                    const double *const x = X + (m * n + i) * n, *const y = X + (m * n + j) * n;
                    double sum = 0;
                    for (size_t k = 0; k < n; k++)
                        sum += x[k] * y[k];
                    C[(m * n + j) * n + i] = sum;
                }
    });
}
