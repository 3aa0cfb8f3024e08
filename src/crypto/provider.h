/* SPDX-License-Identifier: Apache-2.0 */
/* crypto/provider.h: OpenSSL with the algorithms we use and no others.
 *
 * OpenSSL 3 makes an object of every algorithm of a kind when the first of that kind is asked for,
 * in every process: 320 KiB with a TLS context where 130 KiB will do. A thousand document servers
 * pay that a thousand times. */
#ifndef COFFER_CRYPTO_PROVIDER_H
#define COFFER_CRYPTO_PROVIDER_H

#include "base/macros.h"

/* Puts the short list in the place of the default provider's long one, without configuration files.
 * Before any other use of OpenSSL in the process: later it is merely of no use. Safe to call again,
 * and where the library does not offer it (shared OpenSSL) it does nothing. 0 or -ENOMEM. */
must_check int crypto_start(void);

#endif
