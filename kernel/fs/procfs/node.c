/* procfs: the memory of each node of the machine. */
#include "../../core/task.h"
#include "procfs.h"

int show_zoneinfo(struct seq *s, struct task_struct *t) {
    struct node_info n;
    (void)t;
    for (unsigned int i = 0; i < machine.nr_nodes; i++) {
        get_node_info(i, &n);
        seq_printf(
            s,
            "Node %u, zone   Normal\n  pages free     %lu\n        low      %lu\n        spanned  %lu\n"
            "        managed  %lu\n  start_pfn:           %lu\n",
            i, n.free, n.low, n.end_pfn - n.first_pfn, n.total, n.first_pfn);
        seq_printf(s, "  distance:           ");
        for (unsigned int to = 0; to < machine.nr_nodes; to++)
            seq_printf(s, " %u", machine.distance[i][to]);
        seq_printf(s, "\n  harts:              ");
        for (unsigned int h = 0; h < nr_harts; h++)
            if (machine.hart_node[h] == i)
                seq_printf(s, " %u", h);
        seq_printf(s, "\n");
    }
    return 0;
}
int show_buddyinfo(struct seq *s, struct task_struct *t) {
    struct node_info n;
    (void)t;
    for (unsigned int i = 0; i < machine.nr_nodes; i++) {
        get_node_info(i, &n);
        seq_printf(s, "Node %u, zone   Normal ", i);
        for (int o = 0; o <= MAX_ORDER; o++)
            seq_printf(s, "%6lu ", n.free_runs[o]);
        seq_printf(s, "\n");
    }
    return 0;
}
