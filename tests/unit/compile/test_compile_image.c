/* Goal: whatever is done to the bytes of an image, policy_open() refuses it or every look-up
 * stays inside it.
 * Method: a compiled image, copied so that it ends at a PROT_NONE page; every byte flipped
 * with the checksum left as it was; every field of the header and every element of the small
 * sections set to awkward values with the checksum put right; named rows for each check. */
#include "compile_world.h"

#include <fcntl.h>

#include "base_rand.h"
#include "base_scale.h"
#include "policy_walk.h"

#define PAGE 4096u

static struct world *w;
static uint8_t *guarded; /* the copy under test: ends at the guard page */
static size_t bytes;

static int set_up(void **state)
{
    size_t pages;
    uint8_t *area;

    (void)state;
    w = world_new();
    world_server(w, "inbound", "10.25.0.25", "fd25::25", 25);
    world_server(w, "other", "8.8.8.8", "fd25::25", 26);
    for (uint32_t i = 0; i < 12; i++) {
        static const char *const prefixes[] = {"10.0.0.0/8", "10.25.0.0/24",  "192.0.2.7",
                                               "fd00::/8",   "2001:db8::/32", "fd25::25"};

        world_add_connect(w, i % 2, prefixes[i / 2], (enum conf_connect)(i % 5), 20 + i);
        world_add_relay(w, i % 2, prefixes[i / 2], i % 3 != 0, 40 + i)->i_accept_open_relay = true;
    }
    w->relay[1][6] = (struct conf_relay_rule){.kind = CONF_RELAY_LOCAL,
                                              .match = world_prefix("8.8.8.8", 3),
                                              .allow = true,
                                              .i_accept_open_relay = true};
    w->relay[1][7] = (struct conf_relay_rule){.kind = CONF_RELAY_LOCAL,
                                              .match = world_prefix("fd25::25", 3),
                                              .allow = true,
                                              .i_accept_open_relay = true};
    w->server[1].relay.rules_count = 8;
    w->bare[0] =
        (struct conf_bare_rule){world_prefix("10.0.0.0/8", 1), CONF_BARE_NOTE, world_line(1)};
    w->conf.bare_newline.rules_count = 1;
    world_file(w, "/r", "user\nalice\nbob\ncarol\ndave\neve\nfrank\ngrace\nheidi\n");
    world_domain(w, "example.org", CONF_AUTHORITATIVE, "/r", true);
    world_domain(w, "partner.example", CONF_INTERNAL_RELAY, "/r", true);
    world_domain(w, "bad.example", CONF_DOMAIN_REFUSE, "", true);
    world_route_domain(w, ROUTE_PARTNER, "foreign.example");
    world_route_domain(w, ROUTE_INTERNET, "*");
    world_must_compile(w);

    bytes = w->result.bytes;
    assert_int_equal(bytes % 16, 0);
    pages = (bytes + PAGE - 1) / PAGE;
    area =
        mmap(NULL, (pages + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(area != MAP_FAILED);
    assert_int_equal(mprotect(area + pages * PAGE, PAGE, PROT_NONE), 0);
    /* The image must start on a cache line: move its end as near to the guard as that lets. */
    guarded = area + (pages * PAGE - bytes) / IMAGE_ALIGN * IMAGE_ALIGN;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    w = world_free(w);
    return 0;
}

static void restore(void)
{
    memcpy(guarded, w->image, bytes);
}

static struct image_header *header(void)
{
    return (struct image_header *)(void *)guarded;
}

static int open_image(size_t n, const char **ret_why)
{
    struct policy p;
    int rc = policy_open(&p, guarded, n, ret_why);

    if (rc == 0)
        policy_walk(&p);
    return rc;
}

static int open_signed(const char **ret_why)
{
    header()->checksum = image_checksum(guarded, bytes);
    return open_image(bytes, ret_why);
}

static void test_sound(void **state)
{
    const char *why = NULL;

    (void)state;
    restore();
    assert_int_equal(open_image(bytes, &why), 0);
    assert_int_equal(fcntl(w->result.fd, F_GET_SEALS),
                     F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
}

static void test_torn(void **state)
{
    size_t stride = 100 / scaled(100);
    const char *why;

    (void)state;
    restore();
    for (size_t n = 0; n < bytes; n += n < 600 ? 1 : 97)
        assert_int_equal(open_image(n, &why), -74); /* EBADMSG */
    for (size_t i = 0; i < bytes; i += stride) {
        why = NULL;
        guarded[i] ^= (uint8_t)(1u << i % 8);
        assert_int_equal(open_image(bytes, &why), -74);
        assert_non_null(why);
        guarded[i] ^= (uint8_t)(1u << i % 8);
    }
    assert_int_equal(open_image(bytes, &why), 0);
}

static void test_misplaced(void **state)
{
    struct policy p;
    const char *why;

    (void)state;
    restore();
    memmove(guarded - 8, guarded, bytes);
    assert_int_equal(policy_open(&p, guarded - 8, bytes, &why), -74);
    assert_string_equal(why, "policy image is not aligned in memory");
}

static void test_any_word(void **state)
{
    static const uint32_t awkward[] = {0,  1,          2,          63,         64,
                                       65, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff};
    size_t step = 4 * ((100 / scaled(100)) | 1); /* odd: meets every field of a row */
    unsigned taken = 0, refused = 0;
    const char *why;

    (void)state;
    restore();
    for (size_t at = offsetof(struct image_header, generation); at + 4 <= bytes; at += step) {
        for (size_t i = 0; i < ARRAY_LEN(awkward) + 2; i++) {
            uint32_t old, value;

            memcpy(&old, guarded + at, 4);
            value = i < ARRAY_LEN(awkward) ? awkward[i] : i % 2 == 0 ? old + 1 : old - 1;
            memcpy(guarded + at, &value, 4);
            if (open_signed(&why) == 0)
                taken++;
            else
                refused++;
            memcpy(guarded + at, &old, 4);
        }
    }
    assert_true(taken > scaled(100) && refused > scaled(1000));
}

static void test_any_bytes(void **state)
{
    struct rand rng;
    const char *why;

    (void)state;
    rand_seed(&rng, 5, 5);
    for (unsigned n = 0; n < scaled(20000); n++) {
        if (n % 16 == 0)
            restore();
        for (unsigned k = 0; k < 1 + n % 4; k++) {
            uint64_t at = rand_between(&rng, offsetof(struct image_header, generation), bytes - 1);

            guarded[at] = (uint8_t)rand_u64(&rng);
        }
        open_signed(&why);
    }
}

/* Where a field lies in the image. */
#define AT(where, type, element, field)                                                            \
    (header()->section[where].offset + (element) * sizeof(type) + offsetof(type, field))
#define SECTION_FIELD(where, field)                                                                \
    (offsetof(struct image_header, section) + (where) * sizeof(struct image_extent) +              \
     offsetof(struct image_extent, field))

static void test_rows(void **state)
{
    const char *why;

    (void)state;
    restore();
    /* clang-format off */
    const struct {
        size_t      at;
        uint32_t    value;
        const char *why;
    } rows[] = {
        {offsetof(struct image_header, magic), 1, "not a policy image"},
        {offsetof(struct image_header, abi), IMAGE_ABI + 1, "policy image of another version"},
        {offsetof(struct image_header, header_bytes), 8, "policy image of another version"},
        {offsetof(struct image_header, total_bytes), 64, "policy image is cut short or too long"},
        {SECTION_FIELD(SECTION_RULES, offset), 0, "policy image section out of place"},
        {SECTION_FIELD(SECTION_RULES, offset), UINT32_MAX & ~63u, "policy image section out of place"},
        {SECTION_FIELD(SECTION_RULES, offset) + 4, 1, "policy image section out of place"},
        {SECTION_FIELD(SECTION_RULES, offset), 1025, "policy image section out of place"},
        {SECTION_FIELD(SECTION_RULES, count), UINT32_MAX, "policy image section too large"},
        {SECTION_FIELD(SECTION_RULES, count) + 4, UINT32_MAX, "policy image section too large"},
        {SECTION_FIELD(SECTION_RULES, count), 100000, "policy image section reaches beyond the end"},
        {SECTION_FIELD(SECTION_STRINGS, count), 1u << 20, "policy image section reaches beyond the end"},
        {SECTION_FIELD(SECTION_STRINGS, count) + 4, 1, "policy image section reaches beyond the end"},
        {SECTION_FIELD(SECTION_TABLES, count), 0, "policy image bare-newline rules are wrong"},
        {SECTION_FIELD(SECTION_RULES, count), 0, "policy image table is not in order"},
        {SECTION_FIELD(SECTION_V4_VALUES, count), 0, "policy image has keys without values"},
        {SECTION_FIELD(SECTION_V6_VALUES, count), 0, "policy image has keys without values"},
        {SECTION_FIELD(SECTION_SERVERS, count), 1, "policy image listener without a server"},
        {SECTION_FIELD(SECTION_ROUTES, count), 0, "policy image default route is wrong"},
        {SECTION_FIELD(SECTION_TARGETS, count), 7, "policy image route is wrong"},
        {SECTION_FIELD(SECTION_LOCALS, count), 0, "policy image server's local addresses are out of place"},
        {SECTION_FIELD(SECTION_DOMAIN_INDEX, count), 4, "policy image domain index is wrong"},
        {SECTION_FIELD(SECTION_DOMAIN_INDEX, count), 1, "policy image domain index is wrong"},
        {SECTION_FIELD(SECTION_DOMAIN_INDEX, count), 0, "policy image domain index is wrong"},
        {SECTION_FIELD(SECTION_DOMAINS, count), 2, "policy image domain index is wrong"},
        {SECTION_FIELD(SECTION_ROUTE_DOMAINS, count), 0, "policy image domain index is wrong"},
        {SECTION_FIELD(SECTION_RECIPIENTS, count), 3, "policy image recipient index is wrong"},
        {SECTION_FIELD(SECTION_RECIPIENT_INDEX, count), 0, "policy image recipient index is wrong"},
        {offsetof(struct image_header, domain_labels), 1, "policy image domain without a name"},
        {offsetof(struct image_header, domain_labels), 129, "policy image domain index is wrong"},
        {offsetof(struct image_header, default_route), 4, "policy image default route is wrong"},
        {offsetof(struct image_header, postmaster_route), 4, "policy image default route is wrong"},
        {offsetof(struct image_header, postmaster_rule), 9999, "policy image default route is wrong"},
        {offsetof(struct image_header, bare_default), 3, "policy image bare-newline rules are wrong"},
        {offsetof(struct image_header, bare_table), 0, "policy image bare-newline rules are wrong"},
        {AT(SECTION_RULES, struct image_rule, 3, file.bytes), UINT32_MAX, "policy image rule without a file"},
        {AT(SECTION_RULES, struct image_rule, 3, file.offset), UINT32_MAX, "policy image rule without a file"},
        {AT(SECTION_LISTENERS, struct image_listener, 0, server), 2, "policy image listener without a server"},
        {AT(SECTION_LISTENERS, struct image_listener, 0, port), 65536, "policy image listener without a server"},
        {AT(SECTION_LISTENERS, struct image_listener, 0, ip), UINT32_MAX, "policy image listeners are not in order"},
        {AT(SECTION_LISTENERS, struct image_listener, 3, port), 25, "policy image listeners are not in order"},
        {header()->section[SECTION_ADDRESSES].offset, UINT32_MAX, "policy image addresses are not in order"},
        {AT(SECTION_SERVERS, struct image_server, 1, name.bytes), 1u << 30, "policy image server without a name"},
        {AT(SECTION_SERVERS, struct image_server, 1, hostname.offset), 1u << 30, "policy image server without a name"},
        {AT(SECTION_SERVERS, struct image_server, 0, early), 2, "policy image server with an unknown setting"},
        {AT(SECTION_SERVERS, struct image_server, 0, connect_default), 5, "policy image server with an unknown setting"},
        {AT(SECTION_SERVERS, struct image_server, 0, relay_default), 2, "policy image server with an unknown setting"},
        {AT(SECTION_SERVERS, struct image_server, 0, relay_authenticated), 2, "policy image server with an unknown setting"},
        {AT(SECTION_SERVERS, struct image_server, 0, connect_table), 99, "policy image server without its tables"},
        {AT(SECTION_SERVERS, struct image_server, 0, relay_table), 0, "policy image server without its tables"},
        {AT(SECTION_SERVERS, struct image_server, 0, trusted_table), 0, "policy image server without its tables"},
        {AT(SECTION_SERVERS, struct image_server, 0, relay_deny_table), UINT32_MAX, "policy image server without its tables"},
        {AT(SECTION_SERVERS, struct image_server, 1, locals_count), 3, "policy image server's local addresses are out of place"},
        {AT(SECTION_SERVERS, struct image_server, 0, locals_count), 1, "policy image server's local addresses are out of place"},
        {AT(SECTION_LOCALS, struct image_local, 0, ip), UINT32_MAX, "policy image local addresses are not in order"},
        {AT(SECTION_LOCALS, struct image_local, 1, rule), 9999, "policy image local address without a rule"},
        {AT(SECTION_TABLES, struct image_table, 0, kind), TABLE_KINDS, "policy image table of an unknown kind"},
        {AT(SECTION_TABLES, struct image_table, 0, kind), TABLE_MARK, "policy image table is not in order"},
        {AT(SECTION_TABLES, struct image_table, 0, v4_count), 1, "policy image table reaches beyond its keys"},
        {AT(SECTION_TABLES, struct image_table, 0, v4_count), 2, "policy image table is not in order"},
        {AT(SECTION_TABLES, struct image_table, 0, v6_count), 1, "policy image table reaches beyond its keys"},
        {AT(SECTION_TABLES, struct image_table, 0, v4_first), UINT32_MAX, "policy image table reaches beyond its keys"},
        {AT(SECTION_TABLES, struct image_table, 4, v4_first), 0, "policy image tables overlap"},
        {header()->section[SECTION_V4_KEYS].offset + 4, 0, "policy image table is not in order"},
        {header()->section[SECTION_V4_VALUES].offset + 4, 5u << 28, "policy image table is not in order"},
        {header()->section[SECTION_V4_VALUES].offset + 4, 9999, "policy image table is not in order"},
        {header()->section[SECTION_V6_KEYS].offset + 20, 0, "policy image table is not in order"},
        {header()->section[SECTION_V6_VALUES].offset + 4, 9999, "policy image table is not in order"},
        {header()->section[SECTION_DOMAIN_INDEX].offset, 1, "policy image domain index is wrong"},
        {AT(SECTION_DOMAINS, struct image_domain, 0, name.bytes), 0, "policy image domain without a name"},
        {AT(SECTION_DOMAINS, struct image_domain, 0, name.bytes), 256, "policy image domain without a name"},
        {AT(SECTION_DOMAINS, struct image_domain, 0, type), DOMAIN_ROUTE, "policy image domain of an unknown type"},
        {AT(SECTION_DOMAINS, struct image_domain, 0, type), DOMAIN_TYPES, "policy image domain of an unknown type"},
        {AT(SECTION_ROUTE_DOMAINS, struct image_domain, 0, type), 0, "policy image domain of an unknown type"},
        {AT(SECTION_DOMAINS, struct image_domain, 0, flags), 4, "policy image domain with an unknown setting"},
        {AT(SECTION_DOMAINS, struct image_domain, 0, rule), 9999, "policy image domain with an unknown setting"},
        {AT(SECTION_ROUTE_DOMAINS, struct image_domain, 0, route), 4, "policy image domain without a route"},
        {header()->section[SECTION_RECIPIENT_INDEX].offset + 4, UINT32_MAX, "policy image recipient index is wrong"},
        {AT(SECTION_ROUTES, struct image_route, 0, name.bytes), UINT32_MAX, "policy image route is wrong"},
        {AT(SECTION_ROUTES, struct image_route, 0, targets_first), UINT32_MAX, "policy image route is wrong"},
        {AT(SECTION_TARGETS, struct image_target, 0, url.bytes), UINT32_MAX, "policy image route target is wrong"},
    };
    /* clang-format on */

    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        why = "it was taken";
        memcpy(guarded + rows[i].at, &rows[i].value, 4);
        if (open_signed(&why) != -74 || strcmp(why, rows[i].why) != 0)
            fail_msg("row %zu: \"%s\", not \"%s\"", i, why, rows[i].why);
        restore();
    }
}

/* Under another key names belong elsewhere.  Where is up to chance: of so many keys some must
 * be found out, and none for another reason. */
static void test_other_key(void **state)
{
    const char *why;
    unsigned refused = 0;

    (void)state;
    for (uint32_t key = 1; key <= 64; key++) {
        restore();
        memcpy(guarded + offsetof(struct image_header, key), &key, sizeof(key));
        why = "";
        if (open_signed(&why) == 0)
            continue;
        assert_string_equal(why, "policy image domain in the wrong bucket");
        refused++;
    }
    assert_true(refused > 0);
    restore();
}

/* All recipients in the first bucket, or all in the last: both cannot be right, as each image is
 * made under a key of its own.  One bucket that holds all is taken. */
static void test_buckets(void **state)
{
    uint32_t buckets = image_count(&w->policy, SECTION_RECIPIENT_INDEX) - 1, *index;
    uint32_t all = image_count(&w->policy, SECTION_RECIPIENTS);
    unsigned refused = 0;
    const char *why = "";

    (void)state;
    restore();
    index = (uint32_t *)(void *)(guarded + header()->section[SECTION_RECIPIENT_INDEX].offset);
    assert_true(buckets >= 2);
    for (unsigned last = 0; last < 2; last++) {
        for (uint32_t b = 1; b < buckets; b++)
            index[b] = last ? 0 : all;
        if (open_signed(&why) == 0)
            continue;
        assert_string_equal(why, "policy image recipient in the wrong bucket");
        refused++;
    }
    assert_true(refused > 0);
    restore();
    header()->section[SECTION_RECIPIENT_INDEX].count = 2;
    index[1] = all;
    assert_int_equal(open_signed(&why), 0); /* few enough for one bucket */
}

static void write_seed(const char *dir, const char *name, const struct world *of)
{
    char path[4096];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(of->image, 1, of->result.bytes, f), of->result.bytes);
    fclose(f);
}

/* SEEDS=DIR writes images as seeds for fuzz_policy (to be done again when the layout changes);
 * without it, that a configuration of almost nothing, and one of names, make sound images. */
static void test_seeds(void **state)
{
    const char *dir = getenv("SEEDS");
    struct world *least = world_new(), *names = world_new();

    (void)state;
    world_server(least, "inbound", "10.25.0.25", "fd25::25", 25);
    world_must_compile(least);
    policy_walk(&least->policy);
    world_server(names, "inbound", "10.25.0.25", "fd25::25", 25);
    world_file(names, "/r", "user\npostmaster\n");
    world_domain(names, "example.org", CONF_AUTHORITATIVE, "/r", true);
    world_domain(names, "refused.example", CONF_DOMAIN_REFUSE, "", true);
    world_route_domain(names, ROUTE_INTERNET, "*");
    world_must_compile(names);
    policy_walk(&names->policy);
    if (dir != NULL) {
        write_seed(dir, "rules", w);
        write_seed(dir, "least", least);
        write_seed(dir, "names", names);
    }
    world_free(names);
    world_free(least);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),     cmocka_unit_test(test_torn),
        cmocka_unit_test(test_misplaced), cmocka_unit_test(test_any_word),
        cmocka_unit_test(test_any_bytes), cmocka_unit_test(test_rows),
        cmocka_unit_test(test_other_key), cmocka_unit_test(test_buckets),
        cmocka_unit_test(test_seeds),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
