/* cli_ranks.c - launchers tell a process its place by the environment. */
#define _POSIX_C_SOURCE 200809L
#include "cli_ranks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

bool cli_is_other(const csctrl_config *config)
{
    return cli_rank() > 0 && strcmp(csctrl_config_text(config, "parallel.comm"), "mpi") == 0;
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

static bool told_otherwise(const cli_args *args)
{
    static const char key[] = "parallel.comm=";

    for (size_t i = 0; i < args->set_count; i++)
        if (strncmp(args->sets[i], key, sizeof key - 1) == 0 &&
            strcmp(args->sets[i] + sizeof key - 1, "mpi") != 0)
            return true;
    return false;
}

int cli_ranks_join(cli_args *args, char **argv)
{
    int64_t processes = 0;
    bool has = false;

    for (size_t i = 0; args->command->options[i].name != NULL; i++)
        has = has || strcmp(args->command->options[i].name, "nproc") == 0;
    if (!has)
        return CLI_OK;
    const int code = cli_integer(args, "nproc", 1, 4096, &processes);
    if (code != CLI_OK)
        return code;
    if (launched_rank() < 0 && processes > 0 && told_otherwise(args))
        return cli_fail(CLI_USAGE, "--nproc: its processes train together by MPI; leave out --set "
                                   "parallel.comm");
    if (launched_rank() < 0)
        return processes > 0 ? launch(processes, argv) : CLI_OK;
    if (processes > 0 && launched_size() >= 0 && launched_size() != processes)
        return cli_fail(
            CLI_USAGE,
            "--nproc %lld: a launcher has started csctrl already, as one of %d; leave it "
            "out",
            (long long)processes, launched_size());
    cli_mute(cli_rank() > 0 && !told_otherwise(args)); /* until the run begins */
    memmove(args->sets + 1, args->sets, args->set_count * sizeof *args->sets);
    args->sets[0] = "parallel.comm=mpi"; /* first, so that the user's own comes later */
    args->set_count++;
    return CLI_OK;
}

int cli_ranks_expect(csctrl_trainer *trainer)
{
    const csctrl_config *config = csctrl_model_config(csctrl_trainer_model(trainer));
    const int size = launched_size();
    int ranks = 1;
    const int rank = csctrl_trainer_rank(trainer, &ranks);

    if (launched_rank() < 0 || strcmp(csctrl_config_text(config, "parallel.comm"), "mpi") != 0 ||
        (rank == cli_rank() && (size < 0 || ranks == size)))
        return CLI_OK;
    return cli_fail(
        CLI_USAGE,
        "the launcher started process %d of %d, which to MPI is %d of %d: csctrl's MPI is "
        "not that of the launcher; with srun try --mpi=pmix or --mpi=pmi2 (srun --mpi=list "
        "shows what there is), else mpirun of the MPI that csctrl was built with",
        cli_rank(), size, rank, ranks);
}
