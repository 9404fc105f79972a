# boot/x86_64/trap.S — where every vector arrives: all registers saved as struct Frame (trap.h) has them, then boot_trap in
# C++, then back to what the frame says. The processor switches to the trap stack by itself (Intel SDM vol. 3, §6.14.5).

    .text
    # One stub a vector, 16 bytes apart. Some vectors push an error code (Intel SDM vol. 3, table 6-1); the others get 0.
    .globl boot_vectors
    .align 16
boot_vectors:
    .set vector, 0
    .rept 256
    .align 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21)
    pushq $0
    .endif
    pushq $vector
    jmp trap_common
    .set vector, vector + 1
    .endr

    .type trap_common, @function
trap_common:
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    cld
    movq %rsp, %rdi
    call boot_trap           # 22 words from an aligned top: aligned as a call wants it
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp           # vector, error code
    iretq
    .size trap_common, . - trap_common

    .section .note.GNU-stack,"",@progbits
