/* id: who am I. */
#include <tine.h>

int main(int argc, char **argv) {
    int c;
    while ((c = options(argc, argv, "ug", "id [-u|-g]")) != -1) {
        printf("%d\n", c == 'u' ? geteuid() : getgid());
        return 0;
    }
    printf("uid=%d euid=%d gid=%d\n", getuid(), geteuid(), getgid());
    return 0;
}
