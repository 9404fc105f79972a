# boot/x86_64/entry.S — from the loader's 32-bit protected mode to C++ in long mode. The loader enters by the PVH boot
# protocol (Xen, docs/misc/pvh.pandoc): flat segments, paging off, interrupts off, %ebx = physical address of
# hvm_start_info.

    .section .note.pvh, "a", @note
    .align 4
    .long 4                  # name: "Xen" with its zero
    .long 4                  # description
    .long 18                 # XEN_ELFNOTE_PHYS32_ENTRY
    .asciz "Xen"
    .long boot_entry

    .set kPageBytes, 4096
    .set kPresentWritable, 3
    .set kLargePage, 0x83    # present, writable, 2 MiB
    .set kTables, 4          # page directories: the first 4 GiB
    .set kBootStackBytes, 256 * 1024

    .section .text.entry, "ax", @progbits
    .code32
    .globl boot_entry
    .type boot_entry, @function
boot_entry:
    cli
    cld
    movl $boot_stack_top, %esp
    # Tables that map the first 4 GiB as they lie. The final ones are made by arch::mmu_start.
    movl $(early_level3 + kPresentWritable), early_level4
    movl $(early_level2 + kPresentWritable), %eax
    movl $early_level3, %edi
    movl $kTables, %ecx
1:  movl %eax, (%edi)
    addl $kPageBytes, %eax
    addl $8, %edi
    loop 1b
    movl $kLargePage, %eax
    movl $early_level2, %edi
    movl $(kTables * 512), %ecx
2:  movl %eax, (%edi)
    addl $0x200000, %eax
    addl $8, %edi
    loop 2b

    movl $early_level4, %eax
    movl %eax, %cr3
    movl %cr4, %eax
    orl $0x20, %eax          # PAE
    movl %eax, %cr4
    movl $0xC0000080, %ecx   # EFER
    rdmsr
    orl $0x900, %eax         # LME, NXE
    wrmsr
    movl %cr0, %eax
    orl $0x80010001, %eax    # PG, WP, PE
    movl %eax, %cr0
    lgdt gdt_pointer
    ljmp $0x08, $3f

    .code64
3:  movw $0x10, %ax
    movw %ax, %ds
    movw %ax, %es
    movw %ax, %ss
    xorl %eax, %eax
    movw %ax, %fs
    movw %ax, %gs
    movl %ebx, %edi          # hvm_start_info
    xorl %ebp, %ebp
    call boot_start
    ud2
    .size boot_entry, . - boot_entry

    .section .data
    .align 16
    .globl boot_gdt
boot_gdt:
    .quad 0
    .quad 0x00AF9B000000FFFF # 0x08 code, 64 bit
    .quad 0x00CF93000000FFFF # 0x10 data
    .quad 0, 0               # 0x18 task state, filled by boot_traps_start
boot_gdt_end:
gdt_pointer:
    .word boot_gdt_end - boot_gdt - 1
    .quad boot_gdt

    .section .bss
    .align 4096
early_level4: .skip kPageBytes
early_level3: .skip kPageBytes
early_level2: .skip kTables * kPageBytes
    .skip kBootStackBytes
boot_stack_top:

    .section .note.GNU-stack,"",@progbits
