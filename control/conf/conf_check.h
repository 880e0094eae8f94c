/* conf_check.h - the configuration judged as a whole, once every value by itself is good. */
#ifndef CONF_CHECK_H
#define CONF_CHECK_H

#include "conf.h"

/* Resolves names to indices and complains of what does not fit together. */
void conf_check(struct conf *conf, struct conf_error *error);

#endif
