/* image_set.c - image files of a folder or an archive at their own sizes, without classes or parts.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "csctrl/score.h"
#include "data/members.h"
#include "data/tar.h"

typedef struct placed {
    const char *name;
    const ct_member *member;
} placed;

struct csctrl_image_set {
    char *path;
    ct_members members;
    ct_tar *tar;     /* NULL for a folder */
    uint8_t **owned; /* contents of a compressed archive's members */
    size_t owned_count, owned_room;
    placed *sorted; /* by name */
};

void csctrl_image_set_close(csctrl_image_set **set)
{
    if (set == NULL || *set == NULL)
        return;
    csctrl_image_set *s = *set;
    for (size_t i = 0; i < s->owned_count; i++)
        ct_free(s->owned[i]);
    ct_free(s->owned);
    ct_free(s->sorted);
    ct_tar_close(&s->tar);
    ct_members_free(&s->members);
    ct_free(s->path);
    ct_free(s);
    *set = NULL;
}

/* A copy of the present member that stays. */
static csctrl_status keep(csctrl_image_set *s, const ct_tar_bytes *bytes, const uint8_t **kept)
{
    if (s->owned_count == s->owned_room) {
        const size_t room = 2 * s->owned_room + 64;
        uint8_t **more = ct_realloc(s->owned, room * sizeof *more);
        if (more == NULL)
            return CSCTRL_E_NOMEM;
        s->owned = more;
        s->owned_room = room;
    }
    uint8_t *copy = ct_alloc(bytes->size);
    if (copy == NULL)
        return CSCTRL_E_NOMEM;
    memcpy(copy, bytes->data, bytes->size);
    s->owned[s->owned_count++] = copy;
    *kept = copy;
    return CSCTRL_OK;
}

static csctrl_status take(csctrl_image_set *s, ct_member *member)
{
    ct_tar_bytes bytes;
    const csctrl_status status = ct_tar_read(s->tar, CT_IMAGE_BYTES_MAX, &bytes);

    if (status == CSCTRL_E_UNSUPPORTED) {
        member->broken = "sparse, or larger than 512 MiB";
        return CSCTRL_OK;
    }
    CT_TRY(status);
    member->size = bytes.size;
    if (bytes.mapped) {
        member->data = bytes.data;
        return CSCTRL_OK;
    }
    return keep(s, &bytes, &member->data);
}

static csctrl_status list_archive(csctrl_image_set *s)
{
    CT_TRY(ct_tar_open(&s->tar, s->path));
    for (;;) {
        ct_tar_entry entry;
        ct_member *member;
        CT_TRY(ct_tar_next(s->tar, &entry));
        if (entry.name == NULL)
            break;
        if (entry.is_dir)
            continue;
        CT_TRY(ct_members_add(&s->members, entry.name, &member));
        if (member != NULL)
            CT_TRY(take(s, member));
    }
    ct_tar_finish(s->tar);
    return CSCTRL_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const placed *)a)->name, ((const placed *)b)->name);
}

static csctrl_status sort(csctrl_image_set *s)
{
    const size_t count = s->members.count;

    s->sorted = ct_calloc(count, sizeof *s->sorted);
    if (s->sorted == NULL)
        return CSCTRL_E_NOMEM;
    for (size_t i = 0; i < count; i++)
        s->sorted[i] = (placed){ct_member_name(&s->members, (int64_t)i), &s->members.list[i]};
    qsort(s->sorted, count, sizeof *s->sorted, by_name);
    return CSCTRL_OK;
}

csctrl_status csctrl_image_set_open(csctrl_image_set **out, const char *path)
{
    csctrl_image_set *s = ct_calloc(1, sizeof *s);
    csctrl_status st = CSCTRL_E_NOMEM;

    *out = NULL;
    if (s == NULL)
        return st;
    s->path = ct_strdup(path);
    CT_GOTO(st, s->path != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM);
    if (!ct_fs_exists(path))
        CT_GOTO(st, ct_fail(CSCTRL_E_NOT_FOUND, "%s: no such folder or archive", path));
    CT_GOTO(st, ct_fs_is_dir(path) ? ct_folder_list(&s->members, path) : list_archive(s));
    if (s->members.count == 0)
        CT_GOTO(st, ct_fail(CSCTRL_E_FORMAT,
                            "%s: expected image files (.jpg, .jpeg, .png), found none", path));
    CT_GOTO(st, sort(s));
    *out = s;
    s = NULL;
done:
    csctrl_image_set_close(&s);
    return st;
}

int64_t csctrl_image_set_count(const csctrl_image_set *set)
{
    return (int64_t)set->members.count;
}

const char *csctrl_image_set_name(const csctrl_image_set *set, int64_t index)
{
    if (index < 0 || index >= csctrl_image_set_count(set))
        return NULL;
    return set->sorted[index].name;
}

/* Interleaved to planes. */
static csctrl_status split(const ct_pixels *p, csctrl_tensor *image)
{
    const int64_t count = (int64_t)p->width * p->height, channels = p->channels;
    uint8_t *planes = ct_alloc((size_t)(count * channels));

    if (planes == NULL)
        return CSCTRL_E_NOMEM;
    for (int64_t c = 0; c < channels; c++)
        for (int64_t i = 0; i < count; i++)
            planes[c * count + i] = p->data[i * channels + c];
    *image =
        csctrl_tensor_view(CSCTRL_U8, 3, (const int64_t[]){channels, p->height, p->width}, planes);
    return CSCTRL_OK;
}

csctrl_status csctrl_image_set_read(const csctrl_image_set *set, int64_t index,
                                    csctrl_tensor *image)
{
    static const ct_decoding colour = {.channels = 3};
    const char *name = csctrl_image_set_name(set, index);
    ct_pixels pixels = {0};
    unsigned char *file = NULL;
    char *path = NULL;
    size_t size;
    csctrl_status st;

    *image = csctrl_tensor_view(CSCTRL_U8, 3, (const int64_t[]){3, 0, 0}, NULL);
    if (name == NULL)
        return ct_fail(CSCTRL_E_INVALID, "%s: expected an image in 0..%lld, found %lld", set->path,
                       (long long)csctrl_image_set_count(set) - 1, (long long)index);
    const ct_member *member = set->sorted[index].member;
    path = ct_path_join(set->path, name);
    CT_GOTO(st, path != NULL ? CSCTRL_OK : CSCTRL_E_NOMEM);
    if (member->broken != NULL)
        CT_GOTO(st, ct_fail(CSCTRL_E_FORMAT, "%s: %s", path, member->broken));
    size = (size_t)member->size;
    if (set->tar == NULL)
        CT_GOTO(st, ct_fs_read(path, CT_IMAGE_BYTES_MAX, &file, &size));
    CT_GOTO(st,
            ct_pixels_decode(set->tar == NULL ? file : member->data, size, path, &colour, &pixels));
    st = split(&pixels, image);
done:
    ct_pixels_free(&pixels);
    ct_free(file);
    ct_free(path);
    return st;
}
