/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Call frame information: the entries of .eh_frame and .debug_frame, and what their instructions
 * say at each place of a function (DWARF 5, 6.4; LSB 5.0, 10.6). Pure: bytes in, state out; every
 * loop is bounded by the bytes. -EBADMSG where they are malformed or of a kind that we do not know.
 */
#ifndef UNWIND_CFI_H
#define UNWIND_CFI_H

#include "unwind/dw_cursor.h"

#define CFI_SLOTS	 9
#define CFI_REMEMBER_MAX 64 /* nested DW_CFA_remember_state; compilers nest two or three */

/*
 * The registers of an architecture whose rules are kept: the callee-saved ones that struct
 * unwind_ext knows (slot = their index there), the stack pointer, and the return address.
 */
struct cfi_arch {
	uint16_t machine; /* e_machine */
	uint8_t n_saved;
	uint8_t saved[6]; /* DWARF's numbers */
	uint8_t n_regs;	  /* general registers are 0 … n_regs - 1 */
	uint8_t sp, fp, ra;
	uint8_t sp_slot, ra_slot;
};

/* NULL: we know no such machine. */
const struct cfi_arch *cfi_arch_of(uint16_t machine);

/* Slot of a DWARF register, or -1: it is not kept. */
int cfi_slot_of(const struct cfi_arch *arch, uint64_t reg);
#define CFI_OTHER_RA_SLOT 8 /* of a return address in an unusual column, on aarch64 */

enum cfi_how {
	CFI_UNSPECIFIED, /* for a CFA: there is none */
	CFI_UNDEFINED,
	CFI_SAME,
	CFI_OFFSET,	/* in memory at CFA + off; for a CFA: the value reg + off */
	CFI_VAL_OFFSET, /* the value CFA + off */
	CFI_REGISTER,	/* the value of reg */
	CFI_EXPR,	/* in memory at what the expression gives; for a CFA: what it gives */
	CFI_VAL_EXPR,	/* the value that the expression gives */
};

#define CFI_NO_REG 255 /* a register number that no architecture here has */

struct cfi_place {
	uint8_t how; /* enum cfi_how */
	uint8_t reg;
	uint16_t len; /* bytes of expr */
	union {
		int64_t off;
		const uint8_t *expr; /* borrowed from the bytes of the entry */
	};
};

/* The rules that hold at one place. */
struct cfi_state {
	struct cfi_place cfa;
	struct cfi_place slot[CFI_SLOTS];
};

/* What an entry begins with. */
struct cfi_head {
	uint64_t size;	   /* bytes of the whole entry with its length; 0: a terminator */
	unsigned head;	   /* bytes up to and with the CIE id */
	bool is_cie;	   /* else an FDE, whose CIE is … */
	uint64_t cie_back; /* … .eh_frame: this many bytes before the field at head - 4 */
	uint64_t cie_off;  /* … .debug_frame: here in the section */
};

#define CFI_HEAD_MAX 20 /* bytes that cfi_read_head() looks at */

/* @buf holds the entry's begin: CFI_HEAD_MAX bytes of it or all that there are. */
int cfi_read_head(const void *buf, size_t len, bool eh, struct cfi_head *ret);

struct cfi_cie {
	const struct cfi_arch *arch;
	bool eh; /* of .eh_frame, else of .debug_frame */
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra; /* return address column */
	/*
	 * Its slot. The column may be another than the ABI's: there is assembly for aarch64 that
	 * keeps it in x15.
	 */
	uint8_t ra_slot;
	uint8_t enc; /* DW_EH_PE_* of addresses in its FDEs */
	bool has_augmentation_data;
	bool signal_frame;
	struct cfi_state initial; /* after its instructions; points into the CIE's bytes */
};

/* @buf is one whole entry, @addr the ELF virtual address of its first byte. */
int cfi_parse_cie(const void *buf, size_t len, uint64_t addr, const struct cfi_arch *arch, bool eh,
		  struct cfi_cie *ret);

struct cfi_fde {
	const struct cfi_cie *cie;
	uint64_t start, end; /* ELF virtual addresses of its code; end > start */
	struct dw_cursor insns;
};

#define CFI_RANGE_MAX 64 /* bytes of an FDE that hold its head and its range */

/*
 * The range of the FDE alone (insns is not set): @buf may end behind it. -ERANGE: it covers
 * nothing, as those that a linker discarded.
 */
int cfi_parse_range(const void *buf, size_t len, uint64_t addr, const struct cfi_cie *cie,
		    struct cfi_fde *ret);
/* @buf is one whole entry, borrowed by *ret as @cie is. -ERANGE as above. */
int cfi_parse_fde(const void *buf, size_t len, uint64_t addr, const struct cfi_cie *cie,
		  struct cfi_fde *ret);

/* Execution of an FDE's instructions, row by row. */
struct cfi_exec {
	const struct cfi_cie *cie;
	struct dw_cursor in;
	uint64_t pc, end;
	bool in_cie; /* executes a CIE's own instructions */
	unsigned depth;
	struct cfi_state now;
	struct cfi_state saved[CFI_REMEMBER_MAX];
};

void cfi_exec_init(struct cfi_exec *x, const struct cfi_fde *fde);

/*
 * The next row: x->now holds in [*ret_from, *ret_to), which is not empty. 1, or 0 at the end of the
 * function, or -EBADMSG: nothing is known from *ret_from to the function's end.
 */
int cfi_exec_next(struct cfi_exec *x, uint64_t *ret_from, uint64_t *ret_to);

#endif
