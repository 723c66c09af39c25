/* yaml.c - settings from and to YAML: a mapping of keys and of sections of keys, nothing more. */
#include <stdio.h>
#include <string.h>
#include <yaml.h>

#include "base/error.h"
#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "config/values.h"

enum { FILE_MAX_BYTES = 1 << 20 };

/* ---- reading */

typedef struct reader {
    yaml_parser_t parser;
    yaml_event_t event; /* the present one; deleted when the next is fetched */
    const char *name;
    csctrl_config *config;
    bool *seen;    /* a row of the table was set by this file */
    bool *section; /* a section of which this row is the first was opened by this file */
} reader;

static csctrl_status fail_at(const reader *r, const char *problem)
{
    return ct_fail(CSCTRL_E_CONFIG, "%s:%zu: %s", r->name, r->event.start_mark.line + 1, problem);
}

/* Fetch the next event. What configs do not need (aliases, anchors, tags) is refused here. */
static csctrl_status next(reader *r)
{
    yaml_event_delete(&r->event);
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        if (r->parser.error == YAML_MEMORY_ERROR)
            return ct_fail(CSCTRL_E_NOMEM, "%s: out of memory while reading YAML", r->name);
        return ct_fail(CSCTRL_E_CONFIG, "%s:%zu: not YAML: %s", r->name,
                       r->parser.problem_mark.line + 1,
                       r->parser.problem != NULL ? r->parser.problem : "unknown problem");
    }
    const yaml_event_t *e = &r->event;
    const bool scalar = e->type == YAML_SCALAR_EVENT, list = e->type == YAML_SEQUENCE_START_EVENT,
               mapping = e->type == YAML_MAPPING_START_EVENT;
    if (e->type == YAML_ALIAS_EVENT || (scalar && e->data.scalar.anchor != NULL) ||
        (list && e->data.sequence_start.anchor != NULL) ||
        (mapping && e->data.mapping_start.anchor != NULL))
        return fail_at(r, "anchors (&) and aliases (*) are not supported; write the value out, or "
                          "put quotes around text that begins so");
    if ((scalar && e->data.scalar.tag != NULL) || (list && e->data.sequence_start.tag != NULL) ||
        (mapping && e->data.mapping_start.tag != NULL))
        return fail_at(r, "tags (!) are not supported; put quotes around text that begins so");
    if (scalar && strlen((const char *)e->data.scalar.value) != e->data.scalar.length)
        return fail_at(r, "expected text, found a zero byte in it");
    return CSCTRL_OK;
}

static const char *scalar_text(const reader *r)
{
    return (const char *)r->event.data.scalar.value;
}

/* First row of a section, or of the whole table's end when there is no such section. */
static size_t section_row(const char *section)
{
    const size_t length = strlen(section);

    for (size_t i = 0; i < csctrl_option_count(); i++) {
        const char *key = csctrl_option_at(i)->key;
        if (strncmp(key, section, length) == 0 && key[length] == '.')
            return i;
    }
    return csctrl_option_count();
}

static csctrl_status set_key(reader *r, const char *key, const char *text, size_t line)
{
    const csctrl_option *option = csctrl_option_find(key);

    if (option != NULL && r->seen[option - csctrl_option_at(0)])
        return ct_fail(CSCTRL_E_CONFIG, "%s:%zu: key %s is given a second time", r->name, line,
                       key);
    if (option != NULL)
        r->seen[option - csctrl_option_at(0)] = true;
    const csctrl_status status = csctrl_config_set(r->config, key, text);
    return status == CSCTRL_OK ? CSCTRL_OK : ct_fail_context(status, "%s:%zu", r->name, line);
}

/* The items of a sequence as "[a, b]"; the start event is the present one. */
static csctrl_status read_list(reader *r, ct_strbuf *text)
{
    ct_strbuf_add(text, "[");
    for (const char *comma = "";; comma = ", ") {
        CT_TRY(next(r));
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        if (r->event.type != YAML_SCALAR_EVENT || strpbrk(scalar_text(r), ",[]") != NULL)
            return fail_at(r, "expected a list of single values, found something else in it");
        ct_strbuf_add(text, "%s%s", comma, scalar_text(r));
    }
    ct_strbuf_add(text, "]");
    return text->failed ? CSCTRL_E_NOMEM : CSCTRL_OK;
}

/* The value of `key`, whose event is the present one: a scalar or a list of scalars. */
static csctrl_status read_value(reader *r, const char *key)
{
    const size_t line = r->event.start_mark.line + 1;
    const csctrl_option *option = csctrl_option_find(key);
    ct_strbuf text = {0};
    csctrl_status status = CSCTRL_OK;

    switch (r->event.type) {
    case YAML_SCALAR_EVENT:
        return set_key(r, key, scalar_text(r), line);
    case YAML_SEQUENCE_START_EVENT:
        if (option != NULL && !ct_config_is_list(option))
            return ct_fail(CSCTRL_E_CONFIG, "%s:%zu: %s: expected a single value, found a list",
                           r->name, line, key);
        CT_GOTO(status, read_list(r, &text));
        CT_GOTO(status, set_key(r, key, text.text, line));
        break;
    default:
        return ct_fail(CSCTRL_E_CONFIG,
                       "%s:%zu: expected a value, found a mapping; sections are "
                       "not nested",
                       r->name, line);
    }
done:
    ct_strbuf_free(&text);
    return status;
}

/* The next event is a key: its text with "section." before it; or the mapping's end: NULL. */
static csctrl_status read_key(reader *r, const char *section, char **key)
{
    ct_strbuf text = {0};

    *key = NULL;
    CT_TRY(next(r));
    if (r->event.type == YAML_MAPPING_END_EVENT)
        return CSCTRL_OK;
    if (r->event.type != YAML_SCALAR_EVENT)
        return fail_at(r, "expected a key, found a list or mapping");
    ct_strbuf_add(&text, "%s%s%s", section, section[0] != '\0' ? "." : "", scalar_text(r));
    if (text.failed)
        return CSCTRL_E_NOMEM;
    *key = text.text;
    return CSCTRL_OK;
}

static csctrl_status read_section(reader *r, const char *section)
{
    for (;;) {
        char *key;
        CT_TRY(read_key(r, section, &key));
        if (key == NULL)
            return CSCTRL_OK;
        csctrl_status status = next(r);
        if (status == CSCTRL_OK)
            status = read_value(r, key);
        ct_free(key);
        CT_TRY(status);
    }
}

/* An empty mapping at a name that is no section: no key of it has been refused before. */
static csctrl_status fail_section(const reader *r, const char *key, size_t line)
{
    char shown[64];

    return ct_fail(CSCTRL_E_CONFIG, "%s:%zu: expected the name of a section, found \"%s\"", r->name,
                   line, ct_config_shown(key, shown));
}

/* What stands at `key` of the outermost mapping: a section or a value. */
static csctrl_status read_entry(reader *r, const char *key)
{
    const size_t row = section_row(key), line = r->event.start_mark.line + 1;
    const bool known = row < csctrl_option_count();

    if (known && r->section[row])
        return ct_fail(CSCTRL_E_CONFIG, "%s:%zu: section %s is given a second time", r->name, line,
                       key);
    if (known)
        r->section[row] = true;
    CT_TRY(next(r));
    if (r->event.type == YAML_MAPPING_START_EVENT) {
        CT_TRY(read_section(r, key));
        return known ? CSCTRL_OK : fail_section(r, key, line);
    }
    if (known && r->event.type == YAML_SCALAR_EVENT && scalar_text(r)[0] == '\0')
        return CSCTRL_OK; /* a section without keys */
    if (known)
        return ct_fail(CSCTRL_E_CONFIG,
                       "%s:%zu: %s is a section: expected keys under it, found a "
                       "value",
                       r->name, line, key);
    return read_value(r, key);
}

static csctrl_status read_mapping(reader *r)
{
    for (;;) {
        char *key;
        CT_TRY(read_key(r, "", &key));
        if (key == NULL)
            return CSCTRL_OK;
        const csctrl_status status = read_entry(r, key);
        ct_free(key);
        CT_TRY(status);
    }
}

static csctrl_status read_stream(reader *r)
{
    CT_TRY(next(r)); /* stream start */
    CT_TRY(next(r));
    if (r->event.type == YAML_STREAM_END_EVENT)
        return CSCTRL_OK; /* empty, or comments only */
    CT_TRY(next(r));
    if (r->event.type == YAML_MAPPING_START_EVENT)
        CT_TRY(read_mapping(r));
    else if (r->event.type != YAML_SCALAR_EVENT || scalar_text(r)[0] != '\0')
        return fail_at(r, "expected a mapping of keys, found a value or list");
    CT_TRY(next(r)); /* document end */
    CT_TRY(next(r));
    if (r->event.type != YAML_STREAM_END_EVENT)
        return fail_at(r, "expected one document, found a second");
    return CSCTRL_OK;
}

csctrl_status csctrl_config_parse(csctrl_config *config, const char *yaml, size_t length,
                                  const char *name)
{
    reader r = {.name = name};
    csctrl_status status = CSCTRL_E_NOMEM;

    if (length > FILE_MAX_BYTES)
        return ct_fail(CSCTRL_E_CONFIG, "%s: expected at most %d bytes of YAML, found %zu", name,
                       FILE_MAX_BYTES, length);
    if (!yaml_parser_initialize(&r.parser))
        return ct_fail(CSCTRL_E_NOMEM, "%s: out of memory while reading YAML", name);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)yaml, length);
    r.seen = ct_calloc(csctrl_option_count(), sizeof *r.seen);
    r.section = ct_calloc(csctrl_option_count(), sizeof *r.section);
    if (r.seen == NULL || r.section == NULL)
        goto done;
    CT_GOTO(status, csctrl_config_copy(&r.config, config));
    CT_GOTO(status, read_stream(&r));
    ct_config_swap(config, r.config);
done:
    csctrl_config_destroy(&r.config);
    ct_free(r.seen);
    ct_free(r.section);
    yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return status;
}

csctrl_status csctrl_config_load(csctrl_config *config, const char *path)
{
    unsigned char *data;
    size_t size;
    csctrl_status status = ct_fs_read(path, FILE_MAX_BYTES, &data, &size);

    if (status == CSCTRL_E_NOMEM)
        return status;
    if (status == CSCTRL_E_FORMAT) /* too large for a config */
        return CSCTRL_E_CONFIG;
    if (status != CSCTRL_OK)
        return CSCTRL_E_IO;
    status = csctrl_config_parse(config, (const char *)data, size, path);
    ct_free(data);
    return status;
}

/* ---- writing */

static int append(void *user, unsigned char *text, size_t length)
{
    ct_strbuf *out = user;

    ct_strbuf_add(out, "%.*s", (int)length, (const char *)text);
    return !out->failed;
}

/* All of these return false when out of memory, which is all that can fail. */

static bool emit_scalar(yaml_emitter_t *emitter, const char *text, yaml_scalar_style_t style)
{
    yaml_event_t event;

    return yaml_scalar_event_initialize(&event, NULL, NULL, (const yaml_char_t *)text,
                                        (int)strlen(text), 1, 1, style) &&
           yaml_emitter_emit(emitter, &event);
}

static bool emit_mapping_start(yaml_emitter_t *emitter)
{
    yaml_event_t event;

    return yaml_mapping_start_event_initialize(&event, NULL, NULL, 1, YAML_BLOCK_MAPPING_STYLE) &&
           yaml_emitter_emit(emitter, &event);
}

static bool emit_mapping_end(yaml_emitter_t *emitter)
{
    yaml_event_t event;

    return yaml_mapping_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

/* `text` is canonical: "[a, b]". */
static bool emit_list(yaml_emitter_t *emitter, const char *text)
{
    yaml_event_t event;
    bool ok =
        yaml_sequence_start_event_initialize(&event, NULL, NULL, 1, YAML_FLOW_SEQUENCE_STYLE) &&
        yaml_emitter_emit(emitter, &event);

    for (const char *item = text + 1; ok && *item != '\0'; item += strspn(item, ", ]")) {
        char value[32];
        const int length = (int)strcspn(item, ",]");
        snprintf(value, sizeof value, "%.*s", length, item);
        ok = emit_scalar(emitter, value, YAML_PLAIN_SCALAR_STYLE);
        item += length;
    }
    return ok && yaml_sequence_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

static bool emit_option(yaml_emitter_t *emitter, const csctrl_config *config,
                        const csctrl_option *option)
{
    const char *dot = strchr(option->key, '.'), *text = csctrl_config_text(config, option->key);

    if (!emit_scalar(emitter, dot != NULL ? dot + 1 : option->key, YAML_PLAIN_SCALAR_STYLE))
        return false;
    if (text[0] == '[' && ct_config_is_list(option))
        return emit_list(emitter, text);
    return emit_scalar(emitter, text,
                       option->type == CSCTRL_OPTION_STRING ? YAML_DOUBLE_QUOTED_SCALAR_STYLE
                                                            : YAML_PLAIN_SCALAR_STYLE);
}

static bool emit_options(yaml_emitter_t *emitter, const csctrl_config *config)
{
    const char *section = "";
    size_t length = 0;
    bool ok = emit_mapping_start(emitter);

    for (size_t i = 0; ok && i < csctrl_option_count(); i++) {
        const csctrl_option *option = csctrl_option_at(i);
        const char *dot = strchr(option->key, '.');
        const size_t size = dot != NULL ? (size_t)(dot - option->key) : 0;
        if (size != length || strncmp(option->key, section, size) != 0) {
            char name[64];
            snprintf(name, sizeof name, "%.*s", (int)size, option->key);
            ok = (length == 0 || emit_mapping_end(emitter)) &&
                 (size == 0 || (emit_scalar(emitter, name, YAML_PLAIN_SCALAR_STYLE) &&
                                emit_mapping_start(emitter)));
            section = option->key;
            length = size;
        }
        ok = ok && emit_option(emitter, config, option);
    }
    return ok && (length == 0 || emit_mapping_end(emitter)) && emit_mapping_end(emitter);
}

static bool emit_document(yaml_emitter_t *emitter, const csctrl_config *config)
{
    yaml_event_t event;

    yaml_emitter_set_unicode(emitter, 1);
    yaml_emitter_set_width(emitter, -1);
    return yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING) &&
           yaml_emitter_emit(emitter, &event) &&
           yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1) &&
           yaml_emitter_emit(emitter, &event) && emit_options(emitter, config) &&
           yaml_document_end_event_initialize(&event, 1) && yaml_emitter_emit(emitter, &event) &&
           yaml_stream_end_event_initialize(&event) && yaml_emitter_emit(emitter, &event);
}

csctrl_status csctrl_config_save(const csctrl_config *config, const char *path)
{
    yaml_emitter_t emitter;
    ct_strbuf text = {0};

    if (!yaml_emitter_initialize(&emitter))
        return ct_fail(CSCTRL_E_NOMEM, "%s: out of memory while writing YAML", path);
    yaml_emitter_set_output(&emitter, append, &text);
    csctrl_status status = CSCTRL_OK;
    if (!emit_document(&emitter, config) || text.failed)
        status = ct_fail(CSCTRL_E_NOMEM, "%s: out of memory while writing YAML", path);
    else
        status = ct_fs_write_atomic(path, text.text, text.length);
    yaml_emitter_delete(&emitter);
    ct_strbuf_free(&text);
    return status;
}
