/* Goal: what does not fit together is refused, each with its place and what to do.
 * Method: rows of a whole text and all the lines it must give, word for word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_refuse.h"

static const struct refuse_row rows[] = {
    {"include no list", LEAST "include: more.yaml\n",
     "/c.yaml:6:10: `include` must be a list of files; write include: [more.yaml]"},
    {"include missing", LEAST "include: [more.yaml]\n",
     "/c.yaml:6:11: cannot read /more.yaml: No such file or directory; name a file that can be "
     "read"},
    {"include itself", LEAST "include: [c.yaml]\n",
     "/c.yaml:6:11: /c.yaml is the configuration file itself; remove it here"},
    {"include below the top", LEAST "queue: {include: [more.yaml]}\n",
     "/c.yaml:6:9: unknown key \"include\" in queue; known here: directory, retry, expire, "
     "sync, limit"},
    {"listener on no port",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.3:25\"]\n  hostname: a.example\n"
     "  trusted: []\n" ROUTES BOUNCES,
     "/c.yaml:5:12: listener 10.0.0.3 is on no port; add the address to "
     "`dataplane.ports[].addresses` or listen on one of those"},
    {"listener twice",
     INSTANCE DATAPLANE
     "virtual_servers:\n- {name: a, listen: [\"10.0.0.2:25\"], hostname: a.example}\n"
     "- {name: b, listen: [\"10.0.0.2:25\"], hostname: a.example}\n" ROUTES BOUNCES,
     "/c.yaml:5:22: listener 10.0.0.2 port 25 overlaps the one of \"a\" at /c.yaml:4; remove "
     "one"},
    {"listener twice in one",
     INSTANCE DATAPLANE
     "virtual_servers:\n- {name: a, listen: [\"10.0.0.2:25\", \"10.0.0.2:25\"], hostname: "
     "a.example}\n" ROUTES BOUNCES,
     "/c.yaml:4:37: listener 10.0.0.2 port 25 overlaps the one of \"a\" at /c.yaml:4; remove "
     "one"},
    {"server names",
     INSTANCE DATAPLANE
     "virtual_servers:\n- {name: a, listen: [\"10.0.0.2:25\"], hostname: a.example}\n"
     "- {name: a, listen: [\"10.0.0.2:26\"], hostname: a.example}\n" ROUTES BOUNCES,
     "/c.yaml:5:10: virtual server \"a\" stands twice, first at /c.yaml:4; rename or remove one"},
    {"route names",
     INSTANCE DATAPLANE SERVERS BOUNCES
     "routes:\n- {name: in, to: [\"discard:\"]}\n- {name: in, to: [\"discard:\"]}\n",
     "/c.yaml:7:10: route \"in\" stands twice, first at /c.yaml:6; rename or remove one"},
    {"address twice",
     INSTANCE "dataplane:\n  cores: [0]\n  ports:\n  - device: net_null0\n"
     "    addresses: [10.0.0.2/24, 10.0.0.2/25]\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:6:30: 10.0.0.2 is an address of a port already, at /c.yaml:6; remove one"},
    {"address of two ports",
     INSTANCE "dataplane:\n  cores: [0]\n  ports:\n  - {device: a, addresses: [10.0.0.2/24]}\n"
     "  - {device: b, addresses: [10.0.0.2/24]}\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:6:29: 10.0.0.2 is an address of a port already, at /c.yaml:5; remove one"},
    {"device twice",
     INSTANCE "dataplane:\n  cores: [0]\n  ports:\n  - {device: a, addresses: [10.0.0.2/24]}\n"
     "  - {device: a, addresses: [10.0.1.2/24]}\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:6:14: device a is a port already, at /c.yaml:5; remove one"},
    {"subnet address",
     INSTANCE "dataplane:\n  cores: [0]\n  ports:\n  - device: net_null0\n"
     "    addresses: [10.0.0.2/24, 10.0.1.0/24]\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:6:30: 10.0.1.0 is the address of the subnet itself; give the port an address of "
     "its own"},
    {"broadcast address",
     INSTANCE "dataplane:\n  cores: [0]\n  ports:\n  - device: net_null0\n"
     "    addresses: [10.0.0.2/24, 10.0.1.255/24]\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:6:30: 10.0.1.255 is the broadcast address of its subnet; give the port an "
     "address of its own"},
    {"multicast address",
     INSTANCE "dataplane:\n  cores: [0]\n  ports:\n  - device: net_null0\n"
     "    addresses: [10.0.0.2/24, 224.0.0.1/24]\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:6:30: 224.0.0.1 is no host's address (RFC 1122 s3.2.1.3); give the port an "
     "address of its own"},
    {"multicast address, IPv6",
     INSTANCE "dataplane:\n  cores: [0]\n  ports:\n  - device: net_null0\n"
     "    addresses: [10.0.0.2/24, \"ff02::1/64\"]\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:6:30: ff02::1 is a multicast address; give the port an address of its own"},
    {"loopback address, IPv6",
     INSTANCE "dataplane:\n  cores: [0]\n  ports:\n  - device: net_null0\n"
     "    addresses: [10.0.0.2/24, \"::1/64\"]\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:6:30: ::1 is the unspecified or the loopback address; give the port an address "
     "of its own"},
    {"IPv6 on a small mtu",
     INSTANCE "dataplane:\n  cores: [0]\n  ports:\n  - device: net_null0\n"
     "    addresses: [10.0.0.2/24, \"fd25::25/64\"]\n    mtu: 1000\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:6:30: IPv6 needs an mtu of 1280 at least (RFC 8200 s5), this port has 1000; "
     "raise `mtu`"},
    {"gateway elsewhere",
     INSTANCE
     "dataplane:\n  cores: [0]\n  ports:\n  - device: net_null0\n    addresses: [10.0.0.2/24]\n"
     "    gateways: [10.0.1.1]\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:7:16: gateway 10.0.1.1 is on no subnet of this port; write one that `addresses` "
     "reaches"},
    {"gateway is ours",
     INSTANCE
     "dataplane:\n  cores: [0]\n  ports:\n  - device: net_null0\n    addresses: [10.0.0.2/24]\n"
     "    gateways: [10.0.0.2]\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:7:16: gateway 10.0.0.2 is an address of our own; write the router's"},
    {"reply by no gateway",
     INSTANCE
     "dataplane:\n  cores: [0]\n  ports:\n  - device: net_null0\n    addresses: [10.0.0.2/24]\n"
     "    reply: gateway\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:5:5: reply: gateway, but there is no IPv4 gateway; add one to `gateways`"},
    {"shared without huge pages",
     INSTANCE
     "dataplane:\n  ports: [{device: net_null0, addresses: [10.0.0.2/24]}]\n  cores: [0]\n"
     "  shared_config: true\n  hugepages: off\n" SERVERS ROUTES BOUNCES,
     "/c.yaml:5:18: shared_config needs huge pages, and `hugepages` is off; change one of them"},
    {"relay rule for nobody",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  relay: {rules: [{action: allow}]}\n" ROUTES BOUNCES,
     "/c.yaml:7:19: a relay rule needs `match` (a client) or `local` (our address), one of the "
     "two; add one"},
    {"relay rule for both",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  relay: {rules: [{match: 10.0.0.1, local: 10.0.0.2, action: allow}]}\n" ROUTES BOUNCES,
     "/c.yaml:7:19: a relay rule needs `match` (a client) or `local` (our address), one of the "
     "two; remove one"},
    {"local rule that denies",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  relay: {rules: [{local: 10.0.0.2, action: deny}]}\n" ROUTES BOUNCES,
     "/c.yaml:7:19: a `local` relay rule can only allow; write action: allow or remove the rule"},
    {"local rule not ours",
     INSTANCE DATAPLANE
     "virtual_servers:\n- name: in\n  listen: [\"10.0.0.2:25\"]\n  hostname: a.example\n"
     "  relay: {rules: [{local: 10.0.0.3, action: allow}]}\n" ROUTES BOUNCES,
     "/c.yaml:7:27: 10.0.0.3 is no address of ours; write one of `dataplane.ports[].addresses`"},
    {"domain twice",
     LEAST
     "domains:\n- {name: example.org, type: refuse}\n- {name: Example.ORG, type: refuse}\n",
     "/c.yaml:8:10: domain \"example.org\" stands twice, first at /c.yaml:7; rename or remove "
     "one"},
    {"authoritative alone", LEAST "domains: [{name: example.org, type: authoritative}]\n",
     "/c.yaml:6:11: domain \"example.org\" of type authoritative has no `recipients`; add it\n"
     "/c.yaml:6:11: domain \"example.org\" of type authoritative has no `route`; add it"},
    {"refuse with a route", LEAST "domains: [{name: example.org, type: refuse, route: in}]\n",
     "/c.yaml:6:52: domain \"example.org\" of type refuse has no use for `route`; remove it"},
    {"external relay with recipients",
     LEAST
     "domains: [{name: example.org, type: external-relay, route: in, recipients: {file: x}}]\n",
     "/c.yaml:6:83: domain \"example.org\" of type external-relay has no use for `recipients`; "
     "remove it"},
    {"internal relay without rest",
     LEAST
     "domains: [{name: example.org, type: internal-relay, route: in, recipients: {file: x}}]\n",
     "/c.yaml:6:11: domain \"example.org\" of type internal-relay has no `rest`; add it"},
    {"no such route", LEAST "domains: [{name: example.org, type: external-relay, route: inn}]\n",
     "/c.yaml:6:60: there is no route \"inn\"; add it to `routes` or name one of those"},
    {"no such route for bounces", INSTANCE DATAPLANE SERVERS ROUTES "bounces: {route: out}\n",
     "/c.yaml:5:18: there is no route \"out\"; add it to `routes` or name one of those"},
    {"route of a domain of ours",
     INSTANCE DATAPLANE SERVERS BOUNCES
     "routes:\n- {name: in, to: [\"discard:\"], domains: [example.org]}\n"
     "domains: [{name: example.org, type: refuse}]\n",
     "/c.yaml:6:42: example.org is one of `domains`, and its route is said there; remove it "
     "here"},
    {"two routes for all",
     INSTANCE DATAPLANE SERVERS BOUNCES
     "routes:\n- {name: in, to: [\"discard:\"], domains: [\"*\"]}\n"
     "- {name: out, to: [\"discard:\"], domains: [\"*\"]}\n",
     "/c.yaml:7:43: domain of a route \"*\" stands twice, first at /c.yaml:6; rename or remove "
     "one"},
    {"retry the wrong way round", LEAST "queue: {retry: {first: 2h, maximum: 1h}}\n",
     "/c.yaml:6:16: `queue.retry`: first is longer than maximum; lower first or raise maximum"},
    {"expires before a retry", LEAST "queue: {expire: 2s}\n",
     "/c.yaml:6:8: `queue.expire` is over before the first retry; raise it"},
    {"queue too small", LEAST "queue: {limit: {bytes: 64M}}\n",
     "/c.yaml:6:8: `queue.limit.bytes` has no room for two messages of `limits.message_size`; "
     "raise it"},
    {"several at once",
     "instance: 10.0.0.1\n" DATAPLANE SERVERS ROUTES
     "bounces: {route: in, rate: x}\ncolour: red\n",
     "/c.yaml:1:11: `instance`: \"10.0.0.1\" is no host or domain name; write it as "
     "mx1.example.net (international names in their xn-- form)\n"
     "/c.yaml:5:28: `bounces.rate`: \"x\" is no rate; write it as 10/s, 60/m or 1000/h\n"
     "/c.yaml:6:1: unknown key \"colour\" in the configuration; known here: include, instance, "
     "runtime, dataplane, virtual_servers, domains, routes, bounces, queue, bare_newline, "
     "limits, admin, log"},
};

static void wholes_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        check_refused(&rows[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(wholes_refused)};

    return cmocka_run_group_tests_name("conf_check", tests, NULL, NULL);
}
