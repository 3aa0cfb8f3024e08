/* SPDX-License-Identifier: Apache-2.0 */
/* net/net.h: the network shield, as the rest of the runtime meets it. The system calls themselves
 * are in syscall/table.def. */
#ifndef COFFER_RUNTIME_NET_NET_H
#define COFFER_RUNTIME_NET_NET_H

#include "runtime/config.h"

/* Before the guest's first instruction; `config` must live as long as the process. Makes no TLS
 * context. 0, -EINVAL (rules that contradict each other, said in *e) or -ENOMEM. */
must_check int net_init(const struct runtime_config *config, struct error *e);

/* Right before the process ends: says close_notify on what is open and waits, for at most two
 * seconds, until what the guest wrote has left. */
void net_exit(void);

#endif
