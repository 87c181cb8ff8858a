# Arm MPS2 an385: cortex-m3.
set(FLEET_CPU -mcpu=cortex-m3 -mthumb -mfloat-abi=soft)
include(${PROJECT_SOURCE_DIR}/ports/mps2/port.cmake)
