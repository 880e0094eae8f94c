/* smtp_limits.h - every bound of the SMTP machine, with what the RFCs ask at least. */
#ifndef SMTP_LIMITS_H
#define SMTP_LIMITS_H

#include "ipc_envelope.h"
#include "smtp.h"

/* RFC 5321 s4.5.3.1.4: a command line of 512 octets, CRLF included, must be taken.  MAIL and
 * RCPT may be longer by their parameters (SIZE 26, BODY 17, SMTPUTF8 10 octets) and by a
 * source route. */
#define SMTP_COMMAND_BYTES_MAX 512u
#define SMTP_LINE_BYTES_MAX    1024u

/* What is thrown away of one line that is too long before the session is ended. */
#define SMTP_LINE_SWALLOW_MAX (64u * 1024u)

#define SMTP_REPLY_BYTES_MAX  512u  /* RFC 5321 s4.5.3.1.5, each line */
#define SMTP_HELO_BYTES_MAX   255u  /* RFC 5321 s4.5.3.1.2 */
#define SMTP_NAME_BYTES_MAX   255u  /* of a virtual server and of its host name */
#define SMTP_LOCAL_BYTES_MAX  64u   /* RFC 5321 s4.5.3.1.1 */
#define SMTP_DOMAIN_BYTES_MAX 255u  /* RFC 5321 s4.5.3.1.2 */
#define SMTP_LABEL_BYTES_MAX  63u   /* RFC 1035 s2.3.4 */
#define SMTP_TRACE_BYTES_MAX  1200u /* our Received: header */

/* Harmless commands (NOOP, RSET, EHLO, VRFY, ...) without a message between them. */
#define SMTP_IDLE_COMMANDS_MAX 100u

/* REFUSED events a session may log; the rest is only counted. */
#define SMTP_REFUSED_LOGGED_MAX 4u

/* The least a chunk may hold, and what one step of the content machine writes at most. */
#define SMTP_CHUNK_BYTES_MIN 64u
#define SMTP_STEP_BYTES_MAX  2u

_Static_assert(SMTP_LOCAL_BYTES_MAX + 1 + SMTP_DOMAIN_BYTES_MAX <= ENVELOPE_PATH_MAX,
               "every address we take fits the envelope");
_Static_assert(2 * SMTP_REPLY_BYTES_MAX <= SMTP_OUT_MIN,
               "a command writes at most a reply and a 421 after it");
_Static_assert(SMTP_NAME_BYTES_MAX + SMTP_HELO_BYTES_MAX + ENVELOPE_PATH_MAX + 256 <
                   SMTP_TRACE_BYTES_MAX,
               "the trace header fits its buffer");

#endif
