/* queue_admin.c - orders parsed, worked in slices over the index, answered; see queue_admin.h. */
#include "queue_admin.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base_must.h"
#include "ipc_id.h"
#include "queue_change.h"

enum verb { DO_COUNT, DO_LIST, DO_SHOW, DO_FLUSH, DO_HOLD, DO_RELEASE, DO_DELETE, DO_SETTINGS };

static const struct {
    const char *name, *result; /* the answer's key for the number acted on */
} verbs[] = {
    [DO_COUNT] = {"count",    "count"   },
      [DO_LIST] = {"list",     NULL      },
    [DO_SHOW] = {"show",     NULL      },
      [DO_FLUSH] = {"flush",    "flushed" },
    [DO_HOLD] = {"hold",     "held"    },
      [DO_RELEASE] = {"release",  "released"},
    [DO_DELETE] = {"delete",   "deleted" },
      [DO_SETTINGS] = {"settings", NULL      },
};

struct order {
    uint32_t token;
    json_t *json; /* the filter's texts live in it */
    enum verb verb;
    struct filter filter;
    uint64_t cursor; /* id after which to go on */
    uint64_t limit, count;
    json_t *list;
    size_t list_bytes;
    const char *error;
};

struct admin {
    struct order orders[ADMIN_WAITING_MAX];
    uint32_t first, count;
};

struct admin *admin_new(void)
{
    struct admin *a = calloc(1, sizeof(*a));

    must(a != NULL);
    return a;
}

static void drop_first(struct admin *a)
{
    struct order *o = &a->orders[a->first];

    json_decref(o->json);
    json_decref(o->list);
    memset(o, 0, sizeof(*o));
    a->first = (a->first + 1) % ADMIN_WAITING_MAX;
    a->count--;
}

void admin_forget(struct admin *a)
{
    while (a->count > 0)
        drop_first(a);
}

struct admin *admin_free(struct admin *a)
{
    if (a == NULL)
        return NULL;
    admin_forget(a);
    free(a);
    return NULL;
}

bool admin_busy(const struct admin *a)
{
    return a->count > 0;
}

/* Parsing */

static struct span text_of(const json_t *object, const char *key)
{
    const json_t *v = json_object_get(object, key);

    return json_is_string(v) ? span_of(json_string_value(v), json_string_length(v))
                             : span_of(NULL, 0);
}

static const char *parse_filter(struct order *o, const json_t *f)
{
    static const struct {
        const char *name;
        enum filter_state state;
    } states[] = {
        {"queued",   FILTER_QUEUED  },
        {"deferred", FILTER_DEFERRED},
        {"active",   FILTER_ACTIVE  },
        {"held",     FILTER_HELD    }
    };
    struct span id = text_of(f, "id"), state = text_of(f, "state");

    if (f != NULL && !json_is_null(f) && !json_is_object(f))
        return "filter is not an object";
    if (id.len > 0 && id_parse(id, &o->filter.id) < 0)
        return "the message id is not one";
    o->filter.sender = text_of(f, "sender");
    o->filter.null_sender = span_equal(o->filter.sender, span_str("<>"));
    o->filter.recipient = text_of(f, "recipient");
    o->filter.domain = text_of(f, "domain");
    for (size_t i = 0; i < ARRAY_LEN(states); i++)
        if (span_equal(state, span_str(states[i].name)))
            o->filter.state = states[i].state;
    if (state.len > 0 && o->filter.state == FILTER_ANY)
        return "state is none of queued, deferred, active, held";
    return NULL;
}

static const char *parse(struct order *o)
{
    struct span name = text_of(o->json, "order"), after = text_of(o->json, "after");
    const json_t *limit = json_object_get(o->json, "limit");
    size_t verb = 0;

    while (verb < ARRAY_LEN(verbs) && !span_equal(name, span_str(verbs[verb].name)))
        verb++;
    if (verb == ARRAY_LEN(verbs))
        return "the queue does not know this order";
    o->verb = (enum verb)verb;
    if (after.len > 0 && id_parse(after, &o->cursor) < 0)
        return "after is not a message id";
    o->limit = ADMIN_LIST_MAX;
    if (json_is_integer(limit) && json_integer_value(limit) > 0 &&
        (uint64_t)json_integer_value(limit) < o->limit)
        o->limit = (uint64_t)json_integer_value(limit);
    if (o->verb == DO_LIST)
        o->list = json_array();
    return parse_filter(o, json_object_get(o->json, "filter"));
}

int admin_order(struct admin *a, uint32_t token, const char *text)
{
    struct order *o = &a->orders[(a->first + a->count) % ADMIN_WAITING_MAX];

    if (a->count == ADMIN_WAITING_MAX)
        return -EBUSY;
    a->count++;
    memset(o, 0, sizeof(*o));
    o->token = token;
    o->json = json_loads(text, 0, NULL);
    o->error = o->json == NULL ? "the order is not JSON" : parse(o);
    return 0;
}

/* Showing */

/* Any bytes as a JSON string: what is not printable ASCII or whole UTF-8 becomes '?'. */
static json_t *json_of(struct span text)
{
    json_t *s = json_stringn((const char *)text.ptr, text.len);
    char plain[1024];
    size_t n = text.len < sizeof(plain) ? text.len : sizeof(plain);

    if (text.len == 0)
        return json_string("");
    if (s != NULL)
        return s;
    for (size_t i = 0; i < n; i++)
        plain[i] = text.ptr[i] < 0x80 ? (char)text.ptr[i] : '?';
    return json_stringn(plain, n);
}

static json_t *json_id(uint64_t id)
{
    char text[ID_TEXT_LEN + 1];

    id_text(id, text);
    return json_string(text);
}

static json_t *show_recipient(const struct queue *q, const struct recipient *r, bool route)
{
    json_t *o = json_object();
    char status[16] = "";

    json_object_set_new(o, "address", json_of(r->address));
    json_object_set_new(o, "state", json_string(recipient_state_name(r)));
    json_object_set_new(o, "attempts", json_integer(r->attempts));
    if (r->state == RECIPIENT_WAITING && !r->under_way && r->next_us != 0)
        json_object_set_new(o, "next", json_integer((json_int_t)r->next_us));
    else
        json_object_set_new(o, "next", json_null());
    json_object_set_new(o, "reason",
                        r->reason == NULL ? json_null() : json_of(span_str(r->reason)));
    if (r->status[0] != 0)
        snprintf(status, sizeof(status), "%u.%u.%u", r->status[0], r->status[1], r->status[2]);
    json_object_set_new(o, "status", json_string(status));
    json_object_set_new(o, "code", json_integer(r->code));
    if (route) {
        uint32_t number = route_of(&q->route, r->address);

        json_object_set_new(o, "route",
                            number == POLICY_NONE ? json_null()
                                                  : json_of(route_name(&q->route, number)));
    }
    return o;
}

static uint64_t expires_us(const struct queue *q, const struct message *m)
{
    uint64_t expire = q->settings.retry.expire_us, most = (uint64_t)INT64_MAX - m->stored_us;

    return m->stored_us + (expire < most ? expire : most);
}

static json_t *show_message(const struct queue *q, const struct message *m, uint32_t shown,
                            bool route)
{
    json_t *o = json_object(), *recipients = json_array();

    for (uint32_t i = 0; i < m->recipients_n && i < shown; i++)
        json_array_append_new(recipients, show_recipient(q, &m->recipients[i], route));
    json_object_set_new(o, "id", json_id(m->id));
    json_object_set_new(o, "session", json_id(m->session));
    json_object_set_new(o, "arrived", json_integer((json_int_t)m->arrived_us));
    json_object_set_new(o, "expires", json_integer((json_int_t)expires_us(q, m)));
    json_object_set_new(o, "sender", json_of(m->sender));
    json_object_set_new(o, "bytes", json_integer((json_int_t)m->content_bytes));
    json_object_set_new(o, "recipients", recipients);
    json_object_set_new(o, "recipients_total", json_integer(m->recipients_n));
    return o;
}

/* False when the list is full; the message is then not in it. */
static bool list_one(struct queue *q, struct order *o, const struct message *m)
{
    json_t *shown;
    char *text;
    size_t bytes;

    if (o->count == o->limit)
        return false;
    shown = show_message(q, m, ADMIN_RECIPIENTS_SHOWN, false);
    text = json_dumps(shown, JSON_COMPACT);
    bytes = text == NULL ? 0 : strlen(text) + 1;
    free(text);
    if (o->list_bytes + bytes > ADMIN_TEXT_MAX) {
        json_decref(shown);
        return false;
    }
    json_array_append_new(o->list, shown);
    o->list_bytes += bytes;
    o->count++;
    return true;
}

/* Working */

/* False: the order is complete here. */
static bool work_one(struct queue *q, struct order *o, struct message *m)
{
    switch (o->verb) {
    case DO_COUNT:
        o->count++;
        return true;
    case DO_LIST:
        return list_one(q, o, m);
    case DO_FLUSH:
        o->count += change_flush(q, m, &o->filter);
        return true;
    case DO_HOLD:
        o->count += change_hold(q, m, &o->filter);
        return true;
    case DO_RELEASE:
        o->count += change_release(q, m, &o->filter);
        return true;
    case DO_DELETE:
        o->count += change_delete(q, m, &o->filter);
        return true;
    case DO_SHOW:
    case DO_SETTINGS:
        break;
    }
    return false;
}

/* True when all is seen. */
static bool work(struct queue *q, struct order *o)
{
    if (o->filter.id != 0) { /* one message: no walk */
        struct message *m = index_find(q->index, o->filter.id);

        if (m != NULL && m->id > o->cursor && filter_message(&o->filter, m))
            (void)work_one(q, o, m);
        o->cursor = 0;
        return true;
    }
    for (uint32_t n = 0; n < TURN_ADMIN; n++) {
        struct message *m = index_after(q->index, o->cursor);

        if (m == NULL) {
            o->cursor = 0;
            return true;
        }
        if (filter_message(&o->filter, m) && !work_one(q, o, m))
            return true; /* cursor: the last one in the list */
        o->cursor = m->id;
    }
    return false;
}

static char *text_and_free(json_t *answer)
{
    char *text = json_dumps(answer, JSON_COMPACT);

    json_decref(answer);
    must(text != NULL);
    return text;
}

static char *error_text(const char *error)
{
    return text_and_free(json_pack("{s:b, s:s}", "ok", 0, "error", error));
}

static char *show(struct queue *q, struct order *o)
{
    struct message *m = o->filter.id == 0 ? NULL : index_find(q->index, o->filter.id);
    char *text;

    if (o->filter.id == 0)
        return error_text("show wants a message id");
    if (m == NULL || m->state == MESSAGE_COMMITTING)
        return error_text("no such message is queued");
    for (uint32_t shown = m->recipients_n;; shown /= 2) { /* as many as fit an answer */
        text = text_and_free(
            json_pack("{s:b, s:o}", "ok", 1, "message", show_message(q, m, shown, true)));
        if (strlen(text) < ADMIN_TEXT_MAX || shown == 0)
            return text;
        free(text);
    }
}

static uint64_t number_or(const json_t *o, const char *key, uint64_t otherwise)
{
    const json_t *v = json_object_get(o, key);

    return json_is_integer(v) && json_integer_value(v) >= 0 ? (uint64_t)json_integer_value(v)
                                                            : otherwise;
}

static char *change_settings(struct queue *q, const json_t *o)
{
    struct queue_settings *s = &q->settings;
    struct span sync = text_of(o, "sync");

    s->retry.first_us = number_or(o, "retry_first_us", s->retry.first_us);
    s->retry.maximum_us = number_or(o, "retry_maximum_us", s->retry.maximum_us);
    s->retry.expire_us = number_or(o, "expire_us", s->retry.expire_us);
    s->limit_messages = number_or(o, "limit_messages", s->limit_messages);
    s->reserve_bytes = number_or(o, "reserve_bytes", s->reserve_bytes);
    s->limit_bytes = number_or(o, "limit_bytes", s->limit_bytes);
    if (sync.len > 0)
        s->sync = !span_equal(sync, span_str("never"));
    qlog_change(q->log, s->limit_bytes, s->sync);
    return text_and_free(json_pack("{s:b}", "ok", 1));
}

static char *answer(struct order *o)
{
    if (o->verb == DO_LIST) {
        json_t *more = o->cursor == 0 ? json_null() : json_id(o->cursor);

        return text_and_free(
            json_pack("{s:b, s:O, s:o}", "ok", 1, "messages", o->list, "more", more));
    }
    return text_and_free(
        json_pack("{s:b, s:I}", "ok", 1, verbs[o->verb].result, (json_int_t)o->count));
}

bool admin_turn(struct queue *q, struct admin *a, uint32_t *ret_token, char **ret_text)
{
    struct order *o = &a->orders[a->first];

    if (a->count == 0)
        return false;
    if (o->error != NULL)
        *ret_text = error_text(o->error);
    else if (o->verb == DO_SHOW)
        *ret_text = show(q, o);
    else if (o->verb == DO_SETTINGS)
        *ret_text = change_settings(q, o->json);
    else if (work(q, o))
        *ret_text = answer(o);
    else
        return false;
    *ret_token = o->token;
    drop_first(a);
    return true;
}
