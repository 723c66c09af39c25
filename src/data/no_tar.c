/* no_tar.c - in the place of tar.c where the library is built without images and archives of them.
 */
#include "data/tar.h"

static csctrl_status not_built(ct_tar **out, const char *name)
{
    *out = NULL;
    return ct_fail(CSCTRL_E_UNSUPPORTED,
                   "%s: this csctrl was built without archives: build with CSCTRL_WITH_IMAGES=ON",
                   name);
}

csctrl_status ct_tar_open(ct_tar **out, const char *path)
{
    return not_built(out, path);
}

csctrl_status ct_tar_open_memory(ct_tar **out, const void *data, size_t size, const char *name)
{
    (void)data;
    (void)size;
    return not_built(out, name);
}

void ct_tar_close(ct_tar **tar)
{
    *tar = NULL;
}

/* No archive is ever open. */
csctrl_status ct_tar_next(ct_tar *tar, ct_tar_entry *entry)
{
    (void)tar;
    *entry = (ct_tar_entry){0};
    return CSCTRL_E_UNSUPPORTED;
}

csctrl_status ct_tar_read(ct_tar *tar, size_t limit, ct_tar_bytes *bytes)
{
    (void)tar;
    (void)limit;
    *bytes = (ct_tar_bytes){0};
    return CSCTRL_E_UNSUPPORTED;
}

void ct_tar_finish(ct_tar *tar)
{
    (void)tar;
}

void ct_tar_report(void (*fact)(void *user, const char *key, const char *value), void *user)
{
    (void)fact;
    (void)user;
}
