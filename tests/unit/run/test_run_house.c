/* Goal: a whole supervisor with four children that only write down what they are told: order of
 * start and stop, introductions and their epochs, restarts, files opened, failures at the start.
 * Method: this program is all of them: started as sluice-NAME it is that child.  Each child
 * appends lines to RUNTIME/NAME.told; files beside it tell it to fail.  Waits end as soon
 * as what is waited for is there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run.h"
#include "run_fake_child.h"

#define NOBODY     65534
#define WAIT_STEPS 3000 /* of 10 ms: for a machine that is very slow, not for a figure */

/* ---- as the test ---- */

static char home[64];
static pid_t run_pid;

static const char *at(const char *format, const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4], tail[128];

    snprintf(tail, sizeof(tail), format, name);
    snprintf(path, sizeof(paths[0]), "%s/%s", home, tail);
    return path;
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int make_home(void **state)
{
    static const char *const names[] = {"queue", "deliver", "control", "dataplane"};
    char config[2048];
    FILE *f;

    (void)state;
    snprintf(home, sizeof(home), "/tmp/sluice-house-XXXXXX");
    if (mkdtemp(home) == NULL || chmod(home, 0755) != 0)
        return -1;
    mkdir(at("%s", "bin"), 0755);
    mkdir(at("%s", "run"), 0755);
    if (chown(at("%s", "run"), NOBODY, NOBODY) != 0)
        return -1;
    /* A copy: nobody may not reach the folder we were built in. */
    snprintf(config, sizeof(config), "cp /proc/%d/exe %s && chmod 755 %s", (int)getpid(),
             at("%s", "bin/child"), at("%s", "bin/child"));
    if (system(config) != 0)
        return -1;
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (symlink("child", at("bin/sluice-%s", names[i])) != 0)
            return -1;
    }
    snprintf(config, sizeof(config),
             "instance: mx1.example.net\n"
             "runtime: {directory: %s/run, user: nobody}\n"
             "dataplane:\n"
             "  cores: [0, 0]\n"
             "  ports: [{device: net_null0, addresses: [10.25.0.25/24]}]\n"
             "virtual_servers:\n"
             "  - {name: inbound, listen: [\"10.25.0.25:25\"], hostname: mx1.example.net}\n"
             "domains:\n"
             "  - {name: example.org, type: authoritative, "
             "recipients: {file: %s/recipients.txt}, route: inside}\n"
             "routes: [{name: inside, to: [\"discard:\"]}]\n"
             "bounces: {route: inside}\n"
             "queue: {directory: %s/spool}\n",
             home, home, home);
    put(at("%s", "recipients.txt"), "user\n");
    f = fopen(at("%s", "sluice.yaml"), "w");
    if (f == NULL || fputs(config, f) < 0 || fclose(f) != 0)
        return -1;
    return 0;
}

static int drop_home(void **state)
{
    char command[128];

    (void)state;
    if (run_pid > 0) {
        kill(run_pid, SIGKILL);
        waitpid(run_pid, NULL, 0);
        run_pid = 0;
    }
    snprintf(command, sizeof(command), "rm -rf %s", home);
    return system(command);
}

static void start_run(void)
{
    run_pid = fork();
    assert_true(run_pid >= 0);
    if (run_pid == 0) {
        int log = open(at("%s", "log"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        char bin[128], config[128];

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        dup2(log, STDERR_FILENO);
        dup2(log, STDOUT_FILENO);
        snprintf(bin, sizeof(bin), "%s/bin", home);
        snprintf(config, sizeof(config), "%s/sluice.yaml", home);
        setenv("SLUICE_TEST_RUNTIME", at("%s", "run"), 1);
        _exit(run_main(&(struct run_options){.config = config, .programs = bin}));
    }
}

static int run_status(void)
{
    int status = -1;

    for (int i = 0; i < WAIT_STEPS; i++) {
        if (waitpid(run_pid, &status, WNOHANG) == run_pid) {
            run_pid = 0;
            return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        }
        usleep(10000);
    }
    fail_msg("run did not end");
    return -1;
}

static char *slurp(const char *path)
{
    static char text[65536];
    FILE *f = fopen(path, "r");
    size_t n = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;

    if (f != NULL)
        fclose(f);
    text[n] = '\0';
    return text;
}

static bool says(const char *path, const char *line)
{
    return strstr(slurp(path), line) != NULL;
}

static void await(const char *path, const char *line)
{
    for (int i = 0; i < WAIT_STEPS; i++) {
        if (says(path, line))
            return;
        usleep(10000);
    }
    fail_msg("%s never said '%s' but:\n%s\nlog:\n", path, line, slurp(path));
}

static pid_t pid_of(const char *name)
{
    return (pid_t)strtol(slurp(at("run/%s.pid", name)), NULL, 10);
}

static pid_t await_new_pid(const char *name, pid_t old)
{
    for (int i = 0; i < WAIT_STEPS; i++) {
        pid_t now = pid_of(name);

        if (now > 0 && now != old)
            return now;
        usleep(10000);
    }
    fail_msg("%s was not restarted", name);
    return 0;
}

#define TOLD(name) at("run/%s.told", name)

/* The lines came in this order. */
static void in_order(const char *path, const char *const *lines)
{
    const char *from = slurp(path);

    for (; *lines != NULL; lines++) {
        from = strstr(from, *lines);
        if (from == NULL)
            fail_msg("%s: '%s' is missing or out of order:\n%s", path, *lines, slurp(path));
    }
}

static void everybody_meets_and_stops_in_order(void **state)
{
    static const char *const start[] = {"\"child\":\"queue\"",   "\"child-ready\"",
                                        "\"child\":\"queue\"",   "\"child\":\"deliver\"",
                                        "\"child-ready\"",       "\"child\":\"deliver\"",
                                        "\"child\":\"control\"", "\"child-ready\"",
                                        "\"child\":\"control\"", "\"child\":\"dataplane\"",
                                        "\"child-ready\"",       "\"child\":\"dataplane\"",
                                        "\"event\":\"ready\"",   NULL};
    static const char *const stop[] = {
        "\"event\":\"stopping\"",
        "\"child-ended\",\"child\":\"dataplane\"",
        "\"child-ended\",\"child\":\"deliver\"",
        "\"child-ended\",\"child\":\"queue\"",
        "\"child-ended\",\"child\":\"control\"",
        "\"event\":\"stopped\",\"status\":0",
        NULL};
    struct stat st;

    (void)state;
    start_run();
    await(at("%s", "log"), "\"event\":\"ready\"");
    in_order(at("%s", "log"), start);
    await(TOLD("queue"), "settings epoch=1 uid=65534 groups=0 strangers=0 sid=1 nnp=1");
    await(TOLD("dataplane"), "settings epoch=1 uid=0");
    assert_true(says(TOLD("queue"), "stats queue epoch=1 good"));
    await(TOLD("queue"), "region dataplane worker=0 epoch=1 good");
    await(TOLD("queue"), "region dataplane worker=1 epoch=1 good");
    await(TOLD("dataplane"), "region queue worker=1 epoch=1 good");
    await(TOLD("deliver"), "link queue epoch=1 fds=1");
    await(TOLD("queue"), "link deliver epoch=1 fds=1");
    await(TOLD("queue"), "peer deliver says {\"from\":\"deliver\"}");
    await(TOLD("queue"), "peer control says {\"from\":\"control\"}");
    await(TOLD("dataplane"), "peer control says {\"from\":\"control\"}");
    await(TOLD("control"), "stats queue epoch=1 good");
    await(TOLD("control"), "stats deliver epoch=1 good");
    await(TOLD("control"), "stats dataplane epoch=1 good");
    assert_int_equal(pid_of("run"), run_pid);
    assert_int_equal(stat(at("%s", "spool"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(st.st_uid, NOBODY);
    assert_int_equal(kill(pid_of("deliver"), 0), 0);
    assert_int_equal(kill(run_pid, SIGTERM), 0);
    assert_int_equal(run_status(), 0);
    in_order(at("%s", "log"), stop);
    assert_int_equal(access(at("run/%s.pid", "run"), F_OK), -1);
    assert_int_equal(access(at("run/%s.pid", "queue"), F_OK), -1);
}

static void the_dead_are_replaced_and_introduced(void **state)
{
    pid_t old;

    (void)state;
    start_run();
    await(at("%s", "log"), "\"event\":\"ready\"");
    old = pid_of("queue");
    assert_int_equal(kill(old, SIGKILL), 0);
    await_new_pid("queue", old);
    await(at("%s", "log"), "\"how\":\"signal SIGKILL\"");
    await(TOLD("queue"), "settings epoch=2");
    await(TOLD("dataplane"), "gone queue epoch=1");
    await(TOLD("dataplane"), "region queue worker=1 epoch=2 good");
    await(TOLD("queue"), "region dataplane worker=1 epoch=2 good");
    await(TOLD("deliver"), "gone queue epoch=1");
    await(TOLD("deliver"), "link queue epoch=2");
    await(TOLD("control"), "gone queue epoch=1");
    await(TOLD("control"), "link queue epoch=2");
    await(TOLD("control"), "stats queue epoch=2 good");
    /* The data plane next: its regions' epoch grows again, and GONE names the last one told. */
    old = pid_of("dataplane");
    assert_int_equal(kill(old, SIGKILL), 0);
    await_new_pid("dataplane", old);
    await(TOLD("queue"), "gone dataplane epoch=2");
    await(TOLD("queue"), "region dataplane worker=0 epoch=3 good");
    await(TOLD("control"), "gone dataplane epoch=1");
    await(TOLD("control"), "link dataplane epoch=2");
    /* A new control hears of everybody. */
    old = pid_of("control");
    assert_int_equal(kill(old, SIGKILL), 0);
    await_new_pid("control", old);
    await(TOLD("queue"), "gone control epoch=1");
    await(TOLD("queue"), "link control epoch=2");
    await(TOLD("control"), "stats deliver epoch=1 good");
    assert_int_equal(kill(run_pid, SIGINT), 0);
    assert_int_equal(run_status(), 0);
}

static void hangup_reloads_and_only_named_files_are_given(void **state)
{
    static const char *const given[] = {"given file", "given file",
                                        "given nothing Permission denied", NULL};

    (void)state;
    start_run();
    await(at("%s", "log"), "\"event\":\"ready\"");
    assert_int_equal(kill(run_pid, SIGHUP), 0);
    await(TOLD("control"), "order {\"order\":\"reload\"}");
    await(TOLD("control"), "given nothing");
    in_order(TOLD("control"), given);
    assert_int_equal(kill(run_pid, SIGTERM), 0);
    assert_int_equal(run_status(), 0);
}

static void a_failed_start_ends_it_all(void **state)
{
    (void)state;
    put(at("run/%s", "dataplane.fail"), "");
    start_run();
    assert_int_equal(run_status(), 1);
    assert_true(says(at("%s", "log"), "sluice run: dataplane did not start: asked to fail\n"));
    assert_true(says(TOLD("queue"), "stop"));
    assert_true(says(TOLD("control"), "stop"));
    assert_int_equal(access(at("run/%s.pid", "run"), F_OK), -1);
    unlink(at("run/%s", "dataplane.fail"));
    put(at("run/%s", "deliver.die"), "");
    start_run();
    assert_int_equal(run_status(), 1);
    assert_true(
        says(at("%s", "log"), "sluice run: deliver did not start: it ended with exit status 3\n"));
}

static void a_later_failure_is_only_retried(void **state)
{
    pid_t old;

    (void)state;
    start_run();
    await(at("%s", "log"), "\"event\":\"ready\"");
    old = pid_of("deliver");
    put(at("run/%s", "deliver.fail"), "");
    kill(old, SIGKILL);
    await(at("%s", "log"), "\"restart_in\":1.000000");
    unlink(at("run/%s", "deliver.fail"));
    await(TOLD("deliver"), "settings epoch=3");
    await(TOLD("deliver"), "link queue epoch=1");
    kill(run_pid, SIGTERM);
    assert_int_equal(run_status(), 0);
}

static void two_signals_kill(void **state)
{
    (void)state;
    put(at("run/%s", "queue.hang"), "");
    start_run();
    await(at("%s", "log"), "\"event\":\"ready\"");
    kill(run_pid, SIGTERM);
    await(TOLD("queue"), "stop");
    kill(run_pid, SIGTERM);
    assert_int_equal(run_status(), 0);
    assert_false(says(TOLD("control"), "stop"));
}

static void a_killed_run_leaves_nobody(void **state)
{
    static const char *const names[] = {"queue", "deliver", "control", "dataplane"};
    pid_t pids[4];

    (void)state;
    start_run();
    await(at("%s", "log"), "\"event\":\"ready\"");
    for (size_t i = 0; i < 4; i++)
        pids[i] = pid_of(names[i]);
    kill(run_pid, SIGKILL);
    assert_int_equal(run_status(), -SIGKILL);
    for (size_t i = 0; i < 4; i++) {
        int k = 0;

        while (kill(pids[i], 0) == 0 && k++ < WAIT_STEPS)
            usleep(10000);
        assert_true(k < WAIT_STEPS);
    }
    unlink(at("%s", "log"));
    start_run(); /* and the place is free again */
    await(at("%s", "log"), "\"event\":\"ready\"");
    kill(run_pid, SIGTERM);
    assert_int_equal(run_status(), 0);
}

static void second_run_and_bad_configuration_are_refused(void **state)
{
    pid_t first;

    (void)state;
    start_run();
    await(at("%s", "log"), "\"event\":\"ready\"");
    first = run_pid;
    start_run();
    assert_int_equal(run_status(), 1);
    assert_true(says(at("%s", "log"), "another sluice run (pid "));
    run_pid = first;
    assert_int_equal(pid_of("run"), first);
    kill(run_pid, SIGTERM);
    assert_int_equal(run_status(), 0);
    put(at("%s", "sluice.yaml"), "instance: [\n");
    start_run();
    assert_int_equal(run_status(), 1);
    assert_true(says(at("%s", "log"), "/sluice.yaml:"));
    unlink(at("bin/sluice-%s", "deliver"));
    start_run();
    assert_int_equal(run_status(), 1);
    assert_true(says(at("%s", "log"), "bin/sluice-deliver: No such file or directory; it belongs"));
}

int main(int argc, char **argv)
{
    const char *name = argc > 0 ? strrchr(argv[0], '/') : NULL;
#define HOUSE_TEST(f) cmocka_unit_test_setup_teardown(f, make_home, drop_home)
    const struct CMUnitTest tests[] = {
        HOUSE_TEST(everybody_meets_and_stops_in_order),
        HOUSE_TEST(the_dead_are_replaced_and_introduced),
        HOUSE_TEST(hangup_reloads_and_only_named_files_are_given),
        HOUSE_TEST(a_failed_start_ends_it_all),
        HOUSE_TEST(a_later_failure_is_only_retried),
        HOUSE_TEST(two_signals_kill),
        HOUSE_TEST(a_killed_run_leaves_nobody),
        HOUSE_TEST(second_run_and_bad_configuration_are_refused),
    };

    if (name != NULL && strncmp(name, "/sluice-", 8) == 0)
        return be_child(name + 8);
    if (geteuid() != 0) {
        printf("1..0 # SKIP sluice run must be root\n");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
