# WAMR 2.4.3: the fast interpreter, and nothing that a module of ours cannot use.
set(WAMR_ROOT ${FLEET_THIRD_PARTY}/wamr CACHE PATH "Sources of WAMR")
set(core ${WAMR_ROOT}/core)
if(NOT EXISTS ${core}/iwasm/interpreter/wasm_interp_fast.c)
    message(FATAL_ERROR "no WAMR in ${WAMR_ROOT}: run scripts/firmware fetch, or give -DWAMR_ROOT=FOLDER")
endif()

add_library(wamr STATIC
    ${CMAKE_CURRENT_LIST_DIR}/../src/module/wamr_platform.c
    ${core}/iwasm/common/wasm_exec_env.c
    ${core}/iwasm/common/wasm_loader_common.c
    ${core}/iwasm/common/wasm_memory.c
    ${core}/iwasm/common/wasm_native.c
    ${core}/iwasm/common/wasm_runtime_common.c
    ${core}/iwasm/common/arch/invokeNative_general.c
    ${core}/iwasm/interpreter/wasm_interp_fast.c
    ${core}/iwasm/interpreter/wasm_loader.c
    ${core}/iwasm/interpreter/wasm_runtime.c
    ${core}/shared/mem-alloc/mem_alloc.c
    ${core}/shared/mem-alloc/ems/ems_alloc.c
    ${core}/shared/mem-alloc/ems/ems_hmu.c
    ${core}/shared/mem-alloc/ems/ems_kfc.c
    ${core}/shared/utils/bh_assert.c
    ${core}/shared/utils/bh_common.c
    ${core}/shared/utils/bh_hashmap.c
    ${core}/shared/utils/bh_leb128.c
    ${core}/shared/utils/bh_list.c
    ${core}/shared/utils/bh_log.c
    ${core}/shared/utils/bh_vector.c)
target_include_directories(wamr PRIVATE ${PROJECT_SOURCE_DIR}/src)
target_link_libraries(wamr PUBLIC fleet_base m)
target_include_directories(wamr SYSTEM PUBLIC
    ${CMAKE_CURRENT_LIST_DIR}/../config/wamr
    ${core}/iwasm/include
    ${core}/iwasm/common
    ${core}/iwasm/interpreter
    ${core}/shared/mem-alloc
    ${core}/shared/mem-alloc/ems
    ${core}/shared/utils
    ${core}/shared/platform/include)
# Its own code warns of much, and casts as it pleases.
target_compile_options(wamr PRIVATE -w -fno-strict-aliasing)
target_compile_definitions(wamr PUBLIC
    BH_FREE=wasm_runtime_free
    BH_MALLOC=wasm_runtime_malloc
    # Of the classic interpreter.
    BLOCK_ADDR_CACHE_SIZE=1
    WASM_DISABLE_APP_ENTRY=1
    WASM_DISABLE_HW_BOUND_CHECK=1
    WASM_DISABLE_STACK_HW_BOUND_CHECK=1
    WASM_DISABLE_WAKEUP_BLOCKING_OP=1
    WASM_DISABLE_WRITE_GS_BASE=1
    WASM_ENABLE_AOT=0
    WASM_ENABLE_BULK_MEMORY=0
    WASM_ENABLE_FAST_INTERP=1
    WASM_ENABLE_INSTRUCTION_METERING=1
    WASM_ENABLE_INTERP=1
    WASM_ENABLE_LIBC_BUILTIN=0
    WASM_ENABLE_LIBC_WASI=0
    WASM_ENABLE_LOG=0
    WASM_ENABLE_MINI_LOADER=0
    WASM_ENABLE_MULTI_MODULE=0
    WASM_ENABLE_REF_TYPES=0
    WASM_ENABLE_SHRUNK_MEMORY=1
    WASM_ENABLE_SIMD=0
    WASM_STACK_GUARD_SIZE=512)
