/* arch.c - reads model.layers and the lists that go with it. */
#include "model/arch.h"

#include <stdio.h>
#include <string.h>

enum { ATOMS_MAX = 65536, KERNEL_MAX = 64, FEATURES_MAX = 65536 };

static csctrl_status scan_layer(const char *word, int index, ct_geom *g)
{
    int used = 0;

    if (sscanf(word, "%6dx%3ds%3dp%3d%n", &g->atoms, &g->kernel, &g->stride, &g->pad, &used) != 4 ||
        (word[used] != '\0' && word[used] != ' ' && word[used] != ','))
        return ct_fail(
            CSCTRL_E_CONFIG,
            "model.layers: layer %d: expected ATOMSxKERNELsSTRIDEpPAD such as 64x4s2p1, found "
            "'%.*s'",
            index + 1, (int)strcspn(word, " ,"), word);
    if (g->atoms < 1 || g->atoms > ATOMS_MAX || g->kernel < 1 || g->kernel > KERNEL_MAX ||
        g->stride < 1 || g->stride > g->kernel || g->pad < 0 || g->pad >= g->kernel)
        return ct_fail(CSCTRL_E_CONFIG,
                       "model.layers: layer %d: %dx%ds%dp%d is out of range: atoms 1..%d, kernel "
                       "1..%d, stride "
                       "1..kernel, pad 0..kernel-1",
                       index + 1, g->atoms, g->kernel, g->stride, g->pad, (int)ATOMS_MAX,
                       (int)KERNEL_MAX);
    return CSCTRL_OK;
}

/* oh = (h + 2 pad - k) / stride + 1 must be whole: otherwise synthesis would not give an image of
 * the layer's input size. */
static csctrl_status place_layer(int index, int size, int channels, ct_geom *g)
{
    const int span = size + 2 * g->pad - g->kernel;

    if (span < 0 || span % g->stride != 0)
        return ct_fail(
            CSCTRL_E_CONFIG,
            "model.layers: layer %d: kernel %d, stride %d, pad %d do not fit an input of %dx%d "
            "(size + 2 pad - kernel = %d must be >= 0 and a multiple of the stride); change the "
            "layer or data.size",
            index + 1, g->kernel, g->stride, g->pad, size, size, span);
    g->h = g->w = size;
    g->c = channels;
    g->oh = g->ow = span / g->stride + 1;
    return CSCTRL_OK;
}

static csctrl_status read_layers(ct_arch *arch, const char *text)
{
    int size = arch->size, channels = arch->channels;

    for (const char *word = text + strspn(text, " ,"); *word != '\0';
         word += strcspn(word, " ,"), word += strspn(word, " ,")) {
        if (arch->depth == CSCTRL_MAX_LAYERS)
            return ct_fail(CSCTRL_E_CONFIG, "model.layers: more than %d layers", CSCTRL_MAX_LAYERS);
        ct_geom *g = &arch->layers[arch->depth].geom;
        CT_TRY(scan_layer(word, arch->depth, g));
        CT_TRY(place_layer(arch->depth, size, channels, g));
        size = g->oh;
        channels = g->atoms;
        arch->depth++;
    }
    if (arch->depth == 0)
        return ct_fail(CSCTRL_E_CONFIG,
                       "model.layers: expected at least one layer such as 64x4s2p1, found '%s'",
                       text);
    if ((int64_t)channels * size * size > FEATURES_MAX)
        return ct_fail(CSCTRL_E_CONFIG,
                       "model.layers: the last layer gives %dx%dx%d = %lld features, at most %d "
                       "are supported; "
                       "add strided layers",
                       channels, size, size, (long long)channels * size * size, (int)FEATURES_MAX);
    arch->features = channels * size * size;
    return CSCTRL_OK;
}

/* One value for all layers, of `size` bytes, or one a layer. */
static csctrl_status spread(const ct_arch *arch, const char *key, size_t count, void *values,
                            size_t size)
{
    if (count != 1 && count != (size_t)arch->depth)
        return ct_fail(CSCTRL_E_CONFIG, "%s: expected one value or %d (one a layer), found %zu",
                       key, arch->depth, count);
    for (int l = 1; l < arch->depth && count == 1; l++)
        memcpy((char *)values + (size_t)l * size, values, size);
    return CSCTRL_OK;
}

static csctrl_status read_reals(const ct_arch *arch, const csctrl_config *config, const char *key,
                                double values[])
{
    const size_t count = csctrl_config_reals(config, key, values, CSCTRL_MAX_LAYERS);

    return spread(arch, key, count, values, sizeof *values);
}

static csctrl_status read_bools(const ct_arch *arch, const csctrl_config *config, const char *key,
                                bool values[])
{
    const size_t count = csctrl_config_bools(config, key, values, CSCTRL_MAX_LAYERS);

    return spread(arch, key, count, values, sizeof *values);
}

csctrl_status ct_arch_read(ct_arch *arch, const csctrl_config *config)
{
    double steps[CSCTRL_MAX_LAYERS], lambda[CSCTRL_MAX_LAYERS], mu[CSCTRL_MAX_LAYERS];
    bool nonneg[CSCTRL_MAX_LAYERS];

    *arch = (ct_arch){
        .kind = strcmp(csctrl_config_text(config, "model.arch"), "csc") == 0 ? CT_ARCH_CSC
                                                                             : CT_ARCH_GENERIC,
        .tied = csctrl_config_bool(config, "model.tied"),
        .momentum = csctrl_config_bool(config, "model.momentum"),
        .step_scale = csctrl_config_real(config, "model.step_scale"),
        .bn_momentum = csctrl_config_real(config, "model.bn_momentum"),
        .bn_eps = csctrl_config_real(config, "model.bn_eps"),
        .channels = (int)csctrl_config_int(config, "data.channels"),
        .size = (int)csctrl_config_int(config, "data.size"),
    };
    if (arch->kind == CT_ARCH_GENERIC)
        arch->tied = false;
    CT_TRY(read_layers(arch, csctrl_config_text(config, "model.layers")));
    CT_TRY(read_reals(arch, config, "model.steps", steps));
    CT_TRY(read_reals(arch, config, "model.lambda", lambda));
    CT_TRY(read_reals(arch, config, "model.mu", mu));
    CT_TRY(read_bools(arch, config, "model.nonneg", nonneg));
    for (int l = 0; l < arch->depth; l++) {
        ct_layer_spec *spec = &arch->layers[l];
        spec->steps = arch->kind == CT_ARCH_CSC ? (int)steps[l] : 1;
        if (spec->steps != steps[l] && arch->kind == CT_ARCH_CSC)
            return ct_fail(CSCTRL_E_CONFIG, "model.steps: expected whole numbers, found %g",
                           steps[l]);
        spec->lambda = lambda[l];
        spec->mu = mu[l];
        spec->nonneg = nonneg[l];
    }
    return CSCTRL_OK;
}

static int64_t conv_macs(const ct_geom *g)
{
    return (int64_t)g->atoms * g->c * g->kernel * g->kernel * g->oh * g->ow;
}

/* T analyses and T - 1 syntheses. */
int64_t ct_arch_encode_macs(const ct_arch *arch, int layer)
{
    return (2 * (int64_t)arch->layers[layer].steps - 1) * conv_macs(&arch->layers[layer].geom);
}

int64_t ct_arch_decode_macs(const ct_arch *arch, int layer)
{
    return conv_macs(&arch->layers[layer].geom);
}
