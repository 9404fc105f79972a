# boot/x86_64/context.S — leaving one execution and entering another: System V AMD64 ABI §3.2.1, the registers a callee
# preserves. The core uses integer registers only, so that is all there is to save.
#
#   void context_switch(Context& from, Context to)
#
# A context is the stack pointer under the saved registers: r15 r14 r13 r12 rbx rbp, return address.
    .text
    .globl _ZN7machine14context_switchERPvS0_
    .type _ZN7machine14context_switchERPvS0_, @function
_ZN7machine14context_switchERPvS0_:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)        # from: the execution that is left
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
    .size _ZN7machine14context_switchERPvS0_, . - _ZN7machine14context_switchERPvS0_

# The first return address of a new context: entry(). context_make leaves the entry point in rbx; it does not
# return.
    .globl boot_context_start
    .type boot_context_start, @function
boot_context_start:
    xorl %ebp, %ebp          # the outermost frame, ABI §3.4.1
    call *%rbx
    ud2
    .size boot_context_start, . - boot_context_start

    .section .note.GNU-stack,"",@progbits
