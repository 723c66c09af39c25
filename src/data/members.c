/* members.c - the list of image files behind folder.c and archive.c. */
#define _GNU_SOURCE
#include "data/members.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "data/layout.h"

void ct_members_free(ct_members *members)
{
    ct_free(members->list);
    ct_free(members->names);
    ct_free(members->folders);
    *members = (ct_members){0};
}

const char *ct_member_name(const ct_members *members, int64_t index)
{
    return members->names + members->list[index].name;
}

/* Room for `extra` more items of `size` bytes in a doubling array. */
static csctrl_status grow(void **list, size_t count, size_t extra, size_t *room, size_t size)
{
    if (count + extra <= *room)
        return CSCTRL_OK;
    const size_t wanted = 2 * *room + extra + 16;
    void *more = ct_realloc(*list, wanted * size);
    if (more == NULL)
        return CSCTRL_E_NOMEM;
    *list = more;
    *room = wanted;
    return CSCTRL_OK;
}

/* Append the path without empty and "." components. *name is SIZE_MAX for a path to pass over. */
static csctrl_status add_name(ct_members *m, const char *path, size_t *name)
{
    const size_t start = m->names_length;
    void *names = m->names;

    *name = SIZE_MAX;
    CT_TRY(grow(&names, m->names_length, strlen(path) + 1, &m->names_room, 1));
    m->names = names;
    for (const char *at = path; *at != '\0';) {
        const size_t length = strcspn(at, "/");
        const bool here = length == 0 || (length == 1 && at[0] == '.');
        if (!here && (at[0] == '.' || (length == 8 && memcmp(at, "__MACOSX", 8) == 0))) {
            m->names_length = start;
            return CSCTRL_OK;
        }
        if (!here) {
            if (m->names_length > start)
                m->names[m->names_length++] = '/';
            memcpy(m->names + m->names_length, at, length);
            m->names_length += length;
        }
        at += length + (at[length] == '/');
    }
    if (m->names_length == start)
        return CSCTRL_OK;
    m->names[m->names_length++] = '\0';
    *name = start;
    return CSCTRL_OK;
}

csctrl_status ct_members_add(ct_members *members, const char *path, ct_member **member)
{
    void *list = members->list;
    size_t name;

    *member = NULL;
    if (!ct_image_extension(path))
        return CSCTRL_OK;
    CT_TRY(add_name(members, path, &name));
    if (name == SIZE_MAX)
        return CSCTRL_OK;
    if (members->count >= INT32_MAX)
        return ct_fail(CSCTRL_E_UNSUPPORTED, "more than %d images in one set", INT32_MAX);
    CT_TRY(grow(&list, members->count, 1, &members->room, sizeof *members->list));
    members->list = list;
    *member = &members->list[members->count];
    **member = (ct_member){.name = name, .serial = (uint32_t)members->count};
    members->count++;
    return CSCTRL_OK;
}

csctrl_status ct_members_add_folder(ct_members *members, const char *path)
{
    void *folders = members->folders;
    size_t name;

    CT_TRY(add_name(members, path, &name));
    if (name == SIZE_MAX)
        return CSCTRL_OK;
    CT_TRY(
        grow(&folders, members->folder_count, 1, &members->folder_room, sizeof *members->folders));
    members->folders = folders;
    members->folders[members->folder_count++] = name;
    return CSCTRL_OK;
}

static int by_path(const void *a, const void *b, void *names)
{
    const ct_member *x = a, *y = b;
    const char *pool = names;
    const int order = strcmp(pool + x->name, pool + y->name);

    return order != 0 ? order : (x->serial > y->serial) - (x->serial < y->serial);
}

/* In a tar the last member of a name is the one that counts. */
static void sort_unique(ct_members *m)
{
    size_t kept = 0;

    qsort_r(m->list, m->count, sizeof *m->list, by_path, m->names);
    for (size_t i = 0; i < m->count; i++)
        if (i + 1 == m->count ||
            strcmp(m->names + m->list[i].name, m->names + m->list[i + 1].name) != 0)
            m->list[kept++] = m->list[i];
    m->count = kept;
}

static int compare_spans(const void *a, const void *b)
{
    const ct_span *x = a, *y = b;
    const size_t n = x->length < y->length ? x->length : y->length;
    const int order = memcmp(x->text, y->text, n);

    return order != 0 ? order : (x->length > y->length) - (x->length < y->length);
}

typedef struct class_list {
    ct_span *list;
    size_t count, room;
} class_list;

static csctrl_status add_class(class_list *classes, ct_span name)
{
    void *list = classes->list;

    CT_TRY(grow(&list, classes->count, 1, &classes->room, sizeof *classes->list));
    classes->list = list;
    classes->list[classes->count++] = name;
    return CSCTRL_OK;
}

static void sort_classes(class_list *classes)
{
    size_t kept = 0;

    if (classes->count > 1)
        qsort(classes->list, classes->count, sizeof *classes->list, compare_spans);
    for (size_t i = 0; i < classes->count; i++)
        if (i == 0 || compare_spans(&classes->list[i], &classes->list[kept - 1]) != 0)
            classes->list[kept++] = classes->list[i];
    classes->count = kept;
}

/* Drop what lies outside of the class folders and collect the names of the classes. */
static csctrl_status collect_classes(ct_members *m, const ct_layout *layout, const char *root,
                                     class_list *classes)
{
    size_t kept = 0, outside = 0;
    const char *example = "";
    ct_span name, last = {"", 0};

    for (size_t i = 0; i < m->count; i++) {
        ct_member *member = &m->list[i];
        const char *path = m->names + member->name;
        if (!ct_layout_class(layout, path, &name, &member->part)) {
            example = path;
            outside++;
            continue;
        }
        if (classes->count == 0 || compare_spans(&name, &last) != 0)
            CT_TRY(add_class(classes, name));
        last = name;
        m->list[kept++] = *member;
    }
    m->count = kept;
    sort_classes(classes);
    if (outside > 0)
        ct_log(CSCTRL_LOG_WARNING, "%s: %zu images outside of the class folders left out, e.g. %s",
               root, outside, example);
    return CSCTRL_OK;
}

static csctrl_status label_members(ct_members *m, const ct_layout *layout, const char *root,
                                   const class_list *classes, bool *has_test)
{
    bool *trained = ct_calloc(classes->count, sizeof *trained);
    csctrl_status status = CSCTRL_OK;
    bool has_train = false;

    if (trained == NULL)
        return CSCTRL_E_NOMEM;
    for (size_t i = 0; i < m->count; i++) {
        ct_member *member = &m->list[i];
        ct_span name = {"", 0};
        ct_layout_class(layout, m->names + member->name, &name, &member->part);
        const ct_span *found =
            bsearch(&name, classes->list, classes->count, sizeof name, compare_spans);
        member->label = (int32_t)(found - classes->list);
        trained[member->label] = trained[member->label] || member->part == CSCTRL_SPLIT_TRAIN;
        has_train = has_train || member->part == CSCTRL_SPLIT_TRAIN;
        *has_test = *has_test || member->part == CSCTRL_SPLIT_TEST;
    }
    for (size_t k = 0; k < classes->count && has_train && status == CSCTRL_OK; k++)
        if (!trained[k])
            status =
                ct_fail(CSCTRL_E_FORMAT,
                        "%s: expected the same class folders for training and test, found %.*s "
                        "in test only",
                        root, (int)classes->list[k].length, classes->list[k].text);
    ct_free(trained);
    return status;
}

/* First member whose path is not before `path`. */
static size_t lower_bound(const ct_members *m, const char *path)
{
    size_t low = 0, high = m->count;

    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (strcmp(m->names + m->list[middle].name, path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* A folder in the place of a class folder that holds no image. */
static csctrl_status check_empty(const ct_members *m, const ct_layout *layout, const char *root,
                                 char separator)
{
    char path[CT_NAME_MAX];

    for (size_t i = 0; i < m->folder_count; i++) {
        ct_span name = {NULL, 0};
        csctrl_split part;
        const int length = snprintf(path, sizeof path, "%s/", m->names + m->folders[i]);
        if (length < 0 || (size_t)length >= sizeof path || layout->flat ||
            (!layout->parts && strncmp(path, m->names + m->list[0].name, layout->base) != 0) ||
            !ct_layout_class(layout, path, &name, &part) ||
            name.text + name.length + 1 != path + length)
            continue;
        const size_t at = lower_bound(m, path);
        if (at == m->count || strncmp(m->names + m->list[at].name, path, (size_t)length) != 0)
            return ct_fail(CSCTRL_E_FORMAT,
                           "%s%c%s: expected JPEG or PNG files in the class folder, found none; "
                           "remove the folder or fill it",
                           root, separator, m->names + m->folders[i]);
    }
    return CSCTRL_OK;
}

static csctrl_status classify(ct_members *m, ct_source *source, char separator)
{
    class_list classes = {0};
    ct_layout layout;
    csctrl_status status;

    CT_GOTO(status, ct_layout_find(m, source->path, &layout));
    CT_GOTO(status, collect_classes(m, &layout, source->path, &classes));
    CT_GOTO(status, check_empty(m, &layout, source->path, separator));
    CT_GOTO(status, label_members(m, &layout, source->path, &classes, &source->has_test));
    source->class_names = ct_calloc(classes.count, sizeof *source->class_names);
    if (source->class_names == NULL) {
        status = CSCTRL_E_NOMEM;
        goto done;
    }
    source->classes = (int)classes.count;
    for (size_t i = 0; i < classes.count && status == CSCTRL_OK; i++) {
        source->class_names[i] = ct_calloc(classes.list[i].length + 1, 1);
        if (source->class_names[i] == NULL) {
            status = CSCTRL_E_NOMEM;
            break;
        }
        memcpy(source->class_names[i], classes.list[i].text, classes.list[i].length);
        ct_one_line(source->class_names[i]);
    }
done:
    ct_free(classes.list);
    return status;
}

static void drop_broken(ct_members *m, ct_source *source, const ct_source_request *request,
                        char separator)
{
    size_t kept = 0;

    for (size_t i = 0; i < m->count; i++) {
        const ct_member *member = &m->list[i];
        if (member->broken == NULL) {
            m->list[kept++] = *member;
            continue;
        }
        char name[CT_NAME_MAX];
        snprintf(name, sizeof name, "%s%c%s", source->path, separator, m->names + member->name);
        ct_source_report(request, name, member->broken);
        source->skipped[member->part]++;
    }
    m->count = kept;
}

static int by_part(const void *a, const void *b, void *names)
{
    const ct_member *x = a, *y = b;

    return x->part != y->part ? (int)x->part - (int)y->part : by_path(a, b, names);
}

static csctrl_status fill_source(ct_members *m, ct_source *source)
{
    uint64_t hash = CT_FNV_START;

    qsort_r(m->list, m->count, sizeof *m->list, by_part, m->names);
    source->labels = ct_alloc(m->count * sizeof *source->labels);
    if (source->labels == NULL)
        return CSCTRL_E_NOMEM;
    for (size_t i = 0; i < m->count; i++) {
        const ct_member *member = &m->list[i];
        const char *name = m->names + member->name;
        source->labels[i] = member->label;
        source->count[member->part]++;
        hash = ct_fnv(hash, name, strlen(name) + 1);
        hash = ct_fnv(hash, &member->size, sizeof member->size);
        hash = ct_fnv(hash, &member->label, sizeof member->label);
    }
    source->fingerprint = hash;
    source->memory += m->room * sizeof *m->list + m->names_room +
                      m->folder_room * sizeof *m->folders + m->count * sizeof *source->labels;
    return CSCTRL_OK;
}

csctrl_status ct_members_settle(ct_members *members, ct_source *source,
                                const ct_source_request *request, char separator)
{
    if (members->count == 0)
        return ct_fail(CSCTRL_E_FORMAT,
                       "%s: expected JPEG or PNG files, in class sub-folders or not, found none",
                       source->path);
    sort_unique(members);
    CT_TRY(classify(members, source, separator));
    drop_broken(members, source, request, separator);
    return fill_source(members, source);
}
