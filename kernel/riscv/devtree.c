/* What machine is this? One walk over the device tree fills `machine`. */
#include "../lib/fdt.h"
#include "riscv.h"

struct machine machine;
unsigned int nr_harts;
u64 hart_ids[MAX_HARTS];
u64 timebase_hz;

static int cpu_at; /* the hart whose node the walk is in; -1: one that is not used */
static u32 cpu_intc_phandle[MAX_HARTS], uart_parent, virtio_parent[ARRAY_SIZE(machine.virtio)];

/* All but the last two places, which buddy_init takes. */
static void reserve(u64 base, u64 size) {
    if (size && machine.found.reserved++ < ARRAY_SIZE(machine.reserved) - 2) {
        machine.reserved[machine.nr_reserved].base = base;
        machine.reserved[machine.nr_reserved++].size = size;
    }
}

/* NUMA binding: the node of a cpu or of memory, and how far the nodes are from each other. */
static u32 read_node(const struct fdt *f, const struct fdt_node *n) {
    u32 node = 0;
    if (!fdt_u32(f, n, "numa-node-id", &node))
        return 0;
    machine.found.nodes = max(machine.found.nodes, node + 1);
    if (node >= MAX_NODES)
        return 0;
    machine.nr_nodes = max(machine.nr_nodes, node + 1);
    return node;
}
static void read_distances(const struct fdt *f, const struct fdt_node *n) {
    u32 len;
    const u8 *p = fdt_prop(f, n, "distance-matrix", &len);
    for (u32 i = 0; p && i + 12 <= len; i += 12) { /* from, to, distance */
        u32 a = fdt_be32(p + i), b = fdt_be32(p + i + 4), d = fdt_be32(p + i + 8);
        if (a < MAX_NODES && b < MAX_NODES && d >= 10 && d < 255)
            machine.distance[a][b] = machine.distance[b][a] = d;
    }
}

/* All harts up to MAX_HARTS, and of the others the one that boots in the last one's place. */
static void read_cpu(const struct fdt *f, const struct fdt_node *n, u64 boot_hartid) {
    const char *status = fdt_string(f, n, "status"), *isa = fdt_string(f, n, "riscv,isa");
    u64 id, size;
    cpu_at = -1;
    if ((status && strcmp(status, "okay")) || !fdt_reg(f, n, 0, &id, &size))
        return;
    machine.found.harts++;
    if (nr_harts == MAX_HARTS && id != boot_hartid)
        return;
    cpu_at = nr_harts < MAX_HARTS ? nr_harts++ : MAX_HARTS - 1;
    machine.hart_node[cpu_at] = read_node(f, n);
    hart_ids[cpu_at] = id;
    if (isa && !machine.isa[0]) {
        strlcpy(machine.isa, isa, sizeof(machine.isa));
        for (const char *p = isa; *p; p++)
            if (starts_with(p, "_sstc"))
                machine.sstc = true;
    }
}

static void read_memory(const struct fdt *f, const struct fdt_node *n) {
    u64 base, size;
    for (u32 i = 0; fdt_reg(f, n, i, &base, &size); i++)
        if (size && machine.found.mem++ < ARRAY_SIZE(machine.mem)) {
            machine.mem[machine.nr_mem].base = base;
            machine.mem[machine.nr_mem].node = read_node(f, n);
            machine.mem[machine.nr_mem++].size = size;
        }
}

/* PCI bus binding: a range is 3 cells of bus address (the first says of what kind), 2 of ours, 2 of size. */
static void read_pci(const struct fdt *f, const struct fdt_node *n, u64 base) {
    u32 len;
    const u8 *p = fdt_prop(f, n, "ranges", &len);
    for (u32 i = 0; p && i + 28 <= len; i += 28) {
        u64 bus = (u64)fdt_be32(p + i + 4) << 32 | fdt_be32(p + i + 8),
            here = (u64)fdt_be32(p + i + 12) << 32 | fdt_be32(p + i + 16);
        if ((fdt_be32(p + i) >> 24 & 3) == 2 && bus == here && bus >> 32 == 0)
            machine.pci_ecam = base, machine.pci_mmio = here;
    }
}

static u64 chosen_address(const struct fdt *f, const struct fdt_node *n, const char *name) {
    u32 len;
    const u8 *p = fdt_prop(f, n, name, &len);
    if (!p)
        return 0;
    return len >= 8 ? (u64)fdt_be32(p) << 32 | fdt_be32(p + 4) : len >= 4 ? fdt_be32(p) : 0;
}

static void read_plic(const struct fdt *f, const struct fdt_node *n, u64 base, u64 size) {
    u32 len;
    const u8 *p = fdt_prop(f, n, "interrupts-extended", &len);
    if (machine.nr_plics == ARRAY_SIZE(machine.plic))
        return;
    unsigned int plic = machine.nr_plics++;
    machine.plic[plic].base = base;
    machine.plic[plic].size = size;
    fdt_u32(f, n, "riscv,ndev", &machine.plic[plic].ndev);
    fdt_u32(f, n, "phandle", &machine.plic[plic].phandle);
    for (u32 i = 0; p && i < len / 8; i++) /* context i: (cpu's controller, interrupt) */
        for (unsigned int h = 0; h < nr_harts; h++)
            if (fdt_be32(p + 8 * i) == cpu_intc_phandle[h] && fdt_be32(p + 8 * i + 4) == IRQ_S_EXT) {
                machine.hart_plic[h] = plic;
                machine.plic_context[h] = i + 1;
            }
}
/* A device's interrupt, now that all controllers are known: `parent` is the phandle of its. */
static u32 irq_number(u32 irq, u32 parent) {
    for (unsigned int i = 0; i < machine.nr_plics; i++)
        if (machine.plic[i].phandle == parent)
            return irq + i * IRQS_PER_PLIC;
    return irq;
}

static int visit(const struct fdt *f, const struct fdt_node *n, void *arg) {
    static bool in_reserved, in_cpus;
    const char *type = fdt_string(f, n, "device_type");
    u64 base, size;
    u32 irq = 0, parent = 0;
    if (n->depth == 0) {
        const char *model = fdt_string(f, n, "model");
        strlcpy(machine.model, model ? model : "unknown", sizeof(machine.model));
    }
    if (n->depth == 1) {
        in_reserved = !strcmp(n->name, "reserved-memory");
        in_cpus = !strcmp(n->name, "cpus");
        u32 hz;
        if (in_cpus && fdt_u32(f, n, "timebase-frequency", &hz))
            timebase_hz = hz;
        if (!strcmp(n->name, "chosen")) {
            const char *args = fdt_string(f, n, "bootargs");
            if (args)
                machine.found.bootargs = strlcpy(machine.bootargs, args, sizeof(machine.bootargs));
            machine.initrd_start = chosen_address(f, n, "linux,initrd-start");
            machine.initrd_end = chosen_address(f, n, "linux,initrd-end");
        }
    }
    if (type && !strcmp(type, "cpu"))
        read_cpu(f, n, *(u64 *)arg);
    if (in_cpus && cpu_at >= 0 && fdt_compatible(f, n, "riscv,cpu-intc"))
        fdt_u32(f, n, "phandle", &cpu_intc_phandle[cpu_at]);
    if (type && !strcmp(type, "memory"))
        read_memory(f, n);
    if (in_reserved && n->depth == 2)
        for (u32 i = 0; fdt_reg(f, n, i, &base, &size); i++)
            reserve(base, size);
    if (fdt_compatible(f, n, "numa-distance-map-v1"))
        read_distances(f, n);
    fdt_u32(f, n, "interrupts", &irq);
    fdt_u32(f, n, "interrupt-parent", &parent);
    if (!fdt_reg(f, n, 0, &base, &size))
        return 0;
    if (fdt_compatible(f, n, "ns16550a") && !machine.uart_base) {
        machine.uart_base = base;
        machine.uart_irq = irq;
        uart_parent = parent;
        fdt_u32(f, n, "reg-shift", &machine.uart_shift);
    } else if (fdt_compatible(f, n, "virtio,mmio") && machine.nr_virtio < ARRAY_SIZE(machine.virtio)) {
        virtio_parent[machine.nr_virtio] = parent;
        machine.virtio[machine.nr_virtio].base = base;
        machine.virtio[machine.nr_virtio++].irq = irq;
    } else if (fdt_compatible(f, n, "pci-host-ecam-generic")) {
        read_pci(f, n, base);
    } else if (fdt_compatible(f, n, "google,goldfish-rtc")) {
        machine.rtc_base = base;
    } else if (fdt_compatible(f, n, "sifive,test0")) {
        machine.finisher_base = base;
    } else if (fdt_compatible(f, n, "riscv,plic0") || fdt_compatible(f, n, "sifive,plic-1.0.0")) {
        read_plic(f, n, base, size);
    }
    return 0;
}

const char *machine_init(u64 boot_hartid, u64 dtb_pa) {
    struct fdt f;
    u64 base, size;
    if (!dtb_pa || dtb_pa >= 255UL << 30 || fdt_open(&f, __va(dtb_pa), 2 << 20))
        return "the firmware passed no valid device tree in a1";
    machine.nr_nodes = 1;
    for (unsigned int a = 0; a < MAX_NODES; a++)
        for (unsigned int b = 0; b < MAX_NODES; b++)
            machine.distance[a][b] = a == b ? 10 : 20;
    if (fdt_walk(&f, visit, &boot_hartid) < 0)
        return "the device tree is damaged";
    machine.uart_irq = irq_number(machine.uart_irq, uart_parent);
    for (unsigned int i = 0; i < machine.nr_virtio; i++)
        machine.virtio[i].irq = irq_number(machine.virtio[i].irq, virtio_parent[i]);
    if (!machine.nr_mem)
        return "the device tree describes no memory";
    if (!nr_harts || !timebase_hz)
        return "the device tree describes no usable hart or no timebase-frequency";
    for (u32 i = 0; fdt_reserved(&f, i, &base, &size); i++)
        reserve(base, size);
    machine.dtb_pa = dtb_pa;
    machine.dtb_size = f.size;
    reserve(dtb_pa, f.size);
    if (machine.initrd_end > machine.initrd_start)
        reserve(machine.initrd_start, machine.initrd_end - machine.initrd_start);
    if (machine.found.reserved > machine.nr_reserved) /* to use what others use hurts */
        return "the device tree reserves more pieces of memory than there is room for";
    for (unsigned int h = 0; h < nr_harts; h++)
        if (hart_ids[h] == boot_hartid) { /* the boot hart is hart 0 */
            swap(machine.plic_context[h], machine.plic_context[0]);
            swap(machine.hart_plic[h], machine.hart_plic[0]);
            swap(machine.hart_node[h], machine.hart_node[0]);
            swap(hart_ids[h], hart_ids[0]);
            return NULL;
        }
    return "the device tree does not list the hart that boots";
}
