/* cli_ask.c - a question to the running edge, over RUNTIME/control.sock: one JSON object a line
 * each way. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define ANSWER_BYTES_MAX (16u * 1024u * 1024u)
#define ANSWER_WAIT_S    60
#define RESTART_TRIES    50 /* of 100 ms: sluice-control may just be restarting */

/* By descriptor: a socket's path may be no longer than 107 bytes, a directory's may. */
static int try_connect(const char *runtime)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval wait = {.tv_sec = ANSWER_WAIT_S};
    int directory, fd, rc = 0;

    directory = open(runtime, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return -errno;
    snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/control.sock",
             directory);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) != 0)
        rc = -errno;
    close(directory);
    if (rc == 0)
        return fd;
    if (fd >= 0)
        close(fd);
    return rc;
}

/* Is there a `sluice run` at all? */
static bool is_run_alive(const char *runtime)
{
    char path[4096], text[32] = "";
    long pid;
    FILE *f;

    if (snprintf(path, sizeof(path), "%s/run.pid", runtime) >= (int)sizeof(path))
        return false;
    f = fopen(path, "re");
    if (f == NULL)
        return false;
    pid = fgets(text, sizeof(text), f) != NULL ? strtol(text, NULL, 10) : 0;
    fclose(f);
    return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM);
}

static int connect_edge(const struct cli *cli, int *ret_fd)
{
    const struct timespec nap = {.tv_nsec = 100000000};
    int fd = try_connect(cli->runtime);

    for (int i = 0;
         i < RESTART_TRIES && (fd == -ENOENT || fd == -ECONNREFUSED) && is_run_alive(cli->runtime);
         i++) {
        nanosleep(&nap, NULL);
        fd = try_connect(cli->runtime);
    }
    if (fd >= 0) {
        *ret_fd = fd;
        return CLI_DONE;
    }
    if (fd == -EACCES || fd == -EPERM)
        return cli_fail(cli, "%s/control.sock: %s: try as root", cli->runtime, strerror(-fd));
    cli_fail(cli,
             "the edge is not running (%s/control.sock: %s): start it with `sluice run -c FILE`, "
             "or say where it is with --runtime DIR",
             cli->runtime, strerror(-fd));
    return CLI_NOT_RUNNING;
}

static int send_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return -errno;
        bytes += sent;
        n -= (size_t)sent;
    }
    return 0;
}

/* A line, NUL-terminated without its newline; *ret is malloc'ed.  0 or -errno. */
static int receive_line(int fd, char **ret)
{
    size_t len = 0, room = 65536;
    char *bytes = malloc(room);

    for (;;) {
        ssize_t n;
        char *end, *more;

        if (bytes == NULL)
            return -ENOMEM;
        n = recv(fd, bytes + len, room - len - 1, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            int rc = n == 0 ? -EPIPE : errno == EAGAIN ? -ETIMEDOUT : -errno;

            free(bytes);
            return rc;
        }
        end = memchr(bytes + len, '\n', (size_t)n);
        len += (size_t)n;
        if (end != NULL) {
            *end = '\0';
            *ret = bytes;
            return 0;
        }
        if (len + 1 < room)
            continue;
        more = room < ANSWER_BYTES_MAX ? realloc(bytes, 2 * room) : NULL;
        if (more == NULL)
            free(bytes);
        bytes = more;
        room *= 2;
    }
}

static int exchange(const struct cli *cli, const json_t *request, char **ret_line)
{
    char *text = json_dumps(request, JSON_COMPACT);
    int fd = -1, rc = text != NULL ? connect_edge(cli, &fd) : CLI_NO;

    if (rc != CLI_DONE) {
        free(text);
        return rc;
    }
    rc = send_all(fd, text, strlen(text));
    if (rc == 0)
        rc = send_all(fd, "\n", 1);
    if (rc == 0)
        rc = receive_line(fd, ret_line);
    close(fd);
    free(text);
    if (rc == 0)
        return CLI_DONE;
    return cli_fail(cli, "sluice-control did not answer (%s): look at the log, then try again",
                    strerror(-rc));
}

/* "error" may be several lines, of a configuration: shown as they are. */
static int say_error(const struct cli *cli, const json_t *answer)
{
    const char *error = json_string_value(json_object_get(answer, "error"));
    char clean[8192], *at = clean;

    if (error == NULL)
        return cli_fail(cli, "sluice-control gave no reason");
    for (; *error != '\0'; error += *error == '\n') {
        char line[1024];
        size_t n = strcspn(error, "\n");

        snprintf(line, sizeof(line), "%.*s", n < sizeof(line) ? (int)n : (int)sizeof(line) - 1,
                 error);
        error += n;
        if ((size_t)(clean + sizeof(clean) - at) < sizeof(line) + 1)
            break;
        if (at != clean)
            *at++ = '\n';
        cli_clean(at, sizeof(line), line);
        at += strlen(at);
    }
    return cli_fail(cli, "%s", clean);
}

int cli_ask(const struct cli *cli, json_t *take_request, json_t **ret)
{
    char *line = NULL;
    json_t *answer;
    int rc = exchange(cli, take_request, &line);

    json_decref(take_request);
    if (rc != CLI_DONE)
        return rc;
    answer = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    free(line);
    if (!json_is_object(answer))
        rc = cli_fail(cli, "sluice-control answered what is no JSON object");
    else if (!json_is_true(json_object_get(answer, "ok")))
        rc = say_error(cli, answer);
    if (rc != CLI_DONE) {
        json_decref(answer);
        return rc;
    }
    *ret = answer;
    return CLI_DONE;
}

void cli_print_json(const struct cli *cli, const json_t *answer)
{
    json_dumpf(answer, cli->out, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    fputc('\n', cli->out);
}
