# boot/riscv64/context.S — leaving one execution and entering another: RISC-V calling conventions §1.1, the integer
# registers a callee preserves. The core uses no others.
#
#   void context_switch(Context& from, Context to)
#
# A context is the stack pointer under the saved registers: ra s0 … s11, and a word that keeps the stack aligned.
    .equ kSavedBytes, 112
    .text
    .globl _ZN7machine14context_switchERPvS0_
    .type _ZN7machine14context_switchERPvS0_, @function
_ZN7machine14context_switchERPvS0_:
    addi sp, sp, -kSavedBytes
    sd ra, 0(sp)
    sd s0, 8(sp)
    sd s1, 16(sp)
    sd s2, 24(sp)
    sd s3, 32(sp)
    sd s4, 40(sp)
    sd s5, 48(sp)
    sd s6, 56(sp)
    sd s7, 64(sp)
    sd s8, 72(sp)
    sd s9, 80(sp)
    sd s10, 88(sp)
    sd s11, 96(sp)
    sd sp, 0(a0)                 # from: the execution that is left
    mv sp, a1
    ld ra, 0(sp)
    ld s0, 8(sp)
    ld s1, 16(sp)
    ld s2, 24(sp)
    ld s3, 32(sp)
    ld s4, 40(sp)
    ld s5, 48(sp)
    ld s6, 56(sp)
    ld s7, 64(sp)
    ld s8, 72(sp)
    ld s9, 80(sp)
    ld s10, 88(sp)
    ld s11, 96(sp)
    addi sp, sp, kSavedBytes
    ret
    .size _ZN7machine14context_switchERPvS0_, . - _ZN7machine14context_switchERPvS0_

# The first return address of a new context: entry(). context_make leaves the entry point in s1; it does not
# return.
    .globl boot_context_start
    .type boot_context_start, @function
boot_context_start:
    mv s0, zero                  # the outermost frame
    jalr s1
    unimp
    .size boot_context_start, . - boot_context_start

    .section .note.GNU-stack,"",@progbits
