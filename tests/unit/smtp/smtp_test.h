/* smtp_test.h - what the tests of this room share. */
#ifndef SMTP_TEST_H
#define SMTP_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base_guard.h"
#include "smtp_drive.h"

/* A session that is open, introduced and quiet. */
static inline void test_hello(struct drive *d)
{
    drive_open(d);
    drive_script(d, span_str("EHLO client.example\r\n"), SIZE_MAX, 0);
    d->said_len = 0;
    d->said[0] = '\0';
}

static inline void test_say(struct drive *d, const char *text)
{
    drive_script(d, span_str(text), SIZE_MAX, 0);
}

static inline void test_forget(struct drive *d)
{
    d->said_len = 0;
    d->said[0] = '\0';
}

/* The stream's length: a script without its separators. */
static inline size_t test_stream_len(struct span script)
{
    size_t n = 0;

    for (size_t i = 0; i < script.len; i++)
        n += script.ptr[i] != '~';
    return n;
}

static inline void assert_span(struct span got, const char *want, size_t want_len)
{
    assert_int_equal(got.len, want_len);
    if (want_len > 0)
        assert_memory_equal(got.ptr, want, want_len);
}

#define MAIL_TO_USER "MAIL FROM:<a@b.example>\r\nRCPT TO:<user@example.org>\r\n"

#endif
