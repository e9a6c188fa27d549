/* SPDX-License-Identifier: Apache-2.0 */
/* See stacks_asm.h. With CFI that says what is so: nobody calls fiber_begin. */
#if defined(__x86_64__)
	.text

	.globl call_on
	.type call_on, @function
call_on:
	.cfi_startproc
	push	%rbp
	.cfi_def_cfa_offset 16
	.cfi_offset %rbp, -16
	mov	%rsp, %rbp
	.cfi_def_cfa_register %rbp
	mov	%rsi, %rsp
	call	*%rdi
	leave
	.cfi_def_cfa %rsp, 8
	ret
	.cfi_endproc
	.size call_on, . - call_on

/* Both stacks have the same registers on top, so the CFI holds before and after. */
	.globl fiber_switch
	.type fiber_switch, @function
fiber_switch:
	.cfi_startproc
	.irp	reg, rbp, rbx, r12, r13, r14, r15
	push	%\reg
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset \reg, 0
	.endr
	mov	%rsp, (%rdi)
	mov	%rsi, %rsp
	.irp	reg, r15, r14, r13, r12, rbx, rbp
	pop	%\reg
	.cfi_adjust_cfa_offset -8
	.cfi_restore \reg
	.endr
	ret
	.cfi_endproc
	.size fiber_switch, . - fiber_switch

	.globl fiber_prepare
	.type fiber_prepare, @function
fiber_prepare:
	.cfi_startproc
	lea	-72(%rdi), %rax		/* six registers, fiber_begin, room to align */
	lea	fiber_begin + 1(%rip), %rcx
	mov	%rcx, 48(%rax)
	mov	%rsi, 32(%rax)		/* rbx */
	movq	$0, 40(%rax)		/* rbp */
	ret
	.cfi_endproc
	.size fiber_prepare, . - fiber_prepare

/* One looks for the caller at the byte before a return address: that is the nop. */
	.type fiber_begin, @function
fiber_begin:
	.cfi_startproc
	.cfi_undefined rip
	nop
	mov	%rbx, %rdi
	call	fiber_main
	ud2
	.cfi_endproc
	.size fiber_begin, . - fiber_begin

/* Each in a page of code of its own, behind the one that leads there. */
	.p2align 12
	.globl spin_below
	.type spin_below, @function
spin_below:
	.cfi_startproc
	inc	%rdi
	shl	$12, %rdi
	lea	spin_below(%rip), %rax
	add	%rdi, %rax
	jmp	*%rax
	.cfi_endproc
	.rept	32
	.p2align 12
	.cfi_startproc
	sub	$0x3000, %rsp
	.cfi_def_cfa_offset 0x3008
1:	dec	%rsi
	jnz	1b
	add	$0x3000, %rsp
	.cfi_def_cfa_offset 8
	ret
	.cfi_endproc
	.endr
	.size spin_below, . - spin_below

	.section .note.GNU-stack, "", @progbits
#endif
