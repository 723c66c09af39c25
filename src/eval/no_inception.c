/* no_inception.c - in the place of inception.c where the library is built without oneDNN. */
#include "base/error.h"
#include "csctrl/score.h"

static csctrl_status not_built(void)
{
    return ct_fail(CSCTRL_E_UNSUPPORTED, "Inception: this csctrl was built without oneDNN: build "
                                         "with CSCTRL_WITH_CPU=ON");
}

csctrl_status csctrl_inception_create(csctrl_inception **out, const char *path, int threads)
{
    (void)path;
    (void)threads;
    *out = NULL;
    return not_built();
}

void csctrl_inception_destroy(csctrl_inception **inception)
{
    (void)inception; /* none is ever made */
}

void csctrl_inception_get_info(const csctrl_inception *inception, csctrl_inception_info *info)
{
    (void)inception;
    *info = (csctrl_inception_info){.source = ""};
}

csctrl_status csctrl_inception_run(csctrl_inception *inception, const csctrl_tensor *input,
                                   csctrl_tensor *features, csctrl_tensor *logits)
{
    (void)inception;
    (void)input;
    (void)features;
    (void)logits;
    return not_built();
}
