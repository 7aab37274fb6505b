/* Keyrings that lead to one another by very many ways. Linux follows each way and does not come back. */
#include "ktap.h"
#include <linux/keyctl.h>

#define CTL(...) syscall(SYS_keyctl, __VA_ARGS__)
static int ring(const char *name, int in) { return syscall(SYS_add_key, "keyring", name, NULL, 0, in); }
/* 20 keyrings a layer, each of which leads to all of the next. */
static int lattice(void) {
    int k[6][20], layers;
    char name[20];
    struct timespec a, b;
    setresgid(888, 888, 888);
    if (setresuid(888, 888, 888) || CTL(KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0)
        return 1;
    int own = KEY_SPEC_SESSION_KEYRING;
    for (layers = 0; layers < 6; layers++)
        for (int i = 0; i < 20; i++) {
            snprintf(name, sizeof(name), "r%d-%d", layers, i);
            if ((k[layers][i] = ring(name, own)) < 0 || CTL(KEYCTL_SETPERM, k[layers][i], 0x3f3f0000))
                return 2;
        }
    clock_gettime(CLOCK_MONOTONIC, &a);
    for (int l = 4; l >= 0; l--)
        for (int i = 0; i < 20; i++)
            for (int j = 0; j < 20; j++)
                if (CTL(KEYCTL_LINK, k[l + 1][j], k[l][i]))
                    return 3;
    if (CTL(KEYCTL_LINK, k[0][0], k[5][0]) != -1 || errno != EDEADLK)
        return 4;
    clock_gettime(CLOCK_MONOTONIC, &b);
    if (CTL(KEYCTL_UNLINK, k[0][3], own) || CTL(KEYCTL_SEARCH, own, "keyring", "nothing", 0) != -1 || errno != ENOKEY)
        return 5;
    printf("# 2,000 links in %ld s\n", (long)(b.tv_sec - a.tv_sec));
    return 7;
}

int main(void) {
    OK(in_child(lattice) == 7, "a lattice of keyrings is linked and searched, each keyring once");
    return ktap_done();
}
