/* replay.c - feed every file of the given directories to a fuzz target: the corpus as a test. */
#include <stdio.h>

#include "base/fs.h"
#include "base/mem.h"
#include "fuzz.h"

static int replay_file(const char *path)
{
    unsigned char *data;
    size_t size;

    if (ct_fs_read(path, 1 << 20, &data, &size) != CSCTRL_OK) {
        fprintf(stderr, "%s\n", csctrl_last_error());
        return -1;
    }
    /* A block of the exact size, so that a sanitizer sees reads behind the input. */
    unsigned char *exact = ct_realloc(data, size);
    if (exact == NULL) {
        ct_free(data);
        return -1;
    }
    printf("%s\n", path);
    fflush(stdout);
    (void)LLVMFuzzerTestOneInput(exact, size);
    ct_free(exact);
    return 0;
}

static int replay_dir(const char *dir, size_t *count)
{
    ct_name_list list;
    int result = 0;

    if (ct_fs_list(dir, &list) != CSCTRL_OK) {
        fprintf(stderr, "%s\n", csctrl_last_error());
        return -1;
    }
    for (size_t i = 0; i < list.count && result == 0; i++) {
        char *path = ct_path_join(dir, list.names[i]);
        result = path != NULL ? replay_file(path) : -1;
        ct_free(path);
    }
    *count += list.count;
    ct_fs_list_free(&list);
    return result;
}

int main(int argc, char **argv)
{
    size_t count = 0;

    for (int i = 1; i < argc; i++)
        if (replay_dir(argv[i], &count) != 0)
            return 1;
    if (count == 0) {
        fprintf(stderr, "expected a directory with inputs, found none\n");
        return 1;
    }
    printf("%zu inputs\n", count);
    return 0;
}
