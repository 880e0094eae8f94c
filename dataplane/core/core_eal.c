/* core_eal.c - settings to EAL arguments. */
#include "core_eal.h"

#include <ctype.h>
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#define ARGS_MAX     (16 + 2 * NET_PORTS_MAX)
#define HUGE_2M_FREE "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"
#define HUGE_1G_FREE "/sys/kernel/mm/hugepages/hugepages-1048576kB/free_hugepages"
/* Pools, rings and the drivers' own: with fewer bytes of free huge pages we do without. */
#define HUGE_BYTES_MIN (96ull << 20)

bool core_eal_is_pci(const char *device)
{
    unsigned domain, bus, slot, function;
    int used = 0;

    if (device[strspn(device, "0123456789abcdefABCDEF:.")] != '\0')
        return false; /* sscanf's %x would take a 0x */
    if (sscanf(device, "%x:%x:%x.%x%n", &domain, &bus, &slot, &function, &used) == 4)
        return device[used] == '\0';
    used = 0;
    return sscanf(device, "%x:%x.%x%n", &bus, &slot, &function, &used) == 3 && device[used] == '\0';
}

void core_eal_lcores(const struct core_settings *settings, unsigned main_cpu, char *out,
                     size_t room)
{
    size_t used = (size_t)snprintf(out, room, "0@%u", main_cpu);

    for (unsigned i = 0; i < settings->workers && used < room; i++)
        used += (size_t)snprintf(out + used, room - used, ",%u@%u", i + 1, settings->cores[i]);
}

static uint64_t read_number(const char *path)
{
    FILE *f = fopen(path, "re");
    unsigned long long n = 0;

    if (f == NULL)
        return 0;
    if (fscanf(f, "%llu", &n) != 1)
        n = 0;
    fclose(f);
    return n;
}

static bool huge_available(uint64_t bytes_wanted)
{
    uint64_t free_bytes = (read_number(HUGE_2M_FREE) << 21) + (read_number(HUGE_1G_FREE) << 30);

    return free_bytes >= HUGE_BYTES_MIN && free_bytes >= bytes_wanted / 2;
}

/* A CPU that no worker polls on, so that the main lcore's work steals from nobody. */
static int pick_main_cpu(const struct core_settings *settings, const char **ret_why)
{
    static char why[96];
    cpu_set_t allowed;

    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return 0;
    for (unsigned i = 0; i < settings->workers; i++) {
        if (settings->cores[i] >= CPU_SETSIZE || !CPU_ISSET(settings->cores[i], &allowed)) {
            snprintf(why, sizeof(why), "dataplane.cores: this machine has no CPU %u for us",
                     settings->cores[i]);
            *ret_why = why;
            return -1;
        }
    }
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        bool taken = !CPU_ISSET(cpu, &allowed);

        for (unsigned i = 0; i < settings->workers; i++)
            taken |= settings->cores[i] == cpu;
        if (!taken)
            return (int)cpu;
    }
    return (int)settings->cores[0];
}

/* Each rte_vdev needs the driver's name at the front of its devargs: given as it is. */
static unsigned add_ports(const struct core_settings *settings, char **argv, unsigned argc)
{
    bool pci = false;

    for (unsigned i = 0; i < settings->ports_count; i++)
        pci |= core_eal_is_pci(settings->ports[i].device);
    if (!pci)
        argv[argc++] = strdup("--no-pci");
    for (unsigned i = 0; i < settings->ports_count; i++) {
        const char *device = settings->ports[i].device;

        argv[argc++] = strdup(core_eal_is_pci(device) ? "-a" : "--vdev");
        argv[argc++] = strdup(device);
    }
    return argc;
}

static unsigned build_args(const struct core_settings *settings, unsigned main_cpu, bool huge,
                           char **argv)
{
    char text[64 + 16 * CORE_WORKERS_MAX];
    unsigned argc = 0;

    argv[argc++] = strdup("sluice-dataplane");
    argv[argc++] = strdup("--lcores");
    core_eal_lcores(settings, main_cpu, text, sizeof(text));
    argv[argc++] = strdup(text);
    argv[argc++] = strdup("--main-lcore=0");
    argv[argc++] = strdup("--log-level=lib.*:error");
    argv[argc++] = strdup("--log-level=pmd.*:error");
    argv[argc++] = strdup("--no-telemetry");
    snprintf(text, sizeof(text), "--file-prefix=sluice-%d", (int)getpid());
    argv[argc++] = strdup(text);
    if (!huge) {
        argv[argc++] = strdup("--no-huge");
        argv[argc++] = strdup("--no-shconf");
        snprintf(text, sizeof(text), "%llu", (unsigned long long)(settings->memory_bytes >> 20));
        argv[argc++] = strdup("-m");
        argv[argc++] = strdup(text);
    } else if (!settings->shared_config) {
        argv[argc++] = strdup("--in-memory");
        argv[argc++] = strdup("--single-file-segments");
    }
    return add_ports(settings, argv, argc);
}

int core_eal_start(const struct core_settings *settings, bool *ret_huge, const char **ret_why)
{
    static char why[160];
    char *argv[ARGS_MAX + 1] = {NULL};
    bool huge = settings->hugepages != HUGEPAGES_OFF && huge_available(settings->memory_bytes);
    int main_cpu = pick_main_cpu(settings, ret_why);

    if (main_cpu < 0)
        return -1;
    if (!huge && settings->hugepages == HUGEPAGES_REQUIRED) {
        *ret_why = "dataplane.hugepages: required, but too few are free; reserve them with "
                   "sysctl vm.nr_hugepages=N (2 MiB each), or set auto";
        return -1;
    }
    if (!huge && settings->shared_config) {
        *ret_why = "dataplane.shared_config: needs huge pages; reserve them with "
                   "sysctl vm.nr_hugepages=N, or set shared_config: false";
        return -1;
    }
    unsigned argc = build_args(settings, (unsigned)main_cpu, huge, argv);

    /* EAL's own chatter would break the one-line-one-object log. */
    FILE *null = fopen("/dev/null", "we");
    if (null != NULL)
        rte_openlog_stream(null);
    if (rte_eal_init((int)argc, argv) < 0) {
        snprintf(why, sizeof(why),
                 "DPDK did not start: %s (ports: is each device there and free, "
                 "and are we root?)",
                 rte_strerror(rte_errno));
        *ret_why = why;
        return -1;
    }
    *ret_huge = huge;
    return 0; /* EAL keeps pointers into argv: never freed */
}
