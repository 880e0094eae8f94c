/* Goal: sluice-control as run, the dataplane, the queue and an operator see it: starts, reloads
 * that work, fail and are refused, orders passed on, figures.  Method: the real loop turned by
 * the test; run is a thread (it answers OPEN while control waits), the others are the test. */
#include "daemon_world.h"

static void test_starts_and_publishes(void **state)
{
    uint64_t g;

    (void)state;
    control_begin(1);
    assert_true(w.ready);
    introduce(IPC_DATAPLANE, 1);
    g = policy_take(IPC_DATAPLANE);
    assert_true(g > 1600000000000000ull); /* the wall clock's microseconds */
    introduce(IPC_QUEUE, 1);
    assert_true(peer_hears(IPC_QUEUE, LINK_ORDER));
    assert_non_null(strstr(message.text, "\"settings\""));
    assert_int_equal(policy_take(IPC_QUEUE), g);
    /* A new incarnation gets the same. */
    gone(IPC_DATAPLANE, 1);
    introduce(IPC_DATAPLANE, 2);
    assert_int_equal(policy_take(IPC_DATAPLANE), g);
}

static void test_first_start_must_work(void **state)
{
    (void)state;
    unlink(w.config);
    control_begin(1);
    assert_true(w.failed);
    assert_non_null(strstr(w.failure, "sluice.yaml"));
    assert_int_equal(control_status(w.c), 1);
    control_end();

    config_write("[0]", "5s", "nonsense: 1\n");
    control_begin(1);
    assert_true(w.failed);
    assert_non_null(strstr(w.failure, "nonsense"));
    control_end();

    config_write("[0]", "5s", "");
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(w.admin),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 1), 0);
    control_begin(1);
    assert_true(w.failed);
    assert_non_null(strstr(w.failure, "admin.listen"));
    control_end();
    /* A later incarnation goes on without. */
    control_begin(2);
    assert_true(w.ready);
    introduce(IPC_DATAPLANE, 1);
    policy_take(IPC_DATAPLANE);
    close(fd);
}

/* Respawned while the file on disk is broken: it serves, says so, and a reload mends it. */
static void test_later_start_with_a_broken_file(void **state)
{
    json_t *a;

    (void)state;
    control_begin(1);
    assert_true(w.ready);
    control_end();
    config_write("[0]", "5s", "nonsense: 1\n");
    control_begin(2);
    assert_true(w.ready);
    introduce(IPC_DATAPLANE, 1);
    ask("{\"command\":\"status\"}");
    assert_true(peer_hears(IPC_DATAPLANE, LINK_ORDER));
    peer_says(IPC_DATAPLANE, LINK_ANSWER, message.head.token, "{\"ok\":true,\"sessions\":3}");
    a = answer();
    assert_non_null(strstr(string_of(a, "last_reload_error"), "nonsense"));
    json_decref(a);
    config_write("[0]", "5s", "");
    ask("{\"command\":\"reload\"}");
    policy_set(IPC_DATAPLANE, policy_take(IPC_DATAPLANE), NULL);
    a = answer();
    assert_true(is_ok(a));
    assert_int_equal(json_array_size(json_object_get(a, "restart")), 0);
    json_decref(a);
}

static void test_generation_grows_over_restarts(void **state)
{
    uint64_t g;

    (void)state;
    control_begin(1);
    introduce(IPC_DATAPLANE, 1);
    g = policy_take(IPC_DATAPLANE);
    control_end();
    control_begin(2);
    introduce(IPC_DATAPLANE, 1);
    assert_true(policy_take(IPC_DATAPLANE) > g);
}

static void begin_with_peers(uint64_t *ret_generation)
{
    control_begin(1);
    assert_true(w.ready);
    introduce(IPC_DATAPLANE, 1);
    *ret_generation = policy_take(IPC_DATAPLANE);
    policy_set(IPC_DATAPLANE, *ret_generation, NULL);
    introduce(IPC_QUEUE, 1);
    assert_true(peer_hears(IPC_QUEUE, LINK_ORDER));
    assert_int_equal(policy_take(IPC_QUEUE), *ret_generation);
    policy_set(IPC_QUEUE, *ret_generation, NULL);
}

static void test_reload(void **state)
{
    uint64_t g, next;
    json_t *a;

    (void)state;
    begin_with_peers(&g);
    config_write("[0]", "7s", "");
    ask("{\"command\":\"reload\"}");
    next = policy_take(IPC_DATAPLANE);
    assert_true(next > g);
    assert_int_equal(w.reloaded, 1);
    for (int i = 0; i < 5; i++)
        turn();
    const char *why;

    assert_int_equal(link_receive(w.peer[IPC_QUEUE], &message, &why), -EAGAIN); /* not yet */
    policy_set(IPC_DATAPLANE, next, NULL);
    a = answer();
    assert_true(is_ok(a));
    assert_int_equal(json_integer_value(json_object_get(a, "generation")), next);
    json_decref(a);
    assert_true(peer_hears(IPC_QUEUE, LINK_ORDER));
    assert_non_null(strstr(message.text, "7000000"));
    assert_int_equal(policy_take(IPC_QUEUE), next);
    assert_int_equal(link_receive(w.peer[IPC_DATAPLANE], &message, &why), -EAGAIN); /* once */
}

static void test_reload_that_fails(void **state)
{
    static const char *const broken[] = {"nonsense: 1\n", "limits: {recipients: many}\n", "]\n"};
    const char *why;
    uint64_t g;
    json_t *a;

    (void)state;
    begin_with_peers(&g);
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        config_write("[0]", "7s", broken[i]);
        ask("{\"command\":\"reload\"}");
        a = answer();
        assert_false(is_ok(a));
        assert_non_null(strstr(string_of(a, "error"), "sluice.yaml:"));
        assert_true(json_array_size(json_object_get(a, "errors")) >= 1);
        json_decref(a);
    }
    config_write("[0]", "7s", "");
    file_write("r.txt", "not an address at all@@\n");
    ask("{\"command\":\"reload\"}");
    a = answer();
    assert_false(is_ok(a));
    assert_non_null(strstr(string_of(a, "error"), "r.txt:1"));
    json_decref(a);
    assert_int_equal(link_receive(w.peer[IPC_DATAPLANE], &message, &why), -EAGAIN);
    gone(IPC_DATAPLANE, 1);
    introduce(IPC_DATAPLANE, 2);
    assert_int_equal(policy_take(IPC_DATAPLANE), g); /* all is as it was */
}

static void test_reload_refused_by_the_dataplane(void **state)
{
    const char *why;
    uint64_t g, next;
    json_t *a;

    (void)state;
    begin_with_peers(&g);
    config_write("[0]", "7s", "");
    ask("{\"command\":\"reload\"}");
    next = policy_take(IPC_DATAPLANE);
    policy_set(IPC_DATAPLANE, next, "no memory");
    a = answer();
    assert_false(is_ok(a));
    assert_non_null(strstr(string_of(a, "error"), "no memory"));
    json_decref(a);
    assert_int_equal(link_receive(w.peer[IPC_QUEUE], &message, &why), -EAGAIN);
    gone(IPC_DATAPLANE, 1);
    introduce(IPC_DATAPLANE, 2);
    assert_int_equal(policy_take(IPC_DATAPLANE), g);
}

/* An image that is no image has no generation to name. */
static void test_reload_refused_without_a_generation(void **state)
{
    uint64_t g;
    json_t *a;

    (void)state;
    begin_with_peers(&g);
    ask("{\"command\":\"reload\"}");
    policy_take(IPC_DATAPLANE);
    peer_says(IPC_DATAPLANE, LINK_POLICY_SET, 0, "{}");
    peer_says(IPC_DATAPLANE, LINK_POLICY_SET, 0, "{\"error\":\"of another version\"}");
    a = answer();
    assert_false(is_ok(a));
    assert_non_null(strstr(string_of(a, "error"), "of another version"));
    json_decref(a);
}

static void hangup(void)
{
    link_send(w.run, &(struct link_head){.type = LINK_ORDER}, "{\"order\":\"reload\"}", NULL, 0);
}

/* What run got as SIGHUP: nobody is answered, so the log says how it went. */
static void test_reload_by_run(void **state)
{
    uint64_t g, next;

    (void)state;
    begin_with_peers(&g);
    log_catch();
    config_write("[0, 0]", "7s", "");
    link_send(w.run, &(struct link_head){.type = LINK_ORDER}, "{\"order\":\"else\"}", NULL, 0);
    hangup();
    next = policy_take(IPC_DATAPLANE);
    assert_true(next > g);
    /* Once more while that is going on: the file may have changed since.  After it, then. */
    config_write("[0, 0]", "8s", "nonsense: 1\n");
    hangup();
    for (int i = 0; i < 5; i++)
        turn();
    policy_set(IPC_DATAPLANE, next, NULL);
    assert_true(peer_hears(IPC_QUEUE, LINK_ORDER));
    assert_non_null(strstr(message.text, "7000000"));
    assert_int_equal(policy_take(IPC_QUEUE), next);
    for (int i = 0; i < 5; i++)
        turn();
    log_release();
    assert_non_null(strstr(w.log, "\"event\":\"reloaded\",\"generation\":"));
    assert_non_null(strstr(w.log, "\"needs_restart\":\"dataplane.cores\""));
    assert_non_null(strstr(w.log, "\"event\":\"reload-failed\""));
    assert_non_null(strstr(w.log, "nonsense"));
}

static void test_reload_names_what_needs_a_restart(void **state)
{
    uint64_t g;
    json_t *a, *restart;

    (void)state;
    begin_with_peers(&g);
    config_write("[0, 0]", "7s", "log: {format: maillog}\n");
    ask("{\"command\":\"reload\"}");
    policy_set(IPC_DATAPLANE, policy_take(IPC_DATAPLANE), NULL);
    a = answer();
    assert_true(is_ok(a));
    restart = json_object_get(a, "restart");
    assert_int_equal(json_array_size(restart), 2);
    assert_string_equal(json_string_value(json_array_get(restart, 0)), "log");
    assert_string_equal(json_string_value(json_array_get(restart, 1)), "dataplane.cores");
    json_decref(a);
    control_end();
    /* control's own restart does not make it forget what the others run with. */
    control_begin(2);
    introduce(IPC_DATAPLANE, 1);
    policy_take(IPC_DATAPLANE);
    ask("{\"command\":\"reload\"}");
    policy_set(IPC_DATAPLANE, policy_take(IPC_DATAPLANE), NULL);
    a = answer();
    assert_int_equal(json_array_size(json_object_get(a, "restart")), 2);
    json_decref(a);
}

static void test_reload_without_a_dataplane(void **state)
{
    json_t *a;

    (void)state;
    control_begin(1);
    ask("{\"command\":\"reload\"}");
    a = answer();
    assert_true(is_ok(a));
    assert_true(json_is_false(json_object_get(a, "dataplane")));
    json_decref(a);
}

static void test_reload_whose_dataplane_dies(void **state)
{
    uint64_t g, next;
    json_t *a;

    (void)state;
    begin_with_peers(&g);
    ask("{\"command\":\"reload\"}");
    next = policy_take(IPC_DATAPLANE);
    gone(IPC_DATAPLANE, 1);
    a = answer();
    assert_true(is_ok(a));
    json_decref(a);
    introduce(IPC_DATAPLANE, 2);
    assert_int_equal(policy_take(IPC_DATAPLANE), next);
}

static void test_reload_moves_the_admin_address(void **state)
{
    uint16_t was;
    json_t *a;
    int fd;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

    (void)state;
    control_begin(1);
    was = w.admin;
    w.admin = free_port();
    config_write("[0]", "5s", "");
    ask("{\"command\":\"reload\"}");
    a = answer();
    assert_true(is_ok(a));
    json_decref(a);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_port = htons(was);
    assert_int_not_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    close(fd);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.sin_port = htons(w.admin);
    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    close(fd);
}

static void test_status(void **state)
{
    uint64_t g;
    uint32_t token;
    json_t *a, *p;

    (void)state;
    begin_with_peers(&g);
    file_write("queue.pid", "4711\n");
    ask("{\"command\":\"status\"}");
    assert_true(peer_hears(IPC_DATAPLANE, LINK_ORDER));
    token = message.head.token;
    assert_non_null(strstr(message.text, "\"status\""));
    assert_true(peer_hears(IPC_QUEUE, LINK_ORDER));
    assert_non_null(strstr(message.text, "\"count\""));
    peer_says(IPC_QUEUE, LINK_ANSWER, message.head.token, "{\"ok\":true,\"count\":12}");
    peer_says(IPC_DATAPLANE, LINK_ANSWER, token,
              "{\"ok\":true,\"sessions\":5,\"draining\":false,\"workers\":[{}]}");
    a = answer();
    assert_true(is_ok(a));
    assert_int_equal(json_integer_value(json_object_get(a, "sessions")), 5);
    assert_int_equal(json_integer_value(json_object_get(a, "queue")), 12);
    assert_string_equal(string_of(a, "intake"), "open");
    assert_int_equal(json_array_size(json_object_get(a, "workers")), 1);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(a, "policy"), "generation")), g);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(a, "policy"), "dataplane_generation")),
        g);
    p = json_object_get(json_object_get(a, "processes"), "queue");
    assert_int_equal(json_integer_value(json_object_get(p, "pid")), 4711);
    assert_true(json_integer_value(json_object_get(p, "started")) > 1600000000000000);
    assert_true(json_is_true(json_object_get(p, "up")));
    p = json_object_get(json_object_get(a, "processes"), "deliver");
    assert_true(json_is_false(json_object_get(p, "up")));
    json_decref(a);
    /* Nobody there: it answers at once with what it knows. */
    gone(IPC_DATAPLANE, 1);
    gone(IPC_QUEUE, 1);
    for (int i = 0; i < 5; i++)
        turn();
    ask("{\"command\":\"status\"}");
    a = answer();
    assert_true(is_ok(a));
    assert_true(json_is_null(json_object_get(a, "sessions")));
    assert_string_equal(string_of(a, "intake"), "down");
    json_decref(a);
}

static void test_orders_pass(void **state)
{
    uint64_t g;
    json_t *a;

    (void)state;
    begin_with_peers(&g);
    ask("{\"command\":\"queue\",\"order\":\"list\",\"limit\":5,\"filter\":{\"domain\":\"x\"}}");
    assert_true(peer_hears(IPC_QUEUE, LINK_ORDER));
    a = json_loads(message.text, 0, NULL);
    assert_string_equal(string_of(a, "order"), "list");
    assert_null(json_object_get(a, "command"));
    assert_int_equal(json_integer_value(json_object_get(a, "limit")), 5);
    json_decref(a);
    peer_says(IPC_QUEUE, LINK_ANSWER, message.head.token + 1000, "{\"ok\":true,\"stray\":1}");
    peer_says(IPC_QUEUE, LINK_ANSWER, message.head.token, "{\"ok\":true,\"messages\":[]}");
    a = answer();
    assert_non_null(json_object_get(a, "messages"));
    json_decref(a);

    ask("{\"command\":\"drain\"}");
    assert_true(peer_hears(IPC_DATAPLANE, LINK_ORDER));
    assert_non_null(strstr(message.text, "{\"order\":\"drain\"}"));
    peer_says(IPC_DATAPLANE, LINK_ANSWER, message.head.token, "no JSON");
    a = answer();
    assert_false(is_ok(a));
    json_decref(a);

    ask("{\"command\":\"queue\",\"order\":\"flush\"}");
    assert_true(peer_hears(IPC_QUEUE, LINK_ORDER));
    gone(IPC_QUEUE, 1);
    a = answer();
    assert_false(is_ok(a));
    assert_non_null(strstr(string_of(a, "error"), "went away"));
    json_decref(a);
    ask("{\"command\":\"queue\",\"order\":\"flush\"}");
    a = answer();
    assert_non_null(strstr(string_of(a, "error"), "not running"));
    json_decref(a);
}

static void test_drain_outlives_the_dataplane(void **state)
{
    const char *why;
    uint64_t g;

    (void)state;
    begin_with_peers(&g);
    log_catch();
    ask("{\"command\":\"drain\"}");
    assert_true(peer_hears(IPC_DATAPLANE, LINK_ORDER));
    peer_says(IPC_DATAPLANE, LINK_ANSWER, message.head.token, "{\"ok\":true,\"sessions\":1}");
    json_decref(answer());
    log_release();
    assert_non_null(strstr(w.log, "\"event\":\"draining\""));
    gone(IPC_DATAPLANE, 1);
    introduce(IPC_DATAPLANE, 2);
    assert_true(peer_hears(IPC_DATAPLANE, LINK_ORDER));
    assert_non_null(strstr(message.text, "{\"order\":\"drain\"}"));
    assert_int_equal(policy_take(IPC_DATAPLANE), g);
    ask("{\"command\":\"undrain\"}");
    assert_true(peer_hears(IPC_DATAPLANE, LINK_ORDER));
    assert_non_null(strstr(message.text, "{\"order\":\"undrain\"}"));
    peer_says(IPC_DATAPLANE, LINK_ANSWER, message.head.token, "{\"ok\":true,\"sessions\":1}");
    json_decref(answer());
    gone(IPC_DATAPLANE, 2);
    introduce(IPC_DATAPLANE, 3);
    assert_int_equal(policy_take(IPC_DATAPLANE), g);
    assert_int_equal(link_receive(w.peer[IPC_DATAPLANE], &message, &why), -EAGAIN);
}

static void test_what_is_no_command(void **state)
{
    static const char *const rows[] = {"{}", "{\"command\":1}", "{\"command\":\"nonsense\"}",
                                       "{\"command\":\"queue\"}",
                                       "{\"command\":\"queue\",\"order\":1}"};

    (void)state;
    control_begin(1);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        ask(rows[i]);
        json_t *a = answer();

        assert_false(is_ok(a));
        assert_non_null(string_of(a, "error"));
        json_decref(a);
    }
    ask("{\"command\":\"version\"}");
    json_t *a = answer();

    assert_string_equal(string_of(a, "version"), SLUICE_VERSION);
    json_decref(a);
}

static void http_get(const char *path, char *text, size_t room)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(w.admin),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char request[128];
    size_t n = 0;
    ssize_t got = -1;

    assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
    snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", path);
    assert_int_equal(send(fd, request, strlen(request), 0), strlen(request));
    for (int i = 0; i < TURNS_MAX && got != 0; i++) {
        turn();
        got = recv(fd, text + n, room - 1 - n, MSG_DONTWAIT);
        if (got > 0)
            n += (size_t)got;
    }
    text[n] = '\0';
    close(fd);
}

static void test_figures(void **state)
{
    static const struct stats_def defs[] = {
        {"sluice_test_total", "A test", STATS_COUNTER}
    };
    static char text[262144];
    int fd = stats_create(IPC_QUEUE, 3);
    struct stats_region *r = stats_map(fd, IPC_QUEUE, true);
    json_t *a;

    (void)state;
    control_begin(1);
    stats_define(r, defs, 1);
    count_add(&r->worker[0].counters[0], 42);
    link_send(w.run, &(struct link_head){.type = LINK_STATS, .kind = IPC_QUEUE, .epoch = 3}, NULL,
              &fd, 1);
    close(fd);
    introduce(IPC_QUEUE, 3);
    assert_true(peer_hears(IPC_QUEUE, LINK_ORDER));
    http_get("/metrics", text, sizeof(text));
    assert_non_null(strstr(text, "# TYPE sluice_test_total counter\nsluice_test_total 42\n"));
    assert_non_null(strstr(text, "sluice_up{process=\"queue\"} 1\n"));
    assert_non_null(strstr(text, "sluice_up{process=\"dataplane\"} 0\n"));
    assert_non_null(strstr(text, "sluice_process_restarts_total{process=\"queue\"} 2\n"));
    assert_non_null(strstr(text, "# TYPE sluice_policy_generation gauge\n"));
    http_get("/stats", text, sizeof(text));
    a = json_loads(strstr(text, "\r\n\r\n") + 4, 0, NULL);
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(a, "counters"), "sluice_test_total")),
        42);
    json_decref(a);
    ask("{\"command\":\"stats\"}");
    a = answer();
    assert_true(is_ok(a));
    assert_non_null(json_object_get(json_object_get(a, "counters"), "sluice_test_total"));
    json_decref(a);
    gone(IPC_QUEUE, 3);
    turn();
    http_get("/metrics", text, sizeof(text));
    assert_non_null(strstr(text, "sluice_up{process=\"queue\"} 0\n"));
    assert_non_null(strstr(text, "sluice_build_info{version=\"" SLUICE_VERSION "\"} 1\n"));
    stats_unmap(r);
}

static void test_ends(void **state)
{
    char path[64];

    (void)state;
    control_begin(1);
    link_send(w.run, &(struct link_head){.type = LINK_STOP}, NULL, NULL, 0);
    for (int i = 0; i < TURNS_MAX && w.alive; i++)
        turn();
    assert_false(w.alive);
    assert_int_equal(control_status(w.c), 0);
    control_end();
    snprintf(path, sizeof(path), "%s/control.sock", w.dir);
    assert_int_equal(access(path, F_OK), -1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_starts_and_publishes),
        T(test_first_start_must_work),
        T(test_later_start_with_a_broken_file),
        T(test_generation_grows_over_restarts),
        T(test_reload),
        T(test_reload_that_fails),
        T(test_reload_refused_by_the_dataplane),
        T(test_reload_refused_without_a_generation),
        T(test_reload_by_run),
        T(test_reload_names_what_needs_a_restart),
        T(test_reload_without_a_dataplane),
        T(test_reload_whose_dataplane_dies),
        T(test_reload_moves_the_admin_address),
        T(test_status),
        T(test_orders_pass),
        T(test_drain_outlives_the_dataplane),
        T(test_what_is_no_command),
        T(test_figures),
        T(test_ends),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
