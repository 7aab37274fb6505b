/* The kernel begins in C here: start_kernel on the boot hart, then kernel_init as process 1. */
#include "nsproxy.h"
#include "../debug/debug.h"
#include "../debug/trace.h"
#include "../drivers/drivers.h"
#include "../fs/fs.h"
#include <abi/errno.h>

static char init_path[128] = "/sbin/init", root_name[32]; /* no name: the initrd, or else vda */
static const char *init_argv[64] = {init_path};
static const char *const init_env[] = {"HOME=/root", "PATH=/bin:/sbin:/usr/bin:/usr/sbin", "TERM=linux",
                                       NULL};
static bool custom_init, want_selftest, root_ro;
static char *trace_events;
bool init_may_end;
static s32 init_status = -1;

/* Words up to "--" are for the kernel, the rest are init's arguments. Quotes group words. */
static char *next_word(char **s) {
    while (**s == ' ')
        ++*s;
    if (!**s)
        return NULL;
    char *start = *s, *d = *s, quote = 0;
    for (; **s && (quote || **s != ' '); ++*s) {
        if (quote ? **s == quote : **s == '"' || **s == '\'')
            quote = quote ? 0 : **s;
        else
            *d++ = **s;
    }
    if (**s)
        ++*s;
    *d = 0;
    return start;
}
/* The value of `name=`; of one that does not fit, nothing. */
static void copy_value(char *to, size_t size, const char *w, const char *value) {
    if (strlcpy(to, value, size) < size)
        return;
    *to = 0;
    printk(KERN_ERR "kernel argument '%s': longer than %lu characters\n", w, size - 1);
}
static void parse_seed(const char *w) {
    char *end;
    sched_seed = strtoul(w + 5, &end, 10);
    harts_take_turns = true;
    if (!sched_seed || *end)
        printk(KERN_ERR "kernel argument '%s': the seed is a number from 1 on\n", w);
}
static void parse_args(char *s) {
    int argc = 1;
    bool ours = true;
    for (char *w; (w = next_word(&s));) {
        if (!ours) {
            if (argc == (int)ARRAY_SIZE(init_argv) - 1)
                printk(KERN_ERR "init's argument '%s' is one too many: ignored\n", w);
            else
                init_argv[argc++] = w;
        } else if (!strcmp(w, "--")) {
            ours = false;
        } else if (starts_with(w, "init=")) {
            copy_value(init_path, sizeof(init_path), w, w + 5);
            custom_init = strcmp(init_path, "/sbin/init") != 0;
        } else if (starts_with(w, "root=")) {
            copy_value(root_name, sizeof(root_name), w, w + (starts_with(w + 5, "/dev/") ? 10 : 5));
        } else if (starts_with(w, "seed=")) {
            parse_seed(w);
        } else if (starts_with(w, "trace=")) {
            trace_events = w + 6;
        } else if (!strcmp(w, "turns")) {
            harts_take_turns = true;
        } else if (!strcmp(w, "selftest")) {
            want_selftest = true;
        } else if (!strcmp(w, "quiet")) {
            console_quiet = true;
        } else if (!strcmp(w, "ro")) {
            root_ro = true;
        } else if (strcmp(w, "rw")) {
            printk(KERN_ERR
                   "unknown kernel argument '%s': ignored. Known: init= root= ro rw quiet trace= seed= turns "
                   "selftest --\n",
                   w);
        }
    }
}

static int kernel_init(void *arg) {
    (void)arg;
    child_reaper = current;
    current->signal->unkillable = true;
    init_pid_ns.reaper = current->signal;
    pid_init();
    flusher_start();
    virtio_init();
    pci_init();
    ramdisk_init();
    if (want_selftest) {
        int failed = run_selftests();
        machine_power_off(failed != 0);
    }
    const char *name = root_name[0] ? root_name : machine.initrd_end ? "ram0" : "vda";
    struct block_device *root = find_block_device(name);
    if (!root)
        panic("no root disk: '%s' was not found. Give QEMU a virtio-blk-device, or name another with root=",
              name);
    int r = mount_root(root, root_ro ? MS_RDONLY : 0);
    if (r)
        panic("the root file system on %s cannot be mounted: error %d (see the lines above)", root->name, -r);
    static const struct {
        const char *at, *type;
    } table[] = {{"/dev", "devfs"}, {"/proc", "proc"}, {"/tmp", "tmpfs"}};
    for (unsigned int i = 0; i < ARRAY_SIZE(table); i++) {
        struct path p;
        if (path_lookup(AT_FDCWD, table[i].at, LOOKUP_FOLLOW, &p) ||
            do_mount(table[i].type, &p, table[i].type, 0, NULL))
            printk(KERN_ERR "%s: cannot mount %s\n", table[i].at, table[i].type);
        else
            path_put(&p);
    }
    if (trace_events && trace_command(trace_events))
        printk(KERN_ERR "trace=%s: no such event or group\n", trace_events);
    leak_baseline();
    struct file *con = file_open(AT_FDCWD, "/dev/console", O_RDWR, 0);
    if (IS_ERR(con))
        panic("/dev/console cannot be opened: error %ld", -PTR_ERR(con));
    for (int fd = 0; fd < 3; fd++) {
        get_file(con);
        fd_install(get_unused_fd(0), con);
    }
    fput(con);
    strlcpy(current->comm, "init", sizeof(current->comm));
    r = kernel_execve(init_path, init_argv, init_env);
    if (r)
        panic("%s cannot be run: error %d", init_path, -r);
    return 0;
}

/* Process 1 is gone. A program given by init= took its status with it; /sbin/init ends only when told to. */
__noreturn void init_ended(s32 code) {
    if (!custom_init && !init_may_end)
        panic("init ended, status %x", code);
    leak_check();
    init_status = code & 0x7f ? 128 + (code & 0x7f) : (code >> 8) & 0xff;
    power_off(init_status);
}

static void finish_everything(void) {
    sync_all();
    acct_stop();
    unmount_everything();
    tty_drain_polled();
}
__noreturn void power_off(s32 status) {
    finish_everything();
    machine_power_off(status);
}
__noreturn void restart(void) {
    finish_everything();
    machine_restart();
}

static void report(const char *what, u32 found, u32 taken) {
    if (found > taken)
        printk(KERN_ERR "the machine has %u %s: tine uses %u\n", found, what, taken);
}
static bool has_extension(char letter) {
    for (const char *p = machine.isa + strlen("rv64"); *p && *p != '_'; p++)
        if (*p == letter || *p == 'g')
            return true;
    return false;
}
/* What there is and is not used, or is not there and programs may want. */
static void report_machine(void) {
    report("harts", machine.found.harts, nr_harts);
    report("pieces of memory", machine.found.mem, machine.nr_mem);
    report("NUMA nodes", machine.found.nodes, machine.nr_nodes);
    report("characters of kernel arguments", machine.found.bootargs, sizeof(machine.bootargs) - 1);
    if (!has_extension('d'))
        printk(KERN_ERR "the processor (%s) has no floating point of double precision: programs that use it "
                        "are killed\n",
               machine.isa);
}

void random_init(void);
void start_kernel(u64 hartid, u64 dtb_pa) {
    const char *wrong = machine_init(hartid, dtb_pa);
    if (wrong) {
        for (const char *s = "tine: "; *s; s++)
            sbi_putchar(*s);
        for (const char *s = wrong; *s; s++)
            sbi_putchar(*s);
        for (const char *s = ". Start tine with OpenSBI on QEMU virt (make qemu).\n"; *s; s++)
            sbi_putchar(*s);
        machine_power_off(255);
    }
    paging_init();
    uart_early_init();
    idle_init(0, &init_task);
    timers_init();
    sched_init();
    slab_init();
    buddy_init();
    parse_args(machine.bootargs);
    printk("tine " TINE_VERSION ": %u hart%s, %lu MB, %s, boot hart %lu, %lu.%03lu s since power-on\n",
           nr_harts, nr_harts == 1 ? "" : "s", total_pages >> 8, machine.model, hartid,
           ktime_get() / 1000000000, ktime_get() / 1000000 % 1000);
    report_machine();
    creds_init();
    signals_init();
    fork_init();
    mmap_init();
    mempolicy_init();
    futex_init();
    random_init();
    plic_init();
    timer_hw_init();
    local_irq_enable();
    preempt_enable_no_resched();
    fault_init();
    young_init();
    filemap_init();
    dcache_init();
    inode_init();
    files_init();
    vdso_init();
    clock_init();
    chrdev_init();
    pipe_init();
    epoll_init();
    tmpfs_init();
    nsfs_init();
    cgroupfs_init();
    devfs_init();
    procfs_init();
    ext2_init();
    tty_init();
    audit_init();
    smp_boot();
    pid_t pid = kernel_thread(kernel_init, NULL, "init", 0);
    if (pid != 1)
        panic("process 1 could not be made: %d", pid);
    cpu_idle();
}
