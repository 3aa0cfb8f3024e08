#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Servers from the distribution, data on a volume and TLS by the shield, with their real clients:
redis, nginx, memcached, Node.js, Python, openssl s_server.

    programs_servers.py COFFER_RUNTIME [TEST...]
"""
import hashlib
import os
import signal
import subprocess

import ports
import programs
import tap

MARK = "plaintext-mark-4711"
BLOB = bytes((n * 7 + n // 251) % 256 for n in range(1 << 20)) * 5


def redis(side, tool, *arguments):
    tls = ["--tls", "--cacert", side.ca] if side.shielded else []
    done = subprocess.run([tool, "-h", "localhost", "-p", str(side.port), *tls, *arguments],
                          capture_output=True, text=True, timeout=programs.PATIENCE, check=False)
    tap.equal(done.returncode, 0, f"{tool} {arguments}: {done.stderr[-500:]}")
    return done.stdout


def redis_server(side, *flags):
    return side.serve("redis-server", "--port", str(side.port), "--dir", side.data, "--save", "",
                      "--appendonly", "yes", "--appendfsync", "always", *flags)


def redis_settled(side):
    def value(name):
        info = redis(side, "redis-cli", "info", "persistence")
        return dict(l.split(":") for l in info.split() if ":" in l)[name]
    tap.until(lambda: value("rdb_bgsave_in_progress") == value("aof_rewrite_in_progress") == "0",
              "the saving in the background ends")
    return value("rdb_last_bgsave_status"), value("aof_last_bgrewrite_status")


@programs.compare("redis-server", "redis-cli", "redis-benchmark")
def redis_saves_by_fork_and_survives_kill(side):
    shown = []
    server = redis_server(side)
    lines = redis(side, "redis-benchmark", "-n", "500", "-c", "20", "-q", "--csv", "-t",
                  "set,get,incr,lpush,mset")
    shown.append(sorted(line.split(",")[0] for line in lines.splitlines()))
    redis(side, "redis-benchmark", "-n", "4000", "-P", "16", "-q", "-t", "set", "-r", "100000",
          "-d", "500")
    shown.append(redis(side, "redis-cli", "set", "mark", MARK))
    shown.append(redis(side, "redis-cli", "bgsave").split()[0])
    shown.append(redis_settled(side))
    shown.append(redis(side, "redis-cli", "bgrewriteaof").split()[0])
    shown.append(redis_settled(side))
    for n in range(20):
        redis(side, "redis-cli", "rpush", "list", f"{MARK}{n}")
    size = redis(side, "redis-cli", "dbsize")
    server.crash()
    server = redis_server(side)
    tap.until(lambda: "PONG" in redis(side, "redis-cli", "ping"), "loaded")
    tap.equal(redis(side, "redis-cli", "dbsize"), size, "the keys after a crash")
    shown.append(redis(side, "redis-cli", "lrange", "list", "0", "-1"))
    shown.append(redis(side, "redis-cli", "get", "mark"))
    shown.append(server.stop())
    side.holds_no(MARK.encode(), b"REDIS0")
    return shown


NGINX = """
{user}
worker_processes 2; daemon off; pid {data}/nginx.pid; error_log {data}/error.log;
events {{ worker_connections 128; }}
http {{
    access_log {data}/access.log; sendfile on; tcp_nopush on; gzip on; gzip_types *;
    client_body_temp_path {data}/body; proxy_temp_path {data}/proxy; fastcgi_temp_path {data}/f;
    uwsgi_temp_path {data}/u; scgi_temp_path {data}/s; client_max_body_size 100m;
    server {{
        listen 127.0.0.1:{port} backlog=511; root {data}/www;
        location /proxy/ {{ proxy_pass http://127.0.0.1:{inner}/; }}
        location /put/ {{ dav_methods PUT DELETE; create_full_put_path on; }}
    }}
    server {{ listen 127.0.0.1:{inner}; root {data}/www; }}
}}
"""


def nginx_files(side):
    config = NGINX.format(data=side.data, port=side.port, inner=ports.free_port(),
                          user="user nobody nogroup;" if os.getuid() == 0 else "")
    path = os.path.join(side.scratch, "nginx.conf")
    with open(path, "w", encoding="ascii") as out:
        out.write(config)
    blob = os.path.join(side.scratch, "blob")
    with open(blob, "wb") as out:
        out.write(BLOB)
    side.run("bash", "-c", f"""set -e; cd {side.data}; mkdir -p www/put
        echo {MARK} > www/index.html; head -c 1024 {blob} > www/1k; cp {blob} www/blob
        chmod 755 . www; chmod 777 www/put""")
    return path, blob


@programs.compare("nginx", "curl")
def nginx_serves_proxies_and_takes_files(side):
    path, blob = nginx_files(side)
    server = side.serve("nginx", "-p", side.data, "-c", path)
    tap.until(lambda: len(server.family()) == 3, "a master and two workers")
    shown = []
    for place in ("/", "/1k", "/blob", "/proxy/blob", "/proxy/", "/missing", "/proxy/missing"):
        answer = side.curl("-w", "%{http_code} %{size_download}", side.url(place))
        shown.append((place, hashlib.sha256(answer.replace(b"Not Found", b"")).hexdigest()))
    shown.append(side.curl("-r", "1000-1009", side.url("/blob")))
    shown.append(side.curl("--compressed", "-o", "/dev/null", "-w", "%{http_code}",
                           side.url("/index.html")))
    many = side.curl("-Z", "--parallel-max", "20", "-w", "%{http_code}\n",
                     side.url("/1k?[1-100]"), "-o", "/dev/null").split()
    shown.append(many)
    for n in range(6):
        shown.append(side.curl("-T", blob, "-o", "/dev/null", "-w", "%{http_code}", "-m", "20",
                               side.url(f"/put/{n}")))
    shown.append(hashlib.sha256(side.curl(side.url("/put/5"))).hexdigest())
    workers = server.family()[1:]
    os.kill(server.process.pid, signal.SIGHUP)
    tap.until(lambda: not set(workers) & set(server.family()), "new workers after SIGHUP")
    shown.append(side.curl(side.url("/")))
    os.kill(server.family()[1], signal.SIGKILL)
    shown.append(side.curl("--retry", "5", "--retry-all-errors", "--retry-delay", "0",
                           side.url("/")))
    shown.append(server.stop(signal.SIGQUIT))
    log = side.run("cat", f"{side.data}/access.log")
    shown.append(log.count(" 200 ") >= 100)
    side.holds_no(MARK.encode(), b"GET /blob")
    return shown


@programs.compare("memcached")
def memcached_answers(side):
    # It keeps nothing in files; its memory file can lie on the volume.
    server = side.serve("memcached", "-p", str(side.port), "-l", "127.0.0.1", "-U", "0", "-t", "4",
                        *(["-u", "nobody"] if os.getuid() == 0 else []))
    shown = []
    for n in range(40):
        value = f"{MARK}{n}" * n
        request = (f"set k{n} 5 0 {len(value)}\r\n{value}\r\nget k{n}\r\nincr k{n} 1\r\n"
                   f"append k{n} 0 0 1\r\n!\r\nget k{n} k{n - 1}\r\nquit\r\n")
        shown.append(side.ask(request.encode()))
    shown.append(side.ask(b"flush_all\r\nget k3\r\nversion\r\nquit\r\n"))
    shown.append(server.stop())
    return shown


NODE_SERVER = """
const http = require('http'), fs = require('fs'), [dir, port] = process.argv.slice(2);
const server = http.createServer((request, response) => {
  if (request.method === 'PUT') {
    const out = fs.createWriteStream(dir + '/put');
    request.pipe(out); out.on('finish', () => response.end('stored ' + out.bytesWritten));
  } else if (request.url === '/put') fs.createReadStream(dir + '/put').pipe(response);
  else response.end('node ' + request.url);
}).listen(port, '127.0.0.1');
process.on('SIGTERM', () => { server.close(() => process.exit(7)); server.closeAllConnections(); });
"""


def script(side, name, text):
    path = os.path.join(side.scratch, name)
    with open(path, "w", encoding="utf-8") as out:
        out.write(text)
    return path


@programs.compare("node", "curl")
def node_serves_http(side):
    server = side.serve("node", script(side, "server.js", NODE_SERVER), side.data, str(side.port))
    blob = os.path.join(side.scratch, "blob")
    with open(blob, "wb") as out:
        out.write(BLOB)
    shown = [side.curl(side.url("/a")), side.curl("-T", blob, side.url("/put")),
             hashlib.sha256(side.curl(side.url("/put"))).hexdigest(),
             side.curl("-Z", "--parallel-max", "30", "-o", "/dev/null", "-w", "%{http_code}\n",
                       side.url("/[1-200]")),
             server.stop()]
    side.holds_no(BLOB[:64])
    return shown


NODE_CLUSTER = """
const cluster = require('cluster'), http = require('http'), port = process.argv[2];
if (cluster.isPrimary) {
  for (let i = 0; i < 2; i++) cluster.fork();
  process.on('SIGTERM', () => process.exit(7));
} else http.createServer((q, r) => r.end('w' + cluster.worker.id)).listen(port, '127.0.0.1');
"""


@programs.compare("node", "curl")
def node_cluster_passes_connections_to_its_workers(side):
    """The first process accepts and sends each connection to a worker over a Unix socket."""
    server = side.serve("node", script(side, "cluster.js", NODE_CLUSTER), str(side.port))
    answers = [side.curl(side.url(f"/{n}")) for n in range(12)]
    tap.until(lambda: answers.append(side.curl(side.url("/"))) or len(set(answers)) == 2,
              "both workers answer")
    many = side.curl("-Z", "--parallel-max", "10", "-w", "\n%{http_code}", side.url("/[1-60]"))
    return [sorted(set(answers)), many.count(b"200"), server.stop()]


PYTHON_SERVER = """
import asyncio, sqlite3, sys
db = sqlite3.connect(sys.argv[1] + "/hits.db")
db.execute("pragma journal_mode=wal"); db.execute("create table hits(line)")
async def answer(reader, writer):
    while line := await reader.readline():
        db.execute("insert into hits values(?)", (line,)); db.commit()
        writer.write(b"%d " % db.execute("select count(*) from hits").fetchone() + line.upper())
        await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(answer, "127.0.0.1", int(sys.argv[2]))
    async with server: await server.serve_forever()
asyncio.run(main())
"""


@programs.compare()
def python_asyncio_serves_from_sqlite(side):
    server = side.serve("/usr/bin/python3", "-c", PYTHON_SERVER, side.data, str(side.port))
    shown = [side.ask(f"line {n}\nagain\n".encode(), end=b"AGAIN\n") for n in range(50)]
    shown.append(server.stop())
    return shown


@programs.compare("openssl", "curl")
def openssl_s_server_speaks_its_own_tls(side):
    """A program's own TLS passes the runtime untouched: no rule names its port."""
    cert, key = (os.path.join(side.scratch, name) for name in ("cert.pem", "key.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", cert, "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                   capture_output=True, check=True)
    side.run("cp", cert, key, side.data)
    port = ports.free_port()
    server = side.serve("bash", "-c", f"cd {side.data} && exec openssl s_server -WWW -accept {port} "
                        f"-cert {side.data}/cert.pem -key {side.data}/key.pem -no_ticket",
                        ready=lambda: side.listens(port))
    url = f"https://localhost:{port}/cert.pem"
    got = subprocess.run(["curl", "-sS", "--cacert", cert, url], capture_output=True, check=True)
    with open(cert, "rb") as file:
        tap.true(file.read() in got.stdout, "the file came")
    inside = side.run("curl", "-sS", "--cacert", cert, url, volume=False).encode() == got.stdout
    server.stop(signal.SIGINT)
    return inside


programs.main()
