/* Shapes that a user chooses: trees of mounts, links through /proc, epolls in epolls, keyrings in keyrings.
 * However deep they are made, the kernel answers. */
#include "ktap.h"
#include <linux/keyctl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>

static int lines(const char *path) {
    FILE *f = fopen(path, "r");
    int n = 0;
    for (int c; f && (c = fgetc(f)) != EOF;)
        n += c == '\n';
    if (f)
        fclose(f);
    return n;
}
#define MOUNTS "/proc/self/mounts"

/* fn in mounts of its own, in an empty directory that is a mount: what it ends with. */
static int (*mount_test)(void);
static int with_mounts(void) {
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", "/tmp/depth", "tmpfs", 0, NULL) || chdir("/tmp/depth"))
        return 100;
    return mount_test();
}
static int mounts(int (*fn)(void)) {
    mount_test = fn;
    mkdir("/tmp/depth", 0700);
    int r = in_child(with_mounts);
    if (r != 7)
        printf("# %d\n", r);
    rmdir("/tmp/depth");
    return r;
}
static int into_itself(void) {
    mkdir("a", 0700);
    mkdir("a/b", 0700);
    int before = lines(MOUNTS);
    if (mount("a", "a", NULL, MS_BIND, NULL) || mount("a", "a/b", NULL, MS_BIND | MS_REC, NULL))
        return 1;
    if (lines(MOUNTS) != before + 2 || access("a/b/b", F_OK) || !access("a/b/b/b", F_OK))
        return 2;
    if (mount(".", "a/b", NULL, MS_BIND | MS_REC, NULL) || lines(MOUNTS) != before + 5)
        return 3;
    return umount2("a", MNT_DETACH) || lines(MOUNTS) != before ? 4 : 7;
}
/* 500 mounts, each in the one before. */
static int nested(void) {
    mkdir("x", 0700);
    int before = lines(MOUNTS);
    for (int i = 0; i < 500; i++)
        if (mount("/tmp/depth", "x", NULL, MS_BIND, NULL) || chdir("x"))
            return 1;
    if (lines(MOUNTS) != before + 500)
        return 2;
    if (unshare(CLONE_NEWNS) || lines(MOUNTS) != before + 500)
        return 3;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) || lines(MOUNTS) != before + 500)
        return 4;
    chdir("/");
    return !umount2("/tmp/depth/x", MNT_DETACH) || errno != EINVAL ? 5 : 7; /* locked: it came along */
}
static int nested_then_gone(void) {
    mkdir("x", 0700);
    int before = lines(MOUNTS);
    for (int i = 0; i < 2000; i++)
        if (mount("/tmp/depth", "x", NULL, MS_BIND, NULL) || chdir("x"))
            return 1;
    chdir("/tmp/depth");
    return mount("none", "x", NULL, MS_SHARED | MS_REC, NULL) || umount2("x", MNT_DETACH) ||
                   lines(MOUNTS) != before
               ? 2
               : 7;
}
static int limit(const char *n) { return put_text("/proc/sys/fs/mount-max", n); }
/* Each step binds the whole tree into itself: as many again, until there are as many as there may be. */
static int doubled(void) {
    char name[20];
    int i, before = lines(MOUNTS);
    for (i = 0; i < 40; i++) {
        snprintf(name, sizeof(name), "d%d", i);
        mkdir(name, 0700);
        if (mount(".", name, NULL, MS_BIND | MS_REC, NULL))
            break;
    }
    int e = errno, n = lines(MOUNTS);
    printf("# %d steps, %d mounts\n", i, n);
    return e != ENOSPC ? 1 : n != before - 1 + (1 << i) || n > 2000 || n + (1 << i) <= 2000 ? 2 : 7;
}
static int doubled_peers(void) {
    char name[20];
    int n = 0, before;
    if (mount("none", ".", NULL, MS_SHARED, NULL))
        return 3;
    for (int i = 0; i < 40; i++) { /* each is a peer of all before: what comes to one comes to all */
        snprintf(name, sizeof(name), "p%d", i);
        mkdir(name, 0700);
        before = lines(MOUNTS);
        if (mount(".", name, NULL, MS_BIND, NULL)) {
            n = errno;
            break;
        }
    }
    return n != ENOSPC ? 1 : lines(MOUNTS) != before ? 2 : umount2(".", MNT_DETACH) ? 4 : 7;
}
static int counted(void) {
    char text[20];
    int before = lines(MOUNTS);
    mkdir("x", 0700);
    snprintf(text, sizeof(text), "%d", before + 3);
    if (limit(text))
        return 1;
    for (int i = 0; i < 3; i++)
        if (mount("none", "x", "tmpfs", 0, NULL))
            return 2;
    if (!mount("none", "x", "tmpfs", 0, NULL) || errno != ENOSPC ||
        !mount("/", "x", NULL, MS_BIND, NULL) || errno != ENOSPC)
        return 3;
    if (umount("x") || mount("/", "x", NULL, MS_BIND, NULL) || lines(MOUNTS) != before + 3)
        return 4;
    return !limit("0") || errno != EINVAL ? 5 : 7;
}

/* /proc seen at another place, and at /proc a link from our number to that "self". */
static int proc_in_proc(void) {
    char name[40];
    mkdir("proc", 0700);
    mkdir("real", 0700);
    if (mount("none", "real", "proc", 0, NULL) || chroot("."))
        return 1;
    snprintf(name, sizeof(name), "/proc/%d", getpid());
    if (symlink("/real/self", name))
        return 2;
    if (access("/real/self/status", F_OK) || access("/real/mounts", F_OK) || access(name, F_OK))
        return 3;
    snprintf(name, sizeof(name), "/real/%d/status", getpid());
    return access(name, F_OK) ? 4 : 7;
}
static int links_in_links(void) {
    char from[20], to[40];
    mkdir("d", 0700);
    close(open("d/end", O_CREAT | O_WRONLY, 0600));
    symlink("d", "l0");
    for (int i = 1; i < 42; i++) {
        snprintf(from, sizeof(from), "l%d", i);
        snprintf(to, sizeof(to), "%s%sl%d/", i & 1 ? "/tmp/depth//" : "./", i % 3 ? "" : "d/../", i - 1);
        if (symlink(to, from))
            return 1;
    }
    if (access("l39/end", F_OK) || access("l38/../l0//end", F_OK) || access("/tmp/depth/l20/./end", F_OK))
        return 2;
    if (!access("l40/end", F_OK) || errno != ELOOP || !access("l39/end/", F_OK) || errno != ENOTDIR)
        return 3;
    symlink("d/end", "e");
    if (!access("e/", F_OK) || errno != ENOTDIR || !access("e/x", F_OK) || errno != ENOTDIR || access("e", F_OK))
        return 4;
    symlink("f/", "f");
    return !access("f", F_OK) || errno != ELOOP ? 5 : 7;
}

/* Control groups, 1,000 of them in one another, with a process in the last. */
static int groups(void) {
    int depth = 0;
    if (mkdir("groups", 0700) || mount("none", "groups", "cgroup2", 0, NULL) || chdir("groups"))
        return 1;
    while (depth < 1000 && !mkdir("g", 0700) && !chdir("g"))
        depth++;
    int in = depth == 1000 && !put_text("cgroup.procs", "0"),
        named = strlen(get_text("/proc/self/cgroup")) == 3 + 2 * 1000 + 1,
        full = strstr(get_text("/tmp/depth/groups/g/cgroup.events"), "populated 1") != NULL;
    put_text("/tmp/depth/groups/cgroup.procs", "0");
    int empty = strstr(get_text("/tmp/depth/groups/g/cgroup.events"), "populated 0") != NULL;
    while (depth-- && !chdir("..") && !rmdir("g"))
        ;
    return depth != -1 ? 2 : !in ? 3 : !named ? 4 : full && empty ? 7 : 5;
}

/* --- sets that watch sets --- */
static int watch(int set, int f) {
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = f};
    return epoll_ctl(set, EPOLL_CTL_ADD, f, &ev) ? -errno : 0;
}
/* 1,000 sets, each to watch the one before, or to be watched by it: how many links there are at last. */
static int chain(int up) {
    int before = eventfd(0, 0), links = 0, first = -1;
    for (int i = 0; i < 1000; i++) {
        int ep = epoll_create1(0), r = i ? watch(up ? ep : before, up ? before : ep) : up ? watch(ep, before) : 0;
        if (r == -ELOOP)
            continue;
        if (r)
            return r;
        links += i > 0;
        if (first < 0)
            first = up ? before : ep;
        before = ep;
    }
    int event = up ? first : eventfd(0, 0);
    uint64_t one = 1;
    struct epoll_event ev;
    struct pollfd p = {up ? before : first, POLLIN, 0};
    if ((!up && watch(before, event)) || poll(&p, 1, 0) != 0 || write(event, &one, 8) != 8 || poll(&p, 1, 0) != 1 ||
        epoll_wait(p.fd, &ev, 1, 0) != 1)
        return -1;
    return links;
}
static int chain_up(void) { return chain(1); }
static int chain_down(void) { return chain(0); }
static int circle(void) {
    int a = epoll_create1(0), b = epoll_create1(0), c = epoll_create1(0);
    return watch(a, a) != -EINVAL || watch(a, b) || watch(b, a) != -ELOOP || watch(b, c) || watch(c, a) != -ELOOP ||
                   watch(c, b) != -ELOOP || close(b) || watch(c, a)
               ? 1
               : 7;
}
/* A file with n sets above it and m above each. */
static int ways(int n, int m) {
    int f = eventfd(0, 0), in[n], r = 0, count = 0;
    for (int i = 0; i < n; i++)
        if (watch(in[i] = epoll_create1(0), f))
            return -1;
    for (int k = 0; k < m && !r; k++) {
        int over = epoll_create1(0);
        for (int i = 0; i < n && !(r = watch(over, in[i])); i++)
            count++;
    }
    return r && r != -EINVAL ? r : count;
}
static int many_ways(void) {
    int f = eventfd(0, 0);
    for (int i = 0; i < 600; i++) /* as many as one likes directly */
        if (watch(epoll_create1(0), f))
            return 1;
    return ways(20, 20) != 400 ? 2 : ways(20, 40) != 500 ? 3 : 7;
}
static int counted_watches(void) {
    char was[20];
    int ep = epoll_create1(0), f = eventfd(0, 0), g = eventfd(0, 0);
    strcpy(was, get_text("/proc/sys/fs/epoll/max_user_watches"));
    if (atoi(was) < 1000 || setresuid(777, 777, 0) || (ep = epoll_create1(0)) < 0 || setresuid(0, 0, 0) ||
        put_text("/proc/sys/fs/epoll/max_user_watches", "1"))
        return 1;
    int r = watch(ep, f), no = watch(ep, g);
    close(f);
    int again = watch(ep, g);
    put_text("/proc/sys/fs/epoll/max_user_watches", was);
    return r || no != -ENOSPC || again ? 2 : 7;
}

/* --- keyrings in keyrings --- */
#define CTL(...) syscall(SYS_keyctl, __VA_ARGS__)
static int ring(const char *name, int in) { return syscall(SYS_add_key, "keyring", name, NULL, 0, in); }
/* 150 keyrings, each in the one before. */
static int ladder(void) {
    char name[20];
    setresgid(889, 889, 889);
    if (setresuid(889, 889, 889) || CTL(KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
        return 1;
    int own = KEY_SPEC_SESSION_KEYRING, at = own, at7 = 0;
    for (int i = 0; i < 150; i++) {
        snprintf(name, sizeof(name), "r%d", i);
        int k = ring(name, own);
        if (k < 0 || CTL(KEYCTL_SETPERM, k, 0x3f3f0000) || (at != own && (CTL(KEYCTL_LINK, k, at) || CTL(KEYCTL_UNLINK, k, own))))
            return 2;
        at7 = i ? at7 : k;
        at = k;
    }
    int other = ring("other", own);
    if (CTL(KEYCTL_LINK, at7, other) != -1 || errno != ELOOP)
        return 3; /* too deep */
    return CTL(KEYCTL_LINK, at, other) || CTL(KEYCTL_UNLINK, at7, own) ? 4 : 7;
}
/* A search that links what it finds: not into what that leads to. */
static int found_circle(void) {
    if (CTL(KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
        return 1;
    int a = ring("a", KEY_SPEC_SESSION_KEYRING), b = ring("b", a);
    if (a < 0 || b < 0 || syscall(SYS_request_key, "keyring", "a", NULL, b) != -1 || errno != EDEADLK)
        return 2;
    return CTL(KEYCTL_SEARCH, KEY_SPEC_SESSION_KEYRING, "keyring", "a", b) != -1 || errno != EDEADLK ? 3 : 7;
}

int main(void) {
    OK(mounts(into_itself) == 7, "a tree bound into itself is bound as it was");
    OK(mounts(nested) == 7, "500 nested mounts are copied by unshare, and locked for another user namespace");
    OK(mounts(nested_then_gone) == 7, "2,000 nested mounts get a propagation type and are unmounted");
    char was[20];
    strcpy(was, get_text("/proc/sys/fs/mount-max"));
    OK(atoi(was) == 100000, "fs.mount-max is 100000");
    OK(mounts(counted) == 7, "as many mounts as fs.mount-max says, then ENOSPC, until one goes");
    limit("2000");
    OK(mounts(doubled) == 7, "binds that double the tree end at fs.mount-max");
    OK(mounts(doubled_peers) == 7, "binds that double the peers end there, and a refused one leaves nothing");
    limit(was);
    OK(mounts(proc_in_proc) == 7, "a number in /proc that leads to self does not lead round and round");
    OK(mounts(links_in_links) == 7, "40 links in one another are followed, the 41st is ELOOP");
    OK(mounts(groups) == 7, "1,000 control groups in one another: a process's name of its own, and who is in them");
    int up = in_child(chain_up), down = in_child(chain_down);
    printf("# %d sets in sets upward, %d downward\n", up, down);
    OK(up >= 4 && up <= 6, "a chain of epolls made upward ends with ELOOP, and wakes all of it");
    OK(down >= 4 && down <= 6, "made downward too");
    OK(in_child(circle) == 7, "a circle of epolls is ELOOP");
    OK(in_child(many_ways) == 7, "a file may have 500 ways of two sets up from it, then EINVAL");
    OK(in_child(counted_watches) == 7, "watches count for their user: fs.epoll.max_user_watches, ENOSPC");
    OK(in_child(ladder) == 7, "150 keyrings in one another: linked at the end, ELOOP at the top, gone at once");
    OK(in_child(found_circle) == 7, "a search does not link a keyring into itself");
    return ktap_done();
}
