/* Reading a flattened device tree (Devicetree Specification 0.4, chapter 5). Every offset that the
 * blob contains is checked against its size, so a damaged tree gives an error, never a stray read. */
#pragma once
#include "types.h"

struct fdt {
    const u8 *base, *structs, *strings;
    u32 size, structs_size, strings_size;
};
struct fdt_node {
    u32 offset; /* of the node's first property, in the structure block */
    u32 depth;  /* root is 0 */
    const char *name;
    u32 address_cells, size_cells; /* the parent's: how to read this node's reg */
};

#define FDT_MAX_DEPTH 16

/* Checks the header. max: the most bytes that may be read. 0 or -EINVAL. */
int fdt_open(struct fdt *f, const void *blob, u64 max);
/* Walks all nodes in order. fn returns non-zero to stop; that value is returned. -EINVAL: damaged. */
int fdt_walk(const struct fdt *f, int (*fn)(const struct fdt *, const struct fdt_node *, void *), void *arg);
/* A property of a node; NULL if absent. *len in bytes. */
const void *fdt_prop(const struct fdt *f, const struct fdt_node *n, const char *name, u32 *len);
/* A terminated string property, or NULL. */
const char *fdt_string(const struct fdt *f, const struct fdt_node *n, const char *name);
bool fdt_u32(const struct fdt *f, const struct fdt_node *n, const char *name, u32 *v);
/* The i-th (address, size) of reg; false if there is none. */
bool fdt_reg(const struct fdt *f, const struct fdt_node *n, u32 i, u64 *address, u64 *size);
/* Is s among the node's compatible strings? */
bool fdt_compatible(const struct fdt *f, const struct fdt_node *n, const char *s);
u32 fdt_be32(const void *p);
/* The i-th entry of the memory reservation block; false past the end. */
bool fdt_reserved(const struct fdt *f, u32 i, u64 *address, u64 *size);
