#include "base/format.h"

#include <stdbool.h>
#include <stdint.h>

#define DIGITS 20

struct writer {
    char *to;
    size_t size, used;
};

static void put(struct writer *w, char c)
{
    if (w->used + 1 < w->size) {
        w->to[w->used++] = c;
    }
}

static void put_number(struct writer *w, uint64_t value, unsigned base, bool negative, unsigned width, char fill)
{
    char digits[DIGITS];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value != 0 && count < DIGITS);
    if (negative) {
        put(w, '-');
    }
    for (unsigned i = count; i < width; ++i) {
        put(w, fill);
    }
    while (count > 0) {
        put(w, digits[--count]);
    }
}

size_t fleet_format_list(char *to, size_t size, const char *format, va_list values)
{
    struct writer w = {to, size, 0};
    for (const char *at = format; *at != '\0'; ++at) {
        if (*at != '%') {
            put(&w, *at);
            continue;
        }
        ++at;
        const char fill = *at == '0' ? '0' : ' ';
        unsigned width = 0;
        for (; *at >= '0' && *at <= '9'; ++at) {
            width = width * 10 + (unsigned)(*at - '0');
        }
        const bool is_size = *at == 'z', is_long = *at == 'l';
        at += is_size || is_long;
        switch (*at) {
        case 's':
            for (const char *text = va_arg(values, const char *); *text != '\0'; ++text) {
                put(&w, *text);
            }
            break;
        case 'd': {
            const int64_t value = is_long ? va_arg(values, long) : va_arg(values, int);
            put_number(&w, value < 0 ? (uint64_t)-value : (uint64_t)value, 10, value < 0, width, fill);
            break;
        }
        case 'u':
        case 'x':
            put_number(&w, is_size ? va_arg(values, size_t) : is_long ? va_arg(values, unsigned long) : va_arg(values, unsigned),
                       *at == 'x' ? 16 : 10, false, width, fill);
            break;
        case '\0':
            --at;
            break;
        default:
            put(&w, *at);
            break;
        }
    }
    if (size > 0) {
        to[w.used] = '\0';
    }
    return w.used;
}
