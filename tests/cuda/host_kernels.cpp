/* host_kernels.cpp - launches of kernels. */
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "host_cuda.h"
#include "host_driver.h"

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
    enum : size_t { PAGE = 4096 };
    void *const pages = mmap(NULL, PAGE + STACK, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (pages == MAP_FAILED || mprotect(pages, PAGE, PROT_NONE) != 0)
        die("no memory for the stack of a thread");
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
