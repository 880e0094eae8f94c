/* conf_read.h - from a YAML document, by the key table, into struct conf.
 *
 * conf_read_file() for each file, then conf_read_done() once: defaults, missing keys.  What is
 * wrong goes to reader->error and reading goes on while lines are left there, so that one run
 * shows several mistakes; the caller looks at error->count.
 */
#ifndef CONF_READ_H
#define CONF_READ_H

#include "conf_arena.h"
#include "conf_keys.h"
#include "conf_limits.h"
#include "conf_yaml.h"

#define CONF_CHILDREN_MAX 24 /* keys directly in one mapping; tested against the table */

struct conf_reader {
    struct conf       *conf;
    struct conf_error *error;
    const char        *file;      /* the one being read, as messages name it */
    const char        *directory; /* of that file, absolute, for relative paths */
    yaml_document_t   *document;
    uint32_t           values;
    bool               no_memory;
    struct conf_where  seen[CONF_CHILDREN_MAX]; /* top-level keys, over all files */
    struct conf_text   includes[CONF_FILES_MAX]; /* of the file being read, absolute */
    uint32_t           includes_count;
};

/* Reads reader->document, whose root it takes as top-level keys. */
void conf_read_file(struct conf_reader *reader);

/* Fills in what no file said. */
void conf_read_done(struct conf_reader *reader);

/* conf_put.c: one scalar value into its field, below base; complains if it cannot be. */
void conf_put(struct conf_reader *reader, const struct conf_key *key, void *base,
              const char *text, struct conf_where where);

/* An absolute path: text itself, or below the directory of the file being read.  NULL when
 * out of memory (then no_memory is set). */
const char *conf_put_path(struct conf_reader *reader, const char *text);

#endif
