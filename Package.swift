// swift-tools-version: 6.1
import Foundation
import PackageDescription

// Every room treats warnings as errors. The flag is set here and not on the command line,
// where it would apply to dependencies too.
let strict: [SwiftSetting] = [
  .unsafeFlags(["-warnings-as-errors"]),
  .enableUpcomingFeature("ExistentialAny"),
]

// oneDNN is what libtorch itself multiplies narrow numbers with (Debian: libdnnl-dev). Where its headers are missing,
// the shim leaves such layers to libtorch.
let oneDNN: [LinkerSetting] =
  FileManager.default.fileExists(atPath: "/usr/include/oneapi/dnnl/dnnl.hpp") ? [.linkedLibrary("dnnl")] : []

// One core target `PlannerCore`; feature targets that know it; two executables as composition roots.
// ARCHITECTURE.md has the picture, Tests/TidyTests the check of these directions.
let package = Package(
  name: "planner",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "planner", targets: ["PlannerCLI"]),
    .executable(name: "model-server", targets: ["ModelServer"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
    .package(url: "https://github.com/apple/swift-collections", from: "1.1.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.0.0"),
    .package(url: "https://github.com/apple/swift-numerics", from: "1.0.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.80.0"),
    .package(url: "https://github.com/apple/swift-nio-extras", from: "1.20.0"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.3.0"),
    .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.10.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.6.0"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.30.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    .package(url: "https://github.com/HdrHistogram/hdrhistogram-swift", from: "0.1.0"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.34.0"),
    .package(url: "https://github.com/apple/swift-nio-http2", from: "1.40.0"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.38.0", traits: []),
    .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.3.0"),
    .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.0"),
    .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.0"),
  ],
  targets: [
    .target(
      name: "PlannerCore",
      dependencies: [
        .product(name: "DequeModule", package: "swift-collections"),
        .product(name: "RealModule", package: "swift-numerics"),
      ],
      swiftSettings: strict),
    .target(
      name: "Simulator",
      dependencies: ["PlannerCore", .product(name: "RealModule", package: "swift-numerics")],
      swiftSettings: strict),
    .target(
      name: "Optimizer",
      dependencies: ["PlannerCore", "Simulator", .product(name: "RealModule", package: "swift-numerics")],
      swiftSettings: strict),
    .target(
      name: "PlannerFiles",
      dependencies: [
        "PlannerCore", .product(name: "Crypto", package: "swift-crypto"), .product(name: "Yams", package: "Yams"),
      ],
      resources: [
        .embedInCode("Data/instances-us-east-1.csv"), .embedInCode("Data/instances-us-east-1.json"),
        .embedInCode("Data/figures.json"), .embedInCode("Data/guidance.json"), .embedInCode("Data/node-agents.json"),
      ],
      swiftSettings: strict),
    .target(
      name: "AccessLogs",
      dependencies: ["PlannerCore", "CZlib", .product(name: "RealModule", package: "swift-numerics")],
      swiftSettings: strict),
    // What `planner` and `model-server` say to each other.
    .target(name: "ServerContract", dependencies: ["PlannerCore"], swiftSettings: strict),
    .target(
      name: "CLinux",
      cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])]),
    .systemLibrary(name: "CZlib"),
    .target(
      name: "CCurl",
      cSettings: [.unsafeFlags(["-Wall", "-Wextra", "-Werror"])],
      linkerSettings: [.linkedLibrary("curl")]),
    .target(
      name: "LoadTest",
      dependencies: [
        "PlannerCore", "ServerContract", "CLinux",
        .product(name: "RealModule", package: "swift-numerics"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "Histogram", package: "hdrhistogram-swift"),
      ],
      swiftSettings: strict),
    // HTTP interfaces of engines, clusters and registries; only this room knows the client library.
    .target(
      name: "APIClient",
      dependencies: [
        "PlannerCore",
        .product(name: "AsyncHTTPClient", package: "async-http-client"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
      ],
      swiftSettings: strict),
    // The server's image and registries.
    .target(
      name: "ContainerImages",
      dependencies: [
        "PlannerCore", "PlannerFiles", "ServerContract", "APIClient", "CZlib",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "NIOCore", package: "swift-nio"),
      ],
      swiftSettings: strict),
    .target(
      name: "Executor",
      dependencies: [
        "PlannerCore", "PlannerFiles", "ServerContract", "CLinux", .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    // Containers of one host.
    .target(
      name: "DockerRuntime",
      dependencies: [
        "PlannerCore", "PlannerFiles", "ServerContract", "Executor", "APIClient", "ContainerImages",
        .product(name: "Crypto", package: "swift-crypto"),
        .product(name: "NIOCore", package: "swift-nio"),
      ],
      swiftSettings: strict),
    .target(
      name: "KubernetesRuntime",
      dependencies: [
        "APIClient", "ContainerImages", "Executor", "PlannerCore", "PlannerFiles", "ServerContract",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "NIOWebSocket", package: "swift-nio"),
        .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: strict),
    .target(
      name: "Profiler",
      dependencies: ["PlannerCore", "PlannerFiles", "LoadTest", "Executor", "ServerContract"],
      swiftSettings: strict),
    .target(
      name: "Proof",
      dependencies: ["PlannerCore", "Simulator", "Optimizer", "LoadTest", "Executor", "Profiler"],
      swiftSettings: strict),
    .target(
      name: "Reporting",
      dependencies: ["PlannerCore", .product(name: "RealModule", package: "swift-numerics")],
      swiftSettings: strict),
    .target(
      name: "CTorch",
      dependencies: ["CLinux"],
      cxxSettings: [
        .unsafeFlags([
          "-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror", "-isystem/usr/include/torch/csrc/api/include",
          // libtorch 1.13 derives from std::iterator, which C++17 deprecates.
          "-Wno-deprecated-declarations",
        ])
      ],
      linkerSettings: [
        .linkedLibrary("torch"), .linkedLibrary("torch_cpu"), .linkedLibrary("c10"), .linkedLibrary("deflate"),
      ] + oneDNN),
    // Generated by scripts/make-grpc-code from Protos/.
    .target(
      name: "OpenInferenceProtos",
      dependencies: [
        .product(name: "GRPCCore", package: "grpc-swift-2"),
        .product(name: "GRPCProtobuf", package: "grpc-swift-protobuf"),
        .product(name: "SwiftProtobuf", package: "swift-protobuf"),
      ]),
    // The server, from the bottom up. Only Engine knows libtorch, only WebClient libcurl.
    .target(name: "Engine", dependencies: ["PlannerCore", "CTorch"], swiftSettings: strict),
    .target(name: "Tokenizer", swiftSettings: strict),
    .target(
      name: "Serving",
      dependencies: ["PlannerCore", "PlannerFiles", "ServerContract", "Engine", "Tokenizer", "CLinux"],
      swiftSettings: strict),
    .target(
      name: "WebClient",
      dependencies: ["PlannerCore", "CCurl", .product(name: "Crypto", package: "swift-crypto")],
      swiftSettings: strict),
    .target(
      name: "RemoteModels",
      dependencies: [
        "PlannerCore", "PlannerFiles", "Engine", "Serving", "WebClient",
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .target(
      name: "EngineTools",
      dependencies: ["PlannerCore", "PlannerFiles", "ServerContract", "Engine", "Tokenizer", "Serving", "WebClient"],
      swiftSettings: strict),
    .target(
      name: "ServerSecurity",
      dependencies: ["PlannerFiles", .product(name: "NIOSSL", package: "swift-nio-ssl")],
      swiftSettings: strict),
    .target(
      name: "ServerHTTP",
      dependencies: [
        "PlannerCore", "ServerContract", "Engine", "Tokenizer", "Serving", "ServerSecurity", "CZlib",
        .product(name: "HTTPTypes", package: "swift-http-types"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "HummingbirdTLS", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
        .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
        .product(name: "NIOHTTPTypesHTTP1", package: "swift-nio-extras"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: strict),
    .target(
      name: "ServerGRPC",
      dependencies: [
        "PlannerCore", "ServerContract", "Engine", "Serving", "ServerSecurity", "OpenInferenceProtos",
        .product(name: "GRPCCore", package: "grpc-swift-2"),
        // Off Apple's platforms no more than the transport's core: docs/decisions/0037.
        .product(name: "GRPCNIOTransportHTTP2TransportServices", package: "grpc-swift-nio-transport"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHPACK", package: "swift-nio-http2"),
        .product(name: "NIOHTTP2", package: "swift-nio-http2"),
        .product(name: "NIOSSL", package: "swift-nio-ssl"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: strict),
    .target(
      name: "ServerApplication",
      dependencies: [
        "PlannerCore", "ServerContract", "Engine", "Serving", "RemoteModels", "ServerSecurity", "ServerHTTP",
        "ServerGRPC", "CLinux",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "PlannerCLI",
      dependencies: [
        "PlannerCore", "AccessLogs", "Simulator", "Optimizer", "PlannerFiles", "LoadTest", "Executor", "DockerRuntime",
        "KubernetesRuntime", "Profiler", "Proof", "Reporting", "APIClient", "ContainerImages",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      swiftSettings: strict),
    .executableTarget(
      name: "ModelServer",
      dependencies: [
        "PlannerCore", "PlannerFiles", "ServerContract", "Engine", "EngineTools", "RemoteModels", "ServerApplication",
        "ServerSecurity", "Serving", "Tokenizer", "WebClient",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
      ],
      swiftSettings: strict),
    .testTarget(name: "PlannerCoreTests", dependencies: ["PlannerCore"], swiftSettings: strict),
    .testTarget(
      name: "OptimizerTests", dependencies: ["PlannerCore", "Optimizer", "PlannerFiles", "Simulator"],
      swiftSettings: strict),
    .testTarget(name: "SimulatorTests", dependencies: ["PlannerCore", "Simulator"], swiftSettings: strict),
    .testTarget(
      name: "LoadTestTests",
      dependencies: [
        "PlannerCore", "LoadTest", "ServerContract",
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "NIOHTTP1", package: "swift-nio"),
      ],
      swiftSettings: strict),
    // A program that the tests of Executor start in order to interrupt and kill it.
    .executableTarget(
      name: "ExecutorTestParent", dependencies: ["Executor"], path: "Tests/ExecutorTestParent", swiftSettings: strict),
    .testTarget(
      name: "ExecutorTests",
      dependencies: [
        "ClusterSupport", "PlannerCore", "Executor", "DockerRuntime", "KubernetesRuntime", "LoadTest", "ServerContract",
        "ExecutorTestParent", "TestSupport",
      ],
      swiftSettings: strict),
    .testTarget(
      name: "DockerRuntimeTests",
      dependencies: ["DockerRuntime", "Executor", "PlannerCore", "PlannerFiles", "APIClient"], swiftSettings: strict),
    .testTarget(
      name: "KubernetesRuntimeTests",
      dependencies: [
        "APIClient", "Executor", "KubernetesRuntime", "PlannerFiles", "TestSupport",
        .product(name: "Yams", package: "Yams"),
      ],
      swiftSettings: strict),
    // Needs a cluster: scripts/test-kubernetes brings one up.
    .testTarget(
      name: "KubernetesTests",
      dependencies: ["ClusterSupport", "Executor", "KubernetesRuntime", "ModelServer", "TestSupport"],
      swiftSettings: strict),
    // The cluster of those tests, and tools of others that look at it.
    .target(
      name: "ClusterSupport", dependencies: ["APIClient", "Executor", "KubernetesRuntime", "TestSupport"],
      path: "Tests/ClusterSupport", swiftSettings: strict),
    .testTarget(
      name: "ProofTests",
      dependencies: ["PlannerCore", "Simulator", "Optimizer", "LoadTest", "Executor", "Proof", "ServerContract"],
      swiftSettings: strict),
    .testTarget(
      name: "AccessLogsTests", dependencies: ["AccessLogs", "PlannerCore", "PlannerFiles", "TestSupport"],
      swiftSettings: strict),
    .testTarget(
      name: "PlannerFilesTests", dependencies: ["PlannerCore", "PlannerFiles", "TestSupport"], swiftSettings: strict),
    .testTarget(
      name: "ProfilerTests",
      dependencies: ["PlannerCore", "PlannerFiles", "Profiler", "ServerContract", "TestSupport"],
      swiftSettings: strict),
    .testTarget(name: "ReportingTests", dependencies: ["PlannerCore", "Reporting"], swiftSettings: strict),
    .testTarget(
      name: "TokenizerTests", dependencies: ["Tokenizer"], exclude: ["Fixtures"], swiftSettings: strict),
    .testTarget(
      name: "EngineTests",
      dependencies: ["PlannerCore", "PlannerFiles", "Engine", "EngineTools", "Serving", "Tokenizer"],
      exclude: ["Fixtures"], swiftSettings: strict),
    .testTarget(
      name: "ServerTests",
      dependencies: [
        "ModelServer", "PlannerCore", "PlannerFiles", "Engine", "EngineTools", "ServerContract", "ServerGRPC",
        "ServerHTTP", "ServerSecurity", "Serving", "Simulator", "TestSupport", "Tokenizer",
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
        .product(name: "NIOPosix", package: "swift-nio"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
      ],
      exclude: ["Clients"], swiftSettings: strict),
    .testTarget(
      name: "RemoteTests",
      dependencies: [
        "ModelServer", "PlannerCore", "PlannerFiles", "Engine", "EngineTools", "RemoteModels", "ServerContract",
        "TestSupport", "WebClient",
        .product(name: "Logging", package: "swift-log"),
      ],
      exclude: ["Fixtures"], swiftSettings: strict),
    .testTarget(
      name: "CLITests", dependencies: ["ClusterSupport", "PlannerCLI", "ModelServer", "TestSupport"],
      exclude: ["Fixtures"],
      swiftSettings: strict),
    .testTarget(
      name: "ContainerImagesTests", dependencies: ["ContainerImages", "TestSupport"], swiftSettings: strict),
    // What several test targets need: a JSON Schema validator, folders that go by themselves.
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: strict),
    .testTarget(
      name: "SchemaTests",
      dependencies: ["PlannerCore", "PlannerFiles", "TestSupport", .product(name: "Yams", package: "Yams")],
      swiftSettings: strict),
    .testTarget(name: "TidyTests", swiftSettings: strict),
    // Feeds broken input to everything that reads what others send (docs/testing.md).
    .executableTarget(
      name: "fuzz",
      dependencies: [
        "AccessLogs", "PlannerCore", "PlannerFiles", "Engine", "EngineTools", "ServerApplication", "Serving",
        "Tokenizer",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Logging", package: "swift-log"),
      ],
      path: "Tests/Fuzz", exclude: ["corpus"], swiftSettings: strict),
    .testTarget(name: "FuzzTests", dependencies: ["fuzz", "TestSupport"], swiftSettings: strict),
    // The client of one row of `make bench-server`.
    .executableTarget(
      name: "open-loop",
      dependencies: [
        "CLinux", "LoadTest", "PlannerCore", "ServerContract",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      path: "Benchmarks/Overhead", swiftSettings: strict),
    .testTarget(name: "BenchTests", dependencies: ["ModelServer", "PlannerCLI", "open-loop"], swiftSettings: strict),
  ],
  swiftLanguageModes: [.v6],
  cxxLanguageStandard: .cxx17
)
