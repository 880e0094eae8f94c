/* smtp_param.h - parameters of MAIL and RCPT (RFC 5321 s4.1.2 esmtp-param). */
#ifndef SMTP_PARAM_H
#define SMTP_PARAM_H

#include "smtp_reply.h"

struct smtp_params {
    uint64_t size; /* SIZE=, RFC 1870; UINT64_MAX for what 64 bits cannot hold; 0: not said */
    bool size_given, body_given, body_8bit, utf8;
};

/* Reads what follows the address: REPLY_NONE, REPLY_PARAMETER (unknown) or
 * REPLY_PARAMETER_VALUE. */
enum smtp_reply smtp_mail_params(struct span text, struct smtp_params *ret);

/* RCPT has none that we announce. */
enum smtp_reply smtp_rcpt_params(struct span text);

#endif
