/* C18: counts that do not overflow: 300 children share one page, and one page is mapped 90,000 times. */
#include "ktap.h"

int main(void) {
    printf("KTAP version 1\n");
    int st, bad = 0, go[2], n = 0;
    char c;
    pid_t p[300];
    char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    page[0] = page[4095] = 7;
    pipe(go);
    for (; n < 300; n++) {
        if ((p[n] = fork()) < 0)
            break;
        if (!p[n]) {
            close(go[1]);
            read(go[0], &c, 1); /* until all are there */
            if (page[0] != 7)
                _exit(101);
            page[0] = n;
            _exit(page[0] == (char)n && page[4095] == 7 ? n % 100 : 102);
        }
    }
    OK(n == 300, "300 children live at once");
    page[0] = 8; /* copied away from 300 sharers */
    close(go[1]);
    for (int i = 0; i < n; i++)
        bad |= waitpid(p[i], &st, 0) != p[i] || WEXITSTATUS(st) != i % 100;
    OK(!bad && page[0] == 8 && page[4095] == 7,
       "a page with 301 references: each owner has its own after a store");

    /* One page of a file in 45,000 mappings, a write-protected private one each, and the same again in a
     * child. */
    enum { N = 45000 };
    int fd = open("/tmp/references", O_RDWR | O_CREAT | O_TRUNC, 0600);
    ftruncate(fd, 4096);
    pwrite(fd, "x", 1, 0);
    char *at = mmap(NULL, N * 4096L, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (long i = 0; i < N && !bad; i++) {
        bad |=
            mmap(at + i * 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) == MAP_FAILED;
        bad |= at[i * 4096] != 'x';
    }
    OK(!bad, "a page mapped 45,000 times");
    pipe(go);
    pid_t child = fork();
    if (!child) {
        for (long i = 0; i < N; i++)
            bad |= at[i * 4096] != 'x';
        for (long i = 0; i < N; i += 1000)
            at[i * 4096] = 'c';
        for (long i = 0; i < N; i++)
            bad |= at[i * 4096] != (i % 1000 ? 'x' : 'c');
        _exit(bad);
    }
    for (long i = 0; i < N; i++)
        bad |= at[i * 4096] != 'x';
    bad |= waitpid(child, &st, 0) != child || st;
    OK(!bad, "C18: and 90,000 times with a child: stores split off copies, the page stays");
    munmap(at, N * 4096L);
    pread(fd, &c, 1, 0);
    OK(c == 'x', "the page is whole when all mappings are gone");
    close(fd);
    unlink("/tmp/references");
    return ktap_done();
}
