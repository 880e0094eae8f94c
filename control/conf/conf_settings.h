/* conf_settings.h - what `sluice run` tells each child at its start: the SETTINGS texts.
 *
 * Each function returns a compact JSON object, heap-allocated (the caller frees it with
 * free()), or NULL when out of memory.  epoch is the child's incarnation.
 *
 * dataplane: {"instance","user","runtime","workers":N,"cores":[..],"memory_bytes",
 *   "shared_config":bool,"hugepages":"auto|required|off","sessions":n,"force":bool,"epoch":n,
 *   "ports":[{"device","addresses":["10.25.0.25/24","fd25::25/64"],"gateways":[..],"vlan":0,
 *             "mtu":1500,"reply":"source"|"gateway","offload":true}],
 *   "log":{"format":"json|maillog","refusals_per_second":100}}
 * queue: {"instance","directory","workers":N,"retry_first_us","retry_maximum_us","expire_us",
 *   "sync":"always|never","limit_bytes","limit_messages","reserve_bytes","epoch":n,"log":{..}}
 * deliver: {"instance","runtime","epoch":n,"log":{..}}
 * control: {"instance","config":"/abs/path","runtime","workers":N,
 *   "admin":"127.0.0.1:8025" ("" for none),"epoch":n,"log":{..}}
 */
#ifndef CONF_SETTINGS_H
#define CONF_SETTINGS_H

#include "conf.h"

/* force: `run --force` was given (a NIC that carries the default route may be taken). */
char *conf_settings_dataplane(const struct conf *conf, uint32_t epoch, bool force);
char *conf_settings_queue(const struct conf *conf, uint32_t epoch);
char *conf_settings_deliver(const struct conf *conf, uint32_t epoch);
char *conf_settings_control(const struct conf *conf, uint32_t epoch);

/* The order that tells a running queue what a reload changed: {"order":"settings", ...} with
 * the queue's keys that may change while it runs (retry, expire, limits, sync). */
char *conf_settings_queue_order(const struct conf *conf);

#endif
