/* Host tests, under the address and undefined-behaviour sanitizers, of kernel/lib and its parsers. The
 * parsers get damaged input: random bytes in a valid device tree and ELF header. KTAP on standard output. */
#include "lib/elfcheck.h"
#include "lib/fdt.h"
#include "lib/lib.h"
#include "lib/radix.h"
#include "lib/rbtree.h"
#include <abi/errno.h>

int printf(const char *, ...);
int puts(const char *);
void *calloc(unsigned long, unsigned long);
void free(void *);

void *kmalloc(size_t n, unsigned int gfp) {
    (void)gfp;
    return calloc(1, n);
}
void kfree(const void *p) { free((void *)p); }

static int n, failed;
static void ok(bool good, const char *what) {
    printf("%sok %d %s\n", good ? "" : "not ", ++n, what);
    failed += !good;
}
static u64 seed = 1;
static u32 rnd(u32 m) {
    seed = seed * 6364136223846793005UL + 1442695040888963407UL;
    return (u32)(seed >> 33) % m;
}

struct item {
    struct rb_node node;
    u32 key;
};
static bool check_tree(struct rb_node *x, int *black) {
    int l = 0, r = 0;
    if (!x) {
        *black = 1;
        return true;
    }
    if (x->red && ((x->left && x->left->red) || (x->right && x->right->red)))
        return false;
    if ((x->left && x->left->parent != x) || (x->right && x->right->parent != x))
        return false;
    bool good = check_tree(x->left, &l) && check_tree(x->right, &r) && l == r;
    *black = l + !x->red;
    return good;
}
static void test_rbtree(void) {
    static struct item it[500];
    struct rb_root root = {0};
    bool in[500] = {0}, good = true;
    for (int step = 0; step < 20000 && good; step++) {
        u32 i = rnd(500);
        int black;
        if (in[i])
            rb_erase(&root, &it[i].node);
        else {
            struct rb_node **link = &root.node, *parent = NULL;
            it[i].key = i;
            while (*link) {
                parent = *link;
                link = i < rb_entry(parent, struct item, node)->key ? &parent->left : &parent->right;
            }
            rb_insert(&root, &it[i].node, parent, link);
        }
        in[i] = !in[i];
        if (step % 50 == 0) {
            good = check_tree(root.node, &black);
            u32 k = 0, last = 0;
            for (struct rb_node *x = rb_first(&root); x; x = rb_next(x)) {
                u32 key = rb_entry(x, struct item, node)->key;
                good &= in[key] && (!k || key > last);
                last = key, k++;
            }
            for (int j = 0; j < 500; j++)
                k -= in[j];
            good &= k == 0;
        }
    }
    ok(good, "rbtree: balanced, ordered and complete over 20000 random steps");
}
static void test_radix(void) {
    struct radix_tree t = {0};
    static u64 keys[300];
    bool good = true;
    for (int i = 0; i < 300; i++) {
        keys[i] = ((u64)rnd(1u << 30) << (rnd(30))) * 512 + i;
        good &= radix_insert(&t, keys[i], &keys[i]) == 0;
    }
    good &= radix_insert(&t, keys[0], &keys[0]) == -EEXIST;
    u64 at = 0, last = 0;
    int seen = 0;
    for (u64 *p; (p = radix_next(&t, &at)); at++) {
        good &= *p == at && (!seen || at > last);
        last = at;
        seen++;
    }
    ok(good && seen == 300, "radix: all keys found, in order");
    bool runs = true;
    u32 n;
    for (int i = 0; i < 300; i++) {
        void *const *run = radix_run(&t, keys[i], &n);
        runs &= run && *run == &keys[i] && n == 64 - keys[i] % 64;
        for (u32 k = 0; run && k < n; k++)
            runs &= run[k] == radix_lookup(&t, keys[i] + k);
    }
    ok(runs, "radix: items side by side");
    for (int i = 0; i < 300; i++)
        good &= radix_delete(&t, keys[i]) == &keys[i] && !radix_lookup(&t, keys[i]);
    radix_destroy(&t); /* the address sanitizer tells if a node is left */
    ok(good && !t.root && !t.count, "radix: nothing left, no node leaked");
}
static void be(u8 *p, u32 v) { p[0] = v >> 24, p[1] = v >> 16, p[2] = v >> 8, p[3] = v; }
static u32 make_fdt(u8 *b) {
    u8 *p = b + 56; /* header 40, one empty reservation 16 */
    static const char strings[] = "reg\0compatible\0#address-cells\0#size-cells";
    for (int i = 0; i < 56; i++)
        b[i] = 0;
#define W(v) (be(p, v), p += 4)
    W(1), W(0);
    W(3), W(4), W(15), W(1);
    W(3), W(4), W(30), W(1);
    W(1);
    memcpy(p, "cpu@1\0\0", 8), p += 8;
    W(3), W(8), W(0), W(0x1000), W(0x200);
    W(3), W(8), W(4);
    memcpy(p, "a,b\0c,d", 8), p += 8;
    W(2), W(2), W(9);
    u32 so = 56, sn = p - b - 56, st = p - b;
    memcpy(p, strings, sizeof(strings)), p += sizeof(strings);
    u32 h[10] = {0xd00dfeed, p - b, so, st, 40, 17, 16, 0, sizeof(strings), sn};
    for (int i = 0; i < 10; i++)
        be(b + 4 * i, h[i]);
    return p - b;
}
static int visits;
static u64 va, vs;
static bool vc;
static int visit(const struct fdt *f, const struct fdt_node *nd, void *arg) {
    (void)arg;
    visits++;
    if (nd->depth == 1) {
        fdt_reg(f, nd, 0, &va, &vs);
        vc = fdt_compatible(f, nd, "c,d");
    }
    fdt_string(f, nd, "compatible");
    fdt_compatible(f, nd, "zzz");
    u64 a, b;
    fdt_reg(f, nd, 3, &a, &b);
    return 0;
}
static void test_fdt(void) {
    static u8 good_tree[512] __attribute__((aligned(8)));
    struct fdt f;
    u32 size = make_fdt(good_tree);
    ok(fdt_open(&f, good_tree, size) == 0 && fdt_walk(&f, visit, NULL) == 0 && visits == 2,
       "fdt: a good tree is walked");
    ok(va == 0x1000 && vs == 0x200 && vc, "fdt: reg and compatible");
    ok(fdt_open(&f, good_tree, 20) < 0 && fdt_open(&f, NULL, 100) < 0, "fdt: too short and NULL are refused");
    for (int round = 0; round < 200000; round++) {
        u8 *b = calloc(1, size); /* exactly as long: the sanitizer sees a read past the end */
        memcpy(b, good_tree, size);
        for (int k = 1 + rnd(6); k > 0; k--)
            b[rnd(size)] = rnd(4) ? rnd(256) : rnd(2) ? 0xff : 0;
        u64 a, s;
        if (!fdt_open(&f, b, size)) {
            fdt_walk(&f, visit, NULL);
            for (u32 i = 0; i < 4 && fdt_reserved(&f, i, &a, &s); i++)
                ;
        }
        free(b);
    }
    ok(true, "fdt: 200000 damaged trees, no stray access");
}
static void test_elf(void) {
    bool good = true;
    for (int round = 0; round < 200000; round++) {
        Elf64_Ehdr h = {.e_ident = "\177ELF\2\1\1",
                        .e_type = ET_EXEC,
                        .e_machine = EM_RISCV,
                        .e_phentsize = 56,
                        .e_phnum = 2,
                        .e_phoff = 64};
        Elf64_Phdr ph[ELF_MAX_PHNUM] = {
            {.p_type = PT_LOAD, .p_vaddr = 0x10000, .p_memsz = 0x1000, .p_filesz = 0x800},
            {.p_type = PT_LOAD, .p_vaddr = 0x12000, .p_memsz = 0x1000, .p_offset = 0x1000}};
        u8 *p = rnd(2) ? (u8 *)&h : (u8 *)ph;
        for (int k = rnd(4); k > 0; k--)
            p[rnd(p == (u8 *)&h ? sizeof(h) : 112)] = rnd(256);
        if (elf_header_ok(&h) && elf_segments_ok(&h, ph, 1UL << 37))
            for (int i = 0; i < h.e_phnum; i++)
                if (ph[i].p_type == PT_LOAD && ph[i].p_memsz)
                    good &= ph[i].p_vaddr + ph[i].p_memsz <= 1UL << 37 && ph[i].p_filesz <= ph[i].p_memsz;
    }
    ok(good, "elf: what is accepted lies in range, 200000 damaged headers");
}
static void test_strings(void) {
    char a[64], b[64];
    bool good = true;
    for (int r = 0; r < 20000; r++) {
        for (int i = 0; i < 64; i++)
            a[i] = b[i] = rnd(256);
        u32 s = rnd(32), d = rnd(32), len = rnd(32);
        char want[64];
        __builtin_memcpy(want, a, 64);
        for (u32 i = 0; i < len; i++)
            want[d + i] = b[s + i];
        memmove(a + d, a + s, len);
        good &= !__builtin_memcmp(a, want, 64);
    }
    ok(good, "memmove: any overlap");
    snprintf(a, sizeof(a), "%5d|%-5s|%05x|%lu|%c|%%|%.2s|%+d", -42, "ab", 0xbeef, 1UL << 63, 'z', "xyz", 7);
    ok(!strcmp(a, "  -42|ab   |0beef|9223372036854775808|z|%|xy|+7"), "snprintf");
    ok(snprintf(a, 4, "123456") == 6 && !strcmp(a, "123"), "snprintf: bounded and terminated");
    char *end;
    ok(strtoul("0x1fz", &end, 0) == 31 && *end == 'z' && strtoul("017", NULL, 0) == 15, "strtoul");
    u32 key[8];
    u8 out[64];
    for (int i = 0; i < 8; i++)
        key[i] = 0;
    ok(~crc32c(~0u, "123456789", 9) == 0xe3069283, "crc32c: the check value");
    chacha20_block(key, 0, out);
    ok(out[0] == 0x76 && out[1] == 0xb8 && out[63] == 0x86, "chacha20: the vector of the zero key");
}
int main(void) {
    puts("KTAP version 1");
    test_rbtree(), test_radix(), test_fdt(), test_elf(), test_strings();
    printf("1..%d\n", n);
    return failed != 0;
}
