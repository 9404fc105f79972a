// boot/aarch64/context.S — leaving one execution and entering another: AAPCS64 §6.1.1, the integer registers a callee
// preserves. The core uses no others.
//
//   void context_switch(Context& from, Context to)
//
// A context is the stack pointer under the saved registers: x19 … x28, x29, x30.
    .equ kSavedBytes, 96
    .text
    .globl _ZN7machine14context_switchERPvS0_
    .type _ZN7machine14context_switchERPvS0_, %function
_ZN7machine14context_switchERPvS0_:
    sub sp, sp, #kSavedBytes
    stp x19, x20, [sp, #0]
    stp x21, x22, [sp, #16]
    stp x23, x24, [sp, #32]
    stp x25, x26, [sp, #48]
    stp x27, x28, [sp, #64]
    stp x29, x30, [sp, #80]
    mov x2, sp
    str x2, [x0]                 // from: the execution that is left
    mov sp, x1
    ldp x19, x20, [sp, #0]
    ldp x21, x22, [sp, #16]
    ldp x23, x24, [sp, #32]
    ldp x25, x26, [sp, #48]
    ldp x27, x28, [sp, #64]
    ldp x29, x30, [sp, #80]
    add sp, sp, #kSavedBytes
    ret
    .size _ZN7machine14context_switchERPvS0_, . - _ZN7machine14context_switchERPvS0_

// The first return address of a new context: entry(). context_make leaves the entry point in x19; it does not
// return.
    .globl boot_context_start
    .type boot_context_start, %function
boot_context_start:
    mov x29, xzr                 // the outermost frame
    blr x19
    brk #0
    .size boot_context_start, . - boot_context_start

    .section .note.GNU-stack,"",%progbits
