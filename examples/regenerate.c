/* regenerate RUN IMAGE OUT.png - an image through a trained autoencoder: z = f(x), x = g(z). */
#include <csctrl/csctrl.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    csctrl_model *model = NULL;
    if (argc != 4)
        return fputs("usage: regenerate RUN IMAGE OUT.png\n", stderr), 1;
    if (csctrl_model_load(&model, argv[1], NULL, 0, 1))
        return fprintf(stderr, "regenerate: %s\n", csctrl_last_error()), 1;
    csctrl_model_info m;
    csctrl_model_get_info(model, &m);
    float *pixels = calloc((size_t)m.channels * m.size * m.size, sizeof(float));
    float *code = calloc(m.features, sizeof(float));
    const int64_t shape[] = {1, m.channels, m.size, m.size}, features[] = {1, m.features};
    csctrl_tensor x = csctrl_tensor_view(CSCTRL_F32, 4, shape, pixels);
    csctrl_tensor image = csctrl_tensor_view(CSCTRL_F32, 3, shape + 1, pixels);
    csctrl_tensor z = csctrl_tensor_view(CSCTRL_F32, 2, features, code);
    const int failed = !pixels || !code || csctrl_image_read(argv[2], &image) ||
                       csctrl_model_encode(model, &x, &z) || csctrl_model_decode(model, &z, &x) ||
                       csctrl_image_write(argv[3], &image);
    if (failed)
        fprintf(stderr, "regenerate: %s\n", csctrl_last_error());
    free(pixels);
    free(code);
    csctrl_model_destroy(&model);
    return failed;
}
