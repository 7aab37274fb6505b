/* Checks of ELF headers; see elfcheck.h. */
#include "elfcheck.h"
#include "lib.h"

bool elf_header_ok(const Elf64_Ehdr *h) {
    return !memcmp(h->e_ident, "\177ELF\2\1\1", 7) && (h->e_type == ET_EXEC || h->e_type == ET_DYN) &&
           h->e_machine == EM_RISCV && h->e_phentsize == sizeof(Elf64_Phdr) && h->e_phnum >= 1 &&
           h->e_phnum <= ELF_MAX_PHNUM && h->e_phoff < 1UL << 40;
}

bool elf_segments_ok(const Elf64_Ehdr *h, const Elf64_Phdr *ph, u64 limit) {
    u64 last = 0;
    bool any = false;
    for (int i = 0; i < h->e_phnum; i++) {
        const Elf64_Phdr *p = &ph[i];
        if (p->p_type != PT_LOAD || !p->p_memsz)
            continue;
        if (p->p_filesz > p->p_memsz || p->p_vaddr >= limit || p->p_memsz > limit - p->p_vaddr ||
            p->p_offset >= 1UL << 40 || ((p->p_vaddr ^ p->p_offset) & 4095) || p->p_vaddr < last)
            return false;
        if (h->e_type == ET_EXEC && p->p_vaddr < 0x10000)
            return false;
        last = p->p_vaddr + p->p_memsz;
        any = true;
    }
    return any;
}
