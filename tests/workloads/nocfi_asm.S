/* SPDX-License-Identifier: Apache-2.0 */
/* Functions as nobody should write them: without a word of CFI. See nocfi.c. */
	.macro function name
	.globl \name
	.type \name, %function
\name:
	.endm

#if defined(__x86_64__)
	.text
	function nocfi_call_frame
	push	%rbp
	mov	%rsp, %rbp
	call	*%rdi
	pop	%rbp
	ret
	.size nocfi_call_frame, . - nocfi_call_frame

	function nocfi_call_bare
	sub	$40, %rsp
	call	*%rdi
	add	$40, %rsp
	ret
	.size nocfi_call_bare, . - nocfi_call_bare

	function nocfi_spin_frame
	push	%rbp
	mov	%rsp, %rbp
1:	imul	$31, %rax, %rax
	dec	%rdi
	jnz	1b
	pop	%rbp
	ret
	.size nocfi_spin_frame, . - nocfi_spin_frame

	function nocfi_spin_bare
	sub	$24, %rsp
1:	imul	$31, %rax, %rax
	dec	%rdi
	jnz	1b
	add	$24, %rsp
	ret
	.size nocfi_spin_bare, . - nocfi_spin_bare
#endif

	.section .note.GNU-stack, "", %progbits
