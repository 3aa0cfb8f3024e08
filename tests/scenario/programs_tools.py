#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Programs that run to their end, data on a volume: SQLite, Python, Node.js, Perl, bash, git, tar,
rsync, a static musl program, and C programs that call the kernel in their own ways.

    programs_tools.py COFFER_RUNTIME [TEST...]
"""
import os
import subprocess

import programs

HERE = os.path.dirname(os.path.abspath(__file__))


def bash(side, text, *more, **options):
    return side.run("bash", "-c", f"set -e -o pipefail; cd {side.data}\n" + text, *more, **options)


@programs.compare("sqlite3")
def sqlite_with_both_journals(side):
    shown = []
    for mode in ("delete", "truncate", "persist", "wal"):
        shown.append(side.run("sqlite3", f"{side.data}/{mode}.db", f"""
            pragma journal_mode={mode}; create table t(a integer primary key, b);
            insert into t select value, printf('%0200d', value) from generate_series(1, 5000);
            create index i on t(b); begin; delete from t where a % 2; rollback;
            begin; delete from t where a % 3 = 0; commit; vacuum;
            select count(*), sum(a) from t; pragma integrity_check;"""))
        shown.append(side.run("sqlite3", f"{side.data}/{mode}.db", "select max(b) from t;"))
    return shown


@programs.compare()
def python_with_threads_processes_and_numpy(side):
    script = os.path.join(HERE, "programs", "everything.py")
    return side.run("/usr/bin/python3", script, side.data).splitlines()


@programs.compare("node")
def node_with_workers_and_children(side):
    # A worker's start and the first fork meet in many ways: once is not enough.
    script = os.path.join(HERE, "programs", "everything.js")
    return [side.run("node", script, side.data) for _ in range(4)]


@programs.compare("node")
def node_does_without_io_uring(side):
    script = os.path.join(HERE, "programs", "everything.js")
    return side.run("env", "UV_USE_IO_URING=1", "node", script, side.data)


@programs.compare("perl")
def perl_forks_pipes_and_catches_signals(side):
    return side.run("perl", "-we", r"""
        use Fcntl qw(:flock :seek); use Socket; $| = 1; chdir shift or die;
        open F, "+>", "x" or die; print F "line $_\n" for 1..2000; flock F, LOCK_EX or die;
        seek F, 0, SEEK_SET; my $n = () = <F>; print "n=$n\n"; truncate F, 100; close F;
        print -s "x", "\n"; print `sort -r x | head -2`;
        my $p = fork; if (!$p) { exec "wc", "-c", "x" } waitpid $p, 0; print $? >> 8, "\n";
        pipe R, W; if (!fork) { close R; print W "from the child\n"; exit 3 } close W; print <R>;
        wait; print $? >> 8, "\n";
        socketpair A, B, AF_UNIX, SOCK_STREAM, 0; syswrite A, "pair"; sysread B, my $b, 9;
        print "$b\n"; my $got = 0; $SIG{USR1} = sub { $got++ }; kill USR1 => $$ for 1..50;
        print $got > 0 ? "caught\n" : "lost\n";
        eval { local $SIG{ALRM} = sub { die "alarm\n" }; alarm 1; select undef, undef, undef, 20 };
        print $@; mkdir "d"; symlink "../x", "d/l"; print readlink "d/l"; print -s "d/l", "\n";
        rename "x", "y"; opendir D, "."; print join(" ", sort grep !/^\./, readdir D), "\n";
        unlink "y"; rmdir "d" or print "not empty\n";""", side.data)


@programs.compare("bash", "xargs")
def bash_pipelines_traps_and_job_control(side):
    return bash(side, r"""
        seq 1 20000 | sort -R | sort -n | sha256sum
        for i in 1 2 3; do echo $i > f$i; done; cat f? | tee all | wc -l; cat all
        diff <(seq 5) <(seq 5) && echo same
        coproc cat; echo through >&${COPROC[1]}; read -r x <&${COPROC[0]}; echo $x
        exec 5<>all; flock 5; cat <<< here; { echo a; echo b >&2; } 2>&1 | sort
        trap 'echo trapped' USR1; kill -USR1 $$
        set -m; (exit 4) & wait $! || echo job $?
        head -c 3000000 /dev/zero | wc -c; echo "${PIPESTATUS[*]}" || true
        (exec 3< f1; read -r -u 3 y; echo "$y"); printf '%s\n' f? | xargs -P4 -n1 sha256sum | sort
        chmod 600 all; umask 077; : > private; stat -c '%a %s %F' all private f1
        mkdir -p a/b/c; touch a/b/c/{1..20}; find a -type f | wc -l; rm -r a; ls
        printf '#!/bin/sh\necho script $1\n' > s; chmod +x s; ./s one; ulimit -n > /dev/null
        timeout 0.2 sleep 10 || echo $?; echo $((2 ** 40)); exec sh -c 'echo last'
        """)


@programs.compare("git")
def git_commits_clones_collects_and_checks(side):
    return bash(side, r"""
        export GIT_CONFIG_GLOBAL=$PWD/config GIT_AUTHOR_DATE='2030-01-01T00:00:00Z'
        export GIT_COMMITTER_DATE=$GIT_AUTHOR_DATE
        git config --global user.email a@example.org; git config --global user.name a
        git config --global init.defaultBranch main; git config --global safe.directory '*'
        git init -q r; cd r
        for i in $(seq 12); do seq $i 900 > f$i; git add .; git commit -qm "change $i"; done
        git checkout -qb side HEAD~3; echo other > g; git add g; git commit -qm other
        git rebase -q main; git gc -q --prune=now; git fsck --full 2>&1; cd ..
        git clone -q r c; git clone -q --bare "file://$PWD/r" d; git -C c log --format=%H | wc -l
        git -C d fsck --full; git -C c status --short; cd c; echo more >> f1; git commit -qam more
        git push -q origin HEAD:refs/heads/pushed; cd ../r; git log --format='%H %s' pushed
        git repack -adq; git count-objects; git archive pushed | sha256sum; git diff --stat main side
        git stash -q 2>/dev/null || true; git worktree add -q ../w main; ls ../w | wc -l""")


@programs.compare("tar", "rsync", "gzip")
def tar_and_rsync_carry_trees(side):
    return bash(side, f"""
        mkdir src; cp -rL /usr/share/git-core /usr/share/perl-base src 2>/dev/null || true
        cp /usr/share/common-licenses/* src/ 2>/dev/null || true; ln -s GPL-2 src/link
        ln src/GPL-2 src/hard; dd if=/dev/zero of=src/hole bs=1 count=1 seek=3000000 2>/dev/null
        tar cf a.tar src; mkdir out; tar xpf a.tar -C out; diff -r src out/src && echo equal
        tar czf - src | tar tzf - | sort | sha256sum; tar cSf s.tar src/hole; [ $(stat -c %s s.tar) -lt 99999 ]
        rsync -aH src/ copy/; rsync -aHin --delete src/ copy/ | wc -l; diff -r src copy && echo equal
        echo changed >> src/GPL-3; rm src/hard; rsync -aHi --delete src/ copy/ | cut -c1-4 | grep -v "^\.d" | sort
        stat -c '%a %h %s %F' copy/GPL-3 copy/link copy/hole
        find copy -newermt 2001-01-01 | wc -l; touch -d @1000000000 src/GPL-3; rsync -a src/ copy/
        stat -c %Y copy/GPL-3; rm -r src copy out""")


def compiled(side, name, compiler="cc", *flags):
    program = os.path.join(side.scratch, name)
    subprocess.run([compiler, "-O2", *flags, "-o", program,
                    os.path.join(HERE, "programs", "calls.c")], check=True)
    return program


@programs.compare("cc")
def c_program_calls_the_kernel_in_its_own_ways(side):
    return side.run(compiled(side, "calls", "cc", "-pthread"), side.data)


@programs.compare("cc")
def static_c_program_too(side):
    return side.run(compiled(side, "static", "cc", "-static", "-pthread"), side.data)


@programs.compare("musl-gcc")
def static_musl_program_too(side):
    return side.run(compiled(side, "musl", "musl-gcc", "-static"), side.data)


programs.main()
