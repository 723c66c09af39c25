/* cli_files.c - output directories and files: made when missing, never written over unasked. */
#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { POINTER_MAX = 256 };

int cli_make_dirs(const char *path, bool parents_only)
{
    char *copy = cli_format("%s", path);
    int code = CLI_OK;

    if (copy == NULL)
        return cli_fail_memory();
    for (char *p = copy + 1; code == CLI_OK; p++) {
        const char c = *p;
        if (c == '/' || (c == '\0' && !parents_only)) {
            *p = '\0';
            if (mkdir(copy, 0777) != 0 && errno != EEXIST)
                code = cli_fail(CLI_USAGE, "cannot create directory %s: %s", copy, strerror(errno));
            *p = c;
        }
        if (c == '\0')
            break;
    }
    free(copy);
    return code;
}

size_t cli_existing_part(const char *path)
{
    char *copy = cli_format("%s", path);
    char *slash;

    while (copy != NULL && access(copy, F_OK) != 0 && (slash = strrchr(copy, '/')) != NULL)
        *slash = '\0';
    size_t length = copy == NULL ? strlen(path) : 0;
    if (copy != NULL && access(copy, F_OK) == 0)
        length = strlen(copy);
    free(copy);
    return length;
}

void cli_remove_made(const char *path, size_t existing)
{
    char *copy = cli_format("%s", path);

    while (copy != NULL && strlen(copy) > existing && (rmdir(copy) == 0 || errno == ENOENT)) {
        char *slash = strrchr(copy, '/');
        *(slash != NULL ? slash : copy) = '\0';
    }
    free(copy);
}

static int not_dots(const struct dirent *entry)
{
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static bool holds_anything(const char *dir)
{
    struct dirent **entries = NULL;
    const int n = scandir(dir, &entries, not_dots, NULL);

    for (int i = 0; i < n; i++)
        free(entries[i]);
    free(entries);
    return n > 0;
}

int cli_check_out_dir(const char *path, bool force)
{
    struct stat st;

    if (stat(path, &st) == 0) {
        if (!S_ISDIR(st.st_mode))
            return cli_fail(CLI_USAGE, "output %s is a file, a directory is needed", path);
        if (!force && holds_anything(path))
            return cli_fail(
                CLI_USAGE, "output directory %s is not empty; choose another or add --force", path);
    }
    const int code = cli_make_dirs(path, false);
    if (code == CLI_OK && access(path, W_OK) != 0)
        return cli_fail(CLI_USAGE, "cannot write to directory %s: %s", path, strerror(errno));
    return code;
}

int cli_check_out_file(const char *path, bool force)
{
    struct stat st;

    if (stat(path, &st) == 0) {
        if (S_ISDIR(st.st_mode))
            return cli_fail(CLI_USAGE, "output %s is a directory, a file name is needed", path);
        if (!force)
            return cli_fail(CLI_USAGE, "output %s exists; choose another name or add --force",
                            path);
    }
    return cli_make_dirs(path, true);
}

int cli_write_atomic(const char *path, const char *text, size_t size)
{
    struct stat st;
    /* A link or a device is written to, not replaced by a file. */
    const bool in_place = lstat(path, &st) == 0 && !S_ISREG(st.st_mode);
    char *fresh = cli_format(in_place ? "%s" : "%s.new", path);

    if (fresh == NULL)
        return cli_fail_memory();
    errno = 0;
    FILE *file = fopen(fresh, "wb");
    bool written = file != NULL && fwrite(text, 1, size, file) == size;
    int error = errno;
    if (file != NULL && fclose(file) != 0 && written) {
        error = errno;
        written = false;
    }
    if (written && !in_place && rename(fresh, path) != 0) {
        error = errno;
        written = false;
    }
    if (!written && !in_place && file != NULL)
        (void)unlink(fresh);
    free(fresh);
    return written ? CLI_OK : cli_fail(CLI_USAGE, "cannot write %s: %s", path, strerror(error));
}

char *cli_stem(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *stem = cli_format("%s", slash != NULL ? slash + 1 : path);

    if (stem != NULL) {
        char *dot = strrchr(stem, '.');
        if (dot != NULL && dot != stem)
            *dot = '\0';
    }
    return stem;
}

/* N of prefixN[suffix]; -1 when the name is not of that form. */
static int64_t number_of(const char *name, const char *prefix, const char *suffix)
{
    const size_t n = strlen(prefix);
    char *end = NULL;

    if (strncmp(name, prefix, n) != 0 || name[n] < '0' || name[n] > '9')
        return -1;
    const long long number = strtoll(name + n, &end, 10);
    return strcmp(end, suffix) == 0 ? number : -1;
}

char *cli_last_numbered(const char *dir, const char *prefix, const char *suffix, int64_t most,
                        int64_t *number)
{
    struct dirent **entries = NULL;
    const int n = scandir(dir, &entries, NULL, NULL);
    char *name = NULL;

    *number = -1;
    for (int i = 0; i < n; i++) {
        const int64_t found = number_of(entries[i]->d_name, prefix, suffix);
        if (found > *number && found <= most) {
            free(name);
            name = cli_format("%s", entries[i]->d_name);
            *number = found;
        }
        free(entries[i]);
    }
    free(entries);
    return name;
}

char *cli_pointer_target(const char *path)
{
    const char *slash = strrchr(path, '/');
    const int folder = slash != NULL ? (int)(slash - path) + 1 : 0;
    char name[POINTER_MAX + 1];
    struct stat st;
    FILE *file = NULL;
    size_t n = 0;

    if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= POINTER_MAX)
        file = fopen(path, "r");
    if (file != NULL) {
        n = fread(name, 1, POINTER_MAX, file);
        fclose(file);
    }
    name[n] = '\0';
    name[strcspn(name, "\n")] = '\0';
    return number_of(name, "step-", "") >= 0 ? cli_format("%.*s%s", folder, path, name) : NULL;
}

int cli_new_run_dir(const char *stem, char **path)
{
    char *prefix = cli_format("%s-", stem);
    int code = prefix != NULL ? cli_make_dirs("runs", false) : cli_fail_memory();
    /* Above the highest, so that a new run never takes the number of a deleted one. */
    int64_t last = -1;

    *path = NULL;
    if (code == CLI_OK)
        free(cli_last_numbered("runs", prefix, "", INT64_MAX, &last));
    for (int64_t n = last < 0 ? 1 : last + 1; code == CLI_OK && *path == NULL; n++) {
        char *next = cli_format("runs/%s%lld", prefix, (long long)n);
        if (next == NULL)
            code = cli_fail_memory();
        else if (mkdir(next, 0777) == 0)
            *path = next;
        else if (errno != EEXIST)
            code = cli_fail(CLI_USAGE, "cannot create directory %s: %s", next, strerror(errno));
        if (*path == NULL)
            free(next);
    }
    free(prefix);
    return code;
}
