/* study_plot.c - curves as a picture, without letters: what the axes are the caption says. */
#include <math.h>

#include "study.h"

enum { WIDTH = 640, HEIGHT = 360, MARGIN = 12 };

static const float colours[][3] = {
    {0.00f, 0.45f, 0.70f},
    {0.84f, 0.37f, 0.00f},
    {0.00f, 0.62f, 0.45f},
    {0.80f, 0.47f, 0.65f},
};
enum { COLOUR_COUNT = sizeof colours / sizeof colours[0] };

static void dot(float *image, double x, double y, const float colour[3])
{
    const int column = (int)lround(x), row = (int)lround(y);

    for (int r = row; r < row + 2; r++)
        for (int c = column; c < column + 2; c++)
            if (r >= 0 && r < HEIGHT && c >= 0 && c < WIDTH)
                for (int k = 0; k < 3; k++)
                    image[(k * HEIGHT + r) * WIDTH + c] = 2 * colour[k] - 1;
}

static void segment(float *image, const double a[2], const double b[2], const float colour[3])
{
    const int steps = 1 + (int)fmax(fabs(b[0] - a[0]), fabs(b[1] - a[1]));

    for (int i = 0; i <= steps; i++) {
        const double t = (double)i / steps;
        dot(image, a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]), colour);
    }
}

typedef struct frame {
    double most, low, high;
} frame;

static void place(const frame *f, double x, double y, double out[2])
{
    out[0] = MARGIN + x / f->most * (WIDTH - 1 - 2 * MARGIN);
    out[1] = HEIGHT - 1 - MARGIN - (y - f->low) / (f->high - f->low) * (HEIGHT - 1 - 2 * MARGIN);
}

static void draw(float *image, const frame *f, const study_line *lines, int count, double grid)
{
    static const float grey[3] = {0.85f, 0.85f, 0.85f};
    double a[2], b[2];

    for (int64_t i = 0; f->low + (double)i * grid <= f->high + 1e-9 * grid; i++) {
        place(f, 0, f->low + (double)i * grid, a);
        place(f, f->most, f->low + (double)i * grid, b);
        segment(image, a, b, grey);
    }
    for (int l = 0; l < count; l++)
        for (int64_t i = 1; i < lines[l].count; i++) {
            place(f, (double)lines[l].x[i - 1], lines[l].y[i - 1], a);
            place(f, (double)lines[l].x[i], lines[l].y[i], b);
            segment(image, a, b, colours[l % COLOUR_COUNT]);
        }
}

int study_plot(const char *path, const study_line *lines, int count, int64_t most, double low,
               double high, double grid)
{
    const frame f = {.most = (double)most, .low = low, .high = high};
    csctrl_tensor image;
    const int code = cli_tensor_alloc(&image, 3, (const int64_t[]){3, HEIGHT, WIDTH});

    if (code != CLI_OK)
        return code;
    for (int64_t i = 0; i < csctrl_tensor_count(&image); i++)
        ((float *)image.data)[i] = 1;
    draw(image.data, &f, lines, count, grid);
    const csctrl_status status = csctrl_image_write(path, &image);
    cli_tensor_free(&image);
    return status == CSCTRL_OK ? CLI_OK : cli_fail_status(status);
}
