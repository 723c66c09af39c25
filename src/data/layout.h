/* layout.h - from the paths of images to their classes (the rules are in members.h). */
#ifndef CT_DATA_LAYOUT_H
#define CT_DATA_LAYOUT_H

#include "data/members.h"

/* How class names are found in a set's paths. */
typedef struct ct_layout {
    bool parts;  /* train/ and test/ */
    bool flat;   /* class before "_" in the file's name */
    bool single; /* no folder at all: one class, called images */
    size_t base; /* bytes of the folders that all paths share */
} ct_layout;

/* A part of a path, not terminated. */
typedef struct ct_span {
    const char *text;
    size_t length;
} ct_span;

/* Look at all members; `root` is for messages. E_FORMAT when images lie where
 * class folders should. */
csctrl_status ct_layout_find(const ct_members *members, const char *root, ct_layout *layout);

/* Class and part of a path; false when it lies outside of the class folders. */
bool ct_layout_class(const ct_layout *layout, const char *path, ct_span *name, csctrl_split *part);

#endif
