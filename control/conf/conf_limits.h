/* conf_limits.h - the bounds of a configuration; every one of them is refused in words. */
#ifndef CONF_LIMITS_H
#define CONF_LIMITS_H

#define CONF_FILE_BYTES_MAX (8u * 1024u * 1024u) /* one file; lists go to files of their own */
#define CONF_INCLUDE_DEPTH_MAX 8
#define CONF_FILES_MAX 64           /* the configuration file and all it includes */
#define CONF_NESTING_MAX 24         /* the deepest key is at 7 */
#define CONF_EVENTS_MAX 2000000u    /* YAML tokens of one file */
#define CONF_ANCHORS_MAX 1000u      /* libyaml looks through all of them at each */
#define CONF_VALUES_MAX 1000000u    /* values read in all, aliases counted at every use */
#define CONF_TEXT_BYTES_MAX 1024u   /* one text value */
#define CONF_PATH_BYTES_MAX 1024u
#define CONF_RULES_MAX 200000u      /* in one list of rules */
#define CONF_DOMAINS_MAX 200000u

#endif
