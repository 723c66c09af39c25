/* temp.h - a directory of its own for a test, and files in it. */
#ifndef TESTS_TEMP_H
#define TESTS_TEMP_H

#include <stddef.h>

/* cmocka setup and teardown: *state is the path of a new empty directory, deleted afterwards. */
int temp_make(void **state);
int temp_remove(void **state);

/* "dir/name" in a buffer that the next four calls leave alone. */
const char *temp_path(void **state, const char *name);

/* Write a file of that content; returns temp_path(state, name). */
const char *temp_file(void **state, const char *name, const void *data, size_t size);

#endif
