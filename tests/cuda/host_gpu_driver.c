/* host_gpu_driver.c - in the place of NVIDIA's libcuda.so.1: there is one GPU. For what device auto
 * chooses. */
int cuInit(unsigned flags);
int cuDeviceGetCount(int *count);

int cuInit(unsigned flags)
{
    return flags == 0 ? 0 : 1;
}

int cuDeviceGetCount(int *count)
{
    *count = 1;
    return 0;
}
