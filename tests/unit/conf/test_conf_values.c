/* Goal: every type of value refuses what is not of it, with its place and what to do.
 * Method: rows of a whole text and all the lines it must give, word for word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_refuse.h"

static const struct refuse_row rows[] = {
    {"choice",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  connections: {default: maybe}\n" ROUTES BOUNCES,
     "/c.yaml:7:26: `virtual_servers[].connections.default` cannot be \"maybe\"; write allow, "
     "drop, reset, refuse or deny"},
    {"tarpit is no default",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  connections: {default: tarpit}\n" ROUTES BOUNCES,
     "/c.yaml:7:26: `virtual_servers[].connections.default` cannot be \"tarpit\"; write allow, "
     "drop, reset, refuse or deny"},
    {"bool",
     INSTANCE
     "dataplane:\n  ports: [{device: net_null0, addresses: [10.0.0.2/24]}]\n  cores: [0]\n"
     "  shared_config: yes\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:5:18: `dataplane.shared_config`: \"yes\" is neither true nor false; write true "
     "or false"},
    {"quoted bool",
     INSTANCE
     "dataplane:\n  ports: [{device: net_null0, addresses: [10.0.0.2/24]}]\n  cores: [0]\n"
     "  shared_config: \"true\"\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:5:18: `dataplane.shared_config` is a quoted text, but must be true or false; "
     "remove the quotes"},
    {"quoted number",
     INSTANCE
     "dataplane:\n  ports: [{device: net_null0, addresses: [10.0.0.2/24]}]\n  cores: [\"0\"]\n"
     SERVERS ROUTES BOUNCES,
     "/c.yaml:4:11: `dataplane.cores[]` is a quoted text, but must be a number; remove the "
     "quotes"},
    {"no number",
     INSTANCE
     "dataplane:\n  ports: [{device: net_null0, addresses: [10.0.0.2/24]}]\n  cores: [one]\n"
     SERVERS ROUTES BOUNCES,
     "/c.yaml:4:11: `dataplane.cores[]`: \"one\" is not a whole number; write digits only"},
    {"negative number",
     INSTANCE
     "dataplane:\n  ports: [{device: net_null0, addresses: [10.0.0.2/24]}]\n  cores: [-1]\n"
     SERVERS ROUTES BOUNCES,
     "/c.yaml:4:11: `dataplane.cores[]`: \"-1\" is not a whole number; write digits only"},
    {"leading zero",
     INSTANCE
     "dataplane:\n  ports: [{device: net_null0, addresses: [10.0.0.2/24]}]\n  cores: [010]\n"
     SERVERS ROUTES BOUNCES,
     "/c.yaml:4:11: `dataplane.cores[]`: \"010\" is not a whole number; write digits only"},
    {"core out of range",
     INSTANCE
     "dataplane:\n  ports: [{device: net_null0, addresses: [10.0.0.2/24]}]\n  cores: [1024]\n"
     SERVERS ROUTES BOUNCES,
     "/c.yaml:4:11: `dataplane.cores[]`: 1024 is out of range; write 0 to 1023"},
    {"no cores",
     INSTANCE
     "dataplane:\n  ports: [{device: net_null0, addresses: [10.0.0.2/24]}]\n  cores: []\n"
     SERVERS ROUTES BOUNCES,
     "/c.yaml:4:10: `dataplane.cores` has 0 entries; write 1 to 16"},
    {"17 cores",
     INSTANCE
     "dataplane:\n  ports: [{device: net_null0, addresses: [10.0.0.2/24]}]\n"
     "  cores: [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:4:10: `dataplane.cores` has 17 entries; write 1 to 16"},
    {"number too large",
     INSTANCE
     "dataplane:\n  ports: [{device: net_null0, addresses: [10.0.0.2/24]}]\n  cores: [0]\n"
     "  limits: {sessions: 99999999999999999999}\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:5:22: `dataplane.limits.sessions`: 99999999999999999999 is out of range; write 1 "
     "to 16000000"},
    {"sessions",
     INSTANCE
     "dataplane:\n  ports: [{device: net_null0, addresses: [10.0.0.2/24]}]\n  cores: [0]\n"
     "  limits: {sessions: 0}\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:5:22: `dataplane.limits.sessions`: 0 is out of range; write 1 to 16000000"},
    {"size",
     INSTANCE
     "dataplane:\n  ports: [{device: net_null0, addresses: [10.0.0.2/24]}]\n  cores: [0]\n"
     "  memory: 512MB\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:5:11: `dataplane.memory`: \"512MB\" is not a size; write one, as 512K, 64M or 2G"},
    {"size out of range",
     INSTANCE
     "dataplane:\n  ports: [{device: net_null0, addresses: [10.0.0.2/24]}]\n  cores: [0]\n"
     "  memory: 1M\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:5:11: `dataplane.memory`: 1M is out of range; write 64M to 1T"},
    {"message size", LEAST "limits: {message_size: 1G}\n",
     "/c.yaml:6:24: `limits.message_size`: 1G is out of range; write 64K to 60M"},
    {"recipients", LEAST "limits: {recipients: 99}\n",
     "/c.yaml:6:22: `limits.recipients`: 99 is out of range; write 100 to 100000"},
    {"time without unit", LEAST "queue: {expire: 5}\n",
     "/c.yaml:6:17: `queue.expire`: \"5\" is not a time; write one, as 100ms, 5s, 3m, 1h or 5d"},
    {"time out of range", LEAST "queue: {expire: 100ms}\n",
     "/c.yaml:6:17: `queue.expire`: 100ms is out of range; write 1s to 60d"},
    {"rate", INSTANCE DATAPLANE SERVERS ROUTES "bounces: {route: in, rate: fast}\n",
     "/c.yaml:5:28: `bounces.rate`: \"fast\" is no rate; write it as 10/s, 60/m or 1000/h"},
    {"rate of zero", INSTANCE DATAPLANE SERVERS ROUTES "bounces: {route: in, rate: 0/s}\n",
     "/c.yaml:5:28: `bounces.rate`: 0/s is out of range; write 1 to 1000000 before the /"},
    {"name",
     INSTANCE DATAPLANE
     "virtual_servers: [{name: \"in bound\", listen: [\"10.0.0.2:25\"], hostname: a.example}]\n"
     ROUTES BOUNCES,
     "/c.yaml:3:26: `virtual_servers[].name`: \"in bound\" is no name; write up to 64 letters, "
     "digits, '.', '-' and '_'"},
    {"host", "instance: mx1..example\n" DATAPLANE SERVERS ROUTES BOUNCES,
     "/c.yaml:1:11: `instance`: \"mx1..example\" is no host or domain name; write it as "
     "mx1.example.net (international names in their xn-- form)"},
    {"host with a final dot", "instance: mx1.example.\n" DATAPLANE SERVERS ROUTES BOUNCES,
     "/c.yaml:1:11: `instance`: \"mx1.example.\" is no host or domain name; write it as "
     "mx1.example.net (international names in their xn-- form)"},
    {"host that is an address", "instance: 10.0.0.1\n" DATAPLANE SERVERS ROUTES BOUNCES,
     "/c.yaml:1:11: `instance`: \"10.0.0.1\" is no host or domain name; write it as "
     "mx1.example.net (international names in their xn-- form)"},
    {"international host", "instance: b\303\274cher.example\n" DATAPLANE SERVERS ROUTES BOUNCES,
     "/c.yaml:1:11: `instance`: \"b\303\274cher.example\" is no host or domain name; write it "
     "as mx1.example.net (international names in their xn-- form)"},
    {"device",
     INSTANCE "dataplane:\n  cores: [0]\n  ports:\n  - device: \"net null\"\n"
     "    addresses: [10.0.0.2/24]\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:5:13: `dataplane.ports[].device`: \"net null\" is no device; write a PCI address "
     "or DPDK devargs without blanks, as \"net_tap0,iface=sluice0\""},
    {"device that is an option",
     INSTANCE "dataplane:\n  cores: [0]\n  ports:\n  - device: \"--no-pci\"\n"
     "    addresses: [10.0.0.2/24]\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:5:13: `dataplane.ports[].device`: \"--no-pci\" is no device; write a PCI address "
     "or DPDK devargs without blanks, as \"net_tap0,iface=sluice0\""},
    {"user", LEAST "runtime: {user: 'a b'}\n",
     "/c.yaml:6:17: `runtime.user`: \"a b\" is no user name; write one that exists, as sluice"},
    {"runtime directory too long",
     LEAST
     "runtime: {directory: /rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr"
     "rrrrrrrrrrrrr}\n",
     "/c.yaml:6:22: `runtime.directory`: "
     "/rrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrrr is "
     "longer than 80 bytes; choose a shorter path"},
    {"port address without subnet",
     INSTANCE
     "dataplane:\n  cores: [0]\n  ports:\n  - device: net_null0\n    addresses: [10.0.0.2]\n"
     SERVERS ROUTES BOUNCES,
     "/c.yaml:6:17: `dataplane.ports[].addresses[]`: \"10.0.0.2\" is no address with its "
     "subnet; write it as 10.25.0.25/24 or fd25::25/64"},
    {"port address",
     INSTANCE "dataplane:\n  cores: [0]\n  ports:\n  - device: net_null0\n"
     "    addresses: [10.0.0.256/24]\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:6:17: `dataplane.ports[].addresses[]`: \"10.0.0.256/24\" is no address with its "
     "subnet; write it as 10.25.0.25/24 or fd25::25/64"},
    {"prefix",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  trusted: [10.0.0.0/33]\n" ROUTES BOUNCES,
     "/c.yaml:7:13: `virtual_servers[].trusted[]`: \"10.0.0.0/33\" is no address or subnet; "
     "write one, as 203.0.113.0/24 or 2001:db8::/32"},
    {"prefix with host bits",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  trusted: [10.0.0.7/24]\n" ROUTES BOUNCES,
     "/c.yaml:7:13: `virtual_servers[].trusted[]`: 10.0.0.7/24 has bits set beyond its prefix; "
     "write 10.0.0.0/24 for the whole subnet, or the address alone"},
    {"prefix with host bits, IPv6",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  trusted: [\"2001:db8::1/32\"]\n" ROUTES BOUNCES,
     "/c.yaml:7:13: `virtual_servers[].trusted[]`: 2001:db8::1/32 has bits set beyond its "
     "prefix; write 2001:db8::/32 for the whole subnet, or the address alone"},
    {"mask with holes",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  trusted: [10.0.0.0/255.0.255.0]\n" ROUTES BOUNCES,
     "/c.yaml:7:13: `virtual_servers[].trusted[]`: \"10.0.0.0/255.0.255.0\" is no address or "
     "subnet; write one, as 203.0.113.0/24 or 2001:db8::/32"},
    {"gateway",
     INSTANCE
     "dataplane:\n  cores: [0]\n  ports:\n  - device: net_null0\n    addresses: [10.0.0.2/24]\n"
     "    gateways: [router]\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:7:16: `dataplane.ports[].gateways[]`: \"router\" is no address; write one, as "
     "10.25.0.1 or fd25::1"},
    {"listen without port",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2\"]\n  hostname: a.example\n"
     "  greeting: {wait: 0s}\n" ROUTES BOUNCES,
     "/c.yaml:5:12: `virtual_servers[].listen[]`: \"10.0.0.2\" is no address and port; write "
     "them as \"10.25.0.25:25\" or \"[fd25::25]:25\""},
    {"listen port 0",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:0\"]\n  hostname: a.example\n"
     "  greeting: {wait: 0s}\n" ROUTES BOUNCES,
     "/c.yaml:5:12: `virtual_servers[].listen[]`: \"10.0.0.2:0\" is no address and port; write "
     "them as \"10.25.0.25:25\" or \"[fd25::25]:25\""},
    {"listen without brackets",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"fd25::25:25\"]\n  hostname: a.example\n"
     "  greeting: {wait: 0s}\n" ROUTES BOUNCES,
     "/c.yaml:5:12: `virtual_servers[].listen[]`: \"fd25::25:25\" is no address and port; "
     "write them as \"10.25.0.25:25\" or \"[fd25::25]:25\""},
    {"greeting too long",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  greeting: {wait: 2m}\n" ROUTES BOUNCES,
     "/c.yaml:7:20: `virtual_servers[].greeting.wait`: 2m is out of range; write 0s to 1m"},
    {"local is one address",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  relay: {rules: [{local: 10.0.0.0/24, action: allow}]}\n" ROUTES BOUNCES,
     "/c.yaml:7:27: `virtual_servers[].relay.rules[].local`: \"10.0.0.0/24\" is no address; "
     "write one, as 10.25.0.1 or fd25::1"},
    {"route domain",
     INSTANCE DATAPLANE SERVERS BOUNCES
     "routes:\n- {name: in, to: [\"discard:\"], domains: [.example]}\n",
     "/c.yaml:6:42: `routes[].domains[]`: \".example\" is no domain; write one, as "
     "example.net, or \"*\" for all"},
    {"route url", INSTANCE DATAPLANE SERVERS BOUNCES "routes:\n- {name: in, to: [http://x]}\n",
     "/c.yaml:6:19: `routes[].to[].url`: \"http://x\" is no route; write smtp://ADDRESS:PORT, "
     "maildir:/path or discard:"},
    {"smtp without port",
     INSTANCE DATAPLANE SERVERS BOUNCES "routes:\n- {name: in, to: [\"smtp://10.0.0.1\"]}\n",
     "/c.yaml:6:19: `routes[].to[].url`: \"smtp://10.0.0.1\" names no address and port (this "
     "version of sluice looks up no host names yet); write it as smtp://10.25.1.10:25 or "
     "smtp://[fd25::10]:25"},
    {"maildir without path",
     INSTANCE DATAPLANE SERVERS BOUNCES "routes:\n- {name: in, to: [\"maildir:\"]}\n",
     "/c.yaml:6:19: `routes[].to[].url`: \"maildir:\" names no Maildir; write it as "
     "maildir:/var/mail/edge"},
    {"weight",
     INSTANCE DATAPLANE SERVERS BOUNCES
     "routes:\n- {name: in, to: [{url: \"discard:\", weight: 0}]}\n",
     "/c.yaml:6:45: `routes[].to[].weight`: 0 is out of range; write 1 to 1000"},
    {"target without url",
     INSTANCE DATAPLANE SERVERS BOUNCES "routes:\n- {name: in, to: [{weight: 1}]}\n",
     "/c.yaml:6:19: routes[].to has no `url`; add it: smtp://10.25.1.10:25, maildir:/path or "
     "discard:"},
    {"route to nowhere", INSTANCE DATAPLANE SERVERS BOUNCES "routes:\n- {name: in, to: []}\n",
     "/c.yaml:6:18: `routes[].to` has 0 entries; write 1 to 16"},
    {"admin", LEAST "admin: {listen: 8025}\n",
     "/c.yaml:6:17: `admin.listen`: \"8025\" is no address and port; write them as "
     "\"10.25.0.25:25\" or \"[fd25::25]:25\""},
    {"admin without listen", LEAST "admin: {}\n",
     "/c.yaml:6:8: admin has no `listen`; add it: where, as \"127.0.0.1:8025\", on the host's "
     "own network"},
    {"log to elsewhere", LEAST "log: {to: /var/log/sluice}\n",
     "/c.yaml:6:11: `log.to` cannot be \"/var/log/sluice\"; write stderr"},
};

static void values_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_refused(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(values_refused)};

    return cmocka_run_group_tests_name("conf_values", tests, NULL, NULL);
}
