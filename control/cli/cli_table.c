/* cli_table.c - aligned columns, and text that is safe to show. */
#include <stdarg.h>
#include <stdlib.h>

#include "base_text.h"
#include "cli.h"

#define COLUMNS_MAX 12
#define GAP         2

struct cli_table {
    const char *headings[COLUMNS_MAX];
    bool right[COLUMNS_MAX];
    size_t columns, count, room;
    char **cells;
    bool failed; /* out of memory: what is there is shown */
};

void cli_clean(char *out, size_t n, const char *text)
{
    size_t at = 0;

    for (; *text != '\0' && at + 1 < n; text++) {
        unsigned char c = (unsigned char)*text;
        bool c1 = c == 0xc2 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xa0;

        out[at++] = c < 0x20 || c == 0x7f || c1 ? '?' : (char)c;
        if (c1)
            text++;
    }
    out[at] = '\0';
}

/* Characters, not bytes, of UTF-8. */
static size_t width(const char *text)
{
    size_t n = 0;

    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

struct cli_table *cli_table_new(const char *const *columns)
{
    struct cli_table *t = calloc(1, sizeof(*t));

    for (; t != NULL && *columns != NULL && t->columns < COLUMNS_MAX; columns++) {
        t->right[t->columns] = **columns == '>';
        t->headings[t->columns++] = *columns + (**columns == '>');
    }
    return t;
}

void cli_table_cell(struct cli_table *t, const char *text)
{
    size_t n;

    if (t == NULL || t->failed)
        return;
    if (t->count == t->room) {
        size_t room = t->room == 0 ? 64 : 2 * t->room;
        char **more = realloc(t->cells, room * sizeof(*more));

        if (more == NULL) {
            t->failed = true;
            return;
        }
        t->cells = more;
        t->room = room;
    }
    if (text == NULL || *text == '\0')
        text = "-";
    n = strlen(text) + 1;
    t->cells[t->count] = malloc(n);
    if (t->cells[t->count] == NULL) {
        t->failed = true;
        return;
    }
    cli_clean(t->cells[t->count++], n, text);
}

void cli_table_figure(struct cli_table *t, long long figure)
{
    char text[32];

    snprintf(text, sizeof(text), "%lld", figure);
    cli_table_cell(t, text);
}

static void print_cell(const struct cli_table *t, FILE *out, size_t column, const char *text,
                       size_t wide)
{
    int pad = (int)(wide - width(text));
    bool last = column + 1 == t->columns;

    if (t->right[column])
        fprintf(out, "%*s%s", pad, "", text);
    else
        fprintf(out, "%s%*s", text, last ? 0 : pad, "");
    fprintf(out, "%*s", last ? 0 : GAP, "");
}

void cli_table_print(const struct cli_table *t, FILE *out)
{
    size_t wide[COLUMNS_MAX];

    if (t == NULL)
        return;
    for (size_t c = 0; c < t->columns; c++)
        wide[c] = width(t->headings[c]);
    for (size_t i = 0; i < t->count; i++) {
        size_t w = width(t->cells[i]);

        if (w > wide[i % t->columns])
            wide[i % t->columns] = w;
    }
    for (size_t c = 0; c < t->columns; c++)
        print_cell(t, out, c, t->headings[c], wide[c]);
    for (size_t i = 0; i < t->count; i++) {
        if (i % t->columns == 0)
            fputc('\n', out);
        print_cell(t, out, i % t->columns, t->cells[i], wide[i % t->columns]);
    }
    fputc('\n', out);
}

struct cli_table *cli_table_free(struct cli_table *t)
{
    if (t == NULL)
        return NULL;
    for (size_t i = 0; i < t->count; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t);
    return NULL;
}

void cli_line(const struct cli *cli, const char *name, const char *format, ...)
{
    char text[1024], clean[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    cli_clean(clean, sizeof(clean), text);
    fprintf(cli->out, "%-12s%s\n", name, clean);
}

void cli_time(char out[32], const json_t *value)
{
    char text[TEXT_TIME_MAX];

    if (json_is_integer(value) && json_integer_value(value) > 0) {
        text_time(text, (uint64_t)json_integer_value(value));
        memcpy(text + 19, "Z", 2); /* to the second */
        snprintf(out, 32, "%s", text);
    } else if (json_is_string(value)) {
        cli_clean(out, 32, json_string_value(value));
    } else {
        snprintf(out, 32, "-");
    }
}
