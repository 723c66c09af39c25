/* cli_training.c - run a trainer under signals, and name what it left behind. */
#include "cli_training.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli_figures.h"
#include "cli_ranks.h"

static const int signals[CLI_SIGNALS] = {SIGINT, SIGTERM, SIGUSR1};

/* A signal handler gets no argument: the globals of the program. */
static _Atomic(csctrl_trainer *) running;
static atomic_bool caught;

static void on_signal(int number)
{
    static const char note[] = "\ncsctrl: finishing the step, then saving (again: stop at once)\n";
    csctrl_trainer *trainer = atomic_load(&running);
    const int kept = errno;

    atomic_store(&caught, true);
    if (trainer != NULL)
        csctrl_trainer_request_stop(trainer);
    if (number == SIGINT && isatty(STDERR_FILENO)) {
        const ssize_t written = write(STDERR_FILENO, note, sizeof note - 1);
        (void)written;
    }
    errno = kept;
}

void cli_signals_watch(cli_signals *kept)
{
    struct sigaction *const old = kept->old;

    atomic_store(&caught, false);
    for (int i = 0; i < CLI_SIGNALS; i++) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
        /* The second SIGINT finds the default again and kills at once. */
        if (signals[i] == SIGINT)
            action.sa_flags |= (int)SA_RESETHAND;
        sigemptyset(&action.sa_mask);
        sigaction(signals[i], &action, &old[i]);
        /* A shell makes its background jobs ignore SIGINT: so be it. */
        if (old[i].sa_handler == SIG_IGN)
            sigaction(signals[i], &old[i], NULL);
    }
}

void cli_signals_unwatch(const cli_signals *kept)
{
    for (int i = 0; i < CLI_SIGNALS; i++)
        sigaction(signals[i], &kept->old[i], NULL);
}

bool cli_signals_caught(void)
{
    return atomic_load(&caught);
}

static bool on_progress(void *user, const csctrl_progress *state)
{
    cli_progress_show(user, state);
    return true;
}

csctrl_status cli_training_play(csctrl_trainer *trainer, cli_progress *progress)
{
    atomic_store(&running, trainer);
    if (cli_signals_caught()) /* before the handler knew whom to tell */
        csctrl_trainer_request_stop(trainer);
    const csctrl_status status = csctrl_trainer_run(trainer, on_progress, progress);
    atomic_store(&running, NULL);
    return status;
}

/* RUN/FOLDER/step-N[suffix] with the greatest N <= most; owned; NULL when there is none. */
static char *last_of(const char *run, const char *folder, const char *suffix, int64_t most)
{
    char *dir = cli_format("%s/%s", run, folder);
    int64_t step = 0;
    char *name = dir != NULL ? cli_last_numbered(dir, "step-", suffix, most, &step) : NULL;
    char *path = name != NULL ? cli_format("%s/%s", dir, name) : NULL;

    free(name);
    free(dir);
    return path;
}

static void print_results(const char *run, const char *picture, const char *checkpoint,
                          const cli_progress *progress)
{
    const cli_progress_mode mode = progress->mode;
    char quoted[PATH_MAX];

    if (mode == CLI_PROGRESS_JSON) {
        json_t *object = json_pack("{s:s, s:s, s:s?, s:s?}", "event", "finished", "run", run,
                                   "picture", picture, "checkpoint", checkpoint);
        if (object != NULL)
            json_dumpf(object, stdout, JSON_COMPACT);
        putchar('\n');
        json_decref(object);
    } else if (mode != CLI_PROGRESS_QUIET && !progress->finished) {
        printf("run         %s\n", run);
        if (picture != NULL)
            printf("picture     %s  (inputs beside their regenerations)\n", picture);
        if (checkpoint != NULL)
            printf("checkpoint  %s\n", checkpoint);
        printf("figures     csctrl eval %s\n", cli_quote(run, quoted, sizeof quoted));
    }
    fflush(stdout);
}

/* " --nproc N" where that is how as many ranks are started again. */
static void put_nproc(csctrl_trainer *trainer, char *to, size_t size)
{
    const char *const comm =
        csctrl_config_text(csctrl_model_config(csctrl_trainer_model(trainer)), "parallel.comm");
    int ranks = 1;

    csctrl_trainer_rank(trainer, &ranks);
    to[0] = '\0';
    if (ranks > 1 && strcmp(comm, "mpi") == 0)
        snprintf(to, size, " --nproc %d", ranks);
}

static int fail_stopped(csctrl_status status, csctrl_trainer *trainer, const char *run,
                        const char *checkpoint)
{
    char quoted[PATH_MAX], nproc[32];
    const char *pasted = cli_quote(run, quoted, sizeof quoted);

    put_nproc(trainer, nproc, sizeof nproc);
    if (status == CSCTRL_E_INTERRUPTED && checkpoint != NULL)
        return cli_fail(CLI_INTERRUPTED, "interrupted; saved %s; continue with: csctrl resume %s%s",
                        checkpoint, pasted, nproc);
    if (checkpoint != NULL)
        return cli_fail(cli_exit_code(status), "%s (last good checkpoint: %s)", csctrl_last_error(),
                        checkpoint);
    return cli_fail_status(status);
}

/* The figures of the checkpoint that `csctrl eval RUN` would take. */
static int figures_of(const char *run, const cli_progress *progress, const cli_args *args)
{
    csctrl_model *model = NULL;
    int batch = 0;
    int code = cli_model_open(&model, &batch, run, NULL, 0, args);

    if (code == CLI_OK)
        code = cli_figures_print(model, run,
                                 progress->mode == CLI_PROGRESS_JSON ? CLI_FIGURES_JSON_LINE
                                                                     : CLI_FIGURES_TABLE,
                                 NULL, NULL);
    csctrl_model_destroy(&model);
    return code;
}

int cli_training_refused(csctrl_status status)
{
    const bool shared = status == CSCTRL_E_CONFIG || status == CSCTRL_E_STATE ||
                        status == CSCTRL_E_NOT_FOUND || status == CSCTRL_E_FORMAT;

    cli_mute(cli_is_muted() && shared);
    return cli_fail_status(status);
}

/* The end of a process that is not the first: what the first one says as well is not said again. */
static int end_of_other(csctrl_trainer **trainer, csctrl_status status)
{
    int code = CLI_OK;

    if (status == CSCTRL_E_INTERRUPTED || status == CSCTRL_E_NUMERIC)
        code = cli_exit_code(status);
    else if (status != CSCTRL_OK)
        code = cli_fail(cli_exit_code(status), "rank %d: %s", csctrl_trainer_rank(*trainer, NULL),
                        csctrl_last_error());
    csctrl_trainer_destroy(trainer);
    return code;
}

/* What it runs on: with device auto, and with a launcher, nothing else says so. */
static void print_device(csctrl_trainer *trainer, const cli_progress *progress)
{
    csctrl_model *model = csctrl_trainer_model(trainer);
    csctrl_model_info info;
    int ranks = 1;

    if (csctrl_trainer_rank(trainer, &ranks) > 0 || progress->finished ||
        progress->mode == CLI_PROGRESS_QUIET || progress->mode == CLI_PROGRESS_JSON)
        return;
    csctrl_model_get_info(model, &info);
    printf("device      %s, precision %s, %d %s\n", info.backend,
           csctrl_config_text(csctrl_model_config(model), "precision"), ranks,
           ranks == 1 ? "process" : "ranks");
    fflush(stdout);
}

int cli_training_run(csctrl_trainer **trainer, const char *run, cli_progress *progress,
                     const cli_args *args)
{
    cli_signals kept;

    cli_mute(false);
    const int alone = cli_ranks_expect(*trainer);

    if (alone != CLI_OK) {
        csctrl_trainer_destroy(trainer);
        return alone;
    }
    print_device(*trainer, progress);
    cli_signals_watch(&kept);
    const csctrl_status status = cli_training_play(*trainer, progress);
    cli_signals_unwatch(&kept);
    if (csctrl_trainer_rank(*trainer, NULL) > 0)
        return end_of_other(trainer, status);
    cli_progress_end(progress);

    /* A killed run may have left pictures of later steps than those it went on from. */
    csctrl_model_info info;
    csctrl_model_get_info(csctrl_trainer_model(*trainer), &info);
    char *picture = last_of(run, "pictures", ".png", info.step);
    char *checkpoint = last_of(run, "checkpoints", "", info.step);
    int code = CLI_OK;
    if (status == CSCTRL_OK)
        print_results(run, picture, checkpoint, progress);
    else
        code = fail_stopped(status, *trainer, run, checkpoint);
    free(picture);
    free(checkpoint);
    csctrl_trainer_destroy(trainer);
    if (code == CLI_OK && cli_given(args, "eval"))
        code = figures_of(run, progress, args);
    return code;
}
