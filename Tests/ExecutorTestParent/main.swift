// A stand-in for `planner` that the tests of `Executor` can interrupt and kill.
//
//   ExecutorTestParent serve|keep BINARY FOLDER    starts BINARY as a server, prints its process id and waits (serve)
//                                                  or ends (keep)
//   ExecutorTestParent deploy|deploy-kept BINARY FOLDER
//                                                  deploys one node, its state in FOLDER, prints its handle and waits
//   ExecutorTestParent supervise BINARY FOLDER     starts that node again whenever it ends
//   ExecutorTestParent lock FOLDER                 takes the run lock, says so, and waits for the end of its input
import Executor
import Foundation

func say(_ text: String) { FileHandle.standardOutput.write(Data((text + "\n").utf8)) }

let arguments = CommandLine.arguments
guard arguments.count >= 3 else { exit(64) }

switch arguments[1] {
case "lock":
  do {
    let lock = try RunLock.acquire(folder: arguments[2], purpose: "a test")
    say("locked")
    _ = FileHandle.standardInput.readDataToEndOfFile()
    lock.release()
  } catch {
    say("\(error)")
    exit(69)
  }
case "serve" where arguments.count == 4, "keep" where arguments.count == 4:
  let interrupts = Interrupts(grace: .seconds(60))
  let work = Task { () -> Int32 in
    do {
      var launch = ServerLaunch(
        binary: arguments[2], settings: NodeSettings(repository: arguments[3], workers: 1, threadsPerWorker: 1),
        logFile: arguments[3] + "/server.log")
      launch.isKept = arguments[1] == "keep"
      let server = try await ServerProcess.launch(launch)
      say("\(server.pid)")
      if launch.isKept { return 0 }
      try await server.waitUntilEnd()
      return interrupts.wereSeen ? 130 : 0
    } catch {
      await ChildProcess.stopAll(grace: .seconds(60))
      if interrupts.wereSeen { return 130 }
      say("\(error)")
      return 70
    }
  }
  interrupts.onFirst { work.cancel() }
  exit(await work.value)
case "deploy" where arguments.count == 4, "deploy-kept" where arguments.count == 4:
  let runtime = LocalRuntime(
    binary: arguments[2], stateFolder: arguments[3] + "/state", logFolder: arguments[3],
    lifetime: arguments[1] == "deploy" ? .planner : .independent)
  guard let deployment = DeploymentID("parents") else { exit(70) }
  let node = DesiredNode(
    NodeID(index: 0), NodeSettings(repository: arguments[3], workers: 1, threadsPerWorker: 1))
  do {
    let found = try await Rollout(runtime).run(DesiredDeployment(deployment, nodes: [node]))
    say(found.replicas.map(\.handle).joined())
    _ = FileHandle.standardInput.readDataToEndOfFile()
  } catch {
    say("\(error)")
    exit(69)
  }
case "supervise" where arguments.count == 4:
  let runtime = LocalRuntime(
    binary: arguments[2], stateFolder: arguments[3] + "/state", logFolder: arguments[3], lifetime: .independent)
  guard let deployment = DeploymentID("parents") else { exit(70) }
  try await LocalSupervisor(runtime, deployment).run()
default:
  exit(64)
}
