/* Arm's MPS2 boards, as QEMU has them: reset, console, clock, end (AN385, AN386, AN500). */
#include <string.h>

#include "base/port.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UART_DATA REGISTER(0x40004000)
#define UART_STATE REGISTER(0x40004004)
#define UART_CONTROL REGISTER(0x40004008)
#define UART_DIVISOR REGISTER(0x40004010)
#define TIMER_CONTROL REGISTER(0x40000000)
#define TIMER_VALUE REGISTER(0x40000004)
#define TIMER_RELOAD REGISTER(0x40000008)
#define COPROCESSOR_ACCESS REGISTER(0xE000ED88)

extern uint32_t fleet_data_start[], fleet_data_end[], fleet_data_image[], fleet_bss_start[], fleet_bss_end[], fleet_stack_top[];
int main(void);

const uint32_t fleet_port_ticks_per_second = 25000000;

static uint64_t passed;
static uint32_t last;

static void start_clock(void)
{
    TIMER_RELOAD = UINT32_MAX;
    TIMER_VALUE = UINT32_MAX;
    TIMER_CONTROL = 1;
    last = UINT32_MAX;
}

uint64_t fleet_port_ticks(void)
{
    const uint32_t now = TIMER_VALUE;
    passed += last - now;
    last = now;
    return passed;
}

/* QEMU's loader puts it there, behind the image. */
struct fleet_bytes fleet_port_argument(void)
{
    return fleet_bytes((const void *)0x00200000, 0x00200000);
}

void fleet_port_write(const char *text, size_t size)
{
    for (size_t i = 0; i < size; ++i) {
        while (UART_STATE & 1) {
        }
        UART_DATA = (uint8_t)text[i];
    }
}

_Noreturn void fleet_port_exit(int status)
{
    /* Semihosting, SYS_EXIT_EXTENDED: the reason ADP_Stopped_ApplicationExit and the status. */
    uint32_t block[2] = {0x20026, (uint32_t)status};
    register uint32_t operation __asm__("r0") = 0x20;
    register uint32_t *parameters __asm__("r1") = block;
    for (;;) {
        __asm__ volatile("bkpt 0xab" : : "r"(operation), "r"(parameters) : "memory");
    }
}

_Noreturn void fleet_reset(void);

_Noreturn void fleet_reset(void)
{
    memcpy(fleet_data_start, fleet_data_image, (size_t)((uint8_t *)fleet_data_end - (uint8_t *)fleet_data_start));
    memset(fleet_bss_start, 0, (size_t)((uint8_t *)fleet_bss_end - (uint8_t *)fleet_bss_start));
#ifdef __ARM_FP
    COPROCESSOR_ACCESS |= 0xFu << 20;
    __asm__ volatile("dsb\n isb");
#endif
    UART_DIVISOR = 16;
    UART_CONTROL = 1;
    start_clock();
    fleet_port_exit(main());
}

static void fleet_fault_handler(void)
{
    static const char text[] = "the processor met a fault\n";
    fleet_port_write(text, sizeof text - 1);
    fleet_port_exit(70);
}

__attribute__((section(".vectors"), used)) static const struct {
    uint32_t *stack;
    void (*handlers[15])(void);
} vectors = {
    fleet_stack_top,
    {fleet_reset, fleet_fault_handler, fleet_fault_handler, fleet_fault_handler, fleet_fault_handler, fleet_fault_handler, 0, 0, 0, 0,
     fleet_fault_handler, fleet_fault_handler, 0, fleet_fault_handler, fleet_fault_handler},
};
