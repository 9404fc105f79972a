// boot/aarch64/entry.S — the image's header, its first instructions, and the way in and out of a trap.
//
// Entered with x0 = device tree, MMU and caches off, interrupts masked, at EL1 or EL2 (Documentation/arm64/booting.rst).
    .section .text.boot, "ax", %progbits
    .globl boot_entry
boot_entry:
    b start
    .long 0
    .quad 0x200000               // text_offset: the image lies that far above a multiple of 2 MiB
    .quad boot_image_bytes       // with its zeroed data
    .quad 0xA                    // flags: little-endian, 4 KiB pages, anywhere in memory
    .quad 0, 0, 0
    .ascii "ARM\x64"
    .long 0

start:
    mrs x1, CurrentEL
    cmp x1, #(2 << 2)
    b.ne 2f
    mov x1, #(1 << 31)           // HCR_EL2.RW: EL1 is AArch64
    msr hcr_el2, x1
    mov x1, #3                   // EL1 may use the counters and timers
    msr cnthctl_el2, x1
    msr cntvoff_el2, xzr
    mov x1, #0x33FF              // CPTR_EL2: its reserved-one bits; nothing traps to EL2
    msr cptr_el2, x1
    mrs x1, id_aa64pfr0_el1
    ubfx x1, x1, #24, #4
    cbz x1, 1f                   // no GICv3
    mrs x1, s3_4_c12_c9_5        // ICC_SRE_EL2: EL1 may use the system registers of a GICv3
    orr x1, x1, #1               // SRE
    orr x1, x1, #8               // Enable
    msr s3_4_c12_c9_5, x1
    isb
1:  movz x1, #0x0800
    movk x1, #0x30D0, lsl #16    // SCTLR_EL1: its reserved-one bits, MMU off
    msr sctlr_el1, x1
    mov x1, #0x3C4               // EL1 with SP_EL0, interrupts masked
    msr spsr_el2, x1
    adr x1, 2f
    msr elr_el2, x1
    eret
// All of boot/ and the core runs at EL1 on SP_EL0; a trap switches to SP_EL1 by itself, which always is the trap stack.
2:  msr daifset, #0xF
    msr spsel, #1
    ldr x1, =boot_trap_stack_top
    mov sp, x1
    msr spsel, #0
    ldr x1, =boot_stack_top
    mov sp, x1
    msr cpacr_el1, xzr           // FPEN = 0: any floating-point or vector instruction traps
    ldr x1, =boot_vectors
    msr vbar_el1, x1
    ldr x1, =boot_zero_start
    ldr x2, =boot_image_end      // both are multiples of 16
3:  cmp x1, x2
    b.hs 4f
    stp xzr, xzr, [x1], #16
    b 3b
4:  mov x29, xzr                 // the outermost frame
    mov x30, xzr
    isb
    bl aarch64_start             // (device tree); does not return
    brk #0

// frame: x0 … x30 at 8·n, sp at 248, elr at 256, spsr at 264, esr at 272, far at 280, kind at 288; struct TrapFrame of
// trap.cpp
    .equ kFrameBytes, 304
    .macro vector kind
    .balign 128
    sub sp, sp, #kFrameBytes
    stp x0, x1, [sp, #0]
    mov x0, #\kind
    b boot_trap_entry
    .endm

    .text
    .balign 2048
// Kinds: 0 an exception of what ran, 1 an interrupt, 2 anything else, which ends the machine: a trap inside the handler
// (taken with SP_EL1), a system error, something from EL0.
boot_vectors:
    vector 0
    vector 1
    vector 2
    vector 2
    .balign 128
    b boot_trap_inside
    .balign 128
    b boot_trap_inside
    .balign 128
    b boot_trap_inside
    .balign 128
    b boot_trap_inside
    .rept 8
    vector 2
    .endr

// Our own defect: the first frame stays as it was, and the last stack is used.
    .balign 128
boot_trap_inside:
    mrs x0, esr_el1
    mrs x1, elr_el1
    mrs x2, far_el1
    ldr x3, =boot_last_stack_top
    mov sp, x3
    bl aarch64_trap_inside       // (esr, elr, far); does not return
    brk #0

boot_trap_entry:
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x19, [sp, #144]
    stp x20, x21, [sp, #160]
    stp x22, x23, [sp, #176]
    stp x24, x25, [sp, #192]
    stp x26, x27, [sp, #208]
    stp x28, x29, [sp, #224]
    mrs x1, sp_el0
    stp x30, x1, [sp, #240]
    mrs x1, elr_el1
    mrs x2, spsr_el1
    stp x1, x2, [sp, #256]
    mrs x1, esr_el1
    mrs x2, far_el1
    stp x1, x2, [sp, #272]
    str x0, [sp, #288]
    mov x0, sp
    bl aarch64_trap
    ldp x1, x2, [sp, #256]
    msr elr_el1, x1
    msr spsr_el1, x2
    ldp x30, x1, [sp, #240]
    msr sp_el0, x1
    ldp x28, x29, [sp, #224]
    ldp x26, x27, [sp, #208]
    ldp x24, x25, [sp, #192]
    ldp x22, x23, [sp, #176]
    ldp x20, x21, [sp, #160]
    ldp x18, x19, [sp, #144]
    ldp x16, x17, [sp, #128]
    ldp x14, x15, [sp, #112]
    ldp x12, x13, [sp, #96]
    ldp x10, x11, [sp, #80]
    ldp x8, x9, [sp, #64]
    ldp x6, x7, [sp, #48]
    ldp x4, x5, [sp, #32]
    ldp x2, x3, [sp, #16]
    ldp x0, x1, [sp, #0]
    add sp, sp, #kFrameBytes
    eret

// Semihosting for AArch32 and AArch64 §3: a call of the debugger, operation in w0, argument in x1. Without one the
// instruction is undefined; the trap handler goes on behind it.
    .globl aarch64_semihosting
    .type aarch64_semihosting, %function
aarch64_semihosting:
    hlt #0xF000
    ret
    .size aarch64_semihosting, . - aarch64_semihosting

    .bss
    .balign 16
    .globl boot_trap_stack_top
    .skip 131072
boot_stack_top:
    .skip 65536
boot_trap_stack_top:
    .skip 16384
boot_last_stack_top:

    .section .note.GNU-stack,"",%progbits
