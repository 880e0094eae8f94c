/* Goal: targets read as deliver_target.h says, and nothing else does.  Method: rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "deliver_target.h"

static const struct {
    const char *url;
    int kind; /* 0: refused */
    const char *host;
    uint16_t port;
} rows[] = {
    {"smtp://10.25.1.10:25",       TARGET_SMTP,    "10.25.1.10", 25   },
    {"smtp://10.25.1.10",          TARGET_SMTP,    "10.25.1.10", 25   },
    {"smtp://10.25.1.10:65535",    TARGET_SMTP,    "10.25.1.10", 65535},
    {"smtp://[fd25::10]:2525",     TARGET_SMTP,    "fd25::10",   2525 },
    {"smtp://[fd25::10]",          TARGET_SMTP,    "fd25::10",   25   },
    {"maildir:/var/mail/x",        TARGET_MAILDIR, NULL,         0    },
    {"discard:",                   TARGET_DISCARD, NULL,         0    },
    {"",                           0,              NULL,         0    },
    {"smtp://",                    0,              NULL,         0    },
    {"smtp://mail.example.org:25", 0,              NULL,         0    },
    {"smtp://localhost",           0,              NULL,         0    },
    {"smtp://10.25.1.10:",         0,              NULL,         0    },
    {"smtp://10.25.1.10:0",        0,              NULL,         0    },
    {"smtp://10.25.1.10:65536",    0,              NULL,         0    },
    {"smtp://10.25.1.10:25/",      0,              NULL,         0    },
    {"smtp://10.25.1:25",          0,              NULL,         0    },
    {"smtp://[10.25.1.10]:25",     0,              NULL,         0    },
    {"smtp://[fd25::10:25",        0,              NULL,         0    },
    {"smtp://[fd25::10]25",        0,              NULL,         0    },
    {"smtp://fd25::10",            0,              NULL,         0    },
    {"SMTP://10.25.1.10",          0,              NULL,         0    },
    {"lmtp://10.25.1.10:24",       0,              NULL,         0    },
    {"maildir:relative",           0,              NULL,         0    },
    {"maildir:",                   0,              NULL,         0    },
    {"discard:x",                  0,              NULL,         0    },
    {"mx:",                        0,              NULL,         0    },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct target t = {0};
        const char *why = NULL;
        int rc = target_parse(span_str(rows[i].url), &t, &why);

        if ((rc == 0) != (rows[i].kind != 0) || (int)t.kind != rows[i].kind ||
            (rc != 0) != (why != NULL))
            fail_msg("%s: %d, kind %d", rows[i].url, rc, (int)t.kind);
        if (rows[i].host != NULL && (strcmp(t.host, rows[i].host) != 0 || t.port != rows[i].port))
            fail_msg("%s: %s port %u", rows[i].url, t.host, t.port);
    }
}

static void test_nul_and_length(void **state)
{
    static char path[TARGET_PATH_MAX + 16] = "maildir:/";
    struct target t;
    const char *why;

    (void)state;
    assert_int_not_equal(target_parse(span_of("maildir:/a\0b", 12), &t, &why), 0);
    assert_int_not_equal(target_parse(span_of("smtp://10.0.0.1\0", 16), &t, &why), 0);
    memset(path + 9, 'a', sizeof(path) - 9);
    assert_int_equal(target_parse(span_of(path, 8 + TARGET_PATH_MAX), &t, &why), 0);
    assert_int_not_equal(target_parse(span_of(path, 9 + TARGET_PATH_MAX), &t, &why), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_nul_and_length),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
