/* compile_domains.h - the parts of the image that go by domain. */
#ifndef COMPILE_DOMAINS_H
#define COMPILE_DOMAINS_H

#include "compile_build.h"

/* Our domains and their recipient files. */
void compile_domains(struct build *b);

/* Routes with their targets, and which relayed mail takes them. */
void compile_routes(struct build *b);

#endif
