/* folder.c - JPEG and PNG files in class folders, read when they are needed. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/members.h"

enum { DEPTH_MAX = 8 }; /* ends loops of symbolic links */

static csctrl_status read_file(const ct_source *source, int64_t item, const ct_geometry *geometry,
                               ct_workspace *work, uint8_t *planes)
{
    char *path = ct_path_join(source->path, ct_member_name(source->data, item));
    unsigned char *data = NULL;
    size_t size;
    csctrl_status status = CSCTRL_E_NOMEM;

    if (path == NULL)
        goto done;
    CT_GOTO(status, ct_fs_read(path, CT_IMAGE_BYTES_MAX, &data, &size));
    status = ct_source_fit_encoded(data, size, path, geometry, work, planes);
done:
    ct_free(data);
    ct_free(path);
    return status;
}

static void name_file(const ct_source *source, int64_t item, char out[CT_NAME_MAX])
{
    snprintf(out, CT_NAME_MAX, "%s/%s", source->path, ct_member_name(source->data, item));
}

static void close_folder(ct_source *source)
{
    ct_members_free(source->data);
    ct_free(source->data);
}

/* Look at size and first bytes, so that what is no image at all is known before training. */
static void probe(const char *path, ct_member *member)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    uint8_t head[8];
    struct stat info;

    if (fd < 0 || fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        member->broken = fd < 0 && errno == EACCES ? "permission denied" : "not a readable file";
    } else {
        const ssize_t n = read(fd, head, sizeof head);
        member->size = (uint64_t)info.st_size;
        if (n <= 0)
            member->broken = n == 0 ? "empty file" : "cannot be read";
        else if (!ct_image_signature(head, (size_t)n))
            member->broken = "neither JPEG nor PNG by its first bytes";
    }
    if (fd >= 0)
        close(fd);
}

static csctrl_status walk(ct_members *members, const char *root, const char *below, int depth);

static csctrl_status visit(ct_members *members, const char *root, const char *relative, int depth)
{
    char *path = ct_path_join(root, relative);
    ct_member *member;
    csctrl_status status = CSCTRL_E_NOMEM;

    if (path == NULL)
        return CSCTRL_E_NOMEM;
    if (ct_fs_is_dir(path)) {
        status = ct_members_add_folder(members, relative);
        if (status == CSCTRL_OK && depth < DEPTH_MAX)
            status = walk(members, root, relative, depth + 1);
    } else {
        status = ct_members_add(members, relative, &member);
        if (status == CSCTRL_OK && member != NULL)
            probe(path, member);
    }
    ct_free(path);
    return status;
}

static csctrl_status walk(ct_members *members, const char *root, const char *below, int depth)
{
    char *folder = below[0] != '\0' ? ct_path_join(root, below) : ct_strdup(root);
    ct_name_list list = {0};
    csctrl_status status = CSCTRL_E_NOMEM;

    if (folder == NULL)
        return CSCTRL_E_NOMEM;
    CT_GOTO(status, ct_fs_list(folder, &list));
    for (size_t i = 0; i < list.count && status == CSCTRL_OK; i++) {
        if (list.names[i][0] == '.')
            continue;
        char *child =
            below[0] != '\0' ? ct_path_join(below, list.names[i]) : ct_strdup(list.names[i]);
        status = child != NULL ? visit(members, root, child, depth) : CSCTRL_E_NOMEM;
        ct_free(child);
    }
done:
    ct_fs_list_free(&list);
    ct_free(folder);
    return status;
}

csctrl_status ct_folder_list(ct_members *members, const char *root)
{
    return walk(members, root, "", 0);
}

csctrl_status ct_folder_open(ct_source *source, const ct_source_request *request)
{
    static const ct_source_ops ops = {
        .read = read_file, .name = name_file, .close = close_folder, .sorted_by_class = true};
    ct_members *members = ct_calloc(1, sizeof *members);

    if (members == NULL)
        return CSCTRL_E_NOMEM;
    source->data = members;
    source->ops = &ops;
    source->kind = "folder";
    CT_TRY(ct_folder_list(members, source->path));
    return ct_members_settle(members, source, request, '/');
}
