/* SPDX-License-Identifier: Apache-2.0 */
/* Threads, processes and files through musl, statically linked. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int counter;

static void *count(void *arg)
{
    for (int i = 0; i < 1000; i++) {
        pthread_mutex_lock(&mutex);
        counter += getppid() > 0;
        pthread_mutex_unlock(&mutex);
    }
    return arg;
}

int main(void)
{
    pthread_t t[8];
    char line[64] = {0};
    int status;
    for (int i = 0; i < 8; i++)
        pthread_create(&t[i], NULL, count, NULL);
    for (int i = 0; i < 8; i++)
        pthread_join(t[i], NULL);
    printf("counted %d\n", counter);
    FILE *f = popen("echo from a child", "r");
    printf("read %s", fgets(line, sizeof line, f));
    printf("closed %d\n", pclose(f));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) {
        execlp("sh", "sh", "-c", "exit 6", (char *)NULL);
        _exit(1);
    }
    waitpid(child, &status, 0);
    printf("child %d\n", WEXITSTATUS(status));
    f = tmpfile();
    for (int i = 0; i < 2000; i++)
        fprintf(f, "%d\n", i);
    rewind(f);
    int lines = 0;
    while (fgets(line, sizeof line, f))
        lines++;
    printf("lines %d\n", lines);
    return 0;
}
