"""Who called whom in the kernel, which keeps no frame pointers: kernel/debug/unwind.c in Python."""
import struct

MOVE_SP, SAVE_RA, LOAD_RA, JUMP = range(1, 5)


def bits(i, low, n):
    return i >> low & (1 << n) - 1


def decode(code, at):
    """The instruction at that offset: its length, what it does, by how much or where."""
    i, = struct.unpack_from("<H", code, at)
    if i & 3 != 3:
        if i & 0xEF83 == 0x6101:  # c.addi16sp
            return 2, MOVE_SP, (bits(i, 6, 1) << 4 | bits(i, 2, 1) << 5 | bits(i, 5, 1) << 6 | bits(i, 3, 2) << 7) - (bits(i, 12, 1) << 9)
        if i & 0xEF83 == 0x0101:  # c.addi sp
            return 2, MOVE_SP, bits(i, 2, 5) - (bits(i, 12, 1) << 5)
        if i & 0xE07F == 0xE006:  # c.sdsp ra
            return 2, SAVE_RA, bits(i, 10, 3) << 3 | bits(i, 7, 3) << 6
        if i & 0xEF83 == 0x6082:  # c.ldsp ra
            return 2, LOAD_RA, 0
        return 2, JUMP if i & 0xE003 == 0xA001 or i & 0xF07F == 0x8002 else 0, 0
    i, = struct.unpack_from("<I", code, at)
    if i & 0xFFFFF == 0x10113:  # addi sp,sp,n
        return 4, MOVE_SP, bits(i, 20, 12) - (bits(i, 31, 1) << 12)
    if i & 0x1FFF07F == 0x113023:  # sd ra,n(sp)
        return 4, SAVE_RA, bits(i, 25, 7) << 5 | bits(i, 7, 5)
    if i & 0xFFFFF == 0x13083:  # ld ra,n(sp)
        return 4, LOAD_RA, 0
    return 4, JUMP if i & 0xFFF in (0x6F, 0x67) else 0, 0


def frame(code, pc=None):
    """The frame of the function with that code: its size, and how far below its end ra is (None: in the register). pc: an offset
where it was interrupted, None: it waits for a call's return."""
    size, saved, now_size, now_saved, at = 0, None, 0, None, 0
    while at < (len(code) if pc is None else min(pc, len(code))):
        length, what, n = decode(code, at)
        at += length
        if what == MOVE_SP:
            size -= min(n, 0)
            now_size -= n
        elif what == SAVE_RA:
            saved = size - n if saved is None else saved
            now_saved = saved
        elif what == LOAD_RA:
            now_saved = None
        elif what == JUMP:
            now_size, now_saved = size, saved
    return (size, saved) if pc is None else (now_size, now_saved)
