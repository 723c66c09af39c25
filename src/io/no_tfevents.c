/* no_tfevents.c - in the place of tfevents.c where the library is built without TensorBoard's
 * events. */
#include "io/events.h"

bool ct_events_built(void)
{
    return false;
}

void ct_events_report(void (*fact)(void *user, const char *key, const char *value), void *user)
{
    fact(user, "protobuf-c", "not built (CSCTRL_WITH_TENSORBOARD=OFF)");
}

static csctrl_status not_built(void)
{
    return ct_fail(CSCTRL_E_UNSUPPORTED, "events: this csctrl was built without TensorBoard's "
                                         "events: build with CSCTRL_WITH_TENSORBOARD=ON");
}

csctrl_status ct_events_create(const char *folder, int64_t first_step, char **path)
{
    (void)folder;
    (void)first_step;
    *path = NULL;
    return not_built();
}

csctrl_status ct_events_write(const char *path, int64_t step, const ct_event_value *values,
                              size_t count)
{
    (void)path;
    (void)step;
    (void)values;
    (void)count;
    return not_built();
}
