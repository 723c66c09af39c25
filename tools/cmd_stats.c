/* cmd_stats.c - csctrl stats DIR -o REF.npz: mean and covariance of Inception features. */
#include <stdio.h>
#include <string.h>

#include "cli_scores.h"
#include "commands.h"

static int compute(cli_scorer *scorer, const char *path, const char *out)
{
    csctrl_image_set *set = NULL;
    cli_features f = {.moments = NULL};
    csctrl_status status = csctrl_image_set_open(&set, path);

    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    int code = cli_features_create(&f, 0, false);
    if (code == CLI_OK)
        code = cli_scorer_run(scorer, set, path, &f);
    if (code == CLI_OK) {
        status = csctrl_moments_write(f.moments, out);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
    }
    if (code == CLI_OK) {
        cli_scores_warn_few(path, f.count);
        printf("%s  statistics of %lld image%s", out, (long long)f.count, cli_s(f.count));
        if (f.broken > 0)
            printf(" (%lld broken, left out)", (long long)f.broken);
        printf("\n  %s%s\n", scorer->recipe, scorer->info.pinned ? "" : ": not those of FID");
    }
    cli_features_free(&f);
    csctrl_image_set_close(&set);
    return code;
}

static int run_stats(const cli_args *args)
{
    const char *out = cli_value(args, "out");
    cli_scorer scorer = {.network = NULL};

    if (out == NULL)
        return cli_fail(CLI_USAGE, "stats: expected -o FILE.npz for the statistics");
    const size_t length = strlen(out);
    if (length < 5 || strcmp(out + length - 4, ".npz") != 0)
        return cli_fail(CLI_USAGE, "stats: --out: expected a name that ends in .npz, found '%s'",
                        out);
    int code = cli_check_out_file(out, cli_given(args, "force"));
    if (code == CLI_OK)
        code = cli_scorer_open(&scorer, NULL, args);
    if (code == CLI_OK)
        code = compute(&scorer, args->operands[0], out);
    cli_scorer_close(&scorer);
    return code;
}

static const cli_option options[] = {
    {"out", 'o', "FILE", ".npz to write"},
    CLI_OPTION_INCEPTION,
    CLI_OPTION_RESIZE,
    CLI_OPTION_FORCE,
    CLI_OPTION_SET,
    {NULL, 0, NULL, NULL},
};

const cli_command cli_stats = {
    .name = "stats",
    .operands = "DIR",
    .required = "-o FILE --inception FILE",
    .least = 1,
    .most = 1,
    .summary = "Reference statistics of a folder of images, for score",
    .details =
        "Mean and covariance of Inception features, which csctrl score takes in place of\n"
        "the images; pytorch-fid and clean-fid read the file too (keys mu and sigma). DIR\n"
        "is a folder at any depth, a .tar or a .tar.gz. Memory does not grow with a folder or a\n"
        ".tar; the image files of a .tar.gz are kept in memory: unpack a large one first.",
    .examples = "  csctrl stats photos/ -o photos.npz --inception inception.safetensors\n",
    .options = options,
    .run = run_stats,
};
