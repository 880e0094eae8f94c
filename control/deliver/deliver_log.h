/* deliver_log.h - one log line for each recipient of an ended attempt. */
#ifndef DELIVER_LOG_H
#define DELIVER_LOG_H

#include "deliver_work.h"

void deliver_log(const struct work *w, struct usec now);

#endif
