/* core_eal.h - DPDK's environment from our settings; the operator never writes EAL flags.
 *
 * What goes together (DPDK 22.11): --in-memory with huge pages,
 * --no-huge --no-shconf without, a shared configuration only where huge pages are.
 */
#ifndef CORE_EAL_H
#define CORE_EAL_H

#include "core_settings.h"

/* Starts EAL: lcore 0 is the main one (on a CPU no worker has, if there is one), lcore i + 1
 * is worker i.  0; -1 and *ret_why (static or in a static buffer).  *ret_huge: huge pages
 * are in use. */
int core_eal_start(const struct core_settings *settings, bool *ret_huge, const char **ret_why);

/* True for 0000:03:00.0 and 03:00.0. */
bool core_eal_is_pci(const char *device);

/* Writes the --lcores value, e.g. "0@0,1@1,2@1". */
void core_eal_lcores(const struct core_settings *settings, unsigned main_cpu, char *out, size_t room);

#endif
