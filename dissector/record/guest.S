/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest of every recording: a boot sector that dirties memory for ever.
 *
 * It adds one to the first octet of each page from 64 KiB to 512 KiB, 112 pages in 448 KiB, and starts again.  So the
 * source always has pages that changed since they were sent, the destination asks for pages as soon as it runs, and
 * a page differs from its last copy by a single octet, which is what xbzrle is made for.  Nothing below 64 KiB is
 * touched: the firmware keeps its data there.
 *
 * After each round it flushes the TLB, by changing a bit of CR4 that has no meaning without paging.  Under TCG a page
 * that was once written stays marked as written in the TLB, and QEMU would never learn of the later rounds.
 *
 * Built by guest.py:  as --32, ld -m elf_i386 -Ttext 0x7c00, objcopy -O binary.
 */
	.code16
	.globl	_start
_start:
	cld
again:
	movw	$0x1000, %ax		/* the first page, as a real-mode segment */
page:
	movw	%ax, %ds
	incb	0x0
	addw	$0x0100, %ax		/* the next page: 256 paragraphs of 16 octets */
	cmpw	$0x8000, %ax
	jne	page
	movl	%cr4, %eax
	xorl	$0x10, %eax		/* PSE */
	movl	%eax, %cr4
	jmp	again

	.org	510
	.word	0xaa55			/* what makes it a boot sector */
