import Foundation
import Testing

/// An authority of the tests' own, with certificates for a server on this machine and for a client, in a new folder.
final class Certificates {
  let folder = NSTemporaryDirectory() + "planner-certificates-" + UUID().uuidString

  var authority: String { folder + "/ca.pem" }
  var server: String { folder + "/server.pem" }
  var serverKey: String { folder + "/server.key" }
  var client: String { folder + "/client.pem" }
  var clientKey: String { folder + "/client.key" }

  init() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try openssl(
      "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test-authority"
        + " -keyout ca.key -out ca.pem")
    for (name, extensions) in [
      ("server", "subjectAltName=DNS:localhost,IP:127.0.0.1"), ("client", "extendedKeyUsage=clientAuth"),
    ] {
      try Data(extensions.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name).ext"))
      try openssl(
        "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=test-\(name) -keyout \(name).key"
          + " -out \(name).csr")
      try openssl(
        "x509 -req -in \(name).csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile \(name).ext"
          + " -out \(name).pem")
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: folder) }

  private func openssl(_ arguments: String) throws {
    let (status, said) = try Program.run(
      "/bin/sh",
      ["-c", "cd \"$1\" && shift && exec openssl \"$@\"", "sh", folder]
        + arguments.split(separator: " ").map(String.init))
    try #require(status == 0, "openssl \(arguments): \(said)")
  }
}
