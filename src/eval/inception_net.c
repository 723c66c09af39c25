/* inception_net.c - pytorch-fid's FIDInceptionA, C, E_1 and E_2 and torchvision's InceptionB and D
 * (Szegedy et al. 2016), channels behind one another in the order in which they are computed. */
#include "eval/inception_net.h"

#define CONV_OF(from, to, name, out, kh, kw, stride, ph, pw)                                       \
    {                                                                                              \
        CT_CONV, from, to, name, out, {kh, kw}, stride,                                            \
        {                                                                                          \
            ph, pw                                                                                 \
        }                                                                                          \
    }
#define POOL_OF(kind, to)                                                                          \
    {                                                                                              \
        kind, CT_IN, to, "", 0, {3, 3}, kind == CT_MAX_HALVING ? 2 : 1,                            \
        {                                                                                          \
            kind != CT_MAX_HALVING, kind != CT_MAX_HALVING                                         \
        }                                                                                          \
    }
#define NEXT                                                                                       \
    {                                                                                              \
        CT_NEXT, CT_OUT, CT_IN, "", 0, {0, 0}, 0,                                                  \
        {                                                                                          \
            0, 0                                                                                   \
        }                                                                                          \
    }

#define C1X1(from, to, name, out) CONV_OF(from, to, name, out, 1, 1, 1, 0, 0)
#define C3X3(from, to, name, out) CONV_OF(from, to, name, out, 3, 3, 1, 1, 1)
#define C5X5(from, to, name, out) CONV_OF(from, to, name, out, 5, 5, 1, 2, 2)
#define C1X7(from, to, name, out) CONV_OF(from, to, name, out, 1, 7, 1, 0, 3)
#define C7X1(from, to, name, out) CONV_OF(from, to, name, out, 7, 1, 1, 3, 0)
#define C1X3(from, to, name, out) CONV_OF(from, to, name, out, 1, 3, 1, 0, 1)
#define C3X1(from, to, name, out) CONV_OF(from, to, name, out, 3, 1, 1, 1, 0)
#define WITHIN(from, to, name, out, stride) CONV_OF(from, to, name, out, 3, 3, stride, 0, 0)

/* clang-format off */
#define BLOCK_A(name, pool)                                                                        \
    C1X1(CT_IN, CT_OUT, name ".branch1x1", 64),                                                    \
    C1X1(CT_IN, CT_T1, name ".branch5x5_1", 48),                                                   \
    C5X5(CT_T1, CT_OUT, name ".branch5x5_2", 64),                                                  \
    C1X1(CT_IN, CT_T1, name ".branch3x3dbl_1", 64),                                                \
    C3X3(CT_T1, CT_T2, name ".branch3x3dbl_2", 96),                                                \
    C3X3(CT_T2, CT_OUT, name ".branch3x3dbl_3", 96),                                               \
    POOL_OF(CT_AVERAGE, CT_T1),                                                                    \
    C1X1(CT_T1, CT_OUT, name ".branch_pool", pool),                                                \
    NEXT

#define BLOCK_C(name, c)                                                                           \
    C1X1(CT_IN, CT_OUT, name ".branch1x1", 192),                                                   \
    C1X1(CT_IN, CT_T1, name ".branch7x7_1", c),                                                    \
    C1X7(CT_T1, CT_T2, name ".branch7x7_2", c),                                                    \
    C7X1(CT_T2, CT_OUT, name ".branch7x7_3", 192),                                                 \
    C1X1(CT_IN, CT_T1, name ".branch7x7dbl_1", c),                                                 \
    C7X1(CT_T1, CT_T2, name ".branch7x7dbl_2", c),                                                 \
    C1X7(CT_T2, CT_T1, name ".branch7x7dbl_3", c),                                                 \
    C7X1(CT_T1, CT_T2, name ".branch7x7dbl_4", c),                                                 \
    C1X7(CT_T2, CT_OUT, name ".branch7x7dbl_5", 192),                                              \
    POOL_OF(CT_AVERAGE, CT_T1),                                                                    \
    C1X1(CT_T1, CT_OUT, name ".branch_pool", 192),                                                 \
    NEXT

/* The two differ in their pool: a mistake of the network of 2015 that FID keeps. */
#define BLOCK_E(name, pool)                                                                        \
    C1X1(CT_IN, CT_OUT, name ".branch1x1", 320),                                                   \
    C1X1(CT_IN, CT_T1, name ".branch3x3_1", 384),                                                  \
    C1X3(CT_T1, CT_OUT, name ".branch3x3_2a", 384),                                                \
    C3X1(CT_T1, CT_OUT, name ".branch3x3_2b", 384),                                                \
    C1X1(CT_IN, CT_T1, name ".branch3x3dbl_1", 448),                                               \
    C3X3(CT_T1, CT_T2, name ".branch3x3dbl_2", 384),                                               \
    C1X3(CT_T2, CT_OUT, name ".branch3x3dbl_3a", 384),                                             \
    C3X1(CT_T2, CT_OUT, name ".branch3x3dbl_3b", 384),                                             \
    POOL_OF(pool, CT_T1),                                                                          \
    C1X1(CT_T1, CT_OUT, name ".branch_pool", 192),                                                 \
    NEXT

const ct_inception_step ct_inception_steps[] = {
    WITHIN(CT_IN, CT_OUT, "Conv2d_1a_3x3", 32, 2), NEXT,
    WITHIN(CT_IN, CT_OUT, "Conv2d_2a_3x3", 32, 1), NEXT,
    C3X3(CT_IN, CT_OUT, "Conv2d_2b_3x3", 64), NEXT,
    POOL_OF(CT_MAX_HALVING, CT_OUT), NEXT,
    C1X1(CT_IN, CT_OUT, "Conv2d_3b_1x1", 80), NEXT,
    WITHIN(CT_IN, CT_OUT, "Conv2d_4a_3x3", 192, 1), NEXT,
    POOL_OF(CT_MAX_HALVING, CT_OUT), NEXT,
    BLOCK_A("Mixed_5b", 32),
    BLOCK_A("Mixed_5c", 64),
    BLOCK_A("Mixed_5d", 64),
    WITHIN(CT_IN, CT_OUT, "Mixed_6a.branch3x3", 384, 2),
    C1X1(CT_IN, CT_T1, "Mixed_6a.branch3x3dbl_1", 64),
    C3X3(CT_T1, CT_T2, "Mixed_6a.branch3x3dbl_2", 96),
    WITHIN(CT_T2, CT_OUT, "Mixed_6a.branch3x3dbl_3", 96, 2),
    POOL_OF(CT_MAX_HALVING, CT_OUT), NEXT,
    BLOCK_C("Mixed_6b", 128),
    BLOCK_C("Mixed_6c", 160),
    BLOCK_C("Mixed_6d", 160),
    BLOCK_C("Mixed_6e", 192),
    C1X1(CT_IN, CT_T1, "Mixed_7a.branch3x3_1", 192),
    WITHIN(CT_T1, CT_OUT, "Mixed_7a.branch3x3_2", 320, 2),
    C1X1(CT_IN, CT_T1, "Mixed_7a.branch7x7x3_1", 192),
    C1X7(CT_T1, CT_T2, "Mixed_7a.branch7x7x3_2", 192),
    C7X1(CT_T2, CT_T1, "Mixed_7a.branch7x7x3_3", 192),
    WITHIN(CT_T1, CT_OUT, "Mixed_7a.branch7x7x3_4", 192, 2),
    POOL_OF(CT_MAX_HALVING, CT_OUT), NEXT,
    BLOCK_E("Mixed_7b", CT_AVERAGE),
    BLOCK_E("Mixed_7c", CT_MAX),
};
/* clang-format on */

const size_t ct_inception_step_count = sizeof ct_inception_steps / sizeof ct_inception_steps[0];
