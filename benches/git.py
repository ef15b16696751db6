#!/usr/bin/env python3
"""What the first fetch of a large repository costs, beside git, tar and gzip, and then a new commit: git.py REPOSITORY [BINARY]

REPOSITORY is a bare one, such as make-repository.sh makes. BINARY is target/release/headwater unless given; any controller with the same
flags will do. KUBECONFIG names a cluster that has config/crd/bases applied and runs no other controller for its GitRepositories.
Everything happens in the namespace headwater-bench, on loopback, with git's own HTTP backend. Prints medians of RUNS (5).
Needs git, kubectl and tar.
"""
import http.server, json, os, pathlib, random, re, resource, shutil, signal, statistics, subprocess, sys, tempfile, time, urllib.error, urllib.request

NAMESPACE, RUNS, PASSES, HEALTH = "headwater-bench", int(os.environ.get("RUNS", "5")), 20, 29440
COMMITS, FILES = 3, 20
OBJECTS = f"/apis/source.toolkit.fluxcd.io/v1/namespaces/{NAMESPACE}/gitrepositories"


class Git(http.server.BaseHTTPRequestHandler):
    """One request, handed to git http-backend."""
    sent = 0

    def backend(self):
        if self.path == "/sent":
            self.send_response(200)
            self.end_headers()
            return self.wfile.write(str(Git.sent).encode())
        path, _, query = self.path.partition("?")
        env = dict(os.environ, GIT_PROJECT_ROOT=os.environ["BENCH_ROOT"], GIT_HTTP_EXPORT_ALL="1", PATH_INFO=path, QUERY_STRING=query,
                   REQUEST_METHOD=self.command, CONTENT_TYPE=self.headers.get("Content-Type", ""), REMOTE_ADDR="127.0.0.1",
                   CONTENT_LENGTH=self.headers.get("Content-Length", "0"), GIT_PROTOCOL=self.headers.get("Git-Protocol", ""),
                   HTTP_CONTENT_ENCODING=self.headers.get("Content-Encoding", ""),
                   GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="safe.directory", GIT_CONFIG_VALUE_0="*")
        with subprocess.Popen(["git", "http-backend"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=env) as backend:
            backend.stdin.write(self.rfile.read(int(env["CONTENT_LENGTH"])))
            backend.stdin.close()
            head = [line.decode().strip().split(": ", 1) for line in iter(backend.stdout.readline, b"\r\n") if line]
            status = [value for name, value in head if name == "Status"]
            self.send_response(int(status[0].split()[0]) if status else 200)
            for name, value in head:
                if name != "Status":
                    self.send_header(name, value)
            self.end_headers()
            body = backend.stdout.read()
            Git.sent += len(body)
            self.wfile.write(body)
    do_GET = do_POST = backend
    def log_message(self, *_):
        pass


def serve():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Git)
    print(server.server_port, flush=True)
    server.serve_forever()


def wait(what, check, seconds=300, step=0.01):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := check():
            return found
        time.sleep(step)
    raise TimeoutError(what)


def answers(url):
    try:
        return urllib.request.urlopen(url, timeout=2).status == 200
    except OSError:
        return False


class Cluster:
    """The Kubernetes API, by way of kubectl proxy, which knows every kind of kubeconfig."""
    def __init__(self):
        self.proxy = subprocess.Popen(["kubectl", "proxy", "--port=0"], stdout=subprocess.PIPE, text=True)
        self.base = "http://" + re.search(r"127\.0\.0\.1:\d+", self.proxy.stdout.readline())[0]
        self.call("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})

    def call(self, method, path, body=None, kind="application/json"):
        request = urllib.request.Request(self.base + path, method=method, headers={"Content-Type": kind},
                                         data=None if body is None else json.dumps(body).encode())
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code in (404, 409):
                return None
            raise

    def artifact(self):
        found = self.call("GET", OBJECTS + "/big") or {}
        status = found.get("status", {})
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
        return status.get("artifact") if ready else None

    def ask(self, value):
        """Requests a pass and waits until it is over."""
        self.call("PATCH", OBJECTS + "/big", {"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": value}}}, "application/merge-patch+json")
        handled = lambda: ((self.call("GET", OBJECTS + "/big") or {}).get("status") or {}).get("lastHandledReconcileAt") == value
        wait("an unchanged pass", handled)


class Controller:
    def __init__(self, binary, work):
        self.log = open(work / "controller.log", "ab")
        for folder in ("store", "tmp"):
            shutil.rmtree(work / folder, ignore_errors=True)
        (work / "tmp").mkdir()
        arguments = {"storage-path": work / "store", "storage-addr": "127.0.0.1:29090", "storage-adv-addr": "127.0.0.1:29090",
                     "metrics-addr": "127.0.0.1:29080", "health-addr": f"127.0.0.1:{HEALTH}", "events-addr": "", "watch-all-namespaces": "false"}
        self.process = subprocess.Popen([binary] + [f"--{name}={value}" for name, value in arguments.items()], stdout=self.log, stderr=self.log,
                                        env=dict(os.environ, RUNTIME_NAMESPACE=NAMESPACE, TMPDIR=str(work / "tmp")))
        wait("the controller", lambda: answers(f"http://127.0.0.1:{HEALTH}/readyz"), 30)
        time.sleep(1)

    def memory(self, field):
        """In MB: VmRSS now, VmHWM at most."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(field + r":\s+(\d+)", status)[1]) / 1024

    def cpu(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def by_hand(url, work):
    """Seconds and CPU seconds of a shallow clone, and of packing its tree."""
    folder, figures = work / "clone", []
    for command in (["git", "clone", "-q", "--depth", "1", url, str(folder)],
                    ["sh", "-c", f"tar -C {folder} --exclude .git -cf - . | gzip -6 > {work}/tree.tar.gz"]):
        used, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        subprocess.run(command, check=True)
        end, now = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
        figures += [end - start, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime]
    shutil.rmtree(folder)
    return {"wall": figures[0] + figures[2], "cpu": figures[1] + figures[3], "size": (work / "tree.tar.gz").stat().st_size / 1e6}


def commit(bare, files, number):
    """Adds a commit that changes so many files, and returns its id."""
    who = {f"GIT_{role}_{what}": "bench" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = dict(os.environ, GIT_DIR=str(bare), GIT_INDEX_FILE=str(bare / "bench-index"), **who)
    git = lambda *arguments, given=None: subprocess.run(["git", *arguments], check=True, capture_output=True, text=True, env=env, input=given).stdout.strip()
    git("read-tree", "main")
    paths = git("ls-tree", "-r", "--name-only", "main").splitlines()
    for path in random.Random(number).sample(paths, files):
        blob = git("hash-object", "-w", "--stdin", given=f"{path} {number} {random.random()}\n" * 20)
        git("update-index", "--cacheinfo", f"100644,{blob},{path}")
    new = git("commit-tree", git("write-tree"), "-p", "main", "-m", "change")
    git("update-ref", "refs/heads/main", new)
    return new


def new_commit(cluster, controller, url, bare, number):
    """Seconds, CPU seconds and KB on the wire."""
    sent = lambda: int(urllib.request.urlopen(url.rsplit("/", 1)[0] + "/sent").read())
    new = commit(bare, FILES, number)
    used, before, start = controller.cpu(), sent(), time.monotonic()
    cluster.ask(f"commit {number}")
    wait("the new artifact", lambda: new in (cluster.artifact() or {}).get("revision", ""))
    return {"new wall": time.monotonic() - start, "new cpu": controller.cpu() - used, "wire": (sent() - before) / 1e3}


def first_fetch(cluster, binary, url, work, bare):
    controller = Controller(binary, work)
    try:
        idle, used, start = controller.memory("VmRSS"), controller.cpu(), time.monotonic()
        cluster.call("POST", OBJECTS, {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": "big"},
                                       "spec": {"url": url, "interval": "1h", "timeout": "300s", "ref": {"branch": "main"}}})
        artifact = wait("the artifact", cluster.artifact)
        figures = {"wall": time.monotonic() - start, "cpu": controller.cpu() - used, "peak": controller.memory("VmHWM"), "idle": idle,
                   "size": artifact["size"] / 1e6}
        cluster.ask("warm")
        used = controller.cpu()
        for number in range(PASSES):
            cluster.ask(str(number))
        figures |= {"unchanged": (controller.cpu() - used) / PASSES * 1000, "after": controller.memory("VmRSS")}
        commits = [new_commit(cluster, controller, url, bare, number) for number in range(COMMITS)]
        return figures | {name: statistics.median(row[name] for row in commits) for name in commits[0]}
    finally:
        cluster.call("DELETE", OBJECTS + "/big")
        wait("the end of the object", lambda: cluster.call("GET", OBJECTS + "/big") is None, 30)
        controller.stop()


def main(repository, binary):
    root = pathlib.Path(tempfile.mkdtemp())
    bare = root / "repository.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(pathlib.Path(repository).resolve()), str(bare)], check=True)
    server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True, env=dict(os.environ, BENCH_ROOT=str(root)))
    url = f"http://127.0.0.1:{int(server.stdout.readline())}/{bare.name}"
    cluster = Cluster()
    try:
        with tempfile.TemporaryDirectory() as work:
            work = pathlib.Path(work)
            hand, ours = [], []
            for _ in range(RUNS):
                hand.append(by_hand(url, work))
                ours.append(first_fetch(cluster, binary, url, work, bare))
    finally:
        for helper in (cluster.proxy, server):
            helper.terminate()
            helper.wait(10)
        shutil.rmtree(root)
    middle = lambda rows: {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    hand, ours = middle(hand), middle(ours)
    print(f"medians of {RUNS}         git, tar, gzip   controller   ratio")
    for name, unit, label in (("wall", "s", "first fetch"), ("cpu", "s", "CPU"), ("size", "MB", "archive")):
        print(f"{label:12} {unit:3} {hand[name]:20.2f} {ours[name]:12.2f} {ours[name] / hand[name]:7.2f}")
    print(f"a new commit of {FILES} files, beside the first fetch")
    for name, first, label in (("new wall", "wall", "time"), ("new cpu", "cpu", "CPU")):
        print(f"{label:12} s   {ours[first]:20.2f} {ours[name]:12.2f} {ours[name] / ours[first]:7.2f}")
    for name, unit, label in (("wire", "KB", "on the wire"), ("idle", "MB", "memory before"), ("peak", "MB", "memory at most"), ("after", "MB", "memory after"), ("unchanged", "ms", "CPU of an unchanged pass")):
        print(f"{label:25} {unit:3} {ours[name]:20.1f}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    elif len(sys.argv) in (2, 3):
        main(sys.argv[1], sys.argv[2] if len(sys.argv) == 3 else pathlib.Path(__file__).parent.parent / "target/release/headwater")
    else:
        sys.exit(__doc__)
