/* cmd_info.c - csctrl info RUN|CHECKPOINT|CONFIG: layers, parameters, work and memory. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "commands.h"

/* What is shown of the memory plan. */
typedef struct memory_row {
    const char *key, *label;
    size_t offset;
} memory_row;

#define MEMORY(field, label)                                                                       \
    {                                                                                              \
#field, label, offsetof(csctrl_memory_plan, field)                                         \
    }

static const memory_row memory_rows[] = {
    MEMORY(param, "parameters, gradients, statistics"),
    MEMORY(state, "optimizer state, averages"),
    MEMORY(saved, "activations kept for backward"),
    MEMORY(scratch, "buffers reused within a step"),
    MEMORY(io, "batches in flight, pictures"),
    MEMORY(data, "data set held in memory"),
    MEMORY(total, "sum"),
    MEMORY(resident, "whole process, at its peak"),
};

enum { MEMORY_ROWS = sizeof memory_rows / sizeof memory_rows[0] };

static size_t bytes_of(const csctrl_memory_plan *plan, const memory_row *r)
{
    return *(const size_t *)(const void *)((const char *)plan + r->offset);
}

static void print_summary(const csctrl_model_info *m, const char *name)
{
    char parameters[32], encode[32], decode[32];

    cli_count_text((double)m->parameters, parameters);
    cli_count_text((double)m->encode_macs, encode);
    cli_count_text((double)m->decode_macs, decode);
    printf("%s: %s autoencoder, %s dictionaries, step %lld, backend %s\n", name, m->arch,
           m->tied ? "shared" : "separate", (long long)m->step, m->backend);
    printf("  images      %d x %d x %d", m->channels, m->size, m->size);
    if (m->classes > 0)
        printf(", %d class%s", m->classes, m->classes == 1 ? "" : "es");
    printf("\n  features    %d\n", m->features);
    printf("  parameters  %lld (%s)\n", (long long)m->parameters, parameters);
    printf("  encode      %s MAC an image\n  decode      %s MAC an image\n", encode, decode);
}

static void print_layer(const csctrl_layer_info *l, int index)
{
    char dictionary[48], in[32], codes[48], parameters[32], encode[32], decode[32];

    snprintf(dictionary, sizeof dictionary, "%d x %d x %d x %d", l->atoms, l->channels, l->kernel,
             l->kernel);
    snprintf(in, sizeof in, "%d x %d x %d", l->channels, l->in_size, l->in_size);
    snprintf(codes, sizeof codes, "%d x %d x %d", l->atoms, l->out_size, l->out_size);
    cli_count_text((double)l->parameters, parameters);
    cli_count_text((double)l->encode_macs, encode);
    cli_count_text((double)l->decode_macs, decode);
    printf("%5d  %-4s  %-17s  %6d  %3d  %-15s  %-15s  %5d  %-6.4g  %-6.4g  %-8.3g  %-6s  %10s  "
           "%10s  %10s\n",
           index + 1, l->kind, dictionary, l->stride, l->pad, in, codes, l->steps, l->lambda, l->mu,
           l->eta, l->nonneg ? ">= 0" : "signed", parameters, encode, decode);
}

static void print_layers(const csctrl_model *model, int layers)
{
    csctrl_layer_info l;

    printf("\n%5s  %-4s  %-17s  %6s  %3s  %-15s  %-15s  %5s  %-6s  %-6s  %-8s  %-6s  %10s  %10s  "
           "%10s\n",
           "layer", "kind", "dictionary", "stride", "pad", "input", "codes", "steps", "lambda",
           "mu", "eta", "sign", "parameters", "encode MAC", "decode MAC");
    for (int i = 0; i < layers; i++)
        if (csctrl_model_get_layer(model, i, &l) == CSCTRL_OK)
            print_layer(&l, i);
}

static void print_memory(const csctrl_memory_plan *plan, int64_t batch)
{
    char text[32];

    printf("\nmemory of training with batches of %lld images\n", (long long)batch);
    for (size_t i = 0; i < MEMORY_ROWS; i++) {
        cli_size_text((double)bytes_of(plan, &memory_rows[i]), text);
        printf("  %-8s  %10s  %s\n", memory_rows[i].key, text, memory_rows[i].label);
    }
}

static json_t *json_layer(const csctrl_layer_info *l)
{
    return json_pack(
        "{s:s, s:[i,i,i,i], s:i, s:i, s:i, s:i, s:i, s:f, s:f, s:f, s:b, s:I, s:I, s:I}", "kind",
        l->kind, "dictionary", l->atoms, l->channels, l->kernel, l->kernel, "stride", l->stride,
        "pad", l->pad, "in_size", l->in_size, "out_size", l->out_size, "steps", l->steps, "lambda",
        l->lambda, "mu", l->mu, "eta", l->eta, "nonneg", l->nonneg, "parameters",
        (json_int_t)l->parameters, "encode_macs", (json_int_t)l->encode_macs, "decode_macs",
        (json_int_t)l->decode_macs);
}

static int print_json(const csctrl_model *model, const csctrl_model_info *m,
                      const csctrl_memory_plan *plan, int64_t batch)
{
    json_t *object = json_pack(
        "{s:s, s:s, s:b, s:I, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:I}", "arch", m->arch, "backend",
        m->backend, "tied", m->tied, "step", (json_int_t)m->step, "channels", m->channels, "size",
        m->size, "features", m->features, "classes", m->classes, "parameters",
        (json_int_t)m->parameters, "encode_macs", (json_int_t)m->encode_macs, "decode_macs",
        (json_int_t)m->decode_macs, "batch", (json_int_t)batch);
    json_t *layers = json_array(), *memory = json_object();
    csctrl_layer_info l;

    for (int i = 0; i < m->layers; i++)
        if (csctrl_model_get_layer(model, i, &l) == CSCTRL_OK)
            json_array_append_new(layers, json_layer(&l));
    for (size_t i = 0; i < MEMORY_ROWS; i++)
        json_object_set_new(memory, memory_rows[i].key,
                            json_integer((json_int_t)bytes_of(plan, &memory_rows[i])));
    json_object_set_new(object, "layers", layers);
    json_object_set_new(object, "memory", memory);
    const int failed = json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(object);
    return failed ? cli_fail_memory() : CLI_OK;
}

static int show(const csctrl_model *model, const char *name, bool json)
{
    const csctrl_config *config = csctrl_model_config(model);
    const int64_t batch = csctrl_config_int(config, "train.batch");
    csctrl_model_info info;
    csctrl_memory_plan plan;
    const csctrl_status status = csctrl_trainer_plan(config, &plan);

    if (status != CSCTRL_OK)
        return cli_fail_status(status);
    csctrl_model_get_info(model, &info);
    if (json)
        return print_json(model, &info, &plan, batch);
    print_summary(&info, name);
    print_layers(model, info.layers);
    print_memory(&plan, batch);
    return CLI_OK;
}

static int open_from_config(csctrl_model **model, const char *name, const cli_args *args)
{
    csctrl_config *config = NULL;
    char *path = NULL;
    int code = cli_config_find(name, &path);

    if (code == CLI_OK)
        code = cli_config_load(&config, path, args);
    if (code == CLI_OK) {
        const csctrl_status status = csctrl_model_create(model, config, 1);
        if (status != CSCTRL_OK)
            code = cli_fail_status(status);
    }
    csctrl_config_destroy(&config);
    free(path);
    return code;
}

static int run_info(const cli_args *args)
{
    const char *name = args->operands[0];
    csctrl_model *model = NULL;
    int batch = 0;

    if (access(name, F_OK) != 0 && !cli_is_config(name))
        return cli_fail(CLI_USAGE, "%s: no run, checkpoint or config", name);
    int code = cli_is_config(name) ? open_from_config(&model, name, args)
                                   : cli_model_open(&model, &batch, name, NULL, 1, args);

    if (code == CLI_OK)
        code = show(model, name, cli_given(args, "json"));
    csctrl_model_destroy(&model);
    return code;
}

static const cli_option options[] = {
    CLI_OPTION_SET,
    CLI_OPTION_JSON,
    {NULL, 0, NULL, NULL},
};

const cli_command cli_info = {
    .name = "info",
    .operands = "RUN|CONFIG",
    .least = 1,
    .most = 1,
    .summary = "Layers, shapes, parameters, work and memory",
    .details = "RUN is a run or checkpoint directory; a CONFIG is described as it would start.",
    .examples = "  csctrl info runs/fashion-mnist-1\n"
                "  csctrl info cifar10 --set train.batch=64\n",
    .options = options,
    .run = run_info,
};
