/* SPDX-License-Identifier: Apache-2.0 */
/* Terminals and job control: sessions, groups, who may read and write, who is stopped. */
#include "say.h"

#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <termios.h>

static int finish(pid_t pid)
{
    int status = -1;
    if (waitpid(pid, &status, 0) != pid)
        return -2;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int g_signals[65];
static void count(int signal)
{
    g_signals[signal]++;
}

static void catch (int signal, int flags)
{
    struct sigaction action = {.sa_handler = count, .sa_flags = flags};
    sigaction(signal, &action, NULL);
}

static int stops(pid_t child)
{
    int status = 0;
    if (waitpid(child, &status, WUNTRACED) != child)
        return -1;
    return WIFSTOPPED(status) ? WSTOPSIG(status) : 1000 + WEXITSTATUS(status);
}

static int continues(pid_t child)
{
    int status = 0;
    return waitpid(child, &status, WCONTINUED) == child && WIFCONTINUED(status);
}

static char g_lines[4000];
static int g_read;

static void read_line(int fd, const char *what)
{
    char text[200];
    size_t used = 0;
    while (used < sizeof text - 1 && read(fd, text + used, 1) == 1)
        if (text[used++] == '\n')
            break;
    text[used] = 0;
    for (char *c = text; *c; c++)
        if (*c == '\r')
            *c = '_';
    g_read += snprintf(g_lines + g_read, sizeof g_lines - (size_t)g_read, "%s: %s", what, text);
}

/* Not before the other process has said all it says. */
static void say_lines(void)
{
    fputs(g_lines, stdout);
    fflush(stdout);
    g_read = 0;
    g_lines[0] = 0;
}

static void terminals(void)
{
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    SAY_TRUE(master >= 0);
    int slave_number = -1, lock = -1;
    SAY(grantpt(master));
    SAY(open(ptsname(master), O_RDWR | O_NOCTTY)); /* locked */
    SAY(unlockpt(master));
    SAY(ioctl(master, TIOCGPTN, &slave_number));
    SAY(ioctl(master, TIOCGPTLCK, &lock));
    SAY(lock);
    int slave = open(ptsname(master), O_RDWR | O_NOCTTY);
    SAY_TRUE(slave >= 0);
    SAY(isatty(slave));
    SAY(isatty(master));
    SAY_TRUE(strncmp(ttyname(slave), "/dev/pts/", 9) == 0);
    struct stat st;
    SAY(fstat(slave, &st));
    SAY(S_ISCHR(st.st_mode));
    SAY(major(st.st_rdev));
    int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
    SAY_TRUE(peer >= 0);
    close(peer);
    struct termios t;
    SAY(tcgetattr(slave, &t));
    SAY((t.c_lflag & ICANON) != 0);
    struct winsize size = {24, 80, 0, 0};
    SAY(ioctl(master, TIOCSWINSZ, &size));
    size = (struct winsize){0};
    SAY(ioctl(slave, TIOCGWINSZ, &size));
    SAY(size.ws_col);
    SAY(write(master, "hello\n", 6));
    read_line(slave, "slave reads");
    read_line(master, "master reads");
    SAY(write(slave, "answer\n", 7));
    read_line(master, "master reads");
    write(master, "ab\x04", 3);
    say_lines();
    char text[20];
    SAY(read(slave, text, 20));
    cfmakeraw(&t);
    SAY(tcsetattr(slave, TCSANOW, &t));
    SAY(write(master, "x", 1));
    SAY(read(slave, text, 20));
    SAY(tcflush(slave, TCIOFLUSH));
    SAY(tcdrain(slave));
    SAY(tcsendbreak(slave, 0));
    SAY(tcflow(slave, TCOOFF));
    SAY(tcflow(slave, TCOON));
    SAY(tcgetpgrp(slave));
    SAY(tcgetsid(slave));
    SAY(tcsetpgrp(slave, getpgrp()));
    SAY(ioctl(slave, TIOCNOTTY));
    SAY(ioctl(slave, TIOCSTI, "x"));
    close(slave);
    struct pollfd hang = {.fd = master, .events = POLLIN};
    SAY(poll(&hang, 1, 0));
    SAY(hang.revents);
    SAY(read(master, text, 1));
    close(master);
}

static void sessions(void)
{
    pid_t child = fork();
    if (child == 0) {
        SAY_TRUE(getsid(0) != getpid());
        SAY(setpgid(0, 0));
        SAY_TRUE(getpgrp() == getpid());
        SAY(setsid()); /* a group's leader may not */
        pid_t second = fork();
        if (second == 0) {
            SAY_TRUE(setsid() == getpid());
            SAY_TRUE(getsid(0) == getpid() && getpgrp() == getpid());
            SAY(setpgid(0, 0));
            SAY(setpgid(0, getppid()));
            SAY(setsid());
            SAY(open("/dev/tty", O_RDWR));
            SAY(getsid(4000000));
            SAY(getpgid(4000000));
            SAY(setpgid(4000000, 0));
            SAY(setpgid(getppid(), 0));
            SAY(setpgid(-1, 0));
            SAY(setpgid(0, -1));
            _exit(3);
        }
        SAY(finish(second));
        int ends[2];
        char byte;
        pipe(ends);
        second = fork();
        if (second == 0) {
            execl("/bin/cat", "cat", NULL);
            _exit(1);
        }
        for (int i = 0; i < 100; i++)
            if (setpgid(second, second) == -1)
                break; /* it has become cat */
            else
                sched_yield();
        kill(second, SIGKILL);
        finish(second);
        (void)byte;
        _exit(4);
    }
    SAY(finish(child));
}

static void controlling(void)
{
    int master, slave;
    openpty(&master, &slave, NULL, NULL, NULL);
    fflush(stdout);
    pid_t leader = fork();
    if (leader == 0) {
        setsid();
        SAY(ioctl(slave, TIOCSCTTY, 0));
        SAY_TRUE(tcgetpgrp(slave) == getpid());
        SAY_TRUE(tcgetsid(slave) == getpid());
        int tty = open("/dev/tty", O_RDWR);
        SAY_TRUE(tty >= 0);
        SAY_TRUE(tcgetpgrp(tty) == getpid());
        close(master);
        signal(SIGTTOU, SIG_DFL);
        /* A background group that reads and writes. */
        pid_t child = fork();
        if (child == 0) {
            char byte;
            setpgid(0, 0);
            read(slave, &byte, 1);
            _exit(byte);
        }
        setpgid(child, child);
        SAY(stops(child) == SIGTTIN);
        SAY(tcsetpgrp(slave, child));
        kill(-child, SIGCONT);
        SAY(continues(child));
        write(slave, "go\n", 3);
        SAY(finish(child)); /* the outer process has written */
        signal(SIGTTOU, SIG_IGN);
        SAY(tcsetpgrp(slave, getpgrp()));
        signal(SIGTTOU, SIG_DFL);
        struct termios t;
        tcgetattr(slave, &t);
        t.c_lflag |= TOSTOP;
        tcsetattr(slave, TCSANOW, &t);
        child = fork();
        if (child == 0) {
            setpgid(0, 0);
            SAY(write(slave, "bg\n", 3));
            _exit(5);
        }
        setpgid(child, child);
        SAY(stops(child) == SIGTTOU);
        kill(-child, SIGKILL);
        SAY(finish(child));
        child = fork();
        if (child == 0) { /* ignoring it, it may; or gets EIO as an orphan */
            setpgid(0, 0);
            signal(SIGTTOU, SIG_IGN);
            signal(SIGTTIN, SIG_IGN);
            char byte;
            int w = write(slave, "bg\n", 3) == 3, r = read(slave, &byte, 1) == -1 && errno == EIO;
            _exit(w * 10 + r);
        }
        setpgid(child, child);
        SAY(finish(child));
        t.c_lflag &= ~TOSTOP;
        tcsetattr(slave, TCSANOW, &t);
        child = fork();
        if (child == 0) { /* a handler with SA_RESTART and one without */
            setpgid(0, 0);
            catch (SIGTTIN, 0);
            char byte;
            ssize_t r = read(slave, &byte, 1);
            _exit(r == -1 && errno == EINTR && g_signals[SIGTTIN] == 1);
        }
        setpgid(child, child);
        SAY(finish(child));
        /* Stops that come from the keyboard: the outer process types them. */
        child = fork();
        if (child == 0) {
            setpgid(0, 0);
            catch (SIGINT, 0);
            catch (SIGQUIT, 0);
            write(slave, "ready\n", 6);
            while (!g_signals[SIGINT])
                pause();
            write(slave, "int\n", 4);
            while (!g_signals[SIGQUIT])
                pause();
            write(slave, "quit\n", 5);
            for (;;)
                pause();
        }
        setpgid(child, child);
        signal(SIGTTOU, SIG_IGN);
        tcsetpgrp(slave, child);
        SAY(stops(child) == SIGTSTP);
        kill(-child, SIGKILL);
        SAY(finish(child));
        tcsetpgrp(slave, getpgrp());
        catch (SIGWINCH, 0);
        write(slave, "size\n", 5);
        while (!g_signals[SIGWINCH])
            usleep(1);
        write(slave, "sized\n", 6);
        catch (SIGHUP, 0);
        catch (SIGCONT, 0);
        write(slave, "close\n", 6);
        while (!g_signals[SIGHUP] || !g_signals[SIGCONT])
            usleep(1);
        char byte;
        SAY(read(slave, &byte, 1));
        SAY(write(slave, "x", 1));
        SAY(tcgetpgrp(slave));
        SAY(open("/dev/tty", O_RDWR));
        _exit(9);
    }
    close(slave);
    /* Echo off, so that what is read is what the other side wrote. */
    struct termios t;
    tcgetattr(master, &t);
    t.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOCTL);
    tcsetattr(master, TCSANOW, &t);
    read_line(master, "from the session");
    write(master, "A\n", 2);
    read_line(master, "from the background"); /* bg */
    read_line(master, "from the foreground"); /* ready */
    write(master, "\x03", 1);
    read_line(master, "after ^C");
    write(master, "\x1c", 1);
    read_line(master, "after ^\\");
    write(master, "\x1a", 1);
    read_line(master, "resize");
    struct winsize size = {10, 20, 0, 0};
    ioctl(master, TIOCSWINSZ, &size);
    read_line(master, "resized");
    read_line(master, "hang up");
    close(master);
    SAY(finish(leader));
    say_lines();
}

/* The end of a session's leader: its group gets SIGHUP; stopped orphans are continued. */
static void ends(void)
{
    int master, slave, told[2];
    char byte = 0;
    openpty(&master, &slave, NULL, NULL, NULL);
    pipe(told);
    pid_t leader = fork();
    if (leader == 0) {
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        pid_t child = fork();
        if (child == 0) {
            catch (SIGHUP, 0);
            write(told[1], "r", 1);
            while (!g_signals[SIGHUP])
                pause();
            write(told[1], "h", 1);
            _exit(0);
        }
        read(told[0], &byte, 1);
        _exit(0);
    }
    SAY(finish(leader));
    SAY(read(told[0], &byte, 1));
    SAY(byte);
    leader = fork();
    if (leader == 0) {
        setsid();
        pid_t child = fork();
        if (child == 0) {
            setpgid(0, 0);
            catch (SIGHUP, 0);
            catch (SIGCONT, 0);
            write(told[1], "r", 1);
            raise(SIGSTOP);
            while (!g_signals[SIGHUP] || !g_signals[SIGCONT])
                pause();
            write(told[1], "c", 1);
            _exit(0);
        }
        stops(child);
        _exit(0);
    }
    SAY(finish(leader));
    SAY(read(told[0], &byte, 1));
    SAY(read(told[0], &byte, 1));
    SAY(byte);
    close(master), close(slave), close(told[0]), close(told[1]);
}

static void shell(void)
{
    int master;
    fflush(stdout);
    pid_t child = forkpty(&master, NULL, NULL, NULL);
    if (child == 0) {
        setenv("PS1", "$ ", 1);
        setenv("HISTFILE", "", 1);
        struct termios t;
        tcgetattr(0, &t);
        t.c_lflag &= ~(tcflag_t)(ECHO | ECHOCTL);
        tcsetattr(0, TCSANOW, &t);
        execl("/bin/dash", "dash", "-im", NULL);
        _exit(1);
    }
    /* One step after the other: each waits for a word that only its run prints. */
    static const char *const steps[][2] = {
        {"echo be''gin\n", "begin"},
        {"echo st''art; cat\n", "start"},
        {"through cat\n", "through cat"},
        {"\x1a", "Stopped"},
        {"jobs >/dev/null; echo j''obs $?\n", "jobs 0"},
        {"echo b''ack; fg >/dev/null\n", "back"},
        {"again\n", "again"},
        {"\x04", "$ "},
        {"echo f''g $?\n", "fg 0"},
        {"sh -c 'kill -STOP $$; echo re''sumed'\n", "Stopped"},
        {"fg >/dev/null; echo r''esult $?\n", "result 0"},
        {"sh -c 'exit 7'; echo st''atus $?\n", "status 7"},
        {"sh -c 'kill -TERM $$'; echo t''erm $?\n", "term 143"},
        {"sh -c \"echo sl''eep; exec sleep 1000\"\n", "sleep"},
        {"\x03", "$ "},
        {"echo in''t $?\n", "int 130"},
    };
    char text[8192];
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        size_t used = 0;
        write(master, steps[i][0], strlen(steps[i][0]));
        for (;;) {
            ssize_t n = read(master, text + used, sizeof text - 1 - used);
            if (n <= 0)
                break;
            used += (size_t)n;
            text[used] = 0;
            if (strstr(text, steps[i][1]))
                break;
        }
        printf("%s: %s\n", steps[i][1], strstr(text, steps[i][1]) ? "seen" : "missing");
        fflush(stdout);
    }
    write(master, "exit 5\n", 7);
    while (read(master, text, sizeof text) > 0)
        ;
    SAY(finish(child));
    close(master);
}

int main(void)
{
    alarm(100);
    /* Not the runner's terminal, and no group's leader. */
    if (fork() == 0) {
        terminals();
        sessions();
        controlling();
        ends();
        shell();
        exit(0);
    }
    wait(NULL);
    return 0;
}
