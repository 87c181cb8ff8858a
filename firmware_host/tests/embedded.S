/* Files in flash. */
    .section .rodata.fleet_embedded, "a"
    .balign 16
    .global fleet_embedded_module, fleet_embedded_module_end, fleet_embedded_input, fleet_embedded_input_end
fleet_embedded_module:
    .incbin FLEET_MODULE
fleet_embedded_module_end:
    .balign 16
fleet_embedded_input:
    .incbin FLEET_INPUT
fleet_embedded_input_end:
    .balign 4
