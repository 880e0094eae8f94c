/* conf_text.h - a small whole configuration, and ways to change one thing in it. */
#ifndef CONF_TEXT_H
#define CONF_TEXT_H

/* The example of the documentation, without what later versions bring. */
#define CONF_TEXT_EXAMPLE                                                                       \
    "instance: mx1.example.net\n"                                                               \
    "\n"                                                                                        \
    "runtime:\n"                                                                                \
    "  directory: /run/sluice\n"                                                                \
    "  user: sluice\n"                                                                          \
    "\n"                                                                                        \
    "dataplane:\n"                                                                              \
    "  cores: [1]                      # one worker each; [1, 1] = two workers on CPU 1\n"      \
    "  memory: 512M\n"                                                                          \
    "  shared_config: false\n"                                                                  \
    "  hugepages: auto\n"                                                                       \
    "  ports:\n"                                                                                \
    "    - device: \"net_tap0,iface=sluice0\"\n"                                                \
    "      addresses: [10.25.0.25/24, \"fd25::25/64\"]\n"                                       \
    "      gateways: [10.25.0.1, \"fd25::1\"]\n"                                                \
    "  limits: {sessions: 100000}\n"                                                            \
    "\n"                                                                                        \
    "virtual_servers:\n"                                                                        \
    "  - name: inbound\n"                                                                       \
    "    listen: [\"10.25.0.25:25\", \"[fd25::25]:25\"]\n"                                      \
    "    hostname: mx1.example.net\n"                                                           \
    "    connections:\n"                                                                        \
    "      default: allow\n"                                                                    \
    "      rules:\n"                                                                            \
    "        - {match: 203.0.113.0/24, action: drop}\n"                                         \
    "        - {match: 198.51.100.7, action: tarpit}\n"                                         \
    "    auth: {mode: none}\n"                                                                  \
    "    tls: {mode: none}\n"                                                                   \
    "    relay: {default: deny, rules: [], authenticated: false}\n"                             \
    "    greeting: {wait: 0s, early: refuse}\n"                                                 \
    "    trusted: []\n"                                                                         \
    "  - name: relay\n"                                                                         \
    "    listen: [\"10.25.0.25:587\"]\n"                                                        \
    "    hostname: Mail.Example.NET\n"                                                          \
    "    relay:\n"                                                                              \
    "      default: deny\n"                                                                     \
    "      rules:\n"                                                                            \
    "        - {match: 192.0.2.0/28, action: allow}\n"                                          \
    "        - {local: 10.25.0.25, action: allow, i_accept_open_relay: true}\n"                 \
    "      deny: [198.51.100.0/24]\n"                                                           \
    "    trusted: [192.0.2.1]\n"                                                                \
    "\n"                                                                                        \
    "domains:\n"                                                                                \
    "  - {name: example.org, type: authoritative, recipients: {file: recipients.txt},\n"        \
    "     route: inside, subdomains: false}\n"                                                  \
    "  - {name: partner.example, type: internal-relay, recipients: {file: partner.txt},\n"      \
    "     route: inside, rest: outside}\n"                                                      \
    "\n"                                                                                        \
    "routes:\n"                                                                                 \
    "  - name: inside\n"                                                                        \
    "    to: [\"smtp://10.25.1.10:25\"]\n"                                                      \
    "    tls: none\n"                                                                           \
    "  - name: outside\n"                                                                       \
    "    to: [{url: \"maildir:outbound\", weight: 3}, \"discard:\"]\n"                          \
    "    domains: [\"*\"]\n"                                                                    \
    "\n"                                                                                        \
    "bounces: {route: inside, return: headers, rate: 10/s}\n"                                   \
    "\n"                                                                                        \
    "queue:\n"                                                                                  \
    "  directory: /var/spool/sluice\n"                                                          \
    "  retry: {first: 5s, maximum: 1h}\n"                                                       \
    "  expire: 5d\n"                                                                            \
    "  sync: always\n"                                                                          \
    "\n"                                                                                        \
    "bare_newline: {default: refuse, rules: [{match: 10.25.7.0/24, action: normalize}]}\n"      \
    "\n"                                                                                        \
    "limits: {message_size: 50M, recipients: 1000, connections_per_client: 50}\n"               \
    "\n"                                                                                        \
    "admin: {listen: \"127.0.0.1:8025\"}\n"                                                     \
    "log: {format: json, to: stderr}\n"

/* The least that loads, in pieces so that a test may put another in the place of one. */
#define CONF_TEXT_INSTANCE "instance: a.example\n"
#define CONF_TEXT_DATAPLANE                                                                     \
    "dataplane: {cores: [0], ports: [{device: net_null0, addresses: [10.0.0.2/24]}]}\n"
#define CONF_TEXT_SERVERS                                                                       \
    "virtual_servers: [{name: in, listen: [\"10.0.0.2:25\"], hostname: a.example}]\n"
#define CONF_TEXT_ROUTES  "routes: [{name: in, to: [\"discard:\"]}]\n"
#define CONF_TEXT_BOUNCES "bounces: {route: in}\n"
#define CONF_TEXT_LEAST                                                                         \
    CONF_TEXT_INSTANCE CONF_TEXT_DATAPLANE CONF_TEXT_SERVERS CONF_TEXT_ROUTES CONF_TEXT_BOUNCES

#endif
