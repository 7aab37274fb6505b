/* uname: the system's name. */
#include <tine.h>

int main(int argc, char **argv) {
    int c;
    bool all = false, rel = false;
    struct abi_utsname u;
    while ((c = options(argc, argv, "asrmn", "uname [-a]")) != -1)
        all |= c == 'a', rel |= c == 'r';
    syscall(SYS_uname, &u);
    if (all)
        printf("%s %s %s %s %s\n", u.sysname, u.nodename, u.release, u.version, u.machine);
    else
        puts(rel ? u.release : u.sysname);
    return 0;
}
