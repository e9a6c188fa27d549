/* SPDX-License-Identifier: Apache-2.0 */
/* 50 MB of code that nobody calls, with unwind tables like any other's: 200,000 functions. */
#if defined(__x86_64__)
	.text
	.rept 200000
	.balign 16
	.cfi_startproc
	push	%rbx
	.cfi_adjust_cfa_offset 8
	.cfi_rel_offset %rbx, 0
	sub	$32, %rsp
	.cfi_adjust_cfa_offset 32
	.skip	225, 0x90
	add	$32, %rsp
	.cfi_adjust_cfa_offset -32
	pop	%rbx
	.cfi_adjust_cfa_offset -8
	.cfi_restore %rbx
	ret
	.cfi_endproc
	.endr
#endif

	.section .note.GNU-stack, "", %progbits
