/* SPDX-License-Identifier: Apache-2.0 */
/* coffer-runtime-box, for tests: the same runtime on the model of an enclave. The variable
 * COFFER_BOX_REPORT names the file that the box appends its report to. */
#include "platform/box/box.h"
#include "runtime/guest_copy.h"
#include "runtime/runtime.h"
#include "runtime/syscall/call.h"
#include "runtime/syscall/shape.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPORT_VARIABLE "COFFER_BOX_REPORT="

const struct platform_ops *runtime_platform(char **envp)
{
    static const struct box_runtime about = {
        .shape_of_call = shape_of_call,
        .call_name = call_name,
        .copy = guest_copy,
        .copy_text = guest_copy_text,
    };
    const char *report = NULL;
    for (; *envp; envp++)
        if (strncmp(*envp, REPORT_VARIABLE, strlen(REPORT_VARIABLE)) == 0)
            report = *envp + strlen(REPORT_VARIABLE);
    int r = box_start(&about, report);
    if (r == 0)
        r = box_filter();
    if (r < 0) {
        (void)fprintf(stderr, "coffer-runtime-box: the box cannot be built: %s\n",
                      strerrordesc_np(-r));
        exit(BOX_STATUS);
    }
    return &platform_box;
}
