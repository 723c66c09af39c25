/* absent_gpu_driver.c - in the place of NVIDIA's libcuda.so.1 where plans are made for a GPU that
 * is not there: no device, but cuDNN may load the kernels that it has compiled. With CSCTRL_KERNELS
 * they are written into that folder, for cuobjdump. */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>

enum { SUCCESS = 0, INVALID = 1, NO_DEVICE = 100 };

int cuInit(unsigned flags);
int cuDeviceGetCount(int *count);
int cuDriverGetVersion(int *version);
int cuGetErrorString(int error, const char **text);
int cuLibraryLoadData(void **library, const void *code);
int cuLibraryGetKernel(void **kernel, void *library, const char *name);
int cuLibraryUnload(void *library);

static int loaded; /* what handles point at */

int cuInit(unsigned flags)
{
    (void)flags;
    return NO_DEVICE;
}

int cuDeviceGetCount(int *count)
{
    *count = 1; /* otherwise cuDNN does not load what it has compiled */
    return SUCCESS;
}

int cuDriverGetVersion(int *version)
{
    *version = 13000;
    return SUCCESS;
}

int cuGetErrorString(int error, const char **text)
{
    *text = error == NO_DEVICE ? "there is no GPU" : "error";
    return SUCCESS;
}

static size_t size_of(const Elf64_Ehdr *elf)
{
    const size_t sections = elf->e_shoff + (size_t)elf->e_shnum * elf->e_shentsize;
    const size_t segments = elf->e_phoff + (size_t)elf->e_phnum * elf->e_phentsize;

    return sections > segments ? sections : segments;
}

static void write_kernel(const char *folder, const void *code)
{
    static int number;
    char path[1024];

    snprintf(path, sizeof path, "%s/%03d.cubin", folder, number++);
    FILE *file = fopen(path, "wb");
    if (file == NULL)
        return;
    fwrite(code, 1, size_of(code), file);
    fclose(file);
}

int cuLibraryLoadData(void **library, const void *code)
{
    const unsigned char *const elf = code;
    const char *const folder = getenv("CSCTRL_KERNELS");

    if (elf[0] != ELFMAG0 || elf[1] != ELFMAG1)
        return INVALID;
    if (folder != NULL)
        write_kernel(folder, code);
    *library = &loaded;
    return SUCCESS;
}

int cuLibraryGetKernel(void **kernel, void *library, const char *name)
{
    (void)library;
    (void)name;
    *kernel = &loaded;
    return SUCCESS;
}

int cuLibraryUnload(void *library)
{
    (void)library;
    return SUCCESS;
}

/* What cuDNN looks up and nothing uses that has no GPU. */
#define ABSENT(name)                                                                               \
    int name(void);                                                                                \
    int name(void)                                                                                 \
    {                                                                                              \
        return NO_DEVICE;                                                                          \
    }
ABSENT(cuCtxGetCurrent)
ABSENT(cuCtxGetLimit)
ABSENT(cuCtxPopCurrent)
ABSENT(cuCtxPushCurrent)
ABSENT(cuDeviceGet)
ABSENT(cuGetErrorName)
ABSENT(cuKernelGetAttribute)
ABSENT(cuKernelSetAttribute)
ABSENT(cuLaunchCooperativeKernel)
ABSENT(cuLaunchKernel)
ABSENT(cuLaunchKernelEx)
ABSENT(cuLibraryLoadFromFile)
ABSENT(cuLinkAddData)
ABSENT(cuLinkComplete)
ABSENT(cuLinkCreate)
ABSENT(cuLinkDestroy)
ABSENT(cuOccupancyMaxPotentialClusterSize)
ABSENT(cuStreamGetCtx)
