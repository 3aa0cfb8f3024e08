#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""PostgreSQL and MariaDB as their own users, on a volume and behind TLS: made, loaded, killed in
whole and in part, recovered, and found consistent with what they acknowledged.

    programs_databases.py COFFER_RUNTIME [TEST...]
"""
import glob
import os
import random
import re
import signal
import subprocess
import threading

import programs
import tap

SEED = int(os.environ.get("COFFER_TEST_SEED", random.randrange(1 << 30)))


def postgres_program(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    tap.true(found, "PostgreSQL is installed (packages.txt names its package)")
    return found[-1]


class Postgres:
    """A server on `side`; clients come by TLS on its port if shielded, all from outside."""

    def __init__(self, side):
        self.side = side
        self.base = f"{side.data}/db"
        side.run(postgres_program("initdb"), "-D", self.base, "-A", "trust", "-U", "postgres", "-E",
                 "UTF8", "--locale=C")
        self.server = None

    def start(self):
        side = self.side
        self.server = side.serve(
            postgres_program("postgres"), "-D", self.base, "-p", str(side.port), "-c",
            f"unix_socket_directories={side.scratch}", "-c", "listen_addresses=127.0.0.1", "-c",
            "wal_sync_method=fdatasync", ready=self.ready)
        return self.server

    def ready(self):
        return subprocess.run([postgres_program("pg_isready"), "-q", "-h", self.side.scratch, "-p",
                               str(self.side.port)], check=False).returncode == 0

    def client(self, program, *arguments):
        return [postgres_program(program), "-h", self.side.scratch, "-p", str(self.side.port), "-U",
                "postgres", *arguments]

    def sql(self, text):
        done = subprocess.run(self.client("psql", "-X", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                                          "postgres"), input=text, capture_output=True, text=True,
                              timeout=programs.PATIENCE, check=False)
        tap.equal(done.returncode, 0, f"psql: {done.stderr[-500:]}")
        return done.stdout

    def bench(self, *arguments, check=True):
        done = subprocess.run(self.client("pgbench", *arguments, "postgres"), capture_output=True,
                              text=True, timeout=programs.PATIENCE, check=False)
        tap.true(done.returncode == 0 or not check, f"pgbench: {done.stderr[-500:]}")
        return done.stdout

    def balances(self):
        """The sums that every transaction of pgbench changes together."""
        return self.sql("""select sum(abalance) from pgbench_accounts;
            select sum(bbalance) from pgbench_branches; select sum(tbalance) from pgbench_tellers;
            select coalesce(sum(delta), 0) from pgbench_history;""").split()


def wire(side):
    """Asks on the port by hand: an SSLRequest would be refused, for to the server it is plain."""
    with side.connect() as s:
        body = b"\0\3\0\0user\0postgres\0database\0postgres\0\0"
        s.sendall((len(body) + 4).to_bytes(4, "big") + body)
        return s.recv(1)


@programs.compare(user="postgres")
def postgresql_works_crashes_and_recovers(side):
    db = Postgres(side)
    server = db.start()
    shown = [wire(side)]
    db.bench("-i", "-q", "-s", "2")
    shown.append(re.findall(r"actually processed: (.*)|failed transactions: (\d+)",
                            db.bench("-c", "4", "-j", "2", "-t", "150")))
    shown.append(len(set(db.balances())))
    shown.append(db.sql("""create table t(a int primary key, b text); create index on t(b);
        insert into t select g, md5(g::text) from generate_series(1, 20000) g; analyze t;
        select sum(hashtext(b)) from t; set max_parallel_workers_per_gather = 2;
        select count(*), min(b) from t where b like '%ff%'; vacuum full t; checkpoint;
        copy t to program 'wc -l > /dev/null'; select pg_size_pretty(0::bigint);"""))
    shown.append(server.stop(signal.SIGINT))
    server = db.start()
    for power_fails in (False, True):
        before = db.sql("select count(*) from pgbench_history")
        loader = threading.Thread(target=lambda: db.bench("-n", "-c", "4", "-T", "20", check=False))
        loader.start()
        tap.until(lambda: db.sql("select count(*) from pgbench_history") != before, "load runs")
        server.crash(power_fails)
        loader.join()
        server = db.start()
    shown += [len(set(db.balances())), db.sql("select count(*), sum(hashtext(b)) from t"),
              db.sql("create extension amcheck; select bt_index_check(oid) from pg_class "
                     "where relkind = 'i' and relname in ('t_pkey', 't_b_idx', "
                     "'pgbench_accounts_pkey')"), server.stop(signal.SIGINT)]
    side.holds_no(b"pgbench_accounts", b"PG_VERSION")
    return shown


@programs.compare(user="postgres")
def postgresql_members_die_at_random(side):
    """Random kill -9 of one server process after another under load: the others start over or go
    on, and the sums still agree."""
    print(f"# seed {SEED}")
    dice = random.Random(SEED)
    db = Postgres(side)
    server = db.start()
    db.bench("-i", "-q", "-s", "1")
    db.sql("checkpoint")
    end = threading.Event()

    def load():
        while not end.is_set():
            db.bench("-n", "-c", "4", "-T", "2", check=False)
    thread = threading.Thread(target=load)
    thread.start()
    try:
        for _ in range(6):
            count = db_count(db)
            tap.until(lambda: db_count(db) > count, "transactions go on", 60)
            members = server.family()[1:]
            if members:
                os.kill(dice.choice(members), signal.SIGKILL)
            tap.until(db.ready, "it is there again", 60)
    finally:
        end.set()
        thread.join()
    tap.until(db.ready, "it is there again", 60)
    shown = [len(set(db.balances())), server.stop(signal.SIGINT)]
    server = db.start()
    return shown + [len(set(db.balances())), server.stop(signal.SIGINT)]


def db_count(db):
    """Rows of the history, 0 while the server starts over."""
    done = subprocess.run(db.client("psql", "-X", "-A", "-t", "-c",
                                    "select count(*) from pgbench_history", "postgres"),
                          capture_output=True, text=True, timeout=programs.PATIENCE, check=False)
    return int(done.stdout) if done.returncode == 0 else 1 << 60


class Maria:
    def __init__(self, side):
        self.side = side
        self.socket = os.path.join(side.scratch, "socket")
        side.run("mariadb-install-db", "--no-defaults", f"--datadir={side.data}/db",
                 "--auth-root-authentication-method=normal", "--skip-test-db")

    def start(self):
        side = self.side
        return side.serve("mariadbd", "--no-defaults", f"--datadir={side.data}/db", "--port",
                          str(side.port), "--bind-address=127.0.0.1", f"--socket={self.socket}",
                          ready=self.ready)

    def ready(self):
        return self.client("select 1").returncode == 0

    def client(self, text):
        return subprocess.run(["mariadb", "--no-defaults", "-u", "root", "-S", self.socket, "-N",
                               "-B"], input=text, capture_output=True, text=True,
                              timeout=programs.PATIENCE, check=False)

    def sql(self, text):
        done = self.client(text)
        tap.equal(done.returncode, 0, f"mariadb: {done.stderr[-500:]}")
        return done.stdout


def acknowledged(db, end, numbers):
    """Inserts one row after another; `numbers` gets those that were acknowledged."""
    n = 0
    while not end.is_set():
        n += 1
        if db.client(f"use t; insert into log values({n}, repeat('x', 500));").returncode == 0:
            numbers.append(n)
        else:
            end.wait(0.02)


@programs.compare("mariadbd", "mariadb-install-db", "mariadb", user="mysql")
def mariadb_works_crashes_and_recovers(side):
    db = Maria(side)
    server = db.start()
    with side.connect() as s:
        shown = [s.recv(5)[4:]]  # the protocol's version, through TLS if shielded
    shown.append(db.sql("""create database t; use t;
        create table a(i int primary key auto_increment, v varchar(99), key(v)) engine=innodb;
        insert into a(v) select md5(seq) from seq_1_to_20000; select count(*), max(v) from a;
        start transaction; delete from a where i % 2; rollback; alter table a add column w int;
        update a set w = i * 2 where i % 7 = 0; check table a; select sum(w) from a;
        create table aria(i int) engine=aria; insert into aria values(1), (2);
        create table log(n int primary key, v text) engine=innodb;"""))
    end, numbers = threading.Event(), []
    thread = threading.Thread(target=acknowledged, args=(db, end, numbers))
    thread.start()
    try:
        tap.until(lambda: len(numbers) > 30, "load runs", 60)
        server.crash()
    finally:
        end.set()
        thread.join()
    server = db.start()
    kept = [int(n) for n in db.sql("use t; select n from log").split()]
    tap.true(set(numbers) <= set(kept), f"{set(numbers) - set(kept)} were acknowledged and kept")
    shown += [db.sql("use t; select count(*), max(v), sum(w) from a; check table a, log, aria "
                     "extended;"), server.stop()]
    side.holds_no(b"CREATE TABLE", b"ibdata1")
    return shown


programs.main()
