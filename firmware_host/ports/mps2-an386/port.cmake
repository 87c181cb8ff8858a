# Arm MPS2 an386: cortex-m4.
set(FLEET_CPU -mcpu=cortex-m4 -mthumb -mfloat-abi=hard -mfpu=fpv4-sp-d16)
include(${PROJECT_SOURCE_DIR}/ports/mps2/port.cmake)
