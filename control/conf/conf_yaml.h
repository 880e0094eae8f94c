/* conf_yaml.h - YAML text to a libyaml document that is safe to walk.
 *
 * Before the document is built, its events are counted: nesting, anchors, tokens, one document
 * only, no tags.  So what follows works on a bounded tree; aliases may still share parts of it
 * (or lead back up), which is why readers count the values they read (conf_read.c).
 */
#ifndef CONF_YAML_H
#define CONF_YAML_H

#include <yaml.h>

#include "conf.h"

/* 0 and *ret (yaml_document_delete() it); -EINVAL with a line in error; -ENOMEM. */
int conf_yaml_load(const char *file, struct span text, yaml_document_t *ret,
                   struct conf_error *error);

#endif
