#define _GNU_SOURCE
#include "support/temp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/fs.h"

int temp_make(void **state)
{
    char *path = strdup("/tmp/csctrl-test-XXXXXX");

    if (path == NULL || mkdtemp(path) == NULL)
        return -1;
    *state = path;
    return 0;
}

int temp_remove(void **state)
{
    ct_fs_fail_writes_from(0);
    const csctrl_status status = ct_fs_remove_tree(*state);

    free(*state);
    return status == CSCTRL_OK ? 0 : -1;
}

const char *temp_path(void **state, const char *name)
{
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];

    snprintf(path, 512, "%s/%s", (const char *)*state, name);
    return path;
}

const char *temp_file(void **state, const char *name, const void *data, size_t size)
{
    const char *path = temp_path(state, name);
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return path;
}
