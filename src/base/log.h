/* log.h - messages to the application's receiver (csctrl/log.h). */
#ifndef CT_BASE_LOG_H
#define CT_BASE_LOG_H

#include "base/error.h"
#include "csctrl/log.h"

void ct_log(csctrl_log_level level, const char *format, ...) CT_PRINTF(2, 3);

#endif
