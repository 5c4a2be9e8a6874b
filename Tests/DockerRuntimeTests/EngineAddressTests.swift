import APIClient
import DockerRuntime
import Executor
import Foundation
import Testing

/// Where the engine is looked for, as Docker's own command does.
@Suite struct EngineAddressTests {
  private func home() throws -> String {
    let folder = NSTemporaryDirectory() + "engine-address-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder + "/.docker", withIntermediateDirectories: true)
    return folder
  }

  private func write(_ text: String, _ path: String) throws {
    try FileManager.default.createDirectory(
      atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try text.write(toFile: path, atomically: true, encoding: .utf8)
  }

  private func find(_ environment: [String: String], home: String = "/nowhere") throws -> EngineAddress {
    try EngineAddress.find(environment: environment, home: home)
  }

  @Test func theVariableGoesFirst() throws {
    #expect(try find([:]).endpoint.place == .socket(path: "/var/run/docker.sock"))
    #expect(try find(["DOCKER_HOST": "unix:///x/y.sock"]).endpoint.place == .socket(path: "/x/y.sock"))
    let plain = try find(["DOCKER_HOST": "tcp://box:1234"])
    #expect(plain.endpoint.place == .network(host: "box", port: 1234) && plain.endpoint.tls == nil && !plain.isLocal)
    #expect(try find(["DOCKER_HOST": "tcp://box"]).endpoint.place == .network(host: "box", port: 2375))
    #expect(try find(["DOCKER_HOST": "tcp://[::1]:99"]).endpoint.place == .network(host: "::1", port: 99))
    #expect(try find(["DOCKER_HOST": "tcp://127.0.0.1:1"]).isLocal && find([:]).isLocal)
    for text in [
      "ssh://box", "npipe:////./pipe", "fd://", "box", "unix://relative", "tcp://", "tcp://a b", "tcp://u:p@box:1",
      "tcp://box:99999", "tcp://box:1/x?y",
    ] {
      let error = #expect(throws: RuntimeError.self, "\(text)") { try find(["DOCKER_HOST": text]) }
      #expect(error?.message.contains("DOCKER_HOST") == true && error?.remedy.contains("unix://") == true)
    }
  }

  @Test func certificatesAreReadWhereTheyAreSaidToBe() throws {
    let home = try home()
    defer { try? FileManager.default.removeItem(atPath: home) }
    let secure = ["DOCKER_HOST": "tcp://box", "DOCKER_TLS_VERIFY": "1"]
    let none = #expect(throws: RuntimeError.self) { try find(secure, home: home) }
    #expect(none?.message.contains("/.docker holds neither") == true)
    try write("CA", home + "/certs/ca.pem")
    var environment = secure
    environment["DOCKER_CERT_PATH"] = home + "/certs"
    let found = try find(environment, home: home)
    #expect(found.endpoint.place == .network(host: "box", port: 2376))
    #expect(found.endpoint.tls?.trust == .authorities(pem: Array("CA".utf8)) && found.endpoint.tls?.identity == nil)
    try write("C", home + "/certs/cert.pem")
    #expect(throws: RuntimeError.self) { try find(environment, home: home) }
    try write("K", home + "/certs/key.pem")
    #expect(try find(environment, home: home).endpoint.tls?.identity?.keyPEM == Array("K".utf8))
  }

  @Test func contextsAreRead() throws {
    let home = try home()
    defer { try? FileManager.default.removeItem(atPath: home) }
    let name = try sha256("box")
    try write(
      #"{"Name":"box","Endpoints":{"docker":{"Host":"tcp://box:2376","SkipTLSVerify":false}}}"#,
      home + "/.docker/contexts/meta/\(name)/meta.json")
    #expect(try find(["DOCKER_CONTEXT": "box"], home: home).endpoint.place == .network(host: "box", port: 2376))
    try write(#"{"currentContext":"box","auths":{}}"#, home + "/.docker/config.json")
    #expect(try find([:], home: home).text == "tcp://box:2376")
    #expect(try find(["DOCKER_CONTEXT": "default"], home: home).endpoint.place == .socket(path: "/var/run/docker.sock"))
    let gone = #expect(throws: RuntimeError.self) { try find(["DOCKER_CONTEXT": "other"], home: home) }
    #expect(gone?.message.contains("'other'") == true && gone?.remedy.contains("docker context ls") == true)
    try write(#"{"Endpoints":{}}"#, home + "/.docker/contexts/meta/\(name)/meta.json")
    #expect(throws: RuntimeError.self) { try find([:], home: home) }
  }

  /// The digest by a program of others.
  private func sha256(_ text: String) throws -> String {
    let process = Process()
    let (input, output) = (Pipe(), Pipe())
    process.executableURL = URL(fileURLWithPath: "/usr/bin/sha256sum")
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    input.fileHandleForWriting.write(Data(text.utf8))
    try input.fileHandleForWriting.close()
    let data = output.fileHandleForReading.readDataToEndOfFile()
    return String(String(decoding: data, as: UTF8.self).prefix(64))
  }
}
