/* What WAMR asks of its platform: nothing is allocated outside its pool, nothing is printed. */
#include "base/format.h"
#include "platform_api_vmcore.h"

void *wasm_runtime_malloc(unsigned size);
void wasm_runtime_free(void *at);
void wasm_trap_delete(void *trap);

int bh_platform_init(void)
{
    return 0;
}

void bh_platform_destroy(void)
{
}

void *os_malloc(unsigned size)
{
    (void)size;
    return NULL;
}

void *os_realloc(void *at, unsigned size)
{
    (void)at;
    (void)size;
    return NULL;
}

void os_free(void *at)
{
    (void)at;
}

int os_printf(const char *format, ...)
{
    (void)format;
    return 0;
}

int os_vprintf(const char *format, va_list values)
{
    (void)format;
    (void)values;
    return 0;
}

uint64 os_time_get_boot_us(void)
{
    return 0;
}

uint64 os_time_thread_cputime_us(void)
{
    return 0;
}

korp_tid os_self_thread(void)
{
    return 0;
}

uint8 *os_thread_get_stack_boundary(void)
{
    return NULL;
}

void os_thread_jit_write_protect_np(bool enabled)
{
    (void)enabled;
}

int os_mutex_init(korp_mutex *mutex)
{
    *mutex = 0;
    return 0;
}

int os_mutex_destroy(korp_mutex *mutex)
{
    (void)mutex;
    return 0;
}

int os_mutex_lock(korp_mutex *mutex)
{
    (void)mutex;
    return 0;
}

int os_mutex_unlock(korp_mutex *mutex)
{
    (void)mutex;
    return 0;
}

void *os_mmap(void *hint, size_t size, int prot, int flags, os_file_handle file)
{
    (void)hint;
    (void)prot;
    (void)flags;
    (void)file;
    /* The linear memory is asked for here: from the pool, like everything. */
    void *memory = wasm_runtime_malloc((unsigned)size);
    if (memory != NULL) {
        memset(memory, 0, size);
    }
    return memory;
}

void os_munmap(void *at, size_t size)
{
    (void)size;
    wasm_runtime_free(at);
}

int os_mprotect(void *at, size_t size, int prot)
{
    (void)at;
    (void)size;
    (void)prot;
    return 0;
}

void os_dcache_flush(void)
{
}

void os_icache_flush(void *start, size_t length)
{
    (void)start;
    (void)length;
}

int fleet_wamr_vsnprintf(char *to, size_t size, const char *format, va_list values)
{
    return (int)fleet_format_list(to, size, format, values);
}

int fleet_wamr_snprintf(char *to, size_t size, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    const size_t used = fleet_format_list(to, size, format, values);
    va_end(values);
    return (int)used;
}

/* Memory never grows, and C's own API for embedding is not used; both are referred to all the same. */
void *os_mremap(void *old_at, size_t old_size, size_t new_size)
{
    (void)old_at;
    (void)old_size;
    (void)new_size;
    return NULL;
}

void wasm_trap_delete(void *trap)
{
    (void)trap;
}
