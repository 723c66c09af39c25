/* fuzz_tar.c - class folders in a tar or tar.gz: what is accepted has labels, names and images that
 * decode or are refused. */
#include "base/mem.h"
#include "data/archive.h"
#include "fuzz.h"

enum { SIDE = 4, READS = 4 };

static void ignore_broken(void *user, const char *name, const char *reason)
{
    (void)user;
    FUZZ_CHECK(name[0] != '\0' && reason[0] != '\0');
}

static void read_some(const ct_source *source)
{
    const ct_geometry geometry = {.channels = 3, .size = SIDE};
    const int64_t count = source->count[0] + source->count[1];
    uint8_t planes[3 * SIDE * SIDE];
    ct_workspace work;

    FUZZ_CHECK(source->classes > 0);
    for (int k = 0; k < source->classes; k++)
        FUZZ_CHECK(source->class_names[k][0] != '\0');
    if (ct_workspace_create(&work, source) != CSCTRL_OK)
        return;
    for (int64_t i = 0; i < count; i++) {
        char name[CT_NAME_MAX];
        FUZZ_CHECK(source->labels[i] >= 0 && source->labels[i] < source->classes);
        source->ops->name(source, i, name);
        if (i < READS)
            (void)source->ops->read(source, i, &geometry, &work, planes);
    }
    ct_workspace_destroy(&work);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ct_source_request request = {
        .path = "fuzz", .want = {true, true}, .broken = ignore_broken};
    ct_source source = {.path = ct_strdup("fuzz")};
    ct_tar *tar;

    if (ct_tar_open_memory(&tar, data, size, "fuzz") == CSCTRL_OK &&
        ct_archive_parse(&source, tar, &request) == CSCTRL_OK)
        read_some(&source);
    else
        FUZZ_CHECK(csctrl_last_error()[0] != '\0');
    ct_source_close(&source);
    return 0;
}
