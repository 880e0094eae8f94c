/* Goal: what an operator types becomes the right request, the answer the right words and exit
 * status.  Method: a control socket in a temporary directory whose other end is a script of
 * answers; output into memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "cli.h"

#define ID "0000000000123"

static char home[64];
static char *out_text, *err_text;

static int make_home(void **state)
{
    (void)state;
    snprintf(home, sizeof(home), "/tmp/sluice-cli-XXXXXX");
    return mkdtemp(home) != NULL ? 0 : -1;
}

static void drop_texts(void)
{
    free(out_text);
    free(err_text);
    out_text = err_text = NULL;
}

static int drop_home(void **state)
{
    char command[128];

    (void)state;
    drop_texts();
    snprintf(command, sizeof(command), "rm -rf %s", home);
    return system(command);
}

/* Runs `sluice WORDS…`; a word "@" stands for --runtime=HOME. */
static int sluice(const char *const *words)
{
    char *argv[32] = {(char[]){"sluice"}}, runtime[128];
    size_t out_len, err_len;
    int argc = 1, rc;
    FILE *out, *err;

    snprintf(runtime, sizeof(runtime), "--runtime=%s", home);
    for (; *words != NULL; words++)
        argv[argc++] = strcmp(*words, "@") == 0 ? runtime : (char *)(uintptr_t)*words;
    drop_texts();
    out = open_memstream(&out_text, &out_len);
    err = open_memstream(&err_text, &err_len);
    rc = cli_dispatch(out, err, argc, argv);
    fclose(out);
    fclose(err);
    return rc;
}

#define SLUICE(...) sluice((const char *const[]){__VA_ARGS__, NULL})

/* ---- the other end ---- */

struct script {
    const char *answers[4];
    char requests[4][2048];
    int listener, served;
    pthread_t thread;
};

static void *serve(void *arg)
{
    struct script *s = arg;

    for (; s->served < 4 && s->answers[s->served] != NULL; s->served++) {
        int fd = accept(s->listener, NULL, NULL);
        char *request = s->requests[s->served];
        const char *answer = s->answers[s->served];
        size_t n = 0;

        while (n < sizeof(s->requests[0]) - 1 && (n == 0 || request[n - 1] != '\n')) {
            ssize_t got = read(fd, request + n, 1);

            if (got <= 0)
                break;
            n += (size_t)got;
        }
        for (size_t at = 0; at < strlen(answer); at += 3) { /* in small pieces */
            size_t piece = strlen(answer) - at < 3 ? strlen(answer) - at : 3;

            if (write(fd, answer + at, piece) != (ssize_t)piece)
                break;
        }
        close(fd);
    }
    return NULL;
}

static struct script *script_start(const char *a, const char *b)
{
    static struct script s;
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    memset(&s, 0, sizeof(s));
    s.answers[0] = a;
    s.answers[1] = b;
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/control.sock", home);
    s.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s.listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(s.listener, 4), 0);
    assert_int_equal(pthread_create(&s.thread, NULL, serve, &s), 0);
    return &s;
}

/* The requests as they came, compact and in order of keys. */
static void script_end(struct script *s, const char *first, const char *second)
{
    const char *want[2] = {first, second};

    pthread_join(s->thread, NULL);
    close(s->listener);
    for (int i = 0; i < 2 && want[i] != NULL; i++) {
        json_t *came = json_loads(s->requests[i], 0, NULL), *wanted = json_loads(want[i], 0, NULL);

        assert_non_null(wanted);
        if (!json_equal(came, wanted))
            fail_msg("request %d was %s", i, s->requests[i]);
        json_decref(came);
        json_decref(wanted);
    }
    char path[128];

    snprintf(path, sizeof(path), "%s/control.sock", home);
    unlink(path);
}

/* ---- the tests ---- */

static void usage_and_help(void **state)
{
    (void)state;
    assert_int_equal(sluice((const char *const[]){NULL}), CLI_USAGE);
    assert_string_equal(out_text, "");
    assert_non_null(strstr(err_text, "usage: sluice COMMAND"));
    assert_int_equal(SLUICE("dance"), CLI_USAGE);
    assert_non_null(strstr(err_text, "there is no command dance"));
    assert_int_equal(SLUICE("help"), CLI_DONE);
    assert_non_null(strstr(out_text, "queue"));
    assert_string_equal(err_text, "");
    assert_int_equal(SLUICE("help", "drain"), CLI_DONE);
    assert_non_null(strstr(out_text, "usage: sluice drain"));
    assert_int_equal(SLUICE("help", "dance"), CLI_USAGE);
    assert_int_equal(SLUICE("version"), CLI_DONE);
    assert_string_equal(out_text, "sluice " SLUICE_VERSION "\n");
    assert_int_equal(SLUICE("version", "2"), CLI_USAGE);
    assert_int_equal(SLUICE("run"), CLI_USAGE);
    assert_non_null(strstr(err_text, "usage: sluice run -c FILE"));
    assert_int_equal(SLUICE("run", "-c"), CLI_USAGE);
    assert_int_equal(SLUICE("check"), CLI_USAGE);
    assert_int_equal(SLUICE("status", "--colour"), CLI_USAGE);
    assert_non_null(strstr(err_text, "sluice status: there is no option --colour\nusage: "));
    assert_int_equal(SLUICE("status", "--json=yes"), CLI_USAGE);
    assert_int_equal(SLUICE("queue"), CLI_USAGE);
    assert_int_equal(SLUICE("queue", "dance"), CLI_USAGE);
    assert_int_equal(SLUICE("queue", "show"), CLI_USAGE);
    assert_int_equal(SLUICE("queue", "show", "shorty"), CLI_USAGE);
    assert_int_equal(SLUICE("queue", "show", ID, ID), CLI_USAGE);
    assert_int_equal(SLUICE("queue", "list", "--limit", "many"), CLI_USAGE);
    assert_int_equal(SLUICE("queue", "delete"), CLI_USAGE); /* nothing is not everything */
    assert_int_equal(SLUICE("queue", "hold", "@"), CLI_USAGE);
    assert_int_equal(SLUICE("queue", "delete", "--domain=", "@"), CLI_USAGE);
    assert_int_equal(SLUICE("queue", "delete", "0000000000000", "@"), CLI_NO);
    assert_non_null(strstr(err_text, "no such message"));
}

static void not_running(void **state)
{
    (void)state;
    assert_int_equal(SLUICE("status", "@"), CLI_NOT_RUNNING);
    assert_non_null(strstr(err_text, "the edge is not running"));
    assert_string_equal(out_text, "");
    assert_int_equal(SLUICE("queue", "count", "--runtime", "/nowhere/at/all"), CLI_NOT_RUNNING);
    assert_int_equal(SLUICE("drain", "@"), CLI_NOT_RUNNING);
    assert_int_equal(SLUICE("reload", "@"), CLI_NOT_RUNNING);
    assert_int_equal(SLUICE("stats", "--json", "@"), CLI_NOT_RUNNING);
}

static void refusals_and_strange_answers(void **state)
{
    struct script *s;

    (void)state;
    s = script_start(
        "{\"ok\":false,\"error\":\"a.yaml:3:1: no\\u001b such key\\nb.yaml:1:1: x\"}\n", NULL);
    assert_int_equal(SLUICE("reload", "@"), CLI_NO);
    script_end(s, "{\"command\":\"reload\"}", NULL);
    assert_string_equal(err_text, "sluice reload: a.yaml:3:1: no? such key\nb.yaml:1:1: x\n");
    s = script_start("[1]\n", NULL);
    assert_int_equal(SLUICE("reload", "@"), CLI_NO);
    script_end(s, NULL, NULL);
    s = script_start("{\"ok\":tr", NULL); /* closed in the middle */
    assert_int_equal(SLUICE("reload", "@"), CLI_NO);
    script_end(s, NULL, NULL);
    s = script_start("{}\n", NULL);
    assert_int_equal(SLUICE("reload", "@"), CLI_NO);
    script_end(s, NULL, NULL);
}

static void reload_and_drain(void **state)
{
    struct script *s = script_start(
        "{\"ok\":true,\"generation\":7,\"restart\":[\"dataplane.cores\",\"queue.x\"]}\n",
        "{\"ok\":true,\"generation\":8,\"restart\":[]}\n");

    (void)state;
    assert_int_equal(SLUICE("reload", "@"), CLI_DONE);
    assert_string_equal(out_text,
                        "reloaded, policy generation 7\n"
                        "takes effect at the next start only: dataplane.cores, queue.x\n");
    assert_int_equal(SLUICE("reload", "@"), CLI_DONE);
    assert_string_equal(out_text, "reloaded, policy generation 8\n");
    script_end(s, NULL, NULL);
    s = script_start("{\"ok\":true,\"sessions\":3}\n", "{\"ok\":true,\"sessions\":1}\n");
    assert_int_equal(SLUICE("drain", "--no-wait", "@"), CLI_DONE);
    assert_string_equal(out_text, "draining, 3 sessions left\n");
    assert_int_equal(SLUICE("drain", "--off", "@"), CLI_DONE);
    assert_string_equal(out_text, "taking sessions again, 1 now\n");
    script_end(s, "{\"command\":\"drain\"}", "{\"command\":\"undrain\"}");
}

static void drain_waits_for_the_last_session(void **state)
{
    struct script *s = script_start("{\"ok\":true,\"sessions\":2,\"draining\":true}\n",
                                    "{\"ok\":true,\"sessions\":null,\"draining\":null}\n");

    (void)state;
    s->answers[2] = "{\"ok\":true,\"sessions\":1,\"draining\":true}\n";
    s->answers[3] = "{\"ok\":true,\"sessions\":0,\"draining\":true}\n";
    assert_int_equal(SLUICE("drain", "@"), CLI_DONE);
    assert_string_equal(out_text, "drained, no session left\n");
    assert_string_equal(err_text, ""); /* no terminal */
    script_end(s, "{\"command\":\"drain\"}", "{\"command\":\"status\"}");
    /* The first count may be a moment old. */
    s = script_start("{\"ok\":true,\"sessions\":0}\n",
                     "{\"ok\":true,\"sessions\":1,\"draining\":true}\n");
    s->answers[2] = "{\"ok\":true,\"sessions\":0,\"draining\":true}\n";
    assert_int_equal(SLUICE("drain", "@"), CLI_DONE);
    script_end(s, NULL, NULL);
    assert_int_equal(s->served, 3);
    s = script_start("{\"ok\":true,\"sessions\":2}\n",
                     "{\"ok\":true,\"sessions\":2,\"draining\":false}\n");
    assert_int_equal(SLUICE("drain", "@"), CLI_NO);
    assert_non_null(strstr(err_text, "not draining any more"));
    script_end(s, NULL, NULL);
}

static const char status_answer[] =
    "{\"ok\":true,\"instance\":\"mx1\",\"version\":\"1\",\"intake\":\"open\",\"sessions\":5,"
    "\"queue\":null,\"policy\":{\"generation\":1763855701000006,\"rules\":2,\"domains\":1,"
    "\"recipients\":4,\"dataplane_generation\":1763855701000006,\"queue_generation\":0},\"last_"
    "reload_error\":\"x:1:2: bad\","
    "\"processes\":{\"run\":{\"pid\":10,\"started\":1763855701000006,\"epoch\":1,\"up\":true},"
    "\"dataplane\":{\"pid\":1234567,\"epoch\":3,\"up\":true},"
    "\"queue\":{\"pid\":12,\"epoch\":1,\"up\":false}}}\n";

static void status_in_words_and_json(void **state)
{
    struct script *s = script_start(status_answer, status_answer);
    json_t *answer;

    (void)state;
    assert_int_equal(SLUICE("status", "@"), CLI_DONE);
    assert_string_equal(out_text, "instance    mx1 (Sluice 1)\n"
                                  "intake      open\n"
                                  "sessions    5\n"
                                  "queue       unknown\n"
                                  "policy      of 2025-11-22T23:55:01Z: 2 rules, 1 domain, "
                                  "4 recipients (generation 1763855701000006)\n"
                                  "            the queue does not have it yet\n"
                                  "reload      the last one failed: x:1:2: bad\n"
                                  "\n"
                                  "PROCESS        PID  STATE  SINCE                 RESTARTS\n"
                                  "run             10  up     2025-11-22T23:55:01Z         0\n"
                                  "dataplane  1234567  up     -                            2\n"
                                  "queue            -  down   -                            0\n");
    assert_int_equal(SLUICE("status", "--json", "@"), CLI_DONE);
    answer = json_loads(out_text, 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(answer, "sessions")), 5);
    json_decref(answer);
    script_end(s, "{\"command\":\"status\"}", NULL);
}

static void status_of_a_queue(void **state)
{
    struct script *s = script_start(
        "{\"ok\":true,\"sessions\":null,\"queue\":1,\"queue_waiting\":0,\"policy\":null}\n",
        "{\"ok\":true,\"sessions\":null,\"queue\":3,\"queue_waiting\":2,\"policy\":null}\n");

    (void)state;
    assert_int_equal(SLUICE("status", "@"), CLI_DONE);
    assert_non_null(strstr(out_text, "sessions    unknown\nqueue       1 message\n"));
    assert_int_equal(SLUICE("status", "@"), CLI_DONE);
    assert_non_null(strstr(out_text, "queue       3 messages, 2 of them waiting for another try"));
    script_end(s, NULL, NULL);
}

static void stats_in_tables(void **state)
{
    static const char answer[] =
        "{\"ok\":true,\"counters\":{\"sluice_a_total\":12,\"sluice_b\":3456,\"sluice_none\":0},"
        "\"histograms\":"
        "{\"sluice_commit_seconds\":{\"count\":4,\"sum_seconds\":2.0,\"p50\":0.25,\"p90\":null,"
        "\"p99\":1.0}}}\n";
    struct script *s = script_start(answer, answer);

    (void)state;
    assert_int_equal(SLUICE("stats", "@"), CLI_DONE);
    assert_string_equal(out_text,
                        "FIGURE          VALUE\n"
                        "sluice_a_total     12\n"
                        "sluice_b         3456\n"
                        "and 1 that are 0 (--all shows them)\n"
                        "\n"
                        "SECONDS                COUNT      MEAN       P50  P90       P99\n"
                        "sluice_commit_seconds      4  0.500000  0.250000    -  1.000000\n");
    assert_int_equal(SLUICE("stats", "--all", "@"), CLI_DONE);
    assert_non_null(strstr(out_text, "sluice_none         0\n"));
    script_end(s, "{\"command\":\"stats\"}", "{\"command\":\"stats\"}");
}

#define MESSAGE(id, sender)                                                                        \
    "{\"id\":\"" id "\",\"arrived\":1763855701000006,\"sender\":\"" sender "\",\"bytes\":100,"     \
    "\"recipients\":[{\"address\":\"a@x\",\"state\":\"waiting\",\"attempts\":2,"                   \
    "\"next\":\"soon\",\"reason\":\"later\",\"code\":451,\"status\":\"4.7.1\",\"route\":\"in\"},"  \
    "{\"address\":\"bb@x\",\"state\":\"held\",\"attempts\":0,\"next\":null}]}"

static void queue_list_goes_page_by_page(void **state)
{
    struct script *s = script_start(
        "{\"ok\":true,\"messages\":[" MESSAGE("0000000000123",
                                              "") "],\"more\":\"0000000000123\"}\n",
        "{\"ok\":true,\"messages\":[" MESSAGE("0000000000124", "s@y") "],\"more\":null}\n");
    json_t *all;

    (void)state;
    assert_int_equal(SLUICE("queue", "list", "--json", "--domain", "x", "@"), CLI_DONE);
    script_end(s,
               "{\"command\":\"queue\",\"order\":\"list\",\"filter\":{\"domain\":\"x\"},"
               "\"limit\":500}",
               "{\"command\":\"queue\",\"order\":\"list\",\"filter\":{\"domain\":\"x\"},"
               "\"limit\":500,\"after\":\"0000000000123\"}");
    all = json_loads(out_text, 0, NULL);
    assert_int_equal(json_array_size(json_object_get(all, "messages")), 2);
    json_decref(all);
    s = script_start("{\"ok\":true,\"messages\":[" MESSAGE("0000000000123",
                                                           "") "],\"more\":\"0000000000123\"}\n",
                     NULL);
    assert_int_equal(SLUICE("queue", "list", "--limit=1", "@"), CLI_DONE);
    script_end(s, "{\"command\":\"queue\",\"order\":\"list\",\"filter\":{},\"limit\":1}", NULL);
    assert_string_equal(
        out_text,
        "ID             ARRIVED               BYTES  SENDER  RECIPIENT  STATE    ATTEMPTS  NEXT  "
        "REASON\n"
        "0000000000123  2025-11-22T23:55:01Z    100  <>      a@x        waiting         2  soon  "
        "451 4.7.1 later\n"
        "                                                    bb@x       held            0  -     "
        "-\n");
    s = script_start("{\"ok\":true,\"messages\":[],\"more\":null}\n", NULL);
    assert_int_equal(SLUICE("queue", "list", "@"), CLI_DONE);
    script_end(s, NULL, NULL);
    assert_string_equal(out_text, "no messages\n");
    s = script_start("{\"ok\":true,\"messages\":[{\"id\":\"" ID "\",\"recipients\":"
                     "[{\"address\":\"a@x\"}],\"recipients_total\":31}]}\n",
                     NULL);
    assert_int_equal(SLUICE("queue", "list", "@"), CLI_DONE);
    script_end(s, NULL, NULL);
    assert_non_null(strstr(out_text, "and 30 more"));
    /* A "more" that does not move on ends it. */
    s = script_start(
        "{\"ok\":true,\"messages\":[" MESSAGE("0000000000123", "") "],\"more\":\"\"}\n", NULL);
    assert_int_equal(SLUICE("queue", "list", "--json", "@"), CLI_DONE);
    script_end(s, NULL, NULL);
}

static void queue_show_one(void **state)
{
    struct script *s = script_start("{\"ok\":true,\"message\":" MESSAGE(ID, "") "}\n", NULL);

    (void)state;
    assert_int_equal(SLUICE("queue", "show", ID, "@"), CLI_DONE);
    script_end(s, "{\"command\":\"queue\",\"order\":\"show\",\"filter\":{\"id\":\"" ID "\"}}",
               NULL);
    assert_string_equal(out_text, "id          0000000000123\n"
                                  "arrived     2025-11-22T23:55:01Z\n"
                                  "sender      <>\n"
                                  "bytes       100\n"
                                  "\n"
                                  "RECIPIENT  STATE    ATTEMPTS  NEXT  ROUTE  REASON\n"
                                  "a@x        waiting         2  soon  in     451 4.7.1 later\n"
                                  "bb@x       held            0  -     -      -\n");
}

/* A message for a thousand: the queue names the first. */
static void queue_show_names_the_rest(void **state)
{
    struct script *s = script_start("{\"ok\":true,\"message\":{\"id\":\"" ID "\",\"recipients\":"
                                    "[{\"address\":\"a@x\"}],\"recipients_total\":31}}\n",
                                    NULL);

    (void)state;
    assert_int_equal(SLUICE("queue", "show", ID, "@"), CLI_DONE);
    script_end(s, NULL, NULL);
    assert_null(strstr(out_text, "recipients_total"));
    assert_non_null(strstr(out_text, "\nand 30 more\n"));
}

static void queue_changes(void **state)
{
    struct script *s =
        script_start("{\"ok\":true,\"count\":41}\n", "{\"ok\":true,\"flushed\":3}\n");

    (void)state;
    assert_int_equal(SLUICE("queue", "count", "@"), CLI_DONE);
    assert_string_equal(out_text, "41\n");
    assert_int_equal(SLUICE("queue", "flush", "@"), CLI_DONE);
    assert_string_equal(out_text, "3 flushed\n");
    script_end(s, "{\"command\":\"queue\",\"order\":\"count\",\"filter\":{}}",
               "{\"command\":\"queue\",\"order\":\"flush\",\"filter\":{}}");
    s = script_start("{\"ok\":true,\"deleted\":0}\n", "{\"ok\":true,\"held\":0}\n");
    assert_int_equal(SLUICE("queue", "delete", ID, "@"), CLI_NO);
    assert_non_null(strstr(err_text, "no such message"));
    assert_int_equal(SLUICE("queue", "hold", "--sender", "", "--state=waiting", "@"), CLI_DONE);
    assert_string_equal(out_text, "0 held\n");
    script_end(s, "{\"command\":\"queue\",\"order\":\"delete\",\"filter\":{\"id\":\"" ID "\"}}",
               "{\"command\":\"queue\",\"order\":\"hold\",\"filter\":{\"sender\":\"<>\","
               "\"state\":\"waiting\"}}");
    s = script_start("{\"ok\":true,\"released\":2}\n", "{\"ok\":true,\"deleted\":9}\n");
    assert_int_equal(SLUICE("queue", "release", "--recipient", "a@x", "@"), CLI_DONE);
    assert_string_equal(out_text, "2 released\n");
    assert_int_equal(SLUICE("queue", "delete", "--all", "@"), CLI_DONE);
    assert_string_equal(out_text, "9 deleted\n");
    script_end(s, NULL, NULL);
}

/* Longer than a socket address may be. */
static void deep_runtime_directory(void **state)
{
    struct script *s;
    char deep[400], command[1000];

    (void)state;
    snprintf(deep, sizeof(deep), "%s/%0150d", home, 7);
    assert_int_equal(mkdir(deep, 0700), 0);
    s = script_start("{\"ok\":true,\"count\":1}\n", NULL);
    snprintf(command, sizeof(command), "mv %s/control.sock %s/", home, deep);
    assert_int_equal(system(command), 0);
    assert_int_equal(SLUICE("queue", "count", "--runtime", deep), CLI_DONE);
    assert_string_equal(out_text, "1\n");
    script_end(s, NULL, NULL);
}

static void put(const char *name, const char *text)
{
    char path[256];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", home, name);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

#define CONFIG(relay)                                                                              \
    "instance: mx1.example.net\n"                                                                  \
    "dataplane:\n"                                                                                 \
    "  cores: [0]\n"                                                                               \
    "  ports: [{device: net_null0, addresses: [10.25.0.25/24]}]\n"                                 \
    "virtual_servers:\n"                                                                           \
    "  - {name: inbound, listen: [\"10.25.0.25:25\"], hostname: mx1.example.net" relay "}\n"       \
    "domains:\n"                                                                                   \
    "  - {name: example.org, type: authoritative, recipients: {file: recipients.txt}, "            \
    "route: inside}\n"                                                                             \
    "routes: [{name: inside, to: [\"discard:\"]}]\n"                                               \
    "bounces: {route: inside}\n"

static void check_says_where(void **state)
{
    char path[256], want[300];

    (void)state;
    snprintf(path, sizeof(path), "%s/sluice.yaml", home);
    put("recipients.txt", "user\n");
    put("sluice.yaml", CONFIG(""));
    assert_int_equal(SLUICE("check", "-c", path), CLI_DONE);
    assert_string_equal(out_text, "configuration OK\n");
    assert_string_equal(err_text, "");
    put("sluice.yaml", "instance: mx1\nnonsense: 1\n");
    assert_int_equal(SLUICE("check", "--config", path), CLI_NO);
    snprintf(want, sizeof(want), "%s:2:1: ", path);
    assert_non_null(strstr(err_text, want));
    assert_string_equal(out_text, "");
    put("sluice.yaml", CONFIG(", relay: {default: allow}")); /* an open relay */
    assert_int_equal(SLUICE("check", "-c", path), CLI_NO);
    snprintf(want, sizeof(want), "%s:6:", path);
    assert_non_null(strstr(err_text, want));
    assert_int_equal(SLUICE("check", "-c", "/nowhere/x.yaml"), CLI_NO);
    assert_true(strlen(err_text) > 0);
}

int main(void)
{
#define CLI_TEST(f) cmocka_unit_test_setup_teardown(f, make_home, drop_home)
    const struct CMUnitTest tests[] = {
        CLI_TEST(usage_and_help),
        CLI_TEST(not_running),
        CLI_TEST(refusals_and_strange_answers),
        CLI_TEST(reload_and_drain),
        CLI_TEST(drain_waits_for_the_last_session),
        CLI_TEST(status_in_words_and_json),
        CLI_TEST(status_of_a_queue),
        CLI_TEST(stats_in_tables),
        CLI_TEST(queue_list_goes_page_by_page),
        CLI_TEST(queue_show_one),
        CLI_TEST(queue_show_names_the_rest),
        CLI_TEST(queue_changes),
        CLI_TEST(deep_runtime_directory),
        CLI_TEST(check_says_where),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
