/* compile_build.h - an image being put together: the sections as growing arrays.
 *
 * Running out of memory is remembered (no_memory) and the additions after it do nothing, so
 * that it is asked about once, at the end.
 */
#ifndef COMPILE_BUILD_H
#define COMPILE_BUILD_H

#include "compile.h"
#include "compile_ranges.h"
#include "policy_image.h"

/* Fingerprints in blocks, so that ten million of them are never copied to grow. */
#define PRINT_BLOCK 65536u
struct print_block {
    struct print_block *next;
    uint32_t            count;
    struct image_print  print[PRINT_BLOCK];
};

struct build {
    const struct conf        *conf;
    const struct conf_opener *opener;
    struct conf_error        *error;
    struct image_header       header;
    struct array              section[SECTIONS]; /* recipients: in the blocks instead */
    struct print_block       *prints;
    uint64_t                  prints_count;
    const char               *file; /* the last one named by build_rule() */
    struct image_string       file_text;
    bool                      no_memory, too_large;
};

void build_init(struct build *b, const struct conf *conf, const struct conf_opener *opener,
                uint64_t generation, struct conf_error *error);
void build_done(struct build *b);

/* n zeroed elements at the end of a section, or NULL. */
void *build_add(struct build *b, enum image_section section, uint32_t n);
uint32_t build_count(const struct build *b, enum image_section section);

struct image_string build_text(struct build *b, const char *text);
uint32_t build_rule(struct build *b, const struct conf_where *where); /* its number */
void build_print(struct build *b, struct image_print print);

/* Appends one prefix table of v4 and v6 ranges; its number. */
uint32_t build_table(struct build *b, enum image_table_kind kind, const struct array *v4,
                     const struct array *v6);

/* compile_recipients.c: the recipient file of a domain. */
void compile_recipients(struct build *b, const struct conf_domain *domain);

/* compile_image.c: the sections laid out in a sealed memfd.  0 or -errno. */
int build_image(struct build *b, struct compile_result *ret);

#endif
