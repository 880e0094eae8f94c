/* Goal: however a configuration is built, reading it ends soon and in bounded memory, and says
 * why.  Method: texts that reach for each bound of conf_limits.h, and includes that circle. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf.h"
#include "conf_limits.h"
#include "conf_text.h"

struct text { /* grows */
    char  *at;
    size_t len, room;
};

__attribute__((format(printf, 2, 3))) static void put(struct text *t, const char *format, ...)
{
    va_list args;

    if (t->room - t->len < 8192) {
        t->room = (t->room + 8192) * 2;
        t->at = realloc(t->at, t->room);
        assert_non_null(t->at);
    }
    va_start(args, format);
    t->len += (size_t)vsnprintf(t->at + t->len, t->room - t->len, format, args);
    va_end(args);
}

static int open_by_name(void *ctx, const char *path)
{
    const char *(*text_of)(const char *) = *(const char *(**)(const char *))ctx;
    const char *text = text_of != NULL ? text_of(path) : NULL;

    if (text == NULL)
        return -ENOENT;

    int fd = memfd_create("conf", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static struct conf_error error;

/* Loads; want NULL: it is accepted, else its first line. */
static void check(const char *text, const char *(*text_of)(const char *), const char *want)
{
    struct conf_opener opener = {.ctx = &text_of, .open = open_by_name};
    struct conf *conf = NULL;
    int rc = conf_load_text("/c.yaml", span_str(text), &opener, &conf, &error);

    if (want == NULL) {
        assert_int_equal(rc, 0);
        conf_free(conf);
        return;
    }
    assert_true(rc < 0);
    assert_null(conf);
    assert_string_equal(error.line[0], want);
}

static void file_size(void **state)
{
    size_t len = (size_t)CONF_FILE_BYTES_MAX + 1;
    char *text = malloc(len);
    struct conf *conf = NULL;

    (void)state;
    assert_non_null(text);
    memset(text, '\n', len);
    memcpy(text, CONF_TEXT_LEAST, strlen(CONF_TEXT_LEAST));
    assert_int_equal(conf_load_text("/c.yaml", span_of(text, len - 1), NULL, &conf, &error), 0);
    conf = conf_free(conf);
    assert_int_equal(conf_load_text("/c.yaml", span_of(text, len), NULL, &conf, &error), -EFBIG);
    assert_null(conf);
    assert_string_equal(error.line[0],
                        "cannot read /c.yaml: larger than 8M; name a file that can be read");
    free(text);
}

/* Ten lists of aliases to the list before: 10^7 rules from a screenful. */
static void alias_bomb(void **state)
{
    struct text t = {0};

    (void)state;
    put(&t, CONF_TEXT_INSTANCE CONF_TEXT_DATAPLANE CONF_TEXT_ROUTES CONF_TEXT_BOUNCES);
    put(&t, "virtual_servers:\n");
    for (int s = 0; s < CONF_SERVERS_MAX; s++) {
        put(&t, "- {name: s%d, hostname: a.example, listen: [\"10.0.0.2:%d\"], trusted: %s", s,
            s + 1, s == 0 ? "&all [" : "*all");
        for (int i = 0; s == 0 && i < 40000; i++)
            put(&t, "%s10.0.0.0/8", i == 0 ? "" : ", ");
        put(&t, "%s}\n", s == 0 ? "]" : "");
    }
    check(t.at, NULL, "/c.yaml:1:1: more than 1000000 values, aliases (*) counted at each use; "
                      "use fewer");
    free(t.at);
    /* The classic one is no list of ours: it is not walked at all. */
    check(CONF_TEXT_LEAST "log: {format: &a [x, x], to: &b [*a, *a, *a, *a, *a, *a, *a, *a]}\n",
          NULL, "/c.yaml:6:15: `log.format` must be a single value, not a list or a mapping; "
                "write one value");
}

/* An alias within its own anchor: a tree that never ends. */
static void alias_circle(void **state)
{
    (void)state;
    check(CONF_TEXT_LEAST "queue: &q {retry: *q}\n", NULL,
          "/c.yaml:6:12: unknown key \"retry\" in queue.retry; known here: first, maximum");
}

static void anchors(void **state)
{
    for (unsigned n = CONF_ANCHORS_MAX; n <= CONF_ANCHORS_MAX + 1; n++) {
        struct text t = {0};

        put(&t, CONF_TEXT_LEAST "bare_newline: {rules: [");
        for (unsigned i = 0; i < n; i++)
            put(&t, "&a%u {match: 10.0.0.1, action: note},\n", i);
        put(&t, "]}\n");
        check(t.at, NULL, n == CONF_ANCHORS_MAX
                              ? NULL
                              : "/c.yaml:1006:1: too many anchors (&...); write the values out");
        free(t.at);
    }
    (void)state;
}

static void events(void **state)
{
    struct text t = {0};

    (void)state;
    put(&t, "instance: [");
    for (unsigned i = 0; i <= CONF_EVENTS_MAX; i++)
        put(&t, "a,");
    check(t.at, NULL, "/c.yaml:1:4000002: too many values in one file; split it or use lists in "
                      "files of their own");
    free(t.at);
}

static void list_lengths(void **state)
{
    (void)state;
    for (unsigned n = CONF_PORT_ADDRESSES_MAX; n <= CONF_PORT_ADDRESSES_MAX + 1; n++) {
        struct text t = {0};

        put(&t, CONF_TEXT_INSTANCE CONF_TEXT_SERVERS CONF_TEXT_ROUTES CONF_TEXT_BOUNCES
            "dataplane: {cores: [0], ports: [{device: a, addresses: [");
        for (unsigned i = 0; i < n; i++)
            put(&t, "10.0.0.%u/24,", i + 2);
        put(&t, "]}]}\n");
        check(t.at, NULL, n == CONF_PORT_ADDRESSES_MAX
                              ? NULL
                              : "/c.yaml:5:56: `dataplane.ports[].addresses` has 65 entries; "
                                "write 1 to 64");
        free(t.at);
    }
    for (unsigned n = CONF_CORES_MAX; n <= CONF_CORES_MAX + 1; n++) {
        struct text t = {0};

        put(&t, CONF_TEXT_INSTANCE CONF_TEXT_SERVERS CONF_TEXT_ROUTES CONF_TEXT_BOUNCES
            "dataplane: {ports: [{device: a, addresses: [10.0.0.2/24]}], cores: [");
        for (unsigned i = 0; i < n; i++)
            put(&t, "1,");
        put(&t, "]}\n");
        check(t.at, NULL, n == CONF_CORES_MAX ? NULL
                                              : "/c.yaml:5:68: `dataplane.cores` has 17 entries; "
                                                "write 1 to 16");
        free(t.at);
    }
}

/* Twenty lines and the word that there are more. */
static void error_lines(void **state)
{
    for (unsigned n = CONF_ERRORS_MAX; n <= CONF_ERRORS_MAX + 30; n += 30) {
        struct text t = {0};

        put(&t, CONF_TEXT_LEAST);
        for (unsigned i = 0; i < n; i++)
            put(&t, "key%u: 1\n", i);
        check(t.at, NULL, "/c.yaml:6:1: unknown key \"key0\" in the configuration; known here: "
                          "include, instance, runtime, dataplane, virtual_servers, domains, "
                          "routes, bounces, queue, bare_newline, limits, admin, log");
        assert_int_equal(error.count, CONF_ERRORS_MAX);
        assert_int_equal(error.more, n > CONF_ERRORS_MAX);
        free(t.at);
    }
    (void)state;
}

/* A path as long as a line: cut, not overrun. */
static void long_path(void **state)
{
    char path[CONF_ERROR_BYTES * 2];
    struct conf *conf = NULL;

    (void)state;
    memset(path, 'p', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    assert_int_equal(conf_load_text(path, span_str("- a"), NULL, &conf, &error), -EINVAL);
    assert_int_equal(strlen(error.line[0]), CONF_ERROR_BYTES - 1);
}

static const char *each_includes_the_next(const char *path)
{
    static char text[64];

    snprintf(text, sizeof(text), "include: [%d.yaml]\n", atoi(path + 1) + 1);
    return text;
}

static const char *eight_deep(const char *path)
{
    return strcmp(path, "/8.yaml") == 0 ? "limits: {hops: 9}\n" : each_includes_the_next(path);
}

static const char *back_to_the_first(const char *path)
{
    return strcmp(path, "/1.yaml") == 0 ? "include: [2.yaml]" : "include: [1.yaml]";
}

static const char *itself(const char *path)
{
    (void)path;
    return "include: [c.yaml]";
}

static const char *empty_map(const char *path)
{
    (void)path;
    return "{}";
}

static const char *top_list(const char *path)
{
    (void)path;
    return "log: {format: json}";
}

static void includes(void **state)
{
    (void)state;
    check(CONF_TEXT_LEAST "include: [1.yaml]", eight_deep, NULL);
    check(CONF_TEXT_LEAST "include: [1.yaml]", each_includes_the_next,
          "/8.yaml:1:11: includes are nested more than 8 deep; name the file higher up");
    check(CONF_TEXT_LEAST "include: [1.yaml]", back_to_the_first,
          "/2.yaml:1:11: /1.yaml is included twice; remove it here");
    check(CONF_TEXT_LEAST "include: [1.yaml]", itself,
          "/1.yaml:1:11: /c.yaml is the configuration file itself; remove it here");
    check(CONF_TEXT_LEAST "include: [1.yaml]\nlog: {to: stderr}", top_list,
          "/1.yaml:1:1: `log` stands twice, first at /c.yaml:7; remove one of them");

    for (unsigned n = CONF_FILES_MAX - 1; n <= CONF_FILES_MAX; n++) {
        struct text t = {0};

        put(&t, CONF_TEXT_LEAST "include: [");
        for (unsigned i = 0; i < n; i++)
            put(&t, "%u.yaml,", i);
        put(&t, "]");
        check(t.at, empty_map,
              n < CONF_FILES_MAX ? NULL : "/c.yaml:6:10: `include` names more than 63 files; join "
                                          "some");
        free(t.at);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(file_size),  cmocka_unit_test(alias_bomb),   cmocka_unit_test(alias_circle),
        cmocka_unit_test(anchors),    cmocka_unit_test(events),       cmocka_unit_test(list_lengths),
        cmocka_unit_test(error_lines), cmocka_unit_test(long_path),   cmocka_unit_test(includes),
    };

    return cmocka_run_group_tests_name("conf_bounds", tests, NULL, NULL);
}
