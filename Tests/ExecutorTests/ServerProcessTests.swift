import Executor
import Foundation
import Testing

@Suite struct ServerProcessTests {
  @Test func launchWaitsForTheReadyLineAndStopEndsTheProcess() async throws {
    let scratch = try Scratch()
    let program = try scratch.program(
      "echo \"arguments: $*\" >&2\necho \"setting: $PLANNER_TEST_SETTING of $HOME\" >&2\necho noise\n"
        + FakeServer.obedient)
    var launch = scratch.launch(program)
    launch.settings.environment = ["PLANNER_TEST_SETTING": "one two"]
    launch.settings.models = ["a", "b", "c"]
    launch.pinWorkers = [1, 2]
    launch.ioCPUs = [0]
    launch.settings.warmTokens = [16, 128]
    let server = try await ServerProcess.launch(launch)
    #expect(server.port == 4242 && server.models == 3 && server.isRunning)
    #expect(server.address == NodeAddress(host: "127.0.0.1", port: 4242))
    #expect(exists(server.pid) && ChildProcess.alive.contains(server.pid))
    let memory = try server.memoryBytes()
    #expect(memory > 4096 && memory < 100 << 20)
    let log = server.logs(last: 3)
    #expect(
      log.first == "arguments: --repository \(scratch.path) --host 127.0.0.1 --port 0 --workers 2 --threads 3 "
        + "--warm-tokens 16,128 --model-list \(scratch.path)/server.models --pin-workers 1,2 --io-cpus 0 "
        + "--stop-on-stdin-eof")
    let home = ProcessInfo.processInfo.environment["HOME"] ?? ""
    #expect(log.dropFirst().first == "setting: one two of \(home)")

    await server.stop(grace: .seconds(60))
    #expect(!server.isRunning && server.exitStatus != nil && !exists(server.pid))
    #expect(!ChildProcess.alive.contains(server.pid))
    await server.stop()
    try await server.waitUntilEnd()
    #expect(throws: ExecutorError.self) { try server.memoryBytes() }
  }

  @Test func aServerThatEndsBeforeItIsReadyIsQuoted() async throws {
    let scratch = try Scratch()
    let program = try scratch.program("echo first >&2\necho 'port 80 is in use' >&2\nexit 3\n")
    let error = await #expect(throws: ExecutorError.self) { try await ServerProcess.launch(scratch.launch(program)) }
    #expect(
      error
        == .endedBeforeReady(
          binary: program, status: .exited(3), logTail: ["first", "port 80 is in use"],
          logFile: scratch.path + "/server.log"))
    #expect(error?.description.contains("exit code 3") == true)
    #expect(error?.description.contains("port 80 is in use") == true)
  }

  @Test func aServerThatIsNeverReadyIsStopped() async throws {
    let scratch = try Scratch()
    let program = try scratch.program("echo $$ > \(scratch.path)/pid\nwhile :; do sleep 0.1; done\n")
    var launch = scratch.launch(program)
    // Long enough for a shell to start on a busy machine.
    launch.readyTimeoutSeconds = 3
    let error = await #expect(throws: ExecutorError.self) { try await ServerProcess.launch(launch) }
    guard case .notReadyInTime(_, 3, _, _) = error else {
      Issue.record("unexpected: \(String(describing: error))")
      return
    }
    let pid = try await scratch.number(in: "pid")
    #expect(!exists(pid))
  }

  @Test func cancellingALaunchLeavesNothingBehind() async throws {
    let scratch = try Scratch()
    let program = try scratch.program("echo $$ > \(scratch.path)/pid\nwhile :; do sleep 0.1; done\n")
    let launch = scratch.launch(program)
    let task = Task { try await ServerProcess.launch(launch) }
    let pid = try await scratch.number(in: "pid")
    #expect(exists(pid))
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(!exists(pid))
  }

  @Test func whatDoesNotStopWhenAskedIsKilled() async throws {
    let scratch = try Scratch()
    let server = try await ServerProcess.launch(scratch.launch(scratch.program(FakeServer.stubborn)))
    await server.stop(grace: .milliseconds(300))
    #expect(server.exitStatus == .signalled(SIGKILL) && !exists(server.pid))
  }

  @Test func aCrashIsNoticedAndEndsTheWorkThatNeedsTheServer() async throws {
    let scratch = try Scratch()
    let program = try scratch.program(
      """
      \(FakeServer.ready)
      while [ ! -e \(scratch.path)/crash ]; do sleep 0.05; done
      echo 'out of memory' >&2
      exit 7
      """)
    let server = try await ServerProcess.launch(scratch.launch(program))
    let error = await #expect(throws: ExecutorError.self) {
      try await server.whileRunning {
        _ = try scratch.write("", to: "crash")
        try await Task.sleep(for: .seconds(600))
      }
    }
    #expect(
      error
        == .crashed(
          pid: server.pid, status: .exited(7), logTail: ["out of memory"], logFile: scratch.path + "/server.log"))
    #expect(!server.isRunning)
  }

  @Test func workBesideARunningServerReturnsItsResult() async throws {
    let scratch = try Scratch()
    let server = try await ServerProcess.launch(scratch.launch(scratch.program(FakeServer.obedient)))
    let answer = try await server.whileRunning { 42 }
    #expect(answer == 42 && server.isRunning)
    await server.stop()
  }

  @Test func whatAServerStartedGoesWithIt() async throws {
    let scratch = try Scratch()
    let program = try scratch.program("sleep 1000 &\necho $! > \(scratch.path)/pid\n" + FakeServer.obedient)
    let server = try await ServerProcess.launch(scratch.launch(program))
    let grandchild = try await scratch.number(in: "pid")
    #expect(exists(grandchild))
    await server.stop()
    try await eventually { !exists(grandchild) }
  }

  @Test func whatCannotBeStartedIsOneClearSentence() async throws {
    let scratch = try Scratch()
    let missing = await #expect(throws: ExecutorError.self) {
      try await ServerProcess.launch(scratch.launch("/nonexistent/model-server"))
    }
    #expect(missing?.description == "/nonexistent/model-server cannot be run: there is no such file")
    let plain = try scratch.write("no program", to: "plain")
    let forbidden = await #expect(throws: ExecutorError.self) { try await ServerProcess.launch(scratch.launch(plain)) }
    #expect(forbidden == .notExecutable(path: plain, reason: "Permission denied"))
    var launch = scratch.launch(try scratch.program(FakeServer.obedient))
    launch.logFile = "/nonexistent/server.log"
    let log = await #expect(throws: ExecutorError.self) { try await ServerProcess.launch(launch) }
    #expect(log?.description.contains("/nonexistent/server.log cannot be written") == true)
  }

  @Test func theServerIsFoundByVariableThenBesideTheProgramThenInThePath() throws {
    let scratch = try Scratch()
    let beside = try scratch.program("", name: "bin/model-server")
    let inPath = try scratch.program("", name: "path/model-server")
    let own = scratch.path + "/bin/planner"
    let path = ["PATH": "/nonexistent:\(scratch.path)/path"]
    #expect(try ServerBinary.locate(environment: path, executable: own) == beside)
    #expect(try ServerBinary.locate(environment: path, executable: "/nonexistent/planner") == inPath)
    let named = path.merging([ServerBinary.environmentVariable: inPath]) { $1 }
    #expect(try ServerBinary.locate(environment: named, executable: own) == inPath)
    #expect(throws: ExecutorError.self) {
      try ServerBinary.locate(environment: [ServerBinary.environmentVariable: "/nonexistent"], executable: own)
    }
    let error = #expect(throws: ExecutorError.self) {
      try ServerBinary.locate(environment: [:], executable: "/nonexistent/planner")
    }
    #expect(error?.description.contains("PLANNER_MODEL_SERVER") == true)
  }
}

/// The planner as a process of its own, interrupted and killed.
@Suite struct ParentTests {
  @Test func aServerGoesWhenItsParentIsKilled() async throws {
    let scratch = try Scratch()
    let parent = try Parent(["serve", try scratch.program(FakeServer.obedient), scratch.path])
    let server = try #require(Int32(parent.line()))
    #expect(exists(server))
    kill(parent.process.processIdentifier, SIGKILL)
    try await eventually { !exists(server) }
    let log = try String(contentsOfFile: scratch.path + "/server.log", encoding: .utf8)
    #expect(log == "started\ninput ended\n")
  }

  @Test(arguments: [SIGINT, SIGTERM])
  func anInterruptStopsTheServerBeforeTheParentEnds(signal: Int32) async throws {
    let scratch = try Scratch()
    // Takes its time, as a server that answers what it has accepted.
    let program = try scratch.program(
      "trap 'sleep 0.3; echo stopped >&2; exit 0' TERM\n\(FakeServer.ready)\nwhile :; do sleep 0.05; done\n")
    let parent = try Parent(["serve", program, scratch.path])
    let server = try #require(Int32(parent.line()))
    kill(parent.process.processIdentifier, signal)
    parent.process.waitUntilExit()
    #expect(!exists(server))
    #expect(parent.process.terminationReason == .exit && parent.process.terminationStatus == 130)
    #expect(try String(contentsOfFile: scratch.path + "/server.log", encoding: .utf8) == "stopped\n")
  }

  @Test func anInterruptBeforeTheServerIsReadyLeavesNothing() async throws {
    let scratch = try Scratch()
    let program = try scratch.program("echo $$ > \(scratch.path)/pid\nwhile :; do sleep 0.1; done\n")
    let parent = try Parent(["serve", program, scratch.path])
    let server = try await scratch.number(in: "pid")
    kill(parent.process.processIdentifier, SIGINT)
    parent.process.waitUntilExit()
    #expect(parent.process.terminationStatus == 130 && !exists(server))
  }

  @Test func aSecondInterruptEndsAtOnceWhatIsDeaf() async throws {
    let scratch = try Scratch()
    let parent = try Parent(["serve", try scratch.program(FakeServer.stubborn), scratch.path])
    let server = try #require(Int32(parent.line()))
    kill(parent.process.processIdentifier, SIGINT)
    try await Task.sleep(for: .milliseconds(300))
    #expect(exists(server))
    kill(parent.process.processIdentifier, SIGINT)
    parent.process.waitUntilExit()
    // Either the parent saw its server go and ended with 130, or the signal ended it: to a shell they are the same.
    let byItself = parent.process.terminationReason == .exit
    #expect(parent.process.terminationStatus == (byItself ? 130 : SIGINT))
    try await eventually { !exists(server) }
  }

  @Test func aKeptServerOutlivesItsParent() async throws {
    let scratch = try Scratch()
    let program = try scratch.program("echo \"$*\" >&2\n\(FakeServer.ready)\nwhile :; do sleep 0.1; done\n")
    let parent = try Parent(["keep", program, scratch.path])
    let server = try #require(Int32(parent.line()))
    parent.process.waitUntilExit()
    #expect(parent.process.terminationStatus == 0)
    try await Task.sleep(for: .milliseconds(200))
    #expect(exists(server))
    let log = try String(contentsOfFile: scratch.path + "/server.log", encoding: .utf8)
    #expect(!log.contains("stop-on-stdin-eof"))
    kill(-server, SIGKILL)
    try await eventually { !exists(server) }
  }

  @Test func twoRunsAtOnceGetOneSentence() async throws {
    let scratch = try Scratch()
    let folder = scratch.path + "/state/deep"
    let first = try Parent(["lock", folder])
    #expect(first.line() == "locked")
    let error = #expect(throws: ExecutorError.self) { try RunLock.acquire(folder: folder, purpose: "another") }
    #expect(
      error?.description
        == "another run is in progress (process \(first.process.processIdentifier), a test, lock \(folder)/lock); "
        + "wait for it to end or stop it")
    // A holder that dies gives the lock back.
    kill(first.process.processIdentifier, SIGKILL)
    first.process.waitUntilExit()
    let lock = try RunLock.acquire(folder: folder, purpose: "another")
    #expect(throws: ExecutorError.self) { try RunLock.acquire(folder: folder, purpose: "a third") }
    lock.release()
    try RunLock.acquire(folder: folder, purpose: "a fourth").release()
  }
}
