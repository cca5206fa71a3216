// Stands for a slot's kernel: says which slot it lies on and switches the emulated board off.
// SLOT is defined on the command line, RASPBERRY_PI for QEMU's raspi3b.
        .text
        b       start
        .long   0
        .quad   0                       // Where it is loaded, from the start of memory.
        .quad   0x10000                 // Its size.
        .quad   0xa                     // Little endian, pages of 4 KiB, anywhere in memory.
        .quad   0, 0, 0
        .ascii  "ARM\x64"
        .long   0
start:  adr     x1, said
        ldr     x2, =SERIAL
1:      ldrb    w3, [x1], #1
        cbz     w3, 2f
        str     w3, [x2]
        b       1b
2:
#ifdef RASPBERRY_PI
        // The power manager: "switched off" as the firmware knows it, then reset.
        .equ    SERIAL, 0x3f215040
        ldr     x2, =0x3f100000
        ldr     w3, =0x5a000555
        str     w3, [x2, #0x20]
        ldr     w3, =0x5a000020
        str     w3, [x2, #0x1c]
#else
        .equ    SERIAL, 0x09000000
        ldr     w0, =0x84000008         // PSCI's SYSTEM_OFF.
        hvc     #0
#endif
        b       .
said:   .ascii  "kernel-of-"
        .ascii  SLOT
        .asciz  "\r\n"
