/* smtp_log.h - log events as a session leaves them: compact, binary, bounded.
 *
 * The machine appends whole events to a scratch buffer of the turn; core copies them to a
 * ring and the main lcore turns them into JSON or maillog lines (dataplane/core/core_log.c).
 * An event is a fixed head and up to SMTP_LOG_TEXT_MAX bytes of items
 * { tag u8, length u8, bytes }.  Texts are cut, never split over events; tag CUT marks it.
 */
#ifndef SMTP_LOG_H
#define SMTP_LOG_H

#include "base_types.h"

#define SMTP_LOG_TEXT_MAX 384u

enum smtp_log_type { SMTP_LOG_SESSION = 1, SMTP_LOG_ACCEPTED, SMTP_LOG_REFUSED };
enum smtp_log_tag {
    LOG_TAG_HELO = 1,
    LOG_TAG_SENDER,
    LOG_TAG_RECIPIENT,
    LOG_TAG_REASON,
    LOG_TAG_SERVER,
    LOG_TAG_CUT
};

struct smtp_log_event {
    uint32_t type; /* enum smtp_log_type */
    uint32_t text_bytes;
    uint64_t wall_us;
    uint64_t session, message; /* message 0: none */
    struct ip_addr client, local;
    uint16_t client_port, local_port;
    uint16_t code;       /* REFUSED: reply code; SESSION: last negative reply */
    uint8_t status[3];   /* RFC 3463 */
    uint8_t end;         /* SESSION: enum smtp_end */
    uint32_t recipients; /* ACCEPTED: of this message; SESSION: accepted in all */
    uint32_t messages;   /* SESSION: accepted */
    uint32_t refused;    /* SESSION: commands and recipients refused */
    uint32_t commands;
    uint64_t bytes_in, bytes_out;
    uint64_t took_us;
    uint64_t policy_generation;
    uint8_t text[SMTP_LOG_TEXT_MAX];
};

struct smtp_log {
    struct smtp_log_event *events;
    uint32_t count, cap;
    uint64_t lost; /* did not fit */
};

#endif
