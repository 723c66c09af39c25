/* system.c - versions and the machine, for `csctrl doctor` and a run's manifest. */
#define _GNU_SOURCE
#include <jansson.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <yaml.h>
#include <zlib.h>

#include "backend/backend.h"
#include "csctrl/system.h"
#include "data/tar.h"
#include "io/events.h"
#include "io/pixels.h"

const char *csctrl_version(void)
{
    return CSCTRL_VERSION;
}

/* "model name" of /proc/cpuinfo. */
static void report_cpu(csctrl_fact_fn fact, void *user)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "r");

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || colon == NULL)
            continue;
        line[strcspn(line, "\n")] = '\0';
        fact(user, "cpu", colon + 1 + strspn(colon + 1, " "));
        break;
    }
    if (file != NULL)
        fclose(file);
}

static void report_libraries(csctrl_fact_fn fact, void *user)
{
    fact(user, "zlib", zlibVersion());
    fact(user, "libyaml", yaml_get_version_string());
    fact(user, "jansson", JANSSON_VERSION);
    ct_images_report(fact, user);
    ct_tar_report(fact, user);
    ct_events_report(fact, user);
}

void csctrl_system_report(csctrl_fact_fn fact, void *user)
{
    char text[64];
    struct utsname os;
    cpu_set_t set;

    fact(user, "csctrl", CSCTRL_VERSION);
    if (uname(&os) == 0) {
        snprintf(text, sizeof text, "%.30s %.30s", os.sysname, os.machine);
        fact(user, "system", text);
    }
    report_cpu(fact, user);
    fact(user, "isa", ct_isa_name(ct_isa_best()));
    snprintf(text, sizeof text, "%d",
             sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1);
    fact(user, "threads", text);
    ct_backend_report(fact, user);
    report_libraries(fact, user);
}
