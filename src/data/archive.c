/* archive.c - an uncompressed tar is used in place; of a compressed one the images (still as JPEG
 * and PNG) are kept in memory. */
#include "data/archive.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "data/members.h"

enum { BLOCK_BYTES = 8 << 20 };

/* Blocks stay where they are, so that members can point into them. */
typedef struct block {
    struct block *next;
    size_t used, room;
    uint8_t bytes[];
} block;

typedef struct archive_set {
    ct_members members;
    ct_tar *tar;
    block *blocks;
} archive_set;

static csctrl_status read_member(const ct_source *source, int64_t item, const ct_geometry *geometry,
                                 ct_workspace *work, uint8_t *planes)
{
    const archive_set *set = source->data;
    const ct_member *member = &set->members.list[item];
    char name[CT_NAME_MAX];

    source->ops->name(source, item, name);
    return ct_source_fit_encoded(member->data, (size_t)member->size, name, geometry, work, planes);
}

static void name_member(const ct_source *source, int64_t item, char out[CT_NAME_MAX])
{
    const archive_set *set = source->data;

    snprintf(out, CT_NAME_MAX, "%s:%s", source->path, ct_member_name(&set->members, item));
}

static void free_blocks(block *blocks)
{
    while (blocks != NULL) {
        block *next = blocks->next;
        ct_free(blocks);
        blocks = next;
    }
}

static void close_archive(ct_source *source)
{
    archive_set *set = source->data;

    free_blocks(set->blocks);
    ct_tar_close(&set->tar);
    ct_members_free(&set->members);
    ct_free(set);
}

static csctrl_status keep(ct_source *source, const ct_tar_bytes *bytes, const uint8_t **kept)
{
    archive_set *set = source->data;

    if (set->blocks == NULL || set->blocks->room - set->blocks->used < bytes->size) {
        const size_t room = bytes->size > BLOCK_BYTES ? bytes->size : BLOCK_BYTES;
        block *b = ct_alloc(sizeof *b + room);
        if (b == NULL)
            return CSCTRL_E_NOMEM;
        b->next = set->blocks;
        b->used = 0;
        b->room = room;
        set->blocks = b;
        source->memory += sizeof *b + room;
    }
    uint8_t *at = set->blocks->bytes + set->blocks->used;
    memcpy(at, bytes->data, bytes->size);
    set->blocks->used += bytes->size;
    *kept = at;
    return CSCTRL_OK;
}

/* The other split of a compressed archive need not be held twice. */
static csctrl_status retain(ct_source *source, const uint32_t *items, int64_t count)
{
    archive_set *set = source->data;
    block *all = set->blocks;
    csctrl_status status = CSCTRL_OK;

    if (all == NULL || count == source->count[0] + source->count[1])
        return CSCTRL_OK;
    for (const block *b = all; b != NULL; b = b->next)
        source->memory -= sizeof *b + b->room;
    set->blocks = NULL;
    for (int64_t i = 0; i < count && status == CSCTRL_OK; i++) {
        ct_member *member = &set->members.list[items[i]];
        const ct_tar_bytes bytes = {.data = member->data, .size = (size_t)member->size};
        status = keep(source, &bytes, &member->data);
    }
    free_blocks(all);
    return status;
}

static csctrl_status take(ct_source *source, ct_member *member, bool contents)
{
    archive_set *set = source->data;
    ct_tar_bytes bytes;
    const csctrl_status status = ct_tar_read(set->tar, CT_IMAGE_BYTES_MAX, &bytes);

    if (status == CSCTRL_E_UNSUPPORTED) {
        member->broken = "sparse, or larger than 512 MiB";
        return CSCTRL_OK;
    }
    CT_TRY(status);
    member->size = bytes.size;
    if (bytes.size == 0)
        member->broken = "empty file";
    else if (!ct_image_signature(bytes.data, bytes.size))
        member->broken = "neither JPEG nor PNG by its first bytes";
    else if (bytes.mapped)
        member->data = bytes.data;
    else if (contents)
        return keep(source, &bytes, &member->data);
    return CSCTRL_OK;
}

csctrl_status ct_archive_parse(ct_source *source, ct_tar *tar, const ct_source_request *request)
{
    static const ct_source_ops ops = {.read = read_member,
                                      .name = name_member,
                                      .retain = retain,
                                      .close = close_archive,
                                      .sorted_by_class = true};
    archive_set *set = ct_calloc(1, sizeof *set);

    if (set == NULL) {
        ct_tar_close(&tar);
        return CSCTRL_E_NOMEM;
    }
    set->tar = tar;
    source->data = set;
    source->ops = &ops;
    source->kind = "tar";
    for (;;) {
        ct_tar_entry entry;
        ct_member *member;
        CT_TRY(ct_tar_next(tar, &entry));
        if (entry.name == NULL)
            break;
        if (entry.is_dir) {
            CT_TRY(ct_members_add_folder(&set->members, entry.name));
            continue;
        }
        CT_TRY(ct_members_add(&set->members, entry.name, &member));
        if (member != NULL)
            CT_TRY(take(source, member, request->want[0] || request->want[1]));
    }
    ct_tar_finish(tar);
    return ct_members_settle(&set->members, source, request, ':');
}

csctrl_status ct_archive_open(ct_source *source, const ct_source_request *request)
{
    ct_tar *tar;

    CT_TRY(ct_tar_open(&tar, request->path));
    return ct_archive_parse(source, tar, request);
}
