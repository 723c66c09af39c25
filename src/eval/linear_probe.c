/* linear_probe.c - multinomial logistic regression on features, fitted by L-BFGS (Nocedal, Wright:
 * Numerical Optimization, algorithm 7.5) with backtracking. The objective is convex: from zero
 * there is one result. Everything in double. */
#include <math.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "csctrl/score.h"
#include "eval/measures.h"
#include "eval/products.h"

enum { MEMORY = 10, STEPS_MAX = 500, HALVINGS_MAX = 40 };

static const double gradient_least = 1e-5, decrease = 1e-4; /* where to stop; Armijo's constant */

typedef struct probe {
    int64_t n, m, d, size; /* classes m; d with the constant 1; size = m * d */
    double l2;
    const int64_t *labels;
    double *z;                 /* [n, d] */
    double *p;                 /* [n, m] */
    double *w, *trial;         /* [m, d] */
    double *gradient, *before; /* [m, d] */
    double *direction;         /* [m, d] */
    double *s[MEMORY], *y[MEMORY];
    double rho[MEMORY], alpha[MEMORY];
    int kept, next; /* pairs kept; where the next goes */
} probe;

static double dot(const double *a, const double *b, int64_t n)
{
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void add(double *a, double scale, const double *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        a[i] += scale * b[i];
}

/* Rows with a constant 1 behind; owned. */
static double *with_constant(const ct_tensor *t)
{
    const int64_t n = t->shape[0], d = t->shape[1];
    double *z = ct_calloc((size_t)n, (size_t)(d + 1) * sizeof *z);

    for (int64_t i = 0; z != NULL && i < n; i++) {
        for (int64_t j = 0; j < d; j++)
            z[i * (d + 1) + j] = (double)((const float *)t->data)[i * d + j];
        z[i * (d + 1) + d] = 1;
    }
    return z;
}

static csctrl_status probe_create(probe *f, const ct_tensor *z, const int64_t *labels, int classes,
                                  double l2)
{
    f->n = z->shape[0];
    f->m = classes;
    f->d = z->shape[1] + 1;
    f->size = f->m * f->d;
    f->l2 = l2;
    f->labels = labels;
    f->z = with_constant(z);
    f->p = ct_calloc((size_t)f->n, (size_t)f->m * sizeof(double));

    double **vectors[] = {&f->w, &f->trial, &f->gradient, &f->before, &f->direction};
    bool all = f->z != NULL && f->p != NULL;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        *vectors[i] = ct_calloc((size_t)f->size, sizeof(double));
        all = all && *vectors[i] != NULL;
    }
    for (int i = 0; i < MEMORY; i++) {
        f->s[i] = ct_calloc((size_t)f->size, sizeof(double));
        f->y[i] = ct_calloc((size_t)f->size, sizeof(double));
        all = all && f->s[i] != NULL && f->y[i] != NULL;
    }
    return all ? CSCTRL_OK : CSCTRL_E_NOMEM;
}

static void probe_destroy(probe *f)
{
    double *const vectors[] = {f->z, f->p, f->w, f->trial, f->gradient, f->before, f->direction};

    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++)
        ct_free(vectors[i]);
    for (int i = 0; i < MEMORY; i++) {
        ct_free(f->s[i]);
        ct_free(f->y[i]);
    }
}

/* Row of logits becomes p - onehot(label); returns the cross-entropy. */
static double row_loss(double *row, int64_t m, int64_t label)
{
    double most = row[0], sum = 0;

    for (int64_t j = 1; j < m; j++)
        most = row[j] > most ? row[j] : most;
    const double right = row[label] - most;
    for (int64_t j = 0; j < m; j++)
        sum += row[j] = exp(row[j] - most);
    for (int64_t j = 0; j < m; j++)
        row[j] /= sum;
    row[label] -= 1;
    return log(sum) - right;
}

/* Objective at w and its gradient. */
static double objective(probe *f, const double *w, double *gradient)
{
    double loss = 0, squares = 0;

    ct_product_nt(f->z, f->n, w, f->m, f->d, f->p);
    for (int64_t i = 0; i < f->n; i++)
        loss += row_loss(f->p + i * f->m, f->m, f->labels[i]);
    ct_product_tn(f->p, f->z, f->n, f->m, f->d, gradient);
    for (int64_t c = 0; c < f->m; c++)
        for (int64_t j = 0; j < f->d; j++) {
            const double weight = j + 1 < f->d ? w[c * f->d + j] : 0;
            double *g = gradient + c * f->d + j;
            *g = *g / (double)f->n + f->l2 * weight;
            squares += weight * weight;
        }
    return loss / (double)f->n + f->l2 / 2 * squares;
}

/* direction = - H gradient, H from the pairs kept (the two-loop recursion). */
static void find_direction(probe *f)
{
    double *q = f->direction;

    for (int64_t i = 0; i < f->size; i++)
        q[i] = -f->gradient[i];
    for (int k = 1; k <= f->kept; k++) {
        const int i = (f->next + MEMORY - k) % MEMORY;
        f->alpha[i] = f->rho[i] * dot(f->s[i], q, f->size);
        add(q, -f->alpha[i], f->y[i], f->size);
    }
    if (f->kept > 0) {
        const int last = (f->next + MEMORY - 1) % MEMORY;
        const double scale = 1 / (f->rho[last] * dot(f->y[last], f->y[last], f->size));
        for (int64_t i = 0; i < f->size; i++)
            q[i] *= scale;
    }
    for (int k = f->kept; k >= 1; k--) {
        const int i = (f->next + MEMORY - k) % MEMORY;
        add(q, f->alpha[i] - f->rho[i] * dot(f->y[i], q, f->size), f->s[i], f->size);
    }
}

/* Keep s = trial - w and y = gradient - before where the curvature is positive. */
static void keep_pair(probe *f)
{
    double *s = f->s[f->next], *y = f->y[f->next];

    for (int64_t i = 0; i < f->size; i++) {
        s[i] = f->trial[i] - f->w[i];
        y[i] = f->gradient[i] - f->before[i];
    }
    const double curvature = dot(s, y, f->size);
    if (!(curvature > 1e-12 * dot(y, y, f->size)))
        return;
    f->rho[f->next] = 1 / curvature;
    f->next = (f->next + 1) % MEMORY;
    f->kept += f->kept < MEMORY;
}

static double largest(const double *g, int64_t n)
{
    double most = 0;

    for (int64_t i = 0; i < n; i++)
        most = fmax(most, fabs(g[i]));
    return most;
}

/* One step along the direction; false when nothing decreases the objective any more. */
static bool descend(probe *f, double *value)
{
    const double slope = dot(f->gradient, f->direction, f->size);
    double length = 1;

    memcpy(f->before, f->gradient, (size_t)f->size * sizeof(double));
    for (int i = 0; i < HALVINGS_MAX; i++) {
        memcpy(f->trial, f->w, (size_t)f->size * sizeof(double));
        add(f->trial, length, f->direction, f->size);
        const double found = objective(f, f->trial, f->gradient);
        if (found <= *value + decrease * length * slope) {
            *value = found;
            keep_pair(f);
            memcpy(f->w, f->trial, (size_t)f->size * sizeof(double));
            return true;
        }
        length /= 2;
    }
    return false;
}

static csctrl_status fit(probe *f)
{
    double value = objective(f, f->w, f->gradient);

    if (!isfinite(value) || !isfinite(dot(f->gradient, f->gradient, f->size)))
        return ct_fail(CSCTRL_E_NUMERIC, "linear probe: a feature is not finite; check the model "
                                         "that encoded it");
    double most = largest(f->gradient, f->size);
    int step = 0;
    for (; step < STEPS_MAX && most > gradient_least; step++) {
        find_direction(f);
        if (!descend(f, &value))
            break;
        most = largest(f->gradient, f->size);
    }
    if (most > gradient_least)
        ct_log(CSCTRL_LOG_WARNING,
               "linear probe: no minimum within %g after %d steps, the gradient is still %.3g: its "
               "accuracy is that of the weights found so far",
               gradient_least, step, most);
    return CSCTRL_OK;
}

static csctrl_status classify(const probe *f, const ct_tensor *x, int64_t *predicted)
{
    const int64_t n = x->shape[0];
    double *z = with_constant(x), *logits = ct_calloc((size_t)n, (size_t)f->m * sizeof *logits);
    csctrl_status st = CSCTRL_E_NOMEM;

    if (z == NULL || logits == NULL)
        goto done;
    ct_product_nt(z, n, f->w, f->m, f->d, logits);
    for (int64_t i = 0; i < n; i++) {
        predicted[i] = 0;
        for (int64_t j = 1; j < f->m; j++)
            if (logits[i * f->m + j] > logits[i * f->m + predicted[i]])
                predicted[i] = j;
    }
    st = CSCTRL_OK;
done:
    ct_free(z);
    ct_free(logits);
    return st;
}

csctrl_status csctrl_linear_probe_classify(const csctrl_tensor *z, const int64_t *labels,
                                           int classes, double l2, const csctrl_tensor *x,
                                           int64_t *predicted)
{
    probe f = {0};
    csctrl_status st;

    CT_TRY(ct_expect_features(z, "features", x, "features to classify"));
    if (z->shape[0] < 1 || classes < 1 || !(l2 > 0))
        return ct_fail(CSCTRL_E_INVALID,
                       "linear probe: expected features, classes and l2 > 0, found %lld, %d and %g",
                       (long long)z->shape[0], classes, l2);
    CT_TRY(ct_eval_expect_labels(labels, z->shape[0], classes));
    CT_GOTO(st, probe_create(&f, z, labels, classes, l2));
    CT_GOTO(st, fit(&f));
    st = classify(&f, x, predicted);
done:
    probe_destroy(&f);
    return st;
}
