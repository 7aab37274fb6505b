/* Flattened device tree reader; see fdt.h. */
#include "fdt.h"
#include "lib.h"
#include <abi/errno.h>

enum { FDT_BEGIN_NODE = 1, FDT_END_NODE = 2, FDT_PROP = 3, FDT_NOP = 4, FDT_END = 9 };

u32 fdt_be32(const void *p) {
    const u8 *b = p;
    return (u32)b[0] << 24 | b[1] << 16 | b[2] << 8 | b[3];
}
static u64 cells(const u8 *p, u32 n) {
    u64 v = 0;
    for (u32 i = 0; i < n; i++)
        v = v << 32 | fdt_be32(p + 4 * i);
    return v;
}

int fdt_open(struct fdt *f, const void *blob, u64 limit) {
    const u8 *b = blob;
    if (!b || ((u64)b & 3) || limit < 40 || fdt_be32(b) != 0xd00dfeed)
        return -EINVAL;
    u32 size = fdt_be32(b + 4), so = fdt_be32(b + 8), st = fdt_be32(b + 12);
    u32 stn = fdt_be32(b + 32), son = fdt_be32(b + 36);
    if (size > limit || size < 40 || fdt_be32(b + 24) > 17 || fdt_be32(b + 20) < 16 || (so & 3) ||
        so > size || son > size - so || st > size || stn > size - st)
        return -EINVAL;
    *f = (struct fdt){b, b + so, b + st, size, son, stn};
    return 0;
}

/* One token at *off; for FDT_PROP the name, data and length. Returns the token, or -EINVAL. */
static int next_token(const struct fdt *f, u32 *off, const char **name, const u8 **data, u32 *len) {
    for (;;) {
        if (*off + 4 > f->structs_size || *off + 4 < 4)
            return -EINVAL;
        u32 token = fdt_be32(f->structs + *off);
        *off += 4;
        if (token == FDT_NOP)
            continue;
        if (token == FDT_BEGIN_NODE) {
            u32 room = f->structs_size - *off;
            *name = (const char *)f->structs + *off;
            u32 n = strnlen(*name, room);
            if (n == room)
                return -EINVAL;
            *off += ALIGN_UP(n + 1, 4u);
        } else if (token == FDT_PROP) {
            if (f->structs_size - *off < 8)
                return -EINVAL;
            *len = fdt_be32(f->structs + *off);
            u32 nameoff = fdt_be32(f->structs + *off + 4);
            *off += 8;
            if (*len > f->structs_size - *off || nameoff >= f->strings_size)
                return -EINVAL;
            *name = (const char *)f->strings + nameoff;
            if (strnlen(*name, f->strings_size - nameoff) == f->strings_size - nameoff)
                return -EINVAL;
            *data = f->structs + *off;
            *off += ALIGN_UP(*len, 4u);
        } else if (token != FDT_END_NODE && token != FDT_END) {
            return -EINVAL;
        }
        if (*off > f->structs_size)
            return -EINVAL;
        return token;
    }
}

int fdt_walk(const struct fdt *f, int (*fn)(const struct fdt *, const struct fdt_node *, void *), void *arg) {
    u32 off = 0, depth = 0, len;
    u32 ac[FDT_MAX_DEPTH + 1] = {2}, sc[FDT_MAX_DEPTH + 1] = {1};
    const char *name;
    const u8 *data;
    for (;;) {
        int t = next_token(f, &off, &name, &data, &len);
        if (t < 0)
            return t;
        if (t == FDT_END)
            return depth ? -EINVAL : 0;
        if (t == FDT_END_NODE) {
            if (!depth--)
                return -EINVAL;
        } else if (t == FDT_BEGIN_NODE) {
            if (depth == FDT_MAX_DEPTH)
                return -EINVAL;
            struct fdt_node n = {off, depth, name, ac[depth], sc[depth]};
            depth++;
            ac[depth] = 2, sc[depth] = 1;
            fdt_u32(f, &n, "#address-cells", &ac[depth]);
            fdt_u32(f, &n, "#size-cells", &sc[depth]);
            int r = fn(f, &n, arg);
            if (r)
                return r;
        }
    }
}

const void *fdt_prop(const struct fdt *f, const struct fdt_node *n, const char *want, u32 *len) {
    u32 off = n->offset;
    const char *name;
    const u8 *data;
    while (next_token(f, &off, &name, &data, len) == FDT_PROP)
        if (!strcmp(name, want))
            return data;
    return NULL;
}

const char *fdt_string(const struct fdt *f, const struct fdt_node *n, const char *name) {
    u32 len;
    const char *s = fdt_prop(f, n, name, &len);
    return s && len && !s[len - 1] ? s : NULL;
}

bool fdt_u32(const struct fdt *f, const struct fdt_node *n, const char *name, u32 *v) {
    u32 len;
    const void *p = fdt_prop(f, n, name, &len);
    if (!p || len < 4)
        return false;
    *v = fdt_be32(p);
    return true;
}

bool fdt_reg(const struct fdt *f, const struct fdt_node *n, u32 i, u64 *address, u64 *size) {
    u32 len, ac = n->address_cells, sc = n->size_cells, entry = 4 * (ac + sc);
    const u8 *p = fdt_prop(f, n, "reg", &len);
    if (!p || ac > 4 || sc > 4 || !entry || i >= len / entry)
        return false;
    p += i * entry;
    *address = cells(p, ac);
    *size = cells(p + 4 * ac, sc);
    return true;
}

bool fdt_compatible(const struct fdt *f, const struct fdt_node *n, const char *s) {
    u32 len;
    const char *p = fdt_prop(f, n, "compatible", &len);
    for (u32 i = 0; p && i < len; i += strnlen(p + i, len - i) + 1)
        if (strlen(s) < len - i && !strcmp(p + i, s))
            return true;
    return false;
}

bool fdt_reserved(const struct fdt *f, u32 i, u64 *address, u64 *size) {
    u64 off = (u64)fdt_be32(f->base + 16) + 16UL * i;
    if (off + 16 > f->size)
        return false;
    *address = cells(f->base + off, 2);
    *size = cells(f->base + off + 8, 2);
    return *size != 0;
}
