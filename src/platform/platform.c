/* SPDX-License-Identifier: Apache-2.0 */
#include "platform/ops.h"

static const struct platform_ops *g_platform = &platform_null;

void platform_set(const struct platform_ops *ops)
{
    g_platform = ops;
}

const struct platform_ops *platform(void)
{
    return g_platform;
}
