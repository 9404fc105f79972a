# sim/host/context_x86_64.S — leaving one execution and entering another: System V AMD64 ABI §3.2.1, the integer registers
# a callee preserves. The floating-point control words stay as they are: no native program changes them.
#
#   void context_switch(Context& from, Context to)
#
# A context is the stack pointer under the saved registers: r15 r14 r13 r12 rbx rbp, return address. It is entered by a
# jump and not by `ret`: the processor's stack of return addresses belongs to the execution that is left, so that a `ret`
# would be predicted wrongly each time.
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
    popq %rcx
    jmp *%rcx
    .size _ZN7machine14context_switchERPvS0_, . - _ZN7machine14context_switchERPvS0_

# The first return address of a new context: entry(). context_make leaves the entry point in rbx; it does not
# return.
    .globl sim_host_context_start
    .type sim_host_context_start, @function
sim_host_context_start:
    xorl %ebp, %ebp          # the outermost frame, ABI §3.4.1
    call *%rbx
    ud2
    .size sim_host_context_start, . - sim_host_context_start

    .section .note.GNU-stack,"",@progbits
