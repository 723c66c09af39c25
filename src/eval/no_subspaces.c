/* no_subspaces.c - in the place of subspaces.c where the library is built without LAPACK. */
#include "base/error.h"
#include "csctrl/eval.h"

static csctrl_status not_built(void)
{
    return ct_fail(CSCTRL_E_UNSUPPORTED, "principal components: this csctrl was built without "
                                         "LAPACK: build with CSCTRL_WITH_LAPACK=ON");
}

csctrl_status csctrl_subspaces_fit(csctrl_subspaces **out, const csctrl_tensor *z,
                                   const int64_t *labels, int classes, int components)
{
    (void)z;
    (void)labels;
    (void)classes;
    (void)components;
    *out = NULL;
    return not_built();
}

void csctrl_subspaces_destroy(csctrl_subspaces **subspaces)
{
    (void)subspaces; /* none is ever made */
}

csctrl_status csctrl_subspaces_classify(const csctrl_subspaces *subspaces, const csctrl_tensor *z,
                                        int64_t *labels)
{
    (void)subspaces;
    (void)z;
    (void)labels;
    return not_built();
}

csctrl_status csctrl_subspaces_sample(const csctrl_subspaces *subspaces, int class_label,
                                      uint64_t seed, csctrl_tensor *z)
{
    (void)subspaces;
    (void)class_label;
    (void)seed;
    (void)z;
    return not_built();
}

int csctrl_subspaces_count(const csctrl_subspaces *subspaces, int class_label)
{
    (void)subspaces;
    (void)class_label;
    return -1;
}

csctrl_status csctrl_subspaces_component(const csctrl_subspaces *subspaces, int class_label,
                                         int component, csctrl_tensor *mean,
                                         csctrl_tensor *direction, double *deviation)
{
    (void)subspaces;
    (void)class_label;
    (void)component;
    (void)mean;
    (void)direction;
    (void)deviation;
    return not_built();
}
