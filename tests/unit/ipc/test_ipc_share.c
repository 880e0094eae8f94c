/* Goal: ids are unique and sort by birth; regions, stats and links are what they say or are
 * refused, with no descriptor left behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ipc_id.h"
#include "ipc_link.h"
#include "ipc_region.h"
#include "ipc_spool.h"
#include "ipc_stats.h"

static void ids_grow_and_read_back(void **state)
{
    uint64_t last = 0, before = 0, parsed;
    char text[ID_TEXT_LEN + 1], earlier[ID_TEXT_LEN + 1] = "";
    static const uint64_t wall[] = {1000, 1000, 999, 0, 1763856000000000ull, 5};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wall); i++) {
        uint64_t id = id_next(&last, wall[i], 3);

        assert_true(id > before);
        assert_int_equal(id & 0xff, 3);
        id_text(id, text);
        assert_int_equal(strlen(text), ID_TEXT_LEN);
        assert_true(strcmp(text, earlier) > 0);
        assert_int_equal(id_parse(span_str(text), &parsed), 0);
        assert_true(parsed == id);
        before = id;
        memcpy(earlier, text, sizeof(text));
    }
    id_text(UINT64_MAX, text);
    assert_string_equal(text, "FZZZZZZZZZZZZ");
    assert_int_equal(id_parse(span_str("fzzzzzzzzzzzz"), &parsed), 0);
    assert_true(parsed == UINT64_MAX);
}

static void ids_refused(void **state)
{
    static const char *const rows[] = {"",
                                       "FZZZZZZZZZZZ",
                                       "FZZZZZZZZZZZZZ",
                                       "GZZZZZZZZZZZZ",
                                       "0000000000I00",
                                       "0000000000L00",
                                       "0000000000O00",
                                       "0000000000U00",
                                       "000000000 000",
                                       "-000000000000"};
    uint64_t id = 42;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(id_parse(span_str(rows[i]), &id), -EINVAL);
    assert_int_equal(id_parse(span_of("\0\0\0\0\0\0\0\0\0\0\0\0\0", 13), &id), -EINVAL);
    assert_int_equal(id, 42);
}

static void region_carries_messages_and_chunks(void **state)
{
    int fd = ipc_region_create(IPC_QUEUE, 2, 5);
    struct ipc_region worker, peer;
    struct spool_ask ask = {.type = SPOOL_COMMIT, .chunk = 4095, .message = 99}, got;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(ipc_region_map(&worker, fd, IPC_QUEUE, 2, 5), 0);
    assert_int_equal(ipc_region_map(&peer, fd, IPC_QUEUE, 2, 5), 0);
    assert_int_equal(ftruncate(fd, 0), -1); /* sealed */
    close(fd);
    memcpy(ipc_chunk(&worker, 4095) + IPC_CHUNK_BYTES - 4, "mail", 4);
    assert_null(ipc_chunk(&worker, IPC_CHUNKS));
    assert_null(ipc_chunk(&worker, IPC_NO_CHUNK));
    assert_int_equal(ring_put(&worker.to_peer, &ask, 1), 1);
    assert_int_equal(ring_get(&peer.to_peer, &got, 1), 1);
    assert_int_equal(got.message, 99);
    assert_memory_equal(ipc_chunk(&peer, got.chunk) + IPC_CHUNK_BYTES - 4, "mail", 4);
    assert_int_equal(ring_get(&worker.to_worker, &got, 1), 0);
    assert_int_equal(ring_put(&peer.to_worker, &ask, 1), 1);
    assert_int_equal(ring_get(&worker.to_worker, &got, 1), 1);
    /* The rings and the arena do not overlap. */
    assert_int_equal(ring_room(&worker.to_peer), IPC_RING_TO_PEER);
    ipc_region_unmap(&worker);
    ipc_region_unmap(&worker);
    ipc_region_unmap(&peer);
}

static void region_that_is_not_what_was_said(void **state)
{
    int fd = ipc_region_create(IPC_QUEUE, 2, 5), other;
    struct ipc_region r;
    uint32_t abi = IPC_ABI + 1;

    (void)state;
    assert_int_equal(ipc_region_map(&r, fd, IPC_TLS, 2, 5), -EPROTO);
    assert_int_equal(ipc_region_map(&r, fd, IPC_QUEUE, 1, 5), -EPROTO);
    assert_int_equal(ipc_region_map(&r, fd, IPC_QUEUE, 2, 4), -EPROTO);
    assert_int_equal(pwrite(fd, &abi, 4, 8), 4);
    assert_int_equal(ipc_region_map(&r, fd, IPC_QUEUE, 2, 5), -EPROTO);
    close(fd);
    other = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(other, (off_t)ipc_region_bytes()), 0);
    assert_int_equal(ipc_region_map(&r, other, IPC_QUEUE, 2, 5), -EPROTO); /* not sealed */
    assert_int_equal(fcntl(other, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    assert_int_equal(ipc_region_map(&r, other, IPC_QUEUE, 2, 5), -EPROTO); /* no magic */
    close(other);
    other = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(other, 4096), 0);
    assert_int_equal(fcntl(other, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), 0);
    assert_int_equal(ipc_region_map(&r, other, IPC_QUEUE, 2, 5), -EPROTO); /* size */
    close(other);
    other = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_int_equal(ipc_region_map(&r, other, IPC_QUEUE, 2, 5), -EPROTO);
    close(other);
    assert_int_equal(ipc_region_map(&r, -1, IPC_QUEUE, 2, 5), -EPROTO);
}

static void kinds_have_names(void **state)
{
    (void)state;
    assert_string_equal(ipc_kind_name(IPC_RUN), "run");
    assert_string_equal(ipc_kind_name(IPC_DELIVER), "deliver");
    assert_string_equal(ipc_kind_name(IPC_KINDS), "unknown");
    assert_string_equal(ipc_kind_name((enum ipc_kind) - 1), "unknown");
}

static void stats_are_read_elsewhere(void **state)
{
    static const struct stats_def defs[] = {
        {"sluice_a_total",    "a", STATS_COUNTER},
        {"sluice_b{x=\"y\"}", "b", STATS_GAUGE  }
    };
    static const struct stats_def mixed[] = {
        {"sluice_h", "h", STATS_HISTOGRAM},
        {"sluice_c", "c", STATS_COUNTER  }
    };
    int fd = stats_create(IPC_QUEUE, 3);
    struct stats_region *writer = stats_map(fd, IPC_QUEUE, true);
    struct stats_region *reader = stats_map(fd, IPC_QUEUE, false);

    (void)state;
    assert_non_null(writer);
    assert_non_null(reader);
    assert_null(stats_map(fd, IPC_DELIVER, false));
    assert_int_equal(reader->epoch, 3);
    assert_int_equal(stats_define(writer, defs, 2), 0);
    assert_int_equal(stats_define(writer, defs, 2), 2);
    assert_int_equal(stats_define(writer, mixed, 1), 0); /* the histograms' own table */
    assert_int_equal(stats_define(writer, mixed, 2), UINT32_MAX);
    assert_int_equal(reader->counters, 4);
    assert_int_equal(reader->histograms, 1);
    assert_string_equal(reader->counter_names[1].metric, "sluice_b{x=\"y\"}");
    count_add(&writer->worker[1].counters[1], 7);
    histogram_add(&writer->worker[0].histograms[0], 3);
    assert_int_equal(count_get(&reader->worker[1].counters[1]), 7);
    assert_int_equal(count_get(&reader->worker[0].histograms[0].bucket[2]), 1);
    for (uint32_t n = 4; n + 2 <= STATS_COUNTERS_MAX; n += 2)
        assert_int_equal(stats_define(writer, defs, 2), n);
    assert_int_equal(stats_define(writer, defs, 1), UINT32_MAX);
    atomic_store(&writer->counters, UINT32_MAX); /* a broken table gives nothing */
    assert_int_equal(stats_define(writer, defs, 1), UINT32_MAX);
    stats_unmap(writer);
    stats_unmap(reader);
    stats_unmap(NULL);
    close(fd);
    assert_null(stats_map(-1, IPC_QUEUE, false));
}

static struct link_message message;

static int open_descriptors(void)
{
    int n = 0;

    for (int fd = 0; fd < 200; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void link_carries_text_and_descriptors(void **state)
{
    struct link_head head = {
        .type = LINK_REGION, .kind = IPC_QUEUE, .worker = 3, .epoch = 9, .token = 5};
    const char *why = NULL;
    int pair[2], sent[LINK_FDS_MAX];
    static char text[LINK_BYTES_MAX + 1];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
                     0);
    assert_int_equal(link_receive(pair[1], &message, &why), -EAGAIN);
    for (int i = 0; i < LINK_FDS_MAX; i++)
        sent[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_int_equal(link_send(pair[0], &head, "{\"a\":1}", sent, LINK_FDS_MAX), 0);
    for (int i = 0; i < LINK_FDS_MAX; i++)
        close(sent[i]);
    assert_int_equal(link_receive(pair[1], &message, &why), 1);
    assert_int_equal(message.head.abi, IPC_ABI);
    assert_int_equal(message.head.type, LINK_REGION);
    assert_int_equal(message.head.worker, 3);
    assert_int_equal(message.head.token, 5);
    assert_string_equal(message.text, "{\"a\":1}");
    assert_int_equal(message.fd_count, LINK_FDS_MAX);
    assert_true(fcntl(message.fds[0], F_GETFD) & FD_CLOEXEC);
    link_close_fds(&message);
    assert_int_equal(message.fd_count, 0);
    assert_int_equal(link_send(pair[0], &head, NULL, NULL, 0), 0);
    assert_int_equal(link_receive(pair[1], &message, &why), 1);
    assert_string_equal(message.text, "");
    memset(text, 'x', LINK_BYTES_MAX);
    assert_int_equal(link_send(pair[0], &head, text, NULL, 0), -EMSGSIZE);
    text[LINK_BYTES_MAX - 1] = '\0';
    assert_int_equal(link_send(pair[0], &head, text, NULL, 0), 0);
    assert_int_equal(link_receive(pair[1], &message, &why), 1);
    assert_int_equal(message.text_bytes, LINK_BYTES_MAX - 1);
    assert_int_equal(link_send(pair[0], &head, NULL, NULL, LINK_FDS_MAX + 1), -EINVAL);
    int rc = 0; /* a peer that does not read */

    for (int i = 0; i < 100 && rc == 0; i++)
        rc = link_send(pair[0], &head, text, NULL, 0);
    assert_int_equal(rc, -EAGAIN);
    close(pair[1]);
    assert_int_equal(link_send(pair[0], &head, NULL, NULL, 0), -EPIPE);
    close(pair[0]);
}

/* A peer that ends with our messages unread resets the link; what it said before is still read. */
static void last_words_outlive_a_reset(void **state)
{
    struct link_head head = {.type = LINK_FAILED, .kind = IPC_QUEUE};
    const char *why = NULL;
    int pair[2];

    (void)state;
    for (int said = 0; said <= 2; said++) {
        assert_int_equal(
            socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), 0);
        assert_int_equal(link_send(pair[1], &head, "unread", NULL, 0), 0);
        for (int i = 0; i < said; i++)
            assert_int_equal(link_send(pair[0], &head, "last words", NULL, 0), 0);
        close(pair[0]);
        for (int i = 0; i < said; i++) {
            assert_int_equal(link_receive(pair[1], &message, &why), 1);
            assert_string_equal(message.text, "last words");
        }
        assert_int_equal(link_receive(pair[1], &message, &why), 0);
        assert_int_equal(link_receive(pair[1], &message, &why), 0);
        close(pair[1]);
    }
}

static void send_raw(int fd, const void *bytes, size_t n, int fds)
{
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(40 * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = n};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

    if (fds > 0) {
        struct cmsghdr *c;

        m.msg_control = control.bytes;
        m.msg_controllen = CMSG_SPACE((size_t)fds * sizeof(int));
        c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN((size_t)fds * sizeof(int));
        for (int i = 0; i < fds; i++)
            memcpy(CMSG_DATA(c) + (size_t)i * sizeof(int), &fd, sizeof(fd));
    }
    assert_true(sendmsg(fd, &m, 0) >= 0);
}

static void link_refuses_strange_frames(void **state)
{
    static uint8_t big[LINK_BYTES_MAX + 100];
    struct link_head good = {.abi = IPC_ABI, .type = LINK_READY, .kind = IPC_QUEUE};
    struct link_head heads[4] = {good, good, good, good};
    const char *why;
    int pair[2], before;

    (void)state;
    heads[0].abi = 99;
    heads[1].type = 0;
    heads[2].type = LINK_ANSWER + 1;
    heads[3].kind = IPC_KINDS;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair),
                     0);
    before = open_descriptors();
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        why = NULL;
        send_raw(pair[0], &heads[i], sizeof(good), 2);
        assert_int_equal(link_receive(pair[1], &message, &why), -EPROTO);
        assert_non_null(why);
    }
    for (size_t n = 1; n < sizeof(good); n++) {
        send_raw(pair[0], &good, n, 1);
        assert_int_equal(link_receive(pair[1], &message, &why), -EPROTO);
    }
    memcpy(big, &good, sizeof(good));
    memset(big + sizeof(good), 'x', sizeof(big) - sizeof(good));
    send_raw(pair[0], big, sizeof(good) + LINK_BYTES_MAX, 4);
    assert_int_equal(link_receive(pair[1], &message, &why), -EPROTO);
    send_raw(pair[0], big, sizeof(good) + LINK_BYTES_MAX - 1, 0);
    assert_int_equal(link_receive(pair[1], &message, &why), 1);
    big[sizeof(good) + 5] = 0;
    send_raw(pair[0], big, sizeof(good) + 10, 0);
    assert_int_equal(link_receive(pair[1], &message, &why), -EPROTO);
    send_raw(pair[0], &good, sizeof(good), LINK_FDS_MAX + 1);
    assert_int_equal(link_receive(pair[1], &message, &why), -EPROTO);
    send_raw(pair[0], &good, sizeof(good), 40); /* more than the receiver has room for */
    assert_int_equal(link_receive(pair[1], &message, &why), -EPROTO);
    assert_int_equal(open_descriptors(), before);
    close(pair[0]);
    assert_int_equal(link_receive(pair[1], &message, &why), 0);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_grow_and_read_back),
        cmocka_unit_test(ids_refused),
        cmocka_unit_test(region_carries_messages_and_chunks),
        cmocka_unit_test(region_that_is_not_what_was_said),
        cmocka_unit_test(kinds_have_names),
        cmocka_unit_test(stats_are_read_elsewhere),
        cmocka_unit_test(link_carries_text_and_descriptors),
        cmocka_unit_test(last_words_outlive_a_reset),
        cmocka_unit_test(link_refuses_strange_frames),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
