/* rm: remove names; -r whole trees, -f without complaint. */
#include <tine.h>

static bool recursive, force;
static int remove_one(const char *p) {
    struct stat st;
    if (lstat(p, &st) < 0) {
        if (force && errno == ENOENT)
            return 0;
        warn("%s", p);
        return 1;
    }
    int r = 0;
    if (S_ISDIR(st.st_mode) && recursive) {
        DIR *d = opendir(p);
        for (struct dirent *e; d && (e = readdir(d));)
            if (strcmp(e->d_name, ".") && strcmp(e->d_name, ".."))
                r |= remove_one(join(p, e->d_name));
        if (d)
            closedir(d);
    }
    if ((S_ISDIR(st.st_mode) && recursive ? rmdir(p) : unlink(p)) < 0) {
        warn("%s", p);
        return 1;
    }
    return r;
}
int main(int argc, char **argv) {
    int c, r = 0;
    while ((c = options(argc, argv, "rRf", "rm [-rf] FILE...")) != -1) {
        recursive |= c == 'r' || c == 'R';
        force |= c == 'f';
    }
    if (optind == argc && !force) {
        warnx("nothing to remove was named");
        return 2;
    }
    for (int i = optind; i < argc; i++)
        r |= remove_one(argv[i]);
    return r;
}
