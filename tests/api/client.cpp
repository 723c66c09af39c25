// client.cpp - a C++ program that links the library: calls, errors and constants as C++ sees them.
#include <csctrl/csctrl.h>

#include <cstdio>
#include <cstring>

int main()
{
    csctrl_config *config = nullptr;
    if (csctrl_config_create(&config) != CSCTRL_OK || csctrl_option_count() == 0)
        return 1;
    if (csctrl_config_set(config, "train.batsh", "3") != CSCTRL_E_CONFIG)
        return 2;
    if (std::strstr(csctrl_last_error(), "train.batch") == nullptr)
        return 3;
    csctrl_config_destroy(&config);
    if (config != nullptr || std::strcmp(csctrl_version(), CSCTRL_VERSION) != 0)
        return 4;
    std::puts(csctrl_version());
    return 0;
}
