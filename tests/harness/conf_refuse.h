/* conf_refuse.h - a text that must be refused, and the lines it must give.  Needs cmocka. */
#ifndef CONF_REFUSE_H
#define CONF_REFUSE_H

#include <errno.h>
#include <stdio.h>

#include "conf.h"
#include "conf_text.h"

#define LEAST     CONF_TEXT_LEAST
#define INSTANCE  CONF_TEXT_INSTANCE
#define DATAPLANE CONF_TEXT_DATAPLANE
#define SERVERS   CONF_TEXT_SERVERS
#define ROUTES    CONF_TEXT_ROUTES
#define BOUNCES   CONF_TEXT_BOUNCES

struct refuse_row {
    const char *name, *text;
    const char *lines; /* one '\n' between two */
};

static inline int open_nothing(void *ctx, const char *path)
{
    (void)ctx;
    (void)path;
    return -ENOENT;
}

static inline void check_refused(const struct refuse_row *row)
{
    static const struct conf_opener opener = {.open = open_nothing};
    char have[CONF_ERRORS_MAX * CONF_ERROR_BYTES] = "";
    struct conf_error error;
    struct conf *conf = NULL;
    int rc = conf_load_text("/c.yaml", span_str(row->text), &opener, &conf, &error);

    for (uint32_t i = 0; i < error.count; i++)
        snprintf(have + strlen(have), sizeof(have) - strlen(have), "%s%s", i > 0 ? "\n" : "",
                 error.line[i]);
    if (rc >= 0 || conf != NULL || strcmp(have, row->lines) != 0)
        fail_msg("%s: rc %d\nwant: %s\nhave: %s", row->name, rc, row->lines, have);
}

#endif
