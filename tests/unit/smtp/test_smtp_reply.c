/* Goal: every reply is well formed, fits its line and carries a status that agrees with its
 * code.  Method: the whole list. */
#include <ctype.h>

#include "smtp_test.h"

static void every_reply(void **state)
{
    (void)state;
    for (unsigned id = REPLY_NONE + 1; id < REPLIES; id++) {
        const struct reply_row *row = reply_row((enum smtp_reply)id);
        struct span words = reply_words((enum smtp_reply)id);

        assert_int_equal(atoi(row->line), row->code);
        assert_int_equal(row->line[3], ' ');
        assert_true(row->code >= 214 && row->code <= 555);
        if (row->status[0] != 0)
            assert_int_equal(row->status[0], row->code / 100);
        if (row->code >= 400)
            assert_int_not_equal(row->status[0], 0); /* every refusal has one */
        if (row->code >= 400)
            assert_true(words.len >= 10); /* and words one can act on */
        for (const char *c = row->line; *c != '\0'; c++)
            assert_true(isprint((unsigned char)*c));
        assert_true(strlen(row->line) < 128);
    }
}

static void no_room_is_counted(void **state)
{
    struct smtp_out out;
    struct drive d;

    (void)state;
    drive_init(&d);
    drive_open(&d);
    out = (struct smtp_out){.ptr = d.out, .cap = 10};
    d.turn.out = &out;
    smtp_reply(&d.smtp, &d.turn, REPLY_TIMEOUT);
    assert_int_equal(out.len, 0);
    assert_int_equal(drive_count(&d, SMTP_COUNT_REPLIES_UNSENT), 1);
    assert_int_equal(drive_count(&d, SMTP_COUNT_REPLIES_4), 1);
    drive_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_reply),
        cmocka_unit_test(no_room_is_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
