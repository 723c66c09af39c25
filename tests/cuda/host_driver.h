/* host_driver.h - what the parts of the host's CUDA share. */
#ifndef CT_TESTS_CUDA_HOST_DRIVER_H
#define CT_TESTS_CUDA_HOST_DRIVER_H

#include <functional>
#include <vector>

extern "C" {
#include "backend/cuda/cuda_driver.h"
}

#define FAIL(...) ct_cuda_library->fail(__VA_ARGS__)

typedef std::vector<std::function<void()>> work_list;
typedef std::vector<const void *> pointer_list;

struct copy_ahead {
    char *to;
    const char *from;
    std::vector<char> bytes; /* that were there when it was asked for */
};

struct ct_cuda_device {
    int number;
    bool recording, spoilt; /* spoilt: something was called that CUDA does not record */
    work_list work;         /* recorded so far */
    std::vector<copy_ahead> copies;
    pointer_list unfinished; /* of work that the host has not waited for */
};

/* Ends the program with a message: a mistake that CUDA need not notice. */
void die(const char *format, ...) CT_PRINTF(1, 2) __attribute__((noreturn));

/* E_STATE while work is recorded, which is then of no use. */
csctrl_status not_recorded(ct_cuda_device *device, const char *what);

/* E_IO unless the memory lies wholly in one block of the device. */
csctrl_status on_device(ct_cuda_device *device, const char *what, const void *memory, size_t bytes);

/* Do the work, or keep it while work is recorded. It can use the blocks that the pointers point
 * into. */
csctrl_status queue(ct_cuda_device *device, const pointer_list &pointers,
                    std::function<void()> work);

#endif
