/* Large directories, and renames across directories under load. dirs [FILES]. */
#include "../abi/ktap.h"
#include <dirent.h>
#include <pthread.h>

static int files = 2000;
static int list(const char *dir, unsigned char *seen, int most) {
    DIR *d = opendir(dir);
    int n = 0, twice = 0;
    memset(seen, 0, most);
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.') {
            int k = atoi(e->d_name + 1);
            twice += k < 0 || k >= most || seen[k]++;
            n++;
        }
    closedir(d);
    return twice ? -1 : n;
}
static void large(void) {
    char name[64];
    unsigned char *seen = malloc(files);
    int good = 0;
    struct stat st;
    mkdir("big", 0755), chdir("big");
    for (int i = 0; i < files; i++) {
        snprintf(name, sizeof(name), "f%06d", i);
        int fd = open(name, O_CREAT | O_EXCL | O_WRONLY, 0644);
        good += fd >= 0 && !close(fd);
    }
    OK(good == files, "as many files as asked for");
    OK(list(".", seen, files) == files, "are all listed, each once");
    good = 0;
    for (int i = 0; i < files; i += 7) {
        snprintf(name, sizeof(name), "f%06d", (int)((long)i * 7919 % files));
        good += !stat(name, &st);
    }
    OK(good == (files + 6) / 7, "are found, in any order");
    snprintf(name, sizeof(name), "f%06d", files);
    FAILS(stat(name, &st), ENOENT, "one that is not there is not");
    FAILS(open("f000000", O_CREAT | O_EXCL, 0600), EEXIST, "nor made twice");
    /* Every other one goes while the directory is read. */
    DIR *d = opendir(".");
    int n = 0, gone = 0;
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] == 'f' && n++ % 2)
            gone += !unlink(e->d_name);
    closedir(d);
    OK(n == files && gone == files / 2, "every other one is removed while they are listed");
    OK(list(".", seen, files) == files - files / 2, "the rest is there");
    d = opendir(".");
    for (struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] == 'f')
            gone += !unlink(e->d_name);
    closedir(d);
    chdir("..");
    OK(gone == files && !rmdir("big"), "and goes, and the directory with it");
    free(seen);
}

#define DIRS 4
#define TOKENS 24
#define MOVERS 4
static volatile int stop;
/* Each file is moved about by all; none may be lost or doubled. Directories move too, into each other. */
static void *mover(void *arg) {
    unsigned long r = (long)arg * 7777 + 1;
    char a[64], b[64];
    while (!stop) {
        r = r * 6364136223846793005UL + 1442695040888963407UL;
        int from = r >> 33 & (DIRS - 1), to = r >> 40 & (DIRS - 1), k = (r >> 45) % TOKENS;
        if ((r >> 60) == 0) { /* a directory below another, and back */
            snprintf(a, sizeof(a), "d%d/sub", from), snprintf(b, sizeof(b), "d%d/sub", to);
            rename(a, b);
        } else {
            snprintf(a, sizeof(a), "d%d/t%d", from, k), snprintf(b, sizeof(b), "d%d/t%d", to, k);
            if ((r >> 58 & 3) == 1)
                renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
            else
                rename(a, b);
        }
    }
    return NULL;
}
static void moves(void) {
    char a[64];
    struct stat st;
    mkdir("moves", 0755), chdir("moves");
    for (int i = 0; i < DIRS; i++) {
        snprintf(a, sizeof(a), "d%d", i);
        mkdir(a, 0755);
    }
    mkdir("d0/sub", 0755);
    for (int k = 0; k < TOKENS; k++) {
        snprintf(a, sizeof(a), "d%d/t%d", k % DIRS, k);
        int fd = open(a, O_CREAT | O_WRONLY, 0644);
        write(fd, &k, sizeof(k));
        close(fd);
    }
    fflush(stdout);
    pid_t kid = fork();
    pthread_t t[MOVERS];
    for (long i = 0; i < MOVERS; i++)
        pthread_create(&t[i], NULL, mover, (void *)(i + (kid ? 0 : MOVERS)));
    if (!kid)
        sleep(60);
    usleep(1500000);
    stop = 1;
    for (int i = 0; i < MOVERS; i++)
        pthread_join(t[i], NULL);
    kill(kid, SIGKILL), waitpid(kid, NULL, 0);
    int count[TOKENS] = {0}, right = 1, subs = 0;
    for (int i = 0; i < DIRS; i++) {
        snprintf(a, sizeof(a), "d%d", i);
        int links = 2;
        DIR *d = opendir(a);
        for (struct dirent *e; (e = readdir(d));) {
            char path[400];
            int v = -1;
            snprintf(path, sizeof(path), "%s/%s", a, e->d_name);
            if (!strcmp(e->d_name, "sub"))
                subs++, links++;
            if (e->d_name[0] != 't')
                continue;
            int k = atoi(e->d_name + 1), fd = open(path, O_RDONLY);
            read(fd, &v, sizeof(v)), close(fd);
            right &= v == k && k >= 0 && k < TOKENS;
            count[k]++;
        }
        closedir(d);
        right &= !stat(a, &st) && (int)st.st_nlink == links;
    }
    for (int k = 0; k < TOKENS; k++)
        right &= count[k] == 1;
    OK(right && subs == 1, "eight movers lose no file, double none, and count links right");
    /* Two that move a directory each into the other's: one must lose, and none may hang. */
    mkdir("x", 0755), mkdir("y", 0755), fflush(stdout);
    kid = fork();
    int loops = 0;
    for (int i = 0; i < 2000; i++) {
        if (kid)
            rename("x", "y/x"), rename("y/x", "x");
        else
            rename("y", "x/y"), rename("x/y", "y");
    }
    if (!kid)
        _exit(0);
    OK(child_ends(kid) == 0, "directories that move into each other come to an end");
    loops += access("x", F_OK) && access("y/x", F_OK);
    loops += access("y", F_OK) && access("x/y", F_OK);
    OK(!loops, "and both are still to be found");
    chdir("..");
    OK(!system("rm -rf moves"), "and removed");
}

int main(int argc, char **argv) {
    if (argc > 1)
        files = atoi(argv[1]);
    printf("KTAP version 1\n");
    const char *dirs[] = {"/tmp", on_disk()};
    for (int i = 0; i < 2; i++) {
        printf("# in %s\n", dirs[i]);
        chdir(dirs[i]);
        large();
        moves();
    }
    return ktap_done();
}
