/* layout.c - train/CLASS/x.jpg, CLASS/x.jpg or n01440764_x.jpg? */
#include "data/layout.h"

#include <ctype.h>
#include <string.h>

static bool part_word(ct_span word, csctrl_split *part)
{
    static const char *const words[] = {"train", "test", "val", "valid", "validation"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strlen(words[i]) == word.length && memcmp(words[i], word.text, word.length) == 0) {
            *part = i == 0 ? CSCTRL_SPLIT_TRAIN : CSCTRL_SPLIT_TEST;
            return true;
        }
    return false;
}

/* The folder that begins at `at`; false when only a file's name is left. */
static bool next_folder(const char *at, ct_span *folder)
{
    const char *slash = strchr(at, '/');

    if (slash == NULL)
        return false;
    *folder = (ct_span){at, (size_t)(slash - at)};
    return true;
}

/* The class of a path with a part folder: the folder right below it. */
static bool below_part(const char *path, ct_span *name, csctrl_split *part)
{
    ct_span folder;

    for (const char *at = path; next_folder(at, &folder); at += folder.length + 1)
        if (part_word(folder, part) && next_folder(at + folder.length + 1, name))
            return true;
    return false;
}

static bool synset_prefix(const char *path, ct_span *name)
{
    const char *slash = strrchr(path, '/');
    const char *file = slash != NULL ? slash + 1 : path;
    size_t n = 1;

    while (file[0] == 'n' && isdigit((unsigned char)file[n]))
        n++;
    *name = (ct_span){file, n};
    return n > 1 && file[n] == '_';
}

bool ct_layout_class(const ct_layout *layout, const char *path, ct_span *name, csctrl_split *part)
{
    *part = CSCTRL_SPLIT_TRAIN;
    if (layout->parts)
        return below_part(path, name, part);
    if (layout->flat)
        return synset_prefix(path, name);
    if (layout->single) {
        *name = (ct_span){"images", 6};
        return true;
    }
    return strlen(path) > layout->base && next_folder(path + layout->base, name);
}

static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash != NULL ? (size_t)(slash - path) + 1 : 0;
}

/* Bytes of whole folders, "/" included, that `a` (its first `length` bytes) and `b` share. */
static size_t shared_folders(const char *a, size_t length, const char *b)
{
    size_t shared = 0;

    for (size_t i = 0; i < length && a[i] == b[i]; i++)
        if (a[i] == '/')
            shared = i + 1;
    return shared;
}

static csctrl_status fail_flat(const char *root, const char *path)
{
    return ct_fail(CSCTRL_E_FORMAT,
                   "%s: expected class sub-folders (CLASS/image.jpg, or train/CLASS/image.jpg and "
                   "test/CLASS/image.jpg), found %s outside of one",
                   root, path);
}

csctrl_status ct_layout_find(const ct_members *members, const char *root, ct_layout *layout)
{
    const char *first = members->names + members->list[0].name;
    size_t shared = folder_length(first);
    bool one_folder = true, synsets = true;
    ct_span name;
    csctrl_split part;

    *layout = (ct_layout){0};
    for (size_t i = 0; i < members->count; i++) {
        const char *path = members->names + members->list[i].name;
        layout->parts = layout->parts || below_part(path, &name, &part);
        shared = shared_folders(first, shared, path);
        one_folder = one_folder && folder_length(path) == folder_length(first);
        synsets = synsets && synset_prefix(path, &name);
    }
    one_folder = one_folder && shared == folder_length(first);
    layout->flat = !layout->parts && one_folder && synsets;
    if (layout->parts || layout->flat)
        return CSCTRL_OK;
    layout->single = one_folder && shared == 0;
    if (layout->single) /* empty folders beside the images were meant to hold them */
        return members->folder_count == 0 ? CSCTRL_OK : fail_flat(root, first);
    layout->base = shared;
    if (one_folder) /* its last component is the class */
        for (layout->base = shared - 1; layout->base > 0 && first[layout->base - 1] != '/';)
            layout->base--;
    /* train/x.jpg and test/x.jpg are parts without classes, not classes of that name. */
    for (size_t i = 0; i < members->count; i++) {
        const char *path = members->names + members->list[i].name;
        if (ct_layout_class(layout, path, &name, &part) && part_word(name, &part))
            return fail_flat(root, path);
    }
    return CSCTRL_OK;
}
