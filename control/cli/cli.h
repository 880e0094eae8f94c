/* cli.h - the `sluice` program without its main: sub-commands, options, answers in tables.
 *
 * Exit statuses: 0 done; 1 the thing asked is not so or failed; 2 usage; 3 the edge is not
 * running.  Results go to out, errors to err in one line that says what to do.
 *
 * Every command is one row of cli_commands[] (cli_dispatch.c) and one function in its own file.
 */
#ifndef CLI_H
#define CLI_H

#include <jansson.h>
#include <stdio.h>

#include "base_types.h"

enum cli_exit { CLI_DONE = 0, CLI_NO = 1, CLI_USAGE = 2, CLI_NOT_RUNNING = 3 };

#define CLI_RUNTIME_DEFAULT "/run/sluice"

struct cli {
    FILE       *out, *err;
    const char *command; /* as typed: "queue list" */
    const char *usage;   /* of that command */
    const char *runtime;
    bool        json;
};

/* What `sluice` does with these arguments; argv[0] is the program. */
int cli_dispatch(FILE *out, FILE *err, int argc, char **argv);

/* ---- cli_options.c ---- */

/* One option of a command: --name, or -c where letter is set.  Exactly one of text and flag. */
struct cli_option {
    const char  *name;
    char         letter;
    const char **text;
    bool        *flag;
};

/* Sorts argv into options and at most words_max words (argv[0] is the first to look at; "--"
 * ends options).  The number of words, or -1 after having said what is wrong. */
int cli_parse(const struct cli *cli, const struct cli_option *options, size_t options_count,
              int argc, char **argv, const char **words, int words_max);

/* Says "sluice COMMAND: why" and the usage; CLI_USAGE. */
int cli_usage(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Says "sluice COMMAND: words"; CLI_NO. */
int cli_fail(const struct cli *cli, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- cli_ask.c ---- */

/* One request to RUNTIME/control.sock, its answer.  CLI_DONE and *ret (the caller's) for an
 * answer with "ok": true; else what went wrong has been said. */
int cli_ask(const struct cli *cli, json_t *take_request, json_t **ret);

/* The answer as JSON, indented, for --json. */
void cli_print_json(const struct cli *cli, const json_t *answer);

/* ---- cli_table.c ---- */

struct cli_table;

/* columns: NULL-terminated headings; one that starts with '>' is a column of figures. */
struct cli_table *cli_table_new(const char *const *columns);
/* The next cell, row by row; control characters come out as '?'.  NULL is "-". */
void cli_table_cell(struct cli_table *table, const char *text);
void cli_table_figure(struct cli_table *table, long long figure);
void cli_table_print(const struct cli_table *table, FILE *out);
struct cli_table *cli_table_free(struct cli_table *table);

/* A line "name      value" of a short list. */
void cli_line(const struct cli *cli, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Text made harmless for a terminal; out has room for n bytes with NUL. */
void cli_clean(char *out, size_t n, const char *text);

/* A time for people: a string as it is, a figure as microseconds since 1970, else "-". */
void cli_time(char out[32], const json_t *value);

/* ---- the commands ---- */

int cli_run(struct cli *cli, int argc, char **argv);
int cli_check(struct cli *cli, int argc, char **argv);
int cli_reload(struct cli *cli, int argc, char **argv);
int cli_status(struct cli *cli, int argc, char **argv);
int cli_stats(struct cli *cli, int argc, char **argv);
int cli_queue(struct cli *cli, int argc, char **argv);
int cli_drain(struct cli *cli, int argc, char **argv);
int cli_version(struct cli *cli, int argc, char **argv);

#endif
