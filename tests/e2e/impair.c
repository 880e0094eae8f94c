/* impair.c - a bad wire: frames between a TAP and an interface, lost, repeated, out of order,
 * late or corrupt, by a seed.  For kernels without netem.
 *
 *   impair --tap v1 --device w1 [--seed 1] [--loss 0.05] [--dup 0.01] [--reorder 0.1]
 *          [--corrupt 0.001] [--delay-ms 5] [--jitter-ms 5] [--hold-ms 10] [--queue 4096]
 *
 * Rates are per frame and hold both ways, each with its own random numbers.  Frames keep their
 * order but for those that are reordered: these are held for up to --hold-ms more.  Corruption
 * is one bit, and only in IP packets: ARP has no checksum by which to notice it.  Prints totals
 * at the end (SIGTERM, SIGINT), and a line of them on SIGUSR1.
 */
#include "base_must.h"
#include "base_rand.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FRAME_MAX 2048
#define QUEUE_MAX 65536
#define BURST     64

struct frame {
    uint64_t due;
    uint64_t serial; /* ties: first in, first out */
    uint32_t len;
    uint8_t bytes[FRAME_MAX];
};

struct totals {
    uint64_t frames, bytes, lost, repeated, reordered, corrupted, overflowed, refused;
};

/* One direction: what `from` gave waits in a heap, the soonest first, until `to` may have it. */
struct way {
    const char *name;
    int from, to;
    struct rand rand;
    struct frame **heap;
    uint32_t count;
    uint64_t serial, latest;
    struct totals totals;
};

static struct {
    const char *tap, *device;
    uint64_t    seed, delay_ns, jitter_ns, hold_ns, queue;
    uint64_t    loss, dup, reorder, corrupt; /* in a million */
} opt = {.seed = 1, .hold_ns = 10000000, .queue = 4096};

static volatile sig_atomic_t ending, telling;

static void on_signal(int number)
{
    if (number == SIGUSR1)
        telling = 1;
    else
        ending = 1;
}

static void die(const char *what)
{
    fprintf(stderr, "impair: %s: %s\n", what, strerror(errno));
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static bool sooner(const struct frame *a, const struct frame *b)
{
    return a->due < b->due || (a->due == b->due && a->serial < b->serial);
}

static void heap_push(struct way *w, struct frame *f)
{
    uint32_t i = w->count++;

    while (i > 0 && sooner(f, w->heap[(i - 1) / 2])) {
        w->heap[i] = w->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    w->heap[i] = f;
}

static struct frame *heap_pop(struct way *w)
{
    struct frame *first = w->heap[0], *f = w->heap[--w->count];
    uint32_t i = 0, child;

    while ((child = 2 * i + 1) < w->count) {
        if (child + 1 < w->count && sooner(w->heap[child + 1], w->heap[child]))
            child++;
        if (!sooner(w->heap[child], f))
            break;
        w->heap[i] = w->heap[child];
        i = child;
    }
    w->heap[i] = f;
    return first;
}

static void corrupt(struct way *w, struct frame *f)
{
    uint32_t type = f->len < ETH_HLEN ? 0 : (uint32_t)f->bytes[12] << 8 | f->bytes[13], at;

    if (f->len <= ETH_HLEN || (type != ETH_P_IP && type != ETH_P_IPV6))
        return;
    at = ETH_HLEN + (uint32_t)rand_below(&w->rand, f->len - ETH_HLEN);
    f->bytes[at] ^= (uint8_t)(1u << rand_below(&w->rand, 8));
    w->totals.corrupted++;
}

static void put(struct way *w, const uint8_t *bytes, uint32_t len, uint64_t now)
{
    uint64_t due =
        now + opt.delay_ns + (opt.jitter_ns > 0 ? rand_below(&w->rand, opt.jitter_ns) : 0);
    struct frame *f;

    if (w->count == opt.queue) {
        w->totals.overflowed++;
        return;
    }
    f = malloc(sizeof(*f));
    must(f != NULL);
    due = due > w->latest ? due : w->latest;
    w->latest = due;
    if (rand_chance(&w->rand, (uint32_t)opt.reorder)) {
        due += rand_below(&w->rand, opt.hold_ns + 1);
        w->totals.reordered++;
    }
    f->due = due;
    f->serial = w->serial++;
    f->len = len;
    memcpy(f->bytes, bytes, len);
    if (rand_chance(&w->rand, (uint32_t)opt.corrupt))
        corrupt(w, f);
    heap_push(w, f);
}

static void take_in(struct way *w)
{
    uint8_t bytes[FRAME_MAX];
    uint64_t now = now_ns();

    for (unsigned i = 0; i < BURST; i++) {
        ssize_t got = read(w->from, bytes, sizeof(bytes));

        if (got < 0 && (errno == EAGAIN || errno == EINTR || errno == ENETDOWN))
            return;
        if (got < 0)
            die(w->name);
        w->totals.frames++;
        w->totals.bytes += (uint64_t)got;
        if (rand_chance(&w->rand, (uint32_t)opt.loss)) {
            w->totals.lost++;
            continue;
        }
        put(w, bytes, (uint32_t)got, now);
        if (rand_chance(&w->rand, (uint32_t)opt.dup)) {
            w->totals.repeated++;
            put(w, bytes, (uint32_t)got, now);
        }
    }
}

static void let_out(struct way *w)
{
    uint64_t now = now_ns();

    while (w->count > 0 && w->heap[0]->due <= now) {
        struct frame *f = heap_pop(w);

        if (write(w->to, f->bytes, f->len) != (ssize_t)f->len)
            w->totals.refused++; /* a full queue, an interface that is down: lost, but not by lot */
        free(f);
    }
}

static void tell(const struct way *w)
{
    const struct totals *t = &w->totals;

    printf("%s: %llu frames, %llu bytes: %llu lost, %llu repeated, %llu reordered, %llu corrupted, "
           "%llu overflowed, %llu refused\n",
           w->name, (unsigned long long)t->frames, (unsigned long long)t->bytes,
           (unsigned long long)t->lost, (unsigned long long)t->repeated,
           (unsigned long long)t->reordered, (unsigned long long)t->corrupted,
           (unsigned long long)t->overflowed, (unsigned long long)t->refused);
}

/* The kernel's clients are behind the TAP; without offloads it computes checksums and segments. */
static int open_tap(const char *name)
{
    struct ifreq req = {.ifr_flags = IFF_TAP | IFF_NO_PI};
    int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

    if (fd < 0)
        die("/dev/net/tun");
    snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", name);
    if (ioctl(fd, TUNSETIFF, &req) != 0)
        die(name);
    return fd;
}

static int open_device(const char *name)
{
    struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = __builtin_bswap16(ETH_P_ALL)};
    struct packet_mreq all = {.mr_type = PACKET_MR_PROMISC};
    int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1, room = 8 << 20;

    at.sll_ifindex = (int)if_nametoindex(name);
    all.mr_ifindex = at.sll_ifindex;
    if (fd < 0 || at.sll_ifindex == 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0 ||
        setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) != 0 ||
        setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)) != 0 ||
        bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0)
        die(name);
    return fd;
}

static double number(const char *text, double most)
{
    char *end;
    double n = strtod(text, &end);

    if (end == text || *end != '\0' || !(n >= 0 && n <= most)) {
        fprintf(stderr, "impair: not from 0 to %g: %s\n", most, text);
        exit(2);
    }
    return n;
}

static void options(int argc, char **argv)
{
    static const struct option names[] = {
        {"tap",       required_argument, NULL, 't'},
        {"device",    required_argument, NULL, 'd'},
        {"seed",      required_argument, NULL, 0  },
        {"loss",      required_argument, NULL, 1  },
        {"dup",       required_argument, NULL, 2  },
        {"reorder",   required_argument, NULL, 3  },
        {"corrupt",   required_argument, NULL, 4  },
        {"delay-ms",  required_argument, NULL, 5  },
        {"jitter-ms", required_argument, NULL, 6  },
        {"hold-ms",   required_argument, NULL, 7  },
        {"queue",     required_argument, NULL, 8  },
        {NULL,        0,                 NULL, 0  },
    };
    static const struct {
        uint64_t *to;
        double    most, unit;
    } numbers[] = {
        {&opt.seed,      9e15,      1  },
        {&opt.loss,      1,         1e6},
        {&opt.dup,       1,         1e6},
        {&opt.reorder,   1,         1e6},
        {&opt.corrupt,   1,         1e6},
        {&opt.delay_ns,  10000,     1e6},
        {&opt.jitter_ns, 10000,     1e6},
        {&opt.hold_ns,   10000,     1e6},
        {&opt.queue,     QUEUE_MAX, 1  },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == '?')
            exit(2);
        else if (c == 't')
            opt.tap = optarg;
        else if (c == 'd')
            opt.device = optarg;
        else
            *numbers[c].to = (uint64_t)(number(optarg, numbers[c].most) * numbers[c].unit);
    }
    if (opt.tap == NULL || opt.device == NULL || optind != argc) {
        fprintf(stderr, "impair: --tap NAME and --device NAME are needed\n");
        exit(2);
    }
}

static void relay(struct way way[2])
{
    struct pollfd fds[2] = {
        {.fd = way[0].from, .events = POLLIN},
        {.fd = way[1].from, .events = POLLIN}
    };
    sigset_t none;

    sigemptyset(&none); /* signals come only while it waits, so that none is slept over */
    while (!ending) {
        uint64_t due = UINT64_MAX, now = now_ns(), left;
        struct timespec wait;

        if (telling) {
            telling = 0;
            tell(&way[0]), tell(&way[1]);
            fflush(stdout);
        }
        for (unsigned i = 0; i < 2; i++)
            due = way[i].count > 0 && way[i].heap[0]->due < due ? way[i].heap[0]->due : due;
        left = due > now ? due - now : 0;
        wait = (struct timespec){.tv_sec = (time_t)(left / 1000000000u),
                                 .tv_nsec = (long)(left % 1000000000u)};
        if (ppoll(fds, 2, due == UINT64_MAX ? NULL : &wait, &none) < 0 && errno != EINTR)
            die("ppoll");
        for (unsigned i = 0; i < 2; i++) {
            if (fds[i].revents != 0)
                take_in(&way[i]);
            let_out(&way[i]);
        }
    }
}

int main(int argc, char **argv)
{
    struct sigaction act = {.sa_handler = on_signal};
    struct way way[2] = {{.name = "to the edge"}, {.name = "from the edge"}};
    sigset_t held;

    options(argc, argv);
    sigemptyset(&held);
    for (unsigned i = 0; i < 3; i++) {
        static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1};

        sigaddset(&held, numbers[i]);
        sigaction(numbers[i], &act, NULL);
    }
    sigprocmask(SIG_BLOCK, &held, NULL);
    way[0].from = way[1].to = open_tap(opt.tap);
    way[0].to = way[1].from = open_device(opt.device);
    for (unsigned i = 0; i < 2; i++) {
        rand_seed(&way[i].rand, opt.seed, i);
        way[i].heap = calloc(opt.queue, sizeof(struct frame *));
        must(way[i].heap != NULL);
    }
    printf("impair: seed %llu\n", (unsigned long long)opt.seed);
    fflush(stdout);
    relay(way);
    for (unsigned i = 0; i < 2; i++) {
        tell(&way[i]);
        while (way[i].count > 0)
            free(heap_pop(&way[i]));
        free(way[i].heap);
    }
    return 0;
}
