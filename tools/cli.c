/* cli.c - arguments, one-line errors and exit codes, small texts. */
#include "cli.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NEAREST_WORD_MAX = 64 };

#undef cli_fail /* the analyser's macros */
#undef cli_fail_memory

static bool is_muted;

void cli_mute(bool muted)
{
    is_muted = muted;
}

bool cli_is_muted(void)
{
    return is_muted;
}

int cli_fail(int code, const char *format, ...)
{
    char line[8192]; /* in one piece: other processes may write to the same terminal */
    va_list list;

    va_start(list, format);
    vsnprintf(line, sizeof line, format, list);
    va_end(list);
    fflush(stdout);
    if (!is_muted)
        fprintf(stderr, "csctrl: %s\n", line);
    return code;
}

int cli_exit_code(csctrl_status status)
{
    switch (status) {
    case CSCTRL_OK:
        return CLI_OK;
    case CSCTRL_E_NUMERIC:
        return CLI_NUMERIC;
    case CSCTRL_E_NOMEM:
    case CSCTRL_E_BACKEND:
        return CLI_MACHINE;
    case CSCTRL_E_INTERRUPTED:
        return CLI_INTERRUPTED;
    default:
        return CLI_USAGE;
    }
}

int cli_fail_status_at(csctrl_status status, const char *where)
{
    const char *message = csctrl_last_error();

    if (message[0] == '\0')
        message = csctrl_status_text(status);
    if (where == NULL)
        return cli_fail(cli_exit_code(status), "%s", message);
    return cli_fail(cli_exit_code(status), "%s: %s", where, message);
}

int cli_fail_status(csctrl_status status)
{
    return cli_fail_status_at(status, NULL);
}

int cli_fail_memory(void)
{
    return cli_fail(CLI_MACHINE, "out of memory");
}

/* ---------------------------------------------------------------- arguments */

static size_t option_count(const cli_command *command)
{
    size_t n = 0;

    while (command->options[n].name != NULL)
        n++;
    return n;
}

/* getopt's own forms of the option table. `val` is the row number + FIRST_ROW. */
enum { FIRST_ROW = 1000 };

static void getopt_tables(const cli_command *command, struct option *longs, char *shorts)
{
    const size_t n = option_count(command);

    *shorts++ = ':';
    *shorts++ = 'h';
    for (size_t i = 0; i < n; i++) {
        const cli_option *o = &command->options[i];

        longs[i] = (struct option){.name = o->name,
                                   .has_arg = o->argument ? required_argument : no_argument,
                                   .val = FIRST_ROW + (int)i};
        if (o->letter) {
            *shorts++ = o->letter;
            if (o->argument)
                *shorts++ = ':';
        }
    }
    *shorts = '\0';
    longs[n] = (struct option){.name = "help", .has_arg = no_argument, .val = 'h'};
    longs[n + 1] = (struct option){.name = NULL};
}

static int row_of(const cli_command *command, int value)
{
    if (value >= FIRST_ROW)
        return value - FIRST_ROW;
    for (int i = 0; command->options[i].name != NULL; i++)
        if (command->options[i].letter == value)
            return i;
    return -1;
}

static int fail_unknown_option(const cli_command *command, const char *word)
{
    const char *names[CLI_OPTIONS_MAX];
    const size_t n = option_count(command);
    const char *near = NULL;

    if (strncmp(word, "--", 2) == 0) {
        for (size_t i = 0; i < n; i++)
            names[i] = command->options[i].name;
        near = cli_nearest(word + 2, names, n);
    }
    if (near != NULL)
        return cli_fail(CLI_USAGE, "%s: unknown option %s; did you mean --%s?", command->name, word,
                        near);
    return cli_fail(CLI_USAGE, "%s: unknown option %s; see csctrl %s --help", command->name, word,
                    command->name);
}

static int check_operands(const cli_args *args)
{
    const cli_command *c = args->command;

    if (args->count < c->least)
        return cli_fail(CLI_USAGE, "%s: expected %s; see csctrl %s --help", c->name, c->operands,
                        c->name);
    if (c->most >= 0 && args->count > c->most)
        return cli_fail(CLI_USAGE, "%s: unexpected argument '%s'; see csctrl %s --help", c->name,
                        args->operands[c->most], c->name);
    return CLI_OK;
}

/* Store one parsed option; 'h' prints the help. Returns -1 to go on, else the exit code. */
static int take_option(cli_args *args, int found, char **argv)
{
    const cli_command *c = args->command;
    const int row = row_of(c, found);

    if (found == ':') {
        const int missing = row_of(c, optopt);
        if (missing < 0)
            return fail_unknown_option(c, argv[optind - 1]);
        return cli_fail(CLI_USAGE, "%s: option --%s needs %s", c->name, c->options[missing].name,
                        c->options[missing].argument);
    }
    if (row < 0) {
        /* A bad short option may stand inside a cluster, where argv[optind - 1] is not it. */
        char letter[3] = {'-', (char)optopt, '\0'};
        const bool is_long = optopt == 0 || optopt >= FIRST_ROW;
        return fail_unknown_option(c, is_long ? argv[optind - 1] : letter);
    }
    if (strcmp(c->options[row].name, "set") == 0)
        args->sets[args->set_count++] = optarg;
    args->values[row] = optarg ? optarg : "";
    if (optarg != NULL)
        args->all[args->all_count++] = (cli_valued){.row = row, .value = optarg};
    return -1;
}

int cli_parse(cli_args *args, const cli_command *command, int argc, char **argv)
{
    struct option longs[CLI_OPTIONS_MAX + 2];
    char shorts[2 * CLI_OPTIONS_MAX + 3];

    *args = (cli_args){.command = command};
    args->sets = calloc((size_t)argc + CLI_LAUNCH_SETS + 1, sizeof *args->sets);
    args->all = calloc((size_t)argc + 1, sizeof *args->all);
    if (args->sets == NULL || args->all == NULL)
        return cli_fail_memory();
    getopt_tables(command, longs, shorts);
    opterr = 0;
    optind = 1;
    for (int found; (found = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        if (found == 'h') {
            cli_print_command_help(command);
            return CLI_OK;
        }
        const int code = take_option(args, found, argv);
        if (code >= 0)
            return code;
    }
    args->operands = argv + optind;
    args->count = argc - optind;
    const int code = check_operands(args);
    return code == CLI_OK ? -1 : code;
}

void cli_args_free(cli_args *args)
{
    free(args->sets);
    free(args->all);
    args->sets = NULL;
    args->all = NULL;
}

const char *cli_value(const cli_args *args, const char *option)
{
    for (size_t i = 0; args->command->options[i].name != NULL; i++)
        if (strcmp(args->command->options[i].name, option) == 0)
            return args->values[i];
    return NULL;
}

bool cli_given(const cli_args *args, const char *option)
{
    return cli_value(args, option) != NULL;
}

const char *cli_value_at(const cli_args *args, const char *option, size_t index)
{
    for (size_t i = 0; i < args->all_count; i++)
        if (strcmp(args->command->options[args->all[i].row].name, option) == 0 && index-- == 0)
            return args->all[i].value;
    return NULL;
}

int cli_integer(const cli_args *args, const char *option, int64_t low, int64_t high, int64_t *value)
{
    const char *text = cli_value(args, option);
    char *end = NULL;

    if (text == NULL)
        return CLI_OK;
    errno = 0;
    const long long number = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0 || number < low || number > high)
        return cli_fail(CLI_USAGE,
                        "%s: --%s: expected a whole number from %lld to %lld, found '%s'",
                        args->command->name, option, (long long)low, (long long)high, text);
    *value = number;
    return CLI_OK;
}

/* ---------------------------------------------------------------- text */

static size_t least3(size_t a, size_t b, size_t c)
{
    const size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

static size_t edit_distance(const char *a, const char *b)
{
    size_t row[NEAREST_WORD_MAX + 1];
    const size_t n = strlen(b);

    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            const size_t above = row[j];
            const size_t cost =
                tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]);
            row[j] = least3(above + 1, row[j - 1] + 1, diagonal + cost);
            diagonal = above;
        }
    }
    return row[n];
}

const char *cli_nearest(const char *word, const char *const *known, size_t count)
{
    const char *best = NULL;
    size_t best_distance = strlen(word) / 3 + 2; /* farther than this is no typing mistake */

    if (strlen(word) > NEAREST_WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        if (strlen(known[i]) > NEAREST_WORD_MAX)
            continue;
        const size_t distance = edit_distance(word, known[i]);
        if (distance < best_distance && distance < strlen(known[i])) {
            best_distance = distance;
            best = known[i];
        }
    }
    return best;
}

char *cli_format(const char *format, ...)
{
    va_list list;
    char *text = NULL;

    va_start(list, format);
    if (vasprintf(&text, format, list) < 0)
        text = NULL;
    va_end(list);
    return text;
}

static void scaled(double value, double base, const char *const *units, size_t count, char out[32])
{
    size_t unit = 0;

    while (value >= base && unit + 1 < count) {
        value /= base;
        unit++;
    }
    const int digits = unit == 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2;
    snprintf(out, 32, "%.*f%s%s", digits, value, units[unit][0] ? " " : "", units[unit]);
}

/* Messages come one at a time (csctrl/log.h), so no lock. A hash that two share costs a warning. */
bool cli_is_news(const char *warning)
{
    enum { KEPT = 4096 };
    static uint64_t seen[KEPT];
    static size_t count;
    uint64_t hash = 0xcbf29ce484222325U; /* FNV-1a */

    for (const char *p = warning; *p != '\0'; p++)
        hash = (hash ^ (unsigned char)*p) * 0x100000001b3U;
    for (size_t i = 0; i < count; i++)
        if (seen[i] == hash)
            return false;
    if (count < KEPT)
        seen[count++] = hash;
    return true;
}

void cli_warn_left_out(void)
{
    char message[1024];

    snprintf(message, sizeof message, "left out: %s", csctrl_last_error());
    if (!is_muted && cli_is_news(message))
        fprintf(stderr, "csctrl: warning: %s\n", message);
}

double cli_plain_zero(double value, int digits)
{
    return value <= 0.0 && value >= -0.5 * pow(10.0, -digits) ? 0.0 : value;
}

const char *cli_s(int64_t count)
{
    return count == 1 ? "" : "s";
}

void cli_size_text(double bytes, char out[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    scaled(bytes, 1024, units, sizeof units / sizeof units[0], out);
}

void cli_count_text(double count, char out[32])
{
    static const char *const units[] = {"", "k", "M", "G", "T"};
    scaled(count, 1000, units, sizeof units / sizeof units[0], out);
}

const char *cli_quote(const char *text, char *out, size_t size)
{
    static const char *const plain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+,:@%=";
    size_t n = 0;

    if (text[0] != '\0' && text[strspn(text, plain)] == '\0')
        return text;
    if (size < 4 * strlen(text) + 3)
        return text;
    out[n++] = '\'';
    for (; *text != '\0'; text++) {
        if (*text == '\'') {
            memcpy(out + n, "'\\''", 4);
            n += 4;
        } else {
            out[n++] = *text;
        }
    }
    out[n++] = '\'';
    out[n] = '\0';
    return out;
}
