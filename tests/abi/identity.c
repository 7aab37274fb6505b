/* C5, C7, C8: who a program is: credentials over fork and exec, set-user-ID programs, and what others may do
 * to it. */
#include "ktap.h"
#include <grp.h>
#include <sys/personality.h>

static const char *self = "/tmp/identity";
/* This program again, as another user and with an argument that says what to report. */
static int run(const char *path, uid_t uid, gid_t gid, const char *what) {
    int st;
    pid_t p = fork();
    if (!p) {
        setgroups(0, NULL);
        if (setgid(gid) || setuid(uid))
            _exit(99);
        execl(path, "identity", what, NULL);
        _exit(98);
    }
    waitpid(p, &st, 0);
    return WIFEXITED(st) ? WEXITSTATUS(st) : 255;
}
static void copy_self(const char *to, uid_t uid, gid_t gid, mode_t mode) {
    static char b[65536];
    int in = open("/proc/self/exe", O_RDONLY), out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0700);
    ssize_t n;
    while ((n = read(in, b, sizeof(b))) > 0)
        write(out, b, n);
    fchown(out, uid, gid);
    fchmod(out, mode);
    close(in);
    close(out);
}
static unsigned long effective(void) {
    struct {
        unsigned version;
        int pid;
    } h = {0x20080522, 0};
    unsigned d[6] = {0};
    return syscall(SYS_capget, &h, d) ? ~0UL : d[0] | (unsigned long)d[3] << 32;
}

int main(int argc, char **argv) {
    if (argc > 1) {
        uid_t r, e, s;
        gid_t rg, eg, sg;
        getresuid(&r, &e, &s);
        getresgid(&rg, &eg, &sg);
        switch (argv[1][0]) {
        case 'u':
            return !(r == 2000 && e == 1000 && s == 1000 && rg == 2000 && eg == 2000 && !effective());
        case 'g':
            return !(r == 2000 && e == 2000 && rg == 2000 && eg == 1000 && sg == 1000);
        case 'r': /* set-user-ID root: may do what root may, and give it up and take it back */
            return !(r == 2000 && e == 0 && s == 0 && effective() && !seteuid(2000) && !effective() &&
                     open("/tmp/identity.secret", O_RDONLY) == -1 && errno == EACCES && !seteuid(0) &&
                     open("/tmp/identity.secret", O_RDONLY) >= 0 && !setuid(2000) && setuid(0) == -1 &&
                     errno == EPERM);
        case 'f': { /* a fork has the same; an exec keeps who one is */
            int st;
            pid_t p = fork();
            if (!p) {
                getresuid(&r, &e, &s);
                _exit(!(r == 2000 && e == 1000 && s == 1000));
            }
            waitpid(p, &st, 0);
            return st != 0;
        }
        case 'n':
            return !(r == 2000 && e == 2000);
        case 'p':
            return personality(0xffffffff) != ADDR_NO_RANDOMIZE;
        }
    }
    printf("KTAP version 1\n");
    int st, secret = open("/tmp/identity.secret", O_RDWR | O_CREAT | O_TRUNC, 0600);
    chmod("/tmp", 01777);
    copy_self(self, 1000, 1000, 04755);
    OK(run(self, 2000, 2000, "u") == 0, "a set-user-ID program: the file's owner, without capabilities");
    OK(run(self, 2000, 2000, "f") == 0, "C5: a fork of it has the same credentials");
    copy_self(self, 0, 1000, 02755);
    OK(run(self, 2000, 2000, "g") == 0, "a set-group-ID program: the file's group");
    copy_self(self, 0, 0, 04755);
    OK(run(self, 2000, 2000, "r") == 0,
       "a set-user-ID program of root: gives its rights up, takes them back, gives them up for good");
    copy_self(self, 0, 0, 0755);
    OK(run(self, 2000, 2000, "n") == 0, "without the bit: who called it");
    OK(run(self, 2000, 2000, "r") != 0, "and then nothing of root's");
    copy_self(self, 0, 0, 04700);
    OK(run(self, 2000, 2000, "n") == 98, "a program that others may not execute");
    close(secret);

    pid_t p = fork(); /* C7 */
    if (!p) {
        personality(ADDR_NO_RANDOMIZE);
        p = fork();
        if (!p) {
            if (personality(0xffffffff) != ADDR_NO_RANDOMIZE)
                _exit(1);
            copy_self(self, 0, 0, 0755);
            execl(self, "identity", "p", NULL);
            _exit(98);
        }
        waitpid(p, &st, 0);
        _exit(WEXITSTATUS(st) || personality(0xffffffff) != ADDR_NO_RANDOMIZE);
    }
    waitpid(p, &st, 0);
    OK(st == 0 && personality(0xffffffff) == 0,
       "C7: the personality goes to a child and through exec, not to the parent");

    int ready[2];
    char c;
    pipe(ready);
    pid_t victim = fork(); /* what one user may do to another's process */
    if (!victim) {
        setgid(1000);
        setuid(1000);
        write(ready[1], "x", 1);
        for (;;)
            pause();
    }
    read(ready[0], &c, 1);
    p = fork();
    if (!p) {
        cpu_set_t set;
        struct sched_param sp = {0};
        CPU_ZERO(&set);
        CPU_SET(0, &set);
        setgid(2000);
        setuid(2000);
        int bad = 0;
        bad |= !(kill(victim, SIGTERM) == -1 && errno == EPERM) ? 1 : 0;
        bad |= !(kill(victim, 0) == -1 && errno == EPERM) ? 2 : 0;
        bad |= !(setpriority(PRIO_PROCESS, victim, 5) == -1 && errno == EPERM) ? 4 : 0;
        bad |= !(sched_setaffinity(victim, sizeof(set), &set) == -1 && errno == EPERM) ? 8 : 0;
        bad |= !(sched_setscheduler(victim, SCHED_BATCH, &sp) == -1 && errno == EPERM) ? 16 : 0;
        bad |= !(setpriority(PRIO_PROCESS, 0, -5) == -1 && errno == EACCES) ? 32 : 0;
        _exit(bad);
    }
    waitpid(p, &st, 0);
    OK(st == 0, "kill, setpriority, affinity, scheduler of another user's process: EPERM");
    p = fork();
    if (!p) {
        setgid(1000);
        setuid(1000);
        int bad = kill(victim, 0) != 0;
        bad |= setpriority(PRIO_PROCESS, victim, 5) != 0;
        bad |= kill(victim, SIGTERM) != 0;
        _exit(bad);
    }
    waitpid(p, &st, 0);
    OK(st == 0 && waitpid(victim, &st, 0) == victim && WTERMSIG(st) == SIGTERM, "and of one's own: allowed");
    unlink(self);
    unlink("/tmp/identity.secret");
    return ktap_done();
}
