/* net_drops.c - the drop reasons' names, from net_drops.def. */
#include "base_must.h"
#include "net.h"

static const struct {
    const char *name, *metric, *help;
} drops[NET_DROPS] = {
#define NET_DROP(id, reason, help) {reason, "sluice_net_drops_total{reason=\"" reason "\"}", help},
#include "net_drops.def"
#undef NET_DROP
};

const char *net_drop_name(unsigned drop)
{
    must(drop < NET_DROPS);
    return drops[drop].name;
}

const char *net_drop_metric(unsigned drop)
{
    must(drop < NET_DROPS);
    return drops[drop].metric;
}

const char *net_drop_help(unsigned drop)
{
    must(drop < NET_DROPS);
    return drops[drop].help;
}
