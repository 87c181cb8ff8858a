/* What went wrong, in the words of protocol/documents.py (`Fault`): a word for programs and a sentence for people. */
#ifndef FLEET_FAULT_H
#define FLEET_FAULT_H

#include <stdint.h>

#define FLEET_FAULT_TEXT 160
#define FLEET_NO_LAYER UINT32_MAX

struct fleet_fault {
    const char *code; /* `digest`, `signature`, `trap`, `golden`, `flash-full`, …: the codes of docs/spec/trust.md where there is one */
    uint32_t layer;   /* FLEET_NO_LAYER: none is to blame */
    char text[FLEET_FAULT_TEXT];
};

/* Fills `fault` and returns false, so that a check reads `return fleet_fail(fault, "digest", "…");`. Text is cut, never
 * overrun, and always ends; the format is that of printf without floating point. `fault` may be null. */
#if defined(__GNUC__)
__attribute__((format(printf, 3, 4)))
#endif
_Bool
fleet_fail(struct fleet_fault *fault, const char *code, const char *format, ...);

#endif
