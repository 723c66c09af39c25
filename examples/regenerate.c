/* regenerate RUN IN OUT - an image file through a trained autoencoder to a PNG: g(f(x)). */
#include <csctrl/csctrl.h>
#include <stdio.h>

int main(int argc, char **argv)
{
    csctrl_model *model = NULL;
    const int failed = argc != 4 || csctrl_model_load(&model, argv[1], NULL, 0, 1) ||
                       csctrl_model_reconstruct_file(model, argv[2], argv[3]);
    if (failed)
        fprintf(stderr, "%s\n", argc == 4 ? csctrl_last_error() : "usage: regenerate RUN IN OUT");
    csctrl_model_destroy(&model);
    return failed;
}
