/* bench_main.c - sluice-load: options to settings, one run, one report.
 *
 * Exit status: 0 all sessions went as the script says; 1 some did not; 2 wrong use or no start.
 */
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>

#include "base_text.h"
#include "bench_load.h"

static const char usage[] =
    "usage: sluice-load --device DEVARGS --address A.B.C.D/BITS --to ADDRESS:PORT [options]\n"
    "  --clients N      client addresses, from --address on (1 to 64; default 16)\n"
    "  --gateway ADDR   next hop, when --to is not on the link\n"
    "  --sessions N     how many in all (default 100000)\n"
    "  --concurrency N  open at once, at most (default 64)\n"
    "  --rate N         begin N a second, whatever became of those before (open loop)\n"
    "  --size BYTES     of the message (default 1024)\n"
    "  --rcpt ADDRESS, --sender ADDRESS\n"
    "  --refuse         expect 550 after RCPT, and quit\n"
    "  --hold SECONDS   keep sessions after EHLO until all are there, and so much longer\n"
    "  --timeout SECONDS  of a session (default 30)\n"
    "  --core N         CPU to poll on (default 0)\n"
    "  --memory MB      without huge pages (default 128);  --huge: use huge pages\n"
    "  --watch PID      count this process' CPU (up to 16 times)\n"
    "  --json           one JSON object\n";

static volatile bool stop;

static void on_signal(int signal_number)
{
    (void)signal_number;
    stop = true;
}

static _Noreturn void misuse(const char *what)
{
    fprintf(stderr, "sluice-load: %s\n%s", what, usage);
    exit(2);
}

static uint64_t number(const char *text, uint64_t max)
{
    uint64_t n;

    if (text_parse_u64(span_str(text), max, &n) != 0)
        misuse("a number is wrong or too large");
    return n;
}

enum load_option {
    O_DEVICE,
    O_ADDRESS,
    O_CLIENTS,
    O_TO,
    O_GATEWAY,
    O_SESSIONS,
    O_CONCURRENCY,
    O_RATE,
    O_SIZE,
    O_RCPT,
    O_SENDER,
    O_REFUSE,
    O_HOLD,
    O_TIMEOUT,
    O_CORE,
    O_MEMORY,
    O_HUGE,
    O_WATCH,
    O_JSON,
    O_HELP
};

static const struct option options[] = {
    {"device",      1, NULL, O_DEVICE     },
    {"address",     1, NULL, O_ADDRESS    },
    {"clients",     1, NULL, O_CLIENTS    },
    {"to",          1, NULL, O_TO         },
    {"gateway",     1, NULL, O_GATEWAY    },
    {"sessions",    1, NULL, O_SESSIONS   },
    {"rate",        1, NULL, O_RATE       },
    {"concurrency", 1, NULL, O_CONCURRENCY},
    {"size",        1, NULL, O_SIZE       },
    {"rcpt",        1, NULL, O_RCPT       },
    {"sender",      1, NULL, O_SENDER     },
    {"refuse",      0, NULL, O_REFUSE     },
    {"hold",        1, NULL, O_HOLD       },
    {"timeout",     1, NULL, O_TIMEOUT    },
    {"core",        1, NULL, O_CORE       },
    {"memory",      1, NULL, O_MEMORY     },
    {"huge",        0, NULL, O_HUGE       },
    {"watch",       1, NULL, O_WATCH      },
    {"json",        0, NULL, O_JSON       },
    {"help",        0, NULL, O_HELP       },
    {NULL,          0, NULL, 0            },
};

/* Addresses and texts; false: another option. */
static bool where_option(struct load_settings *s, int option, const char *arg)
{
    struct port_settings *p = &s->port;

    switch (option) {
    case O_DEVICE:
        p->device = arg;
        return true;
    case O_ADDRESS:
        if (text_parse_prefix(span_str(arg), &p->address, &p->prefix) != 0 ||
            !ip_is_v4(&p->address))
            misuse("--address takes IPv4 ADDRESS/BITS");
        return true;
    case O_TO:
        if (text_parse_endpoint(span_str(arg), &s->to, &s->to_port) != 0 || !ip_is_v4(&s->to))
            misuse("--to takes IPv4 ADDRESS:PORT");
        return true;
    case O_GATEWAY:
        if (text_parse_ip(span_str(arg), &p->next_hop) != 0 || !ip_is_v4(&p->next_hop))
            misuse("--gateway takes an IPv4 address");
        return true;
    case O_RCPT:
        s->recipient = arg;
        return true;
    case O_SENDER:
        s->sender = arg;
        return true;
    default:
        return false;
    }
}

static void how_option(struct load_settings *s, int option, const char *arg)
{
    switch (option) {
    case O_CLIENTS:
        s->port.clients = (unsigned)number(arg, LOAD_CLIENTS_MAX);
        break;
    case O_SESSIONS:
        s->sessions = number(arg, 1ull << 40);
        break;
    case O_CONCURRENCY:
        s->concurrency = (uint32_t)number(arg, 1u << 22);
        break;
    case O_RATE:
        s->rate = (uint32_t)number(arg, 100000000);
        break;
    case O_SIZE:
        s->body_bytes = (uint32_t)number(arg, 1u << 30);
        break;
    case O_REFUSE:
        s->refuse = true;
        break;
    case O_HOLD:
        s->hold = true;
        s->hold_us = number(arg, 1000000) * 1000000;
        break;
    case O_TIMEOUT:
        s->timeout_us = number(arg, 1000000) * 1000000;
        break;
    case O_CORE:
        s->port.core = (unsigned)number(arg, 1023);
        break;
    case O_MEMORY:
        s->port.memory_mb = (unsigned)number(arg, 1u << 20);
        break;
    case O_HUGE:
        s->port.huge = true;
        break;
    case O_WATCH:
        if (s->watched == LOAD_WATCH_MAX)
            misuse("--watch: too many");
        s->watch[s->watched++] = (int)number(arg, INT32_MAX);
        break;
    default:
        misuse("unknown option");
    }
}

static void check(struct load_settings *s)
{
    if (s->port.device == NULL || s->to_port == 0 || s->port.prefix == 0)
        misuse("--device, --address and --to are needed");
    if (s->port.clients == 0 || s->concurrency == 0 || s->sessions == 0)
        misuse("--clients, --concurrency and --sessions are at least 1");
    if (s->hold && s->sessions > 4000000)
        misuse("--hold: at most 4000000 sessions");
    if (strlen(s->recipient) > 320 || strlen(s->sender) > 320)
        misuse("an address is too long");
}

int main(int argc, char **argv)
{
    struct load_settings settings = {
        .port = {.memory_mb = 128, .clients = 16},
        .sessions = 100000,
        .concurrency = 64,
        .body_bytes = 1024,
        .timeout_us = 30000000,
        .sender = "sender@example.net",
        .recipient = "user@example.org",
    };
    static struct load_report report;
    const char *why = NULL;
    bool json = false, gateway = false;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == O_HELP) {
            fputs(usage, stdout);
            return 0;
        }
        json |= option == O_JSON;
        gateway |= option == O_GATEWAY;
        if (option != O_JSON && !where_option(&settings, option, optarg))
            how_option(&settings, option, optarg);
    }
    if (optind < argc)
        misuse("unknown argument");
    check(&settings);
    if (!gateway)
        settings.port.next_hop = settings.to;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    if (load_run(&settings, &stop, &report, &why) != 0) {
        fprintf(stderr, "sluice-load: %s\n", why);
        return 2;
    }
    (json ? load_print_json : load_print_text)(&report, stdout);
    return load_errors(&report) == 0 && report.completed == settings.sessions ? 0 : 1;
}
