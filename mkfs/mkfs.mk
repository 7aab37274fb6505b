# The disk image: a staged root, given to mke2fs whole; owners are set by debugfs, so that no privilege is needed.
EXTRA ?=
BUSYBOX ?=
IMGSIZE ?= 64M
$(B)/fs.img: $(UPROG) mkfs/mkfs.py $(wildcard mkfs/root/*/* mkfs/root/*) FORCE_EXTRA
	$(Q)$(PY) mkfs/mkfs.py --out $@ --size $(IMGSIZE) --programs $(B)/user $(if $(EXTRA),--extra $(call q,$(EXTRA))) $(if $(filter 1,$(BUSYBOX)),--busybox) --stamp $(B)/fs.stamp
# Made again when its options change: the recipe itself leaves an up-to-date image alone.
.PHONY: FORCE_EXTRA
FORCE_EXTRA:
