/* Goal: the process as `sluice run` sees it, on a real disk: settings, regions, policy, a
 * message made durable and delivered over the real sockets, orders, STOP, a restart that
 * remembers; and a directory that is not fit, refused in words.  Method: queue_loop() in a child.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base_crc.h"
#include "ipc_attempt.h"
#include "ipc_envelope.h"
#include "ipc_link.h"
#include "ipc_spool.h"
#include "ipc_stats.h"
#include "queue_io.h"
#include "queue_link.h"
#include "queue_loop.h"
#include "queue_policy.h"

static char dir[64];
static struct link_message message;

struct child {
    pid_t pid;
    int run, control, deliver, kick;
    struct ipc_region region; /* the worker's end */
    struct ring to_peer, to_worker;
};

static int setup(void **state)
{
    snprintf(dir, sizeof(dir), "test-queue-XXXXXX");
    assert_non_null(mkdtemp(dir));
    *state = NULL;
    return 0;
}

static int teardown(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf '%s'", dir);
    return system(command) == 0 ? 0 : -1;
}

static void pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
}

static void receive(int fd, uint32_t type)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    const char *why = "";

    assert_int_equal(poll(&p, 1, 20000), 1);
    assert_int_equal(link_receive(fd, &message, &why), 1);
    if (message.head.type != type)
        fail_msg("type %u: %s", message.head.type, message.text);
}

static struct child start(const char *directory, const char *sync)
{
    struct child c = {.pid = -1};
    char path[256], cwd[128], text[1024];
    int fds[2];

    assert_non_null(getcwd(cwd, sizeof(cwd)));
    snprintf(path, sizeof(path), "%s/%s", cwd, directory);
    snprintf(text, sizeof(text),
             "{\"instance\":\"t\",\"directory\":\"%s\",\"workers\":1,\"retry_first_us\":1000,"
             "\"retry_maximum_us\":1000000,\"expire_us\":100000000,\"sync\":\"%s\","
             "\"limit_bytes\":67108864,\"limit_messages\":1000,\"reserve_bytes\":0,\"epoch\":1,"
             "\"log\":{\"format\":\"json\",\"refusals_per_second\":100}}",
             path, sync);
    pair(fds);
    fflush(NULL);
    c.pid = fork();
    assert_true(c.pid >= 0);
    if (c.pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        dup2(null, 2);
        close(fds[0]);
        _exit(queue_loop(fds[1]));
    }
    close(fds[1]);
    c.run = fds[0];
    struct link_head head = {.type = LINK_SETTINGS, .kind = IPC_QUEUE, .epoch = 1};

    assert_int_equal(link_send(c.run, &head, text, NULL, 0), 0);
    return c;
}

static int handed_out(struct child *c, enum ipc_kind kind)
{
    struct link_head head = {.type = LINK_LINK, .kind = (uint32_t)kind, .epoch = 1};
    int fds[2];

    pair(fds);
    assert_int_equal(link_send(c->run, &head, NULL, &fds[1], 1), 0);
    close(fds[1]);
    return fds[0];
}

static void introduce(struct child *c)
{
    struct link_head head = {.type = LINK_REGION, .kind = IPC_DATAPLANE, .epoch = 3};
    int fds[2] = {ipc_region_create(IPC_QUEUE, 0, 3), eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    int stats = stats_create(IPC_QUEUE, 1);

    assert_true(fds[0] >= 0 && fds[1] >= 0 && stats >= 0);
    assert_int_equal(ipc_region_map(&c->region, fds[0], IPC_QUEUE, 0, 3), 0);
    assert_int_equal(link_send(c->run, &head, NULL, fds, 2), 0);
    close(fds[0]);
    c->kick = fds[1];
    head = (struct link_head){.type = LINK_STATS, .kind = IPC_QUEUE, .epoch = 1};
    assert_int_equal(link_send(c->run, &head, NULL, &stats, 1), 0);
    close(stats);
    c->control = handed_out(c, IPC_CONTROL);
    c->deliver = handed_out(c, IPC_DELIVER);
}

static void policy(struct child *c, bool good)
{
    struct link_head head = {.type = LINK_POLICY, .kind = IPC_CONTROL, .token = 4};
    int fd = memfd_create("policy", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_int_equal(write(fd, "image", 5), 5);
    if (good)
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    assert_int_equal(link_send(c->control, &head, "{\"generation\":12}", &fd, 1), 0);
    close(fd);
    receive(c->control, LINK_POLICY_SET);
    assert_non_null(strstr(message.text, "12"));
    assert_true((strstr(message.text, "error") == NULL) == good);
}

static void put(struct child *c, uint64_t id, const char *recipient)
{
    struct spool_ask ask = {.type = SPOOL_COMMIT,
                            .message = id,
                            .epoch = 3,
                            .recipients = 1,
                            .session = handle_make(0, 1, 1)};
    struct envelope_header head = {
        .version = ENVELOPE_VERSION, .message = id, .session = 2, .recipients = 1};
    uint8_t *at = ipc_chunk(&c->region, 0);
    size_t n = ENVELOPE_HEADER_BYTES;
    uint64_t one = 1;

    envelope_put_header(at, &head);
    n += envelope_put_item(at + n, 100, ENVELOPE_HELO, span_str("h"));
    n += envelope_put_item(at + n, 100, ENVELOPE_SERVER, span_str("s"));
    n += envelope_put_item(at + n, 100, ENVELOPE_HOSTNAME, span_str("n"));
    n += envelope_put_item(at + n, 100, ENVELOPE_SENDER, span_str("s@s.test"));
    n += envelope_put_item(at + n, 100, ENVELOPE_RECIPIENT, span_str(recipient));
    ask.envelope_bytes = (uint32_t)n;
    memcpy(at + n, "Subject: x\r\n\r\nbody\r\n", 20);
    ask.total_bytes = n + 20;
    ask.bytes = (uint32_t)n + 20;
    assert_int_equal(ring_put(&c->region.to_peer, &ask, 1), 1);
    if (ring_must_kick(&c->region.to_peer))
        assert_int_equal(write(c->kick, &one, sizeof(one)), sizeof(one));
}

static uint32_t verdict(struct child *c, uint64_t id)
{
    struct spool_answer a;

    for (int i = 0; i < 20000; i++) {
        while (ring_get(&c->region.to_worker, &a, 1) == 1)
            if (a.message == id && a.type != SPOOL_CHUNK_BACK)
                return a.type;
        usleep(1000);
    }
    return 0;
}

/* Takes an ATTEMPT as sluice-deliver does, reads the content by its descriptors, answers. */
static void deliver(struct child *c, enum attempt_result result)
{
    static uint8_t packet[ATTEMPT_BYTES_MAX];
    static struct outcome o;
    union {
        struct cmsghdr align;
        uint8_t bytes[CMSG_SPACE(ATTEMPT_SEGMENTS_MAX * sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = packet, .iov_len = sizeof(packet)};
    struct msghdr m = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.bytes,
                       .msg_controllen = sizeof(control.bytes)};
    struct pollfd p = {.fd = c->deliver, .events = POLLIN};
    struct attempt a;
    char content[64];
    ssize_t got;
    int fd;

    assert_int_equal(poll(&p, 1, 20000), 1);
    got = recvmsg(c->deliver, &m, 0);
    assert_true(got > 0);
    assert_int_equal(attempt_parse(span_of(packet, (size_t)got), &a), 0);
    assert_int_equal(a.head.extents, 1);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
    assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
    struct attempt_extent e = attempt_extent_at(&a, 0);

    assert_int_equal(pread(fd, content, sizeof(content), (off_t)e.offset) >= 20, 1);
    assert_memory_equal(content, "Subject: x\r\n\r\nbody\r\n", 20);
    assert_int_equal(crc32c(0, content, 20), a.head.content_crc);
    close(fd);
    memset(&o, 0, sizeof(o));
    o.head = (struct outcome_head){
        .attempt = a.head.attempt, .message = a.head.message, .recipients = 1, .abi = IPC_ABI};
    o.remote = span_str("");
    o.recipients[0] = (struct outcome_recipient){
        .result = result,
        .status = {result == ATTEMPT_DELIVERED ? 2 : 4, 0, 0},
        .text = span_str("t")
    };
    size_t n = outcome_write(packet, sizeof(packet), &o);

    assert_true(n > 0);
    assert_int_equal(send(c->deliver, packet, n, 0), n);
}

static void count_becomes(struct child *c, const char *wanted)
{
    struct link_head head = {.type = LINK_ORDER, .kind = IPC_CONTROL, .token = 9};

    for (int i = 0; i < 2000; i++) {
        assert_int_equal(link_send(c->control, &head, "{\"order\":\"count\"}", NULL, 0), 0);
        receive(c->control, LINK_ANSWER);
        assert_int_equal(message.head.token, 9);
        if (strcmp(message.text, wanted) == 0)
            return;
        usleep(5000);
    }
    fail_msg("%s instead of %s", message.text, wanted);
}

static void stop(struct child *c, int wanted)
{
    struct link_head head = {.type = LINK_STOP};
    int status;

    (void)link_send(c->run, &head, NULL, NULL, 0);
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != wanted)
        fail_msg("status %x", (unsigned)status);
    close(c->run);
}

static void drop(struct child *c)
{
    close(c->control);
    close(c->deliver);
    close(c->kick);
    ipc_region_unmap(&c->region);
}

static void life(const char *sync)
{
    struct child c = start(dir, sync);

    receive(c.run, LINK_READY);
    introduce(&c);
    put(&c, 100, "a@r1.test");
    assert_int_equal(verdict(&c, 100), SPOOL_DURABLE);
    policy(&c, false);
    policy(&c, true);
    deliver(&c, ATTEMPT_DEFERRED);
    deliver(&c, ATTEMPT_DELIVERED);
    count_becomes(&c, "{\"ok\":true,\"count\":0}");
    put(&c, 101, "a@nowhere.example");
    assert_int_equal(verdict(&c, 101), SPOOL_DURABLE);
    usleep(20000);
    put(&c, 102, "a@discard.test"); /* it sleeps by now: the kick must wake it */
    assert_int_equal(verdict(&c, 102), SPOOL_DURABLE);
    stop(&c, 0);
    drop(&c);
    c = start(dir, sync);
    receive(c.run, LINK_READY);
    introduce(&c);
    count_becomes(&c, "{\"ok\":true,\"count\":1}");
    stop(&c, 0);
    drop(&c);
}

static void a_life_on_a_real_disk(void **state)
{
    (void)state;
    life("always");
}

static void a_life_without_syncs(void **state)
{
    (void)state;
    life("never");
}

static void killed_it_still_remembers(void **state)
{
    struct child c = start(dir, "always");
    int status;

    (void)state;
    receive(c.run, LINK_READY);
    introduce(&c);
    for (uint64_t id = 100; id < 150; id++) {
        put(&c, id, "a@r1.test");
        assert_int_equal(verdict(&c, id), SPOOL_DURABLE);
    }
    kill(c.pid, SIGKILL);
    assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
    close(c.run);
    drop(&c);
    c = start(dir, "always");
    receive(c.run, LINK_READY);
    introduce(&c);
    count_becomes(&c, "{\"ok\":true,\"count\":50}");
    stop(&c, 0);
    drop(&c);
}

static void run_gone_means_stop(void **state)
{
    struct child c = start(dir, "always");
    int status;

    (void)state;
    receive(c.run, LINK_READY);
    close(c.run);
    assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void an_unfit_directory_is_refused_in_words(void **state)
{
    struct child c, other;

    (void)state;
    assert_int_equal(chmod(dir, 0750), 0);
    c = start(dir, "always");
    receive(c.run, LINK_FAILED);
    assert_non_null(strstr(message.text, "chmod 700"));
    stop(&c, 1);
    assert_int_equal(chmod(dir, 0700), 0);
    c = start("test-queue-that-is-not-there", "always");
    receive(c.run, LINK_FAILED);
    assert_non_null(strstr(message.text, "cannot be opened"));
    stop(&c, 1);
    if (geteuid() == 0) {
        assert_int_equal(chown(dir, 65534, 65534), 0);
        c = start(dir, "always");
        receive(c.run, LINK_FAILED);
        assert_non_null(strstr(message.text, "another user"));
        stop(&c, 1);
        assert_int_equal(chown(dir, 0, 0), 0);
    }
    c = start(dir, "always");
    receive(c.run, LINK_READY);
    other = start(dir, "always");
    receive(other.run, LINK_FAILED);
    assert_non_null(strstr(message.text, "another queue"));
    stop(&other, 1);
    stop(&c, 0);
}

static void files_others_could_write_are_left_alone(void **state)
{
    const char *why = "";
    struct io_real *real;
    struct io_entry *entries;
    char path[128];
    size_t n, bad = 0;

    (void)state;
    snprintf(path, sizeof(path), "%s/segment-00000001", dir);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(chmod(path, 0640), 0);
    snprintf(path, sizeof(path), "%s/segment-00000002", dir);
    assert_int_equal(symlink("/etc/passwd", path), 0);
    snprintf(path, sizeof(path), "%s/segment-00000003", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(io_open(dir, true, &real, &why), 0);
    assert_int_equal(io_of(real)->list(io_of(real), &entries, &n), 0);
    assert_int_equal(n, 4); /* the lock too */
    for (size_t i = 0; i < n; i++)
        bad += entries[i].bad != NULL;
    assert_int_equal(bad, 3);
    assert_true(io_of(real)->open(io_of(real), "segment-00000002", IO_READ) < 0); /* no links */
    free(entries);
    io_close(real);
}

static void settings_are_checked(void **state)
{
    static const char *const bad[] = {
        "",
        "{}",
        "[]",
        "{\"instance\":\"t\",\"directory\":\"d\",\"workers\":0}",
        "{\"instance\":\"t\",\"directory\":\"d\",\"workers\":65,\"retry_first_us\":1000,"
        "\"retry_maximum_us\":1000000,\"expire_us\":100000000,\"sync\":\"always\","
        "\"limit_bytes\":67108864,\"limit_messages\":1000,\"reserve_bytes\":0,\"epoch\":1}",
        "{\"instance\":\"t\",\"directory\":\"d\",\"workers\":1,\"retry_first_us\":1000,"
        "\"retry_maximum_us\":100,\"expire_us\":100000000,\"sync\":\"always\","
        "\"limit_bytes\":67108864,\"limit_messages\":1000,\"reserve_bytes\":0,\"epoch\":1}"};
    struct queue_settings s;
    const char *why;
    bool maillog;

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(link_settings(bad[i], &s, &maillog, &why), -EINVAL);
    assert_int_equal(settings_segment_bytes(1ull << 40), SEGMENT_BYTES_DEFAULT);
    assert_int_equal(settings_segment_bytes(1 << 20), 4u << 20);
    assert_int_equal(settings_segment_bytes(256u << 20), 16u << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        T(a_life_on_a_real_disk),
        T(a_life_without_syncs),
        T(killed_it_still_remembers),
        T(run_gone_means_stop),
        T(an_unfit_directory_is_refused_in_words),
        T(files_others_could_write_are_left_alone),
        cmocka_unit_test(settings_are_checked),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
