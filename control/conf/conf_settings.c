#include "conf_settings.h"

#include <jansson.h>

#include "base_text.h"
#include "ipc_stats.h"

/* More workers would be started than the others have room for. */
_Static_assert(CONF_CORES_MAX <= STATS_WORKERS_MAX, "a worker without figures");

/* Prints and drops object; NULL in (jansson ran out of memory), NULL out. */
static char *text_of(json_t *object)
{
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);
    return text;
}

static json_t *log_of(const struct conf *conf)
{
    return json_pack("{s:s, s:I}", "format",
                     conf->log.format == CONF_LOG_JSON ? "json" : "maillog",
                     "refusals_per_second", (json_int_t)conf->log.refusals_per_second);
}

static json_t *addresses_of(const struct conf_port *port)
{
    json_t *list = json_array();
    char text[TEXT_PREFIX_MAX];

    for (uint32_t i = 0; i < port->addresses_count; i++) {
        text_prefix(text, &port->addresses[i].ip, port->addresses[i].bits);
        if (json_array_append_new(list, json_string(text)) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *gateways_of(const struct conf_port *port)
{
    json_t *list = json_array();
    char ip[CONF_IP_TEXT_BYTES];

    for (uint32_t i = 0; i < port->gateways_count; i++)
        if (json_array_append_new(list, json_string(conf_ip_text(&port->gateways[i].ip, ip))) !=
            0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

static json_t *ports_of(const struct conf *conf)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < conf->dataplane.ports_count; i++) {
        const struct conf_port *port = &conf->dataplane.ports[i];
        json_t *one = json_pack("{s:s, s:o, s:o, s:i, s:i, s:s, s:b}", "device", port->device.text,
                                "addresses", addresses_of(port), "gateways", gateways_of(port),
                                "vlan", (int)port->vlan, "mtu", (int)port->mtu, "reply",
                                port->reply == CONF_REPLY_SOURCE ? "source" : "gateway",
                                "offload", (int)port->offload);

        if (json_array_append_new(list, one) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    return list;
}

static json_t *cores_of(const struct conf *conf)
{
    json_t *list = json_array();

    for (uint32_t i = 0; i < conf->dataplane.cores_count; i++)
        if (json_array_append_new(list, json_integer(conf->dataplane.cores[i])) != 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

char *conf_settings_dataplane(const struct conf *conf, uint32_t epoch, bool force)
{
    static const char *const hugepages[] = {
        [CONF_HUGE_AUTO] = "auto", [CONF_HUGE_REQUIRED] = "required", [CONF_HUGE_OFF] = "off"};
    const struct conf_dataplane *d = &conf->dataplane;

    return text_of(json_pack(
        "{s:s, s:s, s:s, s:I, s:o, s:I, s:b, s:s, s:I, s:b, s:I, s:o, s:o}", "instance",
        conf->instance.text, "user", conf->runtime_user.text, "runtime",
        conf->runtime_directory.text, "workers", (json_int_t)d->cores_count, "cores",
        cores_of(conf), "memory_bytes", (json_int_t)d->memory_bytes, "shared_config",
        (int)d->shared_config, "hugepages", hugepages[d->hugepages], "sessions",
        (json_int_t)d->sessions, "force", (int)force, "epoch", (json_int_t)epoch, "ports",
        ports_of(conf), "log", log_of(conf)));
}

/* What a running queue may be told again. */
static json_t *queue_of(const struct conf *conf)
{
    const struct conf_queue *q = &conf->queue;

    return json_pack("{s:I, s:I, s:I, s:s, s:I, s:I, s:I}", "retry_first_us",
                     (json_int_t)q->retry_first_us, "retry_maximum_us",
                     (json_int_t)q->retry_maximum_us, "expire_us", (json_int_t)q->expire_us,
                     "sync", q->sync == CONF_SYNC_ALWAYS ? "always" : "never", "limit_bytes",
                     (json_int_t)q->limit_bytes, "limit_messages", (json_int_t)q->limit_messages,
                     "reserve_bytes", (json_int_t)q->reserve_bytes);
}

/* object with what more says added; more is dropped.  NULL when out of memory. */
static json_t *joined(json_t *object, json_t *more)
{
    if (object == NULL || more == NULL || json_object_update(object, more) != 0) {
        json_decref(object);
        object = NULL;
    }
    json_decref(more);
    return object;
}

char *conf_settings_queue(const struct conf *conf, uint32_t epoch)
{
    json_t *more = json_pack("{s:s, s:s, s:I, s:I, s:o}", "instance", conf->instance.text,
                             "directory", conf->queue.directory.text, "workers",
                             (json_int_t)conf->dataplane.cores_count, "epoch", (json_int_t)epoch,
                             "log", log_of(conf));

    return text_of(joined(queue_of(conf), more));
}

char *conf_settings_queue_order(const struct conf *conf)
{
    return text_of(joined(json_pack("{s:s}", "order", "settings"), queue_of(conf)));
}

char *conf_settings_deliver(const struct conf *conf, uint32_t epoch)
{
    return text_of(json_pack("{s:s, s:s, s:I, s:o}", "instance", conf->instance.text, "runtime",
                             conf->runtime_directory.text, "epoch", (json_int_t)epoch, "log",
                             log_of(conf)));
}

char *conf_settings_control(const struct conf *conf, uint32_t epoch)
{
    return text_of(json_pack("{s:s, s:s, s:s, s:I, s:s, s:I, s:o}", "instance",
                             conf->instance.text, "config",
                             conf->files_count > 0 ? conf->files[0].path : "", "runtime",
                             conf->runtime_directory.text, "workers",
                             (json_int_t)conf->dataplane.cores_count, "admin",
                             conf->admin_listen.text, "epoch", (json_int_t)epoch, "log",
                             log_of(conf)));
}
