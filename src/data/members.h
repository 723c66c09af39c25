/* members.h - image files of a folder or a tar: which class and which part each belongs to.
 *
 * The paths alone decide, so that a folder and a tar of it are the same data set:
 *  - below a folder train, test, val, valid or validation, the next folder is the class; what lies
 *    outside of them is left out;
 *  - otherwise folders that all paths share are passed over and the next one is the class;
 *  - when all images lie in one folder, that is the class, unless all names look like n01440764_x:
 *    then the part before "_" is;
 *  - images without a folder are one class, called images, by the same exception. */
#ifndef CT_DATA_MEMBERS_H
#define CT_DATA_MEMBERS_H

#include "data/source.h"

typedef struct ct_member {
    size_t name;         /* offset into names: path below the root, without "./" */
    const uint8_t *data; /* contents, for a tar */
    uint64_t size;
    const char *broken; /* reason, static; NULL: usable so far */
    uint32_t serial;    /* order of appearance */
    int32_t label;
    csctrl_split part;
} ct_member;

typedef struct ct_members {
    ct_member *list;
    size_t count, room;
    char *names;
    size_t names_length, names_room;
    size_t *folders; /* offsets into names: every folder seen */
    size_t folder_count, folder_room;
} ct_members;

/* `path` of a file. Gives NULL with CSCTRL_OK for what is not an image by its name, or is hidden
 * (a component begins with "."), or of __MACOSX, or climbs with "..". Valid until the next add. */
csctrl_status ct_members_add(ct_members *members, const char *path, ct_member **member);
csctrl_status ct_members_add_folder(ct_members *members, const char *path);

/* Every image file of a folder, at any depth. */
csctrl_status ct_folder_list(ct_members *members, const char *root);

const char *ct_member_name(const ct_members *members, int64_t index);

/* Sort, give classes and parts, report and drop what is broken, and fill the source's counts,
 * labels, classes and fingerprint. `separator` stands between root and member in messages.
 * E_FORMAT: no image, images outside of class folders, or an empty one. */
csctrl_status ct_members_settle(ct_members *members, ct_source *source,
                                const ct_source_request *request, char separator);
void ct_members_free(ct_members *members);

#endif
