/* Goal: the supervisor's parts: how long a restart waits, which files are opened, which
 * directories are taken, who holds the lock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run_child.h"
#include "run_files.h"
#include "run_place.h"

static char home[64];

static int make_home(void **state)
{
    (void)state;
    snprintf(home, sizeof(home), "/tmp/sluice-run-XXXXXX");
    return mkdtemp(home) != NULL ? 0 : -1;
}

static int drop_home(void **state)
{
    char command[128];

    (void)state;
    snprintf(command, sizeof(command), "rm -rf %s", home);
    return system(command);
}

static const char *in_home(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", home, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(in_home(name), "w");

    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

static void delays(void **state)
{
    static const uint64_t seconds[] = {0, 0, 1, 2, 4, 8, 10, 10, 10};

    (void)state;
    for (unsigned deaths = 0; deaths < ARRAY_LEN(seconds); deaths++)
        assert_true(child_delay_us(deaths) == seconds[deaths] * 1000000);
    assert_true(child_delay_us(1000) == 10000000);
    assert_true(child_delay_us(UINT32_MAX) == 10000000);
}

static const char config[] = "instance: mx1.example.net\n"
                             "dataplane:\n"
                             "  cores: [0]\n"
                             "  ports: [{device: net_null0, addresses: [10.25.0.25/24]}]\n"
                             "virtual_servers:\n"
                             "  - {name: inbound, listen: [\"10.25.0.25:25\"], "
                             "hostname: mx1.example.net}\n"
                             "domains:\n"
                             "  - {name: example.org, type: authoritative, "
                             "recipients: {file: recipients.txt}, route: inside}\n"
                             "routes: [{name: inside, to: [\"discard:\"]}]\n"
                             "bounces: {route: inside}\n";

static void only_named_regular_files_are_opened(void **state)
{
    static struct conf_error error;
    struct run_files files;
    struct conf *conf = NULL;
    int fd;

    (void)state;
    write_file("sluice.yaml", config);
    write_file("recipients.txt", "user\n");
    write_file("other.txt", "secret\n");
    assert_int_equal(files_init(&files, in_home("sluice.yaml")), 0);
    assert_false(files_permits(&files, in_home("recipients.txt"))); /* nothing read yet */
    if (files_read(&files, &conf, &error) != 0)
        fail_msg("%s", error.line[0]);
    conf = conf_free(conf);
    fd = files_open(&files, in_home("recipients.txt"));
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    close(fd);
    fd = files_open(&files, in_home("sluice.yaml"));
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(files_open(&files, in_home("other.txt")), -EACCES);
    assert_int_equal(files_open(&files, in_home("./recipients.txt")), -EACCES);
    assert_int_equal(files_open(&files, "/etc/shadow"), -EACCES);
    assert_int_equal(unlink(in_home("recipients.txt")), 0);
    assert_int_equal(files_open(&files, in_home("recipients.txt")), -ENOENT);
    assert_int_equal(mkfifo(in_home("recipients.txt"), 0600), 0); /* does not hang either */
    assert_int_equal(files_open(&files, in_home("recipients.txt")), -EINVAL);
    assert_int_equal(unlink(in_home("recipients.txt")), 0);
    assert_int_equal(mkdir(in_home("recipients.txt"), 0700), 0);
    assert_int_equal(files_open(&files, in_home("recipients.txt")), -EINVAL);

    /* A configuration that is refused still names what could be read; nothing from before. */
    write_file("sluice.yaml", "include: [extra.yaml]\n");
    write_file("extra.yaml", "nonsense: 5\n");
    error.count = 0;
    assert_true(files_read(&files, &conf, &error) != 0);
    assert_null(conf);
    assert_true(error.count > 0);
    assert_true(files_permits(&files, in_home("sluice.yaml")));
    assert_true(files_permits(&files, in_home("extra.yaml")));
    assert_false(files_permits(&files, in_home("recipients.txt")));
    files_done(&files);
}

static struct run_place own_place(void)
{
    return (struct run_place){.uid = geteuid(), .gid = getegid(), .directory = -1};
}

static void directories_are_made_and_never_given_away(void **state)
{
    struct run_place place = own_place();
    char error[RUN_ERROR_BYTES] = "";
    struct stat st;

    (void)state;
    assert_int_equal(place_directory(&place, in_home("a/b/queue"), 0700, error), 0);
    assert_int_equal(stat(in_home("a/b/queue"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    assert_int_equal(chmod(in_home("a/b/queue"), 0777), 0);
    assert_int_equal(place_directory(&place, in_home("a/b/queue"), 0700, error), 0);
    assert_int_equal(stat(in_home("a/b/queue"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0700);
    write_file("file", "x");
    assert_int_equal(place_directory(&place, in_home("file"), 0700, error), -1);
    assert_non_null(strstr(error, "/file: "));
    assert_int_equal(place_directory(&place, in_home("file/x"), 0700, error), -1);
    if (geteuid() != 0)
        return;
    place.uid = place.gid = 65534;
    assert_int_equal(place_directory(&place, in_home("a/b"), 0700, error), -1); /* not empty */
    assert_non_null(strstr(error, "not empty"));
    assert_int_equal(stat(in_home("a/b"), &st), 0);
    assert_int_equal(st.st_uid, 0);
    assert_int_equal(place_directory(&place, in_home("a/b/queue"), 0700, error), 0);
    assert_int_equal(stat(in_home("a/b/queue"), &st), 0);
    assert_int_equal(st.st_uid, 65534);
    write_file("a/b/queue/mail", "x");
    assert_int_equal(place_directory(&place, in_home("a/b/queue"), 0700, error), 0); /* its own */
}

static void one_run_at_a_time(void **state)
{
    struct run_place one = own_place(), two = own_place();
    char error[RUN_ERROR_BYTES] = "";

    (void)state;
    assert_int_equal(place_open(&one, home, error), 0);
    assert_int_equal(place_write_pid(&one, "run", 4321), 0);
    assert_int_equal(place_open(&two, home, error), -1);
    assert_non_null(strstr(error, "pid 4321"));
    assert_int_equal(two.directory, -1);
    place_close(&one);
    assert_int_equal(place_open(&two, home, error), 0);
    place_close(&two);
    assert_int_equal(place_open(&two, in_home("nowhere"), error), -1);
}

static void pid_files_never_follow_links(void **state)
{
    struct run_place place = own_place();
    char error[RUN_ERROR_BYTES], text[16] = "";
    struct stat st;
    FILE *f;

    (void)state;
    write_file("precious", "precious");
    assert_int_equal(place_open(&place, home, error), 0);
    assert_int_equal(symlink(in_home("precious"), in_home("queue.pid")), 0);
    assert_int_equal(symlink(in_home("precious"), in_home("queue.pid.new")), 0);
    assert_int_equal(place_write_pid(&place, "queue", 77), 0);
    assert_int_equal(lstat(in_home("queue.pid"), &st), 0);
    assert_true(S_ISREG(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0644);
    f = fopen(in_home("queue.pid"), "r");
    assert_non_null(fgets(text, sizeof(text), f));
    fclose(f);
    assert_string_equal(text, "77\n");
    assert_int_equal(stat(in_home("precious"), &st), 0);
    assert_int_equal(st.st_size, 8);
    place_remove(&place, "queue", ".pid");
    assert_int_equal(access(in_home("queue.pid"), F_OK), -1);
    place_close(&place);
}

static void users(void **state)
{
    struct run_place place = own_place();
    char error[RUN_ERROR_BYTES] = "";

    (void)state;
    assert_int_equal(place_user(&place, "nobody", error), 0);
    assert_int_equal(place.uid, 65534);
    assert_int_equal(place_user(&place, "no-such-user-here", error), -1);
    assert_non_null(strstr(error, "useradd"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delays),
        cmocka_unit_test_setup_teardown(only_named_regular_files_are_opened, make_home, drop_home),
        cmocka_unit_test_setup_teardown(directories_are_made_and_never_given_away, make_home,
                                        drop_home),
        cmocka_unit_test_setup_teardown(one_run_at_a_time, make_home, drop_home),
        cmocka_unit_test_setup_teardown(pid_files_never_follow_links, make_home, drop_home),
        cmocka_unit_test(users),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
