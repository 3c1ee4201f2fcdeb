# SPDX-License-Identifier: Apache-2.0
"""The page that Prometheus scrapes, over one TLS connection with client certificates that is kept: what a request costs."""
import http.client
import os
import ssl
import subprocess
import time

from work import chroot

SUMMARY = "the gateway's /metrics against node_exporter's, which reads its own collectors or a textfile of the same series"
GOALS = {"CPU ms a request": 0.33, "p99 ms": 1.0}

REQUESTS = 800
TICKS = os.sysconf("SC_CLK_TCK")
PORTS = {"gateway": 10273, "collectors": 10274, "textfile": 10275}


def openssl(work, *arguments):
    subprocess.run(["openssl", *arguments], check=True, cwd=work.directory, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


def make_pki(work):
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    openssl(work, "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=ca")
    for name in "server", "client":
        openssl(work, "req", *curve[:-2], "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name)
        openssl(work, "x509", "-req", "-in", name + ".csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                "-days", "2", "-out", name + ".crt")


def start(work, name, *command):
    log = open(work.path(name + ".log"), "wb")
    work.children.append(subprocess.Popen(command, stdout=log, stderr=log))
    work.servers[name] = work.children[-1].pid


def connect(work, name):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.load_cert_chain(work.path("client.crt"), work.path("client.key"))
    deadline = time.monotonic() + 20
    while True:
        try:
            connection = http.client.HTTPSConnection("127.0.0.1", PORTS[name], context=context, timeout=20)
            connection.connect()
            return connection
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def get(connection):
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    page = answer.read()
    assert answer.status == 200, answer.status
    return page


def samples(page):
    return [line for line in page.decode().splitlines() if line and not line.startswith("#")]


def start_exporter(work, name, *options):
    exporter = os.path.join(chroot("bookworm", "prometheus-node-exporter"), "usr/bin/prometheus-node-exporter")
    start(work, name, exporter, "--web.config.file=" + work.path("web.yml"),
          "--web.listen-address=127.0.0.1:%d" % PORTS[name], "--web.disable-exporter-metrics", *options)


def setup(work):
    work.servers = {}
    make_pki(work)
    material = work.path("run/capi-node-agent/gateway")
    os.makedirs(material)
    for source, target in ("server.crt", "tls.crt"), ("server.key", "tls.key"), ("ca.crt", "client-ca.crt"):
        os.symlink(work.path(source), os.path.join(material, target))
    with open(work.path("web.yml"), "w") as config:
        config.write("tls_server_config: { cert_file: server.crt, key_file: server.key, client_ca_file: ca.crt, "
                     "client_auth_type: RequireAndVerifyClientCert }\n")
    start_exporter(work, "collectors")
    series = len(samples(get(connect(work, "collectors"))))

    os.mkdir(work.path("textfile"))
    page = "# HELP capi_node_bench Bench.\n# TYPE capi_node_bench gauge\n" + "".join(
        "capi_node_bench{plugin=\"node-health\",check=\"check-%d\",status=\"OK\"} %d\n" % (i, i) for i in range(series))
    for path in "run/capi-node-agent/health.prom", "textfile/bench.prom":
        with open(work.path(path), "w") as file:
            file.write(page)
    with open(work.path("run/capi-node-agent/health.json"), "w") as file:
        file.write('{"bootId":"%s","generatedAt":"%s","validFor":"1d","sequence":1,"status":"Healthy","conditions":[]}'
                   % (open("/proc/sys/kernel/random/boot_id").read().strip(),
                      time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())))
    with open(os.path.join(material, "gateway.json"), "w") as file:
        file.write('{"listen":["127.0.0.1:%d"],"scrape":{"commonNames":["client"]},"requestsPerSecond":1000000}'
                   % PORTS["gateway"])
    start_exporter(work, "textfile", "--collector.disable-defaults", "--collector.textfile",
                   "--collector.textfile.directory=" + work.path("textfile"))
    start(work, "gateway", work.program("agent/gateway/capi-node-gateway"), "daemon", "--root", work.directory)
    assert len(samples(get(connect(work, "gateway")))) >= series


def cpu_seconds(pid):
    with open("/proc/%d/stat" % pid) as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def scrape(work, name):
    connection, times = connect(work, name), []
    get(connection)
    before = cpu_seconds(work.servers[name])
    for _ in range(REQUESTS):
        started = time.perf_counter()
        get(connection)
        times.append(time.perf_counter() - started)
    spent = cpu_seconds(work.servers[name]) - before
    connection.close()
    return {"CPU ms a request": spent * 1000 / REQUESTS, "p99 ms": sorted(times)[REQUESTS * 99 // 100] * 1000}


def ours(work):
    return scrape(work, "gateway")


peers = {"node_exporter, its collectors": lambda work: scrape(work, "collectors"),
         "node_exporter, a textfile": lambda work: scrape(work, "textfile")}
