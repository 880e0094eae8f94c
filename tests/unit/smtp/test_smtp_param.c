/* Goal: only what EHLO announces is taken behind an address.  Method: rows, page guard. */
#include "smtp_param.h"
#include "smtp_test.h"

static const struct {
    const char *in;
    enum smtp_reply want;
    uint64_t size;
    bool eight, utf8;
} rows[] = {
    {"",                              REPLY_NONE,            0,          false, false},
    {"SIZE=0",                        REPLY_NONE,            0,          false, false},
    {"SIZE=12345",                    REPLY_NONE,            12345,      false, false},
    {"size=1 body=8bitmime smtputf8", REPLY_NONE,            1,          true,  true },
    {"BODY=7BIT",                     REPLY_NONE,            0,          false, false},
    {"SMTPUTF8   SIZE=7",             REPLY_NONE,            7,          false, true },
    {"SIZE=18446744073709551616",     REPLY_NONE,            UINT64_MAX, false, false},
    {"SIZE=99999999999999999999",     REPLY_NONE,            UINT64_MAX, false, false},
    {"SIZE=100000000000000000000",    REPLY_PARAMETER_VALUE, 0,          false, false},
    {"SIZE",                          REPLY_PARAMETER_VALUE, 0,          false, false},
    {"SIZE=",                         REPLY_PARAMETER_VALUE, 0,          false, false},
    {"SIZE=x",                        REPLY_PARAMETER_VALUE, 0,          false, false},
    {"SIZE=-1",                       REPLY_PARAMETER_VALUE, 0,          false, false},
    {"SIZE=1 SIZE=1",                 REPLY_PARAMETER_VALUE, 0,          false, false},
    {"SIZE=1=2",                      REPLY_PARAMETER_VALUE, 0,          false, false},
    {"BODY",                          REPLY_PARAMETER_VALUE, 0,          false, false},
    {"BODY=8BITMIME BODY=7BIT",       REPLY_PARAMETER_VALUE, 0,          false, false},
    {"BODY=BINARYMIME",               REPLY_PARAMETER,       0,          false, false},
    {"SMTPUTF8=1",                    REPLY_PARAMETER_VALUE, 0,          false, false},
    {"SMTPUTF8 SMTPUTF8",             REPLY_PARAMETER_VALUE, 0,          false, false},
    {"=1",                            REPLY_PARAMETER_VALUE, 0,          false, false},
    {"-X=1",                          REPLY_PARAMETER_VALUE, 0,          false, false},
    {"X-Y=1",                         REPLY_PARAMETER,       0,          false, false},
    {"RET=HDRS",                      REPLY_PARAMETER,       0,          false, false},
    {"ENVID=x",                       REPLY_PARAMETER,       0,          false, false},
    {"AUTH=<>",                       REPLY_PARAMETER,       0,          false, false},
    {"REQUIRETLS",                    REPLY_PARAMETER,       0,          false, false},
};

static void mail_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        size_t n = strlen(rows[i].in);
        struct guard g = guard_new(rows[i].in, n);
        struct smtp_params params;
        enum smtp_reply got = smtp_mail_params(span_of(g.ptr, n), &params);

        if (got != rows[i].want)
            fail_msg("%s: %s", rows[i].in, reply_row(got)->line);
        if (got == REPLY_NONE) {
            assert_int_equal(params.size, rows[i].size);
            assert_int_equal(params.body_8bit, rows[i].eight);
            assert_int_equal(params.utf8, rows[i].utf8);
        }
        guard_free(&g);
    }
}

static void rcpt_has_none(void **state)
{
    (void)state;
    assert_int_equal(smtp_rcpt_params(span_str("")), REPLY_NONE);
    assert_int_equal(smtp_rcpt_params(span_str("NOTIFY=NEVER")), REPLY_PARAMETER);
    assert_int_equal(smtp_rcpt_params(span_str("ORCPT=rfc822;a@b")), REPLY_PARAMETER);
    assert_int_equal(smtp_rcpt_params(span_str("=")), REPLY_PARAMETER_VALUE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_rows),
        cmocka_unit_test(rcpt_has_none),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
