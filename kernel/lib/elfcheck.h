/* Is this ELF file fit to run? Pure checks, so that the host can test them with damaged files. */
#pragma once
#include "types.h"
#include <abi/elf.h>

#define ELF_MAX_PHNUM 64
bool elf_header_ok(const Elf64_Ehdr *h);
/* All loadable segments lie below limit, in rising order, no file size over its memory size, offsets
 * congruent to addresses. */
bool elf_segments_ok(const Elf64_Ehdr *h, const Elf64_Phdr *ph, u64 limit);
