/* test_ranks.c - a game of several ranks is that of one.
 *
 *   mpirun -n N test_ranks BATCHES [KEY=VALUE ...]
 *
 * All ranks train together; then each trains the same alone and compares every parameter. In
 * double, because Adam makes steps of full length from gradients that are nothing but rounding;
 * where a device has float alone, what starts at zero is left out for that reason. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "support/expect.h"
#include "support/tiny.h"

static const double tolerance = 1e-8, float_tolerance = 1e-3;

static int argument_count;
static char **arguments;

static csctrl_trainer *train(const char *comm)
{
    csctrl_trainer *trainer = NULL;
    csctrl_config *config =
        tiny_config("precision=f64", "train.batch=16", "seed=5", "game.decoder_sample_weight=2",
                    "game.decoder_layer_weight=1", "game.pixel_weight=0.5", comm, NULL);

    const bool alone = strcmp(comm, "parallel.comm=none") == 0;
    for (int i = 2; i < argument_count; i++)
        if (!alone || strncmp(arguments[i], "parallel.", 9) != 0)
            expect_ok(csctrl_config_assign(config, arguments[i]));
    expect_ok(csctrl_trainer_create(&trainer, config, NULL));
    for (int i = 0; i < atoi(arguments[1]); i++)
        expect_ok(csctrl_trainer_step(trainer, NULL));
    csctrl_config_destroy(&config);
    return trainer;
}

static ct_tensor fetch(const csctrl_trainer *t, size_t i)
{
    ct_exec *ex = t->model->ex;
    ct_tensor host = *t->model->params[i].value;

    host.data = malloc(ct_tensor_bytes(&host));
    assert_non_null(host.data);
    expect_ok(
        ex->ops->download(ex, host.data, t->model->params[i].value->data, ct_tensor_bytes(&host)));
    return host;
}

/* |a - b| / |b| over all elements of a parameter. */
static double difference(const csctrl_trainer *together, const csctrl_trainer *alone, size_t index)
{
    const ct_tensor a = fetch(together, index), b = fetch(alone, index);
    double apart = 0, size = 0;

    for (int64_t i = 0; i < csctrl_tensor_count(&b); i++) {
        const double d = tiny_get(&a, i) - tiny_get(&b, i);
        apart += d * d;
        size += tiny_get(&b, i) * tiny_get(&b, i);
    }
    free(a.data);
    free(b.data);
    return size > 0 ? sqrt(apart / size) : sqrt(apart);
}

static double tolerance_of(const csctrl_trainer *t)
{
    return t->model->ex->dtype == CSCTRL_F64 ? tolerance : float_tolerance;
}

static double worst_difference(csctrl_trainer *a, csctrl_trainer *b)
{
    double worst = 0;

    for (size_t i = 0; i < a->model->param_count; i++) {
        const char *last = strrchr(a->model->params[i].name, '.');
        if (a->model->ex->dtype != CSCTRL_F64 && strcmp(last, ".shift") == 0)
            continue;
        const double d = difference(a, b, i);
        if (!(d <= tolerance_of(a)))
            print_error("%s differs by %.2g\n", a->model->params[i].name, d);
        worst = d > worst || isnan(d) ? d : worst;
    }
    return worst;
}

static void test_together_as_alone(void **state)
{
    csctrl_trainer *together = train("parallel.comm=mpi"), *alone = NULL;
    int ranks = 0;

    (void)state;
    const int rank = csctrl_trainer_rank(together, &ranks);
    assert_true(ranks > 1);
    assert_in_range(rank, 0, ranks - 1);
    alone = train("parallel.comm=none");
    assert_int_equal(alone->model->batch, together->model->batch * ranks);
    assert_true(worst_difference(together, alone) <= tolerance_of(alone));
    csctrl_trainer_destroy(&alone);
    csctrl_trainer_destroy(&together);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_together_as_alone)};

    argument_count = argc;
    arguments = argv;
    return argc < 2 ? 2 : cmocka_run_group_tests(tests, NULL, NULL);
}
