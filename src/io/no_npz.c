/* no_npz.c - in the place of npz.c where the library is built without images and archives. */
#include "io/npz.h"

static csctrl_status not_built(const char *path)
{
    return ct_fail(CSCTRL_E_UNSUPPORTED,
                   "%s: this csctrl was built without archives: build with CSCTRL_WITH_IMAGES=ON",
                   path);
}

csctrl_status ct_npz_read(const char *path, ct_npz_item *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        items[i].value = csctrl_tensor_view(CSCTRL_F64, 0, NULL, NULL);
    return not_built(path);
}

csctrl_status ct_npz_parse(const void *data, size_t size, const char *name, ct_npz_item *items,
                           size_t count)
{
    (void)data;
    (void)size;
    return ct_npz_read(name, items, count);
}

csctrl_status ct_npz_write(const char *path, const ct_named_tensor *arrays, size_t count)
{
    (void)arrays;
    (void)count;
    return not_built(path);
}
