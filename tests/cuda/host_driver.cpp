/* host_driver.cpp - cuda_driver.h on the host, so that everything above it runs where there is no
 * device. Made to show mistakes rather than to be fast: device memory faults unless a kernel, a
 * copy or a product is at work that was given a pointer into the block; work areas and undefined
 * results are filled with NaN; threads of a block run in one order and then in the other. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#include <limits>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "host_cuda.h"

extern "C" {
#include "backend/cuda/cuda_driver.h"
}

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#else
static void __sanitizer_start_switch_fiber(void **, const void *, size_t)
{
}
static void __sanitizer_finish_switch_fiber(void *, const void **, size_t *)
{
}
#endif

#define FAIL(...) ct_cuda_library->fail(__VA_ARGS__)

typedef std::vector<std::function<void()>> work_list;
typedef std::vector<const void *> pointer_list;

struct ct_cuda_device {
    int number;
    bool recording, spoilt; /* spoilt: something was called that CUDA does not record */
    work_list work;         /* recorded so far */
};

struct ct_cuda_conv {
    ct_geom geom;
    ct_cuda_type type;
};

struct ct_cuda_graph {
    ct_cuda_device *device;
    work_list work;
};

static void die(const char *format, ...) CT_PRINTF(1, 2) __attribute__((noreturn));
static void die(const char *format, ...)
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

enum : size_t { REGION = (size_t)4 << 30, PAGE = 4096, ALIGN = 256, WORKSPACE = 1000 };

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

/* As in CUDA, the recording is then of no use. */
static csctrl_status not_recorded(ct_cuda_device *device, const char *what)
{
    if (!device->recording)
        return CSCTRL_OK;
    device->spoilt = true;
    return FAIL(CSCTRL_E_STATE, "%s is not allowed while work is recorded", what);
}

/* E_IO unless the memory lies wholly in one block of the device. */
static csctrl_status on_device(ct_cuda_device *device, const char *what, const void *memory,
                               size_t bytes)
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

csctrl_status ct_cuda_upload(ct_cuda_device *device, void *to, const void *from, size_t bytes)
{
    CT_TRY(not_recorded(device, "upload"));
    CT_TRY(on_device(device, "upload", to, bytes));
    CT_TRY(on_host("upload", from, bytes));
    if (bytes > 0)
        memcpy(copies + ((char *)to - region), from, bytes);
    return CSCTRL_OK;
}

csctrl_status ct_cuda_download(ct_cuda_device *device, void *to, const void *from, size_t bytes)
{
    CT_TRY(not_recorded(device, "download"));
    CT_TRY(on_device(device, "download", from, bytes));
    CT_TRY(on_host("download", to, bytes));
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
    if (number < 0 || number >= DEVICES)
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
    *out = new ct_cuda_device{number, false, false, {}};
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

/* Work that uses the blocks that the pointers point into. */
static csctrl_status queue(ct_cuda_device *device, const pointer_list &pointers,
                           std::function<void()> work)
{
    std::function<void()> step = [=]() {
        const device_open open(device, pointers);
        work();
    };

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

/* ---- kernels. A fiber runs the threads of a block one after another until one waits at a barrier;
 * the next fiber goes on with the rest. So a kernel without barriers needs one fiber only. */

enum : size_t { MOST_THREADS = 1024, STACK = 64 << 10 };

/* The compiler's own setjmp and longjmp, which may go from stack to stack, take no system call and
 * are not watched by the address sanitizer. */
typedef void *jump_buffer[5];

struct fiber {
    char *stack;
    jump_buffer at;
    dim3 thread; /* that waits at a barrier */
    void *fake_stack;
};

dim3 threadIdx, blockIdx, blockDim, gridDim;

static fiber fibers[MOST_THREADS];
static fiber *running;        /* NULL: the host */
static jump_buffer scheduler; /* of the host's stack */
static const void *scheduler_stack;
static size_t scheduler_size;

static const std::function<void()> *thread_body; /* of the present launch */
static unsigned threads, started, ended;         /* of the present block */
static bool backwards;                           /* the order in which threads take turns */

#define NOT_WATCHED __attribute__((noinline, no_sanitize("address")))

/* noreturn: lest the frame to come back to is left by a tail call. */
NOT_WATCHED __attribute__((noreturn)) static void jump(jump_buffer to)
{
    __builtin_longjmp(to, 1);
}

NOT_WATCHED static void switch_between(jump_buffer from, jump_buffer to)
{
    if (__builtin_setjmp(from) == 0)
        jump(to);
}

/* What is static may change meanwhile, which the compiler must not see through. */
static void (*volatile const switch_stacks)(jump_buffer from, jump_buffer to) = switch_between;

static void to_scheduler(fiber *self)
{
    __sanitizer_start_switch_fiber(&self->fake_stack, scheduler_stack, scheduler_size);
    switch_stacks(self->at, scheduler);
    __sanitizer_finish_switch_fiber(self->fake_stack, &scheduler_stack, &scheduler_size);
}

static void fiber_main()
{
    fiber *const self = running;

    __sanitizer_finish_switch_fiber(NULL, &scheduler_stack, &scheduler_size);
    for (;;) {
        while (started < threads) {
            const unsigned turn = started++;
            const unsigned i = backwards ? threads - 1 - turn : turn;
            threadIdx =
                dim3(i % blockDim.x, i / blockDim.x % blockDim.y, i / blockDim.x / blockDim.y);
            (*thread_body)();
            ended++;
        }
        to_scheduler(self);
    }
}

/* Below it, a page that cannot be written. */
static char *new_stack()
{
    void *const pages = mmap(NULL, PAGE + STACK, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (pages == MAP_FAILED)
        die("no memory for the stack of a thread");
    protect((char *)pages, PAGE, PROT_NONE);
    return (char *)pages + PAGE;
}

/* setcontext makes a system call, so it serves for the first time only. */
NOT_WATCHED __attribute__((noreturn)) static void begin(const fiber *f)
{
    ucontext_t context;

    getcontext(&context);
    context.uc_stack.ss_sp = f->stack;
    context.uc_stack.ss_size = STACK;
    context.uc_link = NULL;
    makecontext(&context, fiber_main, 0);
    setcontext(&context);
    die("setcontext failed");
}

NOT_WATCHED static void begin_from_scheduler(const fiber *f)
{
    if (__builtin_setjmp(scheduler) == 0)
        begin(f);
}

/* Until the fiber waits at a barrier or has nothing left to do. */
static void resume(fiber *f)
{
    const bool fresh = f->stack == NULL;
    void *fake_stack;

    if (fresh)
        f->stack = new_stack();
    running = f;
    threadIdx = f->thread;
    __sanitizer_start_switch_fiber(&fake_stack, f->stack, STACK);
    if (fresh)
        begin_from_scheduler(f);
    else
        switch_stacks(scheduler, f->at);
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
    running = NULL;
}

void __syncthreads()
{
    fiber *const self = running;

    if (self == NULL)
        die("__syncthreads outside a kernel");
    self->thread = threadIdx;
    to_scheduler(self);
}

static void run_block()
{
    unsigned used = 0; /* all of them wait, but for the last at first */

    started = ended = 0;
    while (started < threads)
        resume(&fibers[used++]);
    while (ended < threads) {
        if (ended > 0)
            die("divergent barrier: of %u threads of block (%u, %u, %u) %u ended, the others wait "
                "in __syncthreads",
                threads, blockIdx.x, blockIdx.y, blockIdx.z, ended);
        backwards = !backwards;
        for (unsigned i = 0; i < used; i++)
            resume(&fibers[backwards ? used - 1 - i : i]);
    }
    backwards = !backwards;
}

static void run_grid(dim3 grid, dim3 block, const std::function<void()> &thread)
{
    gridDim = grid;
    blockDim = block;
    thread_body = &thread;
    threads = block.x * block.y * block.z;
    for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++)
                run_block();
}

/* CUDA's cudaErrorInvalidConfiguration and cudaErrorInvalidResourceHandle. */
enum { BAD_CONFIGURATION = 9, BAD_HANDLE = 400 };

static thread_local int launch_error;

void ct_host_launch(dim3 grid, dim3 block, void *stream, const ct_host_kernel &kernel)
{
    const uint64_t count = (uint64_t)block.x * block.y;

    if (stream == NULL)
        launch_error = BAD_HANDLE;
    else if (grid.x == 0 || grid.y == 0 || grid.z == 0 || grid.x > INT32_MAX || grid.y > 65535 ||
             grid.z > 65535 || count == 0 || block.z == 0 || count > MOST_THREADS || block.z > 64 ||
             count * block.z > MOST_THREADS)
        launch_error = BAD_CONFIGURATION;
    else
        queue((ct_cuda_device *)stream, kernel.pointers,
              [grid, block, kernel]() { run_grid(grid, block, kernel.thread); });
}

int ct_host_launched()
{
    const int error = launch_error;

    launch_error = 0;
    return error;
}

/* ---- convolutions */

static float to_tf32(float x)
{
    uint32_t bits;

    if (!isfinite(x))
        return x;
    memcpy(&bits, &x, sizeof bits);
    bits = (bits + 0x1000) & ~(uint32_t)0x1fff; /* ties away from zero, as cvt.rna */
    memcpy(&x, &bits, sizeof x);
    return x;
}

static std::vector<float> decode(ct_cuda_type type, const void *from, size_t count)
{
    std::vector<float> to(count);

    for (size_t i = 0; i < count; i++)
        to[i] = type == CT_CUDA_BF16   ? __bfloat162float(((const __nv_bfloat16 *)from)[i])
                : type == CT_CUDA_TF32 ? to_tf32(((const float *)from)[i])
                                       : ((const float *)from)[i];
    return to;
}

static void encode(ct_cuda_type type, const std::vector<double> &from, void *to)
{
    for (size_t i = 0; i < from.size(); i++)
        if (type == CT_CUDA_BF16)
            ((__nv_bfloat16 *)to)[i] = __float2bfloat16((float)from[i]);
        else
            ((float *)to)[i] = (float)from[i];
}

static size_t img_count(const ct_geom &g)
{
    return (size_t)g.n * g.h * g.w * g.c;
}

static size_t code_count(const ct_geom &g)
{
    return (size_t)g.n * g.oh * g.ow * g.atoms;
}

static size_t weight_count(const ct_geom &g)
{
    return (size_t)g.atoms * g.kernel * g.kernel * g.c;
}

/* visit(first atom of a code, first channel of the pixel, tap) where the tap meets a pixel. */
template <typename Visit> static void each_tap(const ct_geom &g, Visit visit)
{
    for (int n = 0; n < g.n; n++)
        for (int oy = 0; oy < g.oh; oy++)
            for (int ox = 0; ox < g.ow; ox++)
                for (int tap = 0; tap < g.kernel * g.kernel; tap++) {
                    const int y = oy * g.stride + tap / g.kernel - g.pad;
                    const int x = ox * g.stride + tap % g.kernel - g.pad;
                    if (y >= 0 && y < g.h && x >= 0 && x < g.w)
                        visit((((size_t)n * g.oh + oy) * g.ow + ox) * g.atoms,
                              (((size_t)n * g.h + y) * g.w + x) * g.c, (size_t)tap);
                }
}

/* [atoms, taps, c] <-> [taps, c, atoms] */
template <typename T>
static std::vector<T> atoms_last(const ct_geom &g, const std::vector<T> &P, bool back)
{
    const size_t atoms = (size_t)g.atoms, rest = P.size() / atoms;
    std::vector<T> out(P.size());

    for (size_t a = 0; a < atoms; a++)
        for (size_t i = 0; i < rest; i++)
            if (back)
                out[a * rest + i] = P[i * atoms + a];
            else
                out[i * atoms + a] = P[a * rest + i];
    return out;
}

/* to[i] += factor * x[i] */
static inline void add(size_t n, float factor, const float *__restrict__ x, double *__restrict__ to)
{
    for (size_t i = 0; i < n; i++)
        to[i] += (double)factor * (double)x[i];
}

static std::vector<double> analysis(const ct_geom &g, const std::vector<float> &img,
                                    const std::vector<float> &weights)
{
    const size_t c = (size_t)g.c, atoms = (size_t)g.atoms;
    const std::vector<float> P = atoms_last(g, weights, false);
    std::vector<double> code(code_count(g));

    each_tap(g, [&](size_t at, size_t pixel, size_t tap) {
        for (size_t i = 0; i < c; i++)
            add(atoms, img[pixel + i], &P[(tap * c + i) * atoms], &code[at]);
    });
    return code;
}

static std::vector<double> synthesis(const ct_geom &g, const std::vector<float> &code,
                                     const std::vector<float> &P)
{
    const size_t c = (size_t)g.c, taps = (size_t)g.kernel * g.kernel;
    std::vector<double> img(img_count(g));

    each_tap(g, [&](size_t at, size_t pixel, size_t tap) {
        for (size_t a = 0; a < (size_t)g.atoms; a++)
            add(c, code[at + a], &P[(a * taps + tap) * c], &img[pixel]);
    });
    return img;
}

static std::vector<double> dict_grad(const ct_geom &g, const std::vector<float> &img,
                                     const std::vector<float> &code)
{
    const size_t c = (size_t)g.c, atoms = (size_t)g.atoms;
    std::vector<double> dP(weight_count(g));

    each_tap(g, [&](size_t at, size_t pixel, size_t tap) {
        for (size_t i = 0; i < c; i++)
            add(atoms, img[pixel + i], &code[at], &dP[(tap * c + i) * atoms]);
    });
    return atoms_last(g, dP, true);
}

/* Every byte is used: NaN of every type, first and last, spoils whatever shares the memory. */
static void use(void *workspace)
{
    memset(workspace, 0xff, WORKSPACE);
}

typedef std::vector<double> product(const ct_geom &g, const std::vector<float> &a,
                                    const std::vector<float> &b);

/* out <- f(a, b) of so many elements each */
static csctrl_status multiply(ct_cuda_device *device, const ct_cuda_conv *conv, product *f,
                              const void *a, size_t a_count, const void *b, size_t b_count,
                              void *out, size_t out_count, void *workspace)
{
    const ct_geom geom = conv->geom;
    const ct_cuda_type type = conv->type;
    const size_t size = ct_cuda_type_size(type);

    CT_TRY(on_device(device, "first operand of a product", a, a_count * size));
    CT_TRY(on_device(device, "second operand of a product", b, b_count * size));
    CT_TRY(on_device(device, "result of a product", out, out_count * size));
    CT_TRY(on_device(device, "workspace of a product", workspace, WORKSPACE));
    return queue(device, {a, b, out, workspace}, [=]() {
        use(workspace);
        encode(type, f(geom, decode(type, a, a_count), decode(type, b, b_count)), out);
        use(workspace);
    });
}

csctrl_status ct_cuda_conv_open(ct_cuda_device *device, const ct_geom *geom, ct_cuda_type type,
                                ct_cuda_conv **out, size_t *workspace)
{
    const ct_geom g = *geom;

    *out = NULL;
    CT_TRY(not_recorded(device, "conv_open"));
    if (g.n < 1 || g.c < 1 || g.atoms < 1 || g.kernel < 1 || g.stride < 1 || g.pad < 0 ||
        g.oh != (g.h + 2 * g.pad - g.kernel) / g.stride + 1 ||
        g.ow != (g.w + 2 * g.pad - g.kernel) / g.stride + 1)
        return FAIL(CSCTRL_E_IO, "not the geometry of a convolution");
    *out = new ct_cuda_conv{g, type};
    *workspace = WORKSPACE;
    return CSCTRL_OK;
}

void ct_cuda_conv_close(ct_cuda_device *, ct_cuda_conv **conv)
{
    delete *conv;
    *conv = NULL;
}

csctrl_status ct_cuda_conv_analysis(ct_cuda_device *device, const ct_cuda_conv *conv,
                                    const void *img, const void *P, void *code, void *workspace)
{
    const ct_geom &g = conv->geom;

    return multiply(device, conv, analysis, img, img_count(g), P, weight_count(g), code,
                    code_count(g), workspace);
}

csctrl_status ct_cuda_conv_synthesis(ct_cuda_device *device, const ct_cuda_conv *conv,
                                     const void *code, const void *P, void *img, void *workspace)
{
    const ct_geom &g = conv->geom;

    return multiply(device, conv, synthesis, code, code_count(g), P, weight_count(g), img,
                    img_count(g), workspace);
}

csctrl_status ct_cuda_conv_dict_grad(ct_cuda_device *device, const ct_cuda_conv *conv,
                                     const void *img, const void *code, void *dP, void *workspace)
{
    const ct_geom &g = conv->geom;

    return multiply(device, conv, dict_grad, img, img_count(g), code, code_count(g), dP,
                    weight_count(g), workspace);
}

/* ---- matrices, column-major: element (i, j) at i + j s */

static size_t matrices(int s, int count)
{
    return (size_t)count * (size_t)s * (size_t)s * sizeof(double);
}

static void point(double **pointers, double *first, size_t s, int count)
{
    for (int m = 0; m < count; m++)
        pointers[m] = first + (size_t)m * s * s;
}

/* 0, or the order of the leading minor that is not positive. */
static int factor(double *G, size_t s)
{
    for (size_t j = 0; j < s; j++) {
        double pivot = G[j + j * s];
        for (size_t k = 0; k < j; k++)
            pivot -= G[j + k * s] * G[j + k * s];
        if (!(pivot > 0))
            return (int)j + 1;
        G[j + j * s] = sqrt(pivot);
        for (size_t i = j + 1; i < s; i++) {
            double sum = G[i + j * s];
            for (size_t k = 0; k < j; k++)
                sum -= G[i + k * s] * G[j + k * s];
            G[i + j * s] = (sum / G[j + j * s]);
        }
    }
    return 0;
}

csctrl_status ct_cuda_cholesky(ct_cuda_device *device, double *G, int s, int count,
                               double **pointers, int *info)
{
    const size_t n = (size_t)s;

    CT_TRY(on_device(device, "cholesky", G, matrices(s, count)));
    CT_TRY(on_device(device, "pointers of cholesky", pointers, (size_t)count * sizeof *pointers));
    CT_TRY(on_device(device, "info of cholesky", info, (size_t)count * sizeof *info));
    return queue(device, {G, pointers, info}, [=]() {
        point(pointers, G, n, count);
        for (int m = 0; m < count; m++) {
            info[m] = factor(pointers[m], n);
            /* Nobody may read the upper triangle. */
            for (size_t j = 0; j < n; j++)
                for (size_t i = 0; i < j; i++)
                    pointers[m][i + j * n] = std::numeric_limits<double>::quiet_NaN();
        }
    });
}

csctrl_status ct_cuda_solve_lower(ct_cuda_device *device, const double *L, double *X, int s,
                                  int count, double **pointers)
{
    const size_t n = (size_t)s;

    CT_TRY(on_device(device, "solve_lower", L, matrices(s, count)));
    CT_TRY(on_device(device, "result of solve_lower", X, matrices(s, count)));
    CT_TRY(on_device(device, "pointers of solve_lower", pointers,
                     2 * (size_t)count * sizeof *pointers));
    return queue(device, {L, X, pointers}, [=]() {
        double **const to = pointers + count;
        point(pointers, (double *)L, n, count);
        point(to, X, n, count);
        for (int m = 0; m < count; m++) {
            const double *const l = pointers[m];
            for (size_t j = 0; j < n; j++) {
                double *const x = to[m] + j * n;
                for (size_t i = 0; i < n; i++) {
                    double sum = x[i];
                    for (size_t k = 0; k < i; k++)
                        sum -= l[i + k * n] * x[k];
                    x[i] = (sum / l[i + i * n]);
                }
            }
        }
    });
}

csctrl_status ct_cuda_gram(ct_cuda_device *device, const double *X, double *C, int s, int count)
{
    const size_t n = (size_t)s;

    CT_TRY(on_device(device, "gram", X, matrices(s, count)));
    CT_TRY(on_device(device, "result of gram", C, matrices(s, count)));
    return queue(device, {X, C}, [=]() {
        for (size_t m = 0; m < (size_t)count; m++)
            for (size_t j = 0; j < n; j++)
                for (size_t i = 0; i < n; i++) {
                    const double *const x = X + (m * n + i) * n, *const y = X + (m * n + j) * n;
                    double sum = 0;
                    for (size_t k = 0; k < n; k++)
                        sum += x[k] * y[k];
                    C[(m * n + j) * n + i] = sum;
                }
    });
}
