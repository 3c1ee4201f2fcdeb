# SPDX-License-Identifier: Apache-2.0
"""A real kube-apiserver with NodeRestriction on a real etcd, with kubeadm's certificates, and nodes that have joined it."""
import base64
import http.client
import json
import os
import ssl
import subprocess
import time

from etcd import Etcd, free_port
from work import CACHE, TOP

CONFIGURATION = """apiVersion: kubeadm.k8s.io/v1beta2
kind: InitConfiguration
localAPIEndpoint: { advertiseAddress: 192.0.2.10, bindPort: %(port)d }
nodeRegistration: { name: cp-0, criSocket: /none }
---
apiVersion: kubeadm.k8s.io/v1beta2
kind: ClusterConfiguration
kubernetesVersion: v1.20.2
certificatesDir: %(pki)s
controlPlaneEndpoint: 127.0.0.1:%(port)d
apiServer: { certSANs: [127.0.0.1] }
"""
KUBECONFIG = """apiVersion: v1
kind: Config
current-context: c
clusters: [{ name: c, cluster: { server: "https://127.0.0.1:%(port)d", certificate-authority-data: %(ca)s } }]
contexts: [{ name: c, context: { cluster: c, user: u } }]
users: [{ name: u, user: { client-certificate: %(pem)s, client-key: %(pem)s } }]
"""
KUBELET_PEM = "/var/lib/kubelet/pki/kubelet-client-current.pem"


class Kubernetes:
    def __init__(self, work):
        self.work = work
        self.pki = work.path("kubernetes/pki")
        self.port = free_port()
        self.log = open(work.path("kubernetes.log"), "ab")
        programs = os.path.join(CACHE, "kubernetes")
        subprocess.run([os.path.join(TOP, "image-builder/build-kubernetes"), programs, "kube-apiserver", "kubeadm"],
                       check=True, stdout=subprocess.DEVNULL)
        os.makedirs(work.path("kubernetes"))
        with open(work.path("kubernetes/kubeadm.yaml"), "w") as file:
            file.write(CONFIGURATION % {"port": self.port, "pki": self.pki})
        subprocess.run([os.path.join(programs, "kubeadm"), "init", "phase", "certs", "all", "--config", file.name],
                       check=True, stdout=self.log, stderr=self.log)
        self.certificate("admin", "/O=system:masters/CN=admin")
        etcd = Etcd(work, work.path("etcd"))
        pki = self.pki
        work.children.append(subprocess.Popen(
            [os.path.join(programs, "kube-apiserver"), "--client-ca-file", pki + "/ca.crt", "--tls-cert-file",
             pki + "/apiserver.crt", "--tls-private-key-file", pki + "/apiserver.key", "--service-account-key-file",
             pki + "/sa.pub", "--service-account-signing-key-file", pki + "/sa.key", "--service-account-issuer",
             "https://kubernetes.default.svc.cluster.local", "--service-cluster-ip-range", "10.96.0.0/12",
             "--authorization-mode", "Node,RBAC", "--enable-admission-plugins", "NodeRestriction", "--bind-address",
             "127.0.0.1", "--advertise-address", "192.0.2.10", "--endpoint-reconciler-type", "none", "--insecure-port",
             "0", "--secure-port", str(self.port), "--etcd-servers", etcd.endpoint, "--etcd-cafile",
             etcd.pki + "/ca.crt", "--etcd-certfile", etcd.pki + "/client.crt", "--etcd-keyfile",
             etcd.pki + "/client.key"], stdout=self.log, stderr=self.log))
        deadline = time.monotonic() + 120
        while not self.is_ready():
            assert time.monotonic() < deadline, "the API server does not get ready"
            time.sleep(0.5)

    def certificate(self, name, subject):
        """A client's certificate and key of the cluster's authority, in one file."""
        path = os.path.join(self.pki, name)
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        for command in (["req", *key, "-subj", subject, "-keyout", path + ".key", "-out", path + ".csr"],
                        ["x509", "-req", "-in", path + ".csr", "-CA", self.pki + "/ca.crt", "-CAkey",
                         self.pki + "/ca.key", "-CAcreateserial", "-days", "2", "-out", path + ".crt"]):
            subprocess.run(["openssl", *command], check=True, stderr=subprocess.DEVNULL)
        with open(path + ".pem", "wb") as pem:
            for end in ".crt", ".key":
                with open(path + end, "rb") as part:
                    pem.write(part.read())
        os.chmod(path + ".pem", 0o600)
        return path + ".pem"

    def connect(self, timeout=60):
        context = ssl.create_default_context(cafile=self.pki + "/ca.crt")
        context.load_cert_chain(self.pki + "/admin.pem")
        return http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=timeout)

    def request(self, method, path, body=None):
        connection = self.connect()
        connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        return answer.status, text

    def is_ready(self):
        try:
            return self.request("GET", "/readyz")[0] == 200 and \
                self.request("GET", "/api/v1/namespaces/default")[0] == 200
        except OSError:
            return False

    def join(self, name, root):
        """The Node object, and what the kubelet has below root when it has joined."""
        node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}}
        assert self.request("POST", "/api/v1/nodes", node)[0] == 201
        pem = root + KUBELET_PEM
        os.makedirs(os.path.dirname(pem))
        os.rename(self.certificate(name, "/O=system:nodes/CN=system:node:" + name), pem)
        with open(self.pki + "/ca.crt", "rb") as file:
            ca = base64.b64encode(file.read()).decode()
        os.makedirs(root + "/etc/kubernetes")
        with open(root + "/etc/kubernetes/kubelet.conf", "w") as file:
            file.write(KUBECONFIG % {"port": self.port, "ca": ca, "pem": KUBELET_PEM})
        os.chmod(file.name, 0o600)

    def watch_nodes(self, changed):
        """Calls changed(node) for each change of a Node, until the connection ends."""
        connection = self.connect(timeout=None)
        connection.request("GET", "/api/v1/nodes?watch=1")
        for line in connection.getresponse():
            changed(json.loads(line)["object"])
