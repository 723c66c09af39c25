/* cli_progress.c - the bar, the plain lines and the JSON lines of a training run. */
#include "cli_progress.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli_ranks.h"

static const double redraw_seconds = 0.1, line_seconds = 10;
enum { BAR_LEAST = 5, BAR_MAX = 24 };

double cli_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int cli_progress_init(cli_progress *progress, const cli_args *args)
{
    const char *format = cli_value(args, "log-format");

    *progress = (cli_progress){.mode = CLI_PROGRESS_LINES, .began = cli_now()};
    if (format != NULL && strcmp(format, "json") == 0)
        progress->mode = CLI_PROGRESS_JSON;
    else if (format != NULL && strcmp(format, "text") != 0)
        return cli_fail(CLI_USAGE, "%s: --log-format: expected text or json, found '%s'",
                        args->command->name, format);
    else if (isatty(STDERR_FILENO))
        progress->mode = CLI_PROGRESS_BAR;
    if (cli_given(args, "quiet") || cli_rank() > 0)
        progress->mode = CLI_PROGRESS_QUIET;
    return CLI_OK;
}

void cli_time_text(double seconds, char out[32])
{
    if (!(seconds >= 0) || seconds > 1e7) {
        snprintf(out, 32, "?");
        return;
    }
    const long s = lround(seconds);
    if (s >= 3600)
        snprintf(out, 32, "%ldh%02ldm", s / 3600, s / 60 % 60);
    else if (s >= 60)
        snprintf(out, 32, "%ldm%02lds", s / 60, s % 60);
    else
        snprintf(out, 32, "%lds", s);
}

/* Everything of a step that is known, in words. */
static int describe(const cli_progress *progress, const csctrl_progress *state, char *out,
                    size_t size)
{
    const bool last = state->step >= state->steps;
    char duration[32], rate[32], psnr[64] = "", run[96] = "";

    if (progress->runs > 0)
        snprintf(run, sizeof run, "run %d/%d %s  ", progress->run, progress->runs, progress->label);

    cli_time_text(last ? progress->last_report - progress->began : state->seconds_left, duration);
    snprintf(rate, sizeof rate, progress->rate < 10 ? "%.1f" : "%.0f", progress->rate);
    if (state->evaluated)
        snprintf(psnr, sizeof psnr, "  psnr %.2f dB", state->psnr);
    else if (progress->mode == CLI_PROGRESS_BAR && progress->psnr_step > 0)
        snprintf(psnr, sizeof psnr, "  psnr %.2f dB at step %lld", progress->psnr,
                 (long long)progress->psnr_step);
    return snprintf(out, size, "%sstep %lld/%lld  objective %.3f%s  %s images/s  %s%s%s", run,
                    (long long)state->step, (long long)state->steps, state->min_value, psnr, rate,
                    last ? "in " : "", duration, last ? "" : " left");
}

static int terminal_width(void)
{
    struct winsize size;

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return 80;
}

static void draw_bar(cli_progress *progress, const csctrl_progress *state)
{
    char text[256], bar[BAR_MAX + 1] = "";
    const int width = terminal_width() - 1; /* the last column makes some terminals wrap */
    const int used = describe(progress, state, text, sizeof text);
    int room = width - used - 4;

    room = room > BAR_MAX ? BAR_MAX : room;
    if (room >= BAR_LEAST) {
        const double share = state->steps > 0 ? (double)state->step / (double)state->steps : 0;
        const int full = (int)(share * room);
        for (int i = 0; i < room; i++)
            bar[i] = i < full ? '#' : '.';
        bar[room] = '\0';
    }
    flockfile(stderr);
    if (bar[0] != '\0')
        fprintf(stderr, "\r[%s]  %s\033[K", bar, text);
    else
        fprintf(stderr, "\r%.*s\033[K", width > 0 ? width : 0, text);
    fflush(stderr);
    progress->bar_shown = true;
    funlockfile(stderr);
}

static json_t *number(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static void print_json(const cli_progress *progress, const csctrl_progress *state)
{
    json_t *object = json_pack("{s:s, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "event", "step", "step",
                               (json_int_t)state->step, "steps", (json_int_t)state->steps, "epoch",
                               number(state->epoch), "max_value", number(state->max_value),
                               "min_value", number(state->min_value), "images_per_second",
                               number(progress->rate), "seconds_left", number(state->seconds_left));
    if (object != NULL && progress->runs > 0) {
        json_object_set_new(object, "run", json_string(progress->label));
        json_object_set_new(object, "run_number", json_integer(progress->run));
        json_object_set_new(object, "runs", json_integer(progress->runs));
    }
    if (object != NULL && state->evaluated) {
        json_object_set_new(object, "psnr", number(state->psnr));
        json_object_set_new(object, "cosine", number(state->cosine));
    }
    if (object != NULL)
        json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(object);
}

static void print_line(const cli_progress *progress, const csctrl_progress *state)
{
    char text[256];

    describe(progress, state, text, sizeof text);
    printf("%s\n", text);
}

void cli_progress_show(cli_progress *progress, const csctrl_progress *state)
{
    const double t = cli_now();
    const bool last = state->step >= state->steps;
    const double wait = progress->mode == CLI_PROGRESS_BAR ? redraw_seconds : line_seconds;

    /* One step's rate jumps about; the shown one follows it slowly. */
    if (isfinite(state->images_per_second) && state->images_per_second > 0)
        progress->rate = progress->rate > 0 ? 0.9 * progress->rate + 0.1 * state->images_per_second
                                            : state->images_per_second;
    if (state->evaluated) {
        progress->psnr = state->psnr;
        progress->psnr_step = state->step;
    }
    if (progress->started && !last && !state->evaluated && t - progress->last_report < wait)
        return;
    progress->started = true;
    progress->last_report = t;
    if (progress->mode == CLI_PROGRESS_BAR)
        draw_bar(progress, state);
    else if (progress->mode == CLI_PROGRESS_LINES)
        print_line(progress, state);
    else if (progress->mode == CLI_PROGRESS_JSON)
        print_json(progress, state);
    fflush(stdout);
}

void cli_progress_end(cli_progress *progress)
{
    flockfile(stderr);
    if (progress->bar_shown)
        fputc('\n', stderr);
    progress->bar_shown = false;
    funlockfile(stderr);
}

void cli_progress_message(void *user, csctrl_log_level level, const char *message)
{
    cli_progress *progress = user;

    if (cli_is_muted() || level < CSCTRL_LOG_INFO ||
        (level < CSCTRL_LOG_WARNING && progress->mode == CLI_PROGRESS_QUIET))
        return;
    if (level >= CSCTRL_LOG_WARNING && !cli_is_news(message))
        return;
    flockfile(stderr);
    if (progress->bar_shown)
        fputs("\r\033[K", stderr);
    fprintf(stderr, "csctrl: %s%s\n", level >= CSCTRL_LOG_WARNING ? "warning: " : "", message);
    progress->bar_shown = false;
    funlockfile(stderr);
}
