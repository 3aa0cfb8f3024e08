/* SPDX-License-Identifier: Apache-2.0 */
#include "runtime/runtime.h"

const struct platform_ops *runtime_platform(char **envp)
{
    (void)envp;
    return &platform_sim;
}
