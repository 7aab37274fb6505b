/* A QEMU plugin that counts every instruction of the kernel and what was on the call stack when it ran; scripts/profile.py
 * makes it, gives it a table of where the kernel calls and returns, and reads what it writes at the end.
 * Arguments: table=FILE,out=FILE. The table: the address of trap_entry, the text's first address and its length, then a
 * letter for every two bytes of it: c a call, r a return, s sret, . anything else. With the argument
 * probe QEMU ends at once, with the status PROBE_TAKEN. Declarations are QEMU's plugin interface; the
 * header is not packaged everywhere. QEMU refuses a plugin whose version it does not know yet or no
 * longer takes: scripts/profile.py asks it which PLUGIN_VERSION that is, from 1 (QEMU 7.2) to 7
 * (QEMU 11.1, which changed what callbacks are given). */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, void (*cb)(unsigned int, void *), int flags, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
__attribute__((visibility("default"))) int qemu_plugin_version = PLUGIN_VERSION;

struct block { /* of instructions that are translated together */
    uint64_t start, next; /* the address of the first, and behind the last */
    uint64_t n;
    char end; /* the last one's letter */
};
struct node { /* a function on a certain stack */
    uint64_t entry, self;
    struct node *parent, *child, *sibling;
};
#define DEPTH 128
static struct hart {
    struct {
        struct node *node;
        uint64_t back; /* where it returns to; 0: a trap */
    } stack[DEPTH];
    int top;
    struct block *last;
} harts[64];
static struct node root;
static uint64_t trap_entry, text, length;
static char *letters;
static const char *out;

static struct node *child(struct node *n, uint64_t entry) {
    for (struct node *c = n->child; c; c = c->sibling)
        if (c->entry == entry)
            return c;
    struct node *c = calloc(1, sizeof(*c));
    c->entry = entry;
    c->parent = n;
    c->sibling = n->child;
    return n->child = c;
}
static void push(struct hart *h, uint64_t entry, uint64_t back) {
    struct node *n = child(h->top ? h->stack[h->top - 1].node : &root, entry);
    if (h->top < DEPTH)
        h->stack[h->top].node = n, h->stack[h->top++].back = back;
}
static void executed(unsigned int vcpu, void *data) {
    struct hart *h = &harts[vcpu & 63];
    struct block *b = data, *last = h->last;
    h->last = b;
    if (b->start < text || b->start >= text + length)
        return; /* user mode, the firmware */
    if (b->start == trap_entry) {
        if (!last || last->start < text)
            h->top = 0;
        push(h, b->start, 0);
    } else if (last && last->end == 'c' && b->start != last->next) {
        push(h, b->start, last->next);
    } else if (last && (last->end == 'r' || last->end == 's')) {
        int t = h->top;
        while (t && (last->end == 'r' ? h->stack[t - 1].back != b->start : h->stack[t - 1].back != 0))
            t--;
        if (t)
            h->top = t - 1;
        else if (last->end == 'r' || !h->top) { /* another task's stack */
            h->top = 0;
            push(h, b->start, 0);
        }
    }
    if (!h->top)
        push(h, b->start, 0);
    h->stack[h->top - 1].node->self += b->n;
}
static void translated(struct qemu_plugin_tb *tb) {
    struct block *b = calloc(1, sizeof(*b));
    struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, qemu_plugin_tb_n_insns(tb) - 1);
    uint64_t at = qemu_plugin_insn_vaddr(insn);
    b->n = qemu_plugin_tb_n_insns(tb);
    b->start = qemu_plugin_tb_vaddr(tb);
    b->next = at + qemu_plugin_insn_size(insn);
    b->end = at >= text && at < text + length ? letters[(at - text) / 2] : '.';
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, 0, b);
}
static void write_node(FILE *f, struct node *n, const char *path) {
    char here[DEPTH * 17 + 17];
    snprintf(here, sizeof(here), "%s%s%lx", path, *path ? ";" : "", (unsigned long)n->entry);
    if (n->self)
        fprintf(f, "%s %lu\n", here, (unsigned long)n->self);
    for (struct node *c = n->child; c; c = c->sibling)
        write_node(f, c, here);
}
static void finish(void) {
    FILE *f = fopen(out, "w");
    for (struct node *c = root.child; f && c; c = c->sibling)
        write_node(f, c, "");
    if (f)
        fclose(f);
}
#if PLUGIN_VERSION < 7 /* before QEMU 11.1 */
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, void *), void *data);
static void translated_cb(qemu_plugin_id_t id, struct qemu_plugin_tb *tb) {
    (void)id;
    translated(tb);
}
static void finish_cb(qemu_plugin_id_t id, void *data) {
    (void)id, (void)data;
    finish();
}
static void register_callbacks(qemu_plugin_id_t id) {
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated_cb);
    qemu_plugin_register_atexit_cb(id, finish_cb, NULL);
}
#else
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, void (*cb)(struct qemu_plugin_tb *, void *), void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(void *), void *data);
static void translated_cb(struct qemu_plugin_tb *tb, void *data) {
    (void)data;
    translated(tb);
}
static void finish_cb(void *data) {
    (void)data;
    finish();
}
static void register_callbacks(qemu_plugin_id_t id) {
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated_cb, NULL);
    qemu_plugin_register_atexit_cb(id, finish_cb, NULL);
}
#endif
__attribute__((visibility("default"))) int qemu_plugin_install(qemu_plugin_id_t id, const void *info, int argc, char **argv) {
    (void)info;
    FILE *f = NULL;
    for (int i = 0; i < argc; i++) {
        if (!strncmp(argv[i], "probe", 5))
            exit(PROBE_TAKEN); /* this version is taken */
        if (!strncmp(argv[i], "table=", 6))
            f = fopen(argv[i] + 6, "r");
        if (!strncmp(argv[i], "out=", 4))
            out = strdup(argv[i] + 4);
    }
    unsigned long a, b, c;
    if (!f || !out || fscanf(f, "%lx %lx %lx ", &a, &b, &c) != 3)
        return -1;
    trap_entry = a, text = b, length = c;
    letters = calloc(1, c / 2 + 1);
    if (fread(letters, 1, c / 2, f) != c / 2)
        return -1;
    fclose(f);
    register_callbacks(id);
    return 0;
}
