/* report_html.c - the page of a report: text, pictures inside it, style. It refers to nothing
 * outside of itself. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "report.h"

enum {
    GAP = 2,
    TOP = 18,
    LEFT = 110,
    PICTURE_MAX = 64 << 20
}; /* GAP: of csctrl_image_write_grid */

static const char *const style =
    ":root{color-scheme:light dark;--paper:#fff;--ink:#1c1c1e;--faint:#6b6b70;--line:#d8d8dc;"
    "--one:#0b62a8;--two:#b3450c}"
    "@media(prefers-color-scheme:dark){:root{--paper:#17181a;--ink:#e8e8ea;--faint:#a0a0a8;"
    "--line:#3a3b40;--one:#6cb4f0;--two:#f0a060}}"
    "body{margin:0 auto;padding:1rem;max-width:62rem;background:var(--paper);color:var(--ink);"
    "font:16px/1.45 system-ui,sans-serif}"
    "h1{font-size:1.6rem;overflow-wrap:anywhere}h2{font-size:1.2rem;margin-top:2.2rem;"
    "border-top:1px solid var(--line);padding-top:.8rem}h3{font-size:1rem;margin:.8rem 0 .2rem}"
    "figure{margin:1rem "
    "0}figcaption{color:var(--faint);font-size:.88rem;max-width:46rem;margin-top:.3rem}"
    ".wide{overflow-x:auto}.row{display:flex;flex-wrap:wrap;gap:1rem}"
    "svg{display:block;font:12px system-ui,sans-serif;fill:currentColor}"
    "svg.chart{width:22rem;max-width:100%;height:auto}image{image-rendering:pixelated}"
    "table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem}"
    "th,td{padding:.15rem .45rem;text-align:right;border-bottom:1px solid var(--line);"
    "white-space:nowrap}th:first-child,td:first-child{text-align:left;padding-left:0}"
    "pre{overflow-x:auto;font-size:.8rem}nav{display:flex;flex-wrap:wrap;gap:.2rem "
    ".9rem}.row>*{min-width:0}a{color:var(--one)}"
    ".warn{border-left:4px solid var(--two);padding:.4rem .8rem;margin:1rem 0}"
    ".bar{display:inline-block;height:.7em;background:var(--one)}";

void report_raw(report *r, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(r->html, format, args);
    va_end(args);
}

void report_text(report *r, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        switch (*p) {
        case '&':
            fputs("&amp;", r->html);
            break;
        case '<':
            fputs("&lt;", r->html);
            break;
        case '>':
            fputs("&gt;", r->html);
            break;
        case '"':
            fputs("&quot;", r->html);
            break;
        default:
            fputc(*p, r->html);
        }
    }
}

void report_begin(report *r)
{
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
          "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
          "<link rel=\"icon\" href=\"data:,\"><title>csctrl report: ",
          r->html);
    report_text(r, r->run);
    fprintf(r->html, "</title><style>%s</style></head>\n<body>\n", style);
}

void report_end(report *r)
{
    fputs("</body></html>\n", r->html);
}

void report_section(report *r, const char *id, const char *title)
{
    fprintf(r->html, "<section id=\"%s\"><h2>", id);
    report_text(r, title);
    fputs("</h2>\n", r->html);
}

void report_section_end(report *r)
{
    fputs("</section>\n", r->html);
}

void report_figure(report *r)
{
    fputs("<figure>", r->html);
}

void report_caption(report *r, const char *format, ...)
{
    va_list args;
    char text[1024];

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fputs("<figcaption>", r->html);
    report_text(r, text);
    fputs("</figcaption></figure>\n", r->html);
}

/* RFC 4648. */
static void put_base64(FILE *out, const unsigned char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        const size_t left = size - i;
        const unsigned bits = (unsigned)data[i] << 16 |
                              (left > 1 ? (unsigned)data[i + 1] << 8 : 0u) |
                              (left > 2 ? (unsigned)data[i + 2] : 0u);
        fputc(digits[bits >> 18], out);
        fputc(digits[bits >> 12 & 63], out);
        fputc(left > 1 ? digits[bits >> 6 & 63] : '=', out);
        fputc(left > 2 ? digits[bits & 63] : '=', out);
    }
}

int report_embed(report *r, const char *path)
{
    errno = 0; /* that of malloc, of an earlier call or of none says nothing of this file */
    FILE *file = fopen(path, "rb");
    unsigned char *data = malloc(PICTURE_MAX);
    size_t size = 0;

    if (file != NULL && data != NULL)
        size = fread(data, 1, PICTURE_MAX, file);
    const bool whole = file != NULL && size > 0 && feof(file) && !ferror(file);
    if (whole) {
        fputs("data:image/png;base64,", r->html);
        put_base64(r->html, data, size);
    }
    if (file != NULL)
        fclose(file);
    const bool memory = data != NULL;
    free(data);
    if (!memory)
        return cli_fail_memory();
    return whole ? CLI_OK
                 : cli_fail(CLI_MACHINE, "cannot read %s back: %s", path,
                            errno != 0 ? strerror(errno) : "larger than 64 MiB");
}

static void put_labels(report *r, const report_grid *grid, int left, int top, int rows,
                       const int step[2])
{
    for (int i = 0; i < grid->columns && grid->column_labels != NULL; i++) {
        fprintf(r->html, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\" font-size=\"11\">",
                left + i * step[0] + (step[0] - GAP) / 2, top - 5);
        report_text(r, grid->column_labels[i]);
        fputs("</text>", r->html);
    }
    for (int i = 0; i < rows && grid->row_labels != NULL; i++) {
        fprintf(r->html, "<text x=\"%d\" y=\"%d\" text-anchor=\"end\">", left - 8,
                top + i * step[1] + (step[1] - GAP) / 2 + 4);
        report_text(r, grid->row_labels[i]);
        fputs("</text>", r->html);
    }
}

const char *report_new_picture(report *r, const char *name)
{
    if (r->written_count == r->written_room) {
        const size_t room = 2 * r->written_room + 32;
        char **written = realloc(r->written, room * sizeof *written);
        if (written == NULL)
            return NULL;
        r->written = written;
        r->written_room = room;
    }
    char *path = cli_format("%s/%s.png", r->dir, name);
    if (path != NULL)
        r->written[r->written_count++] = path;
    return path;
}

void report_take_back(report *r)
{
    for (size_t i = 0; i < r->written_count; i++)
        (void)unlink(r->written[i]);
}

void report_no_image(report *r)
{
    report_raw(r, "<p>There is no image to show.</p>\n");
}

static void open_picture(report *r, const char *name, const int size[2], const int at[2])
{
    const int width = at[0] + size[0], height = at[1] + size[1];

    fprintf(r->html,
            "<div class=\"wide\"><svg width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" "
            "role=\"img\" aria-label=\"%s\"><image x=\"%d\" y=\"%d\" width=\"%d\" "
            "height=\"%d\" href=\"",
            width, height, width, height, name, at[0], at[1], size[0], size[1]);
}

int report_show(report *r, const report_grid *grid)
{
    const csctrl_tensor *x = grid->images;
    const int h = (int)x->shape[2], w = (int)x->shape[3];
    const int fitting = w < REPORT_TILE ? REPORT_TILE / w : 1;
    const int scale = grid->scale > 0 ? grid->scale : fitting;
    const int columns = x->shape[0] < grid->columns ? (int)x->shape[0] : grid->columns;

    if (columns == 0) {
        report_no_image(r);
        return CLI_OK;
    }
    const int rows = (int)((x->shape[0] + columns - 1) / columns);
    const int step[] = {w * scale + GAP, h * scale + GAP};
    const int at[] = {grid->row_labels != NULL ? LEFT : 0, grid->column_labels != NULL ? TOP : 0};
    const char *path = report_new_picture(r, grid->name);

    if (path == NULL)
        return cli_fail_memory();
    const csctrl_status status = csctrl_image_write_grid(path, x, columns, scale);
    int code = status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
    if (code == CLI_OK) {
        report_grid shown = *grid;
        shown.columns = columns;
        open_picture(r, grid->name, (const int[]){columns * step[0] - GAP, rows * step[1] - GAP},
                     at);
        code = report_embed(r, path);
        fputs("\"/>", r->html);
        put_labels(r, &shown, at[0], at[1], rows, step);
        fputs("</svg></div>\n", r->html);
        r->pictures++;
    }
    return code;
}
