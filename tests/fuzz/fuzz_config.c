/* fuzz_config.c - YAML: what is accepted can be set again from its canonical text, what is refused
 * changes nothing. */
#include <string.h>

#include "csctrl/config.h"
#include "fuzz.h"

static void check_canonical(csctrl_config *config)
{
    csctrl_config *again;

    FUZZ_CHECK(csctrl_config_create(&again) == CSCTRL_OK);
    for (size_t i = 0; i < csctrl_option_count(); i++) {
        const char *key = csctrl_option_at(i)->key, *text = csctrl_config_text(config, key);
        FUZZ_CHECK(csctrl_config_set(again, key, text) == CSCTRL_OK);
        FUZZ_CHECK(strcmp(csctrl_config_text(again, key), text) == 0);
    }
    csctrl_config_destroy(&again);
}

static void check_defaults(const csctrl_config *config)
{
    for (size_t i = 0; i < csctrl_option_count(); i++) {
        const csctrl_option *o = csctrl_option_at(i);
        FUZZ_CHECK(strcmp(csctrl_config_text(config, o->key), o->default_text) == 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    csctrl_config *config;

    FUZZ_CHECK(csctrl_config_create(&config) == CSCTRL_OK);
    const csctrl_status status = csctrl_config_parse(config, (const char *)data, size, "fuzz.yaml");
    if (status == CSCTRL_OK)
        check_canonical(config);
    else
        check_defaults(config);
    FUZZ_CHECK(status == CSCTRL_OK || strncmp(csctrl_last_error(), "fuzz.yaml", 9) == 0);
    csctrl_config_destroy(&config);
    return 0;
}
