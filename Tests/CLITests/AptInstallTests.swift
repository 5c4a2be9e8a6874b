import Foundation
import TestSupport
import Testing

/// Set-up beside another apt: `scripts/apt-install` with Debian's own apt-get, whose folders lie in a temporary one.
@Suite(.serialized, .enabled(if: geteuid() == 0 && access("/usr/bin/apt-get", X_OK) == 0, "needs root and apt-get"))
struct AptInstallTests {
  /// An apt without sources whose only package is installed already.
  private struct Apt {
    let folder: TemporaryFolder

    init() throws {
      folder = try TemporaryFolder()
      for name in ["dpkg", "state/lists/partial", "cache/archives/partial", "bin"] {
        try FileManager.default.createDirectory(
          atPath: folder.path + "/" + name, withIntermediateDirectories: true)
      }
      _ = try folder.file(
        "dpkg/status",
        """
        Package: probe
        Status: install ok installed
        Version: 1
        Architecture: all
        Maintainer: tests <tests@localhost>
        Description: is there

        """)
      _ = try folder.file(
        "settings",
        """
        Dir::State "\(folder.path)/state/";
        Dir::State::status "\(folder.path)/dpkg/status";
        Dir::Cache "\(folder.path)/cache/";
        Dir::Log "\(folder.path)/state/";
        Dir::Etc::sourcelist "/dev/null";
        Dir::Etc::sourceparts "/dev/null";

        """)
    }

    /// A program that stands before `apt-get` in the path.
    func aptGet(_ script: String) throws {
      let path = try folder.file("bin/apt-get", "#!/bin/bash\n" + script)
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
    }

    /// Holds a lock as dpkg does, in this process.
    func hold(_ lock: String) throws -> Int32 {
      let handle = open(folder.path + "/" + lock, O_RDWR | O_CREAT, 0o640)
      try #require(handle >= 0 && lockf(handle, F_TLOCK, 0) == 0)
      return handle
    }

    func start(_ package: String, patience: Int) throws -> Installation {
      let log = try folder.file("log", "")
      let process = Process()
      process.executableURL = URL(fileURLWithPath: Workplace.repository + "/scripts/apt-install")
      process.arguments = ["caller", package]
      process.environment = [
        "PATH": folder.path + "/bin:/usr/sbin:/usr/bin:/sbin:/bin", "APT_CONFIG": folder.path + "/settings",
        "APT_WAIT_SECONDS": "\(patience)", "RUNLEVEL": "1",
      ]
      process.standardInput = FileHandle.nullDevice
      process.standardOutput = FileHandle.nullDevice
      process.standardError = FileHandle(forWritingAtPath: log)
      try process.run()
      return Installation(apt: self, process: process, log: log)
    }
  }

  private struct Installation {
    /// Apt of the installation, kept so that its folders stay as long as the installation is looked at.
    let apt: Apt
    let process: Process
    let log: String

    func said() throws -> String { try String(contentsOfFile: log, encoding: .utf8) }

    func status() -> Int32 {
      process.waitUntilExit()
      return process.terminationStatus
    }

    func waitUntil(_ text: String) throws {
      for _ in 0..<6000 {
        if try said().contains(text) { return }
        if !process.isRunning { break }
        usleep(10_000)
      }
      Issue.record("never said '\(text)': \(try said())")
    }
  }

  @Test func withNobodyInTheWayItIsSilent() throws {
    let installation = try Apt().start("probe", patience: 60)
    #expect(installation.status() == 0)
    #expect(try installation.said() == "")
  }

  @Test(arguments: ["dpkg/lock-frontend", "dpkg/lock", "state/lists/lock", "cache/archives/lock"])
  func itWaitsForTheHolderOfALockAndGoesOn(_ lock: String) throws {
    let apt = try Apt()
    let handle = try apt.hold(lock)
    let installation = try apt.start("probe", patience: 600)
    try installation.waitUntil("caller: waiting up to 600 s for ")
    #expect(try installation.said().contains("(process \(getpid()))"))
    #expect(installation.process.isRunning)
    close(handle)
    #expect(installation.status() == 0)
    // One line, however long it took.
    #expect(try installation.said().split(separator: "\n").count == 1)
  }

  @Test func itGivesUpAtItsLimit() throws {
    let apt = try Apt()
    let handle = try apt.hold("dpkg/lock-frontend")
    defer { close(handle) }
    let installation = try apt.start("probe", patience: 2)
    #expect(installation.status() == 69)
    let said = try installation.said()
    #expect(said.contains("caller: waited 2 s for ") && said.contains("run this again once it has ended"), "\(said)")
    #expect(said.contains("(process \(getpid()))"))
  }

  /// Another apt may take the lock after it was looked at: apt-get then says so, and is asked again.
  @Test func aLostRaceIsWaitedForToo() throws {
    let apt = try Apt()
    try apt.aptGet(
      """
      echo "$*" >>\(apt.folder.path)/calls
      [ "$(wc -l <\(apt.folder.path)/calls)" -eq 2 ] || exit 0
      echo 'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 77 (unattended-upgr)' >&2
      exit 100
      """)
    let installation = try apt.start("probe", patience: 600)
    #expect(installation.status() == 0)
    #expect(try installation.said().hasPrefix("caller: waiting up to 600 s for unattended-upgr (process 77)"))
    let calls = try String(contentsOfFile: apt.folder.path + "/calls", encoding: .utf8).split(separator: "\n")
    #expect(
      calls.count == 3 && calls[0].contains("update") && calls[1].contains("install") && calls[2].contains("probe"))
    // What waits inside apt-get has no more than the time that is left.
    #expect(calls.allSatisfy { $0.contains("DPkg::Lock::Timeout=") })
  }

  @Test func whatCannotBeHadIsSaidAndNotWaitedFor() throws {
    let installation = try Apt().start("no-such-package", patience: 600)
    #expect(installation.status() == 69)
    let said = try installation.said()
    #expect(said.contains("no-such-package") && said.contains("caller: the packages could not be installed"), "\(said)")
    #expect(!said.contains("waiting"))
  }
}
