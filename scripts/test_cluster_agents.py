"""What the test cluster has beside Kubernetes' own programs; scripts/test-cluster starts it.

- Simulated nodes: Node objects whose leases and conditions are renewed, as a kubelet does it. Pods that the scheduler
  binds to one are called running and ready a moment later, and go as soon as they are told to. Nothing runs.
- Names of services: `NAME.NAMESPACE.svc.cluster.local` of each Service with an address is written into dnsmasq's file
  of hosts, and dnsmasq is told of it.
"""

import argparse
import http.client
import json
import os
import signal
import ssl
import threading
import time
import urllib.parse

HEARTBEAT_SECONDS = 10
READY_AFTER_SECONDS = 0.3


class API:
    """Requests to the API server, each on a connection of its own."""

    def __init__(self, server, run):
        place = urllib.parse.urlsplit(server)
        self.host, self.port = place.hostname, place.port
        self.run = run

    def open(self, method, path, body=None, content="application/json", timeout=30):
        context = ssl.create_default_context(cafile=f"{self.run}/pki/ca.crt")
        connection = http.client.HTTPSConnection(self.host, self.port, context=context, timeout=timeout)
        with open(f"{self.run}/pki/admin.token") as file:
            token = file.read().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": content}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        return connection, connection.getresponse()

    def ask(self, method, path, body=None, content="application/json"):
        connection, response = self.open(method, path, body, content)
        with connection:
            text = response.read()
            return response.status, json.loads(text) if text else None

    def watch(self, path, query=""):
        """Yields all objects, then events for ever; lists again where the watch ends."""
        while True:
            try:
                status, listing = self.ask("GET", f"{path}?{query}")
                if status != 200:
                    time.sleep(0.5)
                    continue
                yield "LIST", listing["items"]
                version = listing["metadata"]["resourceVersion"]
                connection, response = self.open(
                    "GET", f"{path}?{query}&watch=true&resourceVersion={version}&timeoutSeconds=300", timeout=330
                )
                with connection:
                    for line in response:
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            break
                        yield event["type"], event["object"]
            except (OSError, http.client.HTTPException, ValueError):
                time.sleep(0.5)


# http.client's connections close by `close` only.
http.client.HTTPSConnection.__enter__ = lambda self: self
http.client.HTTPSConnection.__exit__ = lambda self, *_: self.close()


def now(micro=False):
    moment = time.time()
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(moment))
    return f"{text}.{int(moment % 1 * 1e6):06d}Z" if micro else f"{text}Z"


class SimulatedNodes:
    def __init__(self, api, count):
        self.api, self.names = api, [f"sim-{index}" for index in range(count)]
        self.room = {
            "cpu": os.environ.get("SIM_CPU", "16"),
            "memory": os.environ.get("SIM_MEMORY", "27322Mi"),
            "pods": os.environ.get("SIM_PODS", "110"),
        }
        self.type = os.environ.get("SIM_TYPE", "c7g.4xlarge")
        self.addresses = {}
        self.next_address = 0
        self.lock = threading.Lock()

    def status(self):
        kinds = {"Ready": "True", "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False"}
        return {
            "capacity": self.room,
            "allocatable": self.room,
            "conditions": [
                {"type": kind, "status": status, "reason": "Simulated", "message": "", "lastHeartbeatTime": now()}
                for kind, status in kinds.items()
            ],
            "nodeInfo": {"architecture": "amd64", "operatingSystem": "linux", "kubeletVersion": "simulated"},
        }

    def create(self):
        for name in self.names:
            labels = {"node.kubernetes.io/instance-type": self.type, "kubernetes.io/hostname": name}
            node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}
            self.api.ask("POST", "/api/v1/nodes", node)
            self.beat(name)

    def beat(self, name):
        patch = {"status": self.status()}
        self.api.ask("PATCH", f"/api/v1/nodes/{name}/status", patch, "application/strategic-merge-patch+json")
        path = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": now(micro=True)}
        lease = {"metadata": {"name": name, "namespace": "kube-node-lease"}, "spec": spec}
        status, _ = self.api.ask("PATCH", f"{path}/{name}", {"spec": spec}, "application/merge-patch+json")
        if status == 404:
            self.api.ask("POST", path, lease)

    def beat_for_ever(self):
        while True:
            time.sleep(HEARTBEAT_SECONDS)
            for name in self.names:
                try:
                    # A node that a test has removed stays away.
                    if self.api.ask("GET", f"/api/v1/nodes/{name}")[0] == 200:
                        self.beat(name)
                except (OSError, http.client.HTTPException):
                    time.sleep(1)

    def follow_pods(self):
        for kind, found in self.api.watch("/api/v1/pods"):
            for pod in found if kind == "LIST" else [found]:
                if kind != "DELETED" and pod.get("spec", {}).get("nodeName", "").startswith("sim-"):
                    self.settle(pod)

    def settle(self, pod):
        meta = pod["metadata"]
        path = f"/api/v1/namespaces/{meta['namespace']}/pods/{meta['name']}"
        try:
            if meta.get("deletionTimestamp"):
                self.api.ask("DELETE", path, {"gracePeriodSeconds": 0})
            elif pod.get("status", {}).get("phase") == "Pending":
                threading.Timer(READY_AFTER_SECONDS, self.run, [path, pod]).start()
        except (OSError, http.client.HTTPException):
            pass

    def address(self, uid):
        with self.lock:
            if uid not in self.addresses:
                self.next_address += 1
                self.addresses[uid] = f"10.99.{self.next_address // 250}.{self.next_address % 250 + 1}"
            return self.addresses[uid]

    def run(self, path, pod):
        address, moment = self.address(pod["metadata"]["uid"]), now()
        conditions = ["Initialized", "Ready", "ContainersReady", "PodScheduled"]
        status = {
            "phase": "Running",
            "podIP": address,
            "podIPs": [{"ip": address}],
            "startTime": moment,
            "conditions": [{"type": kind, "status": "True", "lastTransitionTime": moment} for kind in conditions],
            "containerStatuses": [
                {
                    "name": container["name"],
                    "image": container["image"],
                    "imageID": "simulated",
                    "ready": True,
                    "started": True,
                    "restartCount": 0,
                    "state": {"running": {"startedAt": moment}},
                }
                for container in pod["spec"]["containers"]
            ],
        }
        try:
            self.api.ask("PATCH", f"{path}/status", {"status": status}, "application/strategic-merge-patch+json")
        except (OSError, http.client.HTTPException):
            pass


class ServiceNames:
    def __init__(self, api, run):
        self.api, self.run = api, run
        self.services = {}

    def follow(self):
        for kind, found in self.api.watch("/api/v1/services"):
            if kind == "LIST":
                self.services = {}
            for service in found if kind == "LIST" else [found]:
                meta, address = service["metadata"], service["spec"].get("clusterIP", "None")
                name = f"{meta['name']}.{meta['namespace']}.svc.cluster.local"
                if kind == "DELETED" or address == "None":
                    self.services.pop(name, None)
                else:
                    self.services[name] = address
            self.write()

    def write(self):
        path = f"{self.run}/hosts"
        with open(f"{path}.new", "w") as file:
            for name, address in sorted(self.services.items()):
                file.write(f"{address} {name}\n")
        os.rename(f"{path}.new", path)
        with open(f"{self.run}/dns.pid") as file:
            os.kill(int(file.read()), signal.SIGHUP)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True, help="folder of the cluster's state")
    parser.add_argument("--server", required=True, help="address of the API server")
    parser.add_argument("--simulated", type=int, default=0, help="how many nodes to simulate")
    options = parser.parse_args()
    api = API(options.server, options.run)
    nodes, names = SimulatedNodes(api, options.simulated), ServiceNames(api, options.run)
    if options.simulated:
        nodes.create()
        threading.Thread(target=nodes.beat_for_ever, daemon=True).start()
        threading.Thread(target=nodes.follow_pods, daemon=True).start()
    names.follow()


if __name__ == "__main__":
    main()
