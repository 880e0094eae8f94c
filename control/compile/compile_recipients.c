/* compile_recipients.c - a file of recipients, one a line, into fingerprints. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compile_build.h"
#include "policy_hash.h"

#define LINE_MAX_BYTES 1024u /* 64 + 1 + 255, quoted twice over, and a comment */
#define READ_BYTES     65536u

struct reader {
    struct build *b;
    const struct conf_domain *domain;
    struct span name;
    struct conf_where where;
    uint8_t line[LINE_MAX_BYTES];
    size_t len;
    bool too_long;
};

static void refuse(struct reader *r, size_t column, const char *what)
{
    r->where.column = (uint32_t)column + 1;
    conf_error_add(r->b->error, &r->where, "%s", what);
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

/* Well-formed UTF-8 (RFC 3629 s4), as SMTPUTF8 clients will send it. */
static size_t utf8_bytes(const uint8_t *p, size_t room)
{
    static const struct {
        uint8_t low, high, second_low, second_high, bytes;
    } rows[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3},
        {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (p[0] < rows[i].low || p[0] > rows[i].high)
            continue;
        if (room < rows[i].bytes || p[1] < rows[i].second_low || p[1] > rows[i].second_high)
            return 0;
        for (size_t k = 2; k < rows[i].bytes; k++)
            if (p[k] < 0x80 || p[k] > 0xbf)
                return 0;
        return rows[i].bytes;
    }
    return 0;
}

/* RFC 5321 s4.1.2 Local-part, quotes and backslashes taken off, into out; what of the line it
 * used, or 0 with *ret_why and *ret_at. */
static size_t local_part(struct span line, uint8_t out[LINE_MAX_BYTES], size_t *ret_len,
                         size_t *ret_at, const char **ret_why)
{
    bool quoted = line.ptr[0] == '"';
    size_t i = quoted ? 1 : 0, n = 0;

    for (; i < line.len; i++) {
        uint8_t c = line.ptr[i];

        *ret_at = i;
        if (c >= 0x80) {
            size_t bytes = utf8_bytes(line.ptr + i, line.len - i);

            if (bytes == 0) {
                *ret_why = "this is not UTF-8; save the file as UTF-8";
                return 0;
            }
            memcpy(out + n, line.ptr + i, bytes);
            n += bytes;
            i += bytes - 1;
            continue;
        }
        if (c < 0x20 || c == 0x7f) {
            *ret_why = "control character; remove it";
            return 0;
        }
        if (quoted && c == '"')
            break;
        if (quoted && c == '\\' && i + 1 < line.len && line.ptr[i + 1] >= 0x20 &&
            line.ptr[i + 1] < 0x7f)
            c = line.ptr[++i];
        else if (!quoted && c == '@')
            break;
        else if (!quoted && strchr(" \t()<>[]:;,\\\"", c) != NULL) {
            *ret_why = "this character cannot stand in a local part; put the local part into "
                       "double quotes, or remove it";
            return 0;
        }
        if (!quoted && c == '.' && (n == 0 || out[n - 1] == '.')) {
            *ret_why = "a dot cannot stand there; put the local part into double quotes";
            return 0;
        }
        out[n++] = c;
    }
    *ret_at = i;
    *ret_len = n;
    if (quoted && i == line.len) {
        *ret_why = "the closing double quote is missing";
        return 0;
    }
    if (!quoted && n > 0 && out[n - 1] == '.') {
        *ret_why = "a dot cannot stand there; put the local part into double quotes";
        return 0;
    }
    return quoted ? i + 1 : i;
}

/* Lower-case A-labels without a final dot, in place; false where it is nothing like a domain. */
static bool domain_of(uint8_t *p, size_t *len)
{
    if (*len > 0 && p[*len - 1] == '.')
        (*len)--;
    if (*len == 0 || *len > IMAGE_DOMAIN_MAX)
        return false;
    for (size_t i = 0; i < *len; i++) {
        p[i] = policy_lower(p[i]);
        if (!((p[i] >= 'a' && p[i] <= 'z') || (p[i] >= '0' && p[i] <= '9') || p[i] == '-' ||
              p[i] == '_' || p[i] == '.'))
            return false;
    }
    return true;
}

static bool is_below(struct span domain, struct span name)
{
    return domain.len > name.len && domain.ptr[domain.len - name.len - 1] == '.' &&
           span_equal(span_skip(domain, domain.len - name.len), name);
}

static void add(struct reader *r, struct span local, struct span domain, bool below, size_t column)
{
    struct image_print print;

    if (policy_fingerprint(r->b->header.key, local, domain, below, &print))
        build_print(r->b, print);
    else
        refuse(r, column, "local part longer than 64 octets (RFC 5321 s4.5.3.1.1); shorten it");
}

static void take_address(struct reader *r, uint8_t *line, size_t len, size_t column)
{
    uint8_t local[LINE_MAX_BYTES];
    size_t local_len = 0, at = 0, used;
    struct span domain, name = r->name;
    const char *why = NULL;

    if (line[0] == '@') {
        refuse(r, column,
               "no local part before the @; to take every recipient of a domain give it "
               "type: external-relay");
        return;
    }
    used = local_part(span_of(line, len), local, &local_len, &at, &why);
    if (used == 0 || local_len == 0) {
        refuse(r, column + at, why != NULL ? why : "empty local part; write an address");
        return;
    }
    if (used == len) {
        add(r, span_of(local, local_len), name, false, column);
        if (r->domain->subdomains)
            add(r, span_of(local, local_len), name, true, column);
        return;
    }
    line += used + 1;
    len -= used + 1;
    if (line[-1] != '@' || !domain_of(line, &len)) {
        refuse(r, column + used,
               "this is no address; write local-part@domain, the domain in "
               "letters, digits and hyphens (xn-- form)");
        return;
    }
    domain = span_of(line, len);
    if (span_equal(domain, name) || (r->domain->subdomains && is_below(domain, name)))
        add(r, span_of(local, local_len), domain, false, column);
    else
        refuse(r, column + used + 1,
               "address of another domain than the file is for; move it to "
               "the recipients file of its own domain");
}

/* Where a comment starts: at a '#' after a blank, outside of quotes. */
static size_t comment_at(const uint8_t *line, size_t from, size_t to)
{
    bool quoted = line[from] == '"';

    for (size_t i = from + 1; i < to; i++) {
        if (quoted && line[i] == '\\')
            i++;
        else if (quoted)
            quoted = line[i] != '"';
        else if (line[i] == '#' && is_blank(line[i - 1]))
            return i;
    }
    return to;
}

static void take_line(struct reader *r)
{
    size_t from = 0, to = r->len;

    r->where.line++;
    if (r->where.line == 1 && to >= 3 && memcmp(r->line, "\xef\xbb\xbf", 3) == 0)
        from = 3; /* a byte order mark */
    if (r->too_long) {
        refuse(r, 0, "line longer than 1024 bytes; write one address a line");
        return;
    }
    if (to > from && r->line[to - 1] == '\r')
        to--;
    while (from < to && is_blank(r->line[from]))
        from++;
    if (from == to || r->line[from] == '#')
        return;
    to = comment_at(r->line, from, to);
    while (to > from && is_blank(r->line[to - 1]))
        to--;
    take_address(r, r->line + from, to - from, from);
}

static void take_bytes(struct reader *r, const uint8_t *bytes, size_t n)
{
    while (n > 0) {
        const uint8_t *end = memchr(bytes, '\n', n);
        size_t part = end != NULL ? (size_t)(end - bytes) : n;

        if (part > sizeof(r->line) - r->len)
            r->too_long = true;
        else if (!r->too_long) {
            memcpy(r->line + r->len, bytes, part);
            r->len += part;
        }
        if (end == NULL)
            return;
        take_line(r);
        r->len = 0;
        r->too_long = false;
        bytes += part + 1;
        n -= part + 1;
    }
}

/* 0 or -errno. */
static int take_file(struct reader *r, int fd, uint8_t buffer[READ_BYTES])
{
    struct stat st;

    if (fstat(fd, &st) != 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
    /* After so many errors that no more can be told, the rest need not be read. */
    while (!r->b->error->more && !r->b->no_memory && !r->b->too_large) {
        ssize_t n = read(fd, buffer, READ_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0) {
            if (r->len > 0 || r->too_long)
                take_line(r);
            return 0;
        }
        take_bytes(r, buffer, (size_t)n);
    }
    return 0;
}

void compile_recipients(struct build *b, const struct conf_domain *domain)
{
    const struct conf_opener *opener = b->opener != NULL ? b->opener : &conf_opener_direct;
    const char *path = domain->recipients_file.text;
    struct reader r = {
        .b = b, .domain = domain, .name = span_str(domain->name.text), .where = {.file = path}};
    uint8_t *buffer;
    int fd, rc;

    if (path[0] == '\0')
        return;
    fd = opener->open(opener->ctx, path);
    if (fd < 0) {
        conf_error_add(b->error, &domain->recipients_file.where,
                       "cannot open the recipients file %s: %s; create it, or correct the path",
                       path, strerror(-fd));
        return;
    }
    buffer = malloc(READ_BYTES);
    rc = buffer != NULL ? take_file(&r, fd, buffer) : -ENOMEM;
    free(buffer);
    close(fd);
    if (rc == -ENOMEM)
        b->no_memory = true;
    else if (rc != 0)
        conf_error_add(b->error, &domain->recipients_file.where,
                       "cannot read the recipients file %s: %s; give a plain file", path,
                       strerror(-rc));
}
