#include "base/fault.h"

#include <stdarg.h>
#include <stddef.h>

#include "base/format.h"

_Bool fleet_fail(struct fleet_fault *fault, const char *code, const char *format, ...)
{
    if (fault != NULL) {
        va_list values;
        fault->code = code;
        fault->layer = FLEET_NO_LAYER;
        va_start(values, format);
        (void)fleet_format_list(fault->text, sizeof fault->text, format, values);
        va_end(values);
    }
    return 0;
}
