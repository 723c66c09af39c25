/* log.c - one receiver for the process, called by one thread at a time. */
#include "base/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static csctrl_log_fn receiver;
static void *receiver_user;

void csctrl_log_set(csctrl_log_fn fn, void *user)
{
    pthread_mutex_lock(&lock);
    receiver = fn;
    receiver_user = user;
    pthread_mutex_unlock(&lock);
}

void ct_log(csctrl_log_level level, const char *format, ...)
{
    char message[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    ct_one_line(message);
    pthread_mutex_lock(&lock);
    if (receiver != NULL)
        receiver(receiver_user, level, message);
    pthread_mutex_unlock(&lock);
}
