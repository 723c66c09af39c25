/* cmd_completion.c - csctrl completion: shell scripts made from the tables of verbs and of options.
 */
#include <stdio.h>
#include <string.h>

#include "commands.h"

/* What completes a placeholder such as "DIR" or "text|json". */
typedef enum kind { WORDS, KEYS, DIRS, FILES, ANYTHING } kind;

static kind kind_of(const char *argument)
{
    if (strcmp(argument, "KEY=VALUE") == 0)
        return KEYS;
    if (strcmp(argument, "DIR") == 0)
        return DIRS;
    if (strcmp(argument, "FILE") == 0 || strcmp(argument, "PATH") == 0)
        return FILES;
    return strchr(argument, '|') != NULL ? WORDS : ANYTHING;
}

static void print_words(const char *choices, size_t length)
{
    for (size_t i = 0; i < length; i++)
        putchar(choices[i] == '|' ? ' ' : choices[i]);
}

/* Fixed words that the first operand may be, such as verify|info: lower case and hyphens. */
static size_t first_words(const cli_command *command)
{
    const size_t n = strcspn(command->operands, " ");

    for (size_t i = 0; i < n; i++)
        if (command->operands[i] != '|' && command->operands[i] != '-' &&
            (command->operands[i] < 'a' || command->operands[i] > 'z'))
            return 0;
    return n;
}

static void print_keys(const char *separator, const char *suffix)
{
    for (size_t i = 0; i < csctrl_option_count(); i++)
        printf("%s%s%s", i ? separator : "", csctrl_option_at(i)->key, suffix);
}

static void print_verbs(void)
{
    const cli_command *command;

    for (size_t i = 0; (command = cli_command_at(i)) != NULL; i++)
        printf("%s ", command->name);
    printf("help");
}

/* Single-quoted for all three shells; our texts have no backslash. */
static void print_quoted(const char *text, const char *quote)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs(quote, stdout);
        else
            putchar(*text);
    }
}

/* ---------------------------------------------------------------- bash */

static void bash_argument(const cli_command *command, const cli_option *o)
{
    const kind k = kind_of(o->argument);

    if (k == KEYS)
        return; /* the same for all verbs */
    printf("        %s:--%s", command->name, o->name);
    if (o->letter)
        printf("|%s:-%c", command->name, o->letter);
    printf(") ");
    if (k == WORDS) {
        printf("COMPREPLY=($(compgen -W '");
        print_words(o->argument, strlen(o->argument));
        printf("' -- \"$cur\")); ");
    } else if (k == DIRS) {
        printf("compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\")); ");
    }
    printf("return ;;\n"); /* without an answer bash completes files */
}

static void bash_verb(const cli_command *command)
{
    printf("        %s) options='--help", command->name);
    for (const cli_option *o = command->options; o->name != NULL; o++)
        printf(" --%s", o->name);
    printf("' first='");
    print_words(command->operands, first_words(command));
    printf("' ;;\n");
}

static void print_bash(void)
{
    const cli_command *command;

    printf("# bash completion of csctrl; made by: csctrl completion bash\n_csctrl()\n{\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} "
           "verb=${COMP_WORDS[1]}\n    local options='' first='' keys='");
    print_keys(" ", "=");
    printf("'\n    local verbs='");
    print_verbs();
    printf("'\n    COMPREPLY=()\n    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        COMPREPLY=($(compgen -W \"$verbs --help --version\" -- \"$cur\"))\n"
           "        return\n    fi\n    case $verb:$prev in\n"
           "        *:--set) compopt -o nospace\n"
           "            COMPREPLY=($(compgen -W \"$keys\" -- \"$cur\")); return ;;\n");
    for (size_t i = 0; (command = cli_command_at(i)) != NULL; i++)
        for (const cli_option *o = command->options; o->name != NULL; o++)
            if (o->argument != NULL)
                bash_argument(command, o);
    printf("    esac\n    case $verb in\n        help) first=$verbs ;;\n");
    for (size_t i = 0; (command = cli_command_at(i)) != NULL; i++)
        bash_verb(command);
    printf("    esac\n    if [[ $cur == -* ]]; then\n"
           "        COMPREPLY=($(compgen -W \"$options\" -- \"$cur\"))\n"
           "    elif [ \"$COMP_CWORD\" -eq 2 ] && [ -n \"$first\" ]; then\n"
           "        COMPREPLY=($(compgen -W \"$first\" -- \"$cur\"))\n    fi\n}\n"
           "complete -o default -F _csctrl csctrl\n");
}

/* ---------------------------------------------------------------- zsh */

static void zsh_argument(const char *argument)
{
    switch (kind_of(argument)) {
    case WORDS:
        printf(":value:(");
        print_words(argument, strlen(argument));
        printf(")");
        break;
    case KEYS:
        printf(":key=value:($keys)");
        break;
    case DIRS:
        printf(":directory:_files -/");
        break;
    case FILES:
        printf(":file:_files");
        break;
    case ANYTHING:
        printf(":value:");
    }
}

static void zsh_verb(const cli_command *command)
{
    const size_t words = first_words(command);

    printf("        %s) _arguments -S", command->name);
    for (const cli_option *o = command->options; o->name != NULL; o++) {
        const bool repeats = strcmp(o->name, "set") == 0;
        printf(" \\\n            '%s--%s[", repeats ? "*" : "", o->name);
        print_quoted(o->help, "'\\''");
        printf("]");
        if (o->argument != NULL)
            zsh_argument(o->argument);
        printf("'");
    }
    printf(" \\\n            '--help[print help]'");
    if (words > 0) {
        printf(" '1:what:(");
        print_words(command->operands, words);
        printf(")'");
    }
    if (command->most != 0)
        printf(" '*:file:_files'");
    printf(" ;;\n");
}

static void print_zsh(void)
{
    const cli_command *command;

    printf("#compdef csctrl\n# zsh completion of csctrl; made by: csctrl completion zsh\n"
           "_csctrl()\n{\n    local -a verbs keys\n    keys=(");
    print_keys(" ", "=");
    printf(")\n    verbs=(\n");
    for (size_t i = 0; (command = cli_command_at(i)) != NULL; i++) {
        printf("        '%s:", command->name);
        print_quoted(command->summary, "'\\''");
        printf("'\n");
    }
    printf("        'help:Help on a verb'\n    )\n    if (( CURRENT == 2 )); then\n"
           "        _describe verb verbs\n        return\n    fi\n"
           "    local verb=$words[2]\n    shift words\n    (( CURRENT-- ))\n    case $verb in\n"
           "        help) _describe verb verbs ;;\n");
    for (size_t i = 0; (command = cli_command_at(i)) != NULL; i++)
        zsh_verb(command);
    printf("    esac\n}\nif [ \"$funcstack[1]\" = _csctrl ]; then\n    _csctrl \"$@\"\nelse\n"
           "    compdef _csctrl csctrl\nfi\n");
}

/* ---------------------------------------------------------------- fish */

static void fish_option(const cli_command *command, const cli_option *o)
{
    printf("complete -c csctrl -n '__fish_seen_subcommand_from %s' -l %s", command->name, o->name);
    if (o->letter)
        printf(" -s %c", o->letter);
    printf(" -d '");
    print_quoted(o->help, "\\'");
    printf("'");
    if (o->argument != NULL) {
        switch (kind_of(o->argument)) {
        case WORDS:
            printf(" -x -a '");
            print_words(o->argument, strlen(o->argument));
            printf("'");
            break;
        case KEYS:
            printf(" -x -a '$__csctrl_keys'");
            break;
        case DIRS:
            printf(" -x -a '(__fish_complete_directories)'");
            break;
        case FILES:
            printf(" -r");
            break;
        case ANYTHING:
            printf(" -x");
        }
    }
    printf("\n");
}

static void print_fish(void)
{
    const cli_command *command;

    printf("# fish completion of csctrl; made by: csctrl completion fish\n"
           "set -g __csctrl_keys ");
    print_keys(" ", "=");
    printf("\n");
    for (size_t i = 0; (command = cli_command_at(i)) != NULL; i++) {
        const size_t words = first_words(command);
        printf("complete -c csctrl -n __fish_use_subcommand -f -a %s -d '", command->name);
        print_quoted(command->summary, "\\'");
        printf("'\n");
        if (words > 0) {
            printf("complete -c csctrl -n '__fish_seen_subcommand_from %s' -a '", command->name);
            print_words(command->operands, words);
            printf("'\n");
        }
        for (const cli_option *o = command->options; o->name != NULL; o++)
            fish_option(command, o);
    }
    printf("complete -c csctrl -n __fish_use_subcommand -f -a help -d 'Help on a verb'\n"
           "complete -c csctrl -n '__fish_seen_subcommand_from help' -f -a '");
    print_verbs();
    printf("'\n");
}

static int run_completion(const cli_args *args)
{
    const char *shell = args->operands[0];

    if (strcmp(shell, "bash") == 0)
        print_bash();
    else if (strcmp(shell, "zsh") == 0)
        print_zsh();
    else if (strcmp(shell, "fish") == 0)
        print_fish();
    else
        return cli_fail(CLI_USAGE, "completion: expected bash, zsh or fish, found '%s'", shell);
    return CLI_OK;
}

static const cli_option options[] = {
    {NULL, 0, NULL, NULL},
};

const cli_command cli_completion = {
    .name = "completion",
    .operands = "bash|zsh|fish",
    .least = 1,
    .most = 1,
    .summary = "Completion script for a shell",
    .examples = "  . <(csctrl completion bash)\n"
                "  csctrl completion fish > ~/.config/fish/completions/csctrl.fish\n",
    .options = options,
    .run = run_completion,
};
