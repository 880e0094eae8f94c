/* queue_loop.h - the one thread of sluice-queue: reads the clocks, watches the descriptors,
 * takes turns.  Returns the exit status. */
#ifndef QUEUE_LOOP_H
#define QUEUE_LOOP_H

int queue_loop(int take_run);

#endif
