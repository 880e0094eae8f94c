/* tcp_limits.h - every bound and constant of this floor, with where it comes from. */
#ifndef TCP_LIMITS_H
#define TCP_LIMITS_H

#include "tcp.h"

#define TCP_CONNECTIONS_MAX (1u << 24) /* a slot must fit a struct handle */

/* Clock: timestamps, deadlines and ages are counted in ticks of 1024 us in 32 bits
 * (RFC 7323 s5.4 wants 1 ms to 1 s; wraps after 50 days, compared within 25). */
#define TCP_TICK_SHIFT 10
#define TCP_TICK_US (1u << TCP_TICK_SHIFT)
#define TCP_TICKS(us) ((uint32_t)(((uint64_t)(us) + TCP_TICK_US - 1) >> TCP_TICK_SHIFT))
#define TCP_TICKS_MAX 0x3fffffffu /* longest deadline: 12 days */

/* Segment size (RFC 9293 s3.7.1, RFC 6691). */
#define TCP_MSS_DEFAULT_V4 536
#define TCP_MSS_DEFAULT_V6 1220
#define TCP_MSS_MIN 216 /* a peer that announces less gets this much (CVE-2019-11479) */
#define TCP_WSCALE_MAX 14 /* RFC 7323 s2.3 */
#define TCP_OPTION_TIMESTAMPS 12
#define TCP_PIECES_MAX 8 /* blocks that one segment may be gathered from */
#define TCP_TRAIN_MAX 64 /* segments of one connection in one flush */

/* Handshake: SYN-ACK at 0, 1, 3, 7, 15 s; forgotten at 31 s (RFC 4987 s3, RFC 6298 s5.5). */
#define TCP_SYN_ACKS_MAX 5
#define TCP_SYN_ACK_FIRST_US 1000000u
#define TCP_SYN_RETRIES_MAX 5    /* active open */
#define TCP_HANDED_US 10000000u  /* a ready embryo that nobody promoted or reset */
#define TCP_DOORS_MAX 1024       /* (local end, tag, waits) combinations in use by embryos at once */

/* Retransmission (RFC 6298; its 1 s minimum is broken knowingly, see tcp_ack.c). */
#define TCP_RTO_INITIAL_US 1000000u
#define TCP_RTO_AFTER_SYN_US 3000000u /* s5.7: the handshake's timer had to fire */
#define TCP_RTO_MIN_US 200000u
#define TCP_RTO_MAX_US 60000000u
#define TCP_RETRIES_MAX 15            /* R2 of RFC 9293 s3.8.3 in count … */
#define TCP_GIVE_UP_US 100000000u     /* … and in time: its least value, 100 s */
#define TCP_DUP_THRESHOLD 3           /* RFC 5681 s3.2 */
#define TCP_INITIAL_WINDOW_SEGMENTS 10 /* RFC 6928 */
#define TCP_INITIAL_WINDOW_BYTES 14600
#define TCP_CWND_MAX (1u << 29)

/* Acknowledging (RFC 9293 s3.8.6.3: within 0.5 s, every second full segment). */
#define TCP_DELAYED_ACK_US 40000u
#define TCP_STARVED_US 50000u /* a writer that found the pool empty is asked again after */

/* Keep-alive (RFC 9293 s3.8.4). */
#define TCP_KEEP_PROBES 5
#define TCP_KEEP_PROBE_US 30000000u

/* Reassembly. */
#define TCP_INTERVALS_MAX 16       /* pieces out of order, each at least one block */
#define TCP_RX_RESERVE_SHIFT 3     /* an eighth of the blocks is never used for input */
#define TCP_SCOREBOARD_MAX 6       /* ranges the peer has selectively acknowledged */

/* RFC 5961 s7, and against reset floods: per connection, and a valve over all. */
#define TCP_CHALLENGE_US 500000u
#define TCP_CHALLENGES_PER_SECOND 1000
#define TCP_RESETS_PER_SECOND 20000

/* RFC 7323 s5.5: a TS.Recent older than this proves nothing. */
#define TCP_PAWS_US (24ull * 86400 * 1000000)

#define TCP_MTU_MIN_V4 552 /* less is an attack or a path not worth it (RFC 1191 s3, RFC 5927 s7) */
#define TCP_MTU_MIN_V6 1280

#endif
