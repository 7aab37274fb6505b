/* Many threads in one process, all alive at once: created, counted, joined. threads10k [N] */
#include <ktap.h>
#include <pthread.h>
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t c = PTHREAD_COND_INITIALIZER, told = PTHREAD_COND_INITIALIZER;
static int here, go;
static void *thread(void *a) {
    pthread_mutex_lock(&m);
    here++;
    pthread_cond_signal(&told);
    while (!go)
        pthread_cond_wait(&c, &m);
    pthread_mutex_unlock(&m);
    return a;
}
int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 200, made = 0, joined = 0;
    pthread_t *t = calloc(n, sizeof(*t));
    pthread_attr_t a;
    printf("KTAP version 1\n");
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 16384);
    while (made < n && !pthread_create(&t[made], &a, thread, (void *)(long)made))
        made++;
    printf("# %d threads made\n", made);
    pthread_mutex_lock(&m);
    while (here < made)
        pthread_cond_wait(&told, &m);
    go = 1;
    pthread_cond_broadcast(&c);
    pthread_mutex_unlock(&m);
    for (int i = 0; i < made; i++) {
        void *r;
        joined += !pthread_join(t[i], &r) && r == (void *)(long)i;
    }
    OK(made == n && joined == n, "all threads were there at once, and are joined");
    return ktap_done();
}
