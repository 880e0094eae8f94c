/* Goal: what is no YAML of ours, or no key of ours, is refused with its place and what to do;
 * so is what later versions bring.
 * Method: rows of a whole text and all the lines it must give, word for word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_refuse.h"

#define A64  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A256 A64 A64 A64 A64
#define LONG A256 A256 A256 A256 "a"

static const struct refuse_row rows[] = {
    {"empty", "",
     "/c.yaml:1:1: the file is empty; write the configuration here"},
    {"a comment only", "# nothing\n",
     "/c.yaml:1:1: the file is empty; write the configuration here"},
    {"no mapping", "- a\n- b\n",
     "/c.yaml:1:1: the file is no mapping; write keys, as instance: mx1.example.net"},
    {"a scalar", "hello\n",
     "/c.yaml:1:1: the file is no mapping; write keys, as instance: mx1.example.net"},
    {"broken YAML", LEAST "log: {format: json\nqueue: x\n",
     "/c.yaml:7:6: did not find expected ',' or '}' while parsing a flow mapping; correct the "
     "YAML here"},
    {"tab", LEAST "log:\n\tformat: json\n",
     "/c.yaml:7:1: found character that cannot start any token while scanning for the next "
     "token; correct the YAML here"},
    {"two documents", LEAST "---\nlog: {}\n",
     "/c.yaml:6:1: a second document begins; keep one in a file"},
    {"a tag", LEAST "log: !!map {format: json}\n",
     "/c.yaml:6:6: a YAML tag (!...) stands here; remove it"},
    {"unknown alias", LEAST "log: *nothing\n",
     "/c.yaml:6:6: found undefined alias; correct the YAML here"},
    {"bytes that are no UTF-8", LEAST "log: {format: \377}\n",
     "/c.yaml:6:15: invalid leading UTF-8 octet; write the file in UTF-8"},
    {"control character", "instance: \"a\\0b\"\n" DATAPLANE SERVERS ROUTES BOUNCES,
     "/c.yaml:1:11: `instance` holds a control character; remove it"},
    {"a list as a key", LEAST "[a, b]: c\n",
     "/c.yaml:6:1: a key must be a single value, not a list or a mapping; write one value"},
    {"nested too deep", LEAST "log: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
     "/c.yaml:6:29: nested too deep; no key lies that deep"},
    {"unknown key at the top", LEAST "colour: red\n",
     "/c.yaml:6:1: unknown key \"colour\" in the configuration; known here: include, instance, "
     "runtime, dataplane, virtual_servers, domains, routes, bounces, queue, bare_newline, "
     "limits, admin, log"},
    {"unknown key below", LEAST "queue: {colour: red}\n",
     "/c.yaml:6:9: unknown key \"colour\" in queue; known here: directory, retry, expire, "
     "sync, limit"},
    {"unknown key in a list",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  hostnam: b.example\n" ROUTES BOUNCES,
     "/c.yaml:7:3: unknown key \"hostnam\" in virtual_servers; known here: name, listen, "
     "hostname, connections, auth, tls, relay, greeting, trusted"},
    {"merge keys are unknown keys", LEAST "log: {<<: {format: json}}\n",
     "/c.yaml:6:7: unknown key \"<<\" in log; known here: format, to, refusals_per_second"},
    {"twice", LEAST "log: {format: json}\nlog: {to: stderr}\n",
     "/c.yaml:7:1: `log` stands twice, first at /c.yaml:6; remove one of them"},
    {"twice below", LEAST "log: {format: json, format: json}\n",
     "/c.yaml:6:21: `log.format` stands twice, first at /c.yaml:6; remove one of them"},
    {"nothing at all", "log: {format: json}\n",
     "/c.yaml:1:1: the configuration has no `instance`; add it: this edge's own host name, in "
     "logs and bounces\n/c.yaml:1:1: the configuration has no `dataplane`; add it: cores and "
     "network ports\n/c.yaml:1:1: the configuration has no `virtual_servers`; add it: "
     "listeners and their policy\n/c.yaml:1:1: the configuration has no `routes`; add it: "
     "where mail goes\n/c.yaml:1:1: the configuration has no `bounces`; add it: our own "
     "notices of mail that could not be delivered"},
    {"missing below",
     INSTANCE "dataplane: {cores: [0], ports: [{addresses: [10.0.0.2/24]}]}\n" SERVERS ROUTES
     BOUNCES,
     "/c.yaml:2:33: dataplane.ports has no `device`; add it: PCI address or DPDK devargs, as "
     "\"net_tap0,iface=sluice0\""},
    {"missing in a server",
     INSTANCE DATAPLANE "virtual_servers: [{listen: [\"10.0.0.2:25\"]}]\n" ROUTES BOUNCES,
     "/c.yaml:3:19: virtual_servers has no `name`; add it: what logs and tools call it\n"
     "/c.yaml:3:19: virtual_servers has no `hostname`; add it: the name it announces"},
    {"no bounces", INSTANCE DATAPLANE SERVERS ROUTES,
     "/c.yaml:1:1: the configuration has no `bounces`; add it: our own notices of mail that "
     "could not be delivered"},
    {"empty bounces", INSTANCE DATAPLANE SERVERS ROUTES "bounces: {}\n",
     "/c.yaml:5:10: bounces has no `route`; add it: route of bounces, by name"},
    {"list for a value", LEAST "queue: {directory: [a]}\n",
     "/c.yaml:6:20: `queue.directory` must be a single value, not a list or a mapping; write "
     "one value"},
    {"mapping for a value", LEAST "queue: {expire: {a: 5d}}\n",
     "/c.yaml:6:17: `queue.expire` must be a single value, not a list or a mapping; write one "
     "value"},
    {"value for a mapping", LEAST "queue: 5d\n",
     "/c.yaml:6:8: `queue` must be a mapping (key: value); write one"},
    {"value for a list",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  trusted: 192.0.2.1\n" ROUTES BOUNCES,
     "/c.yaml:7:12: `virtual_servers[].trusted` must be a list; write [ ... ] or one \"- \" "
     "line for each"},
    {"value for a rule",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  connections: {rules: [192.0.2.1]}\n" ROUTES BOUNCES,
     "/c.yaml:7:25: `virtual_servers[].connections.rules`: each entry must be a mapping (key: "
     "value); write one"},
    {"no value", "instance:\n" DATAPLANE SERVERS ROUTES BOUNCES,
     "/c.yaml:1:10: `instance` has no value; write this edge's own host name, in logs and "
     "bounces"},
    {"null", "instance: ~\n" DATAPLANE SERVERS ROUTES BOUNCES,
     "/c.yaml:1:11: `instance` has no value; write this edge's own host name, in logs and "
     "bounces"},
    {"empty text", "instance: \"\"\n" DATAPLANE SERVERS ROUTES BOUNCES,
     "/c.yaml:1:11: `instance` has no value; write this edge's own host name, in logs and "
     "bounces"},
    {"too long", "instance: " LONG "\n" DATAPLANE SERVERS ROUTES BOUNCES,
     "/c.yaml:1:11: `instance` is longer than 1024 bytes; shorten it"},
    {"no ports", INSTANCE "dataplane: {cores: [0], ports: []}\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:2:32: `dataplane.ports` has 0 entries; write 1 to 8"},
    {"too many ports",
     INSTANCE "dataplane: {cores: [0], ports: [{},{},{},{},{},{},{},{},{}]}\n" SERVERS ROUTES
     BOUNCES,
     "/c.yaml:2:32: `dataplane.ports` has 9 entries; write 1 to 8"},
    {"later: tls", LEAST "tls: {certificates: [{certificate: a.pem, key: a.key}]}\n",
     "/c.yaml:6:1: `tls`: this version of sluice does not have TLS yet; remove the key"},
    {"later: tls mode",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  tls: {mode: opportunistic}\n" ROUTES BOUNCES,
     "/c.yaml:7:15: `virtual_servers[].tls.mode`: this version of sluice does not have "
     "\"opportunistic\" yet; write none"},
    {"later: tls bits",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  tls: {mode: none, minimum_bits: 128}\n" ROUTES BOUNCES,
     "/c.yaml:7:21: `virtual_servers[].tls.minimum_bits`: this version of sluice does not have "
     "TLS yet; remove the key"},
    {"later: auth mode",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  auth: {mode: required}\n" ROUTES BOUNCES,
     "/c.yaml:7:16: `virtual_servers[].auth.mode`: this version of sluice does not have "
     "\"required\" yet; write none"},
    {"later: auth mechanisms",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  auth: {mechanisms: [PLAIN]}\n" ROUTES BOUNCES,
     "/c.yaml:7:10: `virtual_servers[].auth.mechanisms`: this version of sluice does not have "
     "AUTH yet; remove the key"},
    {"later: certificate rule",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  relay: {rules: [{certificate: {sha256: aa}, action: allow}]}\n" ROUTES BOUNCES,
     "/c.yaml:7:20: `virtual_servers[].relay.rules[].certificate`: this version of sluice does "
     "not have TLS yet; remove the key"},
    {"later: reverse DNS",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  connections: {rules: [{match: .dynamic.example, action: refuse}]}\n" ROUTES BOUNCES,
     "/c.yaml:7:33: `virtual_servers[].connections.rules[].match`: this version of sluice does "
     "not match by name yet (\".dynamic.example\"); write an address or a subnet, as "
     "203.0.113.0/24"},
    {"later: host name",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  relay: {rules: [{match: mail.example.net, action: allow}]}\n" ROUTES BOUNCES,
     "/c.yaml:7:27: `virtual_servers[].relay.rules[].match`: this version of sluice does not "
     "match by name yet (\"mail.example.net\"); write an address or a subnet, as 203.0.113.0/24"},
    {"later: mx", INSTANCE DATAPLANE SERVERS BOUNCES "routes:\n- {name: in, to: [\"mx:\"]}\n",
     "/c.yaml:6:19: `routes[].to[].url`: this version of sluice does not have mx: routes yet; "
     "write smtp://ADDRESS:PORT, maildir:/path or discard:"},
    {"later: lmtp",
     INSTANCE DATAPLANE SERVERS BOUNCES "routes:\n- {name: in, to: [\"lmtp://10.0.0.1:24\"]}\n",
     "/c.yaml:6:19: `routes[].to[].url`: this version of sluice does not have lmtp: routes "
     "yet; write smtp://ADDRESS:PORT, maildir:/path or discard:"},
    {"later: lmtp socket",
     INSTANCE DATAPLANE SERVERS BOUNCES
     "routes:\n- {name: in, to: [{url: \"lmtp:///run/lmtp\"}]}\n",
     "/c.yaml:6:25: `routes[].to[].url`: this version of sluice does not have lmtp: routes "
     "yet; write smtp://ADDRESS:PORT, maildir:/path or discard:"},
    {"later: host in a route",
     INSTANCE DATAPLANE SERVERS BOUNCES
     "routes:\n- {name: in, to: [\"smtp://mail.example.net:25\"]}\n",
     "/c.yaml:6:19: `routes[].to[].url`: \"smtp://mail.example.net:25\" names no address and "
     "port (this version of sluice looks up no host names yet); write it as "
     "smtp://10.25.1.10:25 or smtp://[fd25::10]:25"},
    {"later: route tls",
     INSTANCE DATAPLANE SERVERS BOUNCES
     "routes:\n- {name: in, to: [\"discard:\"], tls: opportunistic}\n",
     "/c.yaml:6:37: `routes[].tls`: this version of sluice does not have \"opportunistic\" "
     "yet; write none"},
};

static void keys_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_refused(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keys_refused)};

    return cmocka_run_group_tests_name("conf_keys", tests, NULL, NULL);
}
