/* Text without a C library: %s %u %d %x, with z or l before the letter, a width with zeros or spaces in front, %%. */
#ifndef FLEET_FORMAT_H
#define FLEET_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/* Writes at most size − 1 characters and a zero; gives how many characters it wrote. What it does not know it writes as it is. */
size_t fleet_format_list(char *to, size_t size, const char *format, va_list values);

#endif
