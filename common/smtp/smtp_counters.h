/* smtp_counters.h - indices into turn->counters, one per row of smtp_counters.def. */
#ifndef SMTP_COUNTERS_H
#define SMTP_COUNTERS_H

enum smtp_counter {
#define COUNTER(id, metric, help) SMTP_COUNT_##id,
#include "smtp_counters.def"
#undef COUNTER
    SMTP_COUNTERS /* how many */
};

#endif
