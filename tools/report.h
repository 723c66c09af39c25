/* report.h - what the parts of `csctrl report` share: the page as it grows, pictures in it, images
 * with their features. Each part writes one section; cmd_report.c has their order. */
#ifndef REPORT_H
#define REPORT_H

#include <stdio.h>

#include "cli.h"

enum {
    REPORT_HELD_MAX = 2000,  /* held-out images looked at one by one */
    REPORT_FIT_MAX = 10000,  /* training images for the components */
    REPORT_CLASSES_MAX = 10, /* classes shown */
    REPORT_TILE = 64,        /* smaller images are enlarged to about so many pixels */
    REPORT_LABEL = 48
};

/* Images of one split, those that could be read, and what the model makes of them. */
typedef struct report_set {
    csctrl_dataset *data;
    int64_t count;
    int64_t *index, *labels; /* in the data set; class */
    csctrl_tensor z;         /* f32[count, d] */
    csctrl_tensor zhat;      /* f32[count, d], held-out images only */
    double *psnr;            /* [count], dB; likewise */
} report_set;

typedef struct report {
    const char *run, *dir;
    FILE *html; /* in memory until it is complete */
    csctrl_model *model;
    csctrl_model_info info;
    const csctrl_config *config;
    int batch, classes, pictures;
    report_set held, fit;
    csctrl_figures figures;
    csctrl_subspaces *subspaces;
    int shown[REPORT_CLASSES_MAX], shown_count; /* classes that have images */
    char **written;                             /* paths of pictures; owned */
    size_t written_count, written_room;
} report;

/* --- report_data.c */
int report_open(report *r);
void report_close(report *r);
/* Positions in r->held of `count` images, classes in turn; returns how many there are. */
int report_pick(const report *r, int count, int64_t *positions);
/* Images set->index[positions[i]] into x f32[count, c, size, size] (allocated). */
int report_read(const report *r, const report_set *set, const int64_t *positions, int count,
                csctrl_tensor *x);
/* Features of these positions, f32[count, d] (allocated). */
int report_features(const report *r, const report_set *set, const int64_t *positions, int count,
                    csctrl_tensor *z);
int report_images_alloc(const report *r, csctrl_tensor *x, int64_t count);
int report_decode(const report *r, const csctrl_tensor *z, csctrl_tensor *x); /* x allocated */
const char *report_class(const report *r, int label);
/* The same, cut to `most` bytes where a character ends. */
void report_class_label(const report *r, int label, size_t most, char out[REPORT_LABEL]);

/* --- report_html.c */
void report_begin(report *r);
void report_end(report *r);
void report_raw(report *r, const char *format, ...) CLI_PRINTF(2, 3);
void report_text(report *r, const char *text); /* escaped */
void report_section(report *r, const char *id, const char *title);
void report_section_end(report *r);

/* A picture of equal images with words around it. Texts may be NULL, as may single labels. */
typedef struct report_grid {
    const char *name;            /* of the PNG, without .png */
    const csctrl_tensor *images; /* f32[n, 1 or 3, h, w] */
    int columns, scale;          /* scale 0: about REPORT_TILE pixels */
    char (*column_labels)[REPORT_LABEL], (*row_labels)[REPORT_LABEL];
} report_grid;

/* Write DIR/NAME.png and show it; words where there is no image. */
int report_show(report *r, const report_grid *grid);
/* Words in place of a picture. */
void report_no_image(report *r);
/* Path of DIR/NAME.png, borrowed, on the list of what a report that fails takes back; NULL without
 * memory. */
const char *report_new_picture(report *r, const char *name);
/* Remove the pictures written: the report has failed. */
void report_take_back(report *r);
/* The PNG that is there as a data: URI. */
int report_embed(report *r, const char *path);
/* A caption follows its pictures between these two. */
void report_figure(report *r);
void report_caption(report *r, const char *format, ...) CLI_PRINTF(2, 3);

/* --- report_chart.c: x counts steps, so it is whole */
typedef struct report_series {
    const char *name;
    const double *x, *y; /* NAN: no point there */
    size_t count;
} report_series;

typedef struct report_chart {
    const char *title, *x_label, *y_label;
    const report_series *series;
    size_t count;
    double mark; /* an x, drawn where the series go on behind it */
    double most; /* that y can be; INFINITY: any */
} report_chart;

void report_draw(report *r, const report_chart *chart);

/* --- sections */
int report_summary(report *r);        /* report_tables.c */
int report_layer_table(report *r);    /* likewise */
int report_cost(report *r);           /* likewise */
int report_training(report *r);       /* report_training.c */
int report_regenerations(report *r);  /* report_images.c */
int report_samples(report *r);        /* likewise */
int report_interpolations(report *r); /* likewise */
int report_atoms(report *r);          /* report_atoms.c */
int report_codes(report *r);          /* report_codes.c */
int report_alone(report *r);          /* likewise */
int report_similarity(report *r);     /* report_similarity.c */
int report_components(report *r);     /* report_components.c */

#endif
