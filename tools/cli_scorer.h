/* cli_scorer.h - images through the Inception network: features of folders, archives, data sets and
 * of what a model makes. */
#ifndef CLI_SCORER_H
#define CLI_SCORER_H

#include "cli.h"

#define CLI_OPTION_INCEPTION                                                                       \
    {                                                                                              \
        "inception", 0, "FILE", "Inception weights, made by scripts/convert_inception.py"          \
    }
#define CLI_OPTION_RESIZE                                                                          \
    {                                                                                              \
        "resize", 0, "clean|pytorch",                                                              \
            "images to 299 x 299 as clean-fid or pytorch-fid do (default clean)"                   \
    }

typedef struct cli_scorer {
    csctrl_inception *network;
    csctrl_inception_info info;
    csctrl_resize resize;
    char recipe[256];    /* in words; what statistics files keep */
    csctrl_tensor input; /* the batch being filled */
    csctrl_tensor features, logits;
    int64_t filled;
    const char *what; /* shown while it goes on */
    int64_t done, total;
    double began, shown;
} cli_scorer;

/* What came out. Without `keep` only the moments grow no further than the first image. */
typedef struct cli_features {
    csctrl_moments *moments;
    csctrl_tensor features, logits; /* data NULL unless kept; shape[0] is the number of images */
    int64_t count, broken;
} cli_features;

/* Whether --inception is given. Without it --resize is refused: it would do nothing. */
int cli_scorer_asked(const cli_args *args, bool *asked);

/* From --inception, which must be given, and --resize, with the threads of `config` (NULL: of the
 * environment and --set). Release also on failure. */
int cli_scorer_open(cli_scorer *scorer, const csctrl_config *config, const cli_args *args);
void cli_scorer_close(cli_scorer *scorer);

/* Room for `capacity` images. Release also on failure. */
int cli_features_create(cli_features *features, int64_t capacity, bool keep);
void cli_features_free(cli_features *features);

/* Begin, add image by image (u8 or f32 [c, h, w], see csctrl_inception_prepare), end. */
void cli_scorer_begin(cli_scorer *scorer, const char *what, int64_t total);
int cli_scorer_add(cli_scorer *scorer, const csctrl_tensor *image, cli_features *features);
int cli_scorer_end(cli_scorer *scorer, cli_features *features);

/* All of a set; broken images are left out, each with a warning. Fails when none is left. */
int cli_scorer_run(cli_scorer *scorer, const csctrl_image_set *set, const char *path,
                   cli_features *features);

#endif
