/* Goal: lines come out the same however TCP cuts them, and every bound of a line holds.
 * Method: rows run at every cut point, against a page that cannot be read. */
#include "smtp_line.h"
#include "smtp_test.h"

static size_t naive_run(struct span text)
{
    size_t n = 0;

    while (n < text.len && text.ptr[n] != '\0' && text.ptr[n] != '\r' && text.ptr[n] != '\n')
        n++;
    return n;
}

static void clean_run_agrees(void **state)
{
    uint32_t seed = 1;

    (void)state;
    for (unsigned round = 0; round < 4000; round++) {
        uint8_t bytes[64];
        size_t n = round % sizeof(bytes);
        struct guard g;

        for (size_t i = 0; i < n; i++) {
            seed = seed * 1103515245u + 12345u;
            bytes[i] =
                (uint8_t)(seed >> 24) < 6 ? (uint8_t)(seed >> 16 & 15) : (uint8_t)(seed >> 16);
        }
        g = guard_new(bytes, n);
        assert_int_equal(smtp_clean_run(span_of(g.ptr, n)), naive_run(span_of(g.ptr, n)));
        guard_free(&g);
    }
}

#define S(text)                                                                                    \
    {                                                                                              \
        (const uint8_t *)(text), sizeof(text) - 1                                                  \
    }

static const struct {
    struct span in;
    enum policy_bare_newline bare;
    const char *lines; /* each ended by '|'; L long, N nul, B bare, E endless */
} rows[] = {
    {S("NOOP\r\n"),      BARE_REFUSE,    "NOOP|"  },
    {S("\r\n"),          BARE_REFUSE,    "|"      },
    {S("a\r\nb\r\nc"),   BARE_REFUSE,    "a|b|"   },
    {S("a\nb\r\n"),      BARE_REFUSE,    "B"      },
    {S("a\rb\r\n"),      BARE_REFUSE,    "B"      },
    {S("a\r\rb\r\n"),    BARE_REFUSE,    "B"      },
    {S("\n"),            BARE_REFUSE,    "B"      },
    {S("a\r\0"),         BARE_REFUSE,    "B"      },
    {S("a\nb\rc\r\n\n"), BARE_NORMALIZE, "a|b|c||"},
    {S("a\r\r\nb\n"),    BARE_NOTE,      "a||b|"  },
    {S("a\0b\r\nc\r\n"), BARE_REFUSE,    "N|c|"   },
    {S("\0\0\r\n"),      BARE_REFUSE,    "N|"     },
};

static void collect(struct drive *d, struct span in, char *got, size_t *len)
{
    uint8_t scratch[SMTP_LINE_BYTES_MAX];

    while (in.len > 0) {
        struct span line = span_of(NULL, 0);

        switch (smtp_line(&d->smtp, &d->turn, &in, scratch, &line)) {
        case LINE_MORE:
            assert_int_equal(in.len, 0);
            break;
        case LINE_READY:
            memcpy(got + *len, line.ptr, line.len);
            *len += line.len;
            got[(*len)++] = '|';
            break;
        case LINE_LONG:
            got[(*len)++] = 'L';
            got[(*len)++] = '|';
            break;
        case LINE_NUL:
            got[(*len)++] = 'N';
            got[(*len)++] = '|';
            break;
        case LINE_BARE:
            got[(*len)++] = 'B';
            return;
        case LINE_ENDLESS:
            got[(*len)++] = 'E';
            return;
        case LINE_NO_BLOCKS:
            got[(*len)++] = 'D';
            return;
        }
    }
}

static void every_cut(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        for (size_t cut = 0; cut <= rows[i].in.len; cut++) {
            struct guard a = guard_new(rows[i].in.ptr, cut);
            struct guard b = guard_new(rows[i].in.ptr + cut, rows[i].in.len - cut);
            char got[256] = "";
            size_t len = 0;
            struct drive d;

            drive_init(&d);
            drive_open(&d);
            d.smtp.bare = (uint8_t)rows[i].bare;
            collect(&d, span_of(a.ptr, a.len), got, &len);
            if (len == 0 || got[len - 1] != 'B')
                collect(&d, span_of(b.ptr, b.len), got, &len);
            got[len] = '\0';
            assert_string_equal(got, rows[i].lines);
            drive_done(&d);
            guard_free(&a);
            guard_free(&b);
        }
    }
}

/* The longest line that is taken, one byte more, and the end of patience. */
static void bounds(void **state)
{
    uint8_t *text = malloc(2 * SMTP_LINE_SWALLOW_MAX);

    (void)state;
    memset(text, 'x', 2 * SMTP_LINE_SWALLOW_MAX);
    for (size_t step = 1; step < 5000; step = step * 3 + 1) {
        for (int over = 0; over <= 2; over++) {
            size_t n =
                over == 2 ? SMTP_LINE_SWALLOW_MAX + 1 : SMTP_LINE_BYTES_MAX - 2 + (size_t)over;
            char *got = malloc(4096);
            size_t len = 0;
            struct drive d;

            drive_init(&d);
            drive_open(&d);
            for (size_t at = 0; at < n && len == 0; at += step)
                collect(&d, span_of(text + at, n - at < step ? n - at : step), got, &len);
            assert_true(d.blocks.used <= 1 + SMTP_LINE_BYTES_MAX / CHAIN_BLOCK_BYTES);
            if (over == 2) {
                assert_int_equal(got[0], 'E');
            } else {
                collect(&d, span_str("\r\n"), got, &len);
                assert_int_equal(len, over == 0 ? n + 1 : 2);
                assert_int_equal(got[0], over == 0 ? 'x' : 'L');
            }
            drive_done(&d);
            free(got);
        }
    }
    free(text);
}

static void dry_pool(void **state)
{
    char got[64];
    size_t len = 0;
    struct drive d;

    (void)state;
    drive_init(&d);
    drive_open(&d);
    while (pool_take(&d.blocks) != POOL_NONE)
        ;
    collect(&d, span_str("NOOP\r\n"), got, &len); /* whole lines need no block */
    assert_memory_equal(got, "NOOP|", 5);
    len = 0;
    collect(&d, span_str("NO"), got, &len);
    assert_int_equal(got[0], 'D');
    for (uint32_t i = 0; i < DRIVE_BLOCKS; i++)
        pool_give(&d.blocks, i);
    drive_done(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_run_agrees),
        cmocka_unit_test(every_cut),
        cmocka_unit_test(bounds),
        cmocka_unit_test(dry_pool),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
