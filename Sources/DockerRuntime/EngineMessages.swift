import Foundation

/// What the engine's API sends (Docker Engine API 1.44), as far as it is read here. Missing keys are read as what they
/// stand for: engines that speak the same API leave some out.
enum EngineMessage {
  struct Problem: Decodable { var message: String }

  struct Version: Decodable {
    var api: String
    var oldestAPI: String?

    enum CodingKeys: String, CodingKey {
      case api = "ApiVersion"
      case oldestAPI = "MinAPIVersion"
    }
  }

  struct Info: Decodable {
    var cpus: Int
    var memoryBytes: Int64

    enum CodingKeys: String, CodingKey {
      case cpus = "NCPU"
      case memoryBytes = "MemTotal"
    }
  }

  struct Image: Decodable {
    var id: String
    enum CodingKeys: String, CodingKey { case id = "Id" }
  }

  struct Identifier: Decodable {
    var id: String
    enum CodingKeys: String, CodingKey { case id = "Id" }
  }

  struct Listed: Decodable {
    var id: String
    var labels: [String: String]?

    enum CodingKeys: String, CodingKey {
      case id = "Id"
      case labels = "Labels"
    }
  }

  struct Container: Decodable {
    struct State: Decodable {
      var status: String
      var pid: Int32?
      var exitCode: Int32?
      var wasOutOfMemory: Bool?
      var error: String?
      var startedAt: String?
      var finishedAt: String?

      enum CodingKeys: String, CodingKey {
        case status = "Status"
        case pid = "Pid"
        case exitCode = "ExitCode"
        case wasOutOfMemory = "OOMKilled"
        case error = "Error"
        case startedAt = "StartedAt"
        case finishedAt = "FinishedAt"
      }
    }
    struct Configuration: Decodable {
      var labels: [String: String]?
      enum CodingKeys: String, CodingKey { case labels = "Labels" }
    }
    struct Host: Decodable {
      struct Restart: Decodable {
        var name: String?
        enum CodingKeys: String, CodingKey { case name = "Name" }
      }
      var memoryBytes: Int64?
      var restart: Restart?

      enum CodingKeys: String, CodingKey {
        case memoryBytes = "Memory"
        case restart = "RestartPolicy"
      }
    }
    struct Network: Decodable {
      struct Binding: Decodable {
        var port: String
        enum CodingKeys: String, CodingKey { case port = "HostPort" }
      }
      var ports: [String: [Binding]?]?
      enum CodingKeys: String, CodingKey { case ports = "Ports" }
    }

    var id: String
    var name: String
    var restarts: Int?
    var state: State
    var configuration: Configuration?
    var host: Host?
    var network: Network?

    enum CodingKeys: String, CodingKey {
      case id = "Id"
      case name = "Name"
      case restarts = "RestartCount"
      case state = "State"
      case configuration = "Config"
      case host = "HostConfig"
      case network = "NetworkSettings"
    }

    var labels: [String: String] { configuration?.labels ?? [:] }

    /// Port of the engine's machine at which a port of the container is published; nil where it is not.
    func published(_ port: Int) -> Int? {
      guard let bindings = network?.ports?["\(port)/tcp"] ?? nil else { return nil }
      return bindings.lazy.compactMap { Int($0.port) }.first { (1...65535).contains($0) }
    }
  }

  struct Event: Decodable {
    var action: String?
    var status: String?

    enum CodingKeys: String, CodingKey {
      case action = "Action"
      case status
    }

    /// Commands that are run in a container, and looks at it, change nothing of its phase.
    var tellsOfChange: Bool { !(action ?? status ?? "").hasPrefix("exec") }
  }

  /// One line of what a pull or a load reports.
  struct Step: Decodable {
    var stream: String?
    var status: String?
    var error: String?
  }

  struct Execution: Decodable {
    var isRunning: Bool
    var exitCode: Int32?

    enum CodingKeys: String, CodingKey {
      case isRunning = "Running"
      case exitCode = "ExitCode"
    }
  }

  struct Usage: Decodable {
    struct Memory: Decodable {
      var usage: Int64?
      var stats: [String: Int64]?
    }
    var memory: Memory?
    enum CodingKeys: String, CodingKey { case memory = "memory_stats" }

    /// Memory without what the kernel can drop at once, as Docker's own command counts it: version 1 of control groups
    /// says `total_inactive_file`, version 2 `inactive_file`.
    var bytes: Int64? {
      guard let usage = memory?.usage, usage > 0 else { return nil }
      let droppable = memory?.stats?["total_inactive_file"] ?? memory?.stats?["inactive_file"] ?? 0
      return droppable < usage ? usage - droppable : usage
    }
  }
}
