/* test_base_fs.c - whole-file reads, atomic writes (also on a full disk), directories. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "base/fs.h"
#include "base/mem.h"
#include "support/expect.h"
#include "support/temp.h"

static void assert_holds(const char *path, const char *text)
{
    unsigned char *data;
    size_t size;

    expect_ok(ct_fs_read(path, 1000, &data, &size));
    assert_int_equal(size, strlen(text));
    assert_string_equal((char *)data, text); /* the terminating zero too */
    ct_free(data);
}

static size_t entries(const char *dir)
{
    ct_name_list list;

    expect_ok(ct_fs_list(dir, &list));
    const size_t count = list.count;
    ct_fs_list_free(&list);
    return count;
}

static void test_path_join(void **state)
{
    const char *const cases[][3] = {{"a", "b", "a/b"}, {"a/", "b", "a/b"}, {"/", "b", "/b"}};

    (void)state;
    for (int i = 0; i < 3; i++) {
        char *path = ct_path_join(cases[i][0], cases[i][1]);
        assert_string_equal(path, cases[i][2]);
        ct_free(path);
    }
}

static void test_write_and_read(void **state)
{
    const char *path = temp_path(state, "file");
    int64_t bytes = 0;

    assert_false(ct_fs_exists(path));
    expect_ok(ct_fs_write_atomic(path, "hello", 5));
    assert_true(ct_fs_exists(path));
    assert_false(ct_fs_is_dir(path));
    expect_ok(ct_fs_size(path, &bytes));
    assert_int_equal(bytes, 5);
    assert_holds(path, "hello");
    expect_ok(ct_fs_write_atomic(path, "", 0));
    assert_holds(path, "");
}

static void test_mode_follows_the_umask(void **state)
{
    static const mode_t masks[] = {0022, 0077, 0002};
    const char *path = temp_path(state, "file");
    const mode_t before = umask(0);

    for (int i = 0; i < 3; i++) {
        struct stat info;
        umask(masks[i]);
        const csctrl_status status = ct_fs_write_atomic(path, "x", 1);
        umask(before);
        expect_ok(status);
        assert_int_equal(stat(path, &info), 0);
        assert_int_equal(info.st_mode & 0777, 0666 & ~masks[i]);
    }
    umask(before);
    assert_int_equal(entries(*state), 1);
}

static void test_read_errors(void **state)
{
    unsigned char *data;
    size_t size;
    int64_t bytes;
    const char *path = temp_file(state, "file", "12345", 5);

    expect_fail(ct_fs_read(temp_path(state, "none"), 10, &data, &size), CSCTRL_E_NOT_FOUND, "none");
    expect_fail(ct_fs_size(temp_path(state, "none"), &bytes), CSCTRL_E_NOT_FOUND, "none");
    assert_null(data);
    expect_fail(ct_fs_read(path, 4, &data, &size), CSCTRL_E_FORMAT, "larger than the 4 bytes");
    assert_null(data);
    expect_ok(ct_fs_read(path, 5, &data, &size));
    ct_free(data);
    expect_fail(ct_fs_read(*state, 10, &data, &size), CSCTRL_E_IO, "directory");
}

static void test_read_of_unknown_size(void **state)
{
    unsigned char *data;
    size_t size;

    (void)state;
    expect_ok(ct_fs_read("/proc/self/status", 1 << 20, &data, &size)); /* st_size is 0 */
    assert_true(size > 0);
    assert_int_equal(strlen((char *)data), size);
    ct_free(data);
    expect_fail(ct_fs_read("/dev/zero", 1 << 20, &data, &size), CSCTRL_E_FORMAT, "larger");
}

static void test_failed_write_keeps_the_old_file(void **state)
{
    const char *path = temp_file(state, "file", "old", 3);

    ct_fs_fail_writes_from(1);
    const csctrl_status status = ct_fs_write_atomic(path, "new", 3);
    ct_fs_fail_writes_from(0);
    expect_fail(status, CSCTRL_E_IO, "No space left");
    assert_holds(path, "old");
    assert_int_equal(entries(*state), 1);
}

static void test_failure_switch_counts(void **state)
{
    ct_fs_fail_writes_from(2);
    const csctrl_status first = ct_fs_write_atomic(temp_path(state, "a"), "1", 1);
    const csctrl_status second = ct_fs_write_atomic(temp_path(state, "b"), "2", 1);
    const csctrl_status third = ct_fs_write_atomic(temp_path(state, "c"), "3", 1);
    ct_fs_fail_writes_from(0);
    assert_int_equal(first, CSCTRL_OK);
    assert_int_equal(second, CSCTRL_E_IO);
    assert_int_equal(third, CSCTRL_E_IO);
    assert_int_equal(entries(*state), 1);
}

static void test_write_where_nothing_can_be(void **state)
{
    expect_fail(ct_fs_write_atomic(temp_path(state, "no/such/dir"), "x", 1), CSCTRL_E_NOT_FOUND,
                "no/such/dir");
    expect_ok(ct_fs_mkdir(temp_path(state, "dir")));
    expect_fail(ct_fs_write_atomic(temp_path(state, "dir"), "x", 1), CSCTRL_E_IO, "rename");
    assert_int_equal(entries(*state), 1);
}

static void test_directories(void **state)
{
    expect_ok(ct_fs_mkdirs(temp_path(state, "a/b/c")));
    assert_true(ct_fs_is_dir(temp_path(state, "a/b/c")));
    expect_ok(ct_fs_mkdirs(temp_path(state, "a/b/c"))); /* again is fine */
    temp_file(state, "a/file", "x", 1);
    expect_fail(ct_fs_mkdir(temp_path(state, "a/file")), CSCTRL_E_IO, "in the way");
    assert_int_not_equal(ct_fs_mkdirs(temp_path(state, "a/file/d")), CSCTRL_OK);
    expect_ok(ct_fs_sync_dir(temp_path(state, "a")));
    expect_fail(ct_fs_sync_dir(temp_path(state, "none")), CSCTRL_E_NOT_FOUND, "none");
    expect_ok(ct_fs_remove_tree(temp_path(state, "a")));
    assert_false(ct_fs_exists(temp_path(state, "a")));
    expect_ok(ct_fs_remove_tree(temp_path(state, "a"))); /* nothing there is fine */
}

static void test_list_is_sorted(void **state)
{
    const char *const names[] = {"b", "a", "c", ".hidden", "B"};
    const char *const sorted[] = {".hidden", "B", "a", "b", "c"};
    ct_name_list list;

    for (int i = 0; i < 5; i++)
        temp_file(state, names[i], "", 0);
    expect_ok(ct_fs_list(*state, &list));
    assert_int_equal(list.count, 5);
    for (int i = 0; i < 5; i++)
        assert_string_equal(list.names[i], sorted[i]);
    ct_fs_list_free(&list);
    expect_fail(ct_fs_list(temp_path(state, "none"), &list), CSCTRL_E_NOT_FOUND, "none");
    assert_int_equal(list.count, 0);
}

static void test_out_of_memory(void **state)
{
    const char *path = temp_file(state, "file", "old", 3);
    const csctrl_memory_stats zero = {0};
    csctrl_memory_stats before = zero, after = zero;

    csctrl_memory_get_stats(&before);
    for (uint64_t n = 1; n <= 8; n++) {
        ct_name_list list;
        unsigned char *data;
        size_t size;
        ct_mem_fail_from(n);
        const csctrl_status listed = ct_fs_list(*state, &list);
        ct_mem_fail_from(n);
        const csctrl_status was_read = ct_fs_read(path, 10, &data, &size);
        ct_mem_fail_from(n);
        const csctrl_status written = ct_fs_write_atomic(path, "old", 3);
        ct_mem_fail_from(0);
        assert_true(listed == CSCTRL_OK || listed == CSCTRL_E_NOMEM);
        assert_true(n > 1 || (listed == CSCTRL_E_NOMEM && was_read == CSCTRL_E_NOMEM &&
                              written == CSCTRL_E_NOMEM));
        if (listed == CSCTRL_OK)
            ct_fs_list_free(&list);
        if (was_read == CSCTRL_OK)
            ct_free(data);
    }
    csctrl_memory_get_stats(&after);
    assert_int_equal(after.bytes, before.bytes);
    assert_holds(path, "old");
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, temp_make, temp_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path_join),
        CASE(test_write_and_read),
        CASE(test_mode_follows_the_umask),
        CASE(test_read_errors),
        cmocka_unit_test(test_read_of_unknown_size),
        CASE(test_failed_write_keeps_the_old_file),
        CASE(test_failure_switch_counts),
        CASE(test_write_where_nothing_can_be),
        CASE(test_directories),
        CASE(test_list_is_sorted),
        CASE(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
