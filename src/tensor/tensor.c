/* tensor.c - shapes and views. */
#include "tensor/tensor.h"

#include <stdio.h>
#include <string.h>

csctrl_tensor csctrl_tensor_view(csctrl_dtype dtype, int ndim, const int64_t *shape, void *data)
{
    csctrl_tensor t = {.dtype = dtype, .ndim = ndim, .shape = {1, 1, 1, 1}, .data = data};

    if (t.ndim < 0)
        t.ndim = 0;
    if (t.ndim > CSCTRL_MAX_DIMS)
        t.ndim = CSCTRL_MAX_DIMS;
    for (int i = 0; i < t.ndim; i++)
        t.shape[i] = shape[i];
    return t;
}

int64_t csctrl_tensor_count(const csctrl_tensor *tensor)
{
    int64_t count = 1;

    for (int i = 0; i < tensor->ndim; i++)
        count *= tensor->shape[i];
    return count;
}

size_t csctrl_dtype_size(csctrl_dtype dtype)
{
    switch (dtype) {
    case CSCTRL_F32:
        return 4;
    case CSCTRL_F64:
    case CSCTRL_I64:
        return 8;
    case CSCTRL_U8:
        return 1;
    }
    return 0;
}

const char *csctrl_dtype_name(csctrl_dtype dtype)
{
    switch (dtype) {
    case CSCTRL_F32:
        return "f32";
    case CSCTRL_F64:
        return "f64";
    case CSCTRL_U8:
        return "u8";
    case CSCTRL_I64:
        return "i64";
    }
    return "?";
}

ct_tensor ct_tensor_shape(csctrl_dtype dtype, int ndim, const int64_t *shape)
{
    return csctrl_tensor_view(dtype, ndim, shape, NULL);
}

size_t ct_tensor_bytes(const ct_tensor *t)
{
    return (size_t)csctrl_tensor_count(t) * csctrl_dtype_size(t->dtype);
}

ct_tensor ct_tensor_head(const ct_tensor *t, int64_t n)
{
    ct_tensor head = *t;

    head.shape[0] = n;
    return head;
}

static size_t add_extents(char *out, size_t room, int ndim, const int64_t *shape)
{
    size_t at = 0;

    for (int i = 0; i < ndim && at < room; i++)
        at += (size_t)(shape[i] < 0 ? snprintf(out + at, room - at, "%sany", i ? ", " : "")
                                    : snprintf(out + at, room - at, "%s%lld", i ? ", " : "",
                                               (long long)shape[i]));
    return at;
}

static char *shape_text(csctrl_dtype dtype, int ndim, const int64_t *shape, char out[96])
{
    size_t at = (size_t)snprintf(out, 96, "%s[", csctrl_dtype_name(dtype));

    at += add_extents(out + at, 96 - at, ndim, shape);
    if (at < 95)
        snprintf(out + at, 96 - at, "]");
    return out;
}

char *ct_tensor_text(const ct_tensor *t, char out[96])
{
    return shape_text(t->dtype, t->ndim, t->shape, out);
}

csctrl_status ct_tensor_expect(const ct_tensor *t, const char *name, csctrl_dtype dtype, int ndim,
                               const int64_t *shape)
{
    char want[96], have[96];
    bool same = t->ndim == ndim;

    for (int i = 0; same && i < ndim; i++)
        same = shape[i] < 0 ? t->shape[i] >= 0 : t->shape[i] == shape[i];
    if (same && t->dtype == dtype && t->data != NULL)
        return CSCTRL_OK;
    shape_text(dtype, ndim, shape, want);
    ct_tensor_text(t, have);
    return ct_fail(same && t->dtype != dtype ? CSCTRL_E_DTYPE : CSCTRL_E_SHAPE,
                   "%s: expected %s, found %s%s", name, want, have,
                   t->data == NULL ? " without data" : "");
}
