/* WAMR's platform: one thread, no files, no clock. What it asks for and never uses is declared and no more. */
#ifndef _PLATFORM_INTERNAL_H
#define _PLATFORM_INTERNAL_H

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef int korp_thread;
typedef int korp_tid;
typedef int korp_mutex;
typedef int korp_sem;
typedef int korp_cond;
typedef int korp_rwlock;
typedef int os_file_handle;
typedef int os_raw_file_handle;
typedef int os_poll_file_handle;
typedef int os_timespec;
typedef unsigned int os_nfds_t;
typedef void *os_dir_stream;

#define os_thread_local_attribute

/* Messages of errors, without a C library's printf and its heap. */
int fleet_wamr_snprintf(char *to, size_t size, const char *format, ...);
int fleet_wamr_vsnprintf(char *to, size_t size, const char *format, va_list values);
#undef snprintf
#undef vsnprintf
#define snprintf fleet_wamr_snprintf
#define vsnprintf fleet_wamr_vsnprintf

static inline os_file_handle os_get_invalid_handle(void)
{
    return -1;
}

static inline int os_getpagesize(void)
{
    /* The linear memory is rounded up to it. */
    return 8;
}

#endif
