# Labs: docs/labs.md. A check program is labs/LAB/tests.c or hidden.c, linked to build/labs/LAB/tests/t beside its image.
LB ?= $(B)/labs
LABTEXT ?= 0x10000
$(LB)/lab.o: labs/lib/lab.c labs/lib/lab.h user/include/tine.h $(GEN)
	@mkdir -p $(@D)
	$(Q)$(UCC) $(UCFLAGS) -fno-builtin -c -o $@ $<
$(LB)/%/t: labs/%.c $(LB)/lab.o $(ULIB) labs/lib/lab.h user/lib/program.ld
	@mkdir -p $(@D)
	$(Q)$(UCC) $(UCFLAGS) -fno-builtin -Wno-unused-result -Ilabs/lib -nostdlib -static -T user/lib/program.ld \
	    -Wl,--defsym=program_base=$(LABTEXT),-z,max-page-size=4096,--gc-sections,--no-warn-rwx-segments,--build-id=none \
	    -o $@ $(ULIB) $(LB)/lab.o $< -L$(PICO)/lib/release -L$(PICO)/lib -lc -lgcc
$(LB)/%.img: $(LB)/%/t mkfs/mkfs.py
	$(Q)$(PY) mkfs/mkfs.py --out $@ --size 4M --programs $(LB)/$* --stamp $@.stamp
LABSRC := $(wildcard labs/*/tests.c labs/*/hidden.c)
.SECONDARY: $(LABSRC:labs/%.c=$(LB)/%/t)
lab-programs: $(patsubst labs/%.c,$(LB)/%.img,$(if $(LAB),$(filter labs/$(LAB)/%,$(LABSRC)),$(LABSRC)))
	@:
# The public checks on this tree; where the hidden ones are, those too.
grade: $(KERNEL) lab-programs
	@$(PY) labs/grade $(LAB) --here $(if $(CHECK),--check $(CHECK)) $(if $(J),-j $(J)) $(GRADE)
# One check by hand: its console on the terminal; or waiting for a debugger.
repro: $(KERNEL) lab-programs
	@$(PY) labs/grade $(LAB) --here --check '$(CHECK)' --repro
gdb: $(KERNEL) lab-programs
	@$(PY) labs/grade $(LAB) --here --check '$(CHECK)' --gdb
# A folder to hand out.
DIR ?= build/handout-$(LAB)
lab:
	@$(PY) labs/export $(LAB) $(DIR)
.PHONY: lab lab-programs grade repro gdb
