/* queue_index.c - skip list of live messages, and filters; see queue_index.h. */
#include "queue_index.h"

#include <stdlib.h>
#include <strings.h>

#include "base_must.h"
#include "base_rand.h"

struct index {
    struct message *head[INDEX_HEIGHT];
    uint64_t count, bytes;
    struct rand rand;
};

struct index *index_new(uint64_t seed)
{
    struct index *x = calloc(1, sizeof(*x));

    must(x != NULL);
    rand_seed(&x->rand, seed, 2);
    return x;
}

struct index *index_free(struct index *x)
{
    if (x == NULL)
        return NULL;
    while (x->head[0] != NULL) {
        struct message *m = x->head[0];

        index_remove(x, m);
        body_drop(&m->body);
        message_free(x, m);
    }
    free(x);
    return NULL;
}

static uint32_t random_height(struct index *x)
{
    uint64_t r = rand_u64(&x->rand);
    uint32_t h = 1;

    while (h < INDEX_HEIGHT && (r & 3) == 0) { /* each level a quarter of the one below */
        h++;
        r >>= 2;
    }
    return h;
}

static struct span keep(uint8_t **at, struct span text)
{
    struct span kept = span_of(*at, text.len);

    if (text.len > 0)
        memcpy(*at, text.ptr, text.len);
    *at += text.len;
    return kept;
}

/* Recipients and their bytes; 0 where they are not as many as the header says. */
static size_t measure(const struct envelope *env, size_t *ret_text)
{
    struct span items = env->recipients, address;
    size_t n = 0, text = env->sender.len;

    while (envelope_next_recipient(&items, &address)) {
        if (address.len == 0 || address.len > ENVELOPE_PATH_MAX || ++n > RECIPIENTS_MAX)
            return 0;
        text += address.len;
    }
    *ret_text = text;
    return n == env->header.recipients ? n : 0;
}

struct message *message_make(struct index *x, const struct envelope *env)
{
    uint32_t height = random_height(x);
    size_t text, n = measure(env, &text);
    struct span items = env->recipients, address;
    struct message *m;
    size_t bytes;
    uint8_t *at;

    if (n == 0)
        return NULL;
    bytes = sizeof(*m) + height * sizeof(m->next[0]) + n * sizeof(struct recipient) + text;
    m = calloc(1, bytes);
    must(m != NULL);
    m->id = env->header.message;
    m->session = env->header.session;
    m->arrived_us = env->header.arrived_us;
    m->flags = env->header.flags;
    m->height = height;
    m->bytes = bytes;
    m->wait.at = WAIT_NOT;
    m->recipients = (struct recipient *)(void *)&m->next[height];
    m->recipients_n = (uint32_t)n;
    m->waiting = (uint32_t)n;
    at = (uint8_t *)(m->recipients + n);
    m->sender = keep(&at, env->sender);
    for (size_t i = 0; i < n && envelope_next_recipient(&items, &address); i++) {
        m->recipients[i].state = RECIPIENT_WAITING;
        m->recipients[i].address = keep(&at, address);
    }
    body_init(&m->body, BODY_MESSAGE, m->id, 0);
    x->bytes += bytes;
    return m;
}

struct message *message_free(struct index *x, struct message *m)
{
    if (m == NULL)
        return NULL;
    must(m->wait.at == WAIT_NOT && m->jobs == NULL && m->body.listed == NULL);
    for (uint32_t i = 0; i < m->recipients_n; i++)
        message_reason(x, &m->recipients[i], span_of(NULL, 0));
    x->bytes -= m->bytes;
    free(m);
    return NULL;
}

void message_reason(struct index *x, struct recipient *r, struct span text)
{
    if (r->reason != NULL) {
        x->bytes -= strlen(r->reason) + 1;
        free(r->reason);
        r->reason = NULL;
    }
    if (text.len == 0)
        return;
    if (text.len > REASON_BYTES_MAX)
        text.len = REASON_BYTES_MAX;
    r->reason = malloc(text.len + 1);
    must(r->reason != NULL);
    memcpy(r->reason, text.ptr, text.len);
    r->reason[text.len] = '\0';
    for (size_t i = 0; i < text.len; i++) /* a server's words: no byte that breaks a string */
        if (r->reason[i] == '\0')
            r->reason[i] = ' ';
    x->bytes += text.len + 1;
}

void message_enter(struct message *m, struct recipient *r, enum recipient_state state)
{
    m->waiting -= r->state == RECIPIENT_WAITING;
    m->held -= r->state == RECIPIENT_HELD;
    r->state = (uint8_t)state;
    m->waiting += state == RECIPIENT_WAITING;
    m->held += state == RECIPIENT_HELD;
}

/* The last node before id on each level. */
static void path(const struct index *x, uint64_t id, struct message *const **links)
{
    struct message *const *from = x->head;

    for (uint32_t level = INDEX_HEIGHT; level-- > 0;) {
        while (from[level] != NULL && from[level]->id < id)
            from = from[level]->next;
        links[level] = &from[level];
    }
}

bool index_insert(struct index *x, struct message *m)
{
    struct message *const *links[INDEX_HEIGHT];

    path(x, m->id, links);
    if (*links[0] != NULL && (*links[0])->id == m->id)
        return false;
    for (uint32_t level = 0; level < m->height; level++) {
        m->next[level] = *links[level];
        *(struct message **)(uintptr_t)links[level] = m;
    }
    x->count++;
    return true;
}

void index_remove(struct index *x, struct message *m)
{
    struct message *const *links[INDEX_HEIGHT];

    path(x, m->id, links);
    must(*links[0] == m);
    for (uint32_t level = 0; level < m->height; level++)
        *(struct message **)(uintptr_t)links[level] = m->next[level];
    x->count--;
}

struct message *index_find(const struct index *x, uint64_t id)
{
    struct message *const *links[INDEX_HEIGHT];

    path(x, id, links);
    return *links[0] != NULL && (*links[0])->id == id ? *links[0] : NULL;
}

struct message *index_after(const struct index *x, uint64_t id)
{
    struct message *const *links[INDEX_HEIGHT];

    if (id == UINT64_MAX)
        return NULL;
    path(x, id + 1, links);
    return *links[0];
}

uint64_t index_count(const struct index *x)
{
    return x->count;
}

uint64_t index_bytes(const struct index *x)
{
    return x->bytes;
}

/* Filters */

struct span address_domain(struct span address)
{
    for (size_t i = address.len; i-- > 0;)
        if (address.ptr[i] == '@')
            return span_skip(address, i + 1);
    return span_of(NULL, 0);
}

static bool same_text(struct span a, struct span b)
{
    return a.len == b.len &&
           (a.len == 0 || strncasecmp((const char *)a.ptr, (const char *)b.ptr, a.len) == 0);
}

static bool state_matches(enum filter_state wanted, const struct recipient *r)
{
    switch (wanted) {
    case FILTER_ANY:
        return true;
    case FILTER_QUEUED:
        return r->state == RECIPIENT_WAITING && !r->under_way && r->attempts == 0;
    case FILTER_DEFERRED:
        return r->state == RECIPIENT_WAITING && !r->under_way && r->attempts > 0;
    case FILTER_ACTIVE:
        return r->state == RECIPIENT_WAITING && r->under_way;
    case FILTER_HELD:
        return r->state == RECIPIENT_HELD;
    }
    return false;
}

const char *recipient_state_name(const struct recipient *r)
{
    if (r->state == RECIPIENT_HELD)
        return "held";
    if (r->state == RECIPIENT_DELIVERED)
        return "delivered";
    if (r->under_way)
        return "active";
    return r->attempts > 0 ? "deferred" : "queued";
}

bool filter_recipient(const struct filter *f, const struct recipient *r)
{
    return state_matches(f->state, r) &&
           (f->recipient.len == 0 || same_text(f->recipient, r->address)) &&
           (f->domain.len == 0 || same_text(f->domain, address_domain(r->address)));
}

bool filter_message(const struct filter *f, const struct message *m)
{
    if (m->state != MESSAGE_LIVE || m->doomed)
        return false;
    if (f->id != 0 && f->id != m->id)
        return false;
    if (f->null_sender ? m->sender.len != 0 : f->sender.len > 0 && !same_text(f->sender, m->sender))
        return false;
    for (uint32_t i = 0; i < m->recipients_n; i++)
        if (filter_recipient(f, &m->recipients[i]))
            return true;
    return false;
}
