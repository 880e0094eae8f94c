/* control_state.h - what control_*.c share; nobody outside the folder includes it. */
#ifndef CONTROL_STATE_H
#define CONTROL_STATE_H

#include "admin_http.h"
#include "control_link.h"
#include "control_loop.h"
#include "control_reload.h"
#include "control_socket.h"
#include "metrics_text.h"

#define PENDING_MAX SOCKET_CLIENTS /* a client has one request in work */
#define ORDER_US 30000000u         /* for dataplane or queue to answer an order */
#define STATUS_US 2000000u         /* status shows what came by then */
#define POLICY_US 10000000u        /* for the dataplane to take an image */
#define ADMIN_RETRY_US 5000000u
#define PUBLISH_RETRY_US 100000u

/* epoll; below these a peer, IPC_RUN is the link */
enum { TAG_SOCKET = IPC_KINDS, TAG_ADMIN };

#define CLIENT_NOBODY 0 /* as who asked: run did, the log is the answer */

enum pending_what { PENDING_FREE, PENDING_ORDER, PENDING_STATUS };

/* A request that waits for answers of other processes. */
struct pending {
    enum pending_what what;
    uint64_t    client;
    uint32_t    token[2];  /* of the orders, 0: none, answered; status: dataplane, queue */
    json_t     *answer[2];
    enum ipc_kind kind;    /* ORDER: who was asked */
    struct usec due;
};

struct control {
    int          epoll_fd;
    struct usec  now;
    bool         over, started;
    int          status;
    uint32_t     epoch;
    char         instance[256];
    char         config[4096];
    char         runtime[4096];
    struct links links;
    uint32_t     last_token;
    struct control_socket *socket;
    struct admin_http     *admin;
    struct admin_source    admin_source;
    struct ip_addr         admin_ip;      /* where admin is bound */
    uint16_t               admin_port;
    struct usec            admin_due;     /* next try to bind; UINT64_MAX: none needed */
    json_t                *baseline;
    struct loaded          current;       /* what everybody has or is to get */
    struct loaded          candidate;     /* offered to the dataplane, not yet taken */
    uint64_t               candidate_client;
    bool                   reload_wanted; /* by run; waits for a reload that is going on */
    bool                   drained;       /* by an operator: so is every new dataplane */
    struct usec            candidate_due;
    uint64_t               last_generation;
    char                   load_error[CONF_ERROR_BYTES]; /* of the last reload, "": it went well */
    bool                   publish[IPC_KINDS];           /* this peer is still to get the image */
    uint64_t               peer_generation[IPC_KINDS];   /* what it said it has */
    struct pending         pending[PENDING_MAX];
    struct metrics         metrics;
    struct link_message    message;
};

/* control_publish.c: the way of an image. */
int  control_load(struct control *c, struct loaded *ret, struct conf_error *error);
/* Becomes current, and is published; dataplane_too: it does not have it yet. */
void control_adopt(struct control *c, struct loaded *take_loaded, bool dataplane_too);
/* What the other processes were started with: kept from before, or else this conf. */
void control_baseline_find(struct control *c, const struct conf *conf);
void control_publish(struct control *c); /* to whoever is still to get it */
void control_reload(struct control *c, uint64_t client);
void control_policy_set(struct control *c, enum ipc_kind kind, const char *text);
void control_candidate_settle(struct control *c); /* time, or a dataplane that went away */

/* Binds where conf says; keeps what it has when that is the same.  0 or -errno. */
int control_admin_bind(struct control *c, const struct conf *conf);

/* control_command.c: what a client asks. */
void control_request(struct control *c, const struct control_request *request);
void control_answer(struct control *c, enum ipc_kind kind, uint32_t token, const char *text);
void control_pending_settle(struct control *c); /* time, or a peer that went away */
void control_drain_again(struct control *c);    /* a new dataplane is told what the last one was */
struct usec control_pending_due(const struct control *c);

/* control_figures.c: /metrics, /stats, stats. */
void    control_gather(struct control *c);
json_t *control_stats(struct control *c);
json_t *control_processes(const struct control *c);
int     control_page(void *ctx, enum admin_page page, char **ret_body, size_t *ret_bytes);

#endif
