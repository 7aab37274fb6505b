"""A reader of ext2 and ext3 images, for checkers: names, sizes and contents, straight from the blocks."""
import struct

BLOCK = 4096


class Image:
    def __init__(self, data):
        self.d = data
        sb = data[1024:2048]
        (self.inodes, self.blocks) = struct.unpack_from("<II", sb, 0)
        (self.blocks_per_group, _, self.inodes_per_group) = struct.unpack_from("<III", sb, 32)
        self.inode_size = struct.unpack_from("<H", sb, 88)[0]

    def block(self, n):
        return self.d[n * BLOCK:(n + 1) * BLOCK]

    def inode(self, ino):
        group, index = divmod(ino - 1, self.inodes_per_group)
        table = struct.unpack_from("<I", self.block(1 + group * 32 // BLOCK), group * 32 % BLOCK + 8)[0]
        at = table * BLOCK + index * self.inode_size
        raw = self.d[at:at + 128]
        mode, size, links = struct.unpack_from("<H", raw, 0)[0], struct.unpack_from("<I", raw, 4)[0], struct.unpack_from("<H", raw, 26)[0]
        return mode, size, links, struct.unpack_from("<15I", raw, 40)

    def map(self, pointers, n):
        def through(block, index):
            return struct.unpack_from("<I", self.block(block), index * 4)[0] if block else 0
        if n < 12:
            return pointers[n]
        n -= 12
        if n < 1024:
            return through(pointers[12], n)
        n -= 1024
        return through(through(pointers[13], n // 1024), n % 1024)

    def content(self, ino):
        _, size, _, pointers = self.inode(ino)
        out = []
        for n in range((size + BLOCK - 1) // BLOCK):
            b = self.map(pointers, n)
            out.append(self.block(b) if b else bytes(BLOCK))
        return b"".join(out)[:size]

    def names(self, ino):
        found, data = {}, self.content(ino)
        at = 0
        while at + 8 <= len(data):
            child, length, n, _ = struct.unpack_from("<IHBB", data, at)
            if length < 8:
                raise ValueError(f"directory {ino} is damaged at {at}")
            if child and data[at + 8:at + 8 + n] not in (b".", b".."):
                found[data[at + 8:at + 8 + n].decode()] = child
            at += length
        return found
