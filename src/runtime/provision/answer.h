/* SPDX-License-Identifier: Apache-2.0 */
/* runtime/provision/answer.h: the key broker's answer as a runtime_config. The key broker has been
 * checked before, yet nothing is taken without its type and bounds. */
#ifndef COFFER_RUNTIME_PROVISION_ANSWER_H
#define COFFER_RUNTIME_PROVISION_ANSWER_H

#include "base/arena.h"
#include "runtime/config.h"

#include <jansson.h>

/* Fills `config` (zeroed by the caller) but for program, descriptors and host directories of
 * volumes. `asked_ns`: when it was asked for, by the monotonic clock. Everything it points to lives in `arena`; `private_key_pem` is borrowed for ever.
 * 0, -EBADMSG with what is wrong in `e`, -ENOMEM. */
must_check int answer_read(const json_t *answer, struct slice private_key_pem, struct arena *arena,
                           int64_t asked_ns, struct runtime_config *config, struct error *e);

/* The SHA-256 that the key broker saw for the program. */
must_check int answer_program(const json_t *answer, uint8_t ret_digest[32], struct error *e);

#endif
