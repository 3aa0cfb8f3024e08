/* SPDX-License-Identifier: Apache-2.0 */
/* Apart, for syslog.h and base/log.h have the same names for different things. */
#include <syslog.h>

void mount_syslog(unsigned level, const char *line, int size);

void mount_syslog(unsigned level, const char *line, int size)
{
    static const int levels[] = {LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_DEBUG};
    syslog(LOG_DAEMON | levels[level & 3], "%.*s", size, line);
}
