/* fuzz_conf.c - any bytes as a configuration: refused with a place, or whole and printable. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base_must.h"
#include "conf.h"
#include "conf_settings.h"

static int open_nothing(void *ctx, const char *path)
{
    (void)ctx;
    must(path[0] == '/');
    return -ENOENT;
}

static void look_through(const struct conf *conf)
{
    uint32_t files;

    must(conf_files(conf, &files)[0].kind == CONF_FILE_CONFIG && files > 0);
    must(conf->dataplane.ports_count > 0 && conf->dataplane.ports_count <= CONF_PORTS_MAX);
    must(conf->bounces.route < conf->routes_count);
    for (uint32_t i = 0; i < conf->domains_count; i++) {
        const struct conf_domain *d = &conf->domains[i];

        must((d->type == CONF_DOMAIN_REFUSE) == (d->route == CONF_NONE));
    }
    for (uint32_t i = 0; i < conf->routes_count; i++)
        for (uint32_t t = 0; t < conf->routes[i].to_count; t++)
            must(strlen(conf->routes[i].to[t].url) > 0 && conf->routes[i].to[t].weight > 0);
    for (uint32_t i = 0; i < conf->servers_count; i++)
        must(conf->servers[i].listen_count > 0 && conf->servers[i].hostname.text[0] != '\0');
    free(conf_settings_dataplane(conf, 1, false));
    free(conf_settings_queue(conf, 1));
    free(conf_settings_control(conf, 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct conf_opener opener = {.open = open_nothing};
    struct conf_error error;
    struct conf *conf = NULL;
    int rc = conf_load_text("/etc/sluice.yaml", span_of(data, size), &opener, &conf, &error);

    must((rc == 0) == (conf != NULL));
    must((rc == 0) == (error.count == 0));
    must(error.count <= CONF_ERRORS_MAX);
    for (uint32_t i = 0; i < error.count; i++)
        must(error.line[i][0] != '\0' && memchr(error.line[i], '\0', CONF_ERROR_BYTES) != NULL);
    if (rc == 0)
        look_through(conf);
    conf_free(conf);
    return 0;
}
