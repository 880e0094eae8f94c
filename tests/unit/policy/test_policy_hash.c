/* Goal: fingerprints and the checksum mean what the image's two sides think, and policy_open()
 * takes nothing that is not an image.  The image itself is tested where it is made:
 * unit/compile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "policy_hash.h"

static const uint8_t key[IMAGE_KEY_BYTES] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

static struct image_print print_of(const char *local_part, const char *domain, bool below)
{
    struct image_print print = {0, 0};

    assert_true(policy_fingerprint(key, span_str(local_part), span_str(domain), below, &print));
    return print;
}

static bool alike(struct image_print a, struct image_print b)
{
    return a.a == b.a && a.b == b.b;
}

static void test_fingerprint(void **state)
{
    /* clang-format off */
    static const struct {
        const char *local_part, *domain;
        bool below, like; /* like user@example.org */
    } rows[] = {
        {"user",  "example.org",  false, true },
        {"USER",  "example.org",  false, true },
        {"uSeR",  "example.org",  false, true },
        {"user",  "example.org",  true,  false},
        {"user",  ".example.org", false, false},
        {"user@", "example.org",  false, false},
        {"use",   "rexample.org", false, false},
        {"user",  "example.orf",  false, false},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(alike(print_of(rows[i].local_part, rows[i].domain, rows[i].below),
                               print_of("user", "example.org", false)),
                         rows[i].like);
    /* Only ASCII letters have a lower case here. */
    assert_false(alike(print_of("\xc3\x84", "example.org", false),
                       print_of("\xc3\xa4", "example.org", false)));
    assert_false(alike(print_of("@", "x", false), print_of("`", "x", false)));
    assert_false(alike(print_of("[", "x", false), print_of("{", "x", false)));
}

static void test_bounds(void **state)
{
    char long_text[300];
    struct image_print print;

    (void)state;
    memset(long_text, 'a', sizeof(long_text));
    for (size_t n = 0; n < sizeof(long_text); n++) {
        assert_int_equal(
            policy_fingerprint(key, span_of(long_text, n), span_str("x"), false, &print),
            n >= 1 && n <= IMAGE_LOCAL_PART_MAX);
        assert_int_equal(
            policy_fingerprint(key, span_str("x"), span_of(long_text, n), true, &print),
            n >= 1 && n <= IMAGE_DOMAIN_MAX);
    }
    assert_true(
        policy_fingerprint(key, span_of(long_text, 64), span_of(long_text, 255), true, &print));
}

static void test_key(void **state)
{
    uint8_t other[IMAGE_KEY_BYTES] = {1};
    struct image_print print;

    (void)state;
    assert_true(
        policy_fingerprint(other, span_str("user"), span_str("example.org"), false, &print));
    assert_false(alike(print, print_of("user", "example.org", false)));
    assert_int_not_equal(policy_hash(key, span_str("a")), policy_hash(other, span_str("a")));
}

static void test_no_image(void **state)
{
    const size_t room = 4096;
    uint8_t *image = aligned_alloc(IMAGE_ALIGN, room);
    struct policy p = {NULL, 7};
    const char *why;

    (void)state;
    assert_non_null(image);
    memset(image, 0, room);
    for (size_t n = 0; n <= room; n += 8) {
        why = NULL;
        assert_int_equal(policy_open(&p, image, n, &why), -74);
        assert_non_null(why);
    }
    assert_null(p.base); /* untouched */
    assert_int_equal(p.bytes, 7);
    /* All right but empty: no table for bare newlines. */
    struct image_header *h = (struct image_header *)(void *)image;

    *h = (struct image_header){
        .magic = IMAGE_MAGIC, .abi = IMAGE_ABI, .header_bytes = sizeof(*h), .total_bytes = room};
    for (unsigned s = 0; s < SECTIONS; s++)
        h->section[s].offset = 512;
    h->checksum = image_checksum(image, room);
    assert_int_equal(policy_open(&p, image, room, &why), -74);
    assert_string_equal(why, "policy image bare-newline rules are wrong");
    free(image);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_key),
        cmocka_unit_test(test_no_image),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
