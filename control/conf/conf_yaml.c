#include "conf_yaml.h"

#include <errno.h>

#include "conf_limits.h"

static struct conf_where at_mark(const char *file, const yaml_mark_t *mark)
{
    return (struct conf_where){.file = file, .line = (uint32_t)mark->line + 1,
                               .column = (uint32_t)mark->column + 1};
}

/* libyaml's own complaint, with its place. */
static int syntax_error(const char *file, struct span text, const yaml_parser_t *parser,
                        struct conf_error *error)
{
    const char *problem = parser->problem != NULL ? parser->problem : "not YAML";
    struct conf_where where = at_mark(file, &parser->problem_mark);

    if (parser->error == YAML_MEMORY_ERROR)
        return -ENOMEM;
    if (parser->error == YAML_READER_ERROR) {
        /* Bytes that are no text: libyaml gives an offset only. */
        size_t end = parser->problem_offset < text.len ? parser->problem_offset : text.len;

        where = (struct conf_where){.file = file, .line = 1, .column = 1};
        for (size_t i = 0; i < end; i++) {
            where.column++;
            if (text.ptr[i] == '\n') {
                where.line++;
                where.column = 1;
            }
        }
        conf_error_add(error, &where, "%s; write the file in UTF-8", problem);
    } else {
        conf_error_add(error, &where, "%s%s%s; correct the YAML here", problem,
                       parser->context != NULL ? " " : "",
                       parser->context != NULL ? parser->context : "");
    }
    return -EINVAL;
}

struct survey { /* what the events of a file add up to */
    uint32_t events, anchors, depth, documents;
};

static int refuse(const char *file, const yaml_event_t *event, struct conf_error *error,
                  const char *words)
{
    struct conf_where where = at_mark(file, &event->start_mark);

    conf_error_add(error, &where, "%s", words);
    return -EINVAL;
}

static int survey_event(const char *file, const yaml_event_t *event, struct survey *s,
                        struct conf_error *error)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;

    if (++s->events > CONF_EVENTS_MAX)
        return refuse(file, event, error, "too many values in one file; split it or use lists "
                                          "in files of their own");
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++s->documents > 1)
            return refuse(file, event, error, "a second document begins; keep one in a file");
        break;
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        s->depth++;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        s->depth++;
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        s->depth--;
        break;
    default:
        break;
    }
    if (tag != NULL)
        return refuse(file, event, error, "a YAML tag (!...) stands here; remove it");
    if (s->depth > CONF_NESTING_MAX)
        return refuse(file, event, error, "nested too deep; no key lies that deep");
    if (anchor != NULL && ++s->anchors > CONF_ANCHORS_MAX)
        return refuse(file, event, error, "too many anchors (&...); write the values out");
    return 0;
}

static int survey(const char *file, struct span text, struct conf_error *error)
{
    struct survey s = {0};
    yaml_parser_t parser;
    yaml_event_t event;
    bool end = false;
    int rc = 0;

    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, text.ptr, text.len);
    while (rc == 0 && !end) {
        if (!yaml_parser_parse(&parser, &event)) {
            rc = syntax_error(file, text, &parser, error);
            break;
        }
        end = event.type == YAML_STREAM_END_EVENT;
        rc = survey_event(file, &event, &s, error);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return rc;
}

int conf_yaml_load(const char *file, struct span text, yaml_document_t *ret,
                   struct conf_error *error)
{
    yaml_document_t document;
    yaml_parser_t parser;
    int rc = survey(file, text, error);

    if (rc != 0)
        return rc;
    if (!yaml_parser_initialize(&parser))
        return -ENOMEM;
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, text.ptr, text.len);
    if (!yaml_parser_load(&parser, &document)) {
        rc = syntax_error(file, text, &parser, error);
    } else if (yaml_document_get_root_node(&document) == NULL) {
        struct conf_where where = {.file = file, .line = 1, .column = 1};

        conf_error_add(error, &where, "the file is empty; write the configuration here");
        yaml_document_delete(&document);
        rc = -EINVAL;
    } else {
        *ret = document;
    }
    yaml_parser_delete(&parser);
    return rc;
}
