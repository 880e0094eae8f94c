#include "conf_keys.h"

#include "conf_limits.h"

static const struct conf_choice hugepages[] = {
    {"auto", CONF_HUGE_AUTO}, {"required", CONF_HUGE_REQUIRED}, {"off", CONF_HUGE_OFF}, {0}};
static const struct conf_choice reply[] = {
    {"source", CONF_REPLY_SOURCE}, {"gateway", CONF_REPLY_GATEWAY}, {0}};
static const struct conf_choice connect_default[] = {
    {"allow", CONF_ALLOW}, {"drop", CONF_DROP}, {"reset", CONF_RESET},
    {"refuse", CONF_REFUSE}, {"deny", CONF_REFUSE}, {0}};
static const struct conf_choice connect_action[] = {
    {"drop", CONF_DROP}, {"reset", CONF_RESET}, {"refuse", CONF_REFUSE},
    {"tarpit", CONF_TARPIT}, {"allow", CONF_ALLOW}, {0}};
static const struct conf_choice auth_mode[] = {
    {"none", 0}, {"optional", 0, true}, {"required", 0, true}, {0}};
static const struct conf_choice tls_mode[] = {
    {"none", 0}, {"opportunistic", 0, true}, {"required", 0, true}, {"implicit", 0, true}, {0}};
static const struct conf_choice route_tls[] = {
    {"none", 0}, {"opportunistic", 0, true}, {"required", 0, true}, {"verify", 0, true}, {0}};
static const struct conf_choice deny_allow[] = {{"deny", false}, {"allow", true}, {0}};
static const struct conf_choice early[] = {
    {"refuse", CONF_EARLY_REFUSE}, {"note", CONF_EARLY_NOTE}, {0}};
static const struct conf_choice domain_type[] = {
    {"authoritative", CONF_AUTHORITATIVE}, {"internal-relay", CONF_INTERNAL_RELAY},
    {"external-relay", CONF_EXTERNAL_RELAY}, {"refuse", CONF_DOMAIN_REFUSE}, {0}};
static const struct conf_choice bounce_return[] = {
    {"headers", CONF_RETURN_HEADERS}, {"full", CONF_RETURN_FULL}, {0}};
static const struct conf_choice sync_when[] = {
    {"always", CONF_SYNC_ALWAYS}, {"never", CONF_SYNC_NEVER}, {0}};
static const struct conf_choice bare[] = {
    {"refuse", CONF_BARE_REFUSE}, {"normalize", CONF_BARE_NORMALIZE}, {"note", CONF_BARE_NOTE},
    {0}};
static const struct conf_choice log_format[] = {
    {"json", CONF_LOG_JSON}, {"maillog", CONF_LOG_MAILLOG}, {0}};
static const struct conf_choice log_to[] = {{"stderr", 0}, {0}};

/* Where a value goes. */
#define FIELD(type, field) .at = offsetof(type, field), .width = sizeof(((type *)0)->field)
#define NO_FIELD           .at = 0, .width = 0
#define WHERE(type, field) .where_at = offsetof(type, field)
#define NO_WHERE           .where_at = CONF_NOWHERE
#define ARRAY(type, field, elem)                                                                \
    .at = offsetof(type, field), .width = sizeof(void *),                                       \
    .count_at = offsetof(type, field##_count), .element = sizeof(elem)
#define LIST_OF(type, field, elem)      ARRAY(type, field, elem), .element_where = CONF_NOWHERE
#define LIST_OF_MAPS(type, field, elem)                                                         \
    ARRAY(type, field, elem), .element_where = offsetof(elem, where)

#define REQUIRED .required = true
#define DEFAULT(text) .by_default = text
#define RANGE(low, high) .min = low, .max = high
#define ONE_OF(list) .choices = list

#define US_S UINT64_C(1000000)
#define US_H (3600 * US_S)
#define US_D (24 * US_H)
#define KIB UINT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define TIB (1024 * GIB)

#define CONF  struct conf
#define PORT  struct conf_port
#define SRV   struct conf_server
#define CRULE struct conf_connect_rule
#define RRULE struct conf_relay_rule
#define DOM   struct conf_domain
#define ROUTE struct conf_route
#define TGT   struct conf_target
#define BRULE struct conf_bare_rule

/* clang-format off */
const struct conf_key conf_keys[] = {
    {"include", CONF_INCLUDE, NO_FIELD, NO_WHERE, RANGE(0, CONF_FILES_MAX - 1),
     .doc = "files whose top-level keys count as if they stood here"},

    {"instance", CONF_HOST, REQUIRED, FIELD(CONF, instance), NO_WHERE,
     .doc = "this edge's own host name, in logs and bounces"},

    {"runtime", CONF_MAP, NO_FIELD, NO_WHERE, .doc = "where the running edge keeps its sockets"},
    {"runtime.directory", CONF_PATH, FIELD(CONF, runtime_directory), NO_WHERE,
     DEFAULT("/run/sluice"), RANGE(1, 80), .doc = "control socket and pid files"},
    {"runtime.user", CONF_USER, FIELD(CONF, runtime_user), NO_WHERE, DEFAULT("sluice"),
     .doc = "system user of every process but run"},

    {"dataplane", CONF_MAP, REQUIRED, NO_FIELD, WHERE(CONF, dataplane.where),
     .doc = "cores and network ports"},
    {"dataplane.cores", CONF_LIST, REQUIRED, LIST_OF(CONF, dataplane.cores, uint16_t),
     WHERE(CONF, dataplane.cores_where), RANGE(1, CONF_CORES_MAX),
     .doc = "CPU of each worker; [1, 1] is two workers on CPU 1"},
    {"dataplane.cores[]", CONF_UINT, .at = 0, .width = sizeof(uint16_t), NO_WHERE, RANGE(0, 1023),
     .doc = "number of a CPU"},
    {"dataplane.memory", CONF_SIZE, FIELD(CONF, dataplane.memory_bytes),
     WHERE(CONF, dataplane.memory_where), DEFAULT("512M"), RANGE(64 * MIB, TIB),
     .doc = "cap for packet buffers"},
    {"dataplane.shared_config", CONF_BOOL, FIELD(CONF, dataplane.shared_config),
     WHERE(CONF, dataplane.shared_config_where), DEFAULT("false"),
     .doc = "lets dpdk-dumpcap attach; needs huge pages"},
    {"dataplane.hugepages", CONF_CHOICE, FIELD(CONF, dataplane.hugepages), NO_WHERE,
     DEFAULT("auto"), ONE_OF(hugepages), .doc = "use of huge pages"},
    {"dataplane.ports", CONF_LIST, REQUIRED, LIST_OF_MAPS(CONF, dataplane.ports, PORT), NO_WHERE,
     RANGE(1, CONF_PORTS_MAX), .doc = "network ports"},
    {"dataplane.ports[].device", CONF_DEVICE, REQUIRED, FIELD(PORT, device), NO_WHERE,
     RANGE(1, 255), .doc = "PCI address or DPDK devargs, as \"net_tap0,iface=sluice0\""},
    {"dataplane.ports[].addresses", CONF_LIST, REQUIRED,
     LIST_OF(PORT, addresses, struct conf_prefix), NO_WHERE, RANGE(1, CONF_PORT_ADDRESSES_MAX),
     .doc = "own addresses with their subnet's length, as 10.25.0.25/24"},
    {"dataplane.ports[].addresses[]", CONF_PREFIX_HOST, NO_FIELD, NO_WHERE,
     .doc = "an address with its subnet's length, as 10.25.0.25/24"},
    {"dataplane.ports[].gateways", CONF_LIST, LIST_OF(PORT, gateways, struct conf_ip), NO_WHERE,
     RANGE(0, CONF_PORT_GATEWAYS_MAX), .doc = "routers on this port's subnets"},
    {"dataplane.ports[].gateways[]", CONF_IP, NO_FIELD, NO_WHERE, .doc = "a router's address"},
    {"dataplane.ports[].vlan", CONF_UINT, FIELD(PORT, vlan), NO_WHERE, DEFAULT("0"),
     RANGE(0, 4094), .doc = "802.1Q VLAN; 0 is untagged"},
    {"dataplane.ports[].mtu", CONF_UINT, FIELD(PORT, mtu), NO_WHERE, DEFAULT("1500"),
     RANGE(576, 1500), .doc = "largest IP packet"},
    {"dataplane.ports[].reply", CONF_CHOICE, FIELD(PORT, reply), NO_WHERE, DEFAULT("source"),
     ONE_OF(reply), .doc = "answers go to the MAC the frame came from, or by the gateway"},
    {"dataplane.ports[].offload", CONF_BOOL, FIELD(PORT, offload), NO_WHERE, DEFAULT("true"),
     .doc = "let the device compute checksums where it can"},
    {"dataplane.limits", CONF_MAP, NO_FIELD, NO_WHERE, .doc = "sizes of tables"},
    {"dataplane.limits.sessions", CONF_UINT, FIELD(CONF, dataplane.sessions), NO_WHERE,
     DEFAULT("100000"), RANGE(1, 16000000), .doc = "sessions at once, over all workers"},

    {"virtual_servers", CONF_LIST, REQUIRED, LIST_OF_MAPS(CONF, servers, SRV), NO_WHERE,
     RANGE(1, CONF_SERVERS_MAX), .doc = "listeners and their policy"},
    {"virtual_servers[].name", CONF_NAME, REQUIRED, FIELD(SRV, name), NO_WHERE,
     .doc = "what logs and tools call it"},
    {"virtual_servers[].listen", CONF_LIST, REQUIRED, LIST_OF(SRV, listen, struct conf_listen),
     NO_WHERE, RANGE(1, CONF_LISTENERS_MAX),
     .doc = "where it listens, as \"10.25.0.25:25\" or \"[fd25::25]:25\""},
    {"virtual_servers[].listen[]", CONF_LISTEN, NO_FIELD, NO_WHERE,
     .doc = "address:port, as \"10.25.0.25:25\" or \"[fd25::25]:25\""},
    {"virtual_servers[].hostname", CONF_HOST, REQUIRED, FIELD(SRV, hostname), NO_WHERE,
     .doc = "the name it announces"},
    {"virtual_servers[].connections", CONF_MAP, NO_FIELD, NO_WHERE, .doc = "who may connect"},
    {"virtual_servers[].connections.default", CONF_CHOICE, FIELD(SRV, connect_default),
     WHERE(SRV, connect_where), DEFAULT("allow"), ONE_OF(connect_default),
     .doc = "for whom no rule matches"},
    {"virtual_servers[].connections.rules", CONF_LIST, LIST_OF_MAPS(SRV, connect_rules, CRULE),
     NO_WHERE, RANGE(0, CONF_RULES_MAX), .doc = "rules by client address"},
    {"virtual_servers[].connections.rules[].match", CONF_PREFIX_RULE, REQUIRED,
     FIELD(CRULE, match), NO_WHERE, .doc = "an address or subnet, as 203.0.113.0/24"},
    {"virtual_servers[].connections.rules[].action", CONF_CHOICE, REQUIRED, FIELD(CRULE, action),
     NO_WHERE, ONE_OF(connect_action), .doc = "what happens to them"},
    {"virtual_servers[].auth", CONF_MAP, NO_FIELD, NO_WHERE, .doc = "AUTH"},
    {"virtual_servers[].auth.mode", CONF_CHOICE, NO_FIELD, NO_WHERE, DEFAULT("none"),
     ONE_OF(auth_mode), .doc = "whether clients log in"},
    {"virtual_servers[].auth.mechanisms", CONF_LATER, NO_FIELD, NO_WHERE, .doc = "AUTH"},
    {"virtual_servers[].tls", CONF_MAP, NO_FIELD, NO_WHERE, .doc = "TLS"},
    {"virtual_servers[].tls.mode", CONF_CHOICE, NO_FIELD, NO_WHERE, DEFAULT("none"),
     ONE_OF(tls_mode), .doc = "whether sessions are encrypted"},
    {"virtual_servers[].tls.minimum_bits", CONF_LATER, NO_FIELD, NO_WHERE, .doc = "TLS"},
    {"virtual_servers[].relay", CONF_MAP, NO_FIELD, WHERE(SRV, relay.where),
     .doc = "who may send to domains that are not ours"},
    {"virtual_servers[].relay.default", CONF_CHOICE, FIELD(SRV, relay.default_allow),
     WHERE(SRV, relay.default_where), DEFAULT("deny"), ONE_OF(deny_allow),
     .doc = "for whom no rule matches"},
    {"virtual_servers[].relay.rules", CONF_LIST, LIST_OF_MAPS(SRV, relay.rules, RRULE), NO_WHERE,
     RANGE(0, CONF_RULES_MAX), .doc = "rules by client or own address"},
    {"virtual_servers[].relay.rules[].match", CONF_PREFIX_RULE, FIELD(RRULE, match), NO_WHERE,
     .doc = "a client address or subnet, as 192.0.2.0/28"},
    {"virtual_servers[].relay.rules[].local", CONF_WHOLE, FIELD(RRULE, local), NO_WHERE,
     .doc = "the address of ours that the client came to"},
    {"virtual_servers[].relay.rules[].certificate", CONF_LATER, NO_FIELD, NO_WHERE, .doc = "TLS"},
    {"virtual_servers[].relay.rules[].action", CONF_CHOICE, REQUIRED, FIELD(RRULE, allow),
     NO_WHERE, ONE_OF(deny_allow), .doc = "allow or deny"},
    {"virtual_servers[].relay.rules[].i_accept_open_relay", CONF_BOOL,
     FIELD(RRULE, i_accept_open_relay), NO_WHERE, DEFAULT("false"),
     .doc = "yes, this rule lets strangers relay"},
    {"virtual_servers[].relay.deny", CONF_LIST, LIST_OF(SRV, relay.deny, struct conf_prefix),
     NO_WHERE, RANGE(0, CONF_RULES_MAX),
     .doc = "addresses and subnets that never relay, whatever else is said"},
    {"virtual_servers[].relay.deny[]", CONF_PREFIX_RULE, NO_FIELD, NO_WHERE,
     .doc = "an address or subnet, as 198.51.100.0/24"},
    {"virtual_servers[].relay.authenticated", CONF_BOOL, FIELD(SRV, relay.authenticated), NO_WHERE,
     DEFAULT("false"), .doc = "all who log in may relay"},
    {"virtual_servers[].relay.i_accept_open_relay", CONF_BOOL,
     FIELD(SRV, relay.i_accept_open_relay), NO_WHERE, DEFAULT("false"),
     .doc = "yes, default: allow lets strangers relay"},
    {"virtual_servers[].greeting", CONF_MAP, NO_FIELD, NO_WHERE, .doc = "the early-talker test"},
    {"virtual_servers[].greeting.wait", CONF_DURATION, FIELD(SRV, greeting_wait_us), NO_WHERE,
     DEFAULT("0s"), RANGE(0, 60 * US_S), .doc = "time before the greeting"},
    {"virtual_servers[].greeting.early", CONF_CHOICE, FIELD(SRV, greeting_early), NO_WHERE,
     DEFAULT("refuse"), ONE_OF(early), .doc = "what happens to clients that speak first"},
    {"virtual_servers[].trusted", CONF_LIST, LIST_OF(SRV, trusted, struct conf_prefix), NO_WHERE,
     RANGE(0, CONF_RULES_MAX), .doc = "addresses that skip limits, never bans"},
    {"virtual_servers[].trusted[]", CONF_PREFIX_RULE, NO_FIELD, NO_WHERE,
     .doc = "an address or subnet, as 192.0.2.7"},

    {"tls", CONF_LATER, NO_FIELD, NO_WHERE, .doc = "TLS"},

    {"domains", CONF_LIST, LIST_OF_MAPS(CONF, domains, DOM), NO_WHERE,
     RANGE(0, CONF_DOMAINS_MAX), .doc = "the domains we take mail for"},
    {"domains[].name", CONF_HOST, REQUIRED, FIELD(DOM, name), NO_WHERE, .doc = "the domain"},
    {"domains[].type", CONF_CHOICE, REQUIRED, FIELD(DOM, type), NO_WHERE, ONE_OF(domain_type),
     .doc = "what becomes of its mail"},
    {"domains[].recipients", CONF_MAP, NO_FIELD, NO_WHERE, .doc = "who exists there"},
    {"domains[].recipients.file", CONF_PATH, REQUIRED, FIELD(DOM, recipients_file), NO_WHERE,
     RANGE(1, CONF_PATH_BYTES_MAX), .doc = "a file of recipients, one a line"},
    {"domains[].route", CONF_NAME, FIELD(DOM, route_name), NO_WHERE,
     .doc = "route of its mail, by name"},
    {"domains[].subdomains", CONF_BOOL, FIELD(DOM, subdomains), NO_WHERE, DEFAULT("false"),
     .doc = "its sub-domains too"},
    {"domains[].rest", CONF_NAME, FIELD(DOM, rest_name), NO_WHERE,
     .doc = "route of the recipients that are not listed, by name"},

    {"routes", CONF_LIST, REQUIRED, LIST_OF_MAPS(CONF, routes, ROUTE), NO_WHERE,
     RANGE(1, CONF_ROUTES_MAX), .doc = "where mail goes"},
    {"routes[].name", CONF_NAME, REQUIRED, FIELD(ROUTE, name), NO_WHERE,
     .doc = "what others call it"},
    {"routes[].to", CONF_LIST, REQUIRED, LIST_OF_MAPS(ROUTE, to, TGT), NO_WHERE,
     .alone = "url", RANGE(1, CONF_ROUTE_TARGETS_MAX), .doc = "where to, one or several"},
    {"routes[].to[].url", CONF_URL, REQUIRED, NO_FIELD, NO_WHERE,
     .doc = "smtp://10.25.1.10:25, maildir:/path or discard:"},
    {"routes[].to[].weight", CONF_UINT, FIELD(TGT, weight), NO_WHERE, DEFAULT("1"),
     RANGE(1, 1000), .doc = "its share among several"},
    {"routes[].domains", CONF_LIST, LIST_OF(ROUTE, domains, struct conf_route_domain), NO_WHERE,
     RANGE(0, CONF_DOMAINS_MAX), .doc = "domains of relayed mail that go this way; * is all"},
    {"routes[].domains[]", CONF_ROUTE_DOMAIN, NO_FIELD, NO_WHERE, .doc = "a domain, or \"*\""},
    {"routes[].tls", CONF_CHOICE, NO_FIELD, NO_WHERE, DEFAULT("none"), ONE_OF(route_tls),
     .doc = "encryption on the way there"},

    {"bounces", CONF_MAP, REQUIRED, NO_FIELD, WHERE(CONF, bounces.where),
     .doc = "our own notices of mail that could not be delivered"},
    {"bounces.route", CONF_NAME, REQUIRED, FIELD(CONF, bounces.route_name), NO_WHERE,
     .doc = "route of bounces, by name"},
    {"bounces.return", CONF_CHOICE, FIELD(CONF, bounces.what), NO_WHERE, DEFAULT("headers"),
     ONE_OF(bounce_return), .doc = "how much of the message goes back"},
    {"bounces.rate", CONF_RATE, NO_FIELD, NO_WHERE, DEFAULT("10/s"), RANGE(1, 1000000),
     .doc = "at most so many, as 10/s"},

    {"queue", CONF_MAP, NO_FIELD, WHERE(CONF, queue.where), .doc = "the durable queue"},
    {"queue.directory", CONF_PATH, FIELD(CONF, queue.directory), NO_WHERE,
     DEFAULT("/var/spool/sluice"), RANGE(1, CONF_PATH_BYTES_MAX), .doc = "where messages are kept"},
    {"queue.retry", CONF_MAP, NO_FIELD, WHERE(CONF, queue.retry_where),
     .doc = "when a delivery is tried again"},
    {"queue.retry.first", CONF_DURATION, FIELD(CONF, queue.retry_first_us), NO_WHERE,
     DEFAULT("5s"), RANGE(100000, US_D), .doc = "wait after the first failure; doubled each time"},
    {"queue.retry.maximum", CONF_DURATION, FIELD(CONF, queue.retry_maximum_us), NO_WHERE,
     DEFAULT("1h"), RANGE(100000, 7 * US_D), .doc = "longest wait between two tries"},
    {"queue.expire", CONF_DURATION, FIELD(CONF, queue.expire_us), NO_WHERE, DEFAULT("5d"),
     RANGE(US_S, 60 * US_D), .doc = "when a message is given up"},
    {"queue.sync", CONF_CHOICE, FIELD(CONF, queue.sync), NO_WHERE, DEFAULT("always"),
     ONE_OF(sync_when), .doc = "always: on disk before 250; never: only to measure the wire"},
    {"queue.limit", CONF_MAP, NO_FIELD, NO_WHERE, .doc = "beyond these new mail gets 452"},
    {"queue.limit.bytes", CONF_SIZE, FIELD(CONF, queue.limit_bytes), NO_WHERE, DEFAULT("64G"),
     RANGE(64 * MIB, 1024 * TIB), .doc = "size of the log"},
    {"queue.limit.messages", CONF_UINT, FIELD(CONF, queue.limit_messages), NO_WHERE,
     DEFAULT("1000000"), RANGE(1, 100000000), .doc = "messages waiting"},
    {"queue.limit.reserve", CONF_SIZE, FIELD(CONF, queue.reserve_bytes), NO_WHERE,
     DEFAULT("64M"), RANGE(0, 1024 * TIB), .doc = "free disk space that mail may not use"},

    {"bare_newline", CONF_MAP, NO_FIELD, NO_WHERE, .doc = "bare CR or LF from clients"},
    {"bare_newline.default", CONF_CHOICE, FIELD(CONF, bare_newline.by_default), NO_WHERE,
     DEFAULT("refuse"), ONE_OF(bare), .doc = "for whom no rule matches"},
    {"bare_newline.rules", CONF_LIST, LIST_OF_MAPS(CONF, bare_newline.rules, BRULE), NO_WHERE,
     RANGE(0, CONF_RULES_MAX), .doc = "rules by client address"},
    {"bare_newline.rules[].match", CONF_PREFIX_RULE, REQUIRED, FIELD(BRULE, match), NO_WHERE,
     .doc = "an address or subnet, as 10.25.7.0/24"},
    {"bare_newline.rules[].action", CONF_CHOICE, REQUIRED, FIELD(BRULE, action), NO_WHERE,
     ONE_OF(bare), .doc = "what is done about them"},

    {"limits", CONF_MAP, NO_FIELD, NO_WHERE, .doc = "bounds of a session"},
    /* RFC 5321 s4.5.3.1.7: at least 64K octets.  Above: what one delivery attempt can carry. */
    {"limits.message_size", CONF_SIZE, FIELD(CONF, limits.message_bytes), NO_WHERE,
     DEFAULT("50M"), RANGE(64 * KIB, 60 * MIB), .doc = "largest message"},
    /* RFC 5321 s4.5.3.1.8: at least 100. */
    {"limits.recipients", CONF_UINT, FIELD(CONF, limits.recipients), NO_WHERE, DEFAULT("1000"),
     RANGE(100, 100000), .doc = "recipients of a message"},
    {"limits.connections_per_client", CONF_UINT, FIELD(CONF, limits.connections_per_client),
     NO_WHERE, DEFAULT("50"), RANGE(1, 1000000), .doc = "sessions of one address at once"},
    {"limits.bad_commands", CONF_UINT, FIELD(CONF, limits.bad_commands), NO_WHERE, DEFAULT("20"),
     RANGE(1, 10000), .doc = "wrong commands before 421"},
    {"limits.session", CONF_DURATION, FIELD(CONF, limits.session_us), NO_WHERE, DEFAULT("2h"),
     RANGE(US_S, 7 * US_D), .doc = "how long a session may last in all"},
    /* RFC 5321 s4.5.3.2.7 and s4.5.3.2.5 are the defaults. */
    {"limits.command", CONF_DURATION, FIELD(CONF, limits.command_us), NO_WHERE, DEFAULT("5m"),
     RANGE(US_S, US_D), .doc = "wait for the next command"},
    {"limits.data", CONF_DURATION, FIELD(CONF, limits.data_us), NO_WHERE, DEFAULT("3m"),
     RANGE(US_S, US_D), .doc = "wait for the next piece of a message"},
    {"limits.hops", CONF_UINT, FIELD(CONF, limits.hops), NO_WHERE, DEFAULT("100"),
     RANGE(1, 1000), .doc = "Received: lines at which a message is called a loop"},

    {"admin", CONF_MAP, NO_FIELD, NO_WHERE, .doc = "metrics and statistics by HTTP"},
    {"admin.listen", CONF_ADMIN, REQUIRED, FIELD(CONF, admin_listen), NO_WHERE,
     .doc = "where, as \"127.0.0.1:8025\", on the host's own network"},

    {"log", CONF_MAP, NO_FIELD, NO_WHERE, .doc = "the log"},
    {"log.format", CONF_CHOICE, FIELD(CONF, log.format), NO_WHERE, DEFAULT("json"),
     ONE_OF(log_format), .doc = "form of its lines"},
    {"log.to", CONF_CHOICE, NO_FIELD, NO_WHERE, DEFAULT("stderr"), ONE_OF(log_to),
     .doc = "where it goes"},
    {"log.refusals_per_second", CONF_UINT, FIELD(CONF, log.refusals_per_second), NO_WHERE,
     DEFAULT("100"), RANGE(0, 1000000), .doc = "refusals above this are summed up"},
};
/* clang-format on */

const uint32_t conf_keys_count = ARRAY_LEN(conf_keys);

/* What of child's path follows parent's, or NULL. */
static const char *rest_of(uint32_t parent, uint32_t child)
{
    size_t len;

    if (parent == CONF_TOP)
        return conf_keys[child].path;
    len = strlen(conf_keys[parent].path);
    if (strncmp(conf_keys[child].path, conf_keys[parent].path, len) != 0)
        return NULL;
    return conf_keys[child].path + len;
}

bool conf_key_below(uint32_t parent, uint32_t child)
{
    const char *rest = child < conf_keys_count ? rest_of(parent, child) : NULL;

    return rest != NULL && (parent == CONF_TOP || *rest == '.' || *rest == '[');
}

const char *conf_key_name(uint32_t parent, bool element, uint32_t child)
{
    const char *rest = rest_of(parent, child);

    if (rest == NULL)
        return NULL;
    if (parent != CONF_TOP) {
        const char *lead = element ? "[]." : ".";
        size_t len = strlen(lead);

        if (strncmp(rest, lead, len) != 0)
            return NULL;
        rest += len;
    }
    return strpbrk(rest, ".[") == NULL ? rest : NULL;
}
