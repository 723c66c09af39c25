/* host_driver.cpp - cuda_driver.h on the host, so that everything above it runs where there is no
 * device. Made to show mistakes rather than to be fast: device memory faults unless a kernel, a
 * copy or a product is at work that was given a pointer into the block; work areas and undefined
 * results are filled with NaN; threads of a block run in one order and then in the other. */
#include "host_driver.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <map>
#include <mutex>
#include <utility>

struct ct_cuda_graph {
    ct_cuda_device *device;
    work_list work;
};

void die(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    fputs("host_driver: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

/* ---- memory */

enum : size_t { REGION = (size_t)4 << 30, PAGE = 4096, ALIGN = 256 };

struct block {
    size_t pages, bytes; /* pages: bytes of whole pages; another, never accessible, follows */
    ct_cuda_device *device;
};

/* The device's view of the memory, and another of the same pages by which copies go without opening
 * them. */
static char *region, *copies;
static std::map<char *, block> blocks; /* by first page; the memory is at the end of the pages */
static std::mutex lock;                /* one thread of the host at a time */

static size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

static char *memory_of(const std::pair<char *const, block> &entry)
{
    return entry.first + entry.second.pages - round_up(entry.second.bytes, ALIGN);
}

static void protect(char *pages, size_t bytes, int access)
{
    if (mprotect(pages, bytes, access) != 0)
        die("mprotect failed on %zu bytes", bytes);
}

/* The block that the memory belongs to, or end(). */
static std::map<char *, block>::iterator block_of(ct_cuda_device *device, const void *memory)
{
    auto entry = blocks.upper_bound((char *)memory);

    if (entry == blocks.begin())
        return blocks.end();
    --entry;
    return entry->second.device == device &&
                   (const char *)memory <= entry->first + entry->second.pages
               ? entry
               : blocks.end();
}

/* Blocks of a device that can be used as long as this lives: those that the pointers point into. */
class device_open
{
  public:
    device_open(ct_cuda_device *device, const pointer_list &pointers) : hold(lock)
    {
        for (const void *pointer : pointers) {
            const auto entry = block_of(device, pointer);
            if (entry != blocks.end() && opened.insert({entry->first, entry->second.pages}).second)
                protect(entry->first, entry->second.pages, PROT_READ | PROT_WRITE);
        }
    }
    ~device_open()
    {
        for (const auto &entry : opened)
            protect(entry.first, entry.second, PROT_NONE);
    }
    device_open(const device_open &) = delete;

  private:
    std::lock_guard<std::mutex> hold;
    std::map<char *, size_t> opened;
};

csctrl_status not_recorded(ct_cuda_device *device, const char *what)
{
    if (!device->recording)
        return CSCTRL_OK;
    device->spoilt = true;
    return FAIL(CSCTRL_E_STATE, "%s is not allowed while work is recorded", what);
}

csctrl_status on_device(ct_cuda_device *device, const char *what, const void *memory, size_t bytes)
{
    const std::lock_guard<std::mutex> hold(lock);
    const auto entry = block_of(device, memory);

    if (entry != blocks.end()) {
        const char *const at = (const char *)memory, *const first = memory_of(*entry);
        if (at >= first && at <= first + entry->second.bytes &&
            bytes <= (size_t)(first + entry->second.bytes - at))
            return CSCTRL_OK;
    }
    return FAIL(CSCTRL_E_IO, "%s: %zu bytes at %p are not in one block of device \"cuda:%d\"", what,
                bytes, memory, device->number);
}

static csctrl_status on_host(const char *what, const void *memory, size_t bytes)
{
    const char *const at = (const char *)memory;

    if (at + bytes > region && at < region + REGION)
        return FAIL(CSCTRL_E_IO, "%s: %p is memory of a device, not of the host", what, memory);
    return CSCTRL_OK;
}

csctrl_status ct_cuda_alloc(ct_cuda_device *device, size_t bytes, void **memory)
{
    const std::lock_guard<std::mutex> hold(lock);

    *memory = NULL;
    CT_TRY(not_recorded(device, "allocation"));
    if (bytes == 0)
        bytes = 1;
    const size_t pages = bytes < REGION ? round_up(round_up(bytes, ALIGN), PAGE) : REGION;
    char *at = region;
    for (const auto &entry : blocks) {
        if ((size_t)(entry.first - at) >= pages + PAGE)
            break;
        at = entry.first + entry.second.pages + PAGE;
    }
    if ((size_t)(region + REGION - at) < pages + PAGE)
        return FAIL(CSCTRL_E_NOMEM, "no memory for %zu bytes on device \"cuda:%d\"", bytes,
                    device->number);
    *memory = memory_of(*blocks.insert({at, {pages, bytes, device}}).first);
    memset(copies + (at - region), 0, pages);
    return CSCTRL_OK;
}

void ct_cuda_release(ct_cuda_device *device, void *memory)
{
    const std::lock_guard<std::mutex> hold(lock);

    if (memory == NULL || not_recorded(device, "release of memory") != CSCTRL_OK)
        return;
    const auto entry = block_of(device, memory);
    if (entry != blocks.end() && memory_of(*entry) == memory) {
        madvise(entry->first, entry->second.pages, MADV_REMOVE);
        blocks.erase(entry);
        return;
    }
    die("release of %p, which is no block of device \"cuda:%d\"", memory, device->number);
}

/* Pinned memory of the host, each block by its address. */
static std::map<void *, size_t> pinned;

csctrl_status ct_cuda_pin(ct_cuda_device *device, void *host, size_t bytes)
{
    const std::lock_guard<std::mutex> hold(lock);

    CT_TRY(not_recorded(device, "pinning of memory"));
    if (!pinned.insert({host, bytes}).second)
        return FAIL(CSCTRL_E_IO, "%p is pinned already", host);
    return CSCTRL_OK;
}

void ct_cuda_unpin(ct_cuda_device *device, void *host)
{
    device->copies.clear(); /* CUDA's would be waited for */
    const std::lock_guard<std::mutex> hold(lock);

    if (pinned.erase(host) == 0)
        die("%p is not pinned", host);
}

csctrl_status ct_cuda_upload(ct_cuda_device *device, void *to, const void *from, size_t bytes)
{
    CT_TRY(not_recorded(device, "upload"));
    CT_TRY(on_device(device, "upload", to, bytes));
    CT_TRY(on_host("upload", from, bytes));
    device->unfinished.clear();
    if (bytes > 0)
        memcpy(copies + ((char *)to - region), from, bytes);
    return CSCTRL_OK;
}

/* Made as late as can be: before that there is NaN, and the host's memory may not change. Queued
 * work may not have been done yet. */
csctrl_status ct_cuda_copy_ahead(ct_cuda_device *device, void *to, const void *from, size_t bytes)
{
    const char *const first = (const char *)from;
    char *const at = copies + ((char *)to - region);

    CT_TRY(not_recorded(device, "copy ahead"));
    CT_TRY(on_device(device, "copy ahead", to, bytes));
    CT_TRY(on_host("copy ahead", from, bytes));
    for (const void *pointer : device->unfinished)
        if (pointer >= to && pointer < (char *)to + bytes)
            die("a copy ahead to what work uses that may not be done");
    memset(at, 0xff, bytes);
    device->copies.push_back({at, first, std::vector<char>(first, first + bytes)});
    return CSCTRL_OK;
}

csctrl_status ct_cuda_copy_wait(ct_cuda_device *device)
{
    CT_TRY(not_recorded(device, "waiting for copies"));
    for (const copy_ahead &copy : device->copies) {
        if (memcmp(copy.from, copy.bytes.data(), copy.bytes.size()) != 0)
            die("memory of the host changed while it was copied");
        memcpy(copy.to, copy.from, copy.bytes.size());
    }
    device->copies.clear();
    return CSCTRL_OK;
}

csctrl_status ct_cuda_download(ct_cuda_device *device, void *to, const void *from, size_t bytes)
{
    CT_TRY(not_recorded(device, "download"));
    CT_TRY(on_device(device, "download", from, bytes));
    CT_TRY(on_host("download", to, bytes));
    device->unfinished.clear();
    if (bytes > 0)
        memcpy(to, copies + ((const char *)from - region), bytes);
    return CSCTRL_OK;
}

/* ---- devices and recordings */

csctrl_status ct_cuda_device_open(ct_cuda_device **out, int number)
{
    enum { DEVICES = 2 };
    const std::lock_guard<std::mutex> hold(lock);

    *out = NULL;
    if (number < 0)
        number = (-1 - number) % DEVICES;
    if (number >= DEVICES)
        return FAIL(CSCTRL_E_UNSUPPORTED, "device \"cuda:%d\" does not exist: there are %d", number,
                    DEVICES);
    if (region == NULL) {
        const int file = memfd_create("csctrl device memory", MFD_CLOEXEC);
        if (file < 0 || ftruncate(file, (off_t)REGION) != 0)
            return FAIL(CSCTRL_E_NOMEM, "no file for the memory of devices");
        void *const pages = mmap(NULL, REGION, PROT_NONE, MAP_SHARED | MAP_NORESERVE, file, 0);
        void *const again =
            mmap(NULL, REGION, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, file, 0);
        close(file);
        if (pages == MAP_FAILED || again == MAP_FAILED)
            return FAIL(CSCTRL_E_NOMEM, "no address space for the memory of devices");
        region = (char *)pages;
        copies = (char *)again;
    }
    *out = new ct_cuda_device{number, false, false, {}, {}, {}};
    return CSCTRL_OK;
}

void ct_cuda_device_close(ct_cuda_device **device)
{
    const std::lock_guard<std::mutex> hold(lock);

    if (*device == NULL)
        return;
    for (const auto &entry : blocks)
        if (entry.second.device == *device)
            die("device \"cuda:%d\" is closed before its block of %zu bytes is released",
                (*device)->number, entry.second.bytes);
    delete *device;
    *device = NULL;
}

void *ct_cuda_stream(ct_cuda_device *device)
{
    return device;
}

csctrl_status ct_cuda_launched(int error, const char *what)
{
    return error == 0 ? CSCTRL_OK : FAIL(CSCTRL_E_IO, "%s: CUDA error %d", what, error);
}

csctrl_status queue(ct_cuda_device *device, const pointer_list &pointers,
                    std::function<void()> work)
{
    std::function<void()> step = [=]() {
        const device_open open(device, pointers);
        work();
    };

    device->unfinished.insert(device->unfinished.end(), pointers.begin(), pointers.end());
    if (device->recording)
        device->work.push_back(std::move(step));
    else
        step();
    return CSCTRL_OK;
}

csctrl_status ct_cuda_record(ct_cuda_device *device)
{
    CT_TRY(not_recorded(device, "another recording"));
    device->recording = true;
    device->spoilt = false;
    device->work.clear();
    return CSCTRL_OK;
}

csctrl_status ct_cuda_recorded(ct_cuda_device *device, ct_cuda_graph **graph)
{
    *graph = NULL;
    if (!device->recording)
        return FAIL(CSCTRL_E_STATE, "nothing is being recorded");
    device->recording = false;
    if (device->spoilt)
        return FAIL(CSCTRL_E_STATE, "a call that cannot be recorded has spoilt the recording");
    *graph = new ct_cuda_graph{device, std::move(device->work)};
    device->work.clear();
    return CSCTRL_OK;
}

csctrl_status ct_cuda_replay(ct_cuda_device *device, ct_cuda_graph *graph)
{
    CT_TRY(not_recorded(device, "replay"));
    if (graph->device != device)
        return FAIL(CSCTRL_E_IO, "replay on another device than that of the recording");
    for (const auto &work : graph->work)
        work();
    return CSCTRL_OK;
}

void ct_cuda_graph_free(ct_cuda_graph **graph)
{
    delete *graph;
    *graph = NULL;
}
