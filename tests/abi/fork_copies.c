/* C15, C18: what a fork copies, and what the parent said about its memory. */
#include "ktap.h"

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
    return ktap_done();
}
