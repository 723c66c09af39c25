/* cmd_score.c - csctrl score A B: one set of images against another, whoever made them. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli_json.h"
#include "cli_pairs.h"
#include "commands.h"

enum { MISSING_MAX = 6 };

/* A or B: images, or statistics of images. */
typedef struct side {
    const char *path;
    csctrl_image_set *set; /* NULL for statistics */
    cli_features f;
} side;

typedef struct job {
    side a, b;
    cli_scorer scorer;
    cli_scores scores;
    bool fid_only;
    char missing[MISSING_MAX][256]; /* what is not there, and why */
    int missing_count;
} job;

static void add_missing(job *j, const char *what, const char *why)
{
    if (j->missing_count < MISSING_MAX)
        snprintf(j->missing[j->missing_count++], sizeof j->missing[0], "%s: %s", what, why);
}

static bool is_statistics(const char *path)
{
    const size_t length = strlen(path);

    return length > 4 && strcmp(path + length - 4, ".npz") == 0;
}

static int open_side(side *s, const char *path)
{
    csctrl_moments_info info;

    s->path = path;
    if (!is_statistics(path)) {
        const csctrl_status status = csctrl_image_set_open(&s->set, path);
        return status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
    }
    const csctrl_status status = csctrl_moments_read(&s->f.moments, path);
    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    csctrl_moments_get_info(s->f.moments, &info);
    s->f.count = info.count;
    return CLI_OK;
}

static void close_side(side *s)
{
    csctrl_image_set_close(&s->set);
    cli_features_free(&s->f);
}

static const char *recipe_of(const side *s)
{
    csctrl_moments_info info;

    csctrl_moments_get_info(s->f.moments, &info);
    return info.recipe;
}

/* Of two ways to make features; what is not known is taken for the other, with a warning. */
static int recipes_agree(const char *a, const char *recipe_a, const char *b, const char *recipe_b)
{
    if (recipe_a[0] == '\0' || recipe_b[0] == '\0') {
        fprintf(stderr,
                "csctrl: warning: %s: does not say how its features were made: taken to be made as "
                "%s\n",
                recipe_a[0] == '\0' ? a : b, recipe_a[0] == '\0' ? b : a);
        return CLI_OK;
    }
    if (strcmp(recipe_a, recipe_b) == 0)
        return CLI_OK;
    return cli_fail(CLI_USAGE,
                    "%s: made by another recipe (%s) than %s (%s); see --inception and "
                    "--resize",
                    a, recipe_a, b, recipe_b);
}

/* Features of the images. */
static int run_side(job *j, side *s)
{
    if (s->set == NULL)
        return CLI_OK;
    const int code = cli_features_create(&s->f, csctrl_image_set_count(s->set), !j->fid_only);
    return code == CLI_OK ? cli_scorer_run(&j->scorer, s->set, s->path, &s->f) : code;
}

/* Two statistics files alone. */
static int score_statistics(job *j)
{
    double distance = 0;
    const int code = recipes_agree(j->a.path, recipe_of(&j->a), j->b.path, recipe_of(&j->b));

    if (code != CLI_OK)
        return code;
    const csctrl_status status = csctrl_frechet_distance(j->a.f.moments, j->b.f.moments, &distance);
    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    cli_scores_add(&j->scores, "frechet_distance_of_statistics", distance, NAN, 4,
                   "Frechet distance of the statistics");
    return CLI_OK;
}

/* Statistics that can stand against what the network makes. */
static int check_side(const side *s)
{
    csctrl_moments_info info;

    if (s->set != NULL)
        return CLI_OK;
    csctrl_moments_get_info(s->f.moments, &info);
    if (info.features == CSCTRL_INCEPTION_FEATURES)
        return CLI_OK;
    return cli_fail(CLI_USAGE, "%s: expected statistics of %d Inception features, found %lld",
                    s->path, CSCTRL_INCEPTION_FEATURES, (long long)info.features);
}

/* Is there something for the network to do? */
static int check_sides(const job *j)
{
    int code = CLI_OK;

    if (j->a.set == NULL && j->b.set == NULL)
        code = cli_fail(CLI_USAGE,
                        "score: --inception: %s and %s are statistics, nothing is left "
                        "for the network to do; leave it out",
                        j->a.path, j->b.path);
    if (code == CLI_OK)
        code = check_side(&j->a);
    return code == CLI_OK ? check_side(&j->b) : code;
}

/* Through the network; what is refused is refused before it runs. */
static int score_features(job *j, const cli_args *args)
{
    const side *statistics = j->a.set == NULL ? &j->a : j->b.set == NULL ? &j->b : NULL;
    int code = check_sides(j);

    if (code == CLI_OK)
        code = cli_scorer_open(&j->scorer, NULL, args);
    if (code == CLI_OK && statistics != NULL)
        code = recipes_agree(statistics->path, recipe_of(statistics), "asked for here",
                             j->scorer.recipe);
    if (code == CLI_OK)
        code = run_side(j, &j->a);
    if (code == CLI_OK)
        code = run_side(j, &j->b);
    if (code == CLI_OK)
        code = cli_scores_compute(&j->scores, &j->a.f, &j->b.f, j->scorer.info.pinned != 0, false);
    if (code == CLI_OK && statistics != NULL)
        add_missing(j, "KID, precision, recall, density, coverage",
                    "statistics hold no single features; give the images");
    return code;
}

static int compute(job *j, const cli_args *args)
{
    const bool images = j->a.set != NULL || j->b.set != NULL;
    bool asked = false;
    int code = cli_scorer_asked(args, &asked);

    if (code != CLI_OK)
        return code;
    if (asked) {
        code = score_features(j, args);
    } else if (!images) {
        code = score_statistics(j);
    } else {
        add_missing(j, "FID, KID, Inception score, precision, recall, density, coverage",
                    "no weights given (--inception FILE; see docs/evaluation.md)");
    }
    if (code == CLI_OK && j->a.set != NULL && j->b.set != NULL && !j->fid_only) {
        cli_pairs_gap gap;
        code = cli_pairs_compare(&j->scores, j->a.set, j->b.set, &gap);
        if (code == CLI_OK && gap.why[0] != '\0')
            add_missing(j, gap.what, gap.why);
    }
    if (code == CLI_OK && j->scores.count == 0)
        code =
            cli_fail(CLI_USAGE, "score: nothing to compute: %s%s%s", j->missing[0],
                     j->missing_count > 1 ? "; " : "", j->missing_count > 1 ? j->missing[1] : "");
    return code;
}

/* ---- what was found */

static int64_t images_of(const side *s)
{
    return s->set != NULL && s->f.count == 0 ? csctrl_image_set_count(s->set) : s->f.count;
}

static void print_side(const char *name, const side *s)
{
    const long long n = (long long)images_of(s);

    printf("  %s  %s: ", name, s->path);
    if (s->set != NULL)
        printf("%lld image%s", n, cli_s(n));
    else if (n > 0)
        printf("statistics of %lld image%s", n, cli_s(n));
    else
        printf("statistics of images, it does not say how many");
    if (s->f.broken > 0)
        printf(", %lld broken one%s left out", (long long)s->f.broken, cli_s(s->f.broken));
    if (s->set == NULL && recipe_of(s)[0] == '\0')
        printf("; their recipe is not known");
    printf("\n");
}

static void print_table(const job *j)
{
    printf("scores of A against B, the reference\n");
    print_side("A", &j->a);
    print_side("B", &j->b);
    if (j->scorer.network != NULL)
        printf("  features: %s%s\n", j->scorer.recipe,
               j->scorer.info.pinned ? "" : " (not the weights of FID)");
    cli_scores_print(&j->scores);
    for (int i = 0; i < j->missing_count; i++)
        printf("  missing: %s\n", j->missing[i]);
}

static json_t *json_side(const side *s)
{
    json_t *object = json_pack("{s:o, s:s, s:I, s:I}", "path", cli_json_text(s->path), "kind",
                               s->set != NULL ? "images" : "statistics", "images",
                               (json_int_t)images_of(s), "broken", (json_int_t)s->f.broken);

    if (s->set == NULL)
        json_object_set_new(object, "recipe", cli_json_text(recipe_of(s)));
    return object;
}

static json_t *json_job(const job *j)
{
    json_t *missing = json_array();

    for (int i = 0; i < j->missing_count; i++)
        json_array_append_new(missing, cli_json_text(j->missing[i]));
    return json_pack("{s:o, s:o, s:o, s:o, s:o}", "a", json_side(&j->a), "b", json_side(&j->b),
                     "recipe",
                     j->scorer.network != NULL ? cli_scores_recipe(&j->scorer) : json_null(),
                     "scores", cli_scores_json(&j->scores), "missing", missing);
}

static int report(const job *j, const cli_args *args)
{
    const char *out = cli_value(args, "out");
    int code = CLI_OK;

    if (j->scorer.network != NULL) {
        cli_scores_warn_few(j->a.path, images_of(&j->a));
        cli_scores_warn_few(j->b.path, images_of(&j->b));
    }
    if (out != NULL)
        code = cli_scores_write_json(json_job(j), out);
    if (cli_given(args, "json"))
        return code == CLI_OK ? cli_scores_write_json(json_job(j), NULL) : code;
    print_table(j);
    return code;
}

static int run_score(const cli_args *args)
{
    job j = {.fid_only = cli_given(args, "fid-only")};
    const char *out = cli_value(args, "out");
    int code = out != NULL ? cli_check_out_file(out, cli_given(args, "force")) : CLI_OK;

    if (code == CLI_OK)
        code = open_side(&j.a, args->operands[0]);
    if (code == CLI_OK)
        code = open_side(&j.b, args->operands[1]);
    if (code == CLI_OK)
        code = compute(&j, args);
    if (code == CLI_OK)
        code = report(&j, args);
    close_side(&j.a);
    close_side(&j.b);
    cli_scorer_close(&j.scorer);
    return code;
}

static const cli_option options[] = {
    CLI_OPTION_INCEPTION,
    CLI_OPTION_RESIZE,
    {"fid-only", 0, NULL, "FID alone: keeps no features, so that memory does not grow with them"},
    {"out", 'o', "FILE", "save scores and recipe as JSON"},
    CLI_OPTION_FORCE,
    CLI_OPTION_SET,
    CLI_OPTION_JSON,
    {NULL, 0, NULL, NULL},
};

const cli_command cli_score = {
    .name = "score",
    .operands = "A B",
    .least = 2,
    .most = 2,
    .summary = "Scores of images against others: FID, KID, precision, PSNR",
    .details =
        "A is judged, B the reference: each a folder of JPEG or PNG at any depth, a .tar, a\n"
        ".tar.gz, or an .npz of csctrl stats, pytorch-fid or clean-fid. Images may be grey and\n"
        "of any sizes. Images of the same names and sizes are compared in pairs as well.",
    .examples = "  csctrl score samples/ photos/ --inception inception.safetensors\n"
                "  csctrl score samples.tar photos.npz --inception inception.safetensors --json\n"
                "  csctrl score reconstructions/ originals/\n",
    .options = options,
    .run = run_score,
};
