# boot/riscv64/entry.S — first instructions, and the way in and out of a trap.
#
# QEMU's `virt` with OpenSBI enters here in S-mode with a0 = hart, a1 = device tree, paging and interrupts off (RISC-V SBI
# specification, HSM extension, table 1).
    .section .text.boot, "ax", @progbits
    .globl boot_entry
    .type boot_entry, @function
boot_entry:
    csrw sie, zero
    csrw sstatus, zero           # interrupts masked; FS = off: any floating-point instruction traps
    la sp, boot_stack_top
    la t0, boot_zero_start
    la t1, boot_image_end        # both are multiples of 16
1:  bgeu t0, t1, 2f
    sd zero, 0(t0)
    sd zero, 8(t0)
    addi t0, t0, 16
    j 1b
2:  la t0, boot_trap_entry
    csrw stvec, t0
    la t0, boot_trap_stack_top
    csrw sscratch, t0
    mv s0, zero                  # the outermost frame
    mv ra, zero
    call riscv64_start           # (hart, device tree); does not return
    unimp
    .size boot_entry, . - boot_entry

# A trap comes in on whatever stack ran, which may be the reason for it, so the frame is made on the trap stack, whose top
# waits in sscratch. While the handler runs sscratch holds the top of the last stack: a trap inside it (our own defect) is
# told from there, and the first frame stays as it was.
#
#   frame: x1 … x31 at 8·n, sepc at 0, sstatus at 256, scause at 264, stval at 272; struct TrapFrame of trap.cpp
    .equ kFrameBytes, 288
    .text
    .balign 4
    .globl boot_trap_entry
    .type boot_trap_entry, @function
boot_trap_entry:
    csrrw sp, sscratch, sp
    addi sp, sp, -kFrameBytes
    sd x1, 8(sp)
    .irp n, 3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    sd x\n, 8*\n(sp)
    .endr
    la t0, boot_last_stack_top
    csrrw t1, sscratch, t0
    sd t1, 16(sp)                # x2 of the interrupted execution
    csrr t0, sepc
    sd t0, 0(sp)
    csrr t0, sstatus
    sd t0, 256(sp)
    csrr t0, scause
    sd t0, 264(sp)
    csrr t0, stval
    sd t0, 272(sp)
    mv a0, sp
    call riscv64_trap
    la t0, boot_trap_stack_top
    csrw sscratch, t0
    ld t0, 0(sp)
    csrw sepc, t0
    ld t0, 256(sp)
    csrw sstatus, t0
    ld x1, 8(sp)
    .irp n, 3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
    ld x\n, 8*\n(sp)
    .endr
    ld sp, 16(sp)
    sret
    .size boot_trap_entry, . - boot_trap_entry

    .bss
    .balign 16
    .globl boot_trap_stack_top
    .globl boot_last_stack_top
    .skip 131072
boot_stack_top:
    .skip 65536
boot_trap_stack_top:
    .skip 16384
boot_last_stack_top:

    .section .note.GNU-stack,"",@progbits
