#include <stdarg.h>
#include <stdio.h>

#include "conf.h"

void conf_error_add(struct conf_error *error, const struct conf_where *where, const char *format,
                    ...)
{
    va_list args;
    char *line;
    int at = 0;

    if (error->count >= CONF_ERRORS_MAX) {
        error->more = true;
        return;
    }
    line = error->line[error->count++];
    if (where != NULL && where->line != 0)
        at = snprintf(line, CONF_ERROR_BYTES, "%s:%u:%u: ", where->file, where->line,
                      where->column);
    else if (where != NULL && where->file != NULL)
        at = snprintf(line, CONF_ERROR_BYTES, "%s: ", where->file);
    if (at < 0 || at >= CONF_ERROR_BYTES)
        return; /* a path that fills the line: it is cut, and still says where */
    va_start(args, format);
    vsnprintf(line + at, CONF_ERROR_BYTES - (size_t)at, format, args);
    va_end(args);
}
