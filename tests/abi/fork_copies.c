/* C15, C18: what a fork copies, and what the parent said about its memory. */
#include "ktap.h"
#include <sys/ptrace.h>
#include <sys/uio.h>

#define BIG 2000 /* pages: of leaf tables that are full, which fork shares */
/* What the parent stores with a call (0: process_vm_writev, 1: /proc/PID/mem, 2: PTRACE_POKEDATA) into the
 * child's memory, or its own, is there, and not in the other's. */
static int store_for(int how, int into_child) {
    int to[2], st, good;
    char *m = mmap(NULL, BIG * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), c, path[40];
    long word = 0x0707070707070707;
    for (int i = 0; i < BIG; i++)
        m[i * 4096] = 1;
    pipe(to);
    pid_t p = fork(), target = into_child ? p : getpid();
    if (!p) { /* nothing of m is touched until then: it is as the fork left it */
        read(to[0], &c, 1);
        _exit(m[1000 * 4096] != (into_child ? 7 : 1));
    }
    struct iovec mine = {&word, 8}, its = {m + 1000 * 4096, 8};
    if (how == 2) {
        good = !ptrace(PTRACE_ATTACH, target, 0, 0) && waitpid(target, &st, 0) == target &&
               !ptrace(PTRACE_POKEDATA, target, m + 1000 * 4096, word) &&
               !ptrace(PTRACE_DETACH, target, 0, 0);
    } else if (how) {
        sprintf(path, "/proc/%d/mem", target);
        int fd = open(path, O_RDWR);
        good = pwrite(fd, &word, 8, (long)m + 1000 * 4096) == 8;
        close(fd);
    } else {
        good = process_vm_writev(target, &mine, 1, &its, 1, 0) == 8;
    }
    good &= m[1000 * 4096] == (into_child ? 1 : 7);
    write(to[1], "x", 1);
    good &= waitpid(p, &st, 0) == p && !st;
    close(to[0]), close(to[1]);
    munmap(m, BIG * 4096);
    return good;
}

int main(void) {
    printf("KTAP version 1\n");
    int p[2], st, fd;
    char b[4] = {0};
    pipe(p);
    fd = open("/proc/self/exe", O_RDONLY);
    lseek(fd, 5, SEEK_SET);
    pid_t pid = fork();
    if (!pid) {
        lseek(fd, 11, SEEK_SET);
        _exit(0);
    }
    waitpid(pid, &st, 0);
    OK(lseek(fd, 0, SEEK_CUR) == 11, "C15: a copied table shares file offsets");

    char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    m[0] = m[4096] = 1;
    madvise(m, 4096, 18 /* WIPEONFORK */);
    madvise(m + 4096, 4096, 10 /* DONTFORK */);
    pid = fork();
    if (!pid) {
        unsigned char vec;
        (void)vec;
        b[0] = m[0];
        int pfd[2];
        pipe(pfd);
        int gone = write(pfd[1], m + 4096, 1) == -1 && errno == EFAULT;
        _exit(b[0] == 0 && gone ? 0 : 1);
    }
    waitpid(pid, &st, 0);
    OK(st == 0 && m[0] == 1 && m[4096] == 1, "C18: WIPEONFORK is zero and DONTFORK is gone in the child");
    char *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid = fork();
    if (!pid) {
        s[0] = 77;
        _exit(0);
    }
    waitpid(pid, &st, 0);
    OK(s[0] == 77, "C18: MAP_SHARED stays shared");
    OK(store_for(0, 1) && store_for(1, 1) && store_for(2, 1),
       "C15: what is stored into a child is the child's");
    OK(store_for(0, 0) && store_for(1, 0), "C15: what is stored into the parent is the parent's");
    return ktap_done();
}
