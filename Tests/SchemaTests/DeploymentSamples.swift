/// What the command line composes of what is deployed.
extension Samples {
  static let deployed = #"""
    {"kind": "deployment", "schemaVersion": 1, "deployment": "shop", "runtime": "local", "ready": 1,
     "proxy": "http://127.0.0.1:8080",
     "notes": ["process 4711 starts its nodes again when they end by themselves"], "nodes": [
      {"node": "node-0", "revision": "3f9a0c11d2", "phase": "ready", "url": "http://127.0.0.1:40001",
       "handle": "process 4712", "models": ["a", "b"], "workers": 2, "threadsPerWorker": 1, "memoryBytes": 1073741824,
       "memoryLimitBytes": 1342177280, "instanceType": "c7g.4xlarge", "problem": null}]}
    """#

  static let troubled = #"""
    {"kind": "deployment", "schemaVersion": 1, "deployment": "shop", "runtime": "docker", "ready": 0,
     "proxy": null, "notes": [],
     "nodes": [
      {"node": "node-0", "revision": "3f9a0c11d2", "phase": "failed", "url": null,
       "handle": "container planner-shop-node-0-3f9a0c11d2", "models": [], "workers": 1, "threadsPerWorker": 1,
       "memoryBytes": null, "memoryLimitBytes": null, "instanceType": null,
       "problem": {"kind": "outOfMemory", "message": "it was ended for lack of memory", "remedy": "plan fewer"}}]}
    """#

  static let deploymentList = #"""
    {"kind": "deployments", "schemaVersion": 1, "runtime": "local",
     "deployments": [{"deployment": "shop", "nodes": 2, "ready": 1}]}
    """#

  static let changedDeployment = #"""
    {"kind": "deployment-diff", "schemaVersion": 1, "deployment": "shop", "runtime": "kubernetes", "nodes": [
      {"node": "node-0", "change": "changed", "settings": [
        {"setting": "image", "before": "server:1", "after": "server:2"},
        {"setting": "instanceType", "before": "c7g.4xlarge", "after": null},
        {"setting": "memoryBytes", "before": null, "after": "1073741824"}],
       "modelsAdded": ["c"], "modelsRemoved": ["a"], "models": 2},
      {"node": "node-1", "change": "added", "settings": [], "modelsAdded": [], "modelsRemoved": [], "models": 0}],
     "objects": [
      {"before": "Deployment/shop-0", "after": "Deployment/shop-0-3f9a0c11d2", "diff": "--- a\n+++ b\n"},
      {"before": null, "after": "Service/shop-1", "diff": ""}, {"before": "Ingress/shop-2", "after": null, "diff": ""}]}
    """#

  static let stoppedDeployment = #"""
    {"kind": "deployment-stopped", "schemaVersion": 1, "deployment": "shop", "runtime": "kubernetes", "nodes": 60}
    """#
}
