/* The host's kernels, as WAMR calls them: modules/abi/fleet_host.h. */
#ifndef FLEET_MODULE_IMPORTS_H
#define FLEET_MODULE_IMPORTS_H

#include "base/fault.h"

/* Makes the kernels known to WAMR, before any module is loaded. */
_Bool fleet_imports_register(struct fleet_fault *fault);

#endif
