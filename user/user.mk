# Programs: one file each, or one folder (sh), linked with lib/ and picolibc.
# picolibc is in a folder of its own, or where the compiler looks by itself. Nothing asks which, since this
# file is read before make deps may have installed it.
PICO ?= /usr/lib/picolibc/riscv64-unknown-elf
UCFLAGS := -std=gnu17 -march=rv64gc -mabi=lp64d -mcmodel=medany -O2 -g -fno-omit-frame-pointer -Wall -Wextra -Werror -Wno-sign-compare \
    -ftls-model=local-exec -fno-common -Iuser/include -Iinclude -I$(B)/include -isystem $(PICO)/include
# The compiler's words for a program of ours: for editors and tests.
print-ucc:
	@echo '$(UCC) $(UCFLAGS)'
.PHONY: print-ucc
UPROG := $(patsubst user/%.c,$(B)/user/%,$(wildcard user/*.c)) $(B)/user/sh
ULIB := $(B)/user/lib/start.S.o $(B)/user/lib/start.c.o $(B)/user/lib/sys.c.o $(B)/user/lib/util.c.o $(B)/user/lib/thread.c.o
.SECONDARY: $(ULIB)
$(B)/include/abi_undef.h: scripts/gen_abi_undef.sh $(wildcard include/abi/*.h)
	@mkdir -p $(@D)
	$(Q)scripts/gen_abi_undef.sh $(wildcard include/abi/*.h) > $@.tmp && mv $@.tmp $@
$(B)/user/lib/%.S.o: user/lib/%.S $(GEN)
	@mkdir -p $(@D)
	$(Q)$(UCC) $(UCFLAGS) -c -o $@ $<
$(B)/user/lib/%.c.o: user/lib/%.c user/include/tine.h $(GEN)
	@mkdir -p $(@D)
	$(Q)$(UCC) $(UCFLAGS) -fno-builtin -MMD -MP -c -o $@ $<
ULINK = $(UCC) $(UCFLAGS) -nostdlib -static -T user/lib/program.ld -Wl,-z,max-page-size=4096,--gc-sections,--no-warn-rwx-segments,--build-id=none \
    -o $@ $(ULIB) $(filter %.c,$^) -L$(PICO)/lib/release -L$(PICO)/lib -lc -lgcc
$(B)/user/%: user/%.c $(ULIB) user/lib/program.ld user/include/tine.h $(GEN)
	@mkdir -p $(@D)
	$(Q)$(ULINK)
$(B)/user/sh: $(wildcard user/sh/*.c) user/sh/sh.h $(ULIB) user/lib/program.ld user/include/tine.h $(GEN)
	@mkdir -p $(@D)
	$(Q)$(ULINK)
