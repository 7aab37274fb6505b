# tine: `make deps qemu` boots to a shell, `make deps test` runs the tests. `make help` lists the rest.
MAKEFLAGS += -rR --no-print-directory
.DELETE_ON_ERROR:
.SUFFIXES:
VERSION := 0.1
CPUS ?= 2
MEM ?= 256M
DEBUG ?= 0
CROSS ?= riscv64-unknown-elf-
WERROR ?= -Werror
CC := $(CROSS)gcc
UCC ?= riscv64-unknown-elf-gcc
PY := /usr/bin/python3
# The bare-metal linker makes no shared objects, and the vDSO is one.
VDSO_LD ?= riscv64-linux-gnu-ld
ifneq ($(MAKECMDGOALS),)
ifeq ($(filter-out clean deps help matrix,$(MAKECMDGOALS)),)
NOBUILD := 1
endif
endif

# What is wrong with the goals and variables is said here, before anything is built or run: scripts/checks.py.
LAB ?= $(shell cat labs/current 2>/dev/null)
q = '$(subst ','\'',$(1))'
# Taken as they are: in the environment of commands make would expand them.
unexport CMD APPEND T
CHECKED := CPUS MEM NODES ICOUNT IMG EXTRA IMGSIZE DEBUG FTRACE BUSYBOX ONCE V SEED N RUNS CALLS POINTS J DUMP LOG LAB CHECK CMD T SMOKE FRESH
TYPED := $(foreach v,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $v))),$v))
CHECK_GOALS := $(filter run trace profile ftrace lab grade repro gdb,$(MAKECMDGOALS))
ifneq ($(strip $(CHECK_GOALS)$(TYPED)$(foreach v,$(CHECKED),$(if $(filter environment,$(origin $v)),$v))),)
WRONG := $(if $(wildcard $(PY)),$(shell $(PY) scripts/checks.py $(MAKECMDGOALS) -- $(foreach v,$(CHECKED),$(if $(filter-out undefined,$(origin $v)),$(call q,$v=$(if $(filter file,$(origin $v)),$($v),$(value $v))))) -- $(TYPED)))
ifneq ($(WRONG),)
$(error $(WRONG))
endif
endif

B := build
K := $(B)/kernel$(if $(filter 1,$(DEBUG)),-debug)$(if $(filter 1,$(FTRACE)),-ftrace)
KERNEL := $(K)/tine.elf
Q := $(if $(filter-out 0,$(V)),,@)

# --- kernel ---
KSRC := $(sort $(shell find kernel -name '*.c' -o -name '*.S' | grep -v kernel/vdso/))
ifneq ($(DEBUG),1)
KSRC := $(filter-out kernel/debug/kasan.c kernel/debug/ubsan.c kernel/debug/locks.c kernel/debug/sleeplocks.c kernel/debug/testpoint.c kernel/debug/leak.c kernel/debug/tables.c kernel/debug/work.c,$(KSRC))
endif
ifneq ($(FTRACE),1)
KSRC := $(filter-out kernel/debug/ftrace.c,$(KSRC))
endif
KOBJ := $(KSRC:kernel/%=$(K)/%.o) $(K)/syscall_table.c.o
# The first build of a kernel takes a while, and says so. Plain `make` is quiet.
$(KOBJ): | $(K)/begun
$(K)/begun:
	@mkdir -p $(@D) && touch $@ $(if $(or $(filter-out all %.elf,$(MAKECMDGOALS)),$(filter-out kernel,$(notdir $K))),&& echo "building $(K): the first time takes about a minute" >&2)
CLANGFLAGS := $(if $(findstring clang,$(CC)),--target=riscv64-unknown-elf -mno-relax)
KCFLAGS := $(CLANGFLAGS) -std=gnu17 -march=rv64imac$(if $(findstring clang,$(CC)),,_zicsr_zifencei) -mabi=lp64 -mcmodel=medany -O2 -g \
    -Wall -Wextra $(WERROR) -Wno-sign-compare -Wno-cast-function-type -Walloca -Wvla -Wframe-larger-than=4000 -ffreestanding -fno-builtin-printf -fno-pic -fno-common \
    -fomit-frame-pointer -fno-strict-aliasing -fno-stack-protector -fno-asynchronous-unwind-tables \
    -nostdinc -Iinclude -I$(B)/include -Ikernel \
    -DTINE_VERSION='"$(VERSION)"' $(if $(filter 1,$(DEBUG)),-DCONFIG_DEBUG)
# The checked build: each load and store, index, shift and signed operation is checked (gcc; debug/kasan.c, ubsan.c).
ifeq ($(DEBUG)$(findstring clang,$(CC)),1)
UBSAN := -fsanitize=bounds,shift,signed-integer-overflow,integer-divide-by-zero,unreachable,bool,enum,null
KASAN := -fsanitize=kernel-address -fasan-shadow-offset=0 --param asan-instrumentation-with-call-threshold=0 \
    --param asan-stack=0 --param asan-globals=0
KCFLAGS += $(UBSAN) -Wno-array-bounds
$(filter-out $(K)/debug/% $(K)/lib/string.c.o,$(KOBJ)): SANITIZE = $(KASAN)
endif
# The build with the function tracer: each function calls its hooks (debug/ftrace.c), but for the smallest.
ifeq ($(FTRACE),1)
KCFLAGS += -DCONFIG_FUNCTION_TRACER -finstrument-functions \
    -finstrument-functions-exclude-file-list=kernel/debug/,procfs,riscv/riscv.h,riscv/spinlock.h,lib/,core/main.c,trap.c,/wait.h,fs/fs.h,core/task.h,mm/mm.h,mm/slab.h
endif
LDFLAGS := -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments
GEN := $(B)/include/abi/syscall.h $(B)/include/vdso-offsets.h $(B)/include/clone_flags.h $(B)/include/abi_undef.h

all: $(KERNEL) $(B)/fs.img compile_commands.json

$(B)/syscall_table.c $(B)/include/abi/syscall.h $(B)/include/syscall_names.h &: kernel/core/syscalls.list scripts/gen_syscalls.py
	@mkdir -p $(B)/include/abi
	$(Q)$(PY) scripts/gen_syscalls.py $< $(B)/syscall_table.c $(B)/include/abi/syscall.h $(B)/include/syscall_names.h

$(B)/include/clone_flags.h: kernel/core/clone_flags.list scripts/gen_clone_flags.py
	@mkdir -p $(@D)
	$(Q)$(PY) scripts/gen_clone_flags.py $< $@ docs/clone-flags.md

$(B)/vdso.so $(B)/include/vdso-offsets.h &: kernel/vdso/vdso.S kernel/vdso/vdso.ld $(B)/include/abi/syscall.h | check-tools
	$(Q)$(UCC) -march=rv64imac_zicsr -mabi=lp64 -I$(B)/include -Iinclude -c -o $(B)/vdso.o kernel/vdso/vdso.S
	$(Q)$(VDSO_LD) -m elf64lriscv -shared -soname linux-vdso.so.1 --hash-style=both --build-id=none --no-relax -T kernel/vdso/vdso.ld -o $(B)/vdso.elf $(B)/vdso.o
	$(Q)$(UCC:gcc=strip) --strip-debug -o $(B)/vdso.so $(B)/vdso.elf && truncate -s %4096 $(B)/vdso.so
	$(Q)echo "#define VDSO_RT_SIGRETURN 0x$$($(UCC:gcc=nm) $(B)/vdso.elf | awk '$$3=="__vdso_rt_sigreturn"{print $$1}')" > $(B)/include/vdso-offsets.h

$(K)/%.c.o: kernel/%.c $(GEN) Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(KCFLAGS) $(SANITIZE) -MMD -MP -c -o $@ $<
$(K)/%.S.o: kernel/%.S $(GEN) Makefile $(B)/vdso.so
	@mkdir -p $(@D)
	$(Q)$(UCC) -march=rv64imafdc_zicsr_zifencei -mabi=lp64 -mcmodel=medany -g -Iinclude -I$(B)/include -Ikernel -DVDSO_PATH='"$(B)/vdso.so"' -MMD -MP -c -o $@ $<
$(K)/syscall_table.c.o: $(B)/syscall_table.c kernel/core/syscall.h
	@mkdir -p $(@D)
	$(Q)$(CC) $(KCFLAGS) -c -o $@ $<

# Linked three times: the first link's symbols become the table that backtraces use; with a table the linker shortens other
# instructions than without, so the second's symbols are the true ones.
LINK = $(UCC) -march=rv64imac -mabi=lp64 $(LDFLAGS) -T kernel/riscv/kernel.ld
KSYMS = $(UCC:gcc=nm) $(1) | $(PY) scripts/gen_ksyms.py > $(K)/ksyms.S && $(UCC) -march=rv64imac_zicsr -mabi=lp64 -c -o $(K)/ksyms.o $(K)/ksyms.S
$(KERNEL): $(KOBJ) kernel/riscv/kernel.ld scripts/gen_ksyms.py
	$(Q)$(LINK) -o $(K)/first.elf $(KOBJ) -lgcc
	$(Q)$(call KSYMS,$(K)/first.elf)
	$(Q)$(LINK) -o $(K)/second.elf $(KOBJ) $(K)/ksyms.o -lgcc
	$(Q)$(call KSYMS,$(K)/second.elf)
	$(Q)$(LINK) -o $@ $(KOBJ) $(K)/ksyms.o -lgcc

-include user/user.mk
-include mkfs/mkfs.mk
-include tests/tests.mk
-include labs/labs.mk

# --- running ---
, := ,
QEMU := qemu-system-riscv64
ifeq ($(ICOUNT),1)
RUN_DISK = -initrd $(RUN_IMG) -icount shift=0,sleep=off
ICOUNT_ARGS := turns
else ifneq ($(filter-out 1,$(NODES)),)
RUN_DISK = -initrd $(RUN_IMG)
else
RUN_DISK = -drive file=$(RUN_IMG),format=raw,if=none,id=root -device virtio-blk-device,drive=root
endif
RUN_IMG = $(if $(IMG),$(IMG),$(B)/fs.img)
# Each image has its line for make watch.
WATCH_SOCKET = $(if $(IMG),$(IMG).watch,$(B)/watch)
# NODES=2: a machine of two NUMA nodes. Its root is served from memory: before version 8 QEMU loses the disk's interrupts there.
NODE_ARGS = $(if $(filter-out 1,$(NODES)),$(shell $(PY) scripts/numa.py $(NODES) $(CPUS) $(MEM)))
QEMU_CMD = $(QEMU) -machine virt -bios default -smp $(CPUS) -m $(MEM) $(NODE_ARGS) -nographic -monitor none -serial mon:stdio \
    -global virtio-mmio.force-legacy=false -kernel $(KERNEL) $(RUN_DISK)$(if $(value APPEND)$(ICOUNT_ARGS), -append $(call q,$(strip $(ICOUNT_ARGS) $(value APPEND))))
# A second line for make watch. Under icount there is none: what comes from the host would end the repetition.
WATCH = $(if $(filter 1,$(ICOUNT)),,-chardev socket$(,)id=watch$(,)path=$(WATCH_SOCKET)$(,)server=on$(,)wait=off -device virtio-serial-device -device virtconsole$(,)chardev=watch)
QEMU_LINE = $(subst -monitor none -serial mon:stdio,-serial mon:stdio,$(QEMU_CMD)) $(WATCH)

.PHONY: all check-tools qemu qemu-gdb qemu-cmd run clean deps help test bench fs.img
# What goes on in the system that make qemu runs in this folder. Again each second, or once: make watch ONCE=1.
watch:
	@$(PY) scripts/watch.py --socket $(WATCH_SOCKET) $(if $(filter 1,$(ONCE)),--once)
.PHONY: watch
# QEMU says no more than that it gets no lock, and takes the socket of make watch away before.
IMAGE_IS_FREE = $(if $(findstring -initrd,$(RUN_DISK)),,$(PY) scripts/checks.py --free $(call q,$(RUN_IMG)) &&)
# DUMP=file: when the kernel panics, a core file for gdb.
qemu: all
	@$(IMAGE_IS_FREE) $(if $(DUMP),$(PY) scripts/dump.py --kernel $(KERNEL) --out $(call q,$(DUMP)) -- )$(QEMU_LINE)
qemu-gdb: all
	@$(IMAGE_IS_FREE) echo "waiting for gdb: run gdb-multiarch in this folder"
	@$(QEMU_LINE) -s -S
REPLAY = $(PY) scripts/replay.py --kernel $(KERNEL) --image $(call q,$(RUN_IMG)) --build $(B) --mem $(MEM) --append $(call q,$(value APPEND))
qemu-record: all
	@$(REPLAY) record
qemu-replay:
	@$(REPLAY) replay
.PHONY: qemu-record qemu-replay
qemu-cmd:
	@printf '%s\n' $(call q,$(QEMU_LINE))
RUN_LINE = $(PY) scripts/run.py $(if $(filter 1,$(ICOUNT))$(SEED),--icount) --kernel $(KERNEL) --image $(call q,$(RUN_IMG)) --cpus $(CPUS) --mem $(MEM) --nodes $(or $(NODES),1) \
    --append $(call q,$(value APPEND)$(if $(SEED), seed=$(SEED))) -- $(call q,$(value CMD))
# make itself would end with 2 whenever a recipe fails. Its status is to be the command's, so it is given a function
# for that; a make that loads none ends with 2.
ifneq ($(filter run,$(MAKECMDGOALS)),)
ifeq ($(findstring n,$(firstword -$(MAKEFLAGS))),)
-load $(B)/make_exit.so
endif
endif
# Whole when it appears: two makes may build it side by side.
$(B)/make_exit.so: scripts/make_exit.c
	@mkdir -p $(@D)
	$(Q)gcc -shared -fPIC -O1 -Wall -Wextra -Werror -o $@.$$$$ $< && mv $@.$$$$ $@
run: all
	@$(run-and-exit $(RUN_LINE))$(RUN_LINE)
# What happened while a command ran, as text, for Perfetto, and as a picture: build/trace.
trace: all
	@$(PY) scripts/trace.py --kernel $(KERNEL) --image $(call q,$(RUN_IMG)) --build $(B) --cpus $(CPUS) --mem $(MEM) $(if $(EVENTS),--events $(call q,$(EVENTS))) -- $(call q,$(value CMD))
.PHONY: trace
# The kernel's calls under a function, as they ran for a command: make ftrace FUNC=copy_process CMD="/bin/true".
FUNC ?= copy_process
ftrace:
	@$(MAKE) FTRACE=1 all
	@$(PY) scripts/run.py $(if $(filter-out 0,$(ICOUNT)),--icount) --kernel $(B)/kernel-ftrace/tine.elf --image $(call q,$(RUN_IMG)) --cpus $(CPUS) --mem $(MEM) -- \
	    'echo "$(FUNC)" > /proc/ftrace || { echo "ftrace: FUNC=$(FUNC): the kernel has no such function, or it is not traced" >&2; exit 1; }; $(subst ','\'',$(value CMD)); echo off > /proc/ftrace; cat /proc/ftrace'
ifneq ($(filter ftrace,$(MAKECMDGOALS)),)
ICOUNT ?= 1
endif
# A console log with source lines behind the kernel's addresses: make decode LOG=file, or < file.
decode:
	@$(PY) scripts/decode_stacktrace.py $(if $(LOG),$(call q,$(LOG)))
.PHONY: ftrace decode
fs.img: $(B)/fs.img
	@:

deps:
	@scripts/deps

check-tools:
	@command -v $(CC) >/dev/null || { echo "the compiler $(CC) is missing: run 'make deps', or set CROSS="; exit 1; }
	@command -v $(QEMU) >/dev/null || { echo "$(QEMU) is missing: run 'make deps'"; exit 1; }
	@$(QEMU) --version | awk '{split($$4,v,"."); if (v[1] < 7) {print "QEMU " $$4 " is too old: 7.0 or newer is needed"; exit 1}; exit 0}'

compile_commands.json: $(KERNEL) Makefile
	$(Q)$(PY) scripts/compile_commands.py $@ '$(subst ','\'',$(CC) $(filter-out -DCONFIG% -finstrument% -fsanitize%,$(KCFLAGS)) -DCONFIG_DEBUG -DCONFIG_FUNCTION_TRACER)' $(sort $(shell find kernel -name '*.c')) -- '$(subst ','\'',$(UCC) $(UCFLAGS) -fno-builtin)' $(wildcard user/*.c user/*/*.c)

format:
	@find kernel user include tests labs -name "*.[ch]" | xargs clang-format --style=file -i
.PHONY: format
clean:
	@rm -rf $(B) compile_commands.json
help:
	@echo "make [qemu|watch|run CMD=...|qemu-gdb|qemu-record|qemu-replay|qemu-cmd|test [T=name]|bench|fs.img EXTRA=dir|deps|clean]"
	@echo "     [trace CMD=... EVENTS=fork,sched|ftrace CMD=... FUNC=copy_process|decode LOG=...|oracle|bench-linux|bench-disk|bench-update|profile CMD=... ONLY=function|curve|boots N=500|seeds N=1000|fuzz|test-powercut]"
	@echo "     [lab LAB=cow DIR=folder|grade LAB=cow|repro CHECK=...|gdb CHECK=...|labs-prove|labs-class N=200]"
	@echo "variables: CPUS= MEM= NODES= ICOUNT=1 IMG= EXTRA= APPEND= DEBUG=1 SEED= DUMP=file BUSYBOX=1 CROSS= V=1"

-include $(shell find $(K) -name '*.d' 2>/dev/null)
