/* Functions of single numbers, for the templates of element-wise operators. */
#ifndef FLEET_GENERAL_SCALAR_H
#define FLEET_GENERAL_SCALAR_H

#include "general/types.h"

#endif
