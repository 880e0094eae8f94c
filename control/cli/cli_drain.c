/* cli_drain.c - `sluice drain`: no new sessions, the live ones end by themselves; it waits for
 * that.  What ends the waiting does not end the draining. */
#include <time.h>
#include <unistd.h>

#include "cli.h"

#define POLL_MS  200   /* the data plane's count may be a tenth of a second old */
#define SAY_MS   1000  /* how many are left, when it has changed */
#define AGAIN_MS 10000 /* and when it has not */

/* Says on a terminal how many are left. */
struct progress {
    bool is_terminal;
    long long said;
    long quiet_ms;
};

static const char *noun(long long sessions)
{
    return sessions == 1 ? "session" : "sessions";
}

static void progress_say(const struct cli *cli, struct progress *p, long long sessions)
{
    p->quiet_ms += POLL_MS;
    if (!p->is_terminal || p->quiet_ms < (sessions != p->said ? SAY_MS : AGAIN_MS))
        return;
    fprintf(cli->err, "%lld %s left\n", sessions, noun(sessions));
    p->said = sessions;
    p->quiet_ms = 0;
}

/* Not before it has been asked once more: at the time of the order the last one may have been
 * too young to be counted. */
static int wait_drained(const struct cli *cli, long long sessions)
{
    const struct timespec nap = {.tv_nsec = POLL_MS * 1000000};
    struct progress progress = {.is_terminal = isatty(fileno(cli->err)) == 1, .said = sessions};

    if (progress.is_terminal)
        fprintf(cli->err,
                "draining, %lld %s left (Ctrl-C ends the waiting only; to take mail again: "
                "sluice drain --off)\n",
                sessions, noun(sessions));
    do {
        json_t *answer = NULL, *draining, *left;
        int rc;

        nanosleep(&nap, NULL);
        rc = cli_ask(cli, json_pack("{s:s}", "command", "status"), &answer);
        if (rc != CLI_DONE)
            return rc;
        draining = json_object_get(answer, "draining");
        left = json_object_get(answer, "sessions");
        /* null: the data plane does not answer now, or is being started again. */
        if (json_is_false(draining)) {
            json_decref(answer);
            return cli_fail(cli, "it is not draining any more: someone took that back");
        }
        sessions = json_is_integer(left) ? json_integer_value(left) : -1;
        if (sessions > 0)
            progress_say(cli, &progress, sessions);
        json_decref(answer);
    } while (sessions != 0);
    fprintf(cli->out, "drained, no session left\n");
    return CLI_DONE;
}

int cli_drain(struct cli *cli, int argc, char **argv)
{
    bool off = false, no_wait = false;
    const struct cli_option options[] = {
        {.name = "runtime", .text = &cli->runtime},
        {.name = "no-wait", .flag = &no_wait     },
        {.name = "off",     .flag = &off         }
    };
    json_t *answer = NULL;
    long long sessions;
    int rc;

    if (cli_parse(cli, options, ARRAY_LEN(options), argc, argv, NULL, 0) < 0)
        return CLI_USAGE;
    rc = cli_ask(cli, json_pack("{s:s}", "command", off ? "undrain" : "drain"), &answer);
    if (rc != CLI_DONE)
        return rc;
    sessions = json_integer_value(json_object_get(answer, "sessions"));
    json_decref(answer);
    if (!off && !no_wait)
        return wait_drained(cli, sessions);
    if (off)
        fprintf(cli->out, "taking sessions again, %lld now\n", sessions);
    else
        fprintf(cli->out, "draining, %lld %s left\n", sessions, noun(sessions));
    return CLI_DONE;
}
