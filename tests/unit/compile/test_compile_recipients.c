/* Goal: a recipient file says exactly who exists; what it cannot mean is refused with its line
 * and what to do.
 * Method: rows of file texts; a file of 200,000; files that cannot be read. */
#include "compile_world.h"

static struct world *one_domain(const char *text, bool subdomains)
{
    struct world *w = world_new();

    world_server(w, "inbound", "10.25.0.25", "fd25::25", 25);
    world_domain(w, "example.org", CONF_AUTHORITATIVE, "/r", subdomains);
    if (text != NULL)
        world_file(w, "/r", text);
    return w;
}

static bool exists(const struct world *w, const char *local_part, const char *domain)
{
    struct policy_who who = {.authenticated = true}; /* so that % is not refused */

    return policy_rcpt(&w->policy, 0, &who, span_str(local_part), span_str(domain)).verdict ==
           RCPT_ACCEPT;
}

static void test_taken(void **state)
{
    static const char l64[] = "0123456789012345678901234567890123456789012345678901234567890123";
    /* clang-format off */
    static const struct {
        const char *text;
        const char *local_part, *domain;
        bool subdomains, want;
        uint32_t count;
    } rows[] = {
        {"", "user", "example.org", false, false, 0},
        {"\n\n", "user", "example.org", false, false, 0},
        {"user", "user", "example.org", false, true, 1},
        {"user\n", "user", "example.org", false, true, 1},
        {"user\r\n", "user", "example.org", false, true, 1},
        {"  user\t \r\n", "user", "example.org", false, true, 1},
        {"\xef\xbb\xbfuser\n", "user", "example.org", false, true, 1},
        {"# no\nuser # yes\n", "user", "example.org", false, true, 1},
        {"#user\n", "user", "example.org", false, false, 0},
        {"\t# user\n", "user", "example.org", false, false, 0},
        {"a#b\n", "a#b", "example.org", false, true, 1},
        {"user@example.org\n", "user", "example.org", false, true, 1},
        {"USER@EXAMPLE.org.\n", "user", "example.org", false, true, 1},
        {"user\nuser@example.org\nUser\n", "user", "example.org", false, true, 1},
        {"one\ntwo\nthree", "three", "example.org", false, true, 3},
        {"o'neil+tag=x%y!z\n", "o'neil+tag=x%y!z", "example.org", false, true, 1},
        {"\"john doe\"@example.org # his\n", "john doe", "example.org", false, true, 1},
        {"\"a\\\"b\\\\c@d #\"\n", "a\"b\\c@d #", "example.org", false, true, 1},
        {"\"plain\"\n", "plain", "example.org", false, true, 1},
        {"J\xc3\xb6rg\n", "j\xc3\xb6rg", "example.org", false, true, 1},
        {"user\n", "user", "a.example.org", true, true, 2},
        {"user\n", "user", "b.a.example.org", true, true, 2},
        {"user@example.org\n", "user", "a.example.org", true, false, 1},
        {"user@a.example.org\n", "user", "a.example.org", true, true, 1},
        {"user@a.example.org\n", "user", "example.org", true, false, 1},
        {"user@a.example.org\n", "user", "b.a.example.org", true, false, 1},
        {l64, l64, "example.org", false, true, 1},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world *w = one_domain(rows[i].text, rows[i].subdomains);

        world_must_compile(w);
        if (exists(w, rows[i].local_part, rows[i].domain) != rows[i].want ||
            w->result.recipients != rows[i].count)
            fail_msg("row %zu: \"%s\"", i, rows[i].text);
        assert_false(exists(w, "nobody", "example.org"));
        world_free(w);
    }
}

static void test_refused(void **state)
{
    char l65[67], long_line[1100];
    /* clang-format off */
    const struct {
        const char *text, *want, *action;
        bool subdomains;
    } rows[] = {
        {"@example.org\n",              "/r:1:1: no local part",      "external-relay", false},
        {"\n\n  @x\n",                  "/r:3:3: no local part",      "external-relay", false},
        {"user@\n",                     "/r:1:5: this is no address", "write",          false},
        {"user@ex ample.org\n",         "/r:1:5: this is no address", "write",          false},
        {"user@a@example.org\n",        "/r:1:5: this is no address", "write",          false},
        {"user@ex\xc3\xa4mple.org\n",   "/r:1:5: this is no address", "xn--",           false},
        {"user@other.example\n",        "/r:1:6: address of another", "move",           false},
        {"user@a.example.org\n",        "/r:1:6: address of another", "move",           false},
        {"user@xexample.org\n",         "/r:1:6: address of another", "move",           true },
        {"user@org\n",                  "/r:1:6: address of another", "move",           true },
        {"john doe\n",                  "/r:1:5: this character",     "quotes",         false},
        {"<user@example.org>\n",        "/r:1:1: this character",     "quotes",         false},
        {"a,b\n",                       "/r:1:2: this character",     "quotes",         false},
        {"\"john\n",                    "/r:1:6: the closing",        "missing",        false},
        {"\"john\"x@example.org\n",     "/r:1:7: this is no address", "write",          false},
        {"\"\"@example.org\n",          "/r:1:2: empty local part",   "write",          false},
        {".user\n",                     "/r:1:1: a dot",              "quotes",         false},
        {"us..er\n",                    "/r:1:4: a dot",              "quotes",         false},
        {"user.@example.org\n",         "/r:1:6: a dot",              "quotes",         false},
        {"ok\nbad\x01\n",               "/r:2:4: control character",  "remove",         false},
        {"ok\n\xff\n",                  "/r:2:1: this is not UTF-8",  "UTF-8",          false},
        {"\xc3",                        "/r:1:1: this is not UTF-8",  "UTF-8",          false},
        {"a\xed\xa0\x80\n",             "/r:1:2: this is not UTF-8",  "UTF-8",          false},
        {l65,                           "/r:1:1: local part longer",  "shorten",        false},
        {long_line,                     "/r:1:1: line longer",        "a line",         false},
    };
    /* clang-format on */

    (void)state;
    memset(l65, 'x', 65);
    strcpy(l65 + 65, "\n");
    memset(long_line, 'y', 1090);
    strcpy(long_line + 1090, "\nok\n");
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct world *w = one_domain(rows[i].text, rows[i].subdomains);

        assert_int_equal(world_compile(w), -22);
        if (w->error.count != 1 ||
            strncmp(w->error.line[0], rows[i].want, strlen(rows[i].want)) != 0 ||
            strstr(w->error.line[0], rows[i].action) == NULL)
            fail_msg("row %zu: %u lines, %s", i, w->error.count, w->error.line[0]);
        world_free(w);
    }
}

/* All mistakes at once, up to the bound; then "more". */
static void test_several(void **state)
{
    struct world *w = one_domain("@a\nfine\n@b\n", false);
    char many[200], *at = many;

    (void)state;
    assert_int_equal(world_compile(w), -22);
    assert_int_equal(w->error.count, 2);
    assert_false(w->error.more);
    assert_int_equal(strncmp(w->error.line[1], "/r:3:1: ", 8), 0);
    for (unsigned i = 0; i < 40; i++)
        at = stpcpy(at, "@\n");
    w->file[0].text = many;
    assert_int_equal(world_compile(w), -22);
    assert_int_equal(w->error.count, CONF_ERRORS_MAX);
    assert_true(w->error.more);
    world_free(w);
}

static int open_directory(void *ctx, const char *path)
{
    (void)path;
    return ((const struct conf_opener *)ctx)->open(NULL, "/");
}

static void test_unreadable(void **state)
{
    struct world *w = one_domain(NULL, false);
    struct conf_opener directory = {(void *)(uintptr_t)&conf_opener_direct, open_directory};

    (void)state;
    assert_int_equal(world_compile(w), -22);
    assert_int_equal(w->error.count, 1);
    assert_non_null(strstr(w->error.line[0], "test.yaml:200:7: cannot open the recipients file /r: "
                                             "No such file or directory"));
    w->opener = directory;
    assert_int_equal(world_compile(w), -22);
    assert_non_null(strstr(w->error.line[0], "test.yaml:200:7: cannot read the recipients file /r: "
                                             "Is a directory"));
    world_free(w);
}

/* Two domains' files do not mix. */
static void test_apart(void **state)
{
    struct world *w = one_domain("one\n", false);

    (void)state;
    world_domain(w, "example.com", CONF_AUTHORITATIVE, "/s", false);
    world_file(w, "/s", "two\n");
    world_must_compile(w);
    assert_true(exists(w, "one", "example.org"));
    assert_true(exists(w, "two", "example.com"));
    assert_false(exists(w, "two", "example.org"));
    assert_false(exists(w, "one", "example.com"));
    world_free(w);
}

static void test_many(void **state)
{
    const unsigned n = 200000;
    char *text = malloc(n * 16), *at = text, name[16];
    struct world *w;

    (void)state;
    assert_non_null(text);
    for (unsigned i = 0; i < n; i++) /* every fourth repeats the one before */
        at += sprintf(at, "user%u\n", i - i % 4 / 3);
    w = one_domain(text, false);
    world_must_compile(w);
    assert_int_equal(w->result.recipients, n - n / 4);
    for (unsigned i = 0; i < n; i++) {
        sprintf(name, "USER%u", i);
        assert_int_equal(exists(w, name, "example.org"), i % 4 != 3);
    }
    free(text);
    world_free(w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_several), cmocka_unit_test(test_unreadable),
        cmocka_unit_test(test_apart),   cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
