/* safetensors.h - the one file format of tensors by name: u64 header length, JSON header, raw
 * little-endian data. Source: https://huggingface.co/docs/safetensors. */
#ifndef CT_IO_SAFETENSORS_H
#define CT_IO_SAFETENSORS_H

#include "tensor/tensor.h"

/* ---- writing */
typedef struct ct_named_tensor {
    const char *name;
    ct_tensor value; /* up to 4 dimensions, any csctrl_dtype */
} ct_named_tensor;

typedef struct ct_named_text {
    const char *key, *text;
} ct_named_text;

/* Written in the given order, metadata keys too, so equal contents give equal bytes. Data 8-byte
 * aligned. The file is written, fsynced and closed; on failure it is removed. */
csctrl_status ct_safetensors_write(const char *path, const ct_named_tensor *tensors, size_t count,
                                   const ct_named_text *metadata, size_t metadata_count);

/* ---- reading */
typedef struct ct_safetensors ct_safetensors;

/* Checks: header length against file size (and 100 MB), JSON, known dtypes (F32 F64 U8 I64), 0..4
 * dimensions, products without overflow, offsets in range, in bounds, without overlap or gap, no
 * duplicate names, nothing behind the last tensor. E_FORMAT names file, tensor and the two figures
 * that disagree. E_UNSUPPORTED for other dtypes. */
csctrl_status ct_safetensors_open(ct_safetensors **out, const char *path);
/* The same from memory, which is borrowed while open (fuzzing, tests). `name` is for messages. */
csctrl_status ct_safetensors_parse(ct_safetensors **out, const void *data, size_t size,
                                   const char *name);
void ct_safetensors_close(ct_safetensors **file);

size_t ct_safetensors_count(const ct_safetensors *file);
/* Tensor `index` in file order; the view is read-only and lives while the file is open. */
const char *ct_safetensors_name(const ct_safetensors *file, size_t index);
ct_tensor ct_safetensors_at(const ct_safetensors *file, size_t index);
/* By name: E_NOT_FOUND. */
csctrl_status ct_safetensors_find(const ct_safetensors *file, const char *name, ct_tensor *tensor);
/* Metadata string or NULL. */
const char *ct_safetensors_metadata(const ct_safetensors *file, const char *key);

#endif
