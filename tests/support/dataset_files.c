#include "support/dataset_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>
#include <cmocka.h>
#include <png.h>
#include <zlib.h>

#include "base/fs.h"
#include "support/encode.h"
#include "support/expect.h"
#include "support/temp.h"

static csctrl_config *make(const char *path, const char *first, va_list more)
{
    csctrl_config *config;

    expect_ok(csctrl_config_create(&config));
    if (path != NULL)
        expect_ok(csctrl_config_set(config, "data.path", path));
    for (const char *text = first; text != NULL; text = va_arg(more, const char *))
        expect_ok(csctrl_config_assign(config, text));
    return config;
}

csctrl_config *config_make(const char *first, ...)
{
    va_list more;

    va_start(more, first);
    csctrl_config *config = make(NULL, first, more);
    va_end(more);
    return config;
}

csctrl_config *config_at(void **state, const char *name, const char *first, ...)
{
    va_list more;

    va_start(more, first);
    csctrl_config *config = make(temp_path(state, name), first, more);
    va_end(more);
    return config;
}

void put_folder(void **state, const char *name)
{
    expect_ok(ct_fs_mkdirs(temp_path(state, name)));
}

const char *put_file(void **state, const char *name, const void *data, size_t size)
{
    char folder[512];
    const char *slash = strrchr(name, '/');

    if (slash != NULL) {
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - name), name);
        put_folder(state, folder);
    }
    return temp_file(state, name, data, size);
}

static uint8_t *make_png(int width, int height, int channels, size_t *size)
{
    return encode_png(width, height, channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, 8, 0,
                      size);
}

void put_png(void **state, const char *name, int width, int height, int channels)
{
    size_t size;
    uint8_t *data = make_png(width, height, channels, &size);

    put_file(state, name, data, size);
    free(data);
}

void put_jpeg(void **state, const char *name, int width, int height)
{
    size_t size;
    uint8_t *data = encode_jpeg(width, height, 3, 0, &size);

    put_file(state, name, data, size);
    free(data);
}

void put_idx(void **state, const char *name, int ndim, const uint32_t *shape, const uint8_t *values,
             size_t count, int cut)
{
    const size_t header = 4 + 4 * (size_t)ndim;
    const size_t whole = header + count, size = (size_t)((int64_t)whole - cut);
    uint8_t *data = calloc(1, size > whole ? size : whole);
    const size_t length = strlen(name);

    assert_non_null(data);
    data[2] = 8;
    data[3] = (uint8_t)ndim;
    for (int i = 0; i < ndim; i++)
        for (int b = 0; b < 4; b++)
            data[4 + 4 * i + b] = (uint8_t)(shape[i] >> (24 - 8 * b));
    memcpy(data + header, values, count);
    put_file(state, name, data, size);
    if (length > 3 && strcmp(name + length - 3, ".gz") == 0) {
        gzFile file = gzopen(temp_path(state, name), "wb");
        assert_non_null(file);
        assert_int_equal(gzwrite(file, data, (unsigned)size), (int)size);
        assert_int_equal(gzclose(file), Z_OK);
    }
    free(data);
}

uint8_t idx_pixel(int64_t image, int64_t pixel)
{
    return (uint8_t)(image * 31 + pixel * 7);
}

void put_idx_part(void **state, const char *folder, const char *part, const char *suffix, int count,
                  int side, int classes)
{
    const uint32_t shape[3] = {(uint32_t)count, (uint32_t)side, (uint32_t)side};
    const size_t plane = (size_t)(side * side);
    uint8_t *values = malloc((size_t)count * plane);
    char name[256];

    assert_non_null(values);
    for (size_t i = 0; i < (size_t)count * plane; i++)
        values[i] = idx_pixel((int64_t)(i / plane), (int64_t)(i % plane));
    snprintf(name, sizeof name, "%s/%s-images-idx3-ubyte%s", folder, part, suffix);
    put_idx(state, name, 3, shape, values, (size_t)count * plane, 0);
    for (int i = 0; i < count; i++)
        values[i] = (uint8_t)(i % classes);
    snprintf(name, sizeof name, "%s/%s-labels-idx1-ubyte%s", folder, part, suffix);
    put_idx(state, name, 1, shape, values, (size_t)count, 0);
    free(values);
}

uint8_t cifar_pixel(int64_t record, int channel, int64_t pixel)
{
    return (uint8_t)(record * 13 + channel * 50 + pixel * 3);
}

uint8_t *cifar_records(int first, int count, bool fine, size_t *size)
{
    const size_t record = 3072 + (fine ? 2 : 1);
    uint8_t *data = malloc((size_t)count * record), *at = data;

    assert_non_null(data);
    for (int r = first; r < first + count; r++) {
        *at++ = (uint8_t)(r % (fine ? 20 : 10));
        if (fine)
            *at++ = (uint8_t)(r % 100);
        for (int c = 0; c < 3; c++)
            for (int p = 0; p < 1024; p++)
                *at++ = cifar_pixel(r, c, p);
    }
    *size = (size_t)count * record;
    return data;
}

struct tar_file {
    struct archive *archive;
};

tar_file *tar_begin(void **state, const char *name)
{
    tar_file *tar = malloc(sizeof *tar);
    const size_t length = strlen(name);

    assert_non_null(tar);
    tar->archive = archive_write_new();
    assert_non_null(tar->archive);
    archive_write_set_format_ustar(tar->archive);
    if (length > 2 && strcmp(name + length - 2, "gz") == 0)
        archive_write_add_filter_gzip(tar->archive);
    assert_int_equal(archive_write_open_filename(tar->archive, temp_path(state, name)), ARCHIVE_OK);
    return tar;
}

static void add_entry(tar_file *tar, const char *name, unsigned type, const void *data, size_t size,
                      const char *target)
{
    struct archive_entry *entry = archive_entry_new();

    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (la_int64_t)size);
    if (target != NULL)
        archive_entry_set_symlink(entry, target);
    assert_int_equal(archive_write_header(tar->archive, entry), ARCHIVE_OK);
    if (size > 0)
        assert_int_equal(archive_write_data(tar->archive, data, size), (la_ssize_t)size);
    archive_entry_free(entry);
}

void tar_add(tar_file *tar, const char *name, const void *data, size_t size)
{
    add_entry(tar, name, AE_IFREG, data, size, NULL);
}

void tar_add_folder(tar_file *tar, const char *name)
{
    add_entry(tar, name, AE_IFDIR, NULL, 0, NULL);
}

void tar_add_link(tar_file *tar, const char *name, const char *target)
{
    add_entry(tar, name, AE_IFLNK, NULL, 0, target);
}

void tar_add_png(tar_file *tar, const char *name, int width, int height, int channels)
{
    size_t size;
    uint8_t *data = make_png(width, height, channels, &size);

    tar_add(tar, name, data, size);
    free(data);
}

void tar_end(tar_file *tar)
{
    assert_int_equal(archive_write_close(tar->archive), ARCHIVE_OK);
    archive_write_free(tar->archive);
    free(tar);
}

void broken_collect(void *user, const char *name, const char *reason)
{
    broken_list *list = user;

    if (list->count < 16) {
        snprintf(list->names[list->count], sizeof list->names[0], "%s", name);
        snprintf(list->reasons[list->count], sizeof list->reasons[0], "%s", reason);
    }
    list->count++;
}

void log_collect(void *user, csctrl_log_level level, const char *message)
{
    log_list *list = user;

    (void)level;
    if (list->count < 64)
        snprintf(list->messages[list->count], sizeof list->messages[0], "%s", message);
    list->count++;
}

int log_count(const log_list *list, const char *part)
{
    int found = 0;

    for (int i = 0; i < list->count && i < 64; i++)
        found += strstr(list->messages[i], part) != NULL;
    return found;
}

const char *real_data(const char *name)
{
    static char path[1024];
    const char *folder = getenv("CSCTRL_DATA");

    snprintf(path, sizeof path, "%s/%s", folder != NULL ? folder : SOURCE_DIR "/../shared/data",
             name);
    return ct_fs_exists(path) ? path : NULL;
}
