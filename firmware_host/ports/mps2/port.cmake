# The machine's flags for everything, and what an image links.
add_compile_options(${FLEET_CPU} -ffreestanding)
add_link_options(${FLEET_CPU} -nostartfiles --specs=nano.specs -Wl,-T,${PROJECT_SOURCE_DIR}/ports/mps2/memory.ld)
set(FLEET_PORT_SOURCES ${PROJECT_SOURCE_DIR}/ports/mps2/startup.c)
