/* op_harness.h - one way to test any operation: a case is a function that makes inputs, runs the
 * operation on a context and keeps its outputs. The same case runs on double ref (the oracle) and
 * twice on every other backend; outputs must agree within a tolerance and the two runs bit for bit.
 */
#ifndef TESTS_OP_HARNESS_H
#define TESTS_OP_HARNESS_H

#include "backend/backend.h"

typedef struct op_run op_run;
typedef void op_case(op_run *run, const void *params);

ct_exec *op_exec(const op_run *run);

/* Standard normal numbers times `scale`, rounded to float so that every type sees the same. */
ct_tensor op_input(op_run *run, double scale, int ndim, const int64_t *shape);
#define OP_INPUT(run, scale, ...)                                                                  \
    op_input((run), (scale), (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),      \
             (const int64_t[]){__VA_ARGS__})

/* NaN everywhere, guarded on both sides. */
ct_tensor op_output(op_run *run, int ndim, const int64_t *shape);
#define OP_OUTPUT(run, ...)                                                                        \
    op_output((run), (int)(sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t)),              \
              (const int64_t[]){__VA_ARGS__})

/* Uninitialised working memory, guarded; with the bytes of the host's; and those of it. */
void *op_memory(op_run *run, size_t bytes);
void *op_put(op_run *run, const void *host, size_t bytes);
void op_fetch(const op_run *run, void *host, const void *memory, size_t bytes);

/* The geometry of a convolution, its code side worked out. */
typedef struct op_conv_shape {
    int n, h, w, c, atoms, kernel, stride, pad;
} op_conv_shape;
ct_geom op_geom(const op_conv_shape *s);

/* A convolution with its memory and the dictionary W packed; the caller destroys it. */
ct_conv op_conv(op_run *run, const ct_geom *g, const ct_tensor *W);

/* Add to what is compared. */
void op_keep(op_run *run, const char *name, const ct_tensor *t);
void op_keep_number(op_run *run, const char *name, double value);

/* Element i as double, whatever the type. */
double op_get(const ct_tensor *t, int64_t i);
void op_set(const ct_tensor *t, int64_t i, double value);

/* Run the case on every backend and instruction set against the oracle; fails the cmocka test. */
void op_check(const char *label, op_case *test, const void *params, double tolerance);

/* The same on cpu and cuda with precision bf16. */
void op_check_bf16(const char *label, op_case *test, const void *params, double tolerance);
/* And on cuda with precision tf32. */
void op_check_tf32(const char *label, op_case *test, const void *params, double tolerance);

/* Option `tune` of cpu in the checks that follow; NULL: none. Not copied. */
void op_set_tune(const char *tune);

/* Run the case on one backend; nothing is compared, but guards are checked. */
void op_alone(const char *device, csctrl_dtype dtype, int threads, op_case *test,
              const void *params);

/* Fails unless |a - b| <= tolerance * max(1, |b|). */
void op_close(const char *what, double a, double b, double tolerance);

/* Prefix of the operation under test fails with its own message. */
#define OP_OK(call) op_ok((call), #call)
void op_ok(csctrl_status status, const char *call);

#endif
