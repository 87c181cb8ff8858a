# Arm MPS2 an500: cortex-m7.
set(FLEET_CPU -mcpu=cortex-m7 -mthumb -mfloat-abi=hard -mfpu=fpv5-sp-d16)
include(${PROJECT_SOURCE_DIR}/ports/mps2/port.cmake)
