/* C19: keyrings. */
#include "ktap.h"
#include <pthread.h>
#define THREAD (-1)
#define PROCESS (-2)
#define SESSION (-3)
#define USER (-4)
#define USER_SESSION (-5)

static int add(const char *type, const char *desc, const char *data, int ring) {
    return syscall(SYS_add_key, type, desc, data, data ? strlen(data) : 0, ring);
}
#define CTL(op, ...) ctl(op, (long[4]){__VA_ARGS__})
static long ctl(int op, long a[4]) { return syscall(SYS_keyctl, op, a[0], a[1], a[2], a[3]); }
static int request(const char *type, const char *desc) {
    return syscall(SYS_request_key, type, desc, NULL, 0);
}
static char buf[256];
static int reads(int key, const char *want) {
    memset(buf, 0, sizeof(buf));
    return CTL(11, key, (long)buf, sizeof(buf)) == (long)strlen(want) && !strcmp(buf, want);
}

static int session, in_session;
static int inherits(void) {
    return CTL(0, SESSION, 0) == session && request("user", "k") == in_session && reads(in_session, "secret")
               ? 11
               : 1;
}
static int joins_another(void) {
    int s = CTL(1, 0);
    if (s <= 0 || s == session || request("user", "k") != -1 || errno != ENOKEY)
        return 1;
    return CTL(11, in_session, (long)buf, 10) == -1 ? 12
                                                    : 2; /* the user's own, but not possessed: no reading */
}
static int thread_key, process_key, thread_ring;
static void *other_thread(void *a) {
    (void)a;
    long r = CTL(0, THREAD, 0) != thread_ring;
    r &= request("user", "of_process") == process_key;
    r &= request("user", "of_thread") == -1 && errno == ENOKEY;
    return (void *)r;
}
static int threads(void) {
    thread_key = add("user", "of_thread", "t", THREAD);
    process_key = add("user", "of_process", "p", PROCESS);
    thread_ring = CTL(0, THREAD, 0);
    if (thread_ring < 0 || thread_key < 0 || process_key < 0 || request("user", "of_thread") != thread_key)
        return 1;
    pthread_t t;
    void *r;
    pthread_create(&t, 0, other_thread, 0);
    pthread_join(t, &r);
    if (!r)
        return 2;
    fflush(stdout);
    pid_t p = fork();
    if (!p)
        _exit(CTL(0, THREAD, 0) == -1 && CTL(0, PROCESS, 0) == -1 && request("user", "of_process") == -1 ? 0
                                                                                                         : 1);
    if (child_ends(p))
        return 3;
    p = fork();
    if (!p) {
        add("user", "of_process", "p", PROCESS);
        execl("/proc/self/exe", "keys", "child", NULL);
    }
    return child_ends(p) == 21 ? 13 : 4;
}
static int other_user(void) {
    setresgid(1000, 1000, 1000);
    setresuid(1000, 1000, 1000);
    if (CTL(11, in_session, (long)buf, 10) != 6) /* possessed, through the session */
        return 1;
    CTL(1, 0);
    if (CTL(11, in_session, (long)buf, 10) != -1 || errno != EACCES ||
        CTL(6, in_session, (long)buf, 100) != -1 || CTL(3, in_session) != -1)
        return 2;
    int n = 0, k; /* the quota */
    char name[32];
    for (; n < 300; n++) {
        sprintf(name, "n%d", n);
        if ((k = add("user", name, "x", SESSION)) < 0)
            break;
    }
    if (n < 150 || n >= 200 || errno != EDQUOT)
        return 3;
    return CTL(7, SESSION) ? 4 : 14;
}

int main(int argc, char **argv) {
    (void)argv;
    if (argc > 1)
        return CTL(0, PROCESS, 0) == -1 && request("user", "k") > 0 ? 21 : 1;
    printf("KTAP version 1\n");
    session = CTL(1, 0);
    OK(session > 0 && CTL(0, SESSION, 0) == session, "a session keyring of our own");
    in_session = add("user", "k", "secret", SESSION);
    OK(in_session > 0 && reads(in_session, "secret"), "add_key, and KEYCTL_READ");
    OK(CTL(11, in_session, (long)buf, 2) == 6, "a buffer that is too small: what is needed");
    OK(add("user", "k", "newer", SESSION) == in_session && reads(in_session, "newer"),
       "add_key of the same name: the same key, another content");
    OK(!CTL(2, in_session, (long)"secret", 6) && reads(in_session, "secret"), "KEYCTL_UPDATE");
    memset(buf, 0, sizeof(buf));
    CTL(6, in_session, (long)buf, sizeof(buf));
    OK(!strcmp(buf, "user;0;0;3f010000;k"), "KEYCTL_DESCRIBE");
    OK(request("user", "k") == in_session, "request_key finds it");
    FAILS(request("user", "none"), ENOKEY, "what is not there: ENOKEY");
    FAILS(request("nonsense", "k"), ENOKEY, "of a type that is none: ENOKEY");
    FAILS(add("nonsense", "k", "x", SESSION), ENODEV, "add_key of it: ENODEV");
    FAILS(add("user", "", "x", SESSION), EINVAL, "no name: EINVAL");
    FAILS(add("user", "e", "", SESSION), EINVAL, "no content: EINVAL");
    FAILS(syscall(SYS_add_key, "user", "x", (void *)8, 5, SESSION), EFAULT, "a bad pointer: EFAULT");
    FAILS(syscall(SYS_add_key, (void *)8, "x", "y", 1, SESSION), EFAULT, "or of the type");
    FAILS(add("user", "x", "y", 0x12345), ENOKEY, "no such keyring: ENOKEY");
    FAILS(add("user", "x", "y", in_session), ENOTDIR, "no keyring: ENOTDIR");
    FAILS(CTL(99), EOPNOTSUPP, "an operation that is none: EOPNOTSUPP");
    int ring = add("keyring", "ring", NULL, SESSION);
    OK(ring > 0 && !CTL(8, in_session, ring), "a keyring, and KEYCTL_LINK");
    int list[8];
    OK(CTL(11, ring, (long)list, sizeof(list)) == 4 && list[0] == in_session, "KEYCTL_READ lists it");
    OK(CTL(10, ring, (long)"user", (long)"k", 0) == in_session, "KEYCTL_SEARCH");
    FAILS(CTL(8, ring, ring), EDEADLK, "a keyring in itself: EDEADLK");
    OK(!CTL(9, in_session, SESSION) && request("user", "k") == in_session,
       "KEYCTL_UNLINK: found by the other way still");
    FAILS(CTL(9, in_session, SESSION), ENOENT, "twice: ENOENT");
    CTL(8, in_session, SESSION);
    OK(!CTL(7, ring) && CTL(11, ring, (long)list, sizeof(list)) == 0, "KEYCTL_CLEAR");
    int k = add("user", "goes", "x", SESSION);
    OK(!CTL(5, k, 0x3d010000) && CTL(2, k, (long)"y", 1) == 0 && !CTL(5, k, 0x3b010000), "KEYCTL_SETPERM");
    FAILS(CTL(2, k, (long)"y", 1), EACCES, "no right to write: EACCES");
    FAILS(CTL(5, k, 0xffffffff), EINVAL, "rights that are none: EINVAL");
    OK(!CTL(15, k, 1), "KEYCTL_SET_TIMEOUT");
    usleep(1300000);
    FAILS(CTL(11, k, (long)buf, 10), EKEYEXPIRED, "then: EKEYEXPIRED");
    FAILS(request("user", "goes"), ENOKEY, "and not found by request_key");
    k = add("user", "revoked", "x", SESSION);
    OK(!CTL(3, k), "KEYCTL_REVOKE");
    FAILS(CTL(11, k, (long)buf, 10), EKEYREVOKED, "then: EKEYREVOKED");
    k = add("logon", "ser:vice", "password", SESSION);
    OK(k > 0, "a logon key");
    FAILS(CTL(11, k, (long)buf, 10), EOPNOTSUPP, "which nobody reads");
    OK(CTL(0, USER, 1) > 0 && CTL(0, USER_SESSION, 1) > 0, "the user's keyrings");
    OK(in_child(inherits) == 11, "fork: the session's keyring is inherited");
    OK(in_child(joins_another) == 12,
       "KEYCTL_JOIN_SESSION_KEYRING: another, and what was in the first is not found");
    OK(CTL(0, SESSION, 0) == session, "for that process alone");
    OK(in_child(threads) == 13, "C19: the process's keyring is shared by its threads alone, the thread's by "
                                "nobody; exec drops both and keeps the session's");
    OK(in_child(other_user) == 14, "another user: what is possessed is readable, else EACCES; and a quota");
    return ktap_done();
}
