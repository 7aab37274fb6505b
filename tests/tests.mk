# Tests: tests/abi and tests/linux are static glibc programs (unmodified Linux binaries); tests/host runs here.
LCC := riscv64-linux-gnu-gcc
ABI := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/abi/*.c tests/linux/*.c tests/pthread/*.c))
$(B)/tests/%: tests/%.c tests/abi/ktap.h tests/abi/setid.h
	@mkdir -p $(@D)
	$(Q)$(LCC) -static -O1 -g -Wall -Wno-unused-result -Wno-dangling-pointer -Itests/abi -o $@ $< -lpthread -latomic
$(B)/tests/bench-linux: user/bench.c
	@mkdir -p $(@D)
	$(Q)$(LCC) -static -O2 -DLINUX -o $@ $< -lpthread
$(B)/tests/true-linux: Makefile
	@mkdir -p $(@D)
	$(Q)echo 'int main(void) { return 0; }' | $(LCC) -static -O1 -x c -o $@ -
# A line for what takes long before it says anything.
under-way = @echo "$@: $(1)" >&2
HOSTSRC := kernel/lib/fdt.c kernel/lib/string.c kernel/lib/printf.c kernel/lib/rbtree.c kernel/lib/radix.c kernel/lib/elfcheck.c kernel/lib/chacha.c kernel/lib/crc32c.c
# memcpy and friends are renamed: the host's own must stay, and both are compared.
$(B)/tests/host/unit: tests/host/unit.c tests/host/rename.h $(HOSTSRC) $(GEN)
	@mkdir -p $(@D)
	$(Q)gcc -std=gnu17 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-builtin -Wall -Wno-sign-compare -include tests/host/rename.h -Iinclude -Ikernel -o $@ tests/host/unit.c $(HOSTSRC)

# The first build, of some two hundred static programs, takes a while.
$(ABI): | $(B)/tests/begun
$(B)/tests/begun:
	@mkdir -p $(@D) && touch $@ && echo "building the test programs: the first time takes a minute or two" >&2
test-programs: $(ABI) $(B)/tests/bench-linux $(B)/tests/host/unit $(B)/tests/fuzz
.PHONY: test-programs
test: all test-programs lab-programs
	@$(MAKE) DEBUG=1 all
	@$(MAKE) FTRACE=1 all
	@echo "tests on $(or $(J),$(shell nproc)) machines at a time: the first results come within a minute" >&2
	@$(PY) -m pytest tests -q -n $(or $(J),$(shell nproc)) --dist loadgroup $(if $(T),-k $(call q,$(T)))
# The README's two commands in minimal roots of other releases of Debian, made by debootstrap: a table.
# SMOKE=1: a dozen tests; FRESH=1: debootstrap again; USERS=stranger: not as root too.
matrix:
	@$(PY) scripts/matrix.py $(SUITES) $(if $(filter 1,$(SMOKE)),--smoke) $(if $(filter 1,$(FRESH)),--fresh) $(if $(USERS),--users $(USERS))
.PHONY: matrix
bench: all
	$(call under-way,about a minute)
	@$(PY) scripts/bench.py --kernel $(KERNEL) --image $(B)/fs.img
# The figures that make test compares with: on purpose only.
bench-update: all
	$(call under-way,about a minute)
	@$(PY) scripts/bench.py --kernel $(KERNEL) --image $(B)/fs.img --update tests/figures
.PHONY: bench-update
# What the kernel did for a command, exactly, by function and by stack: a table, and build/profile/flame.svg.
profile: all
	$(call under-way,up to half a minute)
	@$(PY) scripts/profile.py --kernel $(KERNEL) --image $(B)/fs.img --build $(B) $(if $(ONLY),--only $(call q,$(ONLY))) --mem $(MEM) -- $(call q,$(value CMD))
.PHONY: profile
# Campaigns: longer than `make test` may be.
N ?= $(if $(filter labs-class,$(MAKECMDGOALS)),200,500)
boots: all
	$(call under-way,$(N) boots$(,) what fails is said at once)
	@$(PY) tests/boots.py $(N) $(KERNEL) $(B)/fs.img
exits: all
	$(call under-way,$(N) ends of the machine)
	@$(PY) tests/exits.py $(N) $(KERNEL) $(B)/fs.img
.PHONY: exits
RUNS ?= 10
CALLS ?= 1000000
fuzz: test-programs
	@$(MAKE) DEBUG=1 all
	$(call under-way,$(RUNS) runs$(,) a line after each)
	@$(PY) tests/fuzz/fuzz.py --seed $(or $(SEED),1) --runs $(RUNS) --calls $(CALLS)
.PHONY: boots fuzz
$(B)/tests/oracle-init: tests/oracle/init.c tests/oracle/modules.h
	@mkdir -p $(@D)
	$(Q)$(LCC) -static -O1 -Wall -Wno-unused-result -o $@ $<
# The same programs on Debian's Linux and on tine: two columns that must agree.
oracle: all test-programs $(B)/tests/oracle-init
	$(call under-way,some minutes$(,) and the first time Debian's kernel is fetched)
	@$(PY) tests/oracle/oracle.py --init $(B)/tests/oracle-init --cpus $(CPUS) $(if $(T),--only $(call q,$(T)))
$(B)/tests/oracle-disk: tests/oracle/disk.c tests/oracle/modules.h
	@mkdir -p $(@D)
	$(Q)$(LCC) -static -O2 -Wall -Wno-unused-result -o $@ $<
bench-disk: all $(B)/tests/oracle-disk
	$(call under-way,some minutes$(,) and the first time Debian's kernel is fetched)
	@$(PY) tests/oracle/disk.py
.PHONY: bench-disk
# One static Linux binary on Debian's Linux and on tine; and what fork costs against resident memory, as a plot in docs.
bench-linux: all $(B)/tests/bench-linux $(B)/tests/true-linux
	$(call under-way,some minutes$(,) and the first time Debian's kernel is fetched)
	@$(PY) tests/oracle/bench.py $(if $(T),--only $(call q,$(T)))
curve: all $(B)/tests/bench-linux
	$(call under-way,some minutes$(,) and the first time Debian's kernel is fetched)
	@$(PY) tests/oracle/curve.py
.PHONY: oracle bench-linux curve
$(B)/tests/fuzz: tests/fuzz/fuzz.c
	@mkdir -p $(@D)
	$(Q)$(LCC) -static -O1 -g -Wall -Wno-unused-result -Wno-missing-braces -o $@ $<
seeds: test-programs
	@$(MAKE) DEBUG=1 all
	$(call under-way,$(N) seeds$(,) what fails is said at once)
	@$(PY) tests/seeds.py $(or $(SEED),1) $(N) $(T)
.PHONY: seeds
# Labs: are they what they claim to be (a table)? A class of N submissions, marked twice.
labs-prove: all
	$(call under-way,some minutes for each lab)
	@$(PY) labs/prove $(LAB)
labs-class: all
	$(call under-way,$(N) submissions$(,) marked twice)
	@$(PY) tests/labs/class_run.py $(N) $(LAB)
.PHONY: labs-prove labs-class
# Power cuts: the load, and a long run of cut points.
$(B)/tests/powercut-load: tests/powercut/load.c tests/oracle/modules.h
	@mkdir -p $(@D)
	$(Q)$(LCC) -static -O1 -Wall -Wno-unused-result -o $@ $<
$(B)/tests/powercut-churn: tests/powercut/churn.c
	@mkdir -p $(@D)
	$(Q)$(LCC) -static -O1 -Wall -Wno-unused-result -o $@ $<
test-programs: $(B)/tests/powercut-load $(B)/tests/powercut-churn
test-powercut: test-programs all
	@$(MAKE) DEBUG=1 all
	$(call under-way,some minutes for each seed)
	@for s in $(or $(SEED),1 2 3 4); do $(PY) tests/powercut/powercut.py --seed $$s --points $(or $(POINTS),400) || exit 1; done
	@$(PY) tests/powercut/model.py --more
	@$(PY) tests/powercut/churn.py --seed $(or $(SEED),1) --kills $(or $(KILLS),100) --cuts $(or $(CUTS),2000)
.PHONY: test-powercut
fuzz-images: test-programs all
	@$(MAKE) DEBUG=1 all
	$(call under-way,$(N) disks$(,) what fails is said at once)
	@$(PY) tests/powercut/images.py $(N) $(or $(SEED),1)
.PHONY: fuzz-images
