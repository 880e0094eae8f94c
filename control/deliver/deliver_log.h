/* deliver_log.h - what the queue's line of a delivery cannot say: that a message stored is not the
 * message that was taken.  The line of each recipient is the queue's (event "delivery"). */
#ifndef DELIVER_LOG_H
#define DELIVER_LOG_H

#include "deliver_work.h"

void deliver_log(const struct work *w); /* of an attempt that ended */

#endif
