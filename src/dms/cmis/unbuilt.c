/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that are not built yet: their capabilities are off. */
#include "dms/cmis/model.h"

int renditions_of(struct cmis_call *cmis, struct row *row, const char *filter,
                  const struct cmis_rendition **ret, size_t *ret_count)
{
    (void)cmis;
    (void)row;
    (void)filter;
    *ret = NULL;
    *ret_count = 0;
    return 0;
}

int rendition_stream(struct cmis_call *cmis, struct row *row, const char *stream_id,
                     struct cmis_stream *ret)
{
    (void)row;
    (void)ret;
    return cmis_fail(cmis, CMIS_INVALID_ARGUMENT, "There is no stream '%.60s'.", stream_id);
}
