/* conf.h - the configuration, loaded: every key of it checked, with the place it came from.
 *
 * conf_load() reads one YAML file (and those it includes), judges it against the key table
 * (conf_keys.c: path, type, default, range, meaning) and then as a whole (conf_check.c).  What
 * it returns is complete: defaults filled in, names resolved to indices, paths absolute.
 * Unknown keys, wrong types, duplicates and missing keys are refused with file:line:column and
 * what to do.  Whether a relay rule makes an open relay is not judged here but on the compiled
 * policy (control/compile), which finds the places it needs for its words in this struct.
 *
 * Bounds: file size, number of values, depth, aliases, includes: conf_limits.h.
 * Memory: one block list owned by struct conf; every pointer below lives as long as it does.
 * Threads: none shared.  Clock: none read.
 */
#ifndef CONF_H
#define CONF_H

#include "base_types.h"

#define CONF_NONE UINT32_MAX

#define CONF_CORES_MAX 16 /* as many workers as have room for their figures, ipc_stats.h */
#define CONF_PORTS_MAX 8
#define CONF_PORT_ADDRESSES_MAX 64
#define CONF_PORT_GATEWAYS_MAX 4
#define CONF_SERVERS_MAX 64
#define CONF_LISTENERS_MAX 64        /* of one virtual server */
#define CONF_ROUTES_MAX 1024
#define CONF_ROUTE_TARGETS_MAX 16

/* Where a value stands.  line 0: it stands nowhere, the default holds (file is then the
 * configuration file). */
struct conf_where {
    const char *file;
    uint32_t    line, column; /* from 1 */
};

struct conf_text { /* NUL-terminated; never NULL after conf_load() ("" where absent) */
    const char       *text;
    struct conf_where where;
};

/* bits count in the address's own family: 0..32 for IPv4, 0..128 for IPv6.  In a rule, bits
 * beyond the prefix are zero; in a port's address they are the host's. */
struct conf_prefix {
    struct ip_addr    ip;
    uint8_t           bits;
    struct conf_where where;
};

struct conf_ip {
    struct ip_addr    ip;
    struct conf_where where;
};

enum conf_hugepages { CONF_HUGE_AUTO, CONF_HUGE_REQUIRED, CONF_HUGE_OFF };
enum conf_reply { CONF_REPLY_SOURCE, CONF_REPLY_GATEWAY };

struct conf_port {
    struct conf_where   where;
    struct conf_text    device;     /* PCI address or DPDK devargs */
    struct conf_prefix *addresses;
    uint32_t            addresses_count;
    struct conf_ip     *gateways;
    uint32_t            gateways_count;
    uint16_t            vlan;       /* 0: untagged */
    uint16_t            mtu;
    enum conf_reply     reply;
    bool                offload;
};

struct conf_dataplane {
    struct conf_where   where;
    uint16_t           *cores;      /* one worker each, repeats allowed */
    uint32_t            cores_count;
    struct conf_where   cores_where;
    uint64_t            memory_bytes;
    struct conf_where   memory_where;
    bool                shared_config;
    struct conf_where   shared_config_where;
    enum conf_hugepages hugepages;
    struct conf_port   *ports;
    uint32_t            ports_count;
    uint32_t            sessions;   /* limits.sessions */
};

struct conf_listen {
    struct ip_addr    ip;
    uint16_t          port;
    struct conf_where where;
};

enum conf_connect { CONF_ALLOW, CONF_DROP, CONF_RESET, CONF_REFUSE, CONF_TARPIT };

struct conf_connect_rule {
    struct conf_prefix match;
    enum conf_connect  action;
    struct conf_where  where;   /* of the rule */
};

/* What one rule says. */
enum conf_relay_kind { CONF_RELAY_CLIENT, CONF_RELAY_LOCAL }; /* match: / local: */

struct conf_relay_rule {
    enum conf_relay_kind kind;
    struct conf_prefix   match;   /* LOCAL: a whole address (32 or 128 bits) */
    struct conf_prefix   local;   /* as written; where.line 0 in a CLIENT rule */
    bool                 allow;   /* LOCAL: always */
    bool                 i_accept_open_relay;
    struct conf_where    where;
};

struct conf_relay {
    struct conf_where       where;         /* of `relay`, or of the server where it is absent */
    bool                    default_allow;
    struct conf_where       default_where;
    struct conf_relay_rule *rules;
    uint32_t                rules_count;
    struct conf_prefix     *deny;          /* wins over everything (D3) */
    uint32_t                deny_count;
    bool                    authenticated; /* D4; no AUTH in this version, so it grants nothing */
    bool                    i_accept_open_relay; /* for default: allow */
};

enum conf_early { CONF_EARLY_REFUSE, CONF_EARLY_NOTE };

struct conf_server {
    struct conf_where         where;
    struct conf_text          name;
    struct conf_listen       *listen;
    uint32_t                  listen_count;
    struct conf_text          hostname;       /* announced; lower-case A-labels */
    enum conf_connect         connect_default; /* ALLOW, DROP, RESET or REFUSE */
    struct conf_where         connect_where;
    struct conf_connect_rule *connect_rules;
    uint32_t                  connect_rules_count;
    struct conf_relay         relay;
    uint64_t                  greeting_wait_us;
    enum conf_early           greeting_early;
    struct conf_prefix       *trusted;
    uint32_t                  trusted_count;
};

enum conf_domain_type {
    CONF_AUTHORITATIVE, CONF_INTERNAL_RELAY, CONF_EXTERNAL_RELAY, CONF_DOMAIN_REFUSE
};

struct conf_domain {
    struct conf_where     where;
    struct conf_text      name;            /* lower-case A-labels, no final dot */
    enum conf_domain_type type;
    struct conf_text      recipients_file; /* absolute path; "" where the type has none */
    struct conf_text      route_name;
    struct conf_text      rest_name;
    uint32_t              route;           /* index in routes; CONF_NONE for refuse */
    uint32_t              rest;            /* internal-relay: of the unlisted, else CONF_NONE */
    bool                  subdomains;
};

enum conf_target_kind { CONF_TARGET_SMTP, CONF_TARGET_MAILDIR, CONF_TARGET_DISCARD };

struct conf_target {
    struct conf_where     where;
    const char           *url;    /* as it goes to the policy image: smtp://10.25.1.10:25,
                                     smtp://[fd25::10]:25, maildir:/path, discard: */
    enum conf_target_kind kind;
    struct ip_addr        ip;     /* SMTP */
    uint16_t              port;   /* SMTP */
    const char           *path;   /* MAILDIR: absolute; else "" */
    uint32_t              weight; /* 1.. */
};

struct conf_route_domain {
    const char       *name;       /* lower-case A-labels; "*" means every domain */
    struct conf_where where;
};

struct conf_route {
    struct conf_where         where;
    struct conf_text          name;
    struct conf_target       *to;
    uint32_t                  to_count;
    struct conf_route_domain *domains;
    uint32_t                  domains_count;
};

enum conf_return { CONF_RETURN_HEADERS, CONF_RETURN_FULL };

struct conf_bounces {
    struct conf_where where;
    struct conf_text  route_name;
    uint32_t          route;
    enum conf_return  what;
    uint32_t          rate_count;     /* so many ... */
    uint64_t          rate_period_us; /* ... in this time */
};

enum conf_sync { CONF_SYNC_ALWAYS, CONF_SYNC_NEVER };

struct conf_queue {
    struct conf_where where;
    struct conf_text  directory;      /* absolute */
    uint64_t          retry_first_us, retry_maximum_us, expire_us;
    struct conf_where retry_where;
    enum conf_sync    sync;
    uint64_t          limit_bytes, limit_messages;
    uint64_t          reserve_bytes;  /* free space of the file system that mail may not use */
};

enum conf_bare { CONF_BARE_REFUSE, CONF_BARE_NORMALIZE, CONF_BARE_NOTE };

struct conf_bare_rule {
    struct conf_prefix match;
    enum conf_bare     action;
    struct conf_where  where;
};

struct conf_bare_newline {
    enum conf_bare         by_default;
    struct conf_bare_rule *rules;
    uint32_t               rules_count;
};

struct conf_limits {
    uint64_t message_bytes;          /* message_size */
    uint32_t recipients;
    uint32_t connections_per_client;
    uint32_t bad_commands;
    uint32_t hops;                   /* Received: lines */
    uint64_t session_us, command_us, data_us;
};

enum conf_log_format { CONF_LOG_JSON, CONF_LOG_MAILLOG };

struct conf_log {
    enum conf_log_format format;
    uint32_t             refusals_per_second;
};

/* A file that the configuration names and that `run` may open for the others. */
enum conf_file_kind { CONF_FILE_CONFIG, CONF_FILE_INCLUDE, CONF_FILE_RECIPIENTS };

struct conf_file {
    enum conf_file_kind kind;
    const char         *path;  /* absolute */
};

struct conf {
    struct conf_text   instance;
    struct conf_text   runtime_directory; /* absolute */
    struct conf_text   runtime_user;
    struct conf_dataplane dataplane;
    struct conf_server *servers;
    uint32_t           servers_count;
    struct conf_domain *domains;
    uint32_t           domains_count;
    struct conf_route *routes;
    uint32_t           routes_count;
    struct conf_bounces bounces;
    struct conf_queue  queue;
    struct conf_bare_newline bare_newline;
    struct conf_limits limits;
    struct conf_text   admin_listen;      /* "127.0.0.1:8025"; "" where there is no admin HTTP */
    struct ip_addr     admin_ip;
    uint16_t           admin_port;        /* 0: no admin HTTP */
    struct conf_log    log;
    struct conf_file  *files;             /* conf_files() */
    uint32_t           files_count;
    struct conf_arena *arena;             /* conf_arena.c's */
};

/* Who opens files: run opens them itself as root, control asks run.  open returns a
 * descriptor (closed by the caller) or -errno; path is absolute. */
struct conf_opener {
    void *ctx;
    int (*open)(void *ctx, const char *path);
};

/* Opens with open(2), for processes that may; ctx unused. */
extern const struct conf_opener conf_opener_direct;

/* What is wrong, one line each: "file:line:column: what; what to do". */
#define CONF_ERRORS_MAX 20
#define CONF_ERROR_BYTES 512

struct conf_error {
    uint32_t count;   /* lines; at most CONF_ERRORS_MAX */
    bool     more;    /* there were more than fit */
    char     line[CONF_ERRORS_MAX][CONF_ERROR_BYTES];
};

/* Appends a line "file:line:column: text" (only text where where->line is 0), for the later
 * judges (control/compile) too. */
void conf_error_add(struct conf_error *error, const struct conf_where *where, const char *format,
                    ...) __attribute__((format(printf, 3, 4)));

/* 0 and *ret; or -EINVAL (the text is refused), -ENOMEM, or the opener's error, *ret
 * untouched and the lines in *ret_error (never empty then).  opener NULL: conf_opener_direct.
 * Recipient files are named, not read: that is the policy compiler's. */
int conf_load(const char *path, const struct conf_opener *opener, struct conf **ret,
              struct conf_error *ret_error);

/* The same from memory, for tests and fuzzing: path names the text in messages and is the
 * base of relative paths. */
int conf_load_text(const char *path, struct span text, const struct conf_opener *opener,
                   struct conf **ret, struct conf_error *ret_error);

struct conf *conf_free(struct conf *conf); /* NULL in, NULL out */

/* The configuration file first, then includes in order, then recipient files. */
const struct conf_file *conf_files(const struct conf *conf, uint32_t *ret_count);

/* Addresses, as the configuration writes them; also for the command line.  0 or -EINVAL. */
int conf_parse_ip(const char *text, struct ip_addr *ret);
/* "10.0.0.0/8", "10.0.0.0/255.0.0.0", "fd25::/64", or an address alone (32 or 128 bits). */
int conf_parse_prefix(const char *text, struct ip_addr *ret_ip, uint8_t *ret_bits);
/* "10.25.0.25:25", "[fd25::25]:25". */
int conf_parse_listen(const char *text, struct ip_addr *ret_ip, uint16_t *ret_port);

#define CONF_IP_TEXT_BYTES 48
/* As conf_parse_ip() reads it; returns text. */
const char *conf_ip_text(const struct ip_addr *ip, char text[CONF_IP_TEXT_BYTES]);

#endif
