/* Goal: the address grammar of RFC 5321 s4.1.2, what real clients send beyond it, and nothing
 * else.  Method: rows against a page that cannot be read; every prefix of every row as well. */
#include "smtp_path.h"
#include "smtp_test.h"

#define A63  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define D255 A63 "." A63 "." A63 "." A63

static const struct {
    const char *in, *text, *local, *rest; /* text NULL: refused */
} rows[] = {
    {"<a@b.example>",                       "a@b.example",             "a",          ""      },
    {"<>",                                  "",                        "",           ""      },
    {"<> SIZE=1",                           "",                        "",           "SIZE=1"},
    {" <a@b.example>",                      "a@b.example",             "a",          ""      },
    {"a@b.example",                         "a@b.example",             "a",          ""      },
    {"  a@b.example  SIZE=3",               "a@b.example",             "a",          "SIZE=3"},
    {"<A.B@B.Example>",                     "A.B@b.example",           "A.B",        ""      },
    {"<postmaster>",                        "postmaster",              "postmaster", ""      },
    {"<\"a b\"@b.example>",                 "\"a b\"@b.example",       "a b",        ""      },
    {"<\"ab\"@b.example>",                  "ab@b.example",            "ab",         ""      },
    {"<\"a\\\"b\"@b.example>",              "\"a\\\"b\"@b.example",    "a\"b",       ""      },
    {"<\"a\\bc\"@b.example>",               "abc@b.example",           "abc",        ""      },
    {"<\"u@x\"@b.example>",                 "\"u@x\"@b.example",       "u@x",        ""      },
    {"<\"a>b\"@b.example>",                 "\"a>b\"@b.example",       "a>b",        ""      },
    {"<\"\"@b.example>",                    "\"\"@b.example",          "",           ""      },
    {"<a%c@b.example>",                     "a%c@b.example",           "a%c",        ""      },
    {"<c!a@b.example>",                     "c!a@b.example",           "c!a",        ""      },
    {"<@x.example:a@b.example>",            "a@b.example",             "a",          ""      },
    {"<@x.example,@y.example:a@b.example>", "a@b.example",             "a",          ""      },
    {"<a@[10.25.0.25]>",                    "a@[10.25.0.25]",          "a",          ""      },
    {"<a@[IPv6:FD25::25]>",                 "a@[IPv6:fd25::25]",       "a",          ""      },
    {"<a@[ipv6:::1]>",                      "a@[IPv6:::1]",            "a",          ""      },
    {"<a@my_host.example>",                 "a@my_host.example",       "a",          ""      },
    {"<a@localhost>",                       "a@localhost",             "a",          ""      },
    {"<a@1.example>",                       "a@1.example",             "a",          ""      },
    {"<a@B\xc3\xbc"
     "cher.example>",                  "a@xn--bcher-kva.example", "a",          ""      },
    {"<\xc3\xa4@b.example>",                "\xc3\xa4@b.example",      "\xc3\xa4",   ""      },
    {"<" A63 "a@b.example>",                A63 "a@b.example",         A63 "a",      ""      },
    {"<a@" D255 ">",                        "a@" D255,                 "a",          ""      },

    {"",                                    NULL,                      NULL,         NULL    },
    {"<",                                   NULL,                      NULL,         NULL    },
    {"<a@b.example",                        NULL,                      NULL,         NULL    },
    {"a@b.example>",                        NULL,                      NULL,         NULL    },
    {"<a@b.example>x",                      NULL,                      NULL,         NULL    },
    {"<a@b.example>SIZE=1",                 NULL,                      NULL,         NULL    },
    {"<<a@b.example>>",                     NULL,                      NULL,         NULL    },
    {"<a@>",                                NULL,                      NULL,         NULL    },
    {"<@b.example>",                        NULL,                      NULL,         NULL    },
    {"<a@b@c.example>",                     NULL,                      NULL,         NULL    },
    {"<a b@c.example>",                     NULL,                      NULL,         NULL    },
    {"<.a@b.example>",                      NULL,                      NULL,         NULL    },
    {"<a.@b.example>",                      NULL,                      NULL,         NULL    },
    {"<a..b@b.example>",                    NULL,                      NULL,         NULL    },
    {"<a@b..example>",                      NULL,                      NULL,         NULL    },
    {"<a@.example>",                        NULL,                      NULL,         NULL    },
    {"<a@b.example.>",                      NULL,                      NULL,         NULL    },
    {"<a@-b.example>",                      NULL,                      NULL,         NULL    },
    {"<a@b-.example>",                      NULL,                      NULL,         NULL    },
    {"<a@b!c.example>",                     NULL,                      NULL,         NULL    },
    {"<\"a@b.example>",                     NULL,                      NULL,         NULL    },
    {"<\"a\"b@b.example>",                  NULL,                      NULL,         NULL    },
    {"<a(c)@b.example>",                    NULL,                      NULL,         NULL    },
    {"<a@[10.25.0.256]>",                   NULL,                      NULL,         NULL    },
    {"<a@[10.25.0.25>",                     NULL,                      NULL,         NULL    },
    {"<a@[fd25::25]>",                      NULL,                      NULL,         NULL    },
    {"<a@[IPv6:10.25.0.25]>",               NULL,                      NULL,         NULL    },
    {"<a@[tag:x]>",                         NULL,                      NULL,         NULL    },
    {"<a@[]>",                              NULL,                      NULL,         NULL    },
    {"<@x.example a@b.example>",            NULL,                      NULL,         NULL    },
    {"<@x.example,y:a@b.example>",          NULL,                      NULL,         NULL    },
    {"@x.example:a@b.example",              NULL,                      NULL,         NULL    },
    {"<\xc3@b.example>",                    NULL,                      NULL,         NULL    },
    {"<\xc0\xaf@b.example>",                NULL,                      NULL,         NULL    },
    {"<\xed\xa0\x80@b.example>",            NULL,                      NULL,         NULL    },
    {"<a@\xff.example>",                    NULL,                      NULL,         NULL    },
    {"<" A63 "aa@b.example>",               NULL,                      NULL,         NULL    },
    {"<\"" A63 " \"@b.example>",            NULL,                      NULL,         NULL    },
    {"<a@" D255 "a>",                       NULL,                      NULL,         NULL    },
    {"<a@" A63 "a.example>",                NULL,                      NULL,         NULL    },
};

static void every_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = strlen(rows[i].in);
        struct guard g = guard_new(rows[i].in, n);
        struct span args = span_of(g.ptr, n);
        struct smtp_path path;
        bool ok = smtp_path(&args, &path);

        if (ok != (rows[i].text != NULL))
            fail_msg("%s: %s", rows[i].in, ok ? "taken" : "refused");
        if (ok) {
            assert_span(path_text(&path), rows[i].text, strlen(rows[i].text));
            assert_span(path_local(&path), rows[i].local, strlen(rows[i].local));
            assert_span(args, rows[i].rest, strlen(rows[i].rest));
            assert_int_equal(path.null, rows[i].text[0] == '\0');
        }
        guard_free(&g);
    }
}

/* No prefix of anything makes it read on, and none makes another address of it than a longer
 * one without the closing bracket could. */
static void every_prefix(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t n = 0; n < strlen(rows[i].in); n++) {
            struct guard g = guard_new(rows[i].in, n);
            struct span args = span_of(g.ptr, n);
            struct smtp_path path;

            if (smtp_path(&args, &path) && n > 0 && g.ptr[0] == '<')
                assert_non_null(memchr(g.ptr, '>', n));
            guard_free(&g);
        }
    }
}

static void facts(void **state)
{
    static const struct {
        const char *in;
        bool utf8, literal;
    } facts_of[] = {
        {"<a@b.example>",                    false, false},
        {"<\xc3\xa4@b.example>",             true,  false},
        {"<a@b\xc3\xbc.example>",            true,  false},
        {"<@b\xc3\xbc.example:a@b.example>", true,  false},
        {"<a@[10.25.0.25]>",                 false, true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(facts_of); i++) {
        struct span args = span_str(facts_of[i].in);
        struct smtp_path path;

        assert_true(smtp_path(&args, &path));
        assert_int_equal(path.utf8, facts_of[i].utf8);
        assert_int_equal(path.literal, facts_of[i].literal);
        if (path.literal)
            assert_int_equal(ip_to_v4(&path.address), 0x0a190019);
    }
}

static void utf8_rows(void **state)
{
    (void)state;
    assert_true(text_utf8_valid(span_str("a\xc2\x80\xe0\xa0\x80\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
    assert_false(text_utf8_valid(span_str("\x80")));
    assert_false(text_utf8_valid(span_str("\xc1\x80")));
    assert_false(text_utf8_valid(span_str("\xe0\x9f\x80")));
    assert_false(text_utf8_valid(span_str("\xf0\x8f\x80\x80")));
    assert_false(text_utf8_valid(span_str("\xf4\x90\x80\x80")));
    assert_false(text_utf8_valid(span_str("\xf5\x80\x80\x80")));
    assert_false(text_utf8_valid(span_str("\xe2\x82")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row),
        cmocka_unit_test(every_prefix),
        cmocka_unit_test(facts),
        cmocka_unit_test(utf8_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
