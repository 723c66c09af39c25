/* cli_ranks.c - launchers tell a process its place by the environment. */
#define _POSIX_C_SOURCE 200809L
#include "cli_ranks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"

static int environment_number(const char *name, int otherwise)
{
    const char *text = getenv(name);
    char *end = NULL;
    const long number = text != NULL ? strtol(text, &end, 10) : 0;

    return text != NULL && end != text && *end == '\0' && number >= 0 && number < INT32_MAX
               ? (int)number
               : otherwise;
}

static int first_number(const char *const names[], size_t count)
{
    int number = -1;

    for (size_t i = 0; i < count && number < 0; i++)
        number = environment_number(names[i], -1);
    return number;
}

/* -1: not said. */
static int launched_size(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"};

    return first_number(names, sizeof names / sizeof *names);
}

/* -1: no launcher. Every shell of a Slurm job has SLURM_PROCID, also one that started no tasks. */
static int launched_rank(void)
{
    static const char *const names[] = {"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK",
                                        "SLURM_PROCID"};
    const size_t count = sizeof names / sizeof *names;
    const bool tasks = environment_number("SLURM_STEP_NUM_TASKS", 1) > 1;

    return first_number(names, tasks ? count : count - 1);
}

int cli_rank(void)
{
    const int rank = launched_rank();

    return rank > 0 ? rank : 0;
}

/* Whether the ranks meet by TCP: by launcher or by hand. */
static bool meet(const csctrl_config *config)
{
    const char *const kind = csctrl_config_text(config, "parallel.comm");

    return strcmp(kind, "tcp") == 0 ||
           (strcmp(kind, "nccl") == 0 && csctrl_config_text(config, "parallel.address")[0] != '\0');
}

bool cli_is_other(const csctrl_config *config)
{
    if (meet(config))
        return csctrl_config_int(config, "parallel.rank") > 0;
    return cli_rank() > 0 && strcmp(csctrl_config_text(config, "parallel.comm"), "none") != 0;
}

/* The processes' threads are csctrl's to place; more of them than processors are the user's wish.
 */
static int launch(int64_t processes, char **argv)
{
    char mpirun[] = "mpirun", flag[] = "-n", self[4096], count[24];
    const ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    size_t words = 0;

    while (argv[words] != NULL)
        words++;
    char **command = calloc(words + 5, sizeof *command);
    if (command == NULL)
        return cli_fail_memory();
    if (length <= 0 || length == sizeof self - 1) {
        free(command);
        return cli_fail(CLI_MACHINE,
                        "--nproc: cannot find this program's own file in /proc/self/exe; "
                        "use mpirun");
    }
    self[length] = '\0';
    snprintf(count, sizeof count, "%lld", (long long)processes);
    setenv("OMPI_MCA_hwloc_base_binding_policy", "none", 0);
    setenv("OMPI_MCA_rmaps_base_oversubscribe", "1", 0);
    if (geteuid() == 0) { /* csctrl runs as root already, as it does in many containers */
        setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
        setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
    }
    char *const front[] = {mpirun, flag, count, self};
    memcpy(command, front, sizeof front);
    memcpy(command + 4, argv + 1, words * sizeof *command); /* the NULL too */
    execvp(mpirun, command);
    const int error = errno;
    free(command);
    return cli_fail(CLI_USAGE,
                    "--nproc: cannot start mpirun (%s); install MPI (Debian: openmpi-bin)",
                    strerror(error));
}

/* What a new run would be refused for is said once, by this process, before there are many. */
static int expect_config(int64_t processes, const cli_args *args)
{
    csctrl_config *config = NULL;
    char *path = NULL;

    if (args->command != &cli_train)
        return CLI_OK;
    int code = cli_config_find(args->operands[0], &path);
    if (code == CLI_OK)
        code = cli_config_load(&config, path, args);
    if (code == CLI_OK && csctrl_config_int(config, "train.batch") % processes != 0)
        code = cli_fail(CLI_USAGE,
                        "--nproc %lld: expected a divisor of train.batch, which the processes "
                        "share equally, found %lld images",
                        (long long)processes, (long long)csctrl_config_int(config, "train.batch"));
    csctrl_config_destroy(&config);
    free(path);
    return code;
}

static bool told_otherwise(const cli_args *args)
{
    static const char key[] = "parallel.comm=";

    for (size_t i = 0; i < args->set_count; i++)
        if (strncmp(args->sets[i], key, sizeof key - 1) == 0 &&
            strcmp(args->sets[i] + sizeof key - 1, "none") == 0)
            return true;
    return false;
}

/* What the launcher says, before the user's own, which so counts more. The last two are for tcp. */
static void put_in_front(cli_args *args)
{
    static char rank[48], ranks[48];
    const int size = launched_size();

    snprintf(rank, sizeof rank, "parallel.rank=%d", cli_rank());
    snprintf(ranks, sizeof ranks, "parallel.ranks=%d", size > 0 ? size : 1);
    memmove(args->sets + CLI_LAUNCH_SETS, args->sets, args->set_count * sizeof *args->sets);
    args->sets[0] = "parallel.comm=mpi";
    args->sets[1] = rank;
    args->sets[2] = ranks;
    args->set_count += CLI_LAUNCH_SETS;
}

int cli_ranks_join(cli_args *args, char **argv)
{
    int64_t processes = 0;
    bool has = false;

    for (size_t i = 0; args->command->options[i].name != NULL; i++)
        has = has || strcmp(args->command->options[i].name, "nproc") == 0;
    if (!has)
        return CLI_OK;
    int code = cli_integer(args, "nproc", 1, 4096, &processes);
    if (code != CLI_OK)
        return code;
    if (launched_rank() < 0 && processes > 0 && told_otherwise(args))
        return cli_fail(CLI_USAGE, "--nproc: its processes train together; leave out --set "
                                   "parallel.comm=none");
    if (launched_rank() < 0) {
        if (processes > 0)
            code = expect_config(processes, args);
        return processes > 0 && code == CLI_OK ? launch(processes, argv) : code;
    }
    if (processes > 0 && launched_size() >= 0 && launched_size() != processes)
        return cli_fail(
            CLI_USAGE,
            "--nproc %lld: a launcher has started csctrl already, as one of %d; leave it "
            "out",
            (long long)processes, launched_size());
    if (told_otherwise(args))
        return CLI_OK;
    cli_mute(cli_rank() > 0); /* until the run begins */
    put_in_front(args);
    return CLI_OK;
}

int cli_ranks_expect(csctrl_trainer *trainer)
{
    const csctrl_config *config = csctrl_model_config(csctrl_trainer_model(trainer));
    const int size = launched_size();
    int ranks = 1;
    const int rank = csctrl_trainer_rank(trainer, &ranks);

    if (launched_rank() < 0 || meet(config) ||
        strcmp(csctrl_config_text(config, "parallel.comm"), "none") == 0 ||
        (rank == cli_rank() && (size < 0 || ranks == size)))
        return CLI_OK;
    return cli_fail(
        CLI_USAGE,
        "the launcher started process %d of %d, which to MPI is %d of %d: csctrl's MPI is "
        "not that of the launcher; with srun try --mpi=pmix or --mpi=pmi2 (srun --mpi=list "
        "shows what there is), else mpirun of the MPI that csctrl was built with",
        cli_rank(), size, rank, ranks);
}
