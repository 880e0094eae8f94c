/* log_line.c - one event, one line: JSON or maillog, escaped, bounded. */
#include "log_line.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base_text.h"
#include "ipc_id.h"

#define HOST_MAX 256
/* Kept free until log_end: `,"cut":true}` and the newline. */
#define TAIL_BYTES 16u

static struct {
    char host[HOST_MAX];
    const char *process;
    enum log_format format;
    bool is_socket;
    pid_t pid;
    atomic_uint_least64_t lines, lost, cut;
} out = {.process = "unknown"};

int log_format_parse(const char *text, enum log_format *ret)
{
    if (strcmp(text, "json") == 0)
        *ret = LOG_JSON;
    else if (strcmp(text, "maillog") == 0)
        *ret = LOG_MAILLOG;
    else
        return -EINVAL;
    return 0;
}

/* O_NONBLOCK belongs to the open file, which a terminal or pipe shares with strangers (the
 * shell): so open it anew as our own.  Where that is refused, writes may block as anybody's. */
static void make_nonblocking(void)
{
    struct stat st;
    int fd, flags = fcntl(STDERR_FILENO, F_GETFL);

    if (flags < 0 || (flags & O_NONBLOCK) != 0 || fstat(STDERR_FILENO, &st) != 0)
        return;
    out.is_socket = S_ISSOCK(st.st_mode);
    if (!S_ISFIFO(st.st_mode) && !S_ISCHR(st.st_mode))
        return;
    fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return;
    /* Not dup3 with CLOEXEC: the children log there too. */
    dup2(fd, STDERR_FILENO);
    close(fd);
}

void log_setup(const char *instance, enum ipc_kind process, enum log_format format)
{
    size_t n = strnlen(instance, sizeof(out.host) - 1);

    memcpy(out.host, instance, n);
    out.host[n] = '\0';
    out.process = ipc_kind_name(process);
    out.format = format;
    out.pid = getpid();
    signal(SIGPIPE, SIG_IGN);
    make_nonblocking();
}

static size_t room(const struct log_line *l)
{
    return sizeof(l->bytes) - TAIL_BYTES - l->len;
}

/* All of it or nothing. */
static bool put(struct log_line *l, const char *bytes, size_t n)
{
    if (n > room(l)) {
        l->cut = true;
        return false;
    }
    memcpy(l->bytes + l->len, bytes, n);
    l->len += n;
    return true;
}

static bool put_str(struct log_line *l, const char *text)
{
    return put(l, text, strlen(text));
}

/* Length of the well-formed UTF-8 sequence at the front (RFC 3629 s4), 0 where there is none
 * or it is a C1 control, which terminals obey. */
static size_t utf8_len(struct span s)
{
    uint8_t a = s.ptr[0], low = 0x80, high = 0xbf;
    size_t n;

    if (a >= 0xc2 && a <= 0xdf)
        n = 2;
    else if (a >= 0xe0 && a <= 0xef)
        n = 3;
    else if (a >= 0xf0 && a <= 0xf4)
        n = 4;
    else
        return 0;
    if (s.len < n)
        return 0;
    if (a == 0xc2 || a == 0xe0)
        low = 0xa0;
    else if (a == 0xed)
        high = 0x9f;
    else if (a == 0xf0)
        low = 0x90;
    else if (a == 0xf4)
        high = 0x8f;
    if (s.ptr[1] < low || s.ptr[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++) {
        if (s.ptr[i] < 0x80 || s.ptr[i] > 0xbf)
            return 0;
    }
    return n;
}

/* One character off the front of *s, escaped for inside quotes; false: it did not fit. */
static bool put_char(struct log_line *l, struct span *s)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t c = s->ptr[0];
    char escaped[8];
    size_t n = 1, len;

    if (c == '"' || c == '\\') {
        escaped[0] = '\\';
        escaped[1] = (char)c;
        len = 2;
    } else if (c >= 0x20 && c < 0x7f) {
        escaped[0] = (char)c;
        len = 1;
    } else if (c >= 0x80 && (n = utf8_len(*s)) > 0) {
        memcpy(escaped, s->ptr, n);
        len = n;
    } else if (c < 0x80 && !l->maillog) {
        memcpy(escaped, "\\u00", 4);
        escaped[4] = hex[c >> 4];
        escaped[5] = hex[c & 15];
        len = 6;
        n = 1;
    } else {
        /* No character of Unicode: shown as \xNN, in JSON with its backslash escaped. */
        len = l->maillog ? 1 : 2;
        memset(escaped, '\\', len);
        escaped[len++] = 'x';
        escaped[len++] = hex[c >> 4];
        escaped[len++] = hex[c & 15];
        n = 1;
    }
    if (!put(l, escaped, len))
        return false;
    *s = span_skip(*s, n);
    return true;
}

/* In quotes; what does not fit is cut, the closing quote always has room. */
static void put_quoted(struct log_line *l, struct span value)
{
    size_t shown = value.len;

    if (shown > LOG_VALUE_MAX) {
        shown = LOG_VALUE_MAX;
        /* Not in the middle of a character. */
        while (shown > LOG_VALUE_MAX - 3 && (value.ptr[shown] & 0xc0) == 0x80)
            shown--;
        l->cut = true;
    }
    value.len = shown;
    put_str(l, "\"");
    while (value.len > 0 && room(l) > 1 + 6) {
        if (!put_char(l, &value))
            break;
    }
    if (value.len > 0)
        l->cut = true;
    put_str(l, "\"");
}

/* Separator and key; false: no room for a value of even `least` bytes, the key is left out. */
static bool put_key(struct log_line *l, const char *key, size_t least)
{
    size_t n = strlen(key);

    if (room(l) < n + 5 + least) {
        l->cut = true;
        return false;
    }
    if (l->maillog) {
        put_str(l, l->first ? " " : ", ");
        put(l, key, n);
        put_str(l, "=");
    } else {
        put_str(l, l->first ? "\"" : ",\"");
        put(l, key, n);
        put_str(l, "\":");
    }
    l->first = false;
    return true;
}

/* Syslog's form (RFC 3164 s4.1.2): "Nov  2 23:55:01". */
static void put_syslog_time(struct log_line *l, uint64_t wall_us)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct text_date date = text_date(wall_us / 86400000000ull);
    char iso[TEXT_TIME_MAX];

    text_time(iso, wall_us);
    put(l, months + (size_t)(date.month - 1) * 3, 3);
    put_str(l, " ");
    put(l, date.day < 10 ? " " : iso + 8, 1);
    put(l, iso + 9, 1);
    put_str(l, " ");
    put(l, iso + 11, 8);
}

void log_begin_at(struct log_line *l, const char *event, uint64_t wall_us)
{
    char time[TEXT_TIME_MAX], pid[TEXT_U64_MAX];

    l->len = 0;
    l->cut = false;
    l->maillog = out.format == LOG_MAILLOG;
    l->first = true;
    if (l->maillog) {
        text_u64(pid, (uint64_t)out.pid);
        put_syslog_time(l, wall_us);
        put_str(l, " ");
        put_str(l, out.host[0] != '\0' ? out.host : "-");
        put_str(l, " sluice-");
        put_str(l, out.process);
        put_str(l, "[");
        put_str(l, pid);
        put_str(l, "]: ");
        put_str(l, event);
        put_str(l, ":");
        return;
    }
    put_str(l, "{");
    text_time(time, wall_us);
    log_str(l, "time", time);
    log_str(l, "host", out.host);
    log_str(l, "process", out.process);
    log_str(l, "event", event);
}

void log_begin(struct log_line *l, const char *event)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    log_begin_at(l, event, (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000);
}

/* maillog: what needs no quotes is written without. */
static bool is_plain(struct span value)
{
    for (size_t i = 0; i < value.len; i++) {
        uint8_t c = value.ptr[i];

        if (c <= 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == ',' || c == '=')
            return false;
    }
    return value.len > 0;
}

void log_text(struct log_line *l, const char *key, struct span value)
{
    if (!put_key(l, key, 10))
        return;
    if (l->maillog && is_plain(value) && value.len <= LOG_VALUE_MAX && value.len <= room(l))
        put(l, (const char *)value.ptr, value.len);
    else
        put_quoted(l, value);
}

void log_str(struct log_line *l, const char *key, const char *value)
{
    if (value != NULL)
        log_text(l, key, span_str(value));
}

/* A value that needs no escaping and no quotes. */
static void put_raw(struct log_line *l, const char *key, const char *value)
{
    if (put_key(l, key, strlen(value)))
        put_str(l, value);
}

void log_u64(struct log_line *l, const char *key, uint64_t value)
{
    char text[TEXT_U64_MAX];

    /* Readers of JSON hold integers in 64 bits with a sign: beyond that, the greatest. */
    text_u64(text, value <= INT64_MAX ? value : INT64_MAX);
    put_raw(l, key, text);
}

void log_i64(struct log_line *l, const char *key, int64_t value)
{
    char text[TEXT_U64_MAX + 1] = "-";

    if (value < 0)
        text_u64(text + 1, 0 - (uint64_t)value);
    else
        text_u64(text, (uint64_t)value);
    put_raw(l, key, text);
}

void log_bool(struct log_line *l, const char *key, bool value)
{
    put_raw(l, key, value ? "true" : "false");
}

void log_ip(struct log_line *l, const char *key, const struct ip_addr *ip)
{
    char text[TEXT_IP_MAX];

    text_ip(text, ip);
    log_str(l, key, text);
}

void log_endpoint(struct log_line *l, const char *key, const struct ip_addr *ip, uint16_t port)
{
    char text[TEXT_ENDPOINT_MAX];

    text_endpoint(text, ip, port);
    log_str(l, key, text);
}

void log_id(struct log_line *l, const char *key, uint64_t id)
{
    char text[ID_TEXT_LEN + 1];

    id_text(id, text);
    log_str(l, key, text);
}

void log_status(struct log_line *l, const char *key, const uint8_t status[3])
{
    char text[3 * TEXT_U64_MAX];
    size_t n = text_u64(text, status[0]);

    text[n++] = '.';
    n += text_u64(text + n, status[1]);
    text[n++] = '.';
    text_u64(text + n, status[2]);
    log_str(l, key, text);
}

void log_seconds(struct log_line *l, const char *key, uint64_t us)
{
    char text[TEXT_U64_MAX + 8];
    size_t n = text_u64(text, us / 1000000);

    text[n++] = '.';
    for (uint64_t unit = 100000; unit > 0; unit /= 10)
        text[n++] = (char)('0' + us / unit % 10);
    text[n] = '\0';
    put_raw(l, key, text);
}

struct span log_finish(struct log_line *l)
{
    const char *tail =
        l->maillog ? (l->cut ? ", cut\n" : "\n") : (l->cut ? ",\"cut\":true}\n" : "}\n");
    size_t n = strlen(tail);

    memcpy(l->bytes + l->len, tail, n);
    return span_of(l->bytes, l->len + n);
}

void log_end(struct log_line *l)
{
    struct span line = log_finish(l);
    ssize_t n;

    if (l->cut)
        atomic_fetch_add_explicit(&out.cut, 1, memory_order_relaxed);
    n = out.is_socket ? send(STDERR_FILENO, line.ptr, line.len, MSG_DONTWAIT | MSG_NOSIGNAL)
                      : write(STDERR_FILENO, line.ptr, line.len);
    if (n == (ssize_t)line.len)
        atomic_fetch_add_explicit(&out.lines, 1, memory_order_relaxed);
    else
        atomic_fetch_add_explicit(&out.lost, 1, memory_order_relaxed);
}

void log_error(const char *event, const char *error)
{
    struct log_line line;

    log_begin(&line, event);
    log_str(&line, "error", error);
    log_end(&line);
}

struct log_figures log_figures(void)
{
    return (struct log_figures){
        .lines = atomic_load_explicit(&out.lines, memory_order_relaxed),
        .lost = atomic_load_explicit(&out.lost, memory_order_relaxed),
        .cut = atomic_load_explicit(&out.cut, memory_order_relaxed),
    };
}
