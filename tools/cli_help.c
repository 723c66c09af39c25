/* cli_help.c - help texts made from the command table. */
#include "cli.h"

#include <stdio.h>
#include <string.h>

static const cli_fact exits[] = {
    {"0", "all went well"},
    {"1", "the verb ran and found problems (data verify: broken images)"},
    {"2", "bad usage, config, data or file; full disk; output in the way"},
    {"3", "a value was not finite; the last good checkpoint is kept"},
    {"4", "out of memory, or the backend failed"},
    {"75", "interrupted by a signal; the state is saved, resume continues"},
    {NULL, NULL},
};

static const cli_fact environment[] = {
    {"CSCTRL_THREADS", "compute threads, where neither config nor --set gives `threads`"},
    {"CSCTRL_ISA", "highest instruction set, where neither gives `isa`"},
    {"GOMP_SPINCOUNT", "how long idle threads spin; 1000 unless set, for shared cores"},
    {NULL, NULL},
};

const cli_fact *cli_exit_facts(void)
{
    return exits;
}

const cli_fact *cli_environment_facts(void)
{
    return environment;
}

static void print_facts(const char *title, const cli_fact *facts, int width)
{
    printf("\n%s:\n", title);
    for (; facts->name != NULL; facts++)
        printf("  %-*s  %s\n", width, facts->name, facts->text);
}

void cli_print_help(void)
{
    const cli_command *command;

    printf("usage: csctrl VERB ...\n\n"
           "White-box image autoencoders: closed-loop transcription via convolutional sparse "
           "coding.\n\nverbs:\n");
    for (size_t i = 0; (command = cli_command_at(i)) != NULL; i++)
        printf("  %-12s %s\n", command->name, command->summary);
    printf("\n  csctrl help VERB, csctrl VERB --help   what a verb takes\n"
           "  csctrl options                         every config key\n"
           "  csctrl --version                       the version\n");
    print_facts("exit status", exits, 2);
    print_facts("environment", environment, 14);
    printf("\nexamples:\n"
           "  csctrl train fashion-mnist --set train.batches=400 --out run\n"
           "  csctrl eval run\n"
           "  csctrl reconstruct run photo.jpg -o pictures\n");
}

void cli_print_command_help(const cli_command *command)
{
    char left[64];

    printf("usage: csctrl %s%s%s%s%s%s\n\n%s.\n", command->name, command->operands[0] ? " " : "",
           command->operands, command->required ? " " : "",
           command->required ? command->required : "", command->options[0].name ? " [options]" : "",
           command->summary);
    if (command->details != NULL)
        printf("%s\n", command->details);
    printf("\noptions:\n");
    for (const cli_option *o = command->options; o->name != NULL; o++) {
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->argument ? " " : "",
                 o->argument ? o->argument : "");
        if (o->letter)
            printf("  -%c, %-24s %s\n", o->letter, left, o->help);
        else
            printf("      %-24s %s\n", left, o->help);
    }
    printf("  -h, %-24s %s\n", "--help", "print this text");
    if (command->examples != NULL)
        printf("\nexamples:\n%s", command->examples);
}
