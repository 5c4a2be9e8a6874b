import Executor
import Foundation
import Synchronization
import Testing

@Suite struct ChildProcessTests {
  private final class Lines: Sendable {
    let all = Mutex<[String]>([])
    func add(_ line: String) { all.withLock { $0.append(line) } }
    var value: [String] { all.withLock { $0 } }
  }

  @Test func handsOutEveryLineAndTheExitCode() async throws {
    let output = Lines()
    let errors = Lines()
    let status = try await ChildProcess.run(
      "/bin/sh", arguments: ["-c", "echo one; echo oops >&2; echo \"$SETTING\"; printf unfinished; exit 5"],
      environment: ["SETTING": "two words"], onStandardOutput: output.add, onStandardError: errors.add)
    #expect(status == .exited(5) && !status.isSuccess)
    #expect(output.value == ["one", "two words", "unfinished"])
    #expect(errors.value == ["oops"])
  }

  @Test func longOutputIsComplete() async throws {
    let output = Lines()
    try await ChildProcess.run(
      "/bin/sh", arguments: ["-c", "i=0; while [ $i -lt 20000 ]; do echo line $i of some length; i=$((i+1)); done"],
      onStandardOutput: output.add)
    #expect(output.value.count == 20_000 && output.value.last == "line 19999 of some length")
  }

  @Test func aSignalIsNamed() async throws {
    let status = try await ChildProcess.run("/bin/sh", arguments: ["-c", "kill -SEGV $$"])
    #expect(status == .signalled(SIGSEGV) && status.description == "signal 11")
  }

  @Test func cancellingEndsTheChildAndWhatItStarted() async throws {
    let scratch = try Scratch()
    let program = try scratch.program(
      """
      trap '' TERM
      sleep 1000 &
      echo $! > \(scratch.path)/sleeper
      echo $$ > \(scratch.path)/pid
      wait
      sleep 1000
      """)
    let task = Task { try await ChildProcess.run(program, grace: .milliseconds(300)) }
    let pid = try await scratch.number(in: "pid")
    let sleeper = try await scratch.number(in: "sleeper")
    #expect(exists(pid) && exists(sleeper) && ChildProcess.alive.contains(pid))
    task.cancel()
    await #expect(throws: CancellationError.self) { try await task.value }
    #expect(!exists(pid) && !ChildProcess.alive.contains(pid))
    try await eventually { !exists(sleeper) }
  }

  @Test func aChildInheritsNoDescriptorButTheThreeStandardOnes() async throws {
    let scratch = try Scratch()
    let file = try scratch.write("", to: "open")
    let descriptor = open(file, O_RDONLY)
    defer { close(descriptor) }
    let output = Lines()
    try await ChildProcess.run("/bin/ls", arguments: ["-l", "/proc/self/fd"], onStandardOutput: output.add)
    let targets = output.value.filter { $0.contains("->") }
    #expect(!targets.contains { $0.hasSuffix(file) })
    // 0, 1, 2 and the folder that is being listed.
    #expect(targets.count == 4)
  }

  @Test func anIgnoredSignalIsNotIgnoredInTheChild() async throws {
    signal(SIGUSR1, SIG_IGN)
    defer { signal(SIGUSR1, SIG_DFL) }
    let status = try await ChildProcess.run("/bin/sh", arguments: ["-c", "kill -USR1 $$; exit 0"])
    #expect(status == .signalled(SIGUSR1))
  }

  @Test func aRunawayThatHoldsTheOutputIsNotWaitedFor() async throws {
    let scratch = try Scratch()
    // `setsid` takes it out of the group that is ended with the child.
    let script = "setsid sleep 60 &\necho $! > \(scratch.path)/pid\necho said\n"
    let output = Lines()
    let status = try await ChildProcess.run(scratch.program(script), onStandardOutput: output.add)
    #expect(status.isSuccess && output.value == ["said"])
    kill(try await scratch.number(in: "pid"), SIGKILL)
  }

  @Test func itsInputStaysOpenWhileTheParentLives() async throws {
    // 124: `cat` was still waiting for input when its time was over.
    let status = try await ChildProcess.run("/usr/bin/timeout", arguments: ["0.3", "cat"])
    #expect(status == .exited(124))
  }

  @Test func whatDoesNotExistIsAnError() async throws {
    await #expect(throws: ExecutorError.notExecutable(path: "/nonexistent", reason: "there is no such file")) {
      try await ChildProcess.run("/nonexistent")
    }
    await #expect(throws: ExecutorError.notExecutable(path: "/tmp", reason: "it is a folder")) {
      try await ChildProcess.run("/tmp")
    }
    let scratch = try Scratch()
    let garbage = try scratch.write("\u{7f}ELF garbage", to: "garbage")
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: garbage)
    await #expect(throws: ExecutorError.spawn(binary: garbage, reason: "Exec format error")) {
      try await ChildProcess.run(garbage)
    }
  }
}

@Suite struct FreePortTests {
  @Test func aPortThatIsFoundCanBeUsedAndOneInUseIsRefused() throws {
    let port = try FreePort.find()
    #expect((1024...65535).contains(port))
    try FreePort.require(port: port)

    let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(socket) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
      }
    }
    #expect(bound == 0 && listen(socket, 1) == 0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    withUnsafeMutablePointer(to: &address) { pointer in
      _ = pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(socket, $0, &length) }
    }
    let taken = Int(UInt16(bigEndian: address.sin_port))
    let error = #expect(throws: ExecutorError.self) { try FreePort.require(port: taken) }
    #expect(error?.description.contains("port \(taken) on 127.0.0.1 cannot be used (Address already in use)") == true)
    #expect(throws: ExecutorError.self) { try FreePort.require(port: 70_000) }
    #expect(throws: ExecutorError.self) { try FreePort.require(host: "not an address", port: 0) }
  }
}
