# The kernels of modules/kernels as a board has them: references, and the variants of mcu/ where there are any.
set(kernels ${PROJECT_SOURCE_DIR}/../modules/kernels)
file(GLOB_RECURSE references RELATIVE ${kernels}/reference CONFIGURE_DEPENDS ${kernels}/reference/*.c)
file(GLOB_RECURSE variants RELATIVE ${kernels}/mcu CONFIGURE_DEPENDS ${kernels}/mcu/*.c)
list(REMOVE_ITEM references ${variants})
# Only modules carry these.
list(FILTER references EXCLUDE REGEX "winograd|gather|all_finite")
list(TRANSFORM references PREPEND ${kernels}/reference/)
list(TRANSFORM variants PREPEND ${kernels}/mcu/)

add_library(fleet_kernels STATIC ${references} ${variants})
target_include_directories(fleet_kernels PUBLIC ${kernels}/../abi PRIVATE ${kernels} ${kernels}/include)
# Sums wrap where a module's numbers make them: without the flag that would be undefined.
target_compile_options(fleet_kernels PRIVATE -ffreestanding -fwrapv -O2)
target_link_libraries(fleet_kernels PRIVATE fleet_flags)
